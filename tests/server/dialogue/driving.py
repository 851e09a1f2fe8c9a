"""Drives a server's dialogue as `ServerConnection` does, without a socket, a thread or time.

Octets go in, octets and steps come out. `DrivenSession` has the words of the raw client of the socket tests
(`ask`, `open`, `envelope`, `content`), and answers every step at once: a sleep is over when it begins, rules
and computations run where they stand, and a TLS handshake is a list of flights that the test has written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any

from pytest_smtp4d.faults.fault import Decision
from pytest_smtp4d.faults.rules import Rules
from pytest_smtp4d.records.record import ReceivedMessage, Session, Tls, Transaction
from pytest_smtp4d.records.recorder import Recorder
from pytest_smtp4d.server.dialogue.dialogue import converse
from pytest_smtp4d.server.dialogue.offer import Offer
from pytest_smtp4d.server.dialogue.protocol import Close, ServerProtocol
from pytest_smtp4d.server.dialogue.step import DONE, MORE, Ask, Compute, Flight, Handshake, Sleep, Step
from pytest_smtp4d.server.settings import ServerSettings
from pytest_smtp4d.smtp.reply import Reply

PEER = ("192.0.2.1", 40_000)
HELLO = "EHLO client.example.com"
MAIL = "MAIL FROM:<ada@example.com>"
RCPT = "RCPT TO:<bob@example.org>"
ENVELOPE = f"{MAIL}\r\n{RCPT}\r\n".encode()

CLIENT_HELLO = b"\x16\x03\x01 the client's hello"
CLIENT_FINISHED = b"\x16\x03\x03 the client's finished"
SERVER_HELLO = b"\x16\x03\x03 the server's hello"
SERVER_TICKET = b"\x17\x03\x03 the server's ticket"
TLS = Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", "localhost")


class FakeHost:
    """What a dialogue needs of its server (`step.Host`), kept in lists for a test to read.

    Args:
        settings: those of `ServerSettings` that are not its defaults.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = ServerSettings(**settings)
        self.offer = Offer(self.settings)
        self.rules = Rules()
        self.messages: list[ReceivedMessage] = []
        self.transactions: list[Transaction] = []
        self.errors: list[str] = []
        """What `failed` was told, in words."""
        self.deliver: Callable[[ReceivedMessage], None] = self.messages.append
        self.is_waiting = False
        """Whether greylisting makes every recipient wait."""
        self.flights = [Flight(SERVER_HELLO), Flight(SERVER_TICKET, TLS)]
        """What comes of the octets of a handshake, one for each step."""
        self.is_full = self.is_stripped = False
        """Whether there are too many sessions, and whether a sweep takes STARTTLS away."""
        self.stored_with: list[Reply | None] = []
        """The reply that the client got to each message that was stored."""
        self.plaintext = b""
        """What the client sends through TLS together with its last octets of the handshake."""

    def begin(self, session: Session, transaction: Transaction) -> None:
        """Record that a MAIL began, or tried to begin, a transaction."""
        session._begin(transaction)
        self.transactions.append(transaction)

    def stored(self, recorder: Recorder, message: ReceivedMessage, reply: Reply | None) -> None:
        """Keep the reply."""
        self.stored_with.append(reply)

    def failed(self, error: BaseException, where: str) -> None:
        """Keep what went wrong."""
        self.errors.append(f"{where}: {type(error).__name__}: {error}")

    def now(self) -> datetime:
        """Every message comes at the same moment."""
        return datetime(2026, 1, 1, tzinfo=timezone.utc)

    def is_greylisted(self, wait: float, peer: str, sender: str, recipient: str) -> bool:
        """Return what the test says."""
        return self.is_waiting


class DrivenSession:
    """One session in the hands of a test; it has been greeted, unless it begins with a TLS handshake.

    Args:
        host: the server; None: one with these settings.
        settings: of that server.
    """

    def __init__(self, host: FakeHost | None = None, **settings: Any) -> None:
        self.host = host or FakeHost(**settings)
        self.protocol = ServerProtocol(self.host, PEER)
        self.log: list[Step | bytes] = []
        """Octets written and steps taken, in order, without MORE and DONE."""
        self.closed: Close | None = None
        """How the server closed, if it did."""
        self._unread = b""
        self._step: Step | None = None
        self._dialogue = converse(self.protocol)
        self._go_on()

    @property
    def session(self) -> Session:
        """What is recorded."""
        return self.protocol.session

    # -- octets in ------------------------------------------------------------------------------------------

    def send(self, octets: bytes | str) -> None:
        """Send octets as they are."""
        if self.closed is not None:
            return
        self.protocol.feed(octets.encode() if isinstance(octets, str) else octets)
        if self._step is MORE:
            self._go_on()

    def send_pieces(self, pieces: Iterable[bytes]) -> None:
        """Send octets piece by piece."""
        for piece in pieces:
            self.send(piece)

    def leave(self) -> None:
        """Close as a client does, between commands."""
        self.protocol.record.left(has_quit=self.protocol.has_quit)
        self.session._end("client closed")
        self._dialogue.close()

    def start_tls(self) -> None:
        """Do the client's part of a handshake."""
        self.send(CLIENT_HELLO)
        assert self.rest() == SERVER_HELLO
        self.send(CLIENT_FINISHED)
        assert self._unread.startswith(SERVER_TICKET)
        self._unread = self._unread.removeprefix(SERVER_TICKET)

    # -- octets out -----------------------------------------------------------------------------------------

    def rest(self) -> bytes:
        """Return, and take, all that was written and not read."""
        octets, self._unread = self._unread, b""
        return octets

    def reply(self) -> str:
        """Return the next reply, its lines joined by newlines, without the line ends."""
        lines = []
        while True:
            line, end, self._unread = self._unread.partition(b"\r\n")
            assert end, f"no reply is there; unread: {line!r}"
            lines.append(line.decode("utf-8", "surrogateescape"))
            if line[3:4] != b"-":
                return "\n".join(lines)

    def replies(self) -> list[int]:
        """Return the codes of all replies that were written and not read."""
        codes = []
        while self._unread:
            codes.append(int(self.reply()[:3]))
        return codes

    @property
    def is_silent(self) -> bool:
        """Whether nothing is unread, and the session goes on."""
        return not self._unread and self.closed is None

    # -- the words of a client ------------------------------------------------------------------------------

    def ask(self, line: bytes | str) -> str:
        """Send a command line and return the reply."""
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def code(self, line: bytes | str) -> int:
        """Send a command line and return the reply's code."""
        return int(self.ask(line)[:3])

    def open(self, hello: str = HELLO) -> str:
        """Read the greeting, say hello, and return the reply to it."""
        assert self.reply().startswith("220")
        return self.ask(hello)

    def envelope(self, *recipients: str, sender: str = "ada@example.com") -> None:
        """Begin a transaction, with one recipient unless several are named."""
        assert self.ask(f"MAIL FROM:<{sender}>").startswith("250")
        for recipient in recipients or ("bob@example.org",):
            assert self.ask(f"RCPT TO:<{recipient}>").startswith("250")

    def content(self, content: bytes) -> str:
        """Say DATA, send content (its dots are up to the caller) and the final dot, and return the reply."""
        assert self.ask("DATA").startswith("354")
        self.send(content + b".\r\n")
        return self.reply()

    # -- driving --------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        answer: object = None
        error: BaseException | None = None
        while self.closed is None:
            try:
                step = self._dialogue.send(answer) if error is None else self._dialogue.throw(error)
            except StopIteration:
                self.protocol.close("closed")
                step = DONE
            self._step, answer, error = step, None, None
            self._take_output()
            if self.protocol.closing is not None:
                self.closed = self.protocol.closing
                self._dialogue.close()
            elif step is MORE:
                return
            elif step is not DONE:
                self.log.append(step)
                try:
                    answer = self._answer(step)
                except Exception as raised:  # noqa: BLE001 - raised again in the dialogue
                    error = raised

    def _take_output(self) -> None:
        protocol = self.protocol
        octets = bytes(protocol.flights) + b"".join(protocol.output)
        protocol.flights.clear()
        protocol.output.clear()
        if octets:
            self.log.append(octets)
            self._unread += octets

    def _answer(self, step: Step) -> object:
        if isinstance(step, Ask):
            return self._decide(step)
        if isinstance(step, Compute):
            return step.function()
        if isinstance(step, Handshake):
            flight = self.host.flights.pop(0)
            if flight.tls is not None:
                self.protocol.feed(self.host.plaintext)
            return flight
        assert isinstance(step, Sleep)
        return None

    def _decide(self, step: Ask) -> Decision | None:
        try:
            return self.host.rules.decide(step.event, step.after_octets)
        except Exception as error:  # noqa: BLE001 - a predicate may raise anything
            self.host.failed(error, f"predicate of a fault at {step.event.stage}")
            return None
