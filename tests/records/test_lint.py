from __future__ import annotations

import email.encoders
import email.message
import email.policy
import email.utils
import random
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d import Email, mail_convert_to_mime, mail_new_attachment
from pytest_smtp4d.mail.charset import ModeName
from pytest_smtp4d.records.lint import FLAWS, Finding, lint
from tests.mail.round_trip import octets_of
from tests.mail.test_round_trip import MAILS, MODES

CORPUS = Path(__file__).parents[1] / "corpus"
HEADER = "From: Ada <ada@example.com>\r\nDate: Wed, 25 Nov 2026 03:32:31 +0000\r\n"


def mail(header: str = "", body: str = "Hello\r\n", *, start: str = HEADER) -> bytes:
    """Return the octets of a message; the header begins with a fine From and Date."""
    return f"{start}{header}\r\n{body}".encode()


def multipart(*parts: str, boundary: str = "b", end: str = "--b--\r\n", header: str = "") -> bytes:
    """Return a multipart message of these parts."""
    body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    return mail(f"MIME-Version: 1.0\r\n{header}Content-Type: multipart/mixed; boundary=b\r\n", body + end)


def found(content: bytes, **options: Any) -> list[tuple[str, str]]:
    """Return names and lines of the findings."""
    return [(finding.name, finding.line) for finding in lint(content, **options)]


@pytest.mark.parametrize(
    ("content", "name", "line", "rfc"),
    [
        (mail(body="one\rtwo\r\nthree\rfour"), "bare-cr", "one\\rtwo", "RFC 5321 2.3.8"),
        (mail(body="Hello\0\r\n"), "nul", "Hello\\x00", "RFC 5322 3.5"),
        (mail(start=HEADER.partition("\n")[2]), "missing-field", "(no From)", "RFC 5322 3.6"),
        (mail(start="From: ada@example.com\r\n"), "missing-field", "(no Date)", "RFC 5322 3.6"),
        (mail("Subject: a\r\nSUBJECT: b\r\nSubject: c\r\n"), "duplicate-field", "SUBJECT: b", "RFC 5322 3.6"),
        (
            mail("Content-Type: text/plain\r\n" * 2),
            "duplicate-field",
            "Content-Type: text/plain",
            "RFC 2045 3",
        ),
        (mail("List-Id: <a.example>\r\n" * 2), "duplicate-field", "List-Id: <a.example>", "RFC 2369 3"),
        (
            mail("Message-ID: <a b@example.com>\r\n"),
            "invalid-message-id",
            "Message-ID: <a b@example.com>",
            "RFC 5322 3.6.4",
        ),
        (mail("Message-ID: abc\r\n"), "invalid-message-id", "Message-ID: abc", "RFC 5322 3.6.4"),
        (mail("Message-ID: <abc>\r\n"), "invalid-message-id", "Message-ID: <abc>", "RFC 5322 3.6.4"),
        (
            mail("Message-ID: <a@b> <c@d>\r\n"),
            "invalid-message-id",
            "Message-ID: <a@b> <c@d>",
            "RFC 5322 3.6.4",
        ),
        (
            mail("References: <a@b>, <c@d>\r\n"),
            "invalid-message-id",
            "References: <a@b>, <c@d>",
            "RFC 5322 3.6.4",
        ),
        (
            mail("In-Reply-To: your mail\r\n"),
            "invalid-message-id",
            "In-Reply-To: your mail",
            "RFC 5322 3.6.4",
        ),
        (mail("To: bob\r\n"), "invalid-address", "To: bob", "RFC 5322 3.4"),
        (
            mail("To: a@example.org; b@example.org\r\n"),
            "invalid-address",
            "To: a@example.org; b@example.org",
            "RFC 5322 3.4",
        ),
        (mail("Cc:\r\n"), "invalid-address", "Cc: ", "RFC 5322 3.4"),
        (
            mail("Reply-To: Bob <b@example.org\r\n"),
            "invalid-address",
            "Reply-To: Bob <b@example.org",
            "RFC 5322 3.4",
        ),
        (
            mail("Sender: a@example.org, b@example.org\r\n"),
            "invalid-address",
            "Sender: a@example.org, b@example.org",
            "RFC 5322 3.4",
        ),
        (mail("To: a..b@example.org\r\n"), "invalid-address", "To: a..b@example.org", "RFC 5322 3.4"),
        (
            mail("To: Lee, Bob <b@example.org>\r\n"),
            "invalid-address",
            "To: Lee, Bob <b@example.org>",
            "RFC 5322 3.4",
        ),
        (mail("Subject: Grüße\r\n"), "8bit-header", "Subject: Grüße", "RFC 5322 2.2"),
        (
            multipart("Content-Description: Größe\r\n\r\nx"),
            "8bit-header",
            "Content-Description: Größe",
            "RFC 5322 2.2",
        ),
        (mail("Bcc: eve@example.org\r\n"), "bcc-disclosed", "Bcc: eve@example.org", "RFC 5322 3.6.3"),
        (mail("Bcc: nobody at all\r\n"), "bcc-disclosed", "Bcc: nobody at all", "RFC 5322 3.6.3"),
        (mail("Content-Type: text\r\n"), "invalid-mime", "Content-Type: text", "RFC 2045 5.1"),
        (
            mail("Content-Type: multipart/mixed\r\n"),
            "invalid-mime",
            "(no boundary) Content-Type: multipart/mixed",
            "RFC 2046 5.1.1",
        ),
        (
            mail("Content-Type: multipart/mixed; boundary=b\r\n"),
            "invalid-mime",
            "(no part) Content-Type: multipart/mixed; boundary=b",
            "RFC 2046 5.1.1",
        ),
        (
            multipart("\r\nx", end=""),
            "invalid-mime",
            "(no line --b-- at the end) Content-Type: multipart/mixed; boundary=b",
            "RFC 2046 5.1.1",
        ),
        (
            multipart("\r\nx", boundary="c"),
            "invalid-mime",
            "(no part) Content-Type: multipart/mixed; boundary=b",
            "RFC 2046 5.1.1",
        ),
        (
            mail("Content-Transfer-Encoding: x-rot13\r\n"),
            "invalid-mime",
            "Content-Transfer-Encoding: x-rot13",
            "RFC 2045 6.1",
        ),
        (
            mail("Content-Transfer-Encoding: base64\r\n", "SGVsbG8\r\n"),
            "invalid-mime",
            "(the part is none) Content-Transfer-Encoding: base64",
            "RFC 2045 6.8",
        ),
        (
            multipart("Content-Transfer-Encoding: base64\r\n\r\nHello!"),
            "invalid-mime",
            "(the part is none) Content-Transfer-Encoding: base64",
            "RFC 2045 6.8",
        ),
        (
            mail("Content-Transfer-Encoding: quoted-printable\r\n", "1=x\r\n"),
            "invalid-mime",
            "(the part is none) Content-Transfer-Encoding: quoted-printable",
            "RFC 2045 6.7",
        ),
        (
            multipart("\r\nx", header="Content-Transfer-Encoding: base64\r\n"),
            "invalid-mime",
            "(of a multipart) Content-Transfer-Encoding: base64",
            "RFC 2045 6.4",
        ),
        (
            mail("List-Unsubscribe: https://example.com/u\r\n"),
            "invalid-list-unsubscribe",
            "List-Unsubscribe: https://example.com/u",
            "RFC 2369 2",
        ),
        (
            mail("List-Unsubscribe: <https://example.com/a b>\r\n"),
            "invalid-list-unsubscribe",
            "List-Unsubscribe: <https://example.com/a b>",
            "RFC 2369 2",
        ),
        (
            mail("List-Unsubscribe: <mailto:u@example.com> <https://example.com/>\r\n"),
            "invalid-list-unsubscribe",
            "List-Unsubscribe: <mailto:u@example.com> <https://example.com/>",
            "RFC 2369 2",
        ),
        (
            mail("List-Unsubscribe: =?utf-8?q?=3Chttps=3A//example=2Ecom/=3E?=\r\n"),
            "invalid-list-unsubscribe",
            "List-Unsubscribe: =?utf-8?q?=3Chttps=3A//example=2Ecom/=3E?=",
            "RFC 2369 2",
        ),
        (
            mail("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"),
            "invalid-list-unsubscribe",
            "List-Unsubscribe: (none), List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            "RFC 8058 3.1",
        ),
        (
            mail(
                "List-Unsubscribe: <mailto:u@example.com>\r\n"
                "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
            ),
            "invalid-list-unsubscribe",
            "List-Unsubscribe: <mailto:u@example.com>, List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            "RFC 8058 3.1",
        ),
        (
            mail("List-Unsubscribe: <https://example.com/u>\r\nList-Unsubscribe-Post: yes\r\n"),
            "invalid-list-unsubscribe",
            "List-Unsubscribe-Post: yes",
            "RFC 8058 3.1",
        ),
        (
            mail("Content-Type: text/calendar; method=REQUEST\r\n", "BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\n"),
            "calendar-method-mismatch",
            "Content-Type: text/calendar; method=REQUEST (METHOD:CANCEL)",
            "RFC 6047 2.4",
        ),
        (
            mail("Content-Type: text/calendar; method=REQUEST\r\n", "BEGIN:VCALENDAR\r\n"),
            "calendar-method-mismatch",
            "Content-Type: text/calendar; method=REQUEST (METHOD: is missing)",
            "RFC 6047 2.4",
        ),
        (
            mail("Content-Type: text/calendar\r\n", "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\n"),
            "calendar-method-mismatch",
            "Content-Type: text/calendar (METHOD:REQUEST)",
            "RFC 6047 2.4",
        ),
        (
            mail(
                "Content-Type: text/calendar; method=REQUEST\r\nContent-Transfer-Encoding: base64\r\n",
                "TUVUSE9EOlJFUExZDQo=\r\n",
            ),
            "calendar-method-mismatch",
            "Content-Type: text/calendar; method=REQUEST (METHOD:REPLY)",
            "RFC 6047 2.4",
        ),
        (
            mail(
                "Content-Type: text/calendar; method=REQUEST\r\n"
                "Content-Transfer-Encoding: quoted-printable\r\n",
                "METHOD=3AREPLY\r\n",
            ),
            "calendar-method-mismatch",
            "Content-Type: text/calendar; method=REQUEST (METHOD:REPLY)",
            "RFC 6047 2.4",
        ),
    ],
)
def test_each_flaw_is_found_once(content: bytes, name: Any, line: str, rfc: str) -> None:
    """One mistake is one finding: its name, the line that shows it, and the section that forbids it."""
    assert lint(content) == (Finding(name, line, rfc),)


DATES = {
    "Wed, 25 Nov 2026 03:32:31 +0000": True,
    "25 Nov 2026 03:32 -0000": True,
    "Wed,  5 Nov 2025 03:32:31 +0530 (IST (half an hour))": True,
    "WED, 25 NOV 2026 03:32:31 +0000": True,
    "Sat, 31 Dec 2016 23:59:60 +0000": True,
    "": False,
    "2026-11-25 03:32:31": False,
    "2026-11-25T03:32:31Z": False,
    "Thu, 25 Nov 2026 03:32:31 +0000": False,
    "Tue, 31 Feb 2026 03:32:31 +0000": False,
    "25 Nov 26 03:32:31 +0000": False,
    "25 Nov 2026 03:32:31 GMT": False,
    "25 Nov 2026 3:32:31 +0000": False,
    "25 Nov 2026 24:00:00 +0000": False,
    "25 Nov 2026 03:32:31 +00:00": False,
    "25 Nov 2026 03:32:31": False,
    "25 November 2026 03:32:31 +0000": False,
    "25 Nov 2026 03:32:31 +0000 or so": False,
    "٢٥ Nov 2026 03:32:31 +0000": False,
}


@pytest.mark.parametrize(("date", "fine"), DATES.items())
def test_a_date_is_of_a_day_that_exists_and_written_as_today(date: str, fine: bool) -> None:
    """RFC 5322 3.3 and not 4.3, which no client may generate; the day of the week is the day's."""
    expected = [] if fine else ["invalid-date"]
    start = f"From: ada@example.com\r\nDate: {date}\r\n"
    assert [finding.name for finding in lint(mail(start=start), utf8=True)] == expected


@pytest.mark.parametrize(
    "header",
    [
        'To: "Lee, Bob" <b@example.org>, a@example.org (Ada), <c@[192.0.2.1]>\r\n',
        "To: undisclosed-recipients:;\r\nCc: Friends: a@example.org, B <b@example.org>;, c@example.org\r\n",
        'To: =?utf-8?q?Zo=C3=AB?= Lee <"zo e"@example.org>, =?utf-8?q?Dr._X?= <x@example.org>\r\n',
        "To: a@example.org,\r\n b@example.org,\r\n\tc@example.org\r\n",
        "Sender: Bob <b@example.org>\r\nReply-To: a@example.org, b@example.org\r\n",
        "Message-ID: <a.b$c@[192.0.2.1]> (mine)\r\nReferences: <a@b>\r\n <c@d>\t<e@f>\r\n",
        "Message-ID:\r\n <very-long@example.com>\r\nIn-Reply-To: <a@b> <c@d>\r\n",
        "Bcc:\r\n",
        "Received: a\r\nReceived: b\r\nComments: a\r\nComments: b\r\nResent-To: a@example.org\r\n",
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7BIT\r\n",
        "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable (safe)\r\n",
        "List-Unsubscribe: <mailto:u@example.com?subject=out>,\r\n <https://example.com/?y=%20> (web)\r\n"
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
        "List-Unsubscribe: (use this) <https://example.com/u>\r\n",
    ],
)
def test_what_the_rfcs_allow_is_no_flaw(header: str) -> None:
    """Groups, comments, quoted strings, folded lists, an empty Bcc, fields that may repeat."""
    assert found(mail(header, "=3D=\r\n")) == []


def test_raw_utf8_is_allowed_where_smtputf8_was_declared() -> None:
    """RFC 6532: in names, addresses, identifiers and subjects."""
    content = mail("To: Zoë <zoë@exämple.org>\r\nMessage-ID: <ö@exämple.org>\r\nSubject: ü\r\n")
    assert found(content, utf8=True) == []
    assert found(content) == [("8bit-header", "To: Zoë <zoë@exämple.org>")]


def test_a_binary_body_may_hold_any_octet() -> None:
    """With BODY=BINARYMIME a CR alone and a NUL are data (RFC 3030 3)."""
    content = mail("Content-Transfer-Encoding: binary\r\n", "\r\0\r")
    assert found(content, binary=True) == []
    assert [name for name, _ in found(content)] == ["bare-cr", "nul"]


def test_an_attached_calendar_file_may_keep_its_method_to_itself() -> None:
    """Only a part that is the invitation must name it; a method that is named must be the right one."""
    disposition = "Content-Disposition: attachment; filename=a.ics\r\n\r\nMETHOD:PUBLISH"
    assert found(multipart(f"Content-Type: text/calendar\r\n{disposition}")) == []
    assert found(multipart(f"Content-Type: text/calendar; method=publish\r\n{disposition}")) == []
    named = multipart(f"Content-Type: text/calendar; method=REQUEST\r\n{disposition}")
    assert [name for name, _ in found(named)] == ["calendar-method-mismatch"]


def test_the_parts_inside_are_read_and_each_kind_of_mistake_is_shown_once() -> None:
    """An inner multipart that is never closed is found though the outer one is, and of two the first."""
    inner = "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx"
    broken = "Content-Transfer-Encoding: base64\r\n\r\n!"
    line = "(no line --c-- at the end) Content-Type: multipart/mixed; boundary=c"
    assert found(multipart(inner, broken, inner, broken)) == [
        ("invalid-mime", line),
        ("invalid-mime", "(the part is none) Content-Transfer-Encoding: base64"),
    ]
    assert found(multipart(f"{inner}\r\n--c--")) == []


def test_a_message_without_a_header_lacks_both_fields() -> None:
    """Each missing field is a flaw of its own; nothing else is said of octets that are no message."""
    for content in (b"", b"\r\n", b"It works.\r\n", b"\r\nFrom: a@example.com\r\n"):
        assert found(content) == [("missing-field", "(no From)"), ("missing-field", "(no Date)")]


def test_lines_are_escaped_and_cut() -> None:
    """A line shows no control character, and 100 characters at most."""
    (finding,) = lint(mail(f"To: \x1b[2J{'x' * 1000}\r\n"))
    assert finding.line.startswith("To: \\x1b[2Jxxx")
    assert (len(finding.line), finding.line[-3:]) == (100, "...")
    (finding,) = lint(mail(body="\r" + "x" * 10_000))
    assert len(finding.line) == 100


def stdlib_mail(policy: Any) -> bytes:
    """Compose a mail with all that the standard library can, by its modern interface."""
    message = email.message.EmailMessage(policy)
    message["From"] = "Grüße GmbH & Co. <info@example.com>"
    message["To"] = "Dr. Zoë Lee <zoe@example.org>, bob@example.org"
    message["Subject"] = "Grüße " * 20
    message["Date"] = email.utils.localtime()
    message["Message-ID"] = email.utils.make_msgid(domain="example.com")
    message["References"] = " ".join(email.utils.make_msgid(domain="example.com") for _ in range(9))
    message.set_content("Größe\n" * 3)
    message.add_alternative("<p>Größe</p>", subtype="html")
    message.add_attachment(bytes(range(256)), maintype="image", subtype="png", filename="größe.png")
    return message.as_bytes()


def old_stdlib_mail() -> bytes:
    """Compose a mail by the classes that tutorials still use."""
    message = MIMEMultipart()
    message["From"], message["To"] = "ada@example.com", "bob@example.org, cay@example.org"
    message["Date"], message["Message-ID"] = email.utils.formatdate(), email.utils.make_msgid()
    message["Subject"] = "Grüße"
    message.attach(MIMEText("Grüße\n", "plain", "utf-8"))
    part = MIMEBase("application", "octet-stream")
    part.set_payload(b"\x00\xff" * 50)
    email.encoders.encode_base64(part)
    part.add_header("Content-Disposition", "attachment", filename="a.bin")
    message.attach(part)
    return message.as_bytes()


@pytest.mark.parametrize(
    "content",
    [
        stdlib_mail(email.policy.SMTP),
        stdlib_mail(email.policy.default),
        old_stdlib_mail(),
        (CORPUS / "good-plain.eml").read_bytes(),
    ],
)
def test_good_mail_has_no_flaw(content: bytes) -> None:
    """What the standard library composes, and a good mail of others, has nothing wrong with it."""
    assert found(content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")) == []


@pytest.mark.parametrize(
    "mode", ["US-ASCII_UTF8_QP", "US-ASCII_UTF8_B64", "ISO-8859-1", "US-ASCII_ISO-2022-JP_UTF8_QP"]
)
def test_our_own_mail_has_no_flaw(mode: ModeName) -> None:
    """Whatever a mail object says, what is composed of it has nothing wrong with it."""
    source: Email = {
        "from": {"name": "Dr. Zoë, Example Inc.", "email": "zoe@example.com"},
        "to": ["bob@example.org", {"name": 'Lee "the" Bob', "email": "lee@example.org"}],
        "bcc": "eve@example.org",
        "subject": "Grüße " * 20,
        "inReplyTo": "<a@example.com>",
        "references": ["<a@example.com>", "<b@example.com>"],
        "textBody": "Größe\r\n" * 30,
        "htmlBody": '<p>Größe</p><img src="cid:logo">',
        "attachments": [
            mail_new_attachment(bytes(range(256)), "größe.png", "logo", "image/png", "inline"),
            mail_new_attachment(b"a,b\r\n" * 40, "table.csv"),
        ],
        "headers": [{"name": "List-Unsubscribe", "value": "<https://example.com/u?" + "x" * 40 + ">"}],
    }
    mime = mail_convert_to_mime(source, {"headerCharset": mode, "bodyCharset": mode})
    assert found(mime.encode("latin-1")) == []


@given(MAILS, MODES, MODES, st.booleans())
def test_no_mail_of_ours_has_a_flaw(mail_object: Any, header: Any, body: Any, utf8: bool) -> None:
    """Whatever texts, names, addresses and octets a mail object holds, and in every mode."""
    content = octets_of(mail_object, header_charset=header, body_charset=body, eightbit=utf8, utf8=utf8)
    lines = {finding.line for finding in lint(content, utf8=utf8)}
    assert lines <= ({"(no From)"} if "from" not in mail_object else set())


def test_a_comma_in_an_encoded_word_parts_no_addresses() -> None:
    """What EmailMessage wrote of a long list before CVE-2025-1795 was mended is found."""
    header = "To: a@example.org\r\n =?utf-8?q?=2C?= =?utf-8?q?=C3=B3?= <b@example.org>\r\n"
    assert [name for name, _ in found(mail(header))] == ["invalid-address"]


def test_the_list_of_flaws_is_whole() -> None:
    """Each flaw has a section and a sentence, and each finding is in the order of the list."""
    everything = mail(
        "Subject: ü\r\nSubject: a\r\nMessage-ID: x\r\nTo: x\r\nBcc: x\r\nList-Unsubscribe: x\r\n"
        "Content-Type: text/calendar; method=A\r\nContent-Transfer-Encoding: x\r\n",
        "a\rb\0",
        start="Date: x\r\n",
    )
    assert [finding.name for finding in lint(everything)] == list(FLAWS)
    assert all(flaw.rfc.startswith("RFC ") and flaw.meaning for flaw in FLAWS.values())


STARTS = [
    "",
    "Date: ",
    "To: ",
    "References: ",
    "List-Unsubscribe: ",
    "Content-Type: multipart/mixed; boundary=",
    "Content-Type: text/calendar; method=",
]


@given(st.binary(max_size=400), st.sampled_from(STARTS))
def test_any_octets_are_read(octets: bytes, start: str) -> None:
    """No message, however broken, is an error, and every finding has a name, a line and a section."""
    for finding in lint(start.encode() + octets):
        assert finding.name in FLAWS
        assert finding.line.isprintable()
        assert finding.rfc


def test_hostile_mail_is_read_in_linear_time() -> None:
    """Ten times as much of what is slow to read naively takes about ten times the steps, not a hundred."""
    rounds = 30_000
    pieces = [
        '"',
        "(",
        "<",
        "a,",
        "a:",
        "a ",
        "a@a,",
        "a:a@a,",
        "a:<a@a>,",
        '"a" ',
        "=?",
        "\\",
        '"\\',
        "(\\",
        "[",
        "a.",
    ]
    for piece in pieces:
        for name in ("To", "Date", "References", "List-Unsubscribe", "Content-Type", "List-Unsubscribe-Post"):
            lint(f"{name}: {piece * rounds}\r\n\r\n".encode())
    nested = "".join(
        f"Content-Type: multipart/mixed; boundary=b{number}\r\n\r\n--b{number}\r\n" for number in range(2000)
    )
    assert ("invalid-mime", "RFC 2046 5.1.1") in {(f.name, f.rfc) for f in lint(nested.encode())}
    fields = "".join(f"{random.choice('XYZ')}-{number}: ü\r\n" for number in range(rounds))
    assert len(lint(fields.encode())) == 3
