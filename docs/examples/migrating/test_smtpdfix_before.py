"""A suite on smtpdfix."""

from __future__ import annotations

import smtplib
from typing import Any

import pytest
from receipts import send_receipt

pytest.importorskip("smtpdfix", reason="smtpdfix is not installed")


def test_a_receipt(smtpd: Any) -> None:
    """The receipt is the first message."""
    send_receipt(smtpd.hostname, smtpd.port, "ada@example.org")
    assert len(smtpd.messages) == 1
    assert smtpd.messages[0]["Subject"] == "Receipt"
    assert smtpd.messages[0]["To"] == "ada@example.org"
    assert "42 EUR" in smtpd.messages[0].get_payload()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_wrong_password(smtpd: Any) -> None:
    """The login is refused."""
    smtpd.config.login_username = "shop"
    smtpd.config.login_password = "secret"
    smtpd.config.enforce_auth = True
    smtpd.config.auth_require_tls = False
    with pytest.raises(smtplib.SMTPAuthenticationError):
        send_receipt(smtpd.hostname, smtpd.port, "ada@example.org", login=("shop", "wrong"))
    assert smtpd.messages == []
