"""Records of servers become documents: plain dicts that travel between processes and into a page.

RFC 5321 3.3 (a session holds transactions; one that was accepted holds a message).

A test has attempts (one, unless it was run again), an attempt has sessions and entries, and an entry is a row
of the page: a mail, a transaction that brought none, or a session that never came to one. Only public
attributes of the records are read, and each is read once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict
from weakref import WeakKeyDictionary

from pytest_smtp4d.records.advice import advice
from pytest_smtp4d.report.mail import MailDocument, ProblemDocument, mail_document
from pytest_smtp4d.report.outcome import FAILED
from pytest_smtp4d.report.redact import Redaction
from pytest_smtp4d.report.settings import LARGEST_ATTACHMENT
from pytest_smtp4d.words import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_smtp4d.records.record import ReceivedMessage, Session, Transaction
    from pytest_smtp4d.records.transcript import TranscriptLine
    from pytest_smtp4d.records.violation import Violation

__all__ = [
    "FORMAT",
    "AttemptDocument",
    "Author",
    "EntryDocument",
    "FailureDocument",
    "FaultDocument",
    "Ledger",
    "ReportDocument",
    "RunDocument",
    "SessionDocument",
    "SessionRecord",
    "TestDocument",
    "TranscriptRow",
    "crashed_attempt",
    "differences",
    "is_failed",
    "is_refused",
    "summary",
]

_LONGEST_LINE = 2000
"""Characters of a line of the transcript that are kept."""

TranscriptRow = tuple[str, str, str, bool, float, "int | None", "str | None"]
"""Direction ("C", "S"), text, stage, whether under TLS, seconds, octets of content, a fault's declaration."""


class TlsDocument(TypedDict):
    """The TLS layer of a session."""

    version: str
    cipher: str
    serverName: str | None


class SessionDocument(TypedDict):
    """A connection from greeting to close, masked as its transcript is."""

    peer: str
    server: str
    clientName: str | None
    tls: TlsDocument | None
    user: str | None
    mechanism: str | None
    ended: str | None
    advice: str
    lines: list[TranscriptRow]
    violations: list[ProblemDocument]


class EntryDocument(TypedDict):
    """A row of the page; `session` is the index of its session in the attempt, None where there was none."""

    kind: Literal["mail", "transaction", "session", "nothing"]
    session: int | None
    title: str
    mailFrom: str
    rcptTo: list[str]
    blind: list[str]
    refused: list[tuple[str, str]]
    mailOptions: list[str]
    rcptOptions: dict[str, list[str]]
    reply: str | None
    receivedAt: str | None
    octets: int
    mail: MailDocument | None


class FaultDocument(TypedDict):
    """A fault that the test declared, with its file and line in `words`, and how often it acted."""

    words: str
    hits: int
    unhit: bool


class DifferenceDocument(TypedDict):
    """One criterion of an expectation held against the nearest message."""

    name: str
    expected: str
    received: str
    agrees: bool


class FailureDocument(TypedDict):
    """Why an attempt failed: the phase ("setup", "call", "teardown"), the words, and the nearest miss."""

    phase: str
    words: str
    differences: list[DifferenceDocument]


class AttemptDocument(TypedDict):
    """One run of a test."""

    outcome: str
    seconds: float
    failures: list[FailureDocument]
    faults: list[FaultDocument]
    sessions: list[SessionDocument]
    entries: list[EntryDocument]


class TestDocument(TypedDict):
    """A test that used a server; the last attempt is the one that counted."""

    id: str
    attempts: list[AttemptDocument]


class RunDocument(TypedDict):
    """When and where the tests ran, and what came of them; `shards` are the runs that were merged."""

    name: str
    startedAt: str
    seconds: float
    python: str
    platform: str
    version: str
    seed: str | None
    outcomes: dict[str, int]
    notes: list[str]
    shards: list[RunDocument]


class ReportDocument(TypedDict):
    """All that a page shows."""

    format: int
    run: RunDocument
    tests: list[TestDocument]


FORMAT = 1


def is_failed(test: TestDocument) -> bool:
    """Return whether the last attempt of a test failed."""
    return test["attempts"][-1]["outcome"] in FAILED


def summary(report: ReportDocument) -> dict[str, int]:
    """Return the counts of a page's head: tests with a server, mails, refused, violations, unhit faults."""
    attempts = [attempt for test in report["tests"] for attempt in test["attempts"]]
    entries = [entry for attempt in attempts for entry in attempt["entries"]]
    sessions = [session for attempt in attempts for session in attempt["sessions"]]
    return {
        "tests": len(report["tests"]),
        "failed": sum(map(is_failed, report["tests"])),
        "mails": sum(entry["kind"] == "mail" for entry in entries),
        "refused": sum(bool(entry["refused"]) or is_refused(entry) for entry in entries),
        "violations": sum(len(session["violations"]) for session in sessions),
        "unhit": sum(fault["unhit"] for attempt in attempts for fault in attempt["faults"]),
    }


def is_refused(entry: EntryDocument) -> bool:
    """Return whether the reply that decided a transaction was a refusal (4yz or 5yz, RFC 5321 4.2.1)."""
    return entry["reply"] is not None and entry["reply"][:1] in "45"


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What a test saw of a session.

    Args:
        server: the URL of its server.
        session: all of it.
        transactions: those that stand in no earlier test.
    """

    server: str
    session: Session
    transactions: tuple[Transaction, ...]

    @property
    def messages(self) -> list[ReceivedMessage]:
        """The messages that stand in no earlier test."""
        return [one.message for one in self.transactions if one.message is not None]


@dataclass(slots=True)
class Ledger:
    """Knows which transactions of a session stand in an earlier test: a session may serve several."""

    _told: WeakKeyDictionary[Session, set[int]] = field(default_factory=WeakKeyDictionary)

    def take(self, sessions: Iterable[tuple[str, Session]]) -> list[SessionRecord]:
        """Return what is new of each session; one of which nothing is new is left out.

        A transaction that is not over is returned, and returned again when it is.

        Args:
            sessions: each with the URL of its server.
        """
        records: list[SessionRecord] = []
        for server, session in sessions:
            transactions = tuple(session.transactions)
            is_known = session in self._told
            told = self._told.setdefault(session, set())
            new = [number for number in range(len(transactions)) if number not in told]
            told.update(number for number in new if _is_over(transactions[number], session))
            if new or not is_known:
                records.append(SessionRecord(server, session, tuple(transactions[number] for number in new)))
        return records


def _is_over(transaction: Transaction, session: Session) -> bool:
    return (
        transaction.message is not None
        or transaction.reply is not None
        or session.ended is not None
        or transaction is not session.transactions[-1]
    )


@dataclass(frozen=True, slots=True)
class Author:
    """Writes the documents of tests.

    Args:
        redaction: applied to the mails before they are read, and to everything else.
        largest: octets of an attachment that is kept whole; None keeps all.
    """

    redaction: Redaction = field(default_factory=Redaction)
    largest: int | None = LARGEST_ATTACHMENT

    def attempt(
        self,
        records: Iterable[SessionRecord],
        faults: Iterable[object],
        *,
        outcome: str,
        seconds: float,
        failures: Iterable[FailureDocument],
    ) -> AttemptDocument:
        """Return one run of a test.

        Args:
            records: what its servers had, in order.
            faults: those it declared.
            outcome: "passed", "failed", "error", "skipped", "xfailed", "xpassed", "rerun".
            seconds: how long it took.
            failures: why it failed.
        """
        attempt = empty_attempt(outcome, seconds)
        attempt["failures"] = self.redaction.document(list(failures))
        attempt["faults"] = [self.redaction.document(_fault(fault)) for fault in faults]
        for record in records:
            index = len(attempt["sessions"])
            attempt["sessions"].append(self.redaction.document(_session(record.server, record.session)))
            attempt["entries"] += self._entries(record, index)
        if not attempt["entries"] and (outcome in FAILED or any(one["unhit"] for one in attempt["faults"])):
            attempt["entries"].append(_entry("nothing", None, "no mail: no client connected"))
        return attempt

    def _entries(self, record: SessionRecord, index: int) -> Iterator[EntryDocument]:
        if not record.transactions:
            yield self.redaction.document(_without_mail(record.session, index))
        for transaction in record.transactions:
            yield self._transaction(transaction, record.session, index)

    def _transaction(self, transaction: Transaction, session: Session, index: int) -> EntryDocument:
        message = transaction.message
        entry = _entry("transaction" if message is None else "mail", index, "")
        entry["mailFrom"] = transaction.mail_from
        entry["rcptTo"] = list(transaction.rcpt_to)
        entry["mailOptions"] = list(transaction.mail_options)
        entry["refused"] = [(mailbox, str(reply)) for mailbox, reply in transaction.refused.items()]
        entry["reply"] = None if transaction.reply is None else str(transaction.reply)
        if message is None:
            entry["title"] = _outcome(transaction, session)
            return self.redaction.document(entry)  # type: ignore[no-any-return]
        self._fill(entry, message)
        return self.redaction.document(entry)  # type: ignore[no-any-return]

    def _fill(self, entry: EntryDocument, message: ReceivedMessage) -> None:
        content = self.redaction.content(message.content)
        mail = mail_document(content, lambda: map(_problem, message.problems), largest=self.largest)
        entry["mail"], entry["title"] = mail, mail["subject"]
        entry["mailFrom"], entry["rcptTo"] = message.mail_from, list(message.rcpt_to)
        entry["mailOptions"] = list(message.mail_options)
        entry["rcptOptions"] = {to: list(options) for to, options in message.rcpt_options.items() if options}
        entry["octets"] = len(message.content)
        entry["receivedAt"] = message.received_at.isoformat(timespec="milliseconds")
        if mail["unreadable"] is None:
            entry["blind"] = list(message.bcc)


def empty_attempt(outcome: str, seconds: float) -> AttemptDocument:
    """Return an attempt of which nothing is known yet but how it went."""
    return {
        "outcome": outcome,
        "seconds": round(seconds, 4),
        "failures": [],
        "faults": [],
        "sessions": [],
        "entries": [],
    }


def crashed_attempt(words: str) -> AttemptDocument:
    """Return the attempt of a test during which its process ended."""
    attempt = empty_attempt("crashed", 0.0)
    attempt["failures"] = [{"phase": "call", "words": words, "differences": []}]
    attempt["entries"] = [_entry("nothing", None, "what this test sent was lost with its process")]
    return attempt


def _entry(
    kind: Literal["mail", "transaction", "session", "nothing"], session: int | None, title: str
) -> EntryDocument:
    return {
        "kind": kind,
        "session": session,
        "title": title,
        "mailFrom": "",
        "rcptTo": [],
        "blind": [],
        "refused": [],
        "mailOptions": [],
        "rcptOptions": {},
        "reply": None,
        "receivedAt": None,
        "octets": 0,
        "mail": None,
    }


def _outcome(transaction: Transaction, session: Session) -> str:
    """Return in words why a transaction brought no message."""
    reply = transaction.reply
    if transaction.refused and (reply is None or reply.is_positive or not transaction.rcpt_to):
        mailbox, reply = next(iter(transaction.refused.items()))
        return f"RCPT {mailbox} refused: {reply}"
    if reply is not None and not reply.is_positive:
        return f"refused: {reply}"
    if reply is None and session.ended is None and transaction is session.transactions[-1]:
        return "transaction still open"
    return "transaction without a message"


def _without_mail(session: Session, index: int) -> EntryDocument:
    """Return the entry of a session without a transaction: a command that was refused, else how it ended."""
    refused = [
        command
        for command in session.commands
        if command.reply is not None and command.reply.code >= 400 and command.verb != "QUIT"
    ]
    entry = _entry("session", index, f"session without mail: {session.ended or 'still open'}")
    if refused:
        entry["reply"] = str(refused[-1].reply)
        entry["title"] = f"session without mail: {refused[-1].verb} refused: {refused[-1].reply}"
    return entry


def _session(server: str, session: Session) -> SessionDocument:
    tls = session.tls
    return {
        "peer": f"{session.peer[0]}:{session.peer[1]}",
        "server": server,
        "clientName": session.client_name,
        "tls": None if tls is None else _tls(tls.version, tls.cipher, tls.server_name),
        "user": session.user,
        "mechanism": session.mechanism,
        "ended": session.ended,
        "advice": "" if session.transactions else advice(session),
        "lines": [_line(line) for line in session.transcript.lines],
        "violations": [_problem(violation) for violation in session.violations],
    }


def _tls(version: str, cipher: str, server_name: str | None) -> TlsDocument:
    return {"version": version, "cipher": cipher, "serverName": server_name}


def _line(line: TranscriptLine) -> TranscriptRow:
    declaration = line.fault or None
    if line.is_content:
        return (line.direction, "", line.stage, line.tls, round(line.at, 4), len(line.octets), declaration)
    text = str(line) if line.left_out else escaped(line.octets)
    if len(text) > _LONGEST_LINE:
        text = f"{text[:_LONGEST_LINE]}… ({len(line.octets)} octets)"
    return (line.direction, text, line.stage, line.tls, round(line.at, 4), None, declaration)


def _problem(violation: Violation) -> ProblemDocument:
    return {
        "name": violation.name,
        "line": violation.line,
        "rfc": violation.rfc,
        "fatal": violation.fatal,
    }


def _fault(fault: Any) -> FaultDocument:
    return {"words": str(fault), "hits": fault.hits, "unhit": fault._is_unhit}


def differences(comparisons: Sequence[Any]) -> list[DifferenceDocument]:
    """Return the nearest miss of a failed expectation (see `records.expect.Comparison`) as a document."""
    return [
        {
            "name": comparison.name,
            "expected": _value(comparison.expected),
            "received": _value(comparison.actual),
            "agrees": comparison.agrees,
        }
        for comparison in comparisons
    ]


def _value(value: object) -> str:
    """Return a value whole: a text as it is, a list one item a line, a pattern as it was written."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return "\n".join(map(_value, value)) or "(none)"
    if hasattr(value, "pattern"):
        return f"a match of {value.pattern!r}"
    return "(none)" if value is None else repr(value)
