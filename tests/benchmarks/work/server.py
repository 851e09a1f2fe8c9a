"""A server to be measured, as a process: `server.py ours`, `server.py debug` or `server.py aiosmtpd`.

It prints its port, and for each line on standard input how many messages it has, until the input ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

Count = Callable[[], int]


@contextlib.contextmanager
def ours() -> Iterator[tuple[int, Count]]:
    """Yield our server, with everything recorded, as a test has it."""
    from pytest_smtp4d import SMTPServer

    with SMTPServer(tls="none") as server:
        yield server.port, lambda: len(server.messages)


@contextlib.contextmanager
def debug() -> Iterator[tuple[int, Count]]:
    """Yield our server while every log record is formatted, as pytest does under `log_level = DEBUG`."""
    with Path(os.devnull).open("w") as nowhere:
        logging.basicConfig(level=logging.DEBUG, stream=nowhere)
        with ours() as server:
            yield server


@contextlib.contextmanager
def aiosmtpd() -> Iterator[tuple[int, Count]]:
    """Yield aiosmtpd's Controller with a handler that keeps envelope and octets, as a test needs them."""
    from aiosmtpd.controller import Controller

    messages: list[tuple[object, ...]] = []

    class Keep:
        async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802
            sender, recipients = envelope.mail_from, list(envelope.rcpt_tos)  # type: ignore[attr-defined]
            messages.append((sender, recipients, envelope.content))  # type: ignore[attr-defined]
            return "250 OK"

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(Keep(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port, lambda: len(messages)
    finally:
        controller.stop()


SERVERS = {"ours": ours, "debug": debug, "aiosmtpd": aiosmtpd}


def main() -> None:
    """Serve until standard input ends."""
    with SERVERS[sys.argv[1]]() as (port, count):
        print(port, flush=True)  # noqa: T201
        for _ in sys.stdin:
            print(count(), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
