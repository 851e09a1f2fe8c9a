"""A client as it is written in a hurry: whatever a user typed goes into commands and fields as it is.

Do not copy it. It is here to show what a test with `smtp_injection` finds.
"""

from __future__ import annotations

import socket
from typing import IO


class CarelessClient:
    """Sends mail over a socket, without TLS, and trusts its input.

    Args:
        host: the server's host.
        port: the server's port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port

    def send(
        self, to: str, subject: str, text: str, *, name: str = "Customer", file_name: str = "note.txt"
    ) -> None:
        """Send a text with an attachment.

        Raises:
            OSError: the server refused something.
        """
        with (
            socket.create_connection(self._address, timeout=5) as connection,
            connection.makefile("rb") as replies,
        ):
            _read_reply(replies)
            for command in (
                "EHLO client.example.com",
                "MAIL FROM:<shop@example.com>",
                f"RCPT TO:<{to}>",
                "DATA",
                _content(to, subject, text, name, file_name),
                "QUIT",
            ):
                connection.sendall(f"{command}\r\n".encode())
                _read_reply(replies)


def _content(to: str, subject: str, text: str, name: str, file_name: str) -> str:
    """Write a mail by hand, up to and with the dot that ends it."""
    return (
        "Date: Wed, 25 Nov 2026 03:32:31 +0000\r\n"
        "From: shop@example.com\r\n"
        f'To: "{name}" <{to}>\r\n'
        f"Subject: {subject}\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=part\r\n"
        "\r\n"
        "--part\r\n"
        "\r\n"
        f"{text}\r\n"
        "--part\r\n"
        f'Content-Disposition: attachment; filename="{file_name}"\r\n'
        "\r\n"
        "Thank you.\r\n"
        "--part--\r\n"
        "."
    )


def _read_reply(replies: IO[bytes]) -> None:
    """Read one reply, of as many lines as it has."""
    line = replies.readline()
    while line[3:4] == b"-":
        line = replies.readline()
    if line[:1] not in (b"2", b"3"):
        raise OSError(f"the server said {line.decode('utf-8', 'replace').strip() or 'nothing'}")
