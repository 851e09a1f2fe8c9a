"""The states of RFC 5321, against the dialogue itself: no socket, thousands of commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_smtp4d.records.record import ReceivedMessage, Session
from pytest_smtp4d.server.dialogue.step import Flight
from tests.profiles import share
from tests.server.dialogue.driving import SERVER_HELLO, SERVER_TICKET, TLS, DrivenSession, FakeHost
from tests.server.session_model import SessionModel


class DrivenModel(SessionModel):
    """The model, with a server that is a generator."""

    client: DrivenSession

    def serve(self, settings: dict[str, Any]) -> None:
        """Make what a dialogue needs of a server."""
        self.host = FakeHost(**settings)

    def connect(self) -> DrivenSession:
        """Begin a dialogue."""
        self.host.flights = [Flight(SERVER_HELLO), Flight(SERVER_TICKET, TLS)]
        return DrivenSession(self.host)

    def recorded(self) -> tuple[Session, Sequence[ReceivedMessage]]:
        """Return what the dialogue recorded; nothing went wrong inside it."""
        assert self.host.errors == []
        assert (self.client.closed is not None) is self.is_over
        return self.client.session, self.host.messages


TestStates = DrivenModel.TestCase
TestStates.settings = share(3, stateful_step_count=40)
