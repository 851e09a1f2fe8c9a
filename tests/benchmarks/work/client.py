"""A client that a server is measured with, as a process: `client.py SHAPE PORT COUNT` prints seconds.

The shapes are `smtplib`, `pipelined` and `large`, whose count is the octets of its one message. `WARM_UP`
messages more are sent before the clock runs.
"""

from __future__ import annotations

import smtplib
import socket
import sys
import time

WARM_UP = 20
SENDER, RECIPIENT = "ada@example.com", "bob@example.org"
HEADER = (
    b"From: Ada <ada@example.com>\r\nTo: Bob <bob@example.org>\r\nSubject: Benchmark\r\n"
    b"Date: Thu, 01 Jan 2026 09:30:00 +0000\r\nMessage-ID: <one@example.com>\r\n\r\n"
)


def of_size(octets: int, line: bytes) -> bytes:
    """Return a message of so many octets, the lines of its body alike."""
    lines = (octets - len(HEADER)) // len(line)
    return HEADER + line * lines + b"x" * (octets - len(HEADER) - lines * len(line) - 2) + b"\r\n"


MESSAGE = of_size(1024, b"A line of text, as long as most lines of a mail are, ends here.\r\n")
ENVELOPE = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n".encode()


class Raw:
    """A client that writes octets and counts replies."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""
        self.replies(1)
        self.send(b"EHLO client.example.com\r\n", 1)

    def replies(self, count: int) -> None:
        """Read so many replies, none of which may refuse."""
        while count:
            line, end, rest = self._unread.partition(b"\n")
            if not end:
                octets = self._socket.recv(65_536)
                if not octets:
                    raise EOFError("the server closed the connection")
                self._unread += octets
                continue
            self._unread = rest
            if line[:1] not in b"23":
                raise ValueError(f"the server said {line!r}")
            count -= line[3:4] != b"-"

    def send(self, octets: bytes, replies: int) -> None:
        """Write octets, and read the replies to them."""
        self._socket.sendall(octets)
        self.replies(replies)

    def close(self) -> None:
        """Say QUIT."""
        self.send(b"QUIT\r\n", 1)
        self._socket.close()


def by_smtplib(port: int, count: int) -> float:
    """Send with smtplib over one connection."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.com") as client:
        for _ in range(WARM_UP):
            client.sendmail(SENDER, [RECIPIENT], MESSAGE)
        began = time.perf_counter()
        for _ in range(count):
            client.sendmail(SENDER, [RECIPIENT], MESSAGE)
        return time.perf_counter() - began


def pipelined(port: int, count: int) -> float:
    """Send MAIL, RCPT and DATA in one segment with the content of the message before (RFC 2920 3.1)."""
    client = Raw(port)

    def send(messages: int) -> None:
        client.send(ENVELOPE, 3)
        for _ in range(messages - 1):
            client.send(MESSAGE + b".\r\n" + ENVELOPE, 4)
        client.send(MESSAGE + b".\r\n", 1)

    send(WARM_UP)
    began = time.perf_counter()
    send(count)
    passed = time.perf_counter() - began
    client.close()
    return passed


def large(port: int, size: int) -> float:
    """Send one message of so many octets, after small ones, when told to."""
    octets = of_size(size, b"QUJD" * 19 + b"\r\n") + b".\r\n"
    client = Raw(port)
    for _ in range(WARM_UP):
        client.send(ENVELOPE, 3)
        client.send(MESSAGE + b".\r\n", 1)
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    began = time.perf_counter()
    client.send(ENVELOPE, 3)
    client.send(octets, 1)
    passed = time.perf_counter() - began
    client.close()
    return passed


SHAPES = {"smtplib": by_smtplib, "pipelined": pipelined, "large": large}


if __name__ == "__main__":
    shape, port, count = sys.argv[1:4]
    print(SHAPES[shape](int(port), int(count)), flush=True)  # noqa: T201
