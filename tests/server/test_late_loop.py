"""A server's loop that is late (a starved or suspended process) is no error of the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from pytest_smtp4d.server import loop
from pytest_smtp4d.server.server import SMTPServer
from tests.server.conftest import Connect


@pytest.fixture
def late() -> Iterator[threading.Event]:
    """Hold the loop up until the event is set, and for more than a second."""
    held, released = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        released.wait(30)

    loop.current().loop.call_soon_threadsafe(hold)
    assert held.wait(30)
    yield released
    released.set()


@pytest.mark.parametrize(
    "act",
    [SMTPServer.stop, SMTPServer.settle, SMTPServer.check, SMTPServer.drop_connections, SMTPServer.clear],
    ids=lambda act: act.__name__,
)
def test_what_needs_the_loop_waits_for_it(
    connect: Connect, request: pytest.FixtureRequest, act: Callable[[SMTPServer], None]
) -> None:
    """It returns when the loop has come to it, and raises nothing however long that takes."""
    with SMTPServer(tls="none", strict=False) as server:
        connect(server).open()
        late = request.getfixturevalue("late")
        outcome: list[str] = []

        def run() -> None:
            act(server)
            outcome.append("returned")

        acting = threading.Thread(target=run)
        acting.start()
        acting.join(1.1)  # as long as it once waited before it raised
        assert outcome == []
        assert acting.is_alive()
        late.set()
        acting.join(30)
        assert outcome == ["returned"]


def test_the_loop_does_not_wait_for_itself() -> None:
    """What would wait for ever is an error that says so."""
    thread = loop.current()

    async def stop() -> str:
        async def nothing() -> None: ...

        with pytest.raises(RuntimeError, match="cannot wait for itself"):
            thread.run(nothing())
        return "refused"

    assert thread.run(stop()) == "refused"
