"""A suite on mock.patch: it says which methods are called, and nothing of what would have arrived."""

from __future__ import annotations

import smtplib
from unittest import mock

import pytest
from receipts import send_hard_coded_receipt


def test_a_receipt() -> None:
    """The test repeats how the code uses smtplib."""
    with mock.patch("smtplib.SMTP") as smtp:
        send_hard_coded_receipt("ada@example.org")
    smtp.assert_called_once_with("smtp.example.com", 587, timeout=5)
    client = smtp.return_value.__enter__.return_value
    client.starttls.assert_called_once()
    client.login.assert_called_once_with("shop", "secret")
    ((message,), _) = client.send_message.call_args
    assert message["Subject"] == "Receipt"
    assert message["To"] == "ada@example.org"


def test_a_refused_recipient() -> None:
    """The test makes up what smtplib would raise."""
    refusal = smtplib.SMTPRecipientsRefused({"ada@example.org": (550, b"5.1.1 No such user")})
    with mock.patch("smtplib.SMTP") as smtp:
        smtp.return_value.__enter__.return_value.send_message.side_effect = refusal
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send_hard_coded_receipt("ada@example.org")
