"""The listening socket of a running server, and its connections in the loop.

The port is held by a second socket, which never listens, so that a server that is down keeps it.
"""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING, Any

from pytest_smtp4d.server import loop

if TYPE_CHECKING:
    from pytest_smtp4d.server.entrance import Entrance
    from pytest_smtp4d.server.state import ServerState
    from pytest_smtp4d.smtp.reply import Reply

__all__ = ["Listener", "prepare"]

BACKLOG = 1024
"""Connections that may wait to be accepted."""

RETRY = 0.1
"""Seconds after which accepting is tried again when the process has no descriptor left."""


def prepare() -> None:
    """Import what serves a connection and make the loop, in the caller's thread: no connection waits for it.

    This takes longer than starting and stopping a server, so a server that nobody connects to does not do it.
    """
    import pytest_smtp4d.records.duplicate
    import pytest_smtp4d.server.connection
    import pytest_smtp4d.server.transport  # noqa: F401

    loop.current().make()


MOST_TURNS = 1000
"""How often the loop turns, at most, for what has arrived to be heard."""


class Listener:
    """Takes connections for a server from now until `close`.

    Args:
        state: what the connections share.
        host, port: where to listen; port 0 lets the system choose.
        entrance: by what its connections differ from those at the server's own address.

    Raises:
        OSError: the port is taken, or the host has no such address.
    """

    def __init__(self, state: ServerState, host: str, port: int, entrance: Entrance | None = None) -> None:
        self._state = state
        self._entrance = entrance
        self._host = host
        self._guard = threading.RLock()  # a signal handler may ask while its thread holds it
        self._is_starved = self._is_paused = False
        self._loop = loop.current()
        self._socket, self._holder = _bind_both(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._listen()

    # -- from any thread -----------------------------------------------------------------------------------

    def _listen(self) -> None:
        self._socket.listen(BACKLOG)
        self._socket.setblocking(False)
        self._is_open, self._is_paused = True, False
        self._loop.at_end.add(self._leave)
        self._loop.listen(self._socket, self._accept)

    def close(self, reason: str) -> None:
        """Stop listening, give the port back and end all sessions; wait for a loop that is late."""
        self.suspend(reason)
        if self._holder is not None:
            self._holder.close()

    def suspend(self, reason: str) -> None:
        """Stop listening and end all sessions, but keep the port."""
        self._shut()
        if self._state.connections:
            self._run(self._end(reason))

    def resume(self) -> None:
        """Listen again on the same port."""
        self._loop = loop.current()
        if self._holder is None:
            self._socket, self._holder = _bind_both(self._host, self.port)
        else:
            self._socket = self._holder
            self._holder = _bind(self._host, self.port)
        self._listen()

    def drop(self, reply: Reply | None, abort: bool) -> None:
        """Close all sessions, each with a reply first where one is given."""
        self._run(self._drop(reply, abort))

    def renew(self, *, listed: bool) -> None:
        """Let all sessions go on in new records, where the server was cleared or reset."""
        if self._state.connections:
            self._run(self._renew(listed))

    def settle(self) -> None:
        """Wait until the loop has looked at all that has arrived so far."""
        with self._guard:  # a connection that is just being taken is seen before or after
            listening = (self._socket,) if self._is_open else ()
            is_idle = not (self._state.connections or self._loop.is_called(listening))
        if not is_idle:
            self._run(self._hear())

    def release_after_fork(self) -> None:
        """Give up this process's copies of the sockets, after a fork, and disturb nobody who uses them."""
        connections = (connection.descriptor for connection in self._state.connections)
        holder = -1 if self._holder is None else self._holder.fileno()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (self._socket.fileno(), holder, *connections):
            if descriptor >= 0:
                os.dup2(null, descriptor)
        os.close(null)

    def _shut(self) -> None:
        with self._guard:
            was_open, self._is_open = self._is_open, False
            is_watched = not self._is_paused
        if was_open:
            self._loop.at_end.discard(self._leave)
            if is_watched:
                self._loop.stop_watching(self._socket)
            self._socket.close()

    def _run(self, coroutine: Any) -> None:
        if self._loop.is_alive:
            self._loop.run(coroutine)
        else:
            coroutine.close()  # the loop ended before, and everything with it

    # -- in the loop ---------------------------------------------------------------------------------------

    def _accept(self, _: int) -> None:
        """Take the connections that wait."""
        with self._guard:
            while self._is_open:
                try:
                    accepted, peer = self._socket.accept()
                except BlockingIOError:
                    return
                except ConnectionError:
                    continue  # the client has given up already
                except OSError as error:
                    self._pause(error)
                    return
                self._is_starved = False
                self._welcome(accepted, peer)

    def _welcome(self, accepted: socket.socket, peer: Any) -> None:
        accepted.setblocking(False)
        target = None if self._entrance is None else self._entrance.arrived(peer[1])
        from pytest_smtp4d.server.connection import ServerConnection
        from pytest_smtp4d.server.transport import SocketTransport

        connection = ServerConnection(self._state, self._loop.loop, self._entrance, target)
        try:
            SocketTransport(self._loop, accepted, peer, connection)
        except Exception as error:  # noqa: BLE001 - kept until the verdict
            accepted.close()
            self._state.connections.discard(connection)
            self._state.failed(error, "the server at CONNECT")

    def _pause(self, error: OSError) -> None:
        """Wait for a descriptor to become free, instead of trying all the time; say so once."""
        if not self._is_starved:
            self._is_starved = True
            self._state.failed(error, "accepting connections")
        self._is_paused = True
        self._loop.stop_watching(self._socket)
        self._loop.loop.call_later(RETRY, self._retry)

    def _retry(self) -> None:
        with self._guard:
            if self._is_open and self._is_paused:
                self._is_paused = False
                self._loop.listen(self._socket, self._accept)

    async def _hear(self) -> None:
        """Let the loop turn until no session has anything left to hear, or one never stops."""
        for _ in range(MOST_TURNS):
            await _turn()
            connections = tuple(self._state.connections)
            unread = [one.unread for one in connections if one.unread is not None]
            if not any(one.is_turn_due for one in connections) and not self._loop.is_called(unread):
                break

    async def _end(self, reason: str) -> None:
        for connection in tuple(self._state.connections):
            connection.stop(reason)
        await _turn()

    async def _leave(self) -> None:
        """Leave a loop that ends under a running server."""
        with self._guard:
            self._is_open = False
            self._socket.close()
        await self._end("loop ended")

    async def _renew(self, listed: bool) -> None:
        for connection in tuple(self._state.connections):
            connection.renew(listed=listed)

    async def _drop(self, reply: Reply | None, abort: bool) -> None:
        for connection in tuple(self._state.connections):
            connection.drop(reply, abort)
        await _turn()


async def _turn() -> None:
    """Let the loop turn until a connection that just waited to be accepted has been heard."""
    import asyncio

    for _ in range(4):
        await asyncio.sleep(0)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio switches Nagle off on what is accepted: without, the reply after a TLS
    # handshake waits 40 ms for the acknowledgement of the session tickets.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise OSError(error.errno, f"cannot listen on {host} port {port}: {error.strerror}") from error
    return bound


def _bind_both(host: str, port: int) -> tuple[socket.socket, socket.socket | None]:
    """Return a socket to listen on, and one that never listens and holds the port while the first is closed.

    The second has to be bound before the first listens; where a system does not allow it, there is none.
    """
    listening = _bind(host, port)
    try:
        holder = _bind(host, listening.getsockname()[1])
    except OSError:
        return listening, None
    return listening, holder
