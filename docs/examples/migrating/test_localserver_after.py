"""The same suite on pytest-smtp4d."""

from __future__ import annotations

from receipts import send_receipt

from pytest_smtp4d import SMTPServer


def test_a_receipt(smtp_server: SMTPServer) -> None:
    """The receipt is in the inbox; the envelope stands beside it."""
    host, port = smtp_server.address
    send_receipt(host, port, "ada@example.org", copy="archive@example.com")
    receipt = smtp_server.messages.one()
    assert receipt["Subject"] == "Receipt"
    assert (receipt.text_body or "").startswith("42 EUR")
    assert receipt.mail_from == "shop@example.com"
    assert receipt.rcpt_to == ("ada@example.org", "archive@example.com")
