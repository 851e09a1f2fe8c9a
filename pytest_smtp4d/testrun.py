"""One test while it runs: what its servers did, what its markers did to them, and how it is judged.

A test is judged and explained by a `Watch` (see `server.watch`): what every server of the process did from
the test's set-up to its teardown, whoever started it. Where no server ever ran there is nothing to import for
it: that is read off `sys.modules`.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_smtp4d.server.disturbance import Disturbance
    from pytest_smtp4d.server.marker import Mark
    from pytest_smtp4d.server.server import SMTPServer
    from pytest_smtp4d.server.watch import Watch

__all__ = ["TRANSCRIPT", "TestRun"]

TRANSCRIPT = "SMTP transcript"
VERDICT = "SMTP verdict"
_WATCH = "pytest_smtp4d.server.watch"


class TestRun:
    """What is known of a test while it runs.

    Args:
        test: its name, for messages that are found by a later one.
        name: file:line of the test, for faults that its markers declare.
        marks: of ours, the closest first.
        own_marks: those that stand on the test itself, and so have to act.
    """

    __test__ = False  # pytest takes it for a class of tests, by its name

    def __init__(self, test: str, name: str, marks: Sequence[Mark], own_marks: Sequence[Mark]) -> None:
        self.name = name
        self.marks = marks
        self.undo: ExitStack = ExitStack()
        """What is put back after the verdict, which is the last to need it."""
        self.passed = False
        """Whether the test's own body passed, as far as it has run."""
        self.has_failed = False
        """Whether the test or a subtest of it failed."""
        self.swept: Disturbance | None = None
        self._pending = [mark.name for mark in own_marks]
        self._no_server = ""
        watching = sys.modules.get(_WATCH)
        self._before: Watch | None = watching.current if watching else None
        self._watch: Watch | None = watching.begin(test) if watching else None

    @property
    def watch(self) -> Watch | None:
        """What the servers did during this test, or None where there were none."""
        if self._watch is None and (watching := sys.modules.get(_WATCH)):
            self._watch = watching.current  # its first, which began with the import: during this test
        return self._watch if self._watch is not None and self._watch.servers else None

    def end(self) -> None:
        """Give the servers back to whoever watched them before."""
        watching = sys.modules.get(_WATCH)
        if watching is None:
            return
        for server in self.watch.servers if self.watch is not None else ():
            server._cut("")
        watching.resume(self._before)

    # -- markers --------------------------------------------------------------------------------------------

    def act(self, server: object, point: Any = None) -> None:
        """Let the markers act on the value of the fixture `smtp_server`.

        Args:
            server: that value; what is no server of ours is left alone.
            point: the (stage, kind) of a sweep's item, or None.
        """
        from pytest_smtp4d.server import watch
        from pytest_smtp4d.server.marker import declare_faults, settings_of, sweep_of
        from pytest_smtp4d.server.server import SMTPServer

        if not isinstance(server, SMTPServer):
            self._no_server = (
                f"the fixture smtp_server of this test is {type(server).__name__}, no server of ours"
            )
            return
        self._pending = []
        self._set(server, settings_of(self.marks))
        for fault in declare_faults(self.marks, server._rules, self.name):
            watch.current.declared(server, fault)
            self.undo.callback(server._rules.remove, fault)
        if point and (sweep := sweep_of(self.marks)):
            self.swept = sweep.disturb(server, point)
            self.undo.callback(self.swept.undo)

    def _set(self, server: SMTPServer, settings: dict[str, Any]) -> None:
        from pytest_smtp4d.server import watch

        before = server.settings
        after = before.replace(**settings)
        if after is before or after == before:
            return
        self.undo.callback(server.configure, **{name: before._given[name] for name in settings})
        server.configure(**settings)
        words = ", ".join(f"{name}={after._shown(name)}" for name in settings)
        watch.current.marked(server, f"smtp_server({words})")

    def acted(self) -> None:
        """Record that the markers acted."""
        self._pending = []

    # -- the verdict ----------------------------------------------------------------------------------------

    def judge_body(self) -> None:
        """Raise what is certain when the test's body has ended.

        Raises:
            Verdict: a client committed a fatal violation, a callback raised, or a marker acted on no server.
        """
        __tracebackhide__ = True
        if self._pending:
            from pytest_smtp4d.server.watch import Verdict

            names = ", ".join(dict.fromkeys(self._pending))
            why = self._no_server or "the test did not use the fixture smtp_server"
            raise Verdict(f"{names} acted on no server: {why}")
        if self.watch is not None:
            self.watch.raise_verdict(certain=True)

    def judge_rest(self) -> None:
        """Raise what could still come or happen after the test's body.

        Raises:
            Verdict: as `judge_body`, or a fault was never hit.
        """
        __tracebackhide__ = True
        if self.watch is not None:
            self.watch.raise_verdict()

    def sections(self, *, outcome: str, when: str, wanted: str) -> Iterator[tuple[str, str]]:
        """Yield the sections of a report: title and text.

        Args:
            outcome: "passed", "failed" or "skipped".
            when: "setup", "call" or "teardown".
            wanted: the option `--smtp4d-transcript`.
        """
        watch = self.watch
        if watch is None:
            return
        if outcome != "passed" and when != "teardown" and (problems := watch.problems()):
            yield VERDICT, "\n".join(problems)
        is_last_of_passed = when == "teardown" and self.passed
        if (outcome == "failed" and wanted != "off") or (is_last_of_passed and wanted == "all"):
            yield TRANSCRIPT, watch.transcript(full=wanted in ("full", "all"))
