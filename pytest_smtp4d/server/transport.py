"""The octets of one accepted connection: an asyncio transport that the loop's selector calls directly.

asyncio's own transport is told of octets by way of a handle, a context and four calls for each receive, which
cost a session more than what it does with them. This one is called from `loop.LoopThread` as soon as the
selector knows. To its protocol it behaves as asyncio's does: `connection_made`,
`data_received`, `eof_received`, `pause_writing`, `resume_writing`, and in a later turn `connection_lost`.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_smtp4d.server.loop import LoopThread

__all__ = ["SocketTransport"]

RECEIVED = 65_536
"""Octets that are received at once at most; for twice as many, memory is mapped anew each time."""

HIGH_WATER = 65_536
"""Octets that wait for a client to read before the protocol is told to stop."""

LOW_WATER = HIGH_WATER // 4
"""Octets that may still wait when it is told to go on."""


class SocketTransport(asyncio.Transport):
    """A connection that was accepted; it begins with its construction, in the loop's thread.

    Args:
        thread: the loop it lives in.
        accepted: the socket, which does not block; closed in the end.
        peer: (host, port, …) of the client.
        protocol: is told of everything.
    """

    def __init__(
        self,
        thread: LoopThread,
        accepted: socket.socket,
        peer: tuple[object, ...],
        protocol: asyncio.Protocol,
    ) -> None:
        super().__init__({"socket": accepted, "peername": peer})
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._thread = thread
        self._socket = accepted
        self._protocol = protocol
        self._unsent = bytearray()
        self._watched = 0
        self._is_closing = self._is_lost = self._has_eof = self._is_full = False
        self._reads = True
        try:
            protocol.connection_made(self)
        except Exception:
            self._lose(None)
            raise
        self._watch()

    # -- octets in ------------------------------------------------------------------------------------------

    def _ready(self, events: int) -> None:
        """Take what the selector found: octets, room for octets, or the end of the connection."""
        if events & EVENT_WRITE and self._unsent:
            self._send_unsent()
        if not events & EVENT_READ or not self._reads or self._is_closing:
            return
        try:
            octets = self._socket.recv(RECEIVED)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        try:
            if octets:
                self._protocol.data_received(octets)
            elif self._protocol.eof_received():
                self.pause_reading()
            else:
                self.close()
        except Exception:
            self._lose(None)
            raise

    def is_reading(self) -> bool:
        """Return whether octets are taken as they come."""
        return self._reads and not self._is_closing

    def pause_reading(self) -> None:
        """Leave what comes where it is."""
        self._reads = False
        self._watch()

    def resume_reading(self) -> None:
        """Take again what comes."""
        self._reads = True
        self._watch()

    # -- octets out -----------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send octets now, as far as there is room; the rest as there will be. After the end, none."""
        if self._is_closing or self._has_eof:
            return
        if not self._unsent:
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._lose(error)
                return
            if sent == len(data):
                return
            data = data[sent:]
        self._unsent += data
        self._watch()
        if len(self._unsent) > HIGH_WATER and not self._is_full:
            self._is_full = True
            self._protocol.pause_writing()

    def _send_unsent(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        del self._unsent[:sent]
        if self._is_full and len(self._unsent) <= LOW_WATER:
            self._is_full = False
            self._protocol.resume_writing()
        if not self._unsent:
            self._watch()
            if self._is_closing:
                self._lose(None)
            elif self._has_eof:
                self._shut_down()

    def _shut_down(self) -> None:
        with suppress(OSError):  # the client is gone already
            self._socket.shutdown(socket.SHUT_WR)

    def get_write_buffer_size(self) -> int:
        """Return how many octets wait for the client to read."""
        return len(self._unsent)

    def can_write_eof(self) -> bool:
        """Return that one direction can be closed alone."""
        return True

    def write_eof(self) -> None:
        """Close this direction when all is sent."""
        if not (self._is_closing or self._has_eof):
            self._has_eof = True
            if not self._unsent:
                self._shut_down()

    # -- the end --------------------------------------------------------------------------------------------

    def is_closing(self) -> bool:
        """Return whether the connection is closed, or will be when all is sent."""
        return self._is_closing

    def close(self) -> None:
        """Close when all is sent."""
        if not self._is_closing:
            self._is_closing = True
            if self._unsent:
                self._watch()
            else:
                self._lose(None)

    def abort(self) -> None:
        """Close now."""
        self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        if not self._is_lost:
            self._is_closing = self._is_lost = True
            self._unsent.clear()
            self._watch()
            self._thread.loop.call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._socket.close()

    def _watch(self) -> None:
        """Let the selector watch for what can be done now."""
        reads = EVENT_READ if self._reads and not self._is_closing else 0
        events = reads | (EVENT_WRITE if self._unsent else 0)
        if events != self._watched:
            self._thread.watch(self._socket, self._watched, events, self._ready)
            self._watched = events
