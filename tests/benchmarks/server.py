"""Messages captured per second, ours against aiosmtpd's Controller: pairs of rounds in one run.

Run it: `python tests/benchmarks/server.py [rounds]`. Each server is a process of its own, each round measures
both, and the ratio is taken pair by pair, so that the mood of the machine cancels out. It asserts nothing.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import shutil
import smtplib
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MESSAGE = b"From: a@example.com\r\nTo: b@example.com\r\nSubject: benchmark\r\n\r\n" + b"x" * 70 + b"\r\n"
MESSAGE += (b"y" * 70 + b"\r\n") * 12
LARGE = b"Subject: large\r\n\r\n" + (b"z" * 74 + b"\r\n") * (25 * 1024 * 1024 // 76)
TRANSACTION = (
    b"MAIL FROM:<a@example.com>\r\n",
    b"RCPT TO:<b@example.com>\r\n",
    b"DATA\r\n",
    MESSAGE + b".\r\n",
)


# -- servers, each in a process of its own -----------------------------------------------------------------


def serve_ours() -> None:
    """Run our server until standard input ends."""
    from pytest_smtp4d.server.server import SMTPServer

    with SMTPServer(tls="none") as server:
        _announce(server.port)


def serve_verbose() -> None:
    """Run our server with every log record formatted, as pytest does under `log_level = DEBUG`."""
    import logging
    import os

    with Path(os.devnull).open("w") as nowhere:
        logging.basicConfig(level=logging.DEBUG, stream=nowhere)
        serve_ours()


def serve_aiosmtpd() -> None:
    """Run aiosmtpd's Controller with a handler that keeps the octets, as a capture server must."""
    from aiosmtpd.controller import Controller

    class Keep:
        def __init__(self) -> None:
            self.messages: list[object] = []

        async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802
            self.messages.append(envelope)
            return "250 OK"

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(Keep(), hostname="127.0.0.1", port=port, server_hostname="localhost")
    controller.start()
    _announce(port)
    controller.stop()


def _announce(port: int) -> None:
    print(port, flush=True)  # noqa: T201
    sys.stdin.read()


@contextlib.contextmanager
def server(kind: str) -> Iterator[tuple[int, int]]:
    """Yield (port, process id) of a running server."""
    process = subprocess.Popen(
        [sys.executable, __file__, f"--{kind}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline()), process.pid
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


# -- clients: each sends `count` messages and returns when the last reply has come --------------------------


def one_session(port: int, count: int) -> None:
    """Send with smtplib over one connection."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.com") as client:
        for _ in range(count):
            client.sendmail("a@example.com", ["b@example.com"], MESSAGE)


def ten_sessions(port: int, count: int) -> None:
    """Send over ten connections at once, each in lockstep, from one thread."""
    ready = selectors.DefaultSelector()
    for _ in range(10):
        connection = _open(port)
        connection.setblocking(False)
        ready.register(connection, selectors.EVENT_READ, [0, count // 10])
        connection.send(TRANSACTION[0])
    active = 10
    while active:
        for key, _ in ready.select():
            client, state = key.fileobj, key.data
            assert isinstance(client, socket.socket)
            client.recv(4096)
            state[0] += 1
            if state[0] == 4:
                state[0] = 0
                state[1] -= 1
                if not state[1]:
                    ready.unregister(client)
                    client.close()
                    active -= 1
                    continue
            client.send(TRANSACTION[state[0]])
    ready.close()


def pipelined(port: int, count: int) -> None:
    """Send MAIL, RCPT and DATA in one segment, the content in another."""
    with _open(port) as connection:
        envelope = b"".join(TRANSACTION[:3])
        for _ in range(count):
            connection.sendall(envelope)
            _read_lines(connection, 3)
            connection.sendall(TRANSACTION[3])
            _read_lines(connection, 1)


def smtp_source(port: int, count: int) -> None:
    """Send over ten sessions with Postfix's client, written in C."""
    subprocess.run(
        [_SMTP_SOURCE, "-4", "-s", "10", "-m", str(count), "-d", "-l", "1024", f"127.0.0.1:{port}"],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def session_per_message(port: int, count: int) -> None:
    """Open a connection for each message."""
    for _ in range(count):
        with _open(port) as connection:
            for octets in TRANSACTION:
                connection.sendall(octets)
                connection.recv(4096)
            connection.sendall(b"QUIT\r\n")
            connection.recv(4096)


def one_large(port: int, count: int) -> None:
    """Send messages of 25 MiB."""
    for _ in range(count):
        with _open(port) as connection:
            connection.sendall(b"".join(TRANSACTION[:3]))
            _read_lines(connection, 3)
            connection.sendall(LARGE + b".\r\n")
            _read_lines(connection, 1)


def _open(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _read_lines(connection, 1)
    connection.sendall(b"EHLO client.example.com\r\n")
    while not re.search(rb"^250 .*\n", connection.recv(4096), re.MULTILINE):
        pass
    return connection


def _read_lines(connection: socket.socket, count: int) -> None:
    while count > 0:
        count -= connection.recv(4096).count(b"\n")


# -- the table ---------------------------------------------------------------------------------------------

_SMTP_SOURCE = shutil.which("smtp-source") or shutil.which("smtp-source", path="/usr/sbin") or ""

LOADS: dict[str, tuple[Callable[[int, int], None], int]] = {
    "smtplib, 1 session": (one_session, 500),
    "10 sessions": (ten_sessions, 1000),
    **({"smtp-source, 10 sessions": (smtp_source, 2000)} if _SMTP_SOURCE else {}),
    "pipelined": (pipelined, 1000),
    "a session per message": (session_per_message, 300),
    "25 MiB": (one_large, 1),
}


def rate(kind: str, load: Callable[[int, int], None], count: int) -> tuple[float, float]:
    """Return messages per second, and the memory of the server above idle in MiB."""
    with server(kind) as (port, process):
        session_per_message(port, 5)
        idle = _memory(process, "VmRSS")
        began = time.perf_counter()
        load(port, count)
        return count / (time.perf_counter() - began), _memory(process, "VmHWM") - idle


def _memory(process: int, field: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
    return 0.0


def main(rounds: int) -> None:
    """Print a row for each load."""
    for name, (load, count) in LOADS.items():
        pairs = [(rate("ours", load, count), rate("aiosmtpd", load, count)) for _ in range(rounds)]
        ratio = statistics.median(ours[0] / theirs[0] for ours, theirs in pairs)
        ours, theirs = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
        line = f"{name:24} {ratio:5.2f} times ({ours:8.1f}/s against {theirs:8.1f}/s)"
        if load is one_large:
            memory = [statistics.median(pair[side][1] for pair in pairs) for side in (0, 1)]
            line += f", memory {memory[0]:.0f} MiB against {memory[1]:.0f} MiB"
        print(line, flush=True)  # noqa: T201
    pairs = [(rate("verbose", one_session, 500), rate("ours", one_session, 500)) for _ in range(rounds)]
    ratio = statistics.median(verbose[0] / quiet[0] for verbose, quiet in pairs)
    print(f"{'log level DEBUG':24} {ratio:5.2f} times our own rate without", flush=True)  # noqa: T201


if __name__ == "__main__":
    if "--ours" in sys.argv:
        serve_ours()
    elif "--verbose" in sys.argv:
        serve_verbose()
    elif "--aiosmtpd" in sys.argv:
        serve_aiosmtpd()
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
