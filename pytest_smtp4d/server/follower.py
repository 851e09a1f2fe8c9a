"""Follows the sessions of a server that runs for itself, and tells what happens in them as it happens.

RFC 5321 4.2.1 (refusals), RFC 4954 6 (logins), RFC 8446 6.2 (TLS alerts).

A test looks at its sessions when it wants to. Nobody looks at those of a server that runs for weeks, so the
follower reads each session's raw record as it grows, says what a person wants to know, gives the session's
finished transactions away, and lets the session forget what was read.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

from pytest_smtp4d.records import recorder as record
from pytest_smtp4d.records.advice import advice, summary
from pytest_smtp4d.server.watch import is_fatal
from pytest_smtp4d.words import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_smtp4d.records.record import Session, Transaction
    from pytest_smtp4d.records.recorder import Entry, Raw, Recorder
    from pytest_smtp4d.server.settings import ServerSettings

__all__ = ["Follower", "Listener", "Story"]

PROBLEMS = 1000
"""Problems of the verdict that are kept, the newest ones."""

_SHOWN = 120
"""Characters of a command that a line shows."""


@dataclass(slots=True)
class Story:
    """What is known of a session beyond its record, which forgets.

    Args:
        number: counts the sessions of the process, from 1.
    """

    number: int
    messages: int = 0
    """How many it brought."""
    refused: int = 0
    """How many replies were refusals (4yz, 5yz)."""
    violations: list[str] = field(default_factory=list)
    """Their names, each once."""
    ended: bool = False
    raw: Raw | None = None
    position: int = 0
    judged: int = 0
    said: str = ""
    stage: str = ""
    fault: str = ""


class Listener(Protocol):
    """Who is told; called in the server's loop, so it must not wait."""

    def say(self, line: str) -> None:
        """Take a line for a person."""

    def began(self, session: Session, story: Story) -> None:
        """Take a session that began."""

    def progressed(self, session: Session, story: Story, over: Sequence[Transaction]) -> None:
        """Take the transactions of a session that are over now; the session said or heard something."""

    def ended(self, session: Session, story: Story) -> None:
        """Take a session that ended."""

    def failed(self, words: str) -> None:
        """Take an error of the server's own."""


class Follower:
    """Follows every session of one server.

    Args:
        listener: who is told.
        settings: returns the server's settings, which say what is fatal.
        ca_file: the file that clients can trust, for advice; "" for none.
    """

    def __init__(self, listener: Listener, settings: Callable[[], ServerSettings], ca_file: str = "") -> None:
        self._listener = listener
        self._settings = settings
        self._ca_file = ca_file
        self._numbers = itertools.count(1)
        self._stories: WeakKeyDictionary[Session, Story] = WeakKeyDictionary()
        self._guard = threading.Lock()
        self._problems: deque[str] = deque(maxlen=PROBLEMS)

    def story(self, session: Session) -> Story:
        """Return what is known of a session; it is new where nobody asked before."""
        with self._guard:
            known = self._stories.get(session)
            if known is None:
                known = self._stories[session] = Story(next(self._numbers))
                is_new = True
            else:
                is_new = False
        if is_new:
            self._listener.began(session, known)
        return known

    def take_problems(self) -> list[str]:
        """Return what fails a strict verdict and was not taken before; unhit faults are not among it."""
        with self._guard:
            problems = list(self._problems)
            self._problems.clear()
        return problems

    # -- what the server tells ------------------------------------------------------------------------------

    def heard(self, session: Session, recorder: Recorder) -> None:
        """Read what is new in a session."""
        try:
            self._read(session, recorder)
        except Exception as error:  # noqa: BLE001 - who only watches must not disturb a session
            self.failed(f"following a session: {type(error).__name__}: {error}")

    def failed(self, words: str) -> None:
        """Tell an error of the server's own, or of a callback."""
        with self._guard:
            self._problems.append(f"callback raised: {words}")
        self._listener.say(f"error: {words}")
        self._listener.failed(words)

    def _read(self, session: Session, recorder: Recorder) -> None:
        story = self.story(session)
        if story.ended:
            return
        raw = recorder.raw
        if raw is not story.raw:  # new, or the middle of a long session was forgotten
            story.raw, story.position = raw, min(story.position, record.SHORTENED)
        start, end = story.position, len(raw.entries)
        for entry in raw.read(start, end):
            self._entry(session, story, entry)
        story.position = end
        self._violations(session, story)
        over = _over(session)
        story.messages += sum(one.message is not None for one in over)
        self._flaws(session, over)
        self._listener.progressed(session, story, over)
        if session.ended is not None:
            story.ended = True
            self._say(session, f"ended: {self._ending(session, story)}")
            self._listener.ended(session, story)
        session._forget_told(start)
        story.judged = len(session.violations)

    def _entry(self, session: Session, story: Story, entry: Entry) -> None:
        if entry.kind in (record.COMMAND, record.RESPONSE):
            text = escaped(entry.octets.rstrip(b"\r\n"))
            story.said = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        elif entry.kind == record.FAULT:
            story.fault = str(entry.extra)
            self._say(session, f"fault at {entry.stage}: {story.fault}")
        elif entry.kind == record.TLS_BEGAN:
            story.said = ""
        elif entry.kind == record.REPLY and entry.extra.code >= 400:
            story.refused += 1
            what = story.said if entry.stage in _COMMANDS else entry.stage
            self._say(session, f"{what or entry.stage} refused: {' '.join(str(entry.extra).split())}")

    def _violations(self, session: Session, story: Story) -> None:
        settings = self._settings()
        blamed = session._blamed(story.judged)
        for number, violation in enumerate(session.violations[story.judged :]):
            self._say(session, f"violation: {violation}")
            if violation.name not in story.violations:
                story.violations.append(violation.name)
            if number < len(blamed) and is_fatal(violation, settings):
                with self._guard:
                    self._problems.append(f"client violated SMTP: {violation}")

    def _flaws(self, session: Session, over: Sequence[Transaction]) -> None:
        """Look for what is wrong with the messages themselves, where the settings say that it matters."""
        settings = self._settings()
        if not settings.fatal_violations or session._broken:
            return
        for transaction in over:
            if transaction.message is not None:
                for flaw in transaction.message.problems:
                    if is_fatal(flaw, settings):
                        self._say(session, f"message is flawed: {flaw}")
                        with self._guard:
                            self._problems.append(f"message is flawed: {flaw}")

    def _ending(self, session: Session, story: Story) -> str:
        """Return how a session ended, and what to do about one that brought no message."""
        if story.messages:
            return f"{session.ended}, {story.messages} message{'s' if story.messages > 1 else ''}"
        words = advice(session)
        for ours, theirs in (
            ("`ca_file` or `client_context()`, or `smtp_trust`", self._ca_file),
            ("`ca_file`", self._ca_file),
            ("`client_context(identity=True)`", "the client.pem of --ca-dir"),
        ):
            words = words.replace(ours, theirs)
        return f"{summary(session)} ({words})" if words else summary(session)

    def _say(self, session: Session, words: str) -> None:
        self._listener.say(f"{session.peer[0]}:{session.peer[1]} {words}")


def _over(session: Session) -> list[Transaction]:
    """Return the transactions that are over: decided, or followed by another, or ended by the session."""
    transactions = session.transactions
    last = len(transactions) - 1
    return [
        one
        for number, one in enumerate(transactions)
        if one._is_over or number < last or session.ended is not None
    ]


_COMMANDS = frozenset(
    {
        "HELO",
        "EHLO",
        "STARTTLS",
        "MAIL",
        "RCPT",
        "DATA",
        "RSET",
        "NOOP",
        "VRFY",
        "EXPN",
        "HELP",
        "QUIT",
        "BDAT",
    }
    | {"UNKNOWN"}
)
"""Stages whose replies answer the last command line."""
