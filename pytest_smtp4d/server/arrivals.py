"""The messages of one server as they arrive, and how threads and tasks wait for them.

The server's loop only appends; criteria and predicates run in the thread that asks, and never under the lock.
A wait is a generator that yields a `Pause` when it has nothing more to look at, so that one description
serves blocking methods and their awaitable twins. It is answered whether the seconds of the pause have
passed. Before a wait gives up, what has reached the server is looked at once more.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pytest_smtp4d import clock

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Generator, Iterator, Sequence

    from pytest_smtp4d.records.expect import Expectation
    from pytest_smtp4d.records.record import ReceivedMessage, Session

__all__ = ["Arrivals", "Look", "Pause", "Wait", "refuse_to_block"]

_T = TypeVar("_T")


class Pause(NamedTuple):
    """What a wait asks for.

    Args:
        changes: the changes that it has seen; any further one ends the pause.
        seconds: how long to wait for one.
    """

    changes: int
    seconds: float


if TYPE_CHECKING:
    Wait = Generator[Pause, bool, _T]


class Arrivals:
    """The messages that arrived and were not cleared, oldest first.

    Args:
        sessions: returns the server's sessions, for the words of a failure.
        settle: waits until the server has looked at all that has reached it.
        test: returns the name of the test that runs; "" outside tests.
    """

    def __init__(
        self,
        sessions: Callable[[], Sequence[Session]],
        settle: Callable[[], None],
        test: Callable[[], str],
    ) -> None:
        self.sessions = sessions
        self.test = test
        self.settle = settle
        self.messages: list[ReceivedMessage] = []
        """Only ever appended to; `replace` puts another list in its place."""
        self.changes: int = 0
        """How often anything changed."""
        self._lock = threading.RLock()  # a signal handler may ask while its thread holds it
        self._wakers: set[Callable[[], None]] = set()
        self._logs: list[list[ReceivedMessage]] = []

    def put(self, message: ReceivedMessage) -> None:
        """Add a message and wake who waits."""
        object.__setattr__(message, "test", self.test())  # `Slips` looks at each assignment
        with self._lock:
            self.messages.append(message)
            for log in self._logs:
                log.append(message)
            self._note_change()

    def replace(self, kept: list[ReceivedMessage], looked_at: int) -> None:
        """Keep only these of the first `looked_at` messages; what arrived meanwhile stays."""
        with self._lock:
            # A new list: a wait sees by it that it begins again.
            self.messages = kept + self.messages[looked_at:]
            self._note_change()

    @contextlib.contextmanager
    def logged(self) -> Iterator[list[ReceivedMessage]]:
        """Give a list to which every message that arrives is added, whatever is cleared meanwhile."""
        log: list[ReceivedMessage] = []
        with self._lock:
            self._logs.append(log)
        try:
            yield log
        finally:
            with self._lock:
                self._logs = [other for other in self._logs if other is not log]

    def _note_change(self) -> None:
        self.changes += 1
        for wake in self._wakers:
            wake()

    # -- driving a wait -------------------------------------------------------------------------------------

    def block(self, waiting: Wait[_T]) -> _T:
        """Drive a wait by blocking this thread."""
        __tracebackhide__ = True
        try:
            pause = next(waiting)
            while True:
                changed = threading.Event()
                with self._woken_by_changes(changed.set):
                    is_over = self.changes == pause.changes and not changed.wait(pause.seconds)
                pause = waiting.send(is_over)
        except StopIteration as stop:
            result: _T = stop.value
            return result

    async def suspend(self, waiting: Wait[_T], name: str) -> _T:
        """Drive a wait by suspending this task.

        Raises:
            RuntimeError: no asyncio loop runs here; the words name `name`, and what does run.
        """
        import asyncio

        __tracebackhide__ = True
        loop = _asyncio_loop(name)
        try:
            pause = next(waiting)
            while True:
                is_over = False
                changed = asyncio.Event()
                with self._woken_by_changes(partial(_set_from_afar, loop, changed)):
                    if self.changes == pause.changes:
                        try:
                            await asyncio.wait_for(changed.wait(), pause.seconds)
                        except asyncio.TimeoutError:
                            is_over = True
                pause = waiting.send(is_over)
        except StopIteration as stop:
            result: _T = stop.value
            return result

    @contextlib.contextmanager
    def _woken_by_changes(self, wake: Callable[[], None]) -> Iterator[None]:
        with self._lock:
            self._wakers.add(wake)
        try:
            yield
        finally:
            with self._lock:
                self._wakers.discard(wake)


class Look:
    """Looks for messages that match, each once.

    Args:
        arrivals: where to look.
        expectation: what the messages should be.
        log: look at these only; None: at all messages.
    """

    def __init__(
        self, arrivals: Arrivals, expectation: Expectation, log: list[ReceivedMessage] | None = None
    ) -> None:
        self._arrivals = arrivals
        self._expectation = expectation
        self._log = log
        self._messages: list[ReceivedMessage] = []
        self._seen = 0
        self.found: list[ReceivedMessage] = []
        """What matched so far."""

    def until(self, enough: int, timeout: float) -> Wait[None]:
        """Look until so many are found or `timeout` seconds are over."""
        deadline = clock.monotonic() + timeout
        is_over = False
        while True:
            changes = self._arrivals.changes
            self._look()
            remaining = deadline - clock.monotonic()
            if len(self.found) >= enough or is_over or remaining <= 0:
                break
            is_over = yield Pause(changes, remaining)
        if len(self.found) < enough:
            self._arrivals.settle()
            self._look()

    def _look(self) -> None:
        messages = self._arrivals.messages if self._log is None else self._log
        if messages is not self._messages:  # they were cleared: begin again
            self._messages, self._seen, self.found = messages, 0, []
        arrived = messages[self._seen :]
        self._seen += len(arrived)
        self.found += [message for message in arrived if self._expectation.accepts(message)]

    def excess(self, wanted: int) -> AssertionError:
        """Return the failure that too many were found."""
        from pytest_smtp4d.records.expect import explain_excess

        test = self._arrivals.test()
        return AssertionError(explain_excess(self._expectation, self.found, wanted=wanted, test=test))

    def lack(self, wanted: int, timeout: float) -> AssertionError:
        """Return the failure that too few were found; it knows of no message that was not looked at.

        A report reads how the nearest message compares from its `near_miss`.
        """
        from pytest_smtp4d.records.expect import explain_lack, nearest_miss

        looked_at = tuple(self._messages[: self._seen])
        words = explain_lack(
            self._expectation,
            looked_at,
            tuple(self._arrivals.sessions()),
            wanted=wanted,
            timeout=timeout,
            during="" if self._log is None else " in the block",
        )
        error = AssertionError(words)
        miss = nearest_miss(self._expectation, looked_at) if self._expectation else None
        vars(error)["near_miss"] = miss
        return error


# -- where no thread may be blocked --------------------------------------------------------------------------


def refuse_to_block(call: str, twin: str) -> None:
    """Refuse a call that would block an event loop of asyncio or trio.

    Args:
        call: as it was written, "one()".
        twin: what to write in asyncio instead.

    Raises:
        RuntimeError: such a loop runs in this thread.
    """
    if _loop_of("asyncio"):
        raise RuntimeError(f"{call} would block the event loop that is to send the message: use `{twin}`")
    if _loop_of("trio"):
        raise RuntimeError(f"{call} would block trio's event loop, which is to send the message: {_IN_TRIO}")


_IN_TRIO = "call it in a thread, `await trio.to_thread.run_sync(lambda: messages.one(timeout=5))`"


def _set_from_afar(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    with contextlib.suppress(RuntimeError):  # the loop was closed while its task waited
        loop.call_soon_threadsafe(event.set)


def _asyncio_loop(name: str) -> asyncio.AbstractEventLoop:
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        if _loop_of("trio"):
            words = f"{name}() is for asyncio, and trio runs here: wait with the blocking twin instead; "
            raise RuntimeError(words + _IN_TRIO) from None
        words = f"{name}() is for asyncio, of which no loop runs here: wait with the blocking twin"
        raise RuntimeError(words) from None


def _loop_of(library: str) -> bool:
    """Return whether this thread runs a loop of asyncio or trio; what was never imported runs none."""
    module: Any = sys.modules.get(library)
    if module is None:
        return False
    if library == "trio":
        return bool(module.lowlevel.in_trio_run())
    try:
        running = module.get_running_loop()
    except RuntimeError:
        return False
    # Where gevent has patched threads, the servers' own loop seems to run in every thread.
    return not getattr(running, "is_of_servers", False)
