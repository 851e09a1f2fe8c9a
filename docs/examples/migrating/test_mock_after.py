"""The same suite on pytest-smtp4d: the code sends, and the test looks at what arrived."""

from __future__ import annotations

import smtplib

import pytest
from receipts import send_hard_coded_receipt

from pytest_smtp4d import SMTPServer


def test_a_receipt(smtp_intercept: SMTPServer) -> None:
    """It holds however the code sends: by send_message, by sendmail, or by another library."""
    send_hard_coded_receipt("ada@example.org")
    receipt = smtp_intercept.messages.one(subject="Receipt", to="ada@example.org")
    assert receipt.session.target == ("smtp.example.com", 587)
    assert receipt.session.tls is not None
    assert receipt.session.user == "shop"


def test_a_refused_recipient(smtp_intercept: SMTPServer) -> None:
    """The server refuses, and smtplib says what it says."""
    smtp_intercept.on("RCPT").reply(550, "5.1.1 No such user")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send_hard_coded_receipt("ada@example.org")
