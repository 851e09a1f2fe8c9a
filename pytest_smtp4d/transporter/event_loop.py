"""Running a client's work in asyncio.

The loop's callbacks advance the work themselves: a reply that arrives is read, understood and answered
within the callback that reports it, and the task that waits for the whole is woken once, at its end. The
socket stays registered between waits, and one timer serves all waits for one deadline. Both are worth it:
registering a socket costs two system calls, and a timer, a future and a switch of tasks for each wait cost
more than the wait.

A loop without `add_reader` (Windows' default) runs the work in a thread of its executor.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytest_smtp4d.transporter.waiting import (
    DeadlineOver,
    Ready,
    Resolve,
    addresses,
    literal_addresses,
    run_blocking,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_smtp4d.transporter.waiting import Compute, Deadline, Work

__all__ = ["can_watch", "run_async", "run_in_thread"]

_T = TypeVar("_T")


def can_watch(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether a loop can tell when a socket is ready."""
    one, other = socket.socketpair()
    with one, other:
        try:
            loop.add_reader(one, int)
        except NotImplementedError:
            return False
        loop.remove_reader(one)
        return True


async def run_async(work: Work[_T]) -> _T:
    """Run `work` in the running loop, which looks names up; a cancellation is raised inside it."""
    run = _Run(work, asyncio.get_running_loop())
    try:
        run.advance()
        return await run.done
    except BaseException as error:
        run.interrupt(error)
        raise


async def run_in_thread(work: Work[_T]) -> _T:
    """Run `work` in a thread of the running loop's executor; when cancelled, return after the thread has."""
    cancelled = threading.Event()
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context()
    running = loop.run_in_executor(None, context.run, run_blocking, work, cancelled.is_set)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        cancelled.set()
        while not running.done():  # nobody else may use the client before the thread has left it
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        with suppress(Exception):
            running.result()
        raise


class _Run(Generic[_T]):
    """Work that runs in a loop, and the future of its result."""

    def __init__(self, work: Work[_T], loop: asyncio.AbstractEventLoop) -> None:
        self.done: asyncio.Future[_T] = loop.create_future()
        self._work = work
        self._loop = loop
        self._watch: _Watch | None = None  # that the work waits for
        self._pending: asyncio.Future[Any] | None = None  # the same
        self._deadline: Deadline | None = None  # that the timer is for
        self._timer: asyncio.TimerHandle | None = None

    def advance(self, answer: object = None) -> None:
        """Go on with the work, to its next wait or its end."""
        self._go_on(self._work.send, answer)

    def interrupt(self, error: BaseException) -> None:
        """End the work early; it cleans up, and its outcome is not asked for."""
        self._stop_waiting()
        if not self.done.done() or self.done.cancelled():
            with suppress(BaseException):
                self._work.throw(error)
        else:
            self.done.exception()  # looked at, or asyncio says that nobody did
        self._work.close()

    def _raise(self, error: BaseException) -> None:
        """Go on with the work by an exception where it waits."""
        self._go_on(self._work.throw, error)

    def _go_on(self, go_on: Callable[[Any], Ready | Resolve | Compute], answer: object) -> None:
        try:
            self._await(go_on(answer))
        except StopIteration as end:
            if not self.done.done():
                self.done.set_result(end.value)
            self._stop_waiting()
        except BaseException as error:
            if not self.done.done():
                self.done.set_exception(error if not isinstance(error, DeadlineOver) else _lost())
            self._stop_waiting()
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise  # as a task of asyncio does: it ends the loop too

    def _await(self, want: Ready | Resolve | Compute) -> None:
        if want.deadline is not self._deadline:
            self._set_timer(want.deadline)
        if isinstance(want, Ready):
            watch = want.watch
            if watch is None:
                watch = want.watch = _Watch(want, self._loop)
            self._watch = watch
            watch.wait(self, want.write)
            return
        try:
            self._pending = self._future(want)
        except Exception as error:  # noqa: BLE001 - raised again, inside the work
            self._raise(error)
            return
        self._pending.add_done_callback(self._arrived)

    def _future(self, want: Resolve | Compute) -> asyncio.Future[Any]:
        if not isinstance(want, Resolve):
            context = contextvars.copy_context()
            return self._loop.run_in_executor(None, context.run, want.function)
        literal = literal_addresses(want)
        if literal is None:
            look_up = self._loop.getaddrinfo(want.host, want.port, type=socket.SOCK_STREAM)
            return asyncio.ensure_future(_found(look_up), loop=self._loop)
        known: asyncio.Future[Any] = self._loop.create_future()
        known.set_result(literal)
        return known

    def _arrived(self, future: asyncio.Future[Any]) -> None:
        if future is not self._pending:
            if not future.cancelled():
                future.exception()  # looked at, or asyncio says that nobody did
            return
        self._pending = None
        if future.cancelled():
            self._raise(asyncio.CancelledError())
        elif (error := future.exception()) is not None:
            self._raise(error)
        else:
            self.advance(future.result())

    def _set_timer(self, deadline: Deadline) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._deadline = deadline
        self._timer = self._loop.call_later(deadline.remaining(), self._time_out)

    def _time_out(self) -> None:
        self._stop_waiting()
        if not self.done.done():
            self._raise(DeadlineOver())

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._deadline = self._timer = None
        if self._watch is not None:
            self._watch.run = None
            self._watch = None
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()


def _lost() -> RuntimeError:
    """Return what a call ends with whose end an exception struck that went to the loop."""
    return RuntimeError("an exception in the event loop interrupted the call: its outcome is not known")


async def _found(look_up: Any) -> Any:
    return addresses(await look_up)


class _Watch:
    """The registration of a socket with a loop. It outlives a run, and knows only the run that waits."""

    __slots__ = ("_loop", "_reads", "_socket", "_thread", "_writes", "run")

    def __init__(self, ready: Ready, loop: asyncio.AbstractEventLoop) -> None:
        self.run: _Run[Any] | None = None
        """What to advance when the socket is ready."""
        self._socket = ready.socket
        self._loop = loop
        self._thread = threading.get_ident()
        self._reads = False
        self._writes = False
        ready.close_watched = self.close

    def wait(self, run: _Run[Any], write: bool) -> None:
        """Advance `run` when the socket can be read, or, with `write`, when it can be read or written."""
        self.run = run
        if not self._reads:
            self._loop.add_reader(self._socket, self._is_ready)
            self._reads = True
        if write and not self._writes:
            self._loop.add_writer(self._socket, self._is_ready)
        elif self._writes and not write:
            self._loop.remove_writer(self._socket)
        self._writes = write

    def close(self) -> None:
        """Stop watching, then close: else the loop would take the next socket of that number for this."""
        loop = self._loop
        if loop.is_closed():
            self._socket.close()
        elif loop.is_running() and threading.get_ident() != self._thread:
            with suppress(RuntimeError):  # it was closed meanwhile
                loop.call_soon_threadsafe(self._close)
        else:
            self._close()

    def _close(self) -> None:
        self._stop()
        self._socket.close()

    def _is_ready(self) -> None:
        run, self.run = self.run, None
        if run is None:
            self._stop()  # an idle session that says something, or ends: the next use will see it
        else:
            run.advance()

    def _stop(self) -> None:
        if self._reads:
            self._loop.remove_reader(self._socket)
            self._reads = False
        if self._writes:
            self._loop.remove_writer(self._socket)
            self._writes = False
