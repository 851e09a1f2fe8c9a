"""The tests on the first page of README: the second fails, and README shows what pytest says of it."""

from __future__ import annotations

import smtplib

from pytest_smtp4d import SMTPServer


def send_invoice(host: str, port: int) -> None:  # the code under test
    """Send an invoice, and give up when it is refused."""
    with smtplib.SMTP(host, port) as smtp:
        smtp.sendmail("shop@example.com", ["bob@example.org"], "Subject: Invoice\n\n42 EUR\n")


def test_an_invoice(smtp_server: SMTPServer) -> None:
    """The customer gets it."""
    send_invoice(*smtp_server.address)
    assert smtp_server.messages.one(subject="Invoice").rcpt_to == ("bob@example.org",)


def test_an_invoice_while_the_server_is_busy(smtp_server: SMTPServer) -> None:
    """The server says "later" once, and the customer gets it all the same."""
    smtp_server.on("RCPT", times=1).reply(451, "4.3.0 Try later")
    send_invoice(*smtp_server.address)
    smtp_server.messages.one(subject="Invoice")
