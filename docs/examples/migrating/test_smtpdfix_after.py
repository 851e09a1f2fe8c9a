"""The same suite on pytest-smtp4d."""

from __future__ import annotations

import smtplib

import pytest
from receipts import send_receipt

from pytest_smtp4d import SMTPServer


def test_a_receipt(smtp_server: SMTPServer) -> None:
    """The receipt is found by what it is."""
    send_receipt(smtp_server.host, smtp_server.port, "ada@example.org")
    receipt = smtp_server.messages.one(subject="Receipt", to="ada@example.org")
    assert "42 EUR" in (receipt.text_body or "")


@pytest.mark.smtp_server(users={"shop": "secret"}, tls="none")
def test_a_wrong_password(smtp_server: SMTPServer) -> None:
    """The login is refused."""
    with pytest.raises(smtplib.SMTPAuthenticationError):
        send_receipt(smtp_server.host, smtp_server.port, "ada@example.org", login=("shop", "wrong"))
    assert smtp_server.messages.none()
