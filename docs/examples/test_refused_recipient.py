"""A recipient that the server refuses: nobody gets the message, and the status says who and why."""

from __future__ import annotations

from pytest_smtp4d import Email, SMTPServer, SMTPTransporter


def test_refused_recipient(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """One bad address stops the message for all; the connection stays usable."""
    smtp_server.on("RCPT", "nobody@*").reply(550, "5.1.1 No such user")
    mail: Email = {"from": "ada@example.com", "subject": "Minutes", "textBody": "See you."}

    status = transporter.send({**mail, "to": "bob@example.org, nobody@example.org"})
    assert not status.success
    assert status.status == 550
    assert status.enhanced_code == "5.1.1"
    assert status.command == "RCPT"
    assert list(status.refused) == ["nobody@example.org"]
    assert status.is_permanent
    assert smtp_server.messages.none()

    assert transporter.send({**mail, "to": "bob@example.org"}).success
    assert smtp_server.messages.one().rcpt_to == ("bob@example.org",)
    assert len(smtp_server.sessions) == 1
