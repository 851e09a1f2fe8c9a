"""What 4D documents about mails, attachments and both MAIL Convert commands, where no other test shows it."""

from __future__ import annotations

import itertools
from datetime import datetime, timezone
from typing import Any

import pytest

from pytest_smtp4d import (
    Email,
    MailAttachment,
    MailMode,
    mail_convert_from_mime,
    mail_convert_to_mime,
    mail_new_attachment,
)
from pytest_smtp4d.mail.compose import Composer

NOW = datetime(2018, 10, 12, 9, 30, tzinfo=timezone.utc)


def composed(mail: Any, **options: Any) -> str:
    """Compose with a fixed clock and fixed ids."""
    numbers = itertools.count(1)
    return Composer(mail).compose(now=NOW, unique=lambda: f"ID{next(numbers)}", **options).decode("ascii")


def test_a_mail_is_built_empty_and_filled() -> None:
    """E1: an empty object is a mail, what is set afterwards counts, and so it is with a parsed one."""
    mail: Email = {}
    assert "Subject" not in mail_convert_to_mime(mail)
    mail["subject"] = "Hello"
    assert "\r\nSubject: Hello\r\n" in mail_convert_to_mime(mail)
    parsed = mail_convert_from_mime(mail_convert_to_mime(mail))
    parsed["subject"] = "Goodbye"
    assert "\r\nSubject: Goodbye\r\n" in mail_convert_to_mime(parsed)


@pytest.mark.parametrize(
    ("key", "field"),
    [("from", "From"), ("sender", "Sender"), ("to", "To"), ("cc", "Cc"), ("replyTo", "Reply-To")],
)
@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("somebody@domain.example", "somebody@domain.example"),
        ("Somebody <somebody@domain.example>", "Somebody <somebody@domain.example>"),
        ("Me <me@home.example>,you@home.example", "Me <me@home.example>, you@home.example"),
        ({"name": None, "email": "me@home.example"}, "me@home.example"),
        ({"name": "Me", "email": "me@home.example"}, "Me <me@home.example>"),
        (
            [{"name": "Me", "email": "me@home.example"}, {"email": "you@home.example"}],
            "Me <me@home.example>, you@home.example",
        ),
    ],
)
def test_every_form_of_address(key: str, field: str, value: Any, written: str) -> None:
    """E2: each form that 4D documents, in each property; Sender is one mailbox (RFC 5322 3.6.2)."""
    expected = written.partition(",")[0] if key == "sender" else written
    assert f"\r\n{field}: {expected}\r\n" in composed({key: value})


def test_the_command_and_the_function_make_the_same_attachment() -> None:
    """A1: with all five arguments, in 4D's order."""
    arguments = (b"x", "a.pdf", "cid", "application/x-own", "attachment")
    assert mail_new_attachment(*arguments) == MailAttachment.new(*arguments)


def test_what_the_charset_of_the_header_is_for() -> None:
    """T3: the subject, the name of an attachment and the name of an address, and nothing of the body."""
    mail: Email = {
        "from": {"name": "Jörg", "email": "j@example.com"},
        "subject": "Grüße",
        "textBody": "Größe",
        "attachments": [mail_new_attachment(b"", "Müller.pdf")],
    }
    octets = composed(mail, header_charset=MailMode.ISO88591)
    assert "From: =?ISO-8859-1?Q?J=F6rg?= <j@example.com>" in octets
    assert "Subject: =?ISO-8859-1?Q?Gr=FC=DFe?=" in octets
    assert "filename*=ISO-8859-1''M%FCller.pdf" in octets
    assert 'charset="UTF-8"' in octets
    assert "Gr=C3=B6=C3=9Fe" in octets


def test_the_order_of_the_sample() -> None:
    """T5: the fields of 4D's sample in their order, but for the subject, and the parts in theirs."""
    mail: Email = {
        "from": "a@example.com",
        "sender": "a@example.com",
        "to": [{"email": "b@example.com"}, {"email": "c@example.com"}],
        "subject": "Hello",
        "textBody": "text",
        "htmlBody": "<b>html</b>",
    }
    header, _, body = composed(mail).partition("\r\n\r\n")
    names = [line.partition(":")[0] for line in header.split("\r\n") if not line.startswith(" ")]
    assert names == [
        *("MIME-Version", "Date", "Message-ID", "Sender", "From", "To", "Subject", "Content-Type"),
    ]
    assert "multipart/alternative" in header
    assert body.index("text/plain") < body.index("text/html")


def test_a_document_of_mime_html_becomes_a_mail() -> None:
    """F5: what 4D Write Pro exports; subject, sender and recipients are set, the pictures stay in place."""
    document = (
        "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=x; type=text/html\r\n\r\n"
        "--x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<img src='cid:one'>\r\n"
        "--x\r\nContent-Type: image/png\r\nContent-ID: <one>\r\nContent-Transfer-Encoding: base64\r\n"
        "\r\nUE5H\r\n--x--\r\n"
    )
    mail = mail_convert_from_mime(document)
    assert "from" not in mail
    assert "to" not in mail
    mail["from"], mail["to"], mail["subject"] = "a@example.com", "b@example.com", "Report"
    again = mail_convert_from_mime(mail_convert_to_mime(mail))
    assert again["bodyStructure"]["type"] == "multipart/related"
    assert [part["type"] for part in again["bodyStructure"]["subParts"]] == ["text/html", "image/png"]
    assert [(item.cid, item.get_content()) for item in again["attachments"]] == [("one", b"PNG")]
    assert again["subject"] == "Report"
