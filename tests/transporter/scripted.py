"""A peer that follows a script on a socket of its own, and knows nothing of this package."""

from __future__ import annotations

import base64
import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 10.0
"""Seconds after which a peer that waits gives up, so that a failing test ends."""


class Line:
    """One accepted connection, as the script sees it."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._unread = b""

    def say(self, *lines: str | bytes) -> None:
        """Send lines; text gets its CRLF, octets go as they are."""
        for line in lines:
            self.socket.sendall(line if isinstance(line, bytes) else f"{line}\r\n".encode())

    def hear(self) -> str:
        """Read one line; "" at the end."""
        while b"\r\n" not in self._unread:
            octets = self.socket.recv(65536)
            if not octets:
                return ""
            self._unread += octets
        line, _, self._unread = self._unread.partition(b"\r\n")
        return line.decode()

    def hear_octets(self, count: int) -> bytes:
        """Read so many octets."""
        while len(self._unread) < count:
            self._unread += self.socket.recv(65536)
        octets, self._unread = self._unread[:count], self._unread[count:]
        return octets

    def hear_auth(self) -> tuple[str, str, str]:
        """Read AUTH; return verb, mechanism and the initial response, decoded."""
        verb, mechanism, initial = self.hear().split(" ")
        return verb, mechanism, base64.b64decode(initial).decode()

    def challenge(self, text: str) -> None:
        """Send a 334 with a challenge."""
        self.say(f"334 {base64.b64encode(text.encode()).decode()}")

    def hear_content(self) -> bytes:
        """Read up to the final dot line."""
        content = b""
        while (line := self.hear()) != ".":
            content += f"{line}\r\n".encode()
        return content

    def wait_for_end(self) -> None:
        """Read until the client is gone, and answer its QUIT."""
        with contextlib.suppress(OSError):
            while octets := self.socket.recv(65536):
                if octets.endswith(b"QUIT\r\n"):
                    self.say("221 bye")

    def reset(self) -> None:
        """Close with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def open_session(self, *keywords: str) -> None:
        """Greet and answer EHLO."""
        self.say("220 mx.example.com")
        self.hear()
        self.say(*(f"250-{keyword}" for keyword in ("mx.example.com", *keywords)), "250 HELP")

    def take_message(self, *replies: str) -> bytes:
        """Answer MAIL, one RCPT, DATA and content, sent one by one; return the content."""
        for reply in ("250 OK", "250 OK", "354 go"):
            self.hear()
            self.say(reply)
        content = self.hear_content()
        self.say(*(replies or ("250 2.0.0 Queued",)))
        return content


class ScriptedServer:
    """Listens on loopback; the n-th connection gets the n-th script, the last one all that follow."""

    def __init__(self, *scripts: Callable[[Line], None]) -> None:
        self._scripts = scripts
        self._threads: list[threading.Thread] = []
        self._lines: list[Line] = []
        self.errors: list[BaseException] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._acceptor = threading.Thread(target=self._accept)

    @property
    def connections(self) -> int:
        """How many there were."""
        return len(self._lines)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(PATIENCE)
            line = Line(sock)
            script = self._scripts[min(len(self._lines), len(self._scripts) - 1)]
            self._lines.append(line)
            thread = threading.Thread(target=self._play, args=(script, line))
            self._threads.append(thread)
            thread.start()

    def _play(self, script: Callable[[Line], None], line: Line) -> None:
        try:
            script(line)
        except ConnectionError:
            pass  # a client may leave in the middle; the test looks at what it says of that
        except BaseException as error:  # noqa: BLE001 - raised again by the test, at the end
            self.errors.append(error)
        finally:
            line.socket.close()

    def __enter__(self) -> ScriptedServer:  # noqa: PYI034 - typing.Self came with 3.11
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not self.errors, self.errors
