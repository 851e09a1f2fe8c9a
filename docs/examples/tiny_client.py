"""A sample library: an SMTP client with one promise, which its tests hold against a server that fails.

`deliver` returns when the server has the message, and raises `SendError` otherwise, in time.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from dataclasses import dataclass

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")


class SendError(Exception):
    """The message was not accepted, or nobody knows; `code` is the server's reply, or 0."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Connection:
    """A dialogue in which every wait ends at `deadline`, a moment of the monotonic clock."""

    link: socket.socket
    deadline: float

    def say(self, command: str) -> None:
        """Send a line."""
        self.send(command.encode("ascii") + b"\r\n")

    def send(self, octets: bytes) -> None:
        """Send octets as they are."""
        self.link.settimeout(max(self.deadline - time.monotonic(), 0.001))
        self.link.sendall(octets)

    def expect(self, code: int) -> list[str]:
        """Read a reply, and return its lines; another code is an error (RFC 5321 4.2)."""
        lines: list[str] = []
        while not lines or lines[-1][3:4] == "-":
            line = self._line()
            if re.fullmatch(r"[2-5]\d\d([ -].*)?", line) is None or len(lines) == 100:
                raise SendError(f"the server talks no SMTP: {line[:40]!r}")
            lines.append(line)
        if lines[-1][:3] != str(code):
            raise SendError(lines[-1], int(lines[-1][:3]))
        return [line[4:] for line in lines]

    def _line(self) -> str:
        """Read a line, octet by octet, so that nothing that belongs to TLS is read before it."""
        line = b""
        while not line.endswith(b"\n"):
            self.link.settimeout(max(self.deadline - time.monotonic(), 0.001))
            octet = self.link.recv(1)
            if not octet or len(line) == 1000:
                raise SendError("the server closed the connection" if not octet else "a reply without end")
            line += octet
        return line.decode("latin-1").rstrip("\r\n")


def deliver(
    address: tuple[str, int],
    sender: str,
    recipient: str,
    content: bytes,
    trust: ssl.SSLContext,
    timeout: float,
) -> None:
    """Send a message over verified TLS.

    Args:
        address: the server's host and port.
        sender: the reverse-path.
        recipient: the forward-path.
        content: the message, in any line ends.
        trust: verifies the server.
        timeout: seconds for all of it.

    Raises:
        ValueError: an address that cannot stand in a command.
        SendError: the message was not accepted, or nobody knows.
    """
    for mailbox in (sender, recipient):
        if _MAILBOX.fullmatch(mailbox) is None:
            raise ValueError(f"not an address: {mailbox!r}")
    deadline = time.monotonic() + timeout
    try:
        with socket.create_connection(address, timeout) as plain:
            begin(Connection(plain, deadline))
            with trust.wrap_socket(plain, server_hostname=address[0]) as link:
                transact(Connection(link, deadline), sender, recipient, content)
    except OSError as problem:
        raise SendError(f"no answer: {problem}") from problem


def begin(connection: Connection) -> None:
    """Go as far as the handshake; without STARTTLS nothing is sent."""
    connection.expect(220)
    connection.say("EHLO tiny.example.com")
    if "STARTTLS" not in connection.expect(250):
        raise SendError("the server offers no TLS")
    connection.say("STARTTLS")
    connection.expect(220)


def transact(connection: Connection, sender: str, recipient: str, content: bytes) -> None:
    """Hand the message over; once it is accepted, what happens to QUIT does not matter."""
    connection.say("EHLO tiny.example.com")
    connection.expect(250)
    connection.say(f"MAIL FROM:<{sender}>")
    connection.expect(250)
    connection.say(f"RCPT TO:<{recipient}>")
    connection.expect(250)
    connection.say("DATA")
    connection.expect(354)
    lines = re.split(rb"\r\n|\r|\n", content)
    dotted = [b"." + line if line.startswith(b".") else line for line in lines]
    connection.send(b"\r\n".join([*dotted, b".", b""]))
    connection.expect(250)
    goodbye = Connection(connection.link, min(connection.deadline, time.monotonic() + 1))
    try:
        goodbye.say("QUIT")
        goodbye.expect(221)
    except (OSError, SendError):
        return


def field(name: str, value: str) -> str:
    """Return a header field.

    Raises:
        ValueError: its value would begin another one.
    """
    if _CONTROL.search(value):
        raise ValueError(f"{name} has control characters: {value!r}")
    return f"{name}: {value}\r\n"
