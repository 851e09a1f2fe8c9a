"""A sample application: a shop that sends receipts."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage


def write_receipt(recipient: str) -> EmailMessage:
    """Return a receipt."""
    receipt = EmailMessage()
    receipt["From"], receipt["To"], receipt["Subject"] = "shop@example.com", recipient, "Receipt"
    receipt.set_content("42 EUR\n")
    return receipt


def send_receipt(
    host: str, port: int, recipient: str, *, copy: str | None = None, login: tuple[str, str] | None = None
) -> None:
    """Send a receipt through a server in our own network: without TLS.

    Args:
        host: the server's host.
        port: the server's port.
        recipient: who bought something.
        copy: who gets a blind copy.
        login: user and password.
    """
    with smtplib.SMTP(host, port, timeout=5) as client:
        if login is not None:
            client.login(*login)
        client.send_message(write_receipt(recipient), to_addrs=[recipient, *([copy] if copy else [])])


def send_hard_coded_receipt(recipient: str) -> None:
    """Send a receipt through a provider that the code names."""
    with smtplib.SMTP("smtp.example.com", 587, timeout=5) as client:
        client.starttls(context=ssl.create_default_context())
        client.login("shop", "secret")
        client.send_message(write_receipt(recipient))
