"""A template: MIME becomes a mail object, and what is set afterwards wins over what the MIME said."""

from __future__ import annotations

from pytest_smtp4d import (
    SMTPServer,
    SMTPTransporter,
    Status,
    mail_convert_from_mime,
    mail_convert_to_mime,
    mail_new_attachment,
)

TEMPLATE = mail_convert_to_mime(
    {
        "from": "shop@example.com",
        "to": "nobody@example.com",
        "subject": "Hello NAME",
        "htmlBody": '<img src="cid:logo"> Hello!',
        "attachments": [mail_new_attachment(b"\x89PNG", "logo.png", cid="logo")],
    }
)


def send_template(transporter: SMTPTransporter, template: str) -> Status:
    """Send a template to Ann."""
    mail = mail_convert_from_mime(template)
    mail["to"] = "ann@example.org"
    mail["subject"] = "Hello Ann"
    return transporter.send(mail)


def test_template(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """F4: address and subject are new, body and picture are those of the template."""
    assert send_template(transporter, TEMPLATE).success

    message = smtp_server.messages.one(rcpt_to=["ann@example.org"])
    assert (message.subject, message.to) == ("Hello Ann", ["ann@example.org"])
    assert message.html_body == '<img src="cid:logo"> Hello!'
    assert [picture.cid for picture in message.attachments] == ["logo"]
