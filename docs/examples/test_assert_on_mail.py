"""Assertions on what was received: find a message by what it is, wait for it, or state that there is none."""

from __future__ import annotations

import re
import smtplib
import threading

import pytest

from pytest_smtp4d import Email, SMTPServer, SMTPTransporter


def order(transporter: SMTPTransporter, recipient: str, number: int) -> None:
    """Send the confirmation of an order: the code under test."""
    transporter.send(
        {
            "from": {"name": "The Shop", "email": "shop@example.com"},
            "to": recipient,
            "subject": f"Order {number}",
            "headers": [{"name": "X-Order", "value": str(number)}],
            "textBody": f"Thank you for order {number}.",
        }
    ).raise_for_status()


def test_find_a_message(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """Criteria are values, compiled patterns that are searched, or predicates."""
    order(transporter, "ada@example.org", 1)
    order(transporter, "bob@example.org", 2)

    inbox = smtp_server.messages
    assert inbox.one(subject="Order 1").rcpt_to == ("ada@example.org",)
    assert inbox.one(to=re.compile(r"^bob@")).subject == "Order 2"
    assert inbox.one(headers={"X-Order": "2"}).from_ == ["shop@example.com"]
    assert inbox.one(text_body=lambda text: text is not None and "order 1" in text).subject == "Order 1"
    assert [message.subject for message in inbox.where(mail_from="shop@example.com")] == [
        "Order 1",
        "Order 2",
    ]
    assert inbox.none(to="cay@example.org")


def test_wait_for_a_message(smtp_server: SMTPServer) -> None:
    """Code that sends in the background is waited for, not slept for."""

    def send_later() -> None:
        with smtplib.SMTP(*smtp_server.address) as client:
            client.sendmail("app@example.com", ["ada@example.org"], "Subject: Done\r\n\r\nDone.\r\n")

    worker = threading.Thread(target=send_later)
    worker.start()
    assert smtp_server.messages.one(timeout=5, subject="Done").mail_from == "app@example.com"
    worker.join()


async def wait_in_a_coroutine(smtp_server: SMTPServer) -> str:
    """In asyncio the twins wait without blocking the loop that is to send."""
    message = await smtp_server.messages.await_one(timeout=5, to="ada@example.org")
    return message.subject


def test_wait_in_asyncio(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """Each waiting method has an awaitable twin."""
    import asyncio

    order(transporter, "ada@example.org", 3)
    assert asyncio.run(wait_in_a_coroutine(smtp_server)) == "Order 3"


def test_the_words_of_a_failure(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """A failure names the nearest miss, field by field."""
    order(transporter, "ada@example.org", 4)
    with pytest.raises(AssertionError) as failure:
        smtp_server.messages.one(to="ada@example.org", subject="Order 5")
    assert "Order 5" in str(failure.value)
    assert "Order 4" in str(failure.value)


def test_the_envelope_is_apart_from_the_header(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """Who gets a blind copy is in the envelope alone."""
    mail: Email = {
        "from": "ada@example.com",
        "to": "bob@example.org",
        "bcc": "cay@example.net",
        "subject": "Hi",
    }
    assert transporter.send(mail)
    message = smtp_server.messages.one(bcc="cay@example.net")
    assert message.rcpt_to == ("bob@example.org", "cay@example.net")
    assert b"cay@example.net" not in message.content
