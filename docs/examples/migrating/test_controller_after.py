"""The same suite on pytest-smtp4d: no fixture, no handler, no port."""

from __future__ import annotations

import smtplib

import pytest
from receipts import send_receipt

from pytest_smtp4d import SMTPServer


def test_a_receipt(smtp_server: SMTPServer) -> None:
    """The message is parsed when it is asked for something."""
    send_receipt(smtp_server.host, smtp_server.port, "ada@example.org")
    receipt = smtp_server.messages.one()
    assert receipt.mail_from == "shop@example.com"
    assert receipt.rcpt_to == ("ada@example.org",)
    assert receipt.subject == "Receipt"


def test_a_refused_recipient(smtp_server: SMTPServer) -> None:
    """What is refused is said where it matters."""
    smtp_server.on("RCPT", "nobody@*").reply(550, "5.1.1 No such user")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send_receipt(smtp_server.host, smtp_server.port, "nobody@example.org")
