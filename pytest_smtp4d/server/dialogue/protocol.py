"""The state of one session: octets in and out, what is known of the client, and what is recorded.

RFC 5321 2.3.8 (lines), 3.3 (transactions), 4.5.3.1 (limits), RFC 2920 (pipelining), RFC 4954 4 (long lines).

Input is kept as octets and a position: lines are sliced out of it and nothing is ever deleted from its front,
which would copy what is left with every command.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_smtp4d.records.masking import MASK
from pytest_smtp4d.records.record import Session
from pytest_smtp4d.records.recorder import Recorder
from pytest_smtp4d.server.dialogue import replies
from pytest_smtp4d.server.dialogue.offer import Offer
from pytest_smtp4d.server.dialogue.step import MORE, Dialogue
from pytest_smtp4d.smtp.command import LIMITS, VERBS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_smtp4d.records.record import Transaction
    from pytest_smtp4d.server.dialogue.step import Host
    from pytest_smtp4d.server.settings import ServerSettings
    from pytest_smtp4d.smtp.reply import Reply

    Commit = Callable[[bool, Reply | None], None]

__all__ = ["TOO_LONG", "Close", "ServerProtocol"]

LONGEST_LINE = max(LIMITS.values())
"""Octets of a command line that are kept at most (RFC 4954 4); the rest of a longer one is thrown away."""

TOO_LONG = b"x" * LONGEST_LINE + b"\r\n"
"""Placeholder for an over-long line."""

_BEFORE_TLS = frozenset({"NOOP", "EHLO", "STARTTLS", "QUIT"})
"""Allowed before TLS where it is required (RFC 3207 4)."""

_BEFORE_AUTH = frozenset({"AUTH", "EHLO", "HELO", "STARTTLS", "NOOP", "RSET", "HELP", "QUIT"})
"""Allowed before AUTH where it is required (RFC 4954 6)."""


@dataclass(frozen=True, slots=True)
class Close:
    """How the connection is to be closed.

    Args:
        abort: with RST instead of FIN.
        notify: under TLS, with close_notify first.
    """

    abort: bool = False
    notify: bool = True


class ServerProtocol:
    """One session, as its dialogue sees it. The connection feeds octets and the time, and takes the output.

    Args:
        host: what it shares with the other sessions of its server.
        peer: (host, port) of the client.
        settings: those of this session; None: the server's.
        target: (host, port) that a redirected client asked for.
    """

    __slots__ = (
        "_base",
        "_overlong_from",
        "_received",
        "_seen",
        "authenticated",
        "busy",
        "chunks",
        "chunks_failed",
        "closing",
        "expects_content",
        "extended",
        "flights",
        "greeted",
        "has_quit",
        "host",
        "input",
        "is_guarded",
        "line",
        "messages",
        "mute",
        "offer",
        "output",
        "position",
        "record",
        "refused",
        "session",
        "settings",
        "skipping",
        "told",
        "transaction",
        "utf8",
        "verb",
    )

    def __init__(
        self,
        host: Host,
        peer: tuple[str, int],
        settings: ServerSettings | None = None,
        target: tuple[str, int] | None = None,
    ) -> None:
        self.host: Host = host
        self.offer: Offer = host.offer if settings is None else Offer(settings)
        self.settings: ServerSettings = self.offer.settings
        self.record: Recorder = Recorder()
        """Writes the session down."""
        self.session: Session = Session(peer, self.record, target)
        """What a test sees of it."""
        self.input: bytes = b""
        """What has arrived; up to `position` it was taken."""
        self.position: int = 0
        self.output: list[bytes] = []
        """What is to be written, through TLS where that is on."""
        self.flights: bytearray = bytearray()
        """What is to be written before it, as it is: the octets of a handshake."""
        self.closing: Close | None = None
        """Set where the session is over."""
        self.skipping: bool = False
        """The rest of an over-long line is being thrown away."""
        self.busy: bool = True
        """The greeting, a handshake or a command is in progress."""
        self.verb: str = ""
        self.line: bytes = b""
        """The command line in progress; the verb is upper case."""
        self.told: Reply | None = None
        """The reply that the command in progress was given, as far as it has one."""
        self.greeted: bool = False
        self.extended: bool = False
        self.authenticated: bool = False
        """Whether HELO or EHLO took effect, whether it was EHLO, and whether AUTH did."""
        self.refused: bool = False
        """The greeting was a refusal: there is no service but QUIT (RFC 5321 3.1)."""
        self.mute: bool = False
        """A fault silenced the session: what comes is recorded, has no effect and gets no reply."""
        self.has_quit: bool = False
        """Whether the client sent QUIT."""
        self.messages: int = 0
        """How many messages were stored in this session."""
        self.expects_content: bool = False
        """DATA took effect: what comes is content."""
        self._received = self._base = self._seen = self._overlong_from = 0
        self.is_guarded: bool = self.settings.require_tls or self.settings.require_auth
        self.end_transaction()

    # -- octets in ------------------------------------------------------------------------------------------

    def feed(self, octets: bytes) -> None:
        """Take octets from the client, in clear text."""
        self._received += len(octets)
        if self.position < len(self.input):
            octets = self.input[self.position :] + octets
        self.input = octets
        self.position = 0
        self._base = self._received - len(octets)

    @property
    def has_received(self) -> bool:
        """Whether the client sent anything at all."""
        return self._received > 0

    @property
    def waiting(self) -> int:
        """Octets that have arrived and were not taken."""
        return len(self.input) - self.position

    def take_all(self) -> bytes:
        """Return, and take, what has arrived behind the command in progress."""
        octets = self.input[self.position :] if self.position else self.input
        self.input, self.position = b"", 0
        self._base = self._received
        return octets

    def put_back(self, octets: bytes) -> None:
        """Give back what was taken and belongs to what comes next."""
        self.input, self.position = octets, 0
        self._base = self._received - len(octets)

    def take_line(self) -> bytes | None:
        """Return, and take, the next line with its line end; None where it is not complete.

        A line of over 12288 octets comes as `TOO_LONG` (RFC 4954 4).
        """
        start = self.position
        end = self.input.find(b"\n", start) + 1
        if not end:
            if len(self.input) - start > LONGEST_LINE:
                self._overlong(start)
                self.take_all()
            return None
        self.position = end
        if self.skipping or end - start > LONGEST_LINE:
            self._overlong(start)
            self.skipping = False
            return TOO_LONG
        return self.input[start:end]

    def _overlong(self, start: int) -> None:
        """Remember where an over-long line began, unless its beginning was thrown away before."""
        if not self.skipping:
            self.skipping = True
            self._overlong_from = self._base + start

    def octets(self) -> Dialogue[bytes]:
        """Wait for whatever arrives, at least one octet, and take it."""
        while not self.waiting:
            yield MORE
        return self.take_all()

    # -- octets out -----------------------------------------------------------------------------------------

    def say(self, reply: Reply) -> None:
        """Give a reply, and record it."""
        self.told = reply
        self._seen = self._received
        self.output.append(self.record.reply(reply))

    def announce(self, reply: Reply) -> None:
        """Record a reply whose octets are written bit by bit."""
        self.told = reply
        self._seen = self._received
        self.record.announced_reply(reply)

    def write(self, octets: bytes) -> None:
        """Write octets that are no reply, or part of one, and record them."""
        self.record.sent(octets)
        self.output.append(octets)

    def close(self, reason: str, *, abort: bool = False, notify: bool = True) -> None:
        """End the session; `reason` is recorded unless there is one."""
        self.session._end(reason)
        if self.closing is None:
            self.closing = Close(abort, notify)

    # -- what is known of the client ------------------------------------------------------------------------

    def end_transaction(self) -> None:
        """Forget the envelope, and what came of the content."""
        self.transaction: Transaction | None = None
        self.chunks: list[bytes] = []
        self.chunks_failed: bool = False
        self.utf8: bool = False

    def forget_client(self) -> None:
        """Forget what was said in clear text, for after a handshake it counts for nothing (RFC 3207 4.2)."""
        self.greeted = self.extended = self.authenticated = False
        self.session.client_name = self.session.user = self.session.mechanism = None
        self.end_transaction()

    def refuse_service(self) -> None:
        """Serve nothing but QUIT from here on."""
        self.refused = self.is_guarded = True

    def refusal(self, verb: str) -> Reply | None:
        """Return why a command cannot be served in this session now, or None."""
        if not self.is_guarded:
            return None
        if self.refused and verb != "QUIT":
            return replies.NO_SERVICE
        if self.settings.require_tls and not self.record.tls and verb not in _BEFORE_TLS:
            return replies.TLS_REQUIRED
        # A transaction that is open without a login was begun by a fault, which overrules this policy.
        needs_login = self.settings.require_auth and not self.authenticated and self.transaction is None
        if needs_login and verb not in _BEFORE_AUTH:
            return replies.AUTH_REQUIRED
        return None

    def worded(self, reply: Reply) -> Reply:
        """Return one of the server's own replies without enhanced code where those are not on offer."""
        return reply if self.offer.has_enhanced_codes else replies.without_enhanced_code(reply)

    # -- what is recorded -----------------------------------------------------------------------------------

    def begin_command(self, line: bytes) -> tuple[str, str]:
        """Record a command line; return its verb, upper case, and its argument.

        It counts as pipelined where it had come before the reply to the command before it was given.
        """
        self.told = None
        self.busy = True
        self.line = line
        record = self.record
        if line is TOO_LONG:
            self.verb, record.stage = "", "UNKNOWN"
            record.overlong_line(pipelined=self._overlong_from < self._seen)
            return "", ""
        pipelined = self._base + self.position - len(line) < self._seen
        text = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
        verb, _, argument = text.partition(" ")
        verb = verb.upper()
        argument = argument.strip()
        is_known = verb in VERBS
        record.stage = verb if is_known else "UNKNOWN"
        record.command(line, verb, argument, pipelined=pipelined)
        if not is_known and record.login_began:
            verb = MASK  # it may be the answer to a challenge that was never given
        self.verb = verb
        return verb, argument

    def continue_in_new_record(self) -> None:
        """Go on in an empty record; an open transaction is taken along."""
        self.session, self.record = self.session._continued()
        if self.transaction is not None:
            self.session._begin(self.transaction)
