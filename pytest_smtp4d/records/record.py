"""What a server saw and heard: Session > Transaction > ReceivedMessage.

RFC 5321 3.3 (transactions), 4.1 (commands).

The server's loop records while tests read from their own threads, so everything that grows is only ever
appended to, and every read is a copy. Secrets are masked before they get here: see `recorder`. Every message
pays for the objects that stand for it here, most of all when the garbage collector looks at them, so a
dictionary that would be empty is not made.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.records import recorder
from pytest_smtp4d.records.recorder import Raw, Recorder
from pytest_smtp4d.records.transcript import Transcript, TranscriptLine
from pytest_smtp4d.records.violation import Judged, judge, words_of
from pytest_smtp4d.slips import Slips

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from email.message import EmailMessage

    from pytest_smtp4d.mail.attachment import MailAttachment
    from pytest_smtp4d.mail.email import Email
    from pytest_smtp4d.mail.incoming import IncomingMail
    from pytest_smtp4d.records.violation import Violation
    from pytest_smtp4d.smtp.reply import Reply

__all__ = ["Command", "ReceivedMessage", "Session", "Tls", "Transaction", "Transcript", "TranscriptLine"]


_NOTHING: Mapping[str, tuple[str, ...]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a client and the reply to it.

    Args:
        verb: upper case, "MAIL".
        argument: the rest of the line as received; of AUTH the mechanism and a mask.
        reply: what the server answered; None where it did not, or has not yet.
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


_MEANT = MappingProxyType(
    {
        **dict.fromkeys(("sender", "from_email", "envelope_from", "return_path"), "message.mail_from"),
        **dict.fromkeys(("recipients", "rcpt_tos", "envelope_to", "to_addrs"), "message.rcpt_to"),
        **dict.fromkeys(("body", "text", "plain", "plain_body"), "message.text_body"),
        **dict.fromkeys(("html", "alternatives"), "message.html_body"),
        **dict.fromkeys(("raw", "data", "source", "original_content", "as_bytes"), "message.content"),
        **dict.fromkeys(("headers", "get", "get_all"), "message['Subject'] or message.header('Received')"),
        **dict.fromkeys(("message", "parsed", "get_payload", "walk", "get_body"), "message.mime"),
        **dict.fromkeys(("peer", "user", "transcript"), "message.session"),
        "from_addr": "message.mail_from or message.from_",
        "date": "message['Date'] or message.received_at",
    }
)
"""What other harnesses call something -> how it is written here."""


class ReceivedMessage(Slips):
    """A message that the server accepted: the envelope, the octets, and views that are parsed on first use.

    Args:
        mail_from: the reverse-path's mailbox; "" for the null sender.
        rcpt_to: the accepted recipients, in the order they were given.
        mail_options: the parameters of MAIL as received, ``("SIZE=120", "BODY=8BITMIME")``.
        rcpt_options: recipient -> the parameters of its RCPT.
        content: the octets; transparency undone, nothing else touched.
        received_at: when it was complete (an aware datetime).
        session: where it came in.

    Example:
        >>> message = smtp_server.messages.one()
        >>> message.mail_from, message.rcpt_to, message["Subject"]
        ('shop@example.com', ('bob@example.org',), 'Welcome')
    """

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_rcpt_options",
        "content",
        "mail_from",
        "mail_options",
        "rcpt_to",
        "received_at",
        "session",
        "test",
    )

    _meant = _MEANT

    mail_from: str
    rcpt_to: tuple[str, ...]
    mail_options: tuple[str, ...]
    content: bytes
    received_at: datetime
    """When it was complete (an aware datetime)."""
    session: Session
    test: str
    """The test during which it arrived, by its name; "" outside tests."""
    _rcpt_options: Mapping[str, Sequence[str]]

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
        assign = object.__setattr__  # `Slips` looks at each assignment
        assign(self, "mail_from", mail_from)
        assign(self, "rcpt_to", tuple(rcpt_to))
        assign(self, "mail_options", tuple(mail_options))
        assign(self, "_rcpt_options", rcpt_options)
        assign(self, "content", content)
        assign(self, "received_at", received_at)
        assign(self, "session", session)
        assign(self, "test", "")

    @cached_property
    def rcpt_options(self) -> Mapping[str, tuple[str, ...]]:
        """The parameters of RCPT as received, by recipient."""
        given = self._rcpt_options
        return MappingProxyType({recipient: tuple(given.get(recipient, ())) for recipient in self.rcpt_to})

    @cached_property
    def _mail(self) -> IncomingMail:
        """The views of the octets, each read when it is first asked for."""
        from pytest_smtp4d.mail.incoming import IncomingMail

        return IncomingMail(self.content)

    @cached_property
    def email(self) -> Email:
        """The message as a mail object, as `mail_convert_from_mime` reads it; very deep parts are flat.

        The limit is for whoever prints or compares it: CPython's dicts do that by recursion.
        """
        from pytest_smtp4d.records.mime import flat_below

        email = self._mail.email
        if "bodyStructure" in email:
            email["bodyStructure"] = flat_below(email["bodyStructure"])
        return email

    @cached_property
    def mime(self) -> EmailMessage:
        """The message as the standard library parses it, by `email.policy.default`."""
        from pytest_smtp4d.records.mime import mime_of

        return mime_of(self.content)

    @cached_property
    def subject(self) -> str:
        """The subject, decoded; "" where there is none."""
        return self._mail.subject or ""

    @cached_property
    def from_(self) -> list[str]:
        """The addr-specs of From (RFC 5322 3.6.2)."""
        return self._addr_specs("from")

    @cached_property
    def to(self) -> list[str]:
        """The addr-specs of To."""
        return self._addr_specs("to")

    @cached_property
    def cc(self) -> list[str]:
        """The addr-specs of Cc."""
        return self._addr_specs("cc")

    @cached_property
    def bcc(self) -> list[str]:
        """The envelope's recipients that neither To nor Cc names, who got it unseen."""
        named = {_compared(addr_spec) for addr_spec in (*self.to, *self.cc)}
        return [recipient for recipient in self.rcpt_to if _compared(recipient) not in named]

    @cached_property
    def text_body(self) -> str | None:
        """The plain text of the body; None where there is none."""
        return self._mail.text

    @cached_property
    def html_body(self) -> str | None:
        """The HTML of the body; None where there is none."""
        return self._mail.html

    @cached_property
    def attachments(self) -> list[MailAttachment]:
        """Every part that is not the body, inline pictures included."""
        return self._mail.attachments

    def links(self, pattern: str | re.Pattern[str] | None = None) -> list[str]:
        """Return the targets (http, https) of the HTML body's links, or else the URLs of the text.

        Args:
            pattern: only those in which it is found; None: all.

        Returns:
            Each once, in order, with entities decoded.

        Example:
            >>> smtp_server.messages.one().links("confirm")
            ['https://shop.example/confirm?token=abc']
        """
        from pytest_smtp4d.records.view import html_links, text_links

        if self.html_body is not None:
            found = html_links(self.html_body)
        else:
            found = text_links(self.text_body or "")
        return [link for link in found if pattern is None or re.search(pattern, link)]

    def codes(self, pattern: str | re.Pattern[str] = r"\b\d{4,8}\b") -> list[str]:
        """Return what a pattern finds in what a reader sees of the HTML body, or without it of the text.

        Args:
            pattern: where it has a group, the first is returned.

        Returns:
            Each once, in order; nothing from scripts, styles, titles, attributes, hidden elements or URLs.

        Example:
            >>> smtp_server.messages.one().codes()
            ['123456']
        """
        from pytest_smtp4d.records.view import codes

        return codes(self.visible_text, pattern)

    @cached_property
    def visible_text(self) -> str:
        """What a person sees of the HTML body, or without one the text body.

        Markup, comments, templates, style, script and what attributes or an inline style hide are left out;
        style sheets are not evaluated. Blanks are collapsed.
        """
        from pytest_smtp4d.records.view import html_text

        return html_text(self.html_body) if self.html_body is not None else self.text_body or ""

    @cached_property
    def problems(self) -> tuple[Violation, ...]:
        """What is wrong with the message itself, each with its RFC section and the line that shows it."""
        from pytest_smtp4d.records.violation import flaws_of

        return flaws_of(self.content, self.mail_options, self._mail.known_tree)

    def snapshot(self) -> str:
        """Return the message as text that is the same in every run, for snapshot tests.

        Envelope, header, bodies and attachments (name, type, octets, SHA-256) are in it. What differs
        from run to run (dates, identifiers, SIZE=, ports, boundaries) is a placeholder; lines end with LF.

        Example:
            >>> print(smtp_server.messages.one().snapshot())
            [envelope]
            MAIL FROM:<shop@example.com> SIZE=<size>
            ...
        """
        from pytest_smtp4d.records.snapshot import snapshot

        return snapshot(self)

    def __getitem__(self, name: str) -> str | None:
        """Return the value of the first header field of that name, decoded; None without one."""
        if not isinstance(name, str):
            raise TypeError(f"a message is asked for header fields by name, message['Subject'], not {name!r}")
        values = self.header(name)
        return values[0] if values else None

    def header(self, name: str) -> list[str]:
        """Return what the fields of that name hold, decoded and unfolded, in order; case is ignored.

        Example:
            >>> smtp_server.messages.one().header("subject")
            ['Welcome']
        """
        return self._mail.header(name)

    def _addr_specs(self, name: str) -> list[str]:
        """Return the addr-specs in the fields called `name`."""
        return [address["email"] for address in self._mail.addresses(name)]

    def __repr__(self) -> str:
        recipients = ", ".join(self.rcpt_to[:3])
        more = f" and {len(self.rcpt_to) - 3} more" if len(self.rcpt_to) > 3 else ""
        route = f"from {self.mail_from or '<>'} to {recipients}{more}"
        return f"<ReceivedMessage {route}, {len(self.content)} octets>"


def _compared(addr_spec: str) -> str:
    """Return a mailbox so that two spellings of one domain are equal (RFC 5321 2.4, RFC 5891 4.4)."""
    from pytest_smtp4d.mail.mailbox import ascii_domain

    local_part, at, domain = addr_spec.rpartition("@")
    with contextlib.suppress(MailError):
        domain = ascii_domain(domain)
    return f"{local_part}{at}{domain.lower()}"


class Transaction:
    """One MAIL and what followed, until the end of data, RSET or the end of the session (RFC 5321 3.3).

    Args:
        mail_from: the reverse-path's mailbox; "" for the null sender.
        rcpt_to: the accepted recipients.
        refused: recipient -> the reply that refused it.
        reply: the reply that decided it: to MAIL or DATA where that was refused, else to the content; None
            while it is open, and where it was abandoned (RSET, QUIT, disconnect).
        message: what was stored; None where nothing was.
        mail_options: the parameters of MAIL as received.

    Example:
        >>> fault = smtp_server.on("RCPT").reply(550, "5.1.1 No such user")
        >>> status = transporter.send({"from": "ada@example.com", "to": "bob@example.org"})
        >>> smtp_server.transactions[-1].refused["bob@example.org"].code
        550
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
        self.mail_from: str = mail_from
        self.mail_options: tuple[str, ...] = tuple(mail_options)
        self.reply: Reply | None = reply
        self.message: ReceivedMessage | None = message
        self._rcpt_to = list(rcpt_to)
        self._rcpt_options: dict[str, tuple[str, ...]] | None = None
        self._refused: dict[str, Reply] | None = dict(refused) if refused else None

    @property
    def rcpt_to(self) -> tuple[str, ...]:
        """The recipients accepted so far, in order."""
        return tuple(self._rcpt_to)

    def _without_message(self) -> Transaction:
        """Return a copy without the message."""
        return Transaction(
            self.mail_from, self.rcpt_to, self.refused, self.reply, mail_options=self.mail_options
        )

    @property
    def _recipients(self) -> int:
        """How many recipients were accepted so far."""
        return len(self._rcpt_to)

    @property
    def _given_options(self) -> Mapping[str, tuple[str, ...]]:
        """Those of the accepted recipients whose RCPT had parameters -> these."""
        return self._rcpt_options or _NOTHING

    @property
    def rcpt_options(self) -> Mapping[str, tuple[str, ...]]:
        """The parameters of RCPT as received, by accepted recipient."""
        given = self._given_options
        return MappingProxyType({recipient: given.get(recipient, ()) for recipient in tuple(self._rcpt_to)})

    @property
    def refused(self) -> Mapping[str, Reply]:
        """The replies that refused a recipient, by recipient."""
        return MappingProxyType(dict(self._refused or ()))

    def _accept_recipient(self, mailbox: str, options: Sequence[str] = ()) -> None:
        """Record a recipient that was accepted (called by the server only)."""
        self._rcpt_to.append(mailbox)
        if self._rcpt_options is not None:
            self._rcpt_options[mailbox] = tuple(options)
        elif options:
            self._rcpt_options = {mailbox: tuple(options)}

    def _refuse_recipient(self, mailbox: str, reply: Reply) -> None:
        """Record a recipient that was refused (called by the server only)."""
        if self._refused is None:
            self._refused = {}
        self._refused[mailbox] = reply

    @property
    def _is_over(self) -> bool:
        """Whether a message was stored, or a reply decided that there is none."""
        return self.message is not None or self.reply is not None

    def __repr__(self) -> str:
        recipients = ", ".join(self._rcpt_to) or "nobody"
        return (
            f"<Transaction from {self.mail_from or '<>'} to {recipients}, "
            f"{len(self.refused)} refused, reply {self.reply}>"
        )


KEPT_VIOLATIONS = 100
"""Violations of a session that are kept where they are told as they happen."""


class Session:
    """One connection from greeting to close; grows while it is live.

    The server sets `client_name`, `tls`, `user` and `mechanism` as they become known, and writes down what
    happens with a `Recorder`; commands, transcript and violations are read off that record when asked for.

    Args:
        peer: (host, port) of the client.
        recorder: who writes the session down.
        target: (host, port) that the client had asked for when it was redirected here; None where it was not.

    Example:
        >>> session = smtp_server.messages.one().session
        >>> session.tls is not None, session.user, [command.verb for command in session.commands][:2]
        (True, None, ['EHLO', 'STARTTLS'])
    """

    __slots__ = (
        "__weakref__",
        "_is_continued",
        "_recorder",
        "_transactions",
        "client_name",
        "ended",
        "mechanism",
        "peer",
        "target",
        "tls",
        "transcript",
        "user",
    )

    def __init__(
        self,
        peer: tuple[str, int],
        recorder: Recorder | None = None,
        target: tuple[str, int] | None = None,
    ) -> None:
        self.peer: tuple[str, int] = peer
        self.target: tuple[str, int] | None = target
        self.client_name: str | None = None
        """What the client called itself in EHLO or HELO."""
        self.tls: Tls | None = None
        self.user: str | None = None
        """Who logged in; None before."""
        self.mechanism: str | None = None
        """The mechanism of the login."""
        self._recorder = Recorder() if recorder is None else recorder
        self.transcript: Transcript = Transcript(self._recorder)
        self.ended: str | None = None
        """Why it ended, such as "QUIT" or "client closed"; None while it is live."""
        self._transactions: list[Transaction] = []
        self._is_continued = False

    @property
    def commands(self) -> tuple[Command, ...]:
        """The commands so far, each with its reply; of a long session the first and the last ones."""
        commands: list[Command] = []
        is_known = False
        for entry in self._recorder.raw.read():
            if entry.kind == recorder.COMMAND:
                commands.append(Command(*words_of(entry)))
                is_known = True
            elif entry.kind == recorder.REPLY and is_known:
                commands[-1] = replace(commands[-1], reply=entry.extra)
            elif entry.kind == recorder.GAP:
                is_known = False  # the next reply may answer a command that was forgotten
        return tuple(commands)

    @property
    def transactions(self) -> tuple[Transaction, ...]:
        """The mail transactions, one per MAIL, accepted or not, in order."""
        return tuple(self._transactions)

    @property
    def violations(self) -> tuple[Violation, ...]:
        """What the client did against the RFCs, in order; for the messages themselves see `problems`."""
        return self._judged().violations

    @property
    def _broken(self) -> bool:
        """Whether a fault broke the protocol: from there on no violation is fatal."""
        return self._judged().lenient_from is not None

    def _blamed(self, start: int = 0) -> tuple[Violation, ...]:
        """Return the violations from a number on for which the client can be blamed.

        Those are left out that follow a fault which broke the protocol (`send`, `silence`, `trickle`).
        """
        judged = self._judged()
        return judged.violations[start : judged.lenient_from]

    @property
    def _stages(self) -> frozenset[str]:
        """The stages that the session came through."""
        return frozenset({entry.stage for entry in self._recorder.raw.read()} | {self._recorder.stage})

    def _judged(self) -> Judged:
        raw = self._recorder.raw
        raw.judged = judged = judge(raw)
        return judged

    def _begin(self, transaction: Transaction) -> None:
        """Record that a MAIL began a transaction, or tried to (called by the server only)."""
        self._transactions.append(transaction)

    def _continued(self) -> tuple[Session, Recorder]:
        """Return an empty record of the same connection, and its pen (called by the server only)."""
        self._is_continued = True
        before, judged = self._recorder, self._judged()
        lenient_from = None if judged.lenient_from is None else 0
        pen = Recorder(login_began=before.login_began, judged=Judged(0, judged.judge, (), lenient_from))
        pen.stage, pen.tls, pen.at = before.stage, before.tls, before.at
        session = Session(self.peer, pen, self.target)
        session.client_name, session.tls = self.client_name, self.tls
        session.user, session.mechanism = self.user, self.mechanism
        return session, pen

    def _shortened(self) -> Session:
        """Return a copy that shows how it went: the ends of the dialogue without contents, all violations."""
        before, judged = self._recorder, self._judged()
        pen = Recorder(login_began=before.login_began)
        pen.stage, pen.tls, pen.at = before.stage, before.tls, before.at
        pen.raw = Raw(list(before.raw.entries), judged)
        if len(pen.raw.entries) > recorder.SHORTENED:
            pen.forget_middle(judged._replace(position=recorder.SHORTENED))
        pen.forget_content(0)
        session = Session(self.peer, pen, self.target)
        session.client_name, session.tls, session.ended = self.client_name, self.tls, self.ended
        session.user, session.mechanism = self.user, self.mechanism
        session._transactions = [one._without_message() for one in self._transactions[-1:]]
        return session

    @property
    def _is_over(self) -> bool:
        """Whether nothing more is recorded here: it ended, or goes on in a new record."""
        return self.ended is not None or self._is_continued

    def _forget_middle(self) -> None:
        """Keep beginning and end of a long session, and its violations whole (called by the server only)."""
        self._recorder.forget_middle(self._judged()._replace(position=recorder.SHORTENED))

    def _forget_told(self, start: int) -> None:
        """Keep little of what somebody has read already, so that a session may last for weeks.

        Content shrinks to its header; transactions that are over and all but the last violations go.

        Args:
            start: the position in the raw record from which on contents may be whole.
        """
        judged = self._judged()
        self._recorder.forget_content(start)
        over = len(judged.violations) - KEPT_VIOLATIONS
        if over > 0:
            lenient_from = None if judged.lenient_from is None else max(0, judged.lenient_from - over)
            judged = judged._replace(violations=judged.violations[over:], lenient_from=lenient_from)
        self._recorder.raw.judged = judged
        self._transactions = [one for one in self._transactions[-1:] if not one._is_over]

    def _end(self, reason: str) -> None:
        """Record why the session ended (called by the server only); the first reason stays."""
        if self.ended is None:
            self.ended = reason

    def __repr__(self) -> str:
        return (
            f"<Session of {self.peer[0]}:{self.peer[1]}, {len(self.commands)} commands, "
            f"{len(self._transactions)} transactions, {self.ended or 'live'}>"
        )
