"""The test on the first page of README."""

from __future__ import annotations

from pytest_smtp4d import Email, SMTPServer, SMTPTransporter


def test_tries_again(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """A busy server is told from one that refuses, and the message arrives in the end."""
    smtp_server.on("RCPT", times=1).reply(451, "4.3.0 Try later")
    mail: Email = {
        "from": "shop@example.com",
        "to": "bob@example.org",
        "subject": "Invoice",
        "textBody": "42",
    }

    assert transporter.send(mail).is_transient
    assert transporter.send(mail).success

    message = smtp_server.messages.one(subject="Invoice")
    assert message.rcpt_to == ("bob@example.org",)
    assert message.session.tls is not None
