"""What every server of the process did from one moment to another, and the strict verdict on it.

A test is judged and explained by what happened while it ran, on servers of any scope and whoever started
them, so the record here outlives `stop()`, `reset()` and `clear()`.

Servers report to `current`. A test's watch is the current one while the test runs. Where that test runs a
whole pytest session of its own inside, the watch that was current before is so again afterwards.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from pytest_smtp4d.server.cleared import ClearedSessions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, MutableMapping

    from pytest_smtp4d.faults.fault import Fault
    from pytest_smtp4d.records.record import Session
    from pytest_smtp4d.records.violation import Violation
    from pytest_smtp4d.server.settings import ServerSettings

__all__ = ["Verdict", "Watch", "Watched", "begin", "current", "is_fatal", "resume"]

WHOLE_SESSIONS = 3
"""How many sessions of a server a transcript shows whole: the last ones."""

SHOWN_SESSIONS = 20
"""How many more it shows in a line each."""

_REPORTS = "pytest_smtp4d.report.hooks"


class Watched(Protocol):
    """A server, as far as a watch knows it."""

    @property
    def settings(self) -> ServerSettings:
        """The settings of sessions that start now."""

    @property
    def url(self) -> str:
        """Where it listens."""

    def _settle(self) -> None:
        """Wait until all that has arrived so far was looked at."""

    def _cut(self, reason: str) -> None:
        """Cut every session and refuse new ones; with "": let them in again."""


class Verdict(AssertionError):  # noqa: N818 - it is what pytest calls a failure
    """A client, or the test's own faults and callbacks, fail a strict test; the words say why."""


class Watch:
    """What the servers of this process do while it is the current one.

    Args:
        keeps: whether servers and sessions that nobody else holds are kept, for the verdict of a test.
        test: the name of the test that runs; "" outside tests.
    """

    def __init__(self, *, keeps: bool = True, test: str = "") -> None:
        self.test = test
        self._mapping: type[MutableMapping[Any, Any]] = dict if keeps else WeakKeyDictionary
        self._sessions: MutableMapping[Watched, MutableMapping[Session, tuple[int, int]]] = self._mapping()
        self._began: MutableMapping[Session, bool] = self._mapping()
        self._faults: MutableMapping[Watched, list[Fault]] = self._mapping()
        self._errors: MutableMapping[Watched, list[str]] = self._mapping()
        self._marked: MutableMapping[Watched, tuple[str, frozenset[Session]]] = self._mapping()
        self._told: set[tuple[int, int]] = set()
        self._cleared: dict[Watched, ClearedSessions] = {}
        self._forgotten: dict[Watched, list[Session]] = {}

    @property
    def servers(self) -> tuple[Watched, ...]:
        """The servers that started, were configured or were spoken to, in that order."""
        return tuple(self._sessions)

    @property
    def sessions(self) -> tuple[tuple[Watched, Session], ...]:
        """The sessions, each with the server that had it; of those that were cleared the last, shortened."""
        return tuple((server, session) for server in self.servers for session in self._all(server))

    def _all(self, server: Watched) -> list[Session]:
        """Return the sessions of a server that are kept, those that were cleared first."""
        cleared = self._cleared.get(server)
        return [*(cleared.sessions if cleared is not None else ()), *self._sessions[server]]

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that were declared."""
        return tuple(fault for faults in tuple(self._faults.values()) for fault in faults)

    # -- what servers report --------------------------------------------------------------------------------

    def used(self, server: Watched) -> None:
        """Record that the test works with a server: it started, or was reset or configured."""
        self._sessions.setdefault(server, self._mapping())

    def left(self, server: Watched) -> None:
        """Record that a server stopped: one that nobody spoke to or expected anything of is forgotten."""
        kept = (self._sessions, self._cleared, self._faults, self._errors)
        if not any(of_servers.get(server) for of_servers in kept):
            self._sessions.pop(server, None)

    def spoke(self, server: Watched, session: Session, *, began: bool = False) -> None:
        """Record that a session is about to be heard; earlier violations are not judged again.

        Args:
            server: whose session it is.
            session: what is recorded.
            began: whether it begins only now.
        """
        sessions = self._sessions.setdefault(server, self._mapping())
        if began:
            self._began[session] = True
        if session not in sessions:
            sessions[session] = len(session.violations), len(session.transactions)

    def cleared(self, server: Watched) -> None:
        """Record that a server forgot its sessions; little is kept of those that it forgot the time before.

        By then the loop writes to none of them. A report shows mails that were cleared, too, so where one is
        asked for all is kept.
        """
        sessions = self._sessions.get(server)
        if sessions is None or self._mapping is not dict or _REPORTS in sys.modules:
            return
        for session in self._forgotten.get(server, ()):
            if session in sessions and session._is_over:
                self._shorten(server, session)
        self._forgotten[server] = list(sessions)

    def _shorten(self, server: Watched, session: Session) -> None:
        """Keep of a session that is over what verdict and transcript need."""
        judged, transactions = self._sessions[server].pop(session)
        words, before = self._marked.get(server, ("", frozenset[Any]()))
        if self._began.pop(session, False) and words and session not in before:
            del self._marked[server]  # the marker acted on it
        cleared = self._cleared.setdefault(server, ClearedSessions(WHOLE_SESSIONS + SHOWN_SESSIONS))
        told = {number for key, number in self._told if key == id(session)}
        self._told -= {(id(session), number) for number in told}  # another object may get the same id
        violations = enumerate(session._blamed(judged), judged)
        flaws = enumerate(_fatal_flaws(session, transactions, server.settings))
        cleared.take(
            session,
            (violation for number, violation in violations if number not in told),
            (flaw for number, flaw in flaws if -1 - number not in told),
        )

    def declared(self, server: Watched, fault: Fault) -> None:
        """Record that a fault was declared, to be hit before the verdict."""
        self.used(server)
        self._faults.setdefault(server, []).append(fault)

    def marked(self, server: Watched, words: str) -> None:
        """Record that a marker changed settings, which act on sessions that begin afterwards."""
        self._marked[server] = words, frozenset(self._sessions.get(server, ()))

    def failed(self, server: Watched, error: str) -> None:
        """Record that a callback of the test raised, in words."""
        self.used(server)
        self._errors.setdefault(server, []).append(error)

    # -- the verdict ----------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Hear what clients sent before this call."""
        for server in self.servers:
            server._settle()

    def problems(self, *, certain: bool = False) -> list[str]:
        """Return the strict verdict in words: a text for each problem of a server whose `strict` is on.

        Args:
            certain: only what cannot change any more; a fault may still be hit.
        """
        self.settle()
        return [words for server in self.servers for words in self._found(server, certain=certain).values()]

    def problems_of(self, server: Watched) -> list[str]:
        """Return the verdict on one server; empty where its `strict` is off."""
        return list(self._found(server).values())

    def raise_verdict(self, servers: Iterable[Watched] = (), *, certain: bool = False) -> None:
        """Raise the verdict, each problem once.

        Args:
            servers: on which; none: all.
            certain: only what cannot change any more.

        Raises:
            Verdict: there is any problem that was not raised before.
        """
        __tracebackhide__ = True
        self.settle()
        found: dict[tuple[int, int], str] = {}
        for server in servers or self.servers:
            found |= self._found(server, certain=certain)
        self._told |= found.keys()
        if found:
            raise Verdict("\n".join(found.values()))

    def _found(self, server: Watched, *, certain: bool = False) -> dict[tuple[int, int], str]:
        """Return the problems of a server that were not told before, by what identifies them."""
        settings = server.settings
        if not settings.strict:
            return {}
        found: dict[tuple[int, int], str] = {}
        if not certain:
            for fault in self._faults.get(server, ()):
                if fault._is_unhit:
                    found[id(fault), 0] = f"fault never hit: {fault}"
            if words := self._without_effect(server):
                found[id(server), -1] = words
        errors = self._errors.get(server, [])
        for number, error in enumerate(errors):
            found[id(errors), number] = f"callback raised: {error}"
        for key, violation in self._charges(server, settings):
            if is_fatal(violation, settings):
                what = "message is flawed" if key[1] < 0 else "client violated SMTP"
                found[key] = f"{what}: {violation}"
        return {key: words for key, words in found.items() if key not in self._told}

    def _charges(
        self, server: Watched, settings: ServerSettings
    ) -> Iterator[tuple[tuple[int, int], Violation]]:
        """Yield what clients did wrong, by what identifies it: numbers from 0 on, those of flaws below it."""
        for session, (judged, transactions) in tuple(self._sessions.get(server, {}).items()):
            for number, violation in enumerate(session._blamed(judged), judged):
                yield (id(session), number), violation
            for number, flaw in enumerate(_fatal_flaws(session, transactions, settings)):
                yield (id(session), -1 - number), flaw
        if (cleared := self._cleared.get(server)) is not None:
            for number, violation in enumerate(cleared.violations):
                yield (id(cleared), number), violation
            for number, flaw in enumerate(cleared.flaws):
                yield (id(cleared), -1 - number), flaw

    def _without_effect(self, server: Watched) -> str:
        """Return why the settings of a marker acted on no session, or ""."""
        words, before = self._marked.get(server, ("", frozenset[Any]()))
        sessions = self._sessions.get(server, {})
        later = (session for session in sessions if session in self._began and session not in before)
        if not words or not sessions or any(later):
            return ""
        return (
            f"{words} acted on no session: the client kept a connection from an earlier test; "
            "let it connect anew, or say drop_connections() first"
        )

    # -- the transcript -------------------------------------------------------------------------------------

    def transcript(self, *, full: bool = False) -> str:
        """Return the dialogues of all sessions as text, server by server.

        Args:
            full: uncut; otherwise the last `WHOLE_SESSIONS` sessions, shortened, and a line for each other.
        """
        return "\n\n".join(text for server in self.servers for text in self._transcripts(server, full))

    def _transcripts(self, server: Watched, full: bool) -> Iterator[str]:
        from pytest_smtp4d.records.advice import advice, summary

        sessions = self._all(server)
        if not sessions:
            yield f"{_where(server)}: no client connected"
        whole = sessions if full else sessions[-WHOLE_SESSIONS:]
        others = sessions[: len(sessions) - len(whole)]
        left_out = max(0, len(others) - SHOWN_SESSIONS)
        left_out += self._cleared[server].left_out if server in self._cleared else 0
        if left_out:
            yield f"{_where(server)}: {left_out} earlier sessions left out"
        if others:
            yield "\n".join(
                f"{_heading(server, session)}: {summary(session)}" for session in others[-SHOWN_SESSIONS:]
            )
        for session in whole:
            dialogue = session.transcript.render(content=full) if full else session.transcript.brief()
            ending = f"({session.ended or 'still open'})"
            hint = advice(session) if not session.transactions else ""
            yield "\n".join(filter(None, (_heading(server, session), dialogue, ending, hint)))


def _heading(server: Watched, session: Session) -> str:
    target = f" for {session.target[0]}:{session.target[1]}" if session.target is not None else ""
    return f"{_where(server)} with {session.peer[0]}:{session.peer[1]}{target}"


def _where(server: Watched) -> str:
    """Return where a server listens, or words that it never did: faults can be declared before the start."""
    try:
        return server.url
    except RuntimeError:
        return "a server that was never started"


def _fatal_flaws(session: Session, start: int, settings: ServerSettings) -> Iterator[Violation]:
    """Yield what is wrong with the messages of a session, where the settings say that it matters."""
    if session._broken or not settings.fatal_violations:
        return
    from pytest_smtp4d.records.lint import FLAWS

    if FLAWS.keys().isdisjoint(settings.fatal_violations):
        return
    for transaction in session.transactions[start:]:
        if transaction.message is not None:
            yield from (flaw for flaw in transaction.message.problems if is_fatal(flaw, settings))


def is_fatal(violation: Violation, settings: ServerSettings) -> bool:
    """Return whether a violation fails a test under these settings."""
    if violation.name in settings.ignore_violations:
        return False
    return violation.fatal or violation.name in settings.fatal_violations


def _running_test() -> str:
    """Return the name of the test during which this module is imported, or ""."""
    node = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]  # "tests/test_it.py::test_it (call)"
    return node.rpartition("::")[2]


# Outside pytest there is no test to judge, and a process may start servers for weeks.
current: Watch = Watch(keeps="pytest_smtp4d.plugin" in sys.modules, test=_running_test())
"""Where servers report what they do."""


def begin(test: str = "") -> Watch:
    """Make a new watch the current one and return it.

    Args:
        test: the name of the test that runs.
    """
    return resume(Watch(test=test))


def resume(watch: Watch | None) -> Watch:
    """Make an earlier watch the current one again; None: one that keeps nothing."""
    global current  # noqa: PLW0603 # the one state of the process that a test is judged by
    current = Watch(keeps=False) if watch is None else watch
    return current
