"""What a dialogue asks of the connection that drives it, and of the server it belongs to.

A session is a generator, and a generator cannot wait: it yields a step that says for what, and whoever drives
it sends in the answer. Steps are plain values, so a test drives a session with a list of octets and reads a
list of steps; the server drives it with asyncio (see `server.connection`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_smtp4d.faults.match import Event
    from pytest_smtp4d.faults.rules import Rules
    from pytest_smtp4d.records.record import ReceivedMessage, Session, Tls, Transaction
    from pytest_smtp4d.records.recorder import Recorder
    from pytest_smtp4d.server.dialogue.offer import Offer
    from pytest_smtp4d.server.settings import ServerSettings
    from pytest_smtp4d.smtp.reply import Reply

__all__ = ["DONE", "MORE", "Ask", "Compute", "Dialogue", "Flight", "Handshake", "Host", "Sleep", "Step"]

_T = TypeVar("_T")


class _Signal(Enum):
    """The steps that need no words of their own."""

    MORE = "more octets"
    DONE = "commands are answered"


MORE = _Signal.MORE
"""Go on when the client has sent more octets; nothing is answered."""

DONE = _Signal.DONE
"""Content, or a group of commands, is answered and more waits: replies can leave, others have their turn."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Go on after this many seconds; nothing is answered."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the rules about an event; answered with a `Decision`, or None where no fault acts.

    Where the rules may run the user's code, that happens in a thread of its own.
    """

    event: Event
    after_octets: int | None = None


@dataclass(frozen=True, slots=True)
class Compute:
    """Run a function that takes its time in a thread of its own; answered with what it returns."""

    function: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Handshake:
    """Give octets to a TLS handshake, which begins with the first of them; answered with a `Flight`."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Flight:
    """What came of octets in a handshake.

    Args:
        octets: to be written, as they are.
        tls: what was agreed on, once the handshake is done: from then on the connection encrypts.
        failure: why it failed, in words; "" where it did not.
        must_be_refused: why a careful client would not go on after it, in words; "" where it would.
    """

    octets: bytes
    tls: Tls | None = None
    failure: str = ""
    must_be_refused: str = ""


Step = _Signal | Sleep | Ask | Compute | Handshake
Dialogue = Generator[Step, Any, _T]


class Host(Protocol):
    """What a dialogue needs of its server; `server.state` is one, and tests have another."""

    @property
    def settings(self) -> ServerSettings:
        """For sessions that start now."""

    @property
    def offer(self) -> Offer:
        """What those settings come to."""

    @property
    def rules(self) -> Rules:
        """The faults."""

    @property
    def deliver(self) -> Callable[[ReceivedMessage], None]:
        """Takes a message that was accepted, before its reply is written."""

    def now(self) -> datetime:
        """Return the time of this call, as an aware datetime."""

    def begin(self, session: Session, transaction: Transaction) -> None:
        """Record that a MAIL began, or tried to begin, a transaction."""

    @property
    def is_stripped(self) -> bool:
        """Whether a sweep plays that somebody takes STARTTLS out of what is on offer."""

    @property
    def is_full(self) -> bool:
        """Whether there are more sessions than the settings allow, this one counted."""

    def stored(self, recorder: Recorder, message: ReceivedMessage, reply: Reply | None) -> None:
        """Look at a message that was stored, and at the reply that the client gets; None: it gets none."""

    def failed(self, error: BaseException, where: str) -> None:
        """Keep what went wrong in the user's code, or in the server's, until the verdict."""

    def is_greylisted(self, wait: float, peer: str, sender: str, recipient: str) -> bool:
        """Return whether this try comes within `wait` seconds of the first."""
