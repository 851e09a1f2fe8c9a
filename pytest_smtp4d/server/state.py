"""What the connections of one server share: settings, faults, messages, sessions, a clock that tests move.

RFC 6647 (greylisting). Connections write here from the loop's thread while tests read from theirs, so lists
only grow, every read is a copy, and `reset` replaces instead of changing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_smtp4d import clock
from pytest_smtp4d.faults.rules import Rules
from pytest_smtp4d.server import watch
from pytest_smtp4d.server.inbox import Inbox

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from datetime import datetime

    from pytest_smtp4d.records.duplicate import Duplicates
    from pytest_smtp4d.records.record import ReceivedMessage, Session, Transaction
    from pytest_smtp4d.records.recorder import Recorder
    from pytest_smtp4d.server.dialogue.offer import Offer
    from pytest_smtp4d.server.settings import ServerSettings
    from pytest_smtp4d.server.watch import Watched
    from pytest_smtp4d.smtp.reply import Reply

__all__ = ["Observer", "OpenConnection", "ServerState"]


class OpenConnection(Protocol):
    """What a server does with one of its open connections."""

    @property
    def descriptor(self) -> int:
        """The socket's file descriptor; -1 when it is closed."""

    @property
    def is_turn_due(self) -> bool:
        """Whether commands have arrived that wait until the other sessions had their turn."""

    @property
    def unread(self) -> socket.socket | None:
        """The socket, where octets that wait at it will be taken; None where nothing is read."""

    def drop(self, reply: Reply | None, abort: bool) -> None:
        """Close it now, whatever is in progress, with a reply first where one is given."""

    def stop(self, reason: str) -> None:
        """End it at once, whatever is in progress: the server stops."""

    def renew(self, *, listed: bool = False) -> None:
        """Go on in a new record, where the server was cleared or reset; what was before is let go."""

    def cut(self, reason: str) -> None:
        """Cut it from any thread, without a lock: time is up."""


class Observer(Protocol):
    """Who is told at once what happens at a server; called in the loop, so it must not wait."""

    def heard(self, session: Session, recorder: Recorder) -> None:
        """Look at a session in which something was recorded, or that ended."""

    def failed(self, words: str) -> None:
        """Take an error of the server's own, or of a callback."""


GREYLIST_LIMIT = 100_000
"""First tries that greylisting remembers, the newest ones."""


class ServerState:
    """The state of one server.

    Args:
        server: whose state it is; reports go to the watch in its name.
        settings: for sessions that start from now on.
    """

    def __init__(self, server: Watched, settings: ServerSettings) -> None:
        self._server = server
        self.settings: ServerSettings = settings
        self.rules: Rules = Rules()
        self.inbox: Inbox = Inbox(lambda: tuple(self.sessions), server._settle, lambda: watch.current.test)
        self.deliver: Callable[[ReceivedMessage], None] = self.inbox._put
        """What is done with a message that was accepted, before its reply is written."""
        self.sessions: list[Session] = []
        self.transactions: list[Transaction] = []
        self.connections: set[OpenConnection] = set()
        self.active_fault: tuple[str, str] | None = None
        """The (stage, kind) of the sweep's item that runs, or None."""
        self.observer: Observer | None = None
        """Who is told at once what happens; nobody in a test, which looks when it wants to."""
        self.wall_clock: Callable[[], float] = lambda: 0.0
        """Seconds that pass by themselves, for greylisting; in a test none do."""
        self.is_cut: str = ""
        """Why connections are refused for the rest of a test whose time is up; "" where they are not."""
        self.epoch: int = 0
        """How often the server was cleared or reset: sessions that were open then go on in a new record."""
        self._duplicates: Duplicates | None = None
        self._offer: Offer | None = None
        self._clock = 0.0
        self._first_tries: dict[tuple[str, str, str], float] = {}

    def __dir__(self) -> tuple[str, ...]:
        """Show aiosmtpd's constructor, which looks for hooks in every session, that there are none."""
        return ()

    @property
    def offer(self) -> Offer:
        """What the settings come to, worked out when they are new."""
        offer = self._offer
        if offer is None or offer.settings is not self.settings:
            from pytest_smtp4d.server.dialogue.offer import Offer

            offer = self._offer = Offer(self.settings)
        return offer

    def open_session(self, session: Session) -> None:
        """Record that a session began."""
        self.sessions.append(session)
        watch.current.spoke(self._server, session, began=True)

    def continue_session(self, session: Session) -> None:
        """Record that a session goes on in a new record, with its open transaction."""
        if session not in self.sessions:
            self.sessions.append(session)
        self.transactions.extend(session.transactions)
        watch.current.spoke(self._server, session)

    def heard(self, session: Session) -> None:
        """Report a session that began under an earlier watch."""
        watch.current.spoke(self._server, session)

    def now(self) -> datetime:
        """Return the time of this call, as an aware datetime."""
        return clock.now_utc()

    def begin(self, session: Session, transaction: Transaction) -> None:
        """Record that a MAIL began, or tried to begin, a transaction."""
        session._begin(transaction)
        self.transactions.append(transaction)

    @property
    def is_stripped(self) -> bool:
        """Whether a sweep plays that somebody takes STARTTLS out of what is on offer."""
        return self.active_fault == ("STARTTLS", "stripped")

    @property
    def is_full(self) -> bool:
        """Whether there are more sessions than the settings allow, the newest one counted."""
        limit = self.settings.connection_limit
        return limit is not None and len(self.connections) > limit

    def stored(self, recorder: Recorder, message: ReceivedMessage, reply: Reply | None) -> None:
        """Look whether a message that was stored had been accepted before, and is sent again all the same."""
        duplicates = self._duplicates
        if duplicates is None:
            from pytest_smtp4d.records.duplicate import Duplicates

            duplicates = self._duplicates = Duplicates()
        answered = reply is not None and reply.code < 400
        again = duplicates.find(message.content, message.rcpt_to, answered=answered)
        if again is not None:
            recorder.duplicate(again)

    def failed(self, error: BaseException, where: str) -> None:
        """Keep what a callback raised until the verdict."""
        words = f"{where}: {type(error).__name__}: {error}"
        watch.current.failed(self._server, words)
        if self.observer is not None:
            self.observer.failed(words)

    def is_greylisted(self, wait: float, peer: str, sender: str, recipient: str) -> bool:
        """Return whether this try comes within `wait` seconds of the first; the first one begins the wait."""
        triplet = (peer, sender.casefold(), recipient.casefold())
        now = self._clock + self.wall_clock()
        first = self._first_tries.setdefault(triplet, now)
        if len(self._first_tries) > GREYLIST_LIMIT:
            del self._first_tries[next(iter(self._first_tries))]
        return now < first + wait

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self._clock += seconds

    def clear(self) -> None:
        """Forget messages, transactions and what is recorded of sessions so far."""
        if self.active_fault is None:  # a sweep looks in every session for the stage
            watch.current.cleared(self._server)
        self.epoch += 1
        self.inbox.clear()
        self.transactions = []
        self._duplicates = None
        self.sessions = []

    def forget_ended(self) -> None:
        """Forget transactions and the sessions that ended, and nothing that judges what comes."""
        self.transactions = []
        self.sessions = [session for session in self.sessions if session.ended is None]

    def reset(self, settings: ServerSettings) -> None:
        """Restore the initial state; keep open connections."""
        self.clear()
        self.is_cut = ""
        self.settings = settings
        self.rules.clear()
        self._clock = 0.0
        self._first_tries = {}
