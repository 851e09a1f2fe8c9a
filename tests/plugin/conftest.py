"""A pytest inside pytest, with this plugin and none of the suite's others."""

from __future__ import annotations

import textwrap
from typing import Protocol

import pytest

import pytest_smtp4d.faults.sweep

# An inner run in this process takes back what it imported; cryptography cannot be imported twice.
import pytest_smtp4d.server.certificates
import pytest_smtp4d.server.server
import pytest_smtp4d.transporter.transporter  # noqa: F401
from pytest_smtp4d import Email

MAIL: Email = {"from": "ada@example.com", "to": "bob@example.org", "subject": "Hello", "textBody": "Hi."}
OTHERS = ("asyncio", "cacheprovider", "inline_snapshot", "pytest-bdd", "randomly", "rerunfailures", "syrupy")
"""Plugins of the suite that would take part in an inner run."""


class Run(Protocol):
    """What `run` is."""

    def __call__(self, source: str, *arguments: str, subprocess: bool = False) -> pytest.RunResult:
        """Run pytest on a test file and return what it said."""
        ...


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Run pytest on the source of a test file, warnings being errors; `MAIL` is a mail in it."""

    def run(source: str, *arguments: str, subprocess: bool = False) -> pytest.RunResult:
        pytester.makepyfile(test_it=f"import pytest\n\nMAIL = {MAIL!r}\n{textwrap.dedent(source)}")
        quiet = [f"-pno:{name}" for name in OTHERS]
        start = pytester.runpytest_subprocess if subprocess else pytester.runpytest
        return start(*quiet, "-W", "error", *arguments)

    return run


def section(result: pytest.RunResult, title: str) -> list[str]:
    """Return the lines of the first section with that title, without blank ones."""
    lines = result.outlines
    start = next(i for i, line in enumerate(lines) if line.strip("-=_ ") == title)
    end = next(i for i, line in enumerate(lines[start + 1 :], start + 1) if line[:3] in ("---", "===", "___"))
    return [line for line in lines[start + 1 : end] if line.strip()]
