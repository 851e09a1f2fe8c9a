"""A server that is busy once: the code under test must try again, and the message arrive exactly once."""

from __future__ import annotations

from pytest_smtp4d import Email, SMTPServer, SMTPTransporter, Status


def send_patiently(transporter: SMTPTransporter, mail: Email, attempts: int = 3) -> Status:
    """Send a mail, again after each transient refusal: the code under test."""
    status = transporter.send(mail)
    while status.is_transient and attempts > 1:
        attempts -= 1
        status = transporter.send(mail)
    return status


MAIL: Email = {"from": "shop@example.com", "to": "bob@example.org", "subject": "Invoice", "textBody": "42"}


def test_tries_again_after_451(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """The first try gets 451, the second is accepted."""
    busy = smtp_server.on("DATA", times=1).reply(451, "4.3.0 Try later")

    assert send_patiently(transporter, MAIL).success
    assert busy.hits == 1
    smtp_server.messages.one(subject="Invoice")
    assert [transaction.message is None for transaction in smtp_server.transactions] == [True, False]


def test_gives_up_in_the_end(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """A server that stays busy is tried three times, and the last refusal is reported."""
    busy = smtp_server.on("CONTENT").reply(451, "4.3.0 Try later")

    status = send_patiently(transporter, MAIL)
    assert (status.success, status.status, status.command) == (False, 451, "CONTENT")
    assert busy.hits == 3
    assert smtp_server.messages.none()


def test_does_not_insist_after_550(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """A permanent refusal is not tried again."""
    refusal = smtp_server.on("MAIL").reply(550, "5.7.1 Not from you")

    assert send_patiently(transporter, MAIL).is_permanent
    assert refusal.hits == 1
