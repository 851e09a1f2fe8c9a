"""The states of RFC 5321, against a server on a socket, with real TLS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_smtp4d import SMTPServer
from pytest_smtp4d.records.record import ReceivedMessage, Session
from tests.profiles import share
from tests.server.conftest import RawClient
from tests.server.session_model import SessionModel


class ServedModel(SessionModel):
    """The model, with a server that listens."""

    client: RawClient
    server: SMTPServer

    def serve(self, settings: dict[str, Any]) -> None:
        """Start a server; its verdict is none of this test's."""
        self.clients: list[RawClient] = []
        self.server = SMTPServer(strict=False, **settings).start()

    def connect(self) -> RawClient:
        """Connect by TCP."""
        self.clients.append(RawClient(self.server))
        return self.clients[-1]

    def recorded(self) -> tuple[Session, Sequence[ReceivedMessage]]:
        """Return what the server recorded."""
        return self.server.sessions[-1], self.server.messages

    def teardown(self) -> None:
        """Close every connection, and stop."""
        if hasattr(self, "server"):
            for client in self.clients:
                client.close()
            self.server.stop()


TestStates = ServedModel.TestCase
TestStates.settings = share(0.2, stateful_step_count=30)
