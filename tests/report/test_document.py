from __future__ import annotations

import base64
import hashlib
import json

import pytest

from pytest_smtp4d.records.record import Command
from pytest_smtp4d.records.violation import Violation
from pytest_smtp4d.report.document import Author, EntryDocument, Ledger, SessionRecord, differences, summary
from pytest_smtp4d.report.mail import MailDocument, mail_document
from pytest_smtp4d.smtp.reply import Reply
from tests.report.records import (
    Connection,
    Dialogue,
    Line,
    Sent,
    content,
    message,
    record,
    report,
    without_message,
)

NO_SUCH_USER = Reply(550, "5.1.1 No such user")


def entry_of(one: SessionRecord) -> EntryDocument:
    """Return the only entry that a session makes."""
    attempt = Author().attempt([one], [], outcome="passed", seconds=0.0, failures=[])
    (entry,) = attempt["entries"]
    return entry


def mail_of(entry: EntryDocument) -> MailDocument:
    """Return the mail of an entry."""
    assert entry["mail"] is not None
    return entry["mail"]


def test_a_mail_is_described_by_envelope_and_content() -> None:
    """An entry holds the envelope, who got it blind, the size in octets, and what the mail holds."""
    octets = content(
        "Invoice 42", "Pay 4711.", "<p>Pay <a href='https://x.example/?a=1&amp;b=2'>now</a> 4711</p>"
    )
    entry = entry_of(record(message(octets, ("bob@example.org", "eve@example.net"))))
    mail = mail_of(entry)

    assert (entry["kind"], entry["title"], entry["octets"]) == ("mail", "Invoice 42", len(octets))
    assert (entry["mailFrom"], entry["rcptTo"]) == ("ada@example.com", ["bob@example.org", "eve@example.net"])
    assert entry["blind"] == ["eve@example.net"]
    assert entry["mailOptions"] == ["SIZE=120"]
    assert entry["reply"] == "250 2.0.0 OK"
    assert entry["receivedAt"] == "2026-11-25T12:00:00.000+00:00"
    assert mail["addresses"] == {"From": ["Ada <ada@example.com>"], "To": ["bob@example.org"]}
    assert mail["text"] == "Pay 4711.\n"
    assert mail["links"] == [{"text": "now", "target": "https://x.example/?a=1&b=2", "count": 1}]
    assert mail["codes"] == ["4711"]
    assert mail["source"] == octets.decode("latin-1")
    assert mail["visible"] is None


def test_a_mail_without_text_says_what_a_reader_sees() -> None:
    """Where there is only HTML, its visible text is there to be searched and listed."""
    assert mail_of(entry_of(record(message(content(text=None, html="<b>Hi</b> Bob")))))["visible"] == "Hi Bob"


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_an_attachment_is_a_slice_of_the_source(encoding: str) -> None:
    """Name, type, octets and SHA-256 are said; the octets are read from the source, which holds them once."""
    inside = {
        "base64": base64.encodebytes(b"\x00PDF\xff").decode().strip(),
        "quoted-printable": "=00PDF=FF",
        "8bit": "\x00PDF\xff",
    }[encoding]
    octets = (
        "Subject: x\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n\r\nHello\r\n--B\r\n"
        "Content-Type: application/pdf; name=a.pdf\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n{inside}\r\n--B--\r\n"
    ).encode("latin-1")
    document = mail_document(octets)
    (attachment,) = document["attachments"]

    assert document["source"] is not None
    assert document["source"][attachment["start"] : attachment["end"]] == inside
    assert (attachment["name"], attachment["type"]) == ("a.pdf", "application/pdf")
    assert (attachment["encoding"], attachment["octets"]) == (encoding, 5)
    assert attachment["sha256"] == hashlib.sha256(b"\x00PDF\xff").hexdigest()


def test_a_large_attachment_is_cut_out_of_the_source() -> None:
    """Above the limit only what it is stays; an attachment behind it is still found in the source."""
    octets = content(
        attachments=(
            ("big.bin", "application/octet-stream", b"B" * 3000, None),
            ("small.bin", "application/octet-stream", b"small", None),
        )
    )
    document = mail_document(octets, largest=1000)
    big, small = document["attachments"]

    assert (big["octets"], big["omitted"]) == (3000, True)
    assert document["source"] is not None
    assert "QkJCQkJC" not in document["source"]
    assert "octets left out]" in document["source"][big["start"] : big["end"]]
    assert base64.b64decode(document["source"][small["start"] : small["end"]]) == b"small"
    assert mail_document(octets, largest=None)["source"] == octets.decode("latin-1")


def test_a_mail_that_cannot_be_read_is_its_source_and_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reading raises, the page shows the octets and says what was raised."""

    def fail(_: bytes) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr("pytest_smtp4d.report.mail.mail_convert_from_mime", fail)
    document = mail_document(b"Subject: x\r\n\r\nbody")
    assert document["unreadable"] == "RecursionError: too deep"
    assert document["source"] == "Subject: x\r\n\r\nbody"


def test_problems_of_a_mail_are_kept_with_their_section() -> None:
    """What `message.problems` says is in the document."""
    problem = Violation("bare-lf", "Hello", "RFC 5321 2.3.8", True)
    mail = mail_of(entry_of(record(message(content(), problems=(problem,)))))
    assert mail["problems"] == [{"name": "bare-lf", "line": "Hello", "rfc": "RFC 5321 2.3.8", "fatal": True}]


def test_a_refused_transaction_is_an_entry() -> None:
    """A transaction without a message says who was refused, and by which reply."""
    sent = Sent(rcpt_to=(), refused={"nobody@example.org": NO_SUCH_USER}, reply=None)
    entry = entry_of(without_message(Connection((sent,))))
    assert entry["kind"] == "transaction"
    assert entry["title"] == "RCPT nobody@example.org refused: 550 5.1.1 No such user"
    assert entry["refused"] == [("nobody@example.org", "550 5.1.1 No such user")]


@pytest.mark.parametrize(
    ("sent", "ended", "title"),
    [
        (Sent(reply=Reply(552, "5.3.4 Too big")), "QUIT", "refused: 552 5.3.4 Too big"),
        (Sent(reply=None), None, "transaction still open"),
        (Sent(reply=None), "client closed", "transaction without a message"),
    ],
)
def test_a_transaction_without_a_message_says_why(sent: Sent, ended: str | None, title: str) -> None:
    """Refused content, one that is still open, and one that the client gave up are told apart."""
    assert entry_of(without_message(Connection((sent,), ended=ended)))["title"] == title


@pytest.mark.parametrize(
    ("connection", "title", "reply"),
    [
        (
            Connection(ended="TLS alert: unknown ca"),
            "session without mail: TLS alert: unknown ca",
            None,
        ),
        (
            Connection(commands=(Command("AUTH", "PLAIN ********", Reply(535, "5.7.8 No")),)),
            "session without mail: AUTH refused: 535 5.7.8 No",
            "535 5.7.8 No",
        ),
    ],
)
def test_a_session_without_mail_is_an_entry(connection: Connection, title: str, reply: str | None) -> None:
    """A TLS alert and a refused login are rows, for they are what people look for."""
    entry = entry_of(without_message(connection))
    assert (entry["kind"], entry["title"], entry["reply"]) == ("session", title, reply)


def test_a_session_is_described_with_its_dialogue() -> None:
    """TLS, login, ending, violations, and each line with its stage, time, content and fault."""
    lines = (
        Line("C", b"RCPT TO:<nobody@example.org>", "RCPT", at=0.25),
        Line("S", b"550 5.1.1 No", "RCPT", at=0.5, fault="on('RCPT').reply(550) at test_shop.py:12"),
        Line("C", b"Subject: x\r\n\r\nHello", "CONTENT", at=0.75, is_content=True),
        Line("C", b"x" * 3000 + b"\xff", "UNKNOWN"),
    )
    violation = Violation("no-quit", "(connection closed)", "RFC 5321 4.1.1.10", False)
    one = record(
        message(content()), user="ada", mechanism="PLAIN", violations=(violation,), transcript=Dialogue(lines)
    )
    (session,) = Author().attempt([one], [], outcome="passed", seconds=0.0, failures=[])["sessions"]

    assert session["tls"] == {
        "version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "serverName": "localhost",
    }
    assert (session["user"], session["mechanism"], session["ended"]) == ("ada", "PLAIN", "QUIT")
    assert session["server"] == "smtp://127.0.0.1:2525"
    assert [problem["name"] for problem in session["violations"]] == ["no-quit"]
    assert session["lines"][:3] == [
        ("C", "RCPT TO:<nobody@example.org>", "RCPT", True, 0.25, None, None),
        ("S", "550 5.1.1 No", "RCPT", True, 0.5, None, "on('RCPT').reply(550) at test_shop.py:12"),
        ("C", "", "CONTENT", True, 0.75, 19, None),
    ]
    assert session["lines"][3][1].endswith("… (3001 octets)")


def test_a_failed_test_without_mail_has_an_entry() -> None:
    """A failed test whose server nobody spoke to is a row, so that its failure can be read."""
    attempt = Author().attempt([], [], outcome="failed", seconds=0.0, failures=[])
    assert [entry["title"] for entry in attempt["entries"]] == ["no mail: no client connected"]
    assert not Author().attempt([], [], outcome="passed", seconds=0.0, failures=[])["entries"]


def test_a_transaction_stands_in_one_test_only() -> None:
    """Of a session that several tests use, each test has what is new; what was open comes again when over."""
    ledger = Ledger()
    done, waiting = Sent(message=message(content("first"))), Sent(reply=None)
    connection = Connection((done, waiting), ended=None)
    (first,) = ledger.take([("smtp://x", connection.as_session)])
    assert [id(one) for one in first.transactions] == [id(done), id(waiting)]

    waiting.reply, waiting.message = Reply(250, "OK"), message(content("second"))
    (second,) = ledger.take([("smtp://x", connection.as_session)])
    assert [id(one) for one in second.transactions] == [id(waiting)]
    assert [one.subject for one in second.messages] == ["second"]
    assert ledger.take([("smtp://x", connection.as_session)]) == []


def test_a_near_miss_is_kept_whole() -> None:
    """Texts are not cut, lists are one item a line, a pattern is as it was written."""
    import re

    from pytest_smtp4d.records.expect import Comparison

    long = "x" * 15_000
    rows = differences(
        [
            Comparison("text_body", long, long + "y", False),
            Comparison("to", ["a@example.org", "b@example.org"], ["a@example.org"], False),
            Comparison("subject", re.compile("^Hi"), "Hello", False),
            Comparison("html_body", None, None, True),
        ]
    )
    assert rows[0] == {"name": "text_body", "expected": long, "received": long + "y", "agrees": False}
    assert rows[1]["expected"] == "a@example.org\nb@example.org"
    assert rows[2]["expected"] == "a match of '^Hi'"
    assert rows[3]["received"] == "(none)"


def test_the_counts_of_a_report() -> None:
    """Tests, failures, mails, refusals, violations and unhit faults are counted over all attempts."""
    violation = Violation("no-quit", "(connection closed)", "RFC 5321 4.1.1.10", False)
    refused = without_message(Connection((Sent(refused={"x@example.org": NO_SUCH_USER}),)))
    whole = report(
        {"test_a": [record(message(content()), violations=(violation,))], "test_b": [refused]},
        {"test_b": {"phase": "call", "words": "no", "differences": []}},
    )
    assert summary(whole) == {
        "tests": 2,
        "failed": 1,
        "mails": 1,
        "refused": 1,
        "violations": 1,
        "unhit": 0,
    }


def test_documents_are_json() -> None:
    """A report survives JSON, which carries it from xdist's workers, surrogates of odd octets included."""
    octets = content() + b"\xff\xfe\r\n"
    whole = report({"test_a": [record(message(octets, ("b\udcffb@example.org",)))]})
    again = json.loads(json.dumps(whole))
    assert again["tests"][0]["attempts"][0]["entries"][0]["rcptTo"] == ["b\udcffb@example.org"]
