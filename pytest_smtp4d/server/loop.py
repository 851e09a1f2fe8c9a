"""The one background event loop of the process, in its own thread, for all servers.

It starts with the first server and ends with the process (or by `stop`). A fork leaves it to the parent, and
the child starts its own.
"""

from __future__ import annotations

import atexit
import os
import select
import selectors
import socket
import threading
from typing import TYPE_CHECKING, TypeVar

from pytest_smtp4d import clock
from pytest_smtp4d.server.selector import make_selector

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Iterable

__all__ = ["LoopThread", "current", "stop"]

_T = TypeVar("_T")


LOOK = 1.0
"""Seconds after which somebody who waits for the loop looks whether it still runs."""

LATER = 0.1
"""Seconds after which it is tried again to make the loop."""

_IS_SEEN_AT_ONCE = hasattr(selectors, "EpollSelector")
"""Whether another thread can add a descriptor while the loop waits: an epoll can be."""


class LoopThread:
    """A thread, and the event loop that runs in it as soon as there is something to do.

    Until somebody connects, or asks for the loop, the thread waits at the listening sockets: where nobody
    connects to a server, nothing of asyncio is imported.
    """

    def __init__(self) -> None:
        self._selector = make_selector()
        self._guard = threading.RLock()  # a signal handler may ask while its thread holds it
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: socket.socket | None = None
        self.at_end: set[Callable[[], Coroutine[object, object, object]]] = set()
        """Coroutines to run before the loop closes."""
        if not _IS_SEEN_AT_ONCE:
            self.make()
        self._thread = threading.Thread(target=self._run, name="smtp4d", daemon=True)
        self._thread.start()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop, made when it is first asked for, by any thread."""
        return self.make() if self._loop is None else self._loop

    def make(self) -> asyncio.AbstractEventLoop:
        """Make the event loop, unless that is done, and return it.

        Raises:
            OSError: there is no descriptor left for it.
        """
        from pytest_smtp4d.server.event_loop import EventLoop

        with self._guard:
            if self._loop is None:
                self._loop = EventLoop(self._selector)
            return self._loop

    def _run(self) -> None:
        while self._loop is None:
            self._selector.wait()
            if self._end is not None:
                self._selector.close()
                self._end.close()
                return
            try:
                self.make()
            except OSError:  # the process has no descriptor left: somebody will close one
                clock.sleep(LATER)
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(self._leave())
        finally:
            self.loop.close()

    async def _leave(self) -> None:
        import asyncio

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
        import asyncio
        from concurrent.futures import CancelledError, wait

        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except RuntimeError:  # the loop is closed
            coroutine.close()
            raise CancelledError from None
        while self.is_alive:  # what was given to a loop that is just ending is never run
            if wait((future,), LOOK).done:
                return future.result()
        future.cancel()
        return future.result()

    def watch(self, watched: socket.socket, before: int, events: int, ready: Callable[[int], None]) -> None:
        """Watch a socket for other events than before, 0 for none; in the loop's thread.

        Args:
            watched: the socket.
            before: what it was watched for; 0: nothing.
            events: `selectors.EVENT_READ` and `selectors.EVENT_WRITE`.
            ready: called in the loop with those that happened.
        """
        if not events:
            self._selector.unregister(watched)
        elif before:
            self._selector.modify(watched, events, ready)
        else:
            self._selector.register(watched, events, ready)

    def listen(self, listening: socket.socket, accept: Callable[[int], None]) -> None:
        """Call `accept` in the loop whenever a connection waits at a listening socket; from any thread.

        A server that nobody connects to starts and stops without the loop waking up, which would cost more
        than all the rest.
        """
        if _IS_SEEN_AT_ONCE or self.is_current:
            self._selector.register(listening, selectors.EVENT_READ, accept)
        else:
            self.loop.call_soon_threadsafe(self._selector.register, listening, selectors.EVENT_READ, accept)

    def stop_watching(self, listening: socket.socket) -> None:
        """Stop watching a listening socket; from any thread. A call that is on its way may still come."""

        async def stop() -> None:
            self._selector.unregister(listening)

        if _IS_SEEN_AT_ONCE or self.is_current:
            self._selector.unregister(listening)
        elif self.is_alive:
            self.run(stop())

    @staticmethod
    def is_called(watched: Iterable[socket.socket]) -> bool:
        """Return whether a connection, or octets, wait at one of these open sockets."""
        sockets = tuple(watched)
        if not hasattr(select, "poll"):  # Windows
            return bool(sockets and select.select(sockets, (), (), 0)[0])
        glance = select.poll()
        for one in sockets:
            glance.register(one, select.POLLIN)
        return bool(glance.poll(0))

    def stop(self) -> None:
        """End the loop and its thread."""
        if not self._thread.is_alive():
            return
        with self._guard:
            if self._loop is None and not self.at_end:
                self._end, other = socket.socketpair()
                other.close()
                self._selector.register(self._end, selectors.EVENT_READ)  # it is ready: the thread looks up
        if self._end is None:
            self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()


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
