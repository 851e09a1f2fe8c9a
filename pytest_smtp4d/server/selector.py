"""The selector of the servers' thread: calls our transports itself, and leaves other events to asyncio."""

from __future__ import annotations

import os
import select
import selectors
from typing import TYPE_CHECKING, Any

from pytest_smtp4d import clock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Selector", "make_selector"]

ATTENTION = 30e-6
"""Seconds for which it polls before it sleeps: many clients answer sooner than a thread wakes up."""

SHARED = 10e-6
"""A poll that takes more seconds than this was held up by another thread, which needs the processor."""

DOUBT = 20
"""After so many polls in a row without an event, it sleeps at once."""

IN_THE_WAY = 5
"""A poll that was held up counts as so many without an event."""

REST = 1000
"""How many times it sleeps at once before it polls again; doubled each time until a poll finds an event."""

LONGEST_REST = 100_000
"""The most times that it sleeps at once."""

Events = list[tuple[selectors.SelectorKey, int]]


class Selector(selectors.DefaultSelector):
    """Returns the loop's events, and calls the functions that were registered for the others.

    asyncio keeps a tuple with each descriptor that it registers; a function is somebody else's. As long as
    nothing but such functions has something to do, the loop does not turn: it learns nothing of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_loop_due = False
        """Whether the loop was given something to do since it began to wait."""
        self.failed: Callable[[Exception], None] = _ignore
        """Told what a function raised."""

    def select(self, timeout: float | None = None) -> Events:
        """Wait for events; return those that are the loop's."""
        self.is_loop_due = False
        until = None if timeout is None else clock.monotonic() + timeout
        while True:
            of_loop = self._turn(timeout)
            if of_loop is None:
                return []
            if of_loop or self.is_loop_due:
                return of_loop
            if until is not None and (timeout := until - clock.monotonic()) <= 0:
                return of_loop

    def _turn(self, timeout: float | None) -> Events | None:
        """Wait once, call whoever is to be called, and return the loop's events; None: nothing happened."""
        of_loop: Events = []
        happened = super().select(timeout)
        for key, events in happened:
            if type(key.data) is tuple:
                of_loop.append((key, events))
            else:
                self._call(key.data, events)
        return of_loop if happened else None

    def _call(self, function: Callable[[int], None], events: int) -> None:
        try:
            function(events)
        except Exception as error:  # noqa: BLE001 - the loop says it, and goes on
            self.failed(error)

    def wait(self) -> None:
        """Wait until there is an event, and leave it to whoever selects next."""
        while not super().select():
            pass


def _ignore(_: Exception) -> None:
    pass


class _Epoll(Selector):
    """The same on Linux, without what the standard library does for each event beside waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self._epoll = select.epoll.fromfd(os.dup(self.fileno()))
        self._functions: dict[int, Callable[[int], None]] = {}
        self._has_called = False
        self._doubt = 0
        self._sleeps = 0
        self._rest = REST

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a file, for the loop or for a function."""
        key = super().register(fileobj, events, data)
        if type(data) is not tuple:
            self._functions[key.fd] = data
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch it for other events."""
        key = super().modify(fileobj, events, data)
        if type(data) is not tuple:
            self._functions[key.fd] = data
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Watch it no longer."""
        key = super().unregister(fileobj)
        self._functions.pop(key.fd, None)
        return key

    def _turn(self, timeout: float | None) -> Events | None:
        happened = self._attend() if self._has_called and timeout != 0 else []
        happened = happened or self._epoll.poll(timeout, len(self._functions) + 2)
        is_loops = False
        for descriptor, mask in happened:
            function = self._functions.get(descriptor)
            if function is None:
                is_loops = True
            elif mask == select.EPOLLIN:
                self._call(function, selectors.EVENT_READ)
            else:
                reads = selectors.EVENT_READ if mask & ~select.EPOLLOUT else 0
                self._call(function, selectors.EVENT_WRITE | reads)
        self._has_called = bool(happened) and not is_loops
        if is_loops:
            events = selectors.DefaultSelector.select(self, 0)
            return [event for event in events if type(event[0].data) is tuple]
        return [] if happened else None

    def _attend(self) -> list[tuple[int, int]]:
        """Poll for a short time, unless earlier polls found nothing or were held up; return the events."""
        if self._sleeps:
            self._sleeps -= 1
            return []
        most = len(self._functions) + 2
        happened = self._epoll.poll(0, most)
        if happened:
            return happened
        began = looked = clock.monotonic()
        doubt = 1
        while not happened and looked - began < ATTENTION:
            os.sched_yield()
            happened = self._epoll.poll(0, most)
            before, looked = looked, clock.monotonic()
            if looked - before > SHARED:
                doubt = IN_THE_WAY
                break
        if happened and doubt == 1:
            self._doubt, self._rest = 0, REST
        else:
            self._doubt += doubt
        if self._doubt > DOUBT:
            self._doubt, self._sleeps, self._rest = 0, self._rest, min(2 * self._rest, LONGEST_REST)
        return happened

    def close(self) -> None:
        """Close both descriptors of the epoll."""
        self._epoll.close()
        super().close()


def make_selector() -> Selector:
    """Return what waits best on this system."""
    return _Epoll() if hasattr(select, "epoll") else Selector()
