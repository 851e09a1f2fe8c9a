"""A pytest inside pytest that writes a report, and the report read back."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any, Protocol

import pytest

from pytest_smtp4d.report.page import read_page
from tests.plugin.conftest import OTHERS

MAIL = {"from": "ada@example.com", "to": "bob@example.org", "subject": "Hello", "textBody": "Hi."}

PLUGINS = (*OTHERS, "html", "metadata", "allure_pytest")


def quiet(*kept: str) -> list[str]:
    """Return the options of an inner run: warnings are errors; of the suite's plugins only those kept."""
    return ["-W", "error", *(f"-pno:{name}" for name in PLUGINS if name not in kept)]


class Reported(Protocol):
    """What `reported` is."""

    def __call__(
        self, source: str, *arguments: str, status: int | None = None, kept: tuple[str, ...] = ()
    ) -> pytest.RunResult:
        """Run pytest in a process of its own on a test file and return what it said."""
        ...


@pytest.fixture
def reported(pytester: pytest.Pytester) -> Reported:
    """Run pytest with `--smtp4d-report=out/mail.html` on a test file in which `MAIL` is a mail."""

    def run(
        source: str, *arguments: str, status: int | None = None, kept: tuple[str, ...] = ()
    ) -> pytest.RunResult:
        pytester.makepyfile(test_it=f"import pytest\n\nMAIL = {MAIL!r}\n{textwrap.dedent(source)}")
        options = arguments if any("--smtp4d-report" in one for one in arguments) else (REPORT, *arguments)
        result = pytester.runpytest_subprocess(*quiet(*kept), *options)
        if status is not None:
            assert result.ret == status
        return result

    return run


REPORT = "--smtp4d-report=out/mail.html"


def page_of(pytester: pytest.Pytester, path: str = "out/mail.html") -> str:
    """Return the page that the inner run wrote."""
    return Path(pytester.path / path).read_text(encoding="utf-8")


def report_of(pytester: pytest.Pytester, path: str = "out/mail.html") -> Any:
    """Return the report that the inner run wrote."""
    return read_page(page_of(pytester, path))


def told(report: Any) -> list[tuple[str, list[str], list[str]]]:
    """Return what is the same in every run: test ids, the outcome of each attempt, the titles of the rows."""
    return [
        (
            test["id"],
            [attempt["outcome"] for attempt in test["attempts"]],
            [entry["title"] for attempt in test["attempts"] for entry in attempt["entries"]],
        )
        for test in report["tests"]
    ]
