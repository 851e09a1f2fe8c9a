"""A library's own tests: one promise, held against every fault, every odd reply and every hostile text."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from test_malformed_replies import MALFORMED
from tiny_client import SendError, deliver, field

from pytest_smtp4d import SMTPServer, StageName

CONTENT = (
    b"From: a@example.com\nDate: Wed, 25 Nov 2026 08:00:00 +0000\nSubject: Hi\n\n.A dot\nbare CR\r.\nend"
)


def send(server: SMTPServer, recipient: str = "bob@example.org", content: bytes = CONTENT) -> None:
    """Call the library as its users do. Where the server is silent, it is given up soon."""
    stage, kind = server.active_fault or (None, None)
    timeout = 0.5 if kind == "silence" and stage != "QUIT" else 20  # for QUIT it has a second anyway
    trust = server.client_context()
    deliver(server.address, "a@example.com", recipient, content, trust, timeout)


def test_what_is_sent_is_what_arrives(smtp_server: SMTPServer) -> None:
    """Dots are stuffed, lines end with CRLF, and nothing is against the RFCs."""
    send(smtp_server)
    message = smtp_server.messages.one(subject="Hi")
    assert message.content.endswith(b"\r\n.A dot\r\nbare CR\r\n.\r\nend\r\n")
    assert message.session.violations == ()
    verbs = [command.verb for command in message.session.commands]
    assert verbs == ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"]


@pytest.mark.smtp_sweep
def test_no_success_is_claimed_that_is_none(smtp_server: SMTPServer) -> None:
    """Whatever goes wrong: it returns where the server has the message, and else raises its own error."""
    try:
        send(smtp_server)
    except SendError:
        lost = smtp_server.active_fault == ("CONTENT", "disconnect-after")  # nobody can know
        assert lost or not smtp_server.messages
    else:
        assert len(smtp_server.messages) == 1


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "CONTENT"])
@pytest.mark.parametrize("octets", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_reply(smtp_server: SMTPServer, stage: StageName, octets: bytes) -> None:
    """It is the server's mistake, or none: never a crash of ours, and never a wait without end."""
    smtp_server.on(stage, times=1).accept().send(octets)
    with suppress(SendError):
        send(smtp_server)
        assert len(smtp_server.messages) == 1


@pytest.mark.smtp_injection
def test_no_input_breaks_out(smtp_server: SMTPServer, payload: str) -> None:
    """A hostile address, subject or text is refused, or arrives as text; the server's verdict decides."""
    with suppress(ValueError, SendError):
        send(smtp_server, recipient=payload)
    with suppress(ValueError):
        head = field("From", "a@example.com") + field("Subject", payload)
        send(smtp_server, content=head.encode() + b"\r\n" + payload.encode())
    assert all(message.rcpt_to == ("bob@example.org",) for message in smtp_server.messages)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"extensions": ()}, None),
        ({"tls_versions": ("TLSv1.2",)}, None),
        ({"esmtp": False}, 502),
        ({"size_limit": 20}, 552),
        ({"recipient_limit": 0}, 452),
        ({"greylist": 60}, 451),
        ({"users": {"ada": "secret"}}, 530),
        ({"certificate": "wrong_host"}, 0),
        ({"client_certificate": "required", "tls_versions": ("TLSv1.2",)}, 0),
    ],
    ids=str,
)
def test_another_server(smtp_server: SMTPServer, settings: dict[str, Any], code: int | None) -> None:
    """Servers that are old, small or strict: it delivers, or says by which reply it was refused."""
    smtp_server.configure(**settings)
    if code is None:
        send(smtp_server)
        assert len(smtp_server.messages) == 1
    else:
        with pytest.raises(SendError) as refusal:
            send(smtp_server)
        assert refusal.value.code == code
