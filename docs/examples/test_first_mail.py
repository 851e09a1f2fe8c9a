"""A first mail: sent over TLS, and asserted on where it arrived."""

from __future__ import annotations

from pytest_smtp4d import Email, SMTPServer, SMTPTransporter


def test_first_mail(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """What was sent is what arrived."""
    mail: Email = {
        "from": "Ada <ada@example.com>",
        "to": "bob@example.org",
        "subject": "Hello",
        "textBody": "It works.",
    }
    status = transporter.send(mail)
    assert status.success

    message = smtp_server.messages.one(subject="Hello")
    assert message.mail_from == "ada@example.com"
    assert message.rcpt_to == ("bob@example.org",)
    assert message.text_body == "It works."
    assert message.session.tls is not None
