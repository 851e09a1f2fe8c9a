"""A raw client: octets out, octets in, so that a test says exactly what goes over the wire."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_smtp4d.server.server import SMTPServer

TIMEOUT = 5.0
"""Seconds after which a test that waits for the server fails."""


class RawClient:
    """A connection to a server.

    Args:
        server: whom to connect to; nothing is read yet.
        tls: begin with a TLS handshake.
    """

    def __init__(self, server: SMTPServer, *, tls: bool = False) -> None:
        self._server = server
        self.socket: socket.socket = socket.create_connection(server.address, timeout=TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        if tls:
            self.start_tls()

    def start_tls(self, context: ssl.SSLContext | None = None, server_hostname: str = "localhost") -> None:
        """Do the client's part of a handshake; raises what `ssl` raises."""
        context = context or self._server.client_context()
        self.socket = context.wrap_socket(self.socket, server_hostname=server_hostname)

    def send(self, octets: bytes) -> None:
        """Send octets as they are."""
        self.socket.sendall(octets)

    def reply(self) -> str:
        """Return the next reply, its lines joined by newlines, without the line ends."""
        lines = []
        while True:
            while b"\r\n" not in self._received:
                octets = self.socket.recv(65536)
                if not octets:
                    raise EOFError(f"the server closed; unread: {self._received!r}")
                self._received += octets
            line, self._received = self._received.split(b"\r\n", 1)
            lines.append(line.decode())
            if line[3:4] != b"-":
                return "\n".join(lines)

    def ask(self, line: bytes | str) -> str:
        """Send a command line and return the reply."""
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def code(self, line: bytes | str) -> int:
        """Send a command line and return the reply's code."""
        return int(self.ask(line)[:3])

    def open(self, hello: str = "EHLO client.example.com") -> str:
        """Read the greeting, say hello, and return the reply to it."""
        assert self.reply().startswith("220")
        return self.ask(hello)

    def envelope(self, *recipients: str, sender: str = "ada@example.com") -> None:
        """Begin a transaction, with one recipient unless several are named."""
        assert self.ask(f"MAIL FROM:<{sender}>").startswith("250")
        for recipient in recipients or ("bob@example.org",):
            assert self.ask(f"RCPT TO:<{recipient}>").startswith("250")

    def content(self, content: bytes) -> str:
        """Say DATA, send content (its dots are up to the caller) and the final dot, and return the reply."""
        assert self.ask("DATA").startswith("354")
        self.send(content + b".\r\n")
        return self.reply()

    def rest(self) -> bytes:
        """Return all that comes until the server closes; raises ConnectionResetError where it resets."""
        octets, self._received = self._received, b""
        while chunk := self.socket.recv(65536):
            octets += chunk
        return octets

    def is_silent(self, seconds: float = 0.15) -> bool:
        """Return whether nothing comes for that long, and the connection stays open."""
        self.socket.settimeout(seconds)
        try:
            octets = self.socket.recv(65536)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(TIMEOUT)
        self._received += octets
        return False

    def close(self) -> None:
        """Close without a word."""
        self.socket.close()


class Connect(Protocol):
    """What `connect` is."""

    def __call__(self, server: SMTPServer | None = None, *, tls: bool = False) -> RawClient:
        """Connect, to `smtp_server` unless another server is named."""
        ...


@pytest.fixture
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """A factory of raw clients, closed when the test ends."""
    with contextlib.ExitStack() as stack:

        def connect(server: SMTPServer | None = None, *, tls: bool = False) -> RawClient:
            client = RawClient(server or request.getfixturevalue("smtp_server"), tls=tls)
            stack.callback(client.close)
            return client

        yield connect


@pytest.fixture
def client(connect: Connect) -> RawClient:
    """A raw client of `smtp_server` that has read nothing yet."""
    return connect()
