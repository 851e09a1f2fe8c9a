"""Work of a size: `growth.py WHAT SIZE` prints seconds of the processor, with `memory` MiB at most.

Each captures with a server of ours in this process, and then looks at what was captured as a test and its
report do: messages, transactions, the verdict on the sessions. Memory is what Python allocates beyond what
was there before the work, so it is exact, and it is measured apart because that takes its time.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pytest_smtp4d import SMTPServer
from pytest_smtp4d.mail.parse import mail_convert_from_mime
from pytest_smtp4d.report.links import links_of

ENVELOPE = b"MAIL FROM:<ada@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
HEADER = (
    b"From: ada@example.com\r\nTo: bob@example.org\r\nDate: Thu, 01 Jan 2026 09:30:00 +0000\r\n"
    b"Message-ID: <%d@example.com>\r\nSubject: Number %d\r\n"
)
LINE = b"A line of text, as long as most lines of a mail are.\r\n"


class Client:
    """Writes octets and counts replies."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""
        self.say(b"", 1)
        self.say(b"EHLO client.example.com\r\n", 1)

    def say(self, octets: bytes, replies: int) -> None:
        """Write octets, and read the replies to them."""
        if octets:
            self._socket.sendall(octets)
        while replies:
            received = self._socket.recv(65_536)
            if not received:
                raise EOFError("the server closed the connection")
            *lines, self._unread = (self._unread + received).split(b"\n")
            replies -= sum(1 for line in lines if line[3:4] != b"-")

    def message(self, number: int, rest: bytes = b"\r\n" + LINE * 10, envelope: bytes = ENVELOPE) -> None:
        """Send a message."""
        self.say(envelope, envelope.count(b"\n"))
        self.say(HEADER % (number, number) + rest + b".\r\n", 1)

    def quit(self) -> None:
        """Say QUIT."""
        self.say(b"QUIT\r\n", 1)
        self._socket.close()


@contextmanager
def captured(*, judged: bool = True) -> Iterator[tuple[SMTPServer, Client]]:
    """Give a server and a client in a session; look at everything when the block ends."""
    with SMTPServer(tls="none", size_limit=None, recipient_limit=None) as server:
        client = Client(server.port)
        yield server, client
        client.quit()
        if judged:
            look_at(server)


def look_at(server: SMTPServer) -> None:
    """Look at everything, as a test, its verdict and its report do."""
    for session in server.sessions:
        assert not session.violations, session.violations[:3]
        assert session.commands
        assert session.transcript.brief()
    for transaction in server.transactions:
        assert transaction.rcpt_to
    for message in server.messages:
        assert message.subject


# -- captured ------------------------------------------------------------------------------------------------


def messages(size: int) -> None:
    """So many messages in one session."""
    with captured() as (server, client):
        for number in range(size):
            client.message(number)
    assert len(server.messages) == size


def recipients(size: int) -> None:
    """So many recipients of one message."""
    names = b"".join(b"RCPT TO:<bob-%d@example.org>\r\n" % number for number in range(size))
    with captured() as (server, client):
        client.message(0, envelope=b"MAIL FROM:<ada@example.com>\r\n" + names + b"DATA\r\n")
    assert server.messages.one().rcpt_to[-1] == f"bob-{size - 1}@example.org"


def octets(size: int) -> None:
    """A message of so many octets, whose text is read."""
    with captured() as (server, client):
        client.message(0, b"\r\n" + LINE * (size // len(LINE)))
    text = server.messages.one().text_body or ""
    assert len(text.splitlines()) == size // len(LINE)


def nesting(size: int) -> None:
    """A message of so many parts, each within the one before; what is wrong with it is looked for, too."""
    heads = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (depth, depth)
        for depth in range(size)
    )
    tails = b"".join(b"\r\n--b%d--\r\n" % depth for depth in reversed(range(size)))
    with captured() as (server, client):
        client.message(0, b"MIME-Version: 1.0\r\n" + heads + b"\r\ntext" + tails)
    message = server.messages.one()
    assert (message.text_body or "").strip() == "text"
    assert isinstance(message.problems, tuple)


def sessions(size: int) -> None:
    """So many sessions, each with a message."""
    with captured() as (server, client):
        for number in range(size):
            other = Client(server.port)
            other.message(number)
            other.quit()
        client.message(size)
    assert len(server.sessions) == size + 1


def links(size: int) -> None:
    """A message with so many links, as a test reads them and as the report lists them."""
    anchors = b"".join(
        b'<p>Look at <a href="https://example.com/%d">number %d</a>.</p>\r\n' % (n, n) for n in range(size)
    )
    head = b"MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    with captured() as (server, client):
        client.message(0, head + anchors)
    message = server.messages.one()
    assert len(message.links()) == len(links_of(message.html_body, None)) == size
    assert f"number {size - 1}" in message.visible_text


def wait(size: int) -> None:
    """Waits for the last of so many messages, one that sees all of them arrive and one that comes later."""
    found: list[object] = []
    with captured(judged=False) as (server, client):
        last = re.compile(f"^Number {size - 1}$")
        waiting = threading.Thread(
            target=lambda: found.append(server.messages.one(timeout=300, subject=last, to="bob@example.org"))
        )
        waiting.start()
        for number in range(size):
            client.message(number)
        waiting.join()
        assert found == [server.messages.one(timeout=5, subject=last)]
        assert len(server.messages.wait_for(size, timeout=5, to="bob@example.org")) == size


# -- read ----------------------------------------------------------------------------------------------------


SHAPES: dict[str, Callable[[int], bytes]] = {
    "long-text": lambda size: b"Subject: x\r\n\r\n" + LINE * (size // len(LINE)),
    "long-base64": lambda size: (
        b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"QUJD" * 19 * (size // 76)
    ),
    "quoted-printable": lambda size: (
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        + b"caf=C3=A9 with a blank at the end \r\n" * (size // 36)
    ),
    "long-field": lambda size: b"Subject: " + b"x" * size + b"\r\n\r\nbody",
    "many-fields": lambda size: b"X-Field: value\r\n" * (size // 16) + b"\r\nbody",
    "many-folds": lambda size: b"Subject: x" + b"\r\n x" * (size // 4) + b"\r\n\r\nbody",
    "many-addresses": lambda size: (
        b"To: " + b"Ann Example <ann@example.com>, " * (size // 31) + b"\r\n\r\nbody"
    ),
    "many-encoded-words": lambda size: b"Subject: " + b"=?utf-8?q?=C3=A4?= " * (size // 19) + b"\r\n\r\nbody",
    "open-brackets": lambda size: b"To: " + b'(<"' * (size // 3) + b"\r\n\r\nbody",
    "many-parts": lambda size: (
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
        + b"--x\r\n\r\ntext\r\n" * (size // 13)
        + b"--x--\r\n"
    ),
    "deep-parts": lambda size: b"".join(
        b"Content-Type: multipart/mixed; boundary=b%06d\r\n\r\n--b%06d\r\n" % (level, level)
        for level in range(size // 60)
    ),
    "near-delimiters": lambda size: (
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n" + b"--y\r\n" * (size // 5) + b"--x--"
    ),
}
"""Mails of so many octets that make a careless reader slow."""


def reader(make: Callable[[int], bytes]) -> Callable[[int], None]:
    """Return what reads a mail of a shape."""

    def read(size: int) -> None:
        assert mail_convert_from_mime(make(size))

    return read


WORK: dict[str, Callable[[int], None]] = {
    "messages": messages,
    "recipients": recipients,
    "octets": octets,
    "nesting": nesting,
    "sessions": sessions,
    "links": links,
    "wait": wait,
    **{f"read-{name}": reader(make) for name, make in SHAPES.items()},
}


def main() -> None:
    """Do the work once, and print what it took."""
    work, size = WORK[sys.argv[1]], int(sys.argv[2])
    work(1 if sys.argv[1] in ("messages", "recipients", "nesting", "sessions", "links", "wait") else 100)
    if sys.argv[3:] == ["memory"]:
        tracemalloc.start()
        work(size)
        print(tracemalloc.get_traced_memory()[1] / 2**20)  # noqa: T201
        return
    began = time.process_time()
    work(size)
    print(time.process_time() - began)  # noqa: T201


if __name__ == "__main__":
    main()
