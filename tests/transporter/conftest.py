"""Both transporters behind one face, so that every promise is tested of both."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_smtp4d import AsyncSMTPTransporter, SMTPTransporter, Status, on_err_call
from pytest_smtp4d.transporter.error_stack import clear_errors
from tests.transporter.loops import LoopWithoutReaders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Client(Protocol):
    """What both transporters can do, called without await."""

    def send(self, mail: Any) -> Status:
        """Send a mail."""

    def check_connection(self) -> Status:
        """Check the connection."""

    def close(self) -> None:
        """Close the connection."""


class AwaitedClient:
    """An `AsyncSMTPTransporter` whose coroutines are run in a loop of the test's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        self.transporter = AsyncSMTPTransporter(**options)
        self._loop = loop

    def send(self, mail: Any) -> Status:
        """Send a mail."""
        return self._loop.run_until_complete(self.transporter.send(mail))

    def check_connection(self) -> Status:
        """Check the connection."""
        return self._loop.run_until_complete(self.transporter.check_connection())

    def close(self) -> None:
        """Close the connection."""
        self._loop.run_until_complete(self.transporter.close())


@pytest.fixture(autouse=True)
def _clean_error_stack() -> Iterator[None]:
    """Let each test begin and end without errors and without a handler."""
    clear_errors()
    with on_err_call(None):
        yield
    clear_errors()


LOOPS = {"asyncio": asyncio.SelectorEventLoop, "asyncio in a thread": LoopWithoutReaders}


@pytest.fixture(params=["blocking", *LOOPS])
def make_client(request: pytest.FixtureRequest) -> Iterator[Callable[..., Client]]:
    """Return a factory of transporters for a loopback port, with cleartext allowed and short time-outs."""
    loop = LOOPS[request.param]() if request.param in LOOPS else None
    made: list[Client] = []

    def make(port: int, **options: Any) -> Client:
        defaults = {"accept_unsecure_connection": True, "connection_time_out": 5, "send_time_out": 5}
        options = {"host": "127.0.0.1", "port": port, **defaults, **options}
        client = SMTPTransporter(**options) if loop is None else AwaitedClient(loop, **options)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()
    if loop is not None:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
