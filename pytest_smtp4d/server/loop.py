"""The one background event loop of the process, in its own thread, for all servers.

It starts with the first server and ends with the process (or by `stop`). A fork leaves it to the parent, and
the child starts its own.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import select
import threading
from typing import TYPE_CHECKING, TypeVar

from pytest_smtp4d import clock

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

__all__ = ["LoopThread", "current", "stop"]

_T = TypeVar("_T")


BUFFER = 131_072
"""Octets that are received at once at most; twice as many take no less time, and 0.25 MiB more memory."""


class _Loop(asyncio.SelectorEventLoop):
    """A loop that goes by the real clock, and that a forked child neither closes nor complains about."""

    is_of_servers = True

    def __init__(self) -> None:
        super().__init__()
        self._process = os.getpid()

    def time(self) -> float:
        """Return seconds on a clock that no test can freeze."""
        return clock.monotonic()

    def __del__(self) -> None:
        if os.getpid() == self._process:
            super().__del__()


class LoopThread:
    """A running event loop and its thread."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop = _Loop()
        self.at_end: set[Callable[[], Coroutine[object, object, object]]] = set()
        """Coroutines to run before the loop closes."""
        self.buffer = memoryview(bytearray(BUFFER))
        """What the connections of this loop receive into, one at a time."""
        self._gate = _Gate(self)
        self._thread = threading.Thread(target=self._run, name="smtp4d", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(self._leave())
        finally:
            self.loop.close()
            self._gate.close()

    async def _leave(self) -> None:
        for leave in tuple(self.at_end):
            await leave()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def is_current(self) -> bool:
        """Whether the caller is in the loop's thread."""
        return threading.current_thread() is self._thread

    def run(self, coroutine: Coroutine[object, object, _T]) -> _T:
        """Run a coroutine in the loop and wait for what it returns, however late the loop is.

        Raises:
            RuntimeError: it was called in the loop itself, which would wait for itself.
            CancelledError: the loop ended.
        """
        if self.is_current:
            coroutine.close()
            raise RuntimeError("a server's own loop cannot wait for itself: call this in another thread")
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def listen(self, listening: socket.socket, accept: Callable[[], None]) -> None:
        """Call `accept` in the loop whenever a connection waits at a listening socket; from any thread."""
        self._gate.open(listening, accept)

    def stop_watching(self, listening: socket.socket) -> None:
        """Stop watching a listening socket; from any thread. A call that is on its way may still come."""
        self._gate.shut(listening)

    def is_called(self, listening: socket.socket) -> bool:
        """Return whether a connection may wait at a listening socket."""
        return self.is_alive and self._gate.is_called(listening)

    def stop(self) -> None:
        """End the loop and its thread."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()


class _EpollGate:
    """The listening sockets of all servers behind one descriptor that the loop watches.

    An epoll can be added to from any thread while it is waited for, so a server that nobody connects to
    starts and stops without the loop waking up, which would cost more than all the rest.
    """

    def __init__(self, thread: LoopThread) -> None:
        self._epoll = select.epoll()
        self._accepts: dict[int, Callable[[], None]] = {}
        thread.loop.add_reader(self._epoll.fileno(), self._admit)

    def _admit(self) -> None:
        for descriptor, _ in self._epoll.poll(0):
            accept = self._accepts.get(descriptor)
            if accept is not None:
                accept()

    def open(self, listening: socket.socket, accept: Callable[[], None]) -> None:
        self._accepts[listening.fileno()] = accept
        self._epoll.register(listening, select.EPOLLIN)

    def shut(self, listening: socket.socket) -> None:
        if self._accepts.pop(listening.fileno(), None) is not None:
            self._epoll.unregister(listening)

    def is_called(self, listening: socket.socket) -> bool:
        return any(descriptor == listening.fileno() for descriptor, _ in self._epoll.poll(0))

    def close(self) -> None:
        self._epoll.close()


class _LoopGate:
    """The listening sockets of all servers, each watched by the loop itself, where there is no epoll."""

    def __init__(self, thread: LoopThread) -> None:
        self._thread = thread

    def open(self, listening: socket.socket, accept: Callable[[], None]) -> None:
        self._thread.loop.call_soon_threadsafe(self._thread.loop.add_reader, listening, accept)

    def shut(self, listening: socket.socket) -> None:
        async def remove() -> None:
            self._thread.loop.remove_reader(listening)

        if self._thread.is_current:
            self._thread.loop.remove_reader(listening)
        else:
            self._thread.run(remove())

    def is_called(self, _: socket.socket) -> bool:
        return True  # it cannot be seen from outside the loop

    def close(self) -> None:
        """Nothing is held that the loop does not hold."""


_Gate: type[_EpollGate | _LoopGate] = _EpollGate if hasattr(select, "epoll") else _LoopGate

_lock = threading.Lock()
_current: LoopThread | None = None


def current() -> LoopThread:
    """Return the loop of this process, started if need be."""
    global _current  # noqa: PLW0603 - one per process is what it is for
    with _lock:
        if _current is None or not _current.is_alive:
            _current = LoopThread()
        return _current


def stop() -> None:
    """End the loop of this process, if there is one; the next server starts another."""
    global _current
    with _lock:
        loop_thread, _current = _current, None
    if loop_thread is not None:
        loop_thread.stop()


def _forget_in_child() -> None:
    global _current, _lock  # noqa: PLW0603 - the parent's thread does not exist here and may hold the lock
    _lock = threading.Lock()
    if _current is not None:
        _parents.append(_current)  # kept, so that nothing of it is closed here
    _current = None


_parents: list[LoopThread] = []

atexit.register(stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
