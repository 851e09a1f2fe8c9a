"""Measure the memory of `serve` under many messages: `python -m tests.benchmarks.serve_memory [options]`.

Two loads, each against a server of its own, `serve --print json --http 0`:

* `one`: 100,000 messages over one connection (`--messages`);
* `many`: 10,000 connections that bring 10 messages each, eight connections at a time (`--connections`).

Each with a standard output that nobody reads, and with one that is read. Printed are the resident octets
(RSS) of the server before, at 10 %, at 50 % and at 100 %, in MiB, and the growth from 10 % to 100 %. A server
whose memory is bounded has filled its archive and its queues by then; what grows further is a leak. It needs
psutil.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTENT = b"From: ada@example.com\r\nTo: bob@example.org\r\nSubject: Load\r\n\r\n" + b"x" * 70 + b"\r\n.\r\n"
MESSAGE = b"MAIL FROM:<ada@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
PER_CONNECTION = 10
AT_ONCE = 8
MARKS = (0.1, 0.5, 1.0)


class Server(NamedTuple):
    """A running server: where it listens, and its process."""

    address: tuple[str, int]
    process: subprocess.Popen[bytes]

    @property
    def memory(self) -> int:
        """Octets that are resident."""
        return int(psutil.Process(self.process.pid).memory_info().rss)


@contextmanager
def serving(*, is_read: bool) -> Iterator[Server]:
    """Run a server; its standard output is read to nowhere, or not at all."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready"
        options = [
            "--port",
            "0",
            "--tls",
            "none",
            "--print",
            "json",
            "--http",
            "0",
            "--ready-file",
            str(ready),
        ]
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest_smtp4d", "serve", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not ready.exists():
                if process.poll() is not None:
                    sys.exit("the server ended")
                time.sleep(0.02)
            place = json.loads(ready.read_text(encoding="utf-8"))
            if is_read:
                threading.Thread(target=_drain, args=(process,), daemon=True).start()
            yield Server((place["host"], place["port"]), process)
        finally:
            process.terminate()
            process.wait(20)


def _drain(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    while process.stdout.read(1 << 16):
        pass


class Client:
    """One connection that sends messages, each in two round trips."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, 30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._replies = self._socket.makefile("rb")
        self._take(b"220")
        self._socket.sendall(b"EHLO localhost\r\n")
        self._take(b"250")

    def _take(self, code: bytes) -> None:
        line = self._replies.readline()
        while line[3:4] == b"-":
            line = self._replies.readline()
        if not line.startswith(code):
            sys.exit(f"the server answered {line!r}, not {code!r}")

    def send(self) -> None:
        """Send one message and read all replies."""
        self._socket.sendall(MESSAGE)
        for code in (b"250", b"250", b"354"):
            self._take(code)
        self._socket.sendall(CONTENT)
        self._take(b"250")

    def close(self) -> None:
        """End with QUIT."""
        self._socket.sendall(b"QUIT\r\n")
        self._take(b"221")
        self._replies.close()
        self._socket.close()


def one(server: Server, total: int, mark: Callable[[], None]) -> None:
    """Send all messages over one connection; call `mark` at each mark."""
    client = Client(server.address)
    places = {int(total * share) for share in MARKS}
    for number in range(1, total + 1):
        client.send()
        if number in places:
            mark()
    client.close()


def many(server: Server, total: int, mark: Callable[[], None]) -> None:
    """Open the connections, some at a time, and send ten messages over each; call `mark` at each mark."""

    def connection(_: int) -> None:
        client = Client(server.address)
        for _number in range(PER_CONNECTION):
            client.send()
        client.close()

    done = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for share in MARKS:
            until = int(total * share)
            list(pool.map(connection, range(done, until)))
            done = until
            mark()


def measured(
    load: Callable[[Server, int, Callable[[], None]], None], total: int, *, is_read: bool
) -> list[int]:
    """Return the resident octets before the load and at each mark."""
    with serving(is_read=is_read) as server:
        figures = [server.memory]
        load(server, total, lambda: figures.append(server.memory))
        return figures


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=100_000, help="over one connection")
    parser.add_argument("--connections", type=int, default=10_000, help="with 10 messages each")
    options = parser.parse_args()
    heads = " ".join(f"{head:>8}" for head in ("before", "10 %", "50 %", "100 %", "growth", "seconds"))
    print(f"{'load':6} {'stdout':7} {heads}")  # noqa: T201 - a script
    for name, load, total in (("one", one, options.messages), ("many", many, options.connections)):
        for is_read in (False, True):
            began = time.monotonic()
            figures = [octets / (1 << 20) for octets in measured(load, total, is_read=is_read)]
            cells = " ".join(f"{figure:8.1f}" for figure in (*figures, figures[-1] - figures[1]))
            seconds = time.monotonic() - began
            words = f"{name:6} {'read' if is_read else 'unread':7} {cells} {seconds:8.0f}"
            print(words, flush=True)  # noqa: T201 - a script


if __name__ == "__main__":
    main()
