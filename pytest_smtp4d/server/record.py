"""What a server saw and heard: Session > Transaction > ReceivedMessage, and the Transcript beside them.

RFC 5321 3.3 (transactions), 4.1 (commands); RFC 4954 4 (what a login carries).
The one thing to know: this is the only place that redacts. A secret is masked before it is stored, so no log, report,
repr or failure text can leak it.

Recording happens in the server's loop while tests read from their own threads: everything that grows is an
append-only list, and every read is a copy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from email.message import EmailMessage

    from pytest_smtp4d.mail.attachment import MailAttachment
    from pytest_smtp4d.mail.email import Email
    from pytest_smtp4d.server.violation import Violation
    from pytest_smtp4d.smtp.reply import Reply

__all__ = [
    "MASK",
    "Command",
    "ReceivedMessage",
    "Session",
    "Tls",
    "Transaction",
    "Transcript",
    "TranscriptLine",
    "redact",
]

MASK = "********"
"""What stands where a secret stood."""

VERBS = frozenset(
    "HELO EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY EXPN HELP QUIT ETRN TURN SEND SOML SAML".split()
)
"""The verbs that SMTP knows; after a login began, an unknown verb may be a stray answer to a challenge."""

# "AUTH" SP mechanism [SP initial-response]            RFC 4954 4
#   sasl-mech = 1*20(UPPER-ALPHA / DIGIT / "-" / "_")  RFC 4422 3.1, any case on the wire; a lone token in mixed
#   case may be a password whose mechanism was forgotten, and is masked like one.
_AUTH = re.compile(
    r"(\s*AUTH\s+)((?:[A-Z0-9_-]{1,20}|[a-z0-9_-]{1,20})(?=\s*$)|[A-Za-z0-9_-]{1,20}(?=\s+\S))?(.*)",
    re.IGNORECASE | re.DOTALL,
)


def redact(line: str) -> str:
    """Return a command line as it may be stored: of AUTH the verb and the mechanism, then a mask (RFC 4954 4)."""
    match = _AUTH.fullmatch(line)
    if match is None:
        return line
    verb, mechanism, rest = match.groups()
    if not rest.strip():
        return line
    return f"{verb}{mechanism} {MASK}" if mechanism else f"{verb}{MASK}"


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a client and the reply to it.

    Args:
        verb: upper case, "MAIL".
        argument: the rest of the line as received; of AUTH the mechanism and a mask.
        reply: what the server answered; None where it did not (or has not yet).
    """

    verb: str
    argument: str
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Tls:
    """The TLS layer of a session.

    Args:
        version: "TLSv1.3".
        cipher: "TLS_AES_256_GCM_SHA384".
        server_name: the name that the client asked for (SNI, RFC 6066 3), or None.
    """

    version: str
    cipher: str
    server_name: str | None = None


Direction = Literal["C", "S"]


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """One line of the dialogue, or the content of one message.

    Args:
        direction: "C" (from the client) or "S" (from the server).
        octets: the line without its CRLF; a secret is a mask already.
        stage: the stage it belongs to, "RCPT".
        tls: True where it went through TLS.
        at: seconds since the session began.
        is_content: True for message content, which `str()` elides.
    """

    direction: Direction
    octets: bytes
    stage: str
    tls: bool
    at: float
    is_content: bool = False

    def __str__(self) -> str:
        return f"{self.direction}: {_printable(self.octets)}"


def _printable(octets: bytes) -> str:
    """Return octets as text: UTF-8 where it is that, anything unprintable escaped."""
    text = octets.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


_Entry = tuple[Direction, bytes, str, bool, float, bool]


class Transcript:
    """The dialogue of one session, both directions, in order; live while the session runs."""

    __slots__ = ("_entries", "_login_began")

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._login_began = False

    def append(
        self,
        direction: Direction,
        octets: bytes,
        *,
        stage: str,
        tls: bool,
        at: float,
        secret: bool = False,
        is_content: bool = False,
    ) -> None:
        """Record octets (called by the server only).

        Args:
            direction: "C" or "S".
            octets: one line or several, with or without the last CRLF; or, with `is_content`, message content,
                of which only the reference is kept.
            stage: the stage this belongs to.
            tls: whether it went through TLS.
            at: seconds since the session began.
            secret: the line is an answer to a challenge: a mask is stored instead.
            is_content: message content (elided by `str()` after the message header).
        """
        if direction == "C" and not is_content:
            if secret or (self._login_began and stage == "UNKNOWN"):
                octets = MASK.encode()
            elif octets[:8].lstrip()[:4].upper() == b"AUTH":
                self._login_began = True
                octets = redact(octets.decode("latin-1")).encode("latin-1")
        self._entries.append((direction, octets, stage, tls, at, is_content))

    @property
    def lines(self) -> tuple[TranscriptLine, ...]:
        """The lines so far; a multi-line reply is several, the content of a message is one."""
        return tuple(self._split())

    def _split(self) -> Iterator[TranscriptLine]:
        for direction, octets, stage, tls, at, is_content in tuple(self._entries):
            if is_content:
                yield TranscriptLine(direction, octets, stage, tls, at, is_content)
                continue
            for line in octets.removesuffix(b"\r\n").split(b"\r\n"):
                yield TranscriptLine(direction, line, stage, tls, at)

    def render(self, content: bool = False) -> str:
        """Return the dialogue as text, one `C: …` or `S: …` a line.

        Args:
            content: show message content whole; otherwise it ends after the message header with a line that says
                how many lines and octets were left out.
        """
        shown: list[str] = []
        for line in self._split():
            if line.is_content:
                shown.extend(_content_lines(line.octets, whole=content))
            else:
                shown.append(str(line))
        return "\n".join(shown)

    def __str__(self) -> str:
        return self.render()

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<Transcript of {len(self._entries)} entries>"


def _content_lines(content: bytes, *, whole: bool) -> Iterator[str]:
    header, blank, body = content, b"", b""
    if not whole:
        header, blank, body = content.partition(b"\r\n\r\n")
    for line in header.removesuffix(b"\r\n").split(b"\r\n"):
        yield f"C: {_printable(line)}"
    if blank:
        yield "C: "
    if body:
        count = body.count(b"\n") + (not body.endswith(b"\n"))
        lines = "1 line" if count == 1 else f"{count} lines"
        yield f"C: [{lines}, {len(body)} octets of content left out]"


class ReceivedMessage:
    """A message that the server accepted: the envelope, the octets, and views parsed on first use.

    Args:
        mail_from: the reverse-path's mailbox; "" for the null sender.
        rcpt_to: the accepted recipients, in the order they were given.
        mail_options: parameters of MAIL as received, `("SIZE=120", "BODY=8BITMIME")`.
        rcpt_options: recipient -> parameters of its RCPT.
        content: the octets; transparency undone, nothing else touched.
        received_at: when it was complete (aware).
        session: where it came in.
    """

    def __init__(
        self,
        mail_from: str,
        rcpt_to: Sequence[str],
        mail_options: Sequence[str],
        rcpt_options: Mapping[str, Sequence[str]],
        content: bytes,
        received_at: datetime,
        session: Session,
    ) -> None:
        self.mail_from = mail_from
        self.rcpt_to = tuple(rcpt_to)
        self.mail_options = tuple(mail_options)
        self.rcpt_options: Mapping[str, tuple[str, ...]] = MappingProxyType(
            {recipient: tuple(options) for recipient, options in rcpt_options.items()}
        )
        self.content = content
        self.received_at = received_at
        self.session = session

    @cached_property
    def email(self) -> Email:
        """The mail object (4D: `MAIL Convert from MIME`)."""
        from pytest_smtp4d.mail.parse import mail_convert_from_mime

        return mail_convert_from_mime(self.content)

    @cached_property
    def mime(self) -> EmailMessage:
        """The message as the standard library parses it, by `email.policy.default`."""
        import email
        import email.policy

        return email.message_from_bytes(self.content, policy=email.policy.default)

    def __repr__(self) -> str:
        return f"<ReceivedMessage from {self.mail_from!r} to {', '.join(self.rcpt_to)}, {len(self.content)} octets>"


class Transaction:
    """One MAIL and what followed until the end of data, RSET or the end of the session (RFC 5321 3.3).

    Args:
        mail_from: the reverse-path's mailbox; "" for the null sender.
        rcpt_to: the accepted recipients.
        refused: recipient -> the reply that refused it.
        reply: the reply that decided the transaction: to MAIL or DATA where that was refused, else to the content;
            None while it is open, and where it was abandoned (RSET, QUIT, disconnect).
        message: what was stored; None where nothing was.
        mail_options: the parameters of MAIL as received.
    """

    __slots__ = ("_rcpt_options", "_rcpt_to", "_refused", "mail_from", "mail_options", "message", "reply")

    def __init__(
        self,
        mail_from: str,
        rcpt_to: Sequence[str] = (),
        refused: Mapping[str, Reply] | None = None,
        reply: Reply | None = None,
        message: ReceivedMessage | None = None,
        *,
        mail_options: Sequence[str] = (),
    ) -> None:
        self.mail_from = mail_from
        self.mail_options = tuple(mail_options)
        self._rcpt_to = list(rcpt_to)
        self._rcpt_options: dict[str, tuple[str, ...]] = {}
        self._refused = dict(refused or {})
        self.reply = reply
        self.message = message

    @property
    def rcpt_to(self) -> tuple[str, ...]:
        """The recipients accepted so far, in order."""
        return tuple(self._rcpt_to)

    @property
    def rcpt_options(self) -> Mapping[str, tuple[str, ...]]:
        """Accepted recipient -> the parameters of its RCPT as received."""
        return MappingProxyType(dict(self._rcpt_options))

    @property
    def refused(self) -> Mapping[str, Reply]:
        """Refused recipient -> the reply that refused it."""
        return MappingProxyType(dict(self._refused))

    def accept_recipient(self, mailbox: str, options: Sequence[str] = ()) -> None:
        """Record a recipient that was accepted (called by the server only)."""
        self._rcpt_to.append(mailbox)
        self._rcpt_options[mailbox] = tuple(options)

    def refuse_recipient(self, mailbox: str, reply: Reply) -> None:
        """Record a recipient that was refused (called by the server only)."""
        self._refused[mailbox] = reply

    def __repr__(self) -> str:
        return (
            f"<Transaction from {self.mail_from!r} to {', '.join(self._rcpt_to) or 'nobody'}, "
            f"{len(self._refused)} refused, reply {self.reply}>"
        )


class Session:
    """One connection from greeting to close; grows while it is live.

    The server sets `client_name`, `tls`, `user`, `mechanism` and `broken` as they become known.

    Args:
        peer: (host, port) of the client.
    """

    __slots__ = (
        "__weakref__",
        "_commands",
        "_login_began",
        "_replies",
        "_transactions",
        "_violations",
        "broken",
        "client_name",
        "ended",
        "mechanism",
        "peer",
        "tls",
        "transcript",
        "user",
    )

    def __init__(self, peer: tuple[str, int]) -> None:
        self.peer = peer
        self.client_name: str | None = None
        """What the client called itself in EHLO or HELO."""
        self.tls: Tls | None = None
        self.user: str | None = None
        """Who logged in; None before."""
        self.mechanism: str | None = None
        """The mechanism that the login used."""
        self.transcript = Transcript()
        self.ended: str | None = None
        """Why the session ended ("QUIT", "client closed", "TLS alert: unknown ca"); None while it is live."""
        self.broken = False
        """True after a fault that broke the protocol: what the client does from there on is never a fatal violation."""
        self._commands: list[tuple[str, str]] = []
        self._replies: dict[int, Reply] = {}
        self._transactions: list[Transaction] = []
        self._violations: list[Violation] = []
        self._login_began = False

    @property
    def commands(self) -> tuple[Command, ...]:
        """The commands so far, each with its reply."""
        replies = dict(self._replies)
        return tuple(
            Command(verb, argument, replies.get(index))
            for index, (verb, argument) in enumerate(tuple(self._commands))
        )

    @property
    def transactions(self) -> tuple[Transaction, ...]:
        """One per MAIL, accepted or not, in order."""
        return tuple(self._transactions)

    @property
    def violations(self) -> tuple[Violation, ...]:
        """What the client did against the RFCs, in order."""
        return tuple(self._violations)

    def record_command(self, verb: str, argument: str) -> int:
        """Record a command (called by the server only) and return its index for `record_reply`."""
        if verb == "AUTH":
            self._login_began = True
            argument = redact(f"AUTH {argument}")[5:]
        elif self._login_began and verb not in VERBS:
            verb, argument = MASK, ""
        self._commands.append((verb, argument))
        return len(self._commands) - 1

    def record_reply(self, index: int, reply: Reply) -> None:
        """Record the reply to the command with that index (called by the server only); the last one stays."""
        self._replies[index] = reply

    def begin(self, transaction: Transaction) -> None:
        """Record that a MAIL began (or tried to begin) a transaction (called by the server only)."""
        self._transactions.append(transaction)

    def violate(self, violation: Violation) -> None:
        """Record a violation (called by the server only); not fatal where a fault broke the protocol before."""
        line = redact(violation.line)
        if line != violation.line or (self.broken and violation.fatal):
            violation = replace(violation, line=line, fatal=violation.fatal and not self.broken)
        self._violations.append(violation)

    def end(self, reason: str) -> None:
        """Record why the session ended (called by the server only); the first reason stays."""
        if self.ended is None:
            self.ended = reason

    def __repr__(self) -> str:
        state = "live" if self.ended is None else f"ended: {self.ended}"
        return (
            f"<Session of {self.peer[0]}:{self.peer[1]}, {len(self._commands)} commands, "
            f"{len(self._transactions)} transactions, {state}>"
        )
