"""A server's loop that is late (a starved or suspended process) is no error of the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import pytest

from pytest_smtp4d.factories import MakeSMTPServer
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


ACTS: tuple[Callable[[SMTPServer], None], ...] = (
    SMTPServer.stop,
    SMTPServer._settle,
    SMTPServer.check,
    SMTPServer.drop_connections,
    SMTPServer.clear,
)


def test_what_needs_the_loop_waits_for_it(
    connect: Connect, make_smtp_server: MakeSMTPServer, request: pytest.FixtureRequest
) -> None:
    """It returns when the loop has come to it, and raises nothing however long that takes."""
    servers = [make_smtp_server(tls="none", strict=False) for _ in ACTS]
    for server in servers:
        connect(server).open()
    late = request.getfixturevalue("late")
    with ThreadPoolExecutor(len(ACTS)) as pool:
        acting = [pool.submit(act, server) for act, server in zip(ACTS, servers, strict=True)]
        # As long as each of them once waited before it raised.
        assert wait(acting, timeout=1.1, return_when=FIRST_COMPLETED).done == set()
        late.set()
        assert [future.result(timeout=30) for future in acting] == [None] * len(ACTS)


def test_the_loop_does_not_wait_for_itself() -> None:
    """What would wait for ever is an error that says so."""
    thread = loop.current()

    async def stop() -> str:
        async def nothing() -> None: ...

        with pytest.raises(RuntimeError, match="cannot wait for itself"):
            thread.run(nothing())
        return "refused"

    assert thread.run(stop()) == "refused"
