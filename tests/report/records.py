"""Records as a server would leave them, made by hand: the documents read nothing but public attributes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.message import EmailMessage
from typing import Any, cast

from pytest_smtp4d.records.record import ReceivedMessage, Session, Tls
from pytest_smtp4d.records.transcript import TranscriptLine
from pytest_smtp4d.report.document import Author, ReportDocument, SessionRecord
from pytest_smtp4d.smtp.reply import Reply

OK = Reply(250, "2.0.0 OK")
RECEIVED = datetime(2026, 11, 25, 12, 0, 0, tzinfo=timezone.utc)


DIALOGUE = (
    TranscriptLine("S", b"220 localhost ESMTP", "CONNECT", False, 0.0),
    TranscriptLine("C", b"EHLO client.example.com", "EHLO", False, 0.001),
    TranscriptLine("S", b"250-localhost", "EHLO", False, 0.001),
    TranscriptLine("S", b"250-PIPELINING", "EHLO", False, 0.001),
    TranscriptLine("S", b"250 8BITMIME", "EHLO", False, 0.001),
    TranscriptLine("C", b"MAIL FROM:<ada@example.com>", "MAIL", True, 0.002),
    TranscriptLine("S", b"250 2.1.0 OK", "MAIL", True, 0.002),
)


@dataclass(frozen=True)
class Line:
    """A line of a transcript, with the fault that made it."""

    direction: str
    octets: bytes
    stage: str
    tls: bool = True
    at: float = 0.1
    is_content: bool = False
    fault: str = ""
    left_out: int = 0


@dataclass
class Dialogue:
    """A transcript."""

    lines: tuple[Any, ...] = ()


@dataclass
class Sent:
    """A transaction."""

    mail_from: str = "ada@example.com"
    rcpt_to: tuple[str, ...] = ("bob@example.org",)
    refused: dict[str, Reply] = field(default_factory=dict)
    reply: Reply | None = OK
    message: Any = None
    mail_options: tuple[str, ...] = ()


@dataclass(eq=False)
class Connection:
    """A session."""

    transactions: tuple[Any, ...] = ()
    peer: tuple[str, int] = ("127.0.0.1", 40000)
    client_name: str | None = "client.example.com"
    tls: Tls | None = field(default_factory=lambda: Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", "localhost"))
    user: str | None = None
    mechanism: str | None = None
    target: tuple[str, int] | None = None
    ended: str | None = "QUIT"
    commands: tuple[Any, ...] = ()
    violations: tuple[Any, ...] = ()
    transcript: Dialogue = field(default_factory=lambda: Dialogue(DIALOGUE))

    @property
    def as_session(self) -> Session:
        """Return it as what it stands for."""
        return cast(Session, self)


def content(
    subject: str = "Hello",
    text: str | None = "It works.",
    html: str | None = None,
    attachments: tuple[tuple[str, str, bytes, str | None], ...] = (),
    to: str = "bob@example.org",
) -> bytes:
    """Return the octets of a mail.

    Args:
        subject: of the header; so is `to`.
        text: the plain text, or None.
        html: the HTML, or None.
        attachments: name, type, octets and Content-ID of each.
        to: of the header.
    """
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ada <ada@example.com>", to, subject
    mail["Date"] = "Wed, 25 Nov 2026 12:00:00 +0000"
    if text is not None:
        mail.set_content(text)
    if html is not None and text is not None:
        mail.add_alternative(html, subtype="html")
    elif html is not None:
        mail.set_content(html, subtype="html")
    for name, kind, octets, cid in attachments:
        main, _, sub = kind.partition("/")
        mail.add_attachment(octets, main, sub, filename=name, cid=f"<{cid}>" if cid else None)
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def message(octets: bytes, rcpt_to: tuple[str, ...] = ("bob@example.org",), **more: Any) -> ReceivedMessage:
    """Return a message; `more` becomes attributes of it."""
    session = Connection().as_session
    made = ReceivedMessage("ada@example.com", rcpt_to, ("SIZE=120",), {}, octets, RECEIVED, session)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def record(*messages: ReceivedMessage, **session: Any) -> SessionRecord:
    """Return a session that brought these messages."""
    transactions = tuple(Sent(rcpt_to=one.rcpt_to, message=one) for one in messages)
    connection = Connection(transactions, **session).as_session
    return SessionRecord("smtp://127.0.0.1:2525", connection, cast(Any, transactions))


def without_message(connection: Connection) -> SessionRecord:
    """Return the record of a session none of whose transactions brought a message."""
    return SessionRecord("smtp://x", connection.as_session, cast(Any, connection.transactions))


def failure(words: str = "assert 1 == 2", differences: Any = ()) -> Any:
    """Return a failure of a test's body."""
    return {"phase": "call", "words": words, "differences": list(differences)}


def report(
    tests: dict[str, list[SessionRecord]], failed: dict[str, Any] | None = None, **author: Any
) -> ReportDocument:
    """Return the report of a run.

    Args:
        tests: test id -> what its servers had.
        failed: test id -> its failure.
        author: how documents are written.
    """
    failed = failed or {}
    writer = Author(**author)
    documents: list[Any] = []
    for test, records in tests.items():
        outcome = "failed" if test in failed else "passed"
        failures = [failed[test]] if test in failed else []
        attempt = writer.attempt(records, [], outcome=outcome, seconds=0.1, failures=failures)
        documents.append({"id": test, "attempts": [attempt]})
    outcomes = {"passed": len(tests) - len(failed), "failed": len(failed)}
    run: Any = {
        "name": "shop",
        "startedAt": "2026-11-25T12:00:00+00:00",
        "seconds": 1.5,
        "python": "CPython 3.12.1",
        "platform": "Linux",
        "version": "0.1.0",
        "seed": "42",
        "outcomes": {name: count for name, count in outcomes.items() if count},
        "notes": [],
        "shards": [],
    }
    return {"format": 1, "run": run, "tests": documents}
