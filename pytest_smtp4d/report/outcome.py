"""The outcome of a test, phase by phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

__all__ = ["FAILED", "is_rerun", "outcome_of"]

FAILED = frozenset({"failed", "error", "crashed"})
"""The outcomes that count as failed."""


def outcome_of(report: pytest.TestReport, before: str) -> str:
    """Return the outcome of a test after one more phase; the first failure stays."""
    if before in FAILED:
        return before
    if report.failed:
        return "failed" if report.when == "call" else "error"
    if is_rerun(report):
        return "failed"
    expected = hasattr(report, "wasxfail")
    if report.skipped:
        return "xfailed" if expected else "skipped"
    if report.when == "call":
        return "xpassed" if expected else "passed"
    return before


def is_rerun(report: pytest.TestReport) -> bool:
    """Return whether pytest-rerunfailures made a failure a reason to run the test again."""
    return str(report.outcome) == "rerun"
