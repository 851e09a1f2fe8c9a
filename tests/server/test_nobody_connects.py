"""A server that nobody connects to costs two sockets, and whoever is first finds it ready all the same."""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_smtp4d import SMTPServer
from pytest_smtp4d.server import loop

FIRST = """
import socket, sys
from pytest_smtp4d import SMTPServer

heavy = {"asyncio", "ssl", "aiosmtpd", "trustme", "cryptography"}
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
with SMTPServer(tls="none", port=port) as server:
    server.check()
    server.clear()
    server.reset()
    print(sorted(heavy & sys.modules.keys()))
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        print(client.recv(100)[:4])
"""


has_epoll = pytest.mark.skipif(
    not hasattr(selectors, "EpollSelector"), reason="the loop is made with the first server here"
)


@has_epoll
def test_the_first_client_wakes_everything() -> None:
    """Nothing of asyncio or TLS is imported before; the client asked for no port, so nothing was prepared."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", FIRST], capture_output=True, text=True, timeout=60
    )
    assert (run.stdout, run.stderr) == ("[]\nb'220 '\n", "")


@pytest.fixture
def own_loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A loop that the test may stop."""
    monkeypatch.setattr(loop, "_current", None)
    yield
    loop.stop()


def kept() -> tuple[int, int]:
    """Return how many descriptors and threads there are."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir()), threading.active_count()


@has_epoll
@pytest.mark.usefixtures("own_loop")
def test_nothing_is_left_of_a_thread_that_never_had_a_loop() -> None:
    """Neither the thread nor a descriptor."""
    before = kept()
    SMTPServer().start().stop()
    assert kept()[1] == before[1] + 1
    loop.stop()
    assert kept() == before


@has_epoll
@pytest.mark.usefixtures("own_loop")
def test_a_loop_that_could_not_be_made_is_made_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client waits meanwhile: no descriptor was left when it came."""
    tries: list[int] = []
    make = loop.LoopThread.make

    def starved(thread: loop.LoopThread) -> object:
        tries.append(1)
        if len(tries) < 3:
            raise OSError(24, "Too many open files")
        return make(thread)

    monkeypatch.setattr(loop, "LATER", 0.001)
    with SMTPServer(tls="none") as server:
        address = server._require_listener()._socket.getsockname()
        monkeypatch.setattr(loop.LoopThread, "make", starved)
        with socket.create_connection(address, timeout=30) as client:
            assert client.recv(100).startswith(b"220 ")
    assert len(tries) == 3
