"""What every server of the process did from one moment to another, and the strict verdict on it.

A test is judged and explained by what happened while it ran, on servers of any scope and whoever started
them, so the record here outlives `stop()`, `reset()` and `clear()`.

The one thing to know: servers report to `current`, the latest watch; one that was replaced stays as it was.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, MutableMapping

    from pytest_smtp4d.faults.fault import Fault
    from pytest_smtp4d.records.record import Session
    from pytest_smtp4d.server.settings import ServerSettings

__all__ = ["Watch", "Watched", "begin", "current", "verdict"]

SHOWN_SESSIONS = 20
"""How many sessions of a server a transcript shows: the last ones."""


class Watched(Protocol):
    """A server, as far as a watch knows it."""

    @property
    def settings(self) -> ServerSettings:
        """The settings of sessions that start now."""

    @property
    def url(self) -> str:
        """Where it listens."""

    def settle(self) -> None:
        """Wait until all that has arrived so far was looked at."""


class Watch:
    """What the servers of this process do while it is the current one.

    Args:
        keeps: whether servers and sessions that nobody else holds are kept, for the verdict of a test.
    """

    def __init__(self, *, keeps: bool = True) -> None:
        self._mapping: type[MutableMapping[Any, Any]] = dict if keeps else WeakKeyDictionary
        self._sessions: MutableMapping[Watched, MutableMapping[Session, int]] = self._mapping()
        self._faults: MutableMapping[Watched, list[Fault]] = self._mapping()
        self._errors: MutableMapping[Watched, list[str]] = self._mapping()

    @property
    def servers(self) -> tuple[Watched, ...]:
        """The servers that started, were configured or were spoken to, in that order."""
        return tuple(self._sessions)

    def used(self, server: Watched) -> None:
        """Record that the test works with a server: it started, or was reset or configured."""
        self._sessions.setdefault(server, self._mapping())

    def left(self, server: Watched) -> None:
        """Record that a server stopped: one that nobody spoke to or expected anything of is forgotten."""
        if not (self._sessions.get(server) or self._faults.get(server) or self._errors.get(server)):
            self._sessions.pop(server, None)

    def spoke(self, server: Watched, session: Session) -> None:
        """Record that a session opened or is about to be heard; earlier violations are not judged again."""
        sessions = self._sessions.setdefault(server, self._mapping())
        if session not in sessions:
            sessions[session] = len(session.violations)

    def declared(self, server: Watched, fault: Fault) -> None:
        """Record that a fault was declared, to be hit before the verdict."""
        self.used(server)
        self._faults.setdefault(server, []).append(fault)

    def failed(self, server: Watched, error: str) -> None:
        """Record that a callback of the test raised, in words."""
        self.used(server)
        self._errors.setdefault(server, []).append(error)

    def problems(self) -> list[str]:
        """Return the strict verdict in words: one text per problem of a server whose `strict` is on.

        What clients sent before this call is heard first.
        """
        for server in self.servers:
            server.settle()
        return [problem for server in self.servers for problem in self.problems_of(server)]

    def problems_of(self, server: Watched) -> list[str]:
        """Return the verdict on one server; empty where its `strict` is off."""
        settings = server.settings
        if not settings.strict:
            return []
        sessions = self._sessions.get(server, {})
        return verdict(
            tuple(sessions.items()),
            tuple(self._faults.get(server, ())),
            tuple(self._errors.get(server, ())),
            ignored=settings.ignore_violations,
        )

    def transcript(self) -> str:
        """Return the dialogues of all sessions as text, server by server."""
        return "\n\n".join(text for server in self.servers for text in self._transcripts(server))

    def _transcripts(self, server: Watched) -> Iterator[str]:
        sessions = list(self._sessions[server])
        if not sessions:
            yield f"{_where(server)}: no client connected"
        if len(sessions) > SHOWN_SESSIONS:
            yield f"{_where(server)}: {len(sessions) - SHOWN_SESSIONS} earlier sessions left out"
        for session in sessions[-SHOWN_SESSIONS:]:
            peer = f"{session.peer[0]}:{session.peer[1]}"
            dialogue = str(session.transcript)
            yield "\n".join(
                filter(
                    None, (f"{_where(server)} with {peer}", dialogue, f"({session.ended or 'still open'})")
                )
            )


def _where(server: Watched) -> str:
    """Return where a server listens, or words that it never did: faults can be declared before the start."""
    try:
        return server.url
    except RuntimeError:
        return "a server that was never started"


def verdict(
    sessions: Iterable[tuple[Session, int]],
    faults: Iterable[Fault],
    errors: Iterable[str],
    *,
    ignored: Iterable[str] = (),
) -> list[str]:
    """Return what a strict test fails for, in words.

    Args:
        sessions: each with the number of its violations that were judged before.
        faults: those declared; one never hit is a problem unless it is optional.
        errors: what callbacks raised.
        ignored: names of violations to forgive.
    """
    forgiven = set(ignored)
    problems = [f"fault never hit: {fault}" for fault in faults if fault.is_unhit]
    problems += [f"callback raised: {error}" for error in errors]
    problems += [
        f"client violated SMTP: {violation}"
        for session, judged in sessions
        for violation in session.violations[judged:]
        if violation.fatal and violation.name not in forgiven
    ]
    return problems


# Outside pytest there is no test to judge, and a process may start servers for weeks.
current = Watch(keeps="pytest_smtp4d.plugin" in sys.modules)
"""Where servers report what they do."""


def begin() -> Watch:
    """Make a new watch the current one and return it."""
    global current  # noqa: PLW0603 # the one state of the process that a test is judged by
    current = Watch()
    return current
