"""How a failure is shown: an error of ours at the user's line, a verdict in its words, a transcript at once.

pytest shows the frames of a traceback with their arguments. Frames of ours say nothing to a user, and some
hold secrets, so an error of ours ends where the user called us.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from pytest_smtp4d.testrun import TRANSCRIPT

if TYPE_CHECKING:
    from pytest_smtp4d import testrun

__all__ = ["end_at_the_users_line", "is_our_verdict", "is_settings_error", "show_now", "verdict_words"]


def end_at_the_users_line(error: BaseException) -> None:
    """Leave our frames out of an error of ours: pytest shows the arguments of frames, and some are secret."""
    errors = sys.modules.get("pytest_smtp4d.errors")
    if errors is None or not isinstance(error, errors.SMTP4DError):
        return
    error.__suppress_context__ = error.__cause__ is None  # what it came from was raised by frames of ours
    entry, last = error.__traceback__, None
    while entry is not None:
        if not entry.tb_frame.f_globals.get("__name__", "").startswith("pytest_smtp4d."):
            last = entry
        entry = entry.tb_next
    if last is not None:
        last.tb_next = None


def is_settings_error(error: BaseException) -> bool:
    """Return whether an error says that a test's own settings cannot be."""
    errors = sys.modules.get("pytest_smtp4d.errors")
    return errors is not None and isinstance(error, errors.SettingsError)


def is_our_verdict(excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    """Return whether a verdict was raised by this plugin, and not by the user's call of `check`."""
    watching = sys.modules.get("pytest_smtp4d.server.watch")
    if watching is None or not isinstance(excinfo.value, watching.Verdict):
        return False
    return excinfo.traceback[-1].name == "raise_verdict" and not any(
        entry.name == "check" for entry in excinfo.traceback
    )


def verdict_words(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:
    """Return the words of a verdict as a failure at the test's own line, without a traceback of ours."""
    shown = excinfo.getrepr(style="value")
    with suppress(ImportError):  # pytest's name for where something crashed is not public
        from _pytest._code.code import ReprFileLocation

        path, line, _ = item.location
        shown.reprcrash = ReprFileLocation(path, (line or 0) + 1, str(excinfo.value))
    return shown


def show_now(item: pytest.Item, run: testrun.TestRun | None, words: str) -> None:
    """Write the transcript so far past pytest's capturing, or send it to xdist's controller."""
    if run is None or run.watch is None or item.config.getoption("smtp4d_transcript") == "off":
        return
    text = run.watch.transcript()
    if hasattr(item.config, "workerinput"):  # nobody sees what a worker of xdist writes
        sections = [(TRANSCRIPT, text)]
        report = pytest.TestReport(item.nodeid, item.location, {}, "failed", words, "call", sections)
        item.ihook.pytest_runtest_logreport(report=report)
        return
    capture = item.config.pluginmanager.getplugin("capturemanager")
    if capture:
        capture.suspend_global_capture(item)
    stream = sys.__stderr__ or sys.stderr
    stream.write(f"\n{f' {TRANSCRIPT} ':+^80}\n{text}\n")
    stream.flush()
