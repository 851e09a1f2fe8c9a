"""pytest's hooks of the reports: they collect where tests run, and write once, where pytest was started.

A test's documents travel with its last report, as one JSON text that xdist carries like any other attribute.
So a run without xdist and one with it go the same way.
"""

from __future__ import annotations

import json
import platform
import zlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_smtp4d.report import bridges
from pytest_smtp4d.report.outcome import FAILED, is_rerun, outcome_of
from pytest_smtp4d.report.settings import Settings, check_places

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from pytest_smtp4d.report.document import (
        AttemptDocument,
        Author,
        DifferenceDocument,
        FailureDocument,
        Ledger,
        ReportDocument,
        SessionRecord,
        TestDocument,
    )
    from pytest_smtp4d.report.export import Maildir
    from pytest_smtp4d.report.redact import Redaction
    from pytest_smtp4d.server.watch import Watch

__all__ = ["Reports"]

_DOCUMENTS = "smtp4d_documents"
"""The attribute of a test's last report that holds its attempts, as JSON in ASCII."""


@dataclass(slots=True)
class _Course:
    """What is known of the test that runs now."""

    test: str
    attempts: list[AttemptDocument] = field(default_factory=list)
    outcome: str = ""
    seconds: float = 0.0
    failures: list[FailureDocument] = field(default_factory=list)


class Reports:
    """The plugin that pytest is given.

    Args:
        config: pytest's.
        watch_of: returns what the servers did during a test, or None where there were none.

    Raises:
        SettingsError: an option that cannot be, or a place that cannot be written.
    """

    def __init__(self, config: pytest.Config, watch_of: Callable[[pytest.Item], Watch | None]) -> None:
        self._config = config
        self._watch_of = watch_of
        self._settings = Settings.of(config)
        self._is_worker = hasattr(config, "workerinput")
        self._course = _Course("")
        self._maildir: Maildir | None = None
        self._order: dict[str, int] = {}
        self._outcomes: dict[str, str] = {}
        self._tests: dict[str, bytes] = {}
        self._notes: list[str] = []
        self._started = datetime.now().astimezone()
        self._written: Path | None = None
        self._trouble = ""
        if not self._is_worker:
            check_places(self._settings)

    # What only a run with mail needs is imported when it is.

    @cached_property
    def _redaction(self) -> Redaction:
        from pytest_smtp4d.report.redact import Redaction

        return Redaction(self._settings.patterns)

    def _redact(self, text: str) -> str:
        return self._redaction.text(text)

    @cached_property
    def _author(self) -> Author:
        from pytest_smtp4d.report.document import Author

        return Author(self._redaction, self._settings.largest)

    @cached_property
    def _ledger(self) -> Ledger:
        from pytest_smtp4d.report.document import Ledger

        return Ledger()

    # Where tests run.

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note how a phase went; after the last one, describe the test."""
        watch = self._watch_of(item) if call.when == "teardown" else None  # it is forgotten with this report
        report = yield
        if call.when == "setup":
            attempts = self._course.attempts if self._course.test == item.nodeid else []
            self._course = _Course(item.nodeid, attempts)
        course = self._course
        course.outcome = outcome_of(report, course.outcome)
        course.seconds += call.duration
        if report.failed or is_rerun(report):
            course.failures.append(_failure(report, call))
        if watch is not None:
            self._describe(report, watch)
        return report

    def _describe(self, report: pytest.TestReport, watch: Watch) -> None:
        course = self._course
        records = self._ledger.take((server.url, session) for server, session in watch.sessions)
        self._give_away(report, watch, records)
        if self._settings.page is None:
            return
        course.attempts.append(
            self._author.attempt(
                records,
                watch.faults,
                outcome=course.outcome,
                seconds=course.seconds,
                failures=course.failures,
            )
        )
        is_shown = course.outcome in FAILED or not self._settings.only_failed
        if is_shown and any(attempt["entries"] for attempt in course.attempts):
            setattr(report, _DOCUMENTS, json.dumps(course.attempts))

    def _give_away(self, report: pytest.TestReport, watch: Watch, records: list[SessionRecord]) -> None:
        """Export the mails, and give them to the other reporters."""
        settings = self._settings
        messages = [message for record in records for message in record.messages]
        if settings.export is not None and messages:
            if self._maildir is None:
                from pytest_smtp4d.report.export import Maildir

                self._maildir = Maildir(settings.export, self._redaction)
            self._maildir.put(report.nodeid, messages)
        if any(self._config.getoption(name, default=None) for name in ("htmlpath", "allure_report_dir")):
            redaction = self._redaction
            mails = [
                (redaction.text(message.subject), redaction.content(message.content)) for message in messages
            ]
            transcript = redaction.text(watch.transcript()) if records else ""
            bridges.attach(self._config, report, transcript, mails, settings.page)

    # Where pytest was started.

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember the order of the tests."""
        self._remember_order([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Remember the order of the tests, which a worker collected."""
        self._remember_order(ids)

    def _remember_order(self, ids: list[str]) -> None:
        if not self._order:
            self._order = {test: number for number, test in enumerate(ids)}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, object, object]:
        """Keep the documents of a test, compressed; note its outcome."""
        if self._is_worker:
            return (yield)
        self._keep(report)
        if report.when == "teardown":  # with this report pytest's XML closes the test case
            bridges.write_junit(self._config, report, self._redact)
            return (yield)
        result = yield
        bridges.write_junit(self._config, report, self._redact)
        return result

    def _keep(self, report: pytest.TestReport) -> None:
        test = report.nodeid
        if str(report.when) == "???":  # of xdist, where a worker died
            self._crashed(report)
            return
        if not is_rerun(report):
            self._outcomes[test] = outcome_of(report, self._outcomes.get(test, ""))
        documents = report.__dict__.pop(_DOCUMENTS, None)
        if documents is not None:
            self._tests[test] = zlib.compress(documents.encode("ascii"), 1)

    def _crashed(self, report: pytest.TestReport) -> None:
        from pytest_smtp4d.report.document import crashed_attempt

        words = report.longreprtext
        self._outcomes[report.nodeid] = "crashed"
        self._notes.append(f"{words}: what the tests before it sent is here, what it sent itself is lost")
        attempts = json.dumps([crashed_attempt(words)])
        self._tests[report.nodeid] = zlib.compress(attempts.encode("ascii"), 1)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the page."""
        page = self._settings.page
        if self._is_worker or page is None:
            return
        from pytest_smtp4d.report.document import summary
        from pytest_smtp4d.report.file import write_page
        from pytest_smtp4d.report.limit import render_within

        report = self._report()
        counts = summary(report)
        try:
            self._written = write_page(page, render_within(report, self._settings.limit))
            bridges.write_step_summary(self._written, counts)
        except OSError as error:  # the place was fine before the tests
            self._trouble = f"SMTP report: {page} cannot be written: {error}"

    def _report(self) -> ReportDocument:
        from pytest_smtp4d.report.document import FORMAT

        redaction = self._redaction
        last = len(self._order)
        tests = sorted(self._tests, key=lambda test: self._order.get(test, last))
        documents: list[TestDocument] = [
            {"id": redaction.text(test), "attempts": _attempts(self._tests[test])} for test in tests
        ]

        finished = datetime.now().astimezone()
        notes = list(self._notes)
        if self._settings.only_failed:
            notes.append("only failed tests are shown (smtp4d_report_tests = failed)")
        return {
            "format": FORMAT,
            "run": {
                "name": self._config.rootpath.name or "tests",
                "startedAt": self._started.isoformat(timespec="seconds"),
                "seconds": round((finished - self._started).total_seconds(), 3),
                "python": f"{platform.python_implementation()} {platform.python_version()}",
                "platform": platform.platform(),
                "version": _version(),
                "seed": _seed(self._config),
                "outcomes": dict(Counter(self._outcomes.values())),
                "notes": redaction.document(notes),
                "shards": [],
            },
            "tests": documents,
        }

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the page is, and the Maildir."""
        if self._trouble:
            terminalreporter.write_sep("-", self._trouble, red=True)
        if self._written is not None:
            terminalreporter.write_sep("-", f"SMTP report: {self._written}")
        if self._settings.export is not None and not self._is_worker:
            terminalreporter.write_sep("-", f"SMTP mails: {self._settings.export}")


def _failure(report: pytest.TestReport, call: pytest.CallInfo[None]) -> FailureDocument:
    verdict = "".join(
        f"\n\nSMTP verdict:\n{text}" for title, text in report.sections if title == "SMTP verdict"
    )
    error = call.excinfo.value if call.excinfo is not None else None
    miss = getattr(error, "near_miss", None)
    differing: list[DifferenceDocument] = []
    if miss:
        from pytest_smtp4d.report.document import differences

        differing = differences(miss.rows)
    return {
        "phase": call.when,
        "words": report.longreprtext + verdict,
        "differences": differing,
    }


def _attempts(compressed: bytes) -> list[AttemptDocument]:
    return cast("list[AttemptDocument]", json.loads(zlib.decompress(compressed)))


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("pytest-smtp4d")
    except PackageNotFoundError:  # run from a folder, not installed
        return "unknown"


def _seed(config: pytest.Config) -> str | None:
    """Return the seed that pytest-randomly or pytest-random-order puts the tests in order by."""
    for option, plugin in (("randomly_seed", "randomly"), ("random_order_seed", "random_order")):
        value: Any = config.getoption(option, default=None)
        if value is not None and config.pluginmanager.hasplugin(plugin):
            return str(value)
    return None
