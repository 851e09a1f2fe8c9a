"""A suite on aiosmtpd's Controller, with a fixture and a handler of its own."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email import message_from_bytes
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from receipts import send_receipt


class Handler:
    """Refuses one recipient, and keeps what was accepted."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer RCPT."""
        if address.startswith("nobody@"):
            return "550 5.1.1 No such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Answer the content."""
        self.envelopes.append(envelope)
        return "250 OK"


class FreePortController(Controller):
    """A controller that knows the port which the system chose for port 0."""

    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@pytest.fixture
def controller() -> Iterator[Any]:
    """A server of aiosmtpd in a thread."""
    controller = FreePortController(Handler(), hostname="127.0.0.1", port=0)
    controller.start()
    yield controller
    controller.stop()


def test_a_receipt(controller: Any) -> None:
    """The octets are parsed by the test."""
    send_receipt(controller.hostname, controller.port, "ada@example.org")
    (envelope,) = controller.handler.envelopes
    assert envelope.mail_from == "shop@example.com"
    assert envelope.rcpt_tos == ["ada@example.org"]
    assert message_from_bytes(envelope.content)["Subject"] == "Receipt"


def test_a_refused_recipient(controller: Any) -> None:
    """The handler knows which recipient that is."""
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send_receipt(controller.hostname, controller.port, "nobody@example.org")
