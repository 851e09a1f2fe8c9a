"""What 4D's documentation states as a whole, end to end (the single points are tested where they belong)."""

from __future__ import annotations

from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_smtp4d import (
    Email,
    MailMode,
    MIMEOptions,
    SMTPTransporter,
    Status,
    TransporterOptions,
    mail_convert_from_mime,
    mail_convert_to_mime,
    smtp_new_transporter,
)
from pytest_smtp4d.server.keywords import ExtensionName

if TYPE_CHECKING:
    from pytest_smtp4d import MakeTransporter, SMTPServer

FIXED: Email = {"sendAt": "2026-11-22T10:00:00Z", "messageId": "<1@example.com>"}
"""With these, and without parts, the same mail gives the same octets."""


def test_a_transporter_object_configures_a_connection_and_sends(smtp_server: SMTPServer) -> None:
    """S1: options in, an object out; through it, mails."""
    options = smtp_server.client_options()
    with smtp_new_transporter(
        {"host": options["host"], "port": options["port"], "sslContext": options["ssl_context"]}
    ) as transporter:
        assert isinstance(transporter, SMTPTransporter)
        assert transporter.send({"from": "a@example.com", "to": "b@example.org"})
    assert smtp_server.messages.one().rcpt_to == ("b@example.org",)


def test_send_takes_an_email_object_and_returns_a_status_object(
    smtp_server: SMTPServer, transporter: SMTPTransporter
) -> None:
    """S13: the same object may be changed and sent again, as in a loop over invoices."""
    email: Email = {"from": "a@example.com", "subject": "Invoice"}
    for number in range(3):
        email["to"] = f"customer{number}@example.org"
        status = transporter.send(email)
        assert isinstance(status, Status)
        assert status.as_object() == {"success": True, "status": 250, "statusText": status.status_text}
    assert [message.rcpt_to for message in smtp_server.messages] == [
        (f"customer{number}@example.org",) for number in range(3)
    ]
    assert len(smtp_server.sessions) == 1


def test_what_each_release_brought_is_there(
    smtp_server: SMTPServer, make_transporter: MakeTransporter, tmp_path: Path
) -> None:
    """S18: charset options, the log file, MIME contents, keepAlive."""
    mime = b"From: x@example.net\r\nSubject: template\r\nContent-Type: text/html\r\n\r\n<p>Hi</p>\r\n"
    mail = mail_convert_from_mime(mime)
    mail["from"], mail["to"], mail["subject"] = "a@example.com", "b@example.org", "Grüße"
    options: TransporterOptions = {
        "header_charset": MailMode.ISO88591,
        "body_charset": MailMode.UTF8_BASE64,
        "log_file": tmp_path / "log.txt",
        "keep_alive": False,
    }
    assert make_transporter(**options).send(mail)
    message = smtp_server.messages.one(subject="Grüße", html_body="<p>Hi</p>")
    assert b"Subject: =?ISO-8859-1?Q?Gr=FC=DFe?=" in message.content
    assert "Grüße" not in (tmp_path / "log.txt").read_text()
    assert message.session.ended == "QUIT"


def test_the_page_of_status_codes_is_pointed_to() -> None:
    """S19: whoever reads the reference finds what the codes mean."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "transporter.md").read_text(encoding="utf-8")
    assert "https://www.iana.org/assignments/smtp-enhanced-status-codes/" in page
    assert "https://www.rfc-editor.org/rfc/rfc5321#section-4.2" in page


BODIES = {
    "plain": "Hello\r\n",
    "leading dots": ".\r\n..\r\n.a\r\n",
    "no final line end": "Hello",
    "bare LF": "one\ntwo\n",
    "bare CR": "one\rtwo\r",
    "empty": "",
    "a megabyte": "0123456789abcdef\r\n" * 60_000,
    "long lines": "x" * 5000 + "\r\n" + "é" * 3000,
    "From lines": "From me\r\n>From you\r\n",
    "trailing blanks": "a \r\nb\t\r\n",
}

EXTENSIONS = [(), ("PIPELINING", "8BITMIME"), ("CHUNKING",), ("PIPELINING", "CHUNKING", "8BITMIME", "SIZE")]


@pytest.mark.parametrize("extensions", EXTENSIONS, ids=lambda extensions: "+".join(extensions) or "none")
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_what_is_sent_is_what_arrives(
    smtp_server: SMTPServer, transporter: SMTPTransporter, body: str, extensions: tuple[ExtensionName, ...]
) -> None:
    """T1: the octets captured are those of `mail_convert_to_mime`; the text comes back as it was."""
    smtp_server.configure(extensions=extensions)
    mail: Email = {"from": "a@example.com", "to": "b@example.org", "textBody": body, **FIXED}
    assert transporter.send(mail)
    message = smtp_server.messages.one()
    assert message.content == mail_convert_to_mime(mail).encode("latin-1")
    lines = body.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    assert (message.text_body or "").replace("\r\n", "\n").removesuffix("\n") == lines


@pytest.mark.parametrize("extensions", EXTENSIONS, ids=lambda extensions: "+".join(extensions) or "none")
def test_a_hundred_recipients(
    smtp_server: SMTPServer, transporter: SMTPTransporter, extensions: tuple[ExtensionName, ...]
) -> None:
    """One transaction, one message, every one of them in the envelope, in order, once."""
    smtp_server.configure(extensions=extensions)
    recipients = [f"user{number}@example.org" for number in range(100)]
    assert transporter.send({"from": "a@example.com", "bcc": [*recipients, recipients[0]], "textBody": "x"})
    message = smtp_server.messages.one()
    assert message.rcpt_to == tuple(recipients)
    assert message.bcc == recipients
    assert b"user" not in message.content


@pytest.mark.parametrize("offered", [True, False])
def test_8bit_only_where_it_is_offered(
    smtp_server: SMTPServer, make_transporter: MakeTransporter, offered: bool
) -> None:
    """ISO-8859-1 mode: 8bit and BODY=8BITMIME, or quoted-printable and neither; the text is the same."""
    smtp_server.configure(extensions=("8BITMIME",) if offered else ())
    mail: Email = {"from": "a@example.com", "to": "b@example.org", "textBody": "Grüße", **FIXED}
    assert make_transporter(body_charset="ISO-8859-1").send(mail)
    message = smtp_server.messages.one(text_body="Grüße")
    assert (b"Gr\xfc\xdfe" in message.content) is offered
    assert message.mail_options == (("BODY=8BITMIME",) if offered else ())
    if offered:
        options: MIMEOptions = {"bodyCharset": "ISO-8859-1"}
        assert message.content == mail_convert_to_mime(mail, options).encode("latin-1")


def test_a_message_that_cannot_do_without_8bit(
    smtp_server: SMTPServer, make_transporter: MakeTransporter
) -> None:
    """A message that cannot be written in 7 bits is a failed status, and the session is unharmed."""
    octets = b"From: a@example.com\r\nTo: b@example.org\r\nContent-Type: text/plain; charset=nonsense\r\n"
    message = message_from_bytes(octets + b"Content-Transfer-Encoding: 8bit\r\n\r\ngr\xfc\xdfe\r\n")
    smtp_server.configure(extensions=())
    with make_transporter() as transporter:
        status = transporter.send(message)
        assert (status.status, [error["errCode"] for error in status.errors]) == (0, [1401])
        assert "does not offer 8BITMIME" in status.errors[0]["message"]
        assert transporter.send({"from": "a@example.com", "to": "b@example.org"})
    assert len(smtp_server.sessions) == 1


def test_a_non_ascii_local_part_needs_smtputf8(
    smtp_server: SMTPServer, make_transporter: MakeTransporter
) -> None:
    """Sent with SMTPUTF8 where that is offered, else an error that says so; a domain never needs it."""
    mail: Email = {"from": "a@example.com", "to": "grüße@bücher.example", "subject": "x"}
    with make_transporter() as transporter:
        assert transporter.send(mail)
    message = smtp_server.messages.one()
    assert message.rcpt_to == ("grüße@xn--bcher-kva.example",)
    assert "SMTPUTF8" in message.mail_options
    smtp_server.configure(extensions=())
    with make_transporter() as transporter:
        status = transporter.send(mail)
        assert [error["errCode"] for error in status.errors] == [1307]
        assert transporter.send({**mail, "to": "b@bücher.example"})
    assert smtp_server.messages[-1].rcpt_to == ("b@xn--bcher-kva.example",)


@pytest.mark.parametrize(
    "more",
    [
        {"messageId": "x@ää.example"},
        {"from": "x@under_ä.example"},
        {
            "attachments": [
                mail_convert_from_mime("Content-Type: image/png\nContent-ID: <ä@x>\n\nx")["attachments"][0]
            ]
        },
    ],
    ids=["messageId", "domain", "cid"],
)
def test_what_ascii_cannot_say_needs_smtputf8(
    smtp_server: SMTPServer, make_transporter: MakeTransporter, more: Email
) -> None:
    """RFC 6532: sent raw with SMTPUTF8, or a failed status before a word of the mail was said."""
    mail: Email = {"from": "a@example.com", "to": "b@example.org", "textBody": "x", **more}
    with make_transporter() as transporter:
        transporter.send(mail).raise_for_status()
    message = smtp_server.messages.one()
    assert "SMTPUTF8" in message.mail_options
    assert "ä".encode() in message.content
    smtp_server.configure(extensions=("8BITMIME",))
    with make_transporter() as transporter:
        status = transporter.send(mail)
    assert [error["errCode"] for error in status.errors] == [1307]
    assert "an address or identifier outside ASCII" in status.errors[0]["message"]
    assert len(smtp_server.messages) == 1


@pytest.mark.smtp_server(size_limit=1000)
def test_a_message_that_is_too_large_is_not_tried(
    smtp_server: SMTPServer, transporter: SMTPTransporter
) -> None:
    """SIZE says so beforehand: both figures in the message, and the session stays usable."""
    status = transporter.send({"from": "a@example.com", "to": "b@example.org", "textBody": "x\r\n" * 1000})
    assert (status.status, status.command, [error["errCode"] for error in status.errors]) == (
        0,
        "MAIL",
        [1306],
    )
    assert "octets, the server takes 1000" in status.errors[0]["message"]
    assert transporter.send({"from": "a@example.com", "to": "b@example.org", "textBody": "x"})
    assert len(smtp_server.sessions) == 1


def test_a_server_of_the_helo_age(smtp_server: SMTPServer, make_transporter: MakeTransporter) -> None:
    """EHLO is refused, HELO is not; nothing is offered, and the mail goes."""
    smtp_server.configure(esmtp=False)
    with make_transporter(accept_unsecure_connection=True) as transporter:
        assert transporter.check_connection().command == "HELO"
        assert transporter.send({"from": "a@example.com", "to": "b@example.org", "textBody": "x"})
    assert [command.verb for command in smtp_server.messages.one().session.commands][:2] == ["EHLO", "HELO"]
