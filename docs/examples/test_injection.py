"""Texts that try to break out of an address, a subject, a name, a file name or a body."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from careless import CarelessClient

from pytest_smtp4d import SMTPServer, SMTPTransporter


@pytest.mark.smtp_injection
def test_no_input_breaks_out(smtp_server: SMTPServer, transporter: SMTPTransporter, payload: str) -> None:
    """Whatever is typed as a name, a subject or a text is refused, or arrives as the text that it is."""
    status = transporter.send(
        {
            "from": "shop@example.com",
            "to": {"name": payload, "email": "bob@example.org"},
            "subject": payload,
            "textBody": payload,
        }
    )
    assert status.success == (len(smtp_server.messages) == 1)


@pytest.mark.smtp_injection
def test_no_address_breaks_out(smtp_server: SMTPServer, transporter: SMTPTransporter, payload: str) -> None:
    """An address that is none is refused before anything is sent."""
    status = transporter.send(
        {"from": "shop@example.com", "to": payload, "subject": "Hello", "textBody": "Hi"}
    )
    assert all(payload == recipient for message in smtp_server.messages for recipient in message.rcpt_to)
    assert status.success == (len(smtp_server.messages) == 1)


FIELD = "\r\nSmtp4d-Canary: sings"


@pytest.mark.parametrize(
    "send",
    [
        lambda client: client.send("bob@example.org>\r\nRCPT TO:<smtp4d-canary@injected.example", "Hi", "Hi"),
        lambda client: client.send("bob@example.org", f"Hello{FIELD}", "Hi"),
        lambda client: client.send("bob@example.org", "Hello", "Hi", name=f"Bob{FIELD}"),
        lambda client: client.send("bob@example.org", "Hello", "Hi", file_name=f'a.txt"{FIELD}\r\nX-Rest: "'),
        lambda client: client.send("bob@example.org", "Hello", "Hi\r\n.\r\nNOOP Smtp4d-Canary\r\n"),
    ],
    ids=["address", "subject", "name", "file name", "text"],
)
def test_what_the_verdict_says_of_a_careless_client(
    smtp_server: SMTPServer, send: Callable[[CarelessClient], None]
) -> None:
    """One payload in each place: the test of a client that lets it through would fail with this verdict."""
    with contextlib.suppress(OSError):
        send(CarelessClient(*smtp_server.address))
    with pytest.raises(AssertionError, match="injection"):
        smtp_server.check()
