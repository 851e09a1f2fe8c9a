"""Waiting for a socket or a name, in this thread or in a loop: what the work of a channel yields.

The one thing to know: work is a generator that says what it needs and until when, and knows of no thread and
no loop; `run_blocking` and `run_async` do nothing but wait for it, and raise inside it what came between.
"""

from __future__ import annotations

import asyncio
import select
import socket
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["Address", "Deadline", "Ready", "Resolve", "Work", "run_async", "run_blocking"]

_T = TypeVar("_T")
Address = tuple[int, Any]
"""An address family, and a socket address of it."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A wall: until when something may last, and which option said so."""

    at: float
    seconds: float
    option: str

    @classmethod
    def after(cls, seconds: float, option: str) -> Deadline:
        """Return the wall that stands `seconds` from now."""
        return cls(time.monotonic() + seconds, seconds, option)

    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.at - time.monotonic())

    def __str__(self) -> str:
        return f"{self.option} of {self.seconds:g} s is over"


class Ready:
    """Wait until the socket can be read, or, with `write`, until it can be read or written.

    A channel has one, and yields it again and again: to make what waits costs as much as waiting.
    """

    __slots__ = ("_poll", "deadline", "socket", "write")

    deadline: Deadline

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.write = False
        self._poll = select.poll() if hasattr(select, "poll") else None  # Windows has none
        if self._poll is not None:
            self._poll.register(sock, select.POLLIN)

    def until(self, deadline: Deadline, *, write: bool) -> Ready:
        """Return this, told until when and what for."""
        self.deadline = deadline
        self._wait_for(write)
        return self

    def is_readable(self) -> bool:
        """True when the socket can be read now."""
        self._wait_for(False)
        return self.within(0)

    def within(self, seconds: float) -> bool:
        """Wait, and return whether it came to that within so many seconds."""
        if self._poll is None:
            return any(select.select([self.socket], [self.socket] if self.write else [], [], seconds))
        return bool(self._poll.poll(seconds * 1000))

    def _wait_for(self, write: bool) -> None:
        if write is not self.write:
            self.write = write
            if self._poll is not None:
                self._poll.modify(self.socket, select.POLLIN | (select.POLLOUT if write else 0))


@dataclass(frozen=True, slots=True)
class Resolve:
    """Look a host up; the addresses come back as a list of (family, socket address)."""

    host: str
    port: int
    deadline: Deadline


Work = Generator["Ready | Resolve", Any, _T]


def run_blocking(work: Work[_T]) -> _T:
    """Do the work in this thread; what interrupts the waiting, a time-out or other, is raised inside it."""
    answer: Any = None
    wait = work.send
    try:
        while True:
            want = wait(answer)
            try:
                answer = _waited(want)
                wait = work.send
            except BaseException as error:  # noqa: BLE001 - raised again, where the work stands
                answer, wait = error, work.throw
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def run_async(work: Work[_T]) -> _T:
    """Do the work in the running loop, which looks names up; a cancellation is raised inside it."""
    answer: Any = None
    wait = work.send
    try:
        while True:
            want = wait(answer)
            try:
                answer = await (_resolve_async(want) if isinstance(want, Resolve) else _wait_async(want))
                wait = work.send
            except BaseException as error:  # noqa: BLE001 - raised again, where the work stands
                answer, wait = error, work.throw
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def _waited(want: Ready | Resolve) -> list[Address] | None:
    if isinstance(want, Resolve):
        return _resolve(want)
    if not want.within(want.deadline.remaining()):
        raise TimeoutError
    return None


async def _wait_async(want: Ready) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake(error: Exception | None = None) -> None:
        if not ready.done():
            ready.set_result(None) if error is None else ready.set_exception(error)

    timer = loop.call_later(want.deadline.remaining(), wake, TimeoutError())
    loop.add_reader(want.socket, wake)
    if want.write:
        loop.add_writer(want.socket, wake)
    try:
        await ready
    finally:
        timer.cancel()
        loop.remove_reader(want.socket)
        loop.remove_writer(want.socket)


def _addresses(infos: list[Any]) -> list[Address]:
    return [(info[0], info[4]) for info in infos]


def _literal(want: Resolve) -> list[Address] | None:
    try:
        infos = socket.getaddrinfo(want.host, want.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return None
    return _addresses(infos)


def _resolve(want: Resolve) -> list[Address]:
    """Look a name up in a thread of its own, for the system's look-up knows no time-out."""
    literal = _literal(want)
    if literal is not None:
        return literal
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.append(_addresses(socket.getaddrinfo(want.host, want.port, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=look_up, name="smtp4d-resolve", daemon=True)
    thread.start()
    thread.join(want.deadline.remaining())
    if not found:
        raise TimeoutError
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]  # type: ignore[no-any-return]


async def _resolve_async(want: Resolve) -> list[Address]:
    literal = _literal(want)
    if literal is not None:
        return literal
    look_up = asyncio.get_running_loop().getaddrinfo(want.host, want.port, type=socket.SOCK_STREAM)
    try:
        return _addresses(await asyncio.wait_for(look_up, want.deadline.remaining()))
    except asyncio.TimeoutError:
        raise TimeoutError from None
