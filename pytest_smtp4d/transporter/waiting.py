"""What a client's work waits for, and waiting for it in this thread.

Work is a generator. It yields what it cannot go on without (a socket that is ready, the addresses of a name,
the result of a long computation) and until when it will wait. It knows of no thread and no event loop.
`run_blocking` runs work in this thread; `event_loop.run_async` runs it in asyncio.

A runner sends the answer in. When the deadline has passed it raises `DeadlineOver` inside the work, and
whatever else ended the waiting (Ctrl-C, a cancellation) as it came.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from pytest_smtp4d import clock

__all__ = [
    "Address",
    "Compute",
    "Deadline",
    "DeadlineOver",
    "Ready",
    "Resolve",
    "Work",
    "addresses",
    "literal_addresses",
    "run_blocking",
]

_T = TypeVar("_T")
Address = tuple[int, Any]
"""An address family, and a socket address of it."""


class DeadlineOver(Exception):  # noqa: N818 - an answer to work that waits
    """The deadline passed first. It is no `TimeoutError`, which a user's signal handler may raise."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when something may last, in seconds of `clock.monotonic`, and the option that said so."""

    at: float
    seconds: float
    option: str

    @classmethod
    def after(cls, seconds: float, option: str) -> Deadline:
        """Return the deadline that is `seconds` from now."""
        return cls(clock.monotonic() + seconds, seconds, option)

    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.at - clock.monotonic())

    def share(self, count: int) -> Deadline:
        """Return an earlier deadline, which leaves as much time again for each of `count` - 1 others."""
        return Deadline(clock.monotonic() + self.remaining() / count, self.seconds, self.option)

    def __str__(self) -> str:
        return f"{self.option} of {self.seconds:g} s is over"


class Ready:
    """Wait until a socket can be read, or, with `write`, until it can be read or written.

    It owns the socket, and is yielded again for each wait: creating one costs as much as a wait.
    """

    __slots__ = ("_pid", "_poll", "close_watched", "deadline", "socket", "watch", "write")

    deadline: Deadline

    def __init__(self, sock: socket.socket) -> None:
        self.socket: socket.socket = sock
        self.write: bool = False
        self.watch: Any = None
        """The registration of the event loop that watches the socket between waits, for that loop's use."""
        self.close_watched: Callable[[], None] | None = None
        """How to close a socket that an event loop watches."""
        self._pid = os.getpid()
        self._poll = select.poll() if hasattr(select, "poll") else None  # Windows has none
        if self._poll is not None:
            self._poll.register(sock, select.POLLIN)

    def until(self, deadline: Deadline, *, write: bool) -> Ready:
        """Return this, told until when and what for."""
        self.deadline = deadline
        self._wait_for(write)
        return self

    def is_readable(self) -> bool:
        """Return whether the socket can be read now."""
        self._wait_for(False)
        return self.within(0)

    def within(self, seconds: float) -> bool:
        """Wait up to `seconds`; return whether the socket became ready."""
        if self._poll is None:
            writable = [self.socket] if self.write else []
            # The third list: Windows tells there that a connection was refused.
            return any(select.select([self.socket], writable, writable, seconds))
        return bool(self._poll.poll(seconds * 1000))

    def close(self) -> None:
        """Close the socket; in the process that opened it, stop watching it first."""
        if self.close_watched is not None and self._pid == os.getpid():
            self.close_watched()
        else:
            self.socket.close()

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


@dataclass(frozen=True, slots=True)
class Compute:
    """Call a function that takes the processor long; what it returns comes back, and what it raises.

    Args:
        function: takes nothing; it cannot be stopped, and its result is forgotten when the deadline passes.
        deadline: until when to wait for it.
        within_deadline: whether that holds in blocking use too, which takes a thread. An event loop is never
            held up.
    """

    function: Callable[[], Any]
    deadline: Deadline
    within_deadline: bool = True


Work = Generator["Ready | Resolve | Compute", Any, _T]


def run_blocking(work: Work[_T], is_cancelled: Callable[[], bool] | None = None) -> _T:
    """Run `work` in this thread.

    Args:
        work: what to do.
        is_cancelled: asked twenty times a second; when it returns True, all waiting ends as if the deadline
            had passed.
    """
    answer: Any = None
    advance = work.send
    try:
        while True:
            want = advance(answer)
            try:
                answer = _waited(want, is_cancelled)
                advance = work.send
            except BaseException as error:  # noqa: BLE001 - raised again, inside the work
                answer, advance = error, work.throw
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    except BaseException:
        work.close()  # where the exception struck here, the work does not know of it
        raise


def _waited(want: Ready | Resolve | Compute, is_cancelled: Callable[[], bool] | None) -> Any:
    if isinstance(want, Ready):
        if is_cancelled is None:
            if not want.within(want.deadline.remaining()):
                raise DeadlineOver
        else:
            _until(want.within, want.deadline, is_cancelled)
        return None
    if isinstance(want, Resolve):
        return _resolve(want, is_cancelled)
    if not want.within_deadline:
        return want.function()
    return _in_thread(want.function, want.deadline, is_cancelled)


_SLICE = 0.05
"""Seconds between two looks at whether a wait was cancelled."""


def _until(within: Callable[[float], bool], deadline: Deadline, is_cancelled: Callable[[], bool]) -> None:
    """Wait in slices until `within` returns True, or raise `DeadlineOver`."""
    while not is_cancelled():
        remaining = deadline.remaining()
        if within(min(remaining, _SLICE)):
            return
        if not remaining:
            break
    raise DeadlineOver


def _in_thread(function: Callable[[], _T], deadline: Deadline, is_cancelled: Callable[[], bool] | None) -> _T:
    """Call a function in a thread of its own, and wait for it no longer than to the deadline."""
    results: list[_T] = []
    errors: list[Exception] = []
    done = threading.Event()

    def call() -> None:
        try:
            results.append(function())
        except Exception as error:  # noqa: BLE001 - raised again, in the thread that waits
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=call, name="smtp4d-work", daemon=True).start()
    _until(done.wait, deadline, is_cancelled or _never)
    if errors:
        raise errors[0]
    return results[0]


def _never() -> bool:
    return False


# -- names -----------------------------------------------------------------------------------------------


def literal_addresses(want: Resolve) -> list[Address] | None:
    """Return the address that the host is, or None where it is a name; asks nobody."""
    try:
        infos = socket.getaddrinfo(want.host, want.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return None
    return addresses(infos)


def addresses(infos: list[Any]) -> list[Address]:
    """Return what `getaddrinfo` found, the families in turn (RFC 8305 4)."""
    found = [(info[0], info[4]) for info in infos]
    first = [one for one in found if one[0] == found[0][0]]
    other = [one for one in found if one[0] != found[0][0]]
    in_turn: list[Address] = []
    for at in range(max(len(first), len(other))):
        in_turn += first[at : at + 1] + other[at : at + 1]
    return in_turn


def _resolve(want: Resolve, is_cancelled: Callable[[], bool] | None) -> list[Address]:
    # In a thread of its own, for the system's look-up knows no time-out.
    literal = literal_addresses(want)
    if literal is not None:
        return literal

    def look_up() -> list[Address]:
        return addresses(socket.getaddrinfo(want.host, want.port, type=socket.SOCK_STREAM))

    return _in_thread(look_up, want.deadline, is_cancelled)
