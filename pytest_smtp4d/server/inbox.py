"""The messages of one server, for threads and tasks that wait for them.

RFC 5321 6.1 (a message is the server's once its 250 is sent: it is here before that).
The one thing to know: the server's loop only ever appends; criteria and predicates run in the thread that
asks, and never under the lock. A wait is a generator that yields when it has to pause, so that one
description serves the blocking methods and their awaitable twins.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeVar, overload

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.faults.action import check_count
from pytest_smtp4d.records.expect import Expectation, explain_excess, explain_lack, nearest_miss

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Generator, Iterator

    from pytest_smtp4d.records.record import ReceivedMessage, Session

__all__ = ["Inbox"]

_T = TypeVar("_T")
_Pause = tuple[int, float]
"""What a wait yields: the changes it has seen, and when (monotonic seconds) to give up on another."""


class Inbox(Sequence["ReceivedMessage"]):
    """The messages that a server accepted, oldest first: a sequence that can be waited on, from any thread.

    Criteria are those of `pytest_smtp4d.expect.CRITERIA`: a text compares with ``==``, a compiled pattern is
    searched, a predicate is called; for list ones each of them matches any item, a list the whole.

    Args:
        sessions: returns the server's sessions, for the words of a failure.
    """

    def __init__(self, sessions: Callable[[], Sequence[Session]] = tuple) -> None:
        self._sessions = sessions
        self._messages: list[ReceivedMessage] = []
        self._changes = 0
        self._changed = threading.Condition()
        self._wakers: set[Callable[[], None]] = set()

    def put(self, message: ReceivedMessage) -> None:
        """Add a message and wake who waits (called by the server only)."""
        with self._changed:
            self._messages.append(message)
            self._note_change()

    def clear(self, **criteria: object) -> None:
        """Forget the messages that match; without criteria, all.

        Raises:
            SettingsError: an unknown or impossible criterion.
        """
        looked_at = tuple(self._messages)
        expectation = Expectation(criteria)
        kept = [message for message in looked_at if not expectation.accepts(message)]
        with self._changed:
            # A new list: a wait sees by it that it begins again. What arrived meanwhile stays.
            self._messages = kept + self._messages[len(looked_at) :]
            self._note_change()

    def _note_change(self) -> None:
        self._changes += 1
        self._changed.notify_all()
        for wake in self._wakers:
            wake()

    def where(self, **criteria: object) -> list[ReceivedMessage]:
        """Return the messages that match, at once.

        Raises:
            SettingsError: an unknown or impossible criterion.
        """
        expectation = Expectation(criteria)
        return [message for message in tuple(self._messages) if expectation.accepts(message)]

    def one(self, *, timeout: float = 0.0, settle: float = 0.0, **criteria: object) -> ReceivedMessage:
        """Wait for a message that matches and return it, if it is the only one.

        Args:
            timeout: seconds to wait for it; 0: it has to be there.
            settle: seconds to wait for a second one, which would be a failure.
            criteria: see the class.

        Raises:
            AssertionError: none or several; its text says what did arrive, and why nothing did.
            SettingsError: an unknown or impossible criterion, or seconds that are none.
            RuntimeError: it would block an event loop; `await_one` does not.
        """
        __tracebackhide__ = True
        waiting = self._one(Expectation(criteria), _seconds("timeout", timeout), _seconds("settle", settle))
        return self._block(waiting, "one", timeout + settle)

    async def await_one(
        self, *, timeout: float = 0.0, settle: float = 0.0, **criteria: object
    ) -> ReceivedMessage:
        """Do as `one` does, without blocking the event loop."""
        __tracebackhide__ = True
        waiting = self._one(Expectation(criteria), _seconds("timeout", timeout), _seconds("settle", settle))
        return await self._pause(waiting)

    def wait_for(self, count: int = 1, timeout: float = 5.0, **criteria: object) -> list[ReceivedMessage]:
        """Wait for at least this many messages that match; earlier arrivals count.

        Args:
            count: how many, 1 or more.
            timeout: seconds to wait for them.
            criteria: see the class.

        Returns:
            All that match by then, oldest first.

        Raises:
            AssertionError: fewer; its text says what did arrive, and why nothing did.
            SettingsError: an unknown or impossible criterion, a count below 1, or seconds that are none.
            RuntimeError: it would block an event loop; `await_for` does not.
        """
        __tracebackhide__ = True
        waiting = self._wait_for(Expectation(criteria), _count(count), _seconds("timeout", timeout))
        return self._block(waiting, "wait_for", timeout)

    async def await_for(
        self, count: int = 1, timeout: float = 5.0, **criteria: object
    ) -> list[ReceivedMessage]:
        """Do as `wait_for` does, without blocking the event loop."""
        __tracebackhide__ = True
        waiting = self._wait_for(Expectation(criteria), _count(count), _seconds("timeout", timeout))
        return await self._pause(waiting)

    def none(self, within: float = 0.0, **criteria: object) -> Literal[True]:
        """Watch for this many seconds that no message matches; earlier arrivals count.

        Args:
            within: seconds; 0: looks once.
            criteria: see the class.

        Raises:
            AssertionError: one does; raised as soon as it arrives.
            SettingsError: an unknown or impossible criterion, or seconds that are none.
            RuntimeError: it would block an event loop; `await_none` does not.
        """
        __tracebackhide__ = True
        return self._block(self._none(Expectation(criteria), _seconds("within", within)), "none", within)

    async def await_none(self, within: float = 0.0, **criteria: object) -> Literal[True]:
        """Do as `none` does, without blocking the event loop."""
        __tracebackhide__ = True
        return await self._pause(self._none(Expectation(criteria), _seconds("within", within)))

    # The waits, as generators that yield where they have to pause.

    def _one(
        self, expectation: Expectation, timeout: float, settle: float
    ) -> Generator[_Pause, None, ReceivedMessage]:
        __tracebackhide__ = True
        found = yield from self._collect(expectation, 1, timeout)
        if found and settle:
            found = yield from self._collect(expectation, 2, settle)
        if len(found) == 1:
            return found[0]
        if found:
            raise AssertionError(explain_excess(expectation, found, wanted=1))
        raise self._lack(expectation, 1, timeout)

    def _wait_for(
        self, expectation: Expectation, count: int, timeout: float
    ) -> Generator[_Pause, None, list[ReceivedMessage]]:
        __tracebackhide__ = True
        found = yield from self._collect(expectation, count, timeout)
        if len(found) < count:
            raise self._lack(expectation, count, timeout)
        return found

    def _none(self, expectation: Expectation, within: float) -> Generator[_Pause, None, Literal[True]]:
        __tracebackhide__ = True
        found = yield from self._collect(expectation, 1, within)
        if found:
            raise AssertionError(explain_excess(expectation, found, wanted=0))
        return True

    def _collect(
        self, expectation: Expectation, enough: int, timeout: float
    ) -> Generator[_Pause, None, list[ReceivedMessage]]:
        """Return what matches, as soon as it is enough or the time is up; each message is looked at once."""
        deadline = time.monotonic() + timeout
        found: list[ReceivedMessage] = []
        messages, seen = self._messages, 0
        while True:
            changes = self._changes
            if messages is not self._messages:
                messages, seen, found = self._messages, 0, []
            arrived = messages[seen:]
            seen += len(arrived)
            found += [message for message in arrived if expectation.accepts(message)]
            if len(found) >= enough or time.monotonic() >= deadline:
                return found
            yield changes, deadline

    def _lack(self, expectation: Expectation, wanted: int, timeout: float) -> AssertionError:
        """Return the failure; a report reads how the nearest message compares from its `near_miss`."""
        messages = tuple(self._messages)
        words = explain_lack(expectation, messages, tuple(self._sessions()), wanted=wanted, timeout=timeout)
        error = AssertionError(words)
        vars(error)["near_miss"] = nearest_miss(expectation, messages) if expectation else None
        return error

    def _block(self, waiting: Generator[_Pause, None, _T], name: str, seconds: float) -> _T:
        """Drive a wait by blocking this thread."""
        __tracebackhide__ = True
        if seconds and _loop_is_running():
            twin = {"one": "await_one", "wait_for": "await_for", "none": "await_none"}[name]
            waiting.close()
            raise RuntimeError(
                f"{name}() would block the event loop that is to send the message: "
                f"use `await messages.{twin}(...)`"
            )
        try:
            while True:
                changes, deadline = next(waiting)
                with self._changed:
                    if self._changes == changes:
                        self._changed.wait(max(0.0, deadline - time.monotonic()))
        except StopIteration as stop:
            result: _T = stop.value
            return result

    async def _pause(self, waiting: Generator[_Pause, None, _T]) -> _T:
        """Drive a wait by suspending this task."""
        import asyncio

        __tracebackhide__ = True
        loop = asyncio.get_running_loop()
        try:
            while True:
                changes, deadline = next(waiting)
                changed = asyncio.Event()
                with self._woken_by_changes(loop, changed):
                    if self._changes == changes:
                        with contextlib.suppress(asyncio.TimeoutError):
                            await asyncio.wait_for(changed.wait(), max(0.0, deadline - time.monotonic()))
        except StopIteration as stop:
            result: _T = stop.value
            return result

    @contextlib.contextmanager
    def _woken_by_changes(self, loop: asyncio.AbstractEventLoop, changed: asyncio.Event) -> Iterator[None]:
        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed while its task waited
                loop.call_soon_threadsafe(changed.set)

        with self._changed:
            self._wakers.add(wake)
        try:
            yield
        finally:
            with self._changed:
                self._wakers.discard(wake)

    # The sequence.

    def __len__(self) -> int:
        return len(self._messages)

    @overload
    def __getitem__(self, index: int) -> ReceivedMessage: ...

    @overload
    def __getitem__(self, index: slice) -> list[ReceivedMessage]: ...

    def __getitem__(self, index: int | slice) -> ReceivedMessage | list[ReceivedMessage]:
        messages = self._messages
        if isinstance(index, int) and not -len(messages) <= index < len(messages):
            raise IndexError(f"message {index} of {len(messages)}: use wait_for() for one that is on its way")
        return messages[index]

    def __iter__(self) -> Iterator[ReceivedMessage]:
        return iter(tuple(self._messages))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Inbox, list, tuple)):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it changes, as a list does

    def __repr__(self) -> str:
        return f"<Inbox {list(self)}>"


def _seconds(name: str, value: object) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not 0 <= value < threading.TIMEOUT_MAX
    ):
        raise SettingsError(f"{name} is in seconds, 0 or more, not {value!r}")
    return value


def _count(value: object) -> int:
    check_count("count", value, 1, "how many messages to wait for")
    assert isinstance(value, int)
    return value


def _loop_is_running() -> bool:
    """Return whether this thread runs an asyncio loop; where asyncio was never imported, none can."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
