"""A suite on pytest-localserver."""

from __future__ import annotations

from typing import Any

import pytest
from receipts import send_receipt

pytest.importorskip("pytest_localserver", reason="pytest-localserver is not installed")


def test_a_receipt(smtpserver: Any) -> None:
    """The receipt is in the outbox; the envelope is in its details."""
    host, port = smtpserver.addr
    send_receipt(host, port, "ada@example.org", copy="archive@example.com")
    assert len(smtpserver.outbox) == 1
    receipt = smtpserver.outbox[0]
    assert receipt["Subject"] == "Receipt"
    assert receipt.get_payload().startswith("42 EUR")
    assert receipt.details.mailfrom == "shop@example.com"
    assert receipt.details.rcpttos == ["ada@example.org", "archive@example.com"]
