"""The messages of one server as a test sees them: a sequence that can be searched and waited on.

RFC 5321 6.1 (a message is the server's once its 250 is sent: it is here before that). How a wait is driven is
described in `arrivals`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar, Literal, overload

from pytest_smtp4d.checks import check_count
from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.server.arrivals import Arrivals, Look, refuse_to_block

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from typing_extensions import Unpack

    from pytest_smtp4d.records.criteria import Criteria
    from pytest_smtp4d.records.expect import Expectation
    from pytest_smtp4d.records.record import ReceivedMessage, Session
    from pytest_smtp4d.server.arrivals import Wait

__all__ = ["ExpectedMessages", "Inbox"]


class Inbox(Sequence["ReceivedMessage"]):
    """The messages that a server accepted, oldest first: a sequence that can be waited on, from any thread.

    Criteria are those of `records.expect.CRITERIA`: a text compares with ``==``, a compiled pattern is
    searched, a predicate is called; for list ones each of them matches any item, a list the whole.

    Args:
        sessions: returns the server's sessions, for the words of a failure.
        settle: waits until the server has looked at all that has reached it.
        test: returns the name of the test that runs; "" outside tests.

    Example:
        >>> inbox = smtp_server.messages
        >>> len(inbox), inbox[-1].subject
        (1, 'Welcome')
    """

    def __init__(
        self,
        sessions: Callable[[], Sequence[Session]] = tuple,
        settle: Callable[[], None] = lambda: None,
        test: Callable[[], str] = str,
    ) -> None:
        self._arrivals = Arrivals(sessions, settle, test)

    def _put(self, message: ReceivedMessage) -> None:
        """Add a message and wake who waits (called by the server only)."""
        self._arrivals.put(message)

    def clear(self, **criteria: Unpack[Criteria]) -> None:
        """Forget the messages that match; without criteria, all.

        Raises:
            SettingsError: an unknown or impossible criterion.

        Example:
            >>> smtp_server.messages.clear(subject="Welcome")
            >>> len(smtp_server.messages)
            0
        """
        looked_at = tuple(self._arrivals.messages)
        expectation = _expectation(criteria)
        kept = [message for message in looked_at if not expectation.accepts(message)]
        self._arrivals.replace(kept, len(looked_at))

    def where(self, **criteria: Unpack[Criteria]) -> list[ReceivedMessage]:
        """Return the messages that match, at once.

        Raises:
            SettingsError: an unknown or impossible criterion.

        Example:
            >>> [message.subject for message in smtp_server.messages.where(to="bob@example.org")]
            ['Welcome']
        """
        expectation = _expectation(criteria)
        return [message for message in tuple(self._arrivals.messages) if expectation.accepts(message)]

    def one(
        self, *, timeout: float = 0.0, settle: float = 0.0, **criteria: Unpack[Criteria]
    ) -> ReceivedMessage:
        """Wait for a message that matches and return it, if it is the only one.

        Args:
            timeout: seconds to wait for it; 0: it has to be there.
            settle: seconds to wait for a second one, which would be a failure.
            criteria: see the class.

        Raises:
            AssertionError: none or several; its text says what did arrive, and why nothing did.
            SettingsError: an unknown or impossible criterion, or seconds that are none.
            RuntimeError: it would block an event loop; `await_one` does not.

        Example:
            >>> message = smtp_server.messages.one(subject=re.compile("^Welc"), timeout=5)
            >>> message.mail_from
            'shop@example.com'
        """
        __tracebackhide__ = True
        waiting = self._one(_expectation(criteria), _seconds("timeout", timeout), _seconds("settle", settle))
        if timeout + settle:
            refuse_to_block("one()", "await messages.await_one(...)")
        return self._arrivals.block(waiting)

    async def await_one(
        self, *, timeout: float = 0.0, settle: float = 0.0, **criteria: Unpack[Criteria]
    ) -> ReceivedMessage:
        """Do as `one` does, without blocking the event loop.

        Example:
            >>> async def test_signup(smtp_server):
            ...     message = await smtp_server.messages.await_one(subject="Welcome", timeout=5)
            ...     return message.mail_from
            >>> asyncio.run(test_signup(smtp_server))
            'shop@example.com'
        """
        __tracebackhide__ = True
        waiting = self._one(_expectation(criteria), _seconds("timeout", timeout), _seconds("settle", settle))
        return await self._arrivals.suspend(waiting, "await_one")

    def wait_for(
        self, count: int = 1, timeout: float = 5.0, **criteria: Unpack[Criteria]
    ) -> list[ReceivedMessage]:
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

        Example:
            >>> messages = smtp_server.messages.wait_for(1, timeout=5, rcpt_to="bob@example.org")
            >>> [message.subject for message in messages]
            ['Welcome']
        """
        __tracebackhide__ = True
        waiting = self._wait_for(_expectation(criteria), _count(count), _seconds("timeout", timeout))
        if timeout:
            refuse_to_block("wait_for()", "await messages.await_for(...)")
        return self._arrivals.block(waiting)

    async def await_for(
        self, count: int = 1, timeout: float = 5.0, **criteria: Unpack[Criteria]
    ) -> list[ReceivedMessage]:
        """Do as `wait_for` does, without blocking the event loop.

        Example:
            >>> async def test_newsletter(smtp_server):
            ...     return len(await smtp_server.messages.await_for(1, timeout=5, subject="Welcome"))
            >>> asyncio.run(test_newsletter(smtp_server))
            1
        """
        __tracebackhide__ = True
        waiting = self._wait_for(_expectation(criteria), _count(count), _seconds("timeout", timeout))
        return await self._arrivals.suspend(waiting, "await_for")

    def none(self, within: float = 0.0, **criteria: Unpack[Criteria]) -> Literal[True]:
        """Watch for this many seconds that no message matches; earlier arrivals count.

        Args:
            within: seconds; 0: looks once.
            criteria: see the class.

        Raises:
            AssertionError: one does; raised as soon as it arrives.
            SettingsError: an unknown or impossible criterion, or seconds that are none.
            RuntimeError: it would block an event loop; `await_none` does not.

        Example:
            >>> smtp_server.messages.none(subject=lambda subject: subject.startswith("Error"), within=0.05)
            True
        """
        __tracebackhide__ = True
        waiting = self._none(_expectation(criteria), _seconds("within", within))
        if within:
            refuse_to_block("none()", "await messages.await_none(...)")
        return self._arrivals.block(waiting)

    async def await_none(self, within: float = 0.0, **criteria: Unpack[Criteria]) -> Literal[True]:
        """Do as `none` does, without blocking the event loop.

        Example:
            >>> async def test_quiet(smtp_server):
            ...     return await smtp_server.messages.await_none(to="eve@example.org", within=0.05)
            >>> asyncio.run(test_quiet(smtp_server))
            True
        """
        __tracebackhide__ = True
        waiting = self._none(_expectation(criteria), _seconds("within", within))
        return await self._arrivals.suspend(waiting, "await_none")

    def expect(
        self, count: int = 1, *, timeout: float = 5.0, settle: float = 0.0, **criteria: Unpack[Criteria]
    ) -> ExpectedMessages:
        """Expect that exactly so many messages that match arrive from entering a block on.

        ``with smtp_server.messages.expect(2, to="bob@example.org") as sent:``, or `async with`. When the
        block ends, `sent` is the list of them. An exception of the block passes unchanged.

        Args:
            count: how many; 0: none may.
            timeout: seconds to wait after the block while some are missing.
            settle: seconds to wait after that for one too many.
            criteria: see the class.

        Raises:
            AssertionError: when the block ends: too few, or too many.
            SettingsError: an unknown or impossible criterion, a count below 0, or seconds that are none.
            RuntimeError: on entering the plain form in a task: it would block an event loop.

        Example:
            >>> with smtp_server.messages.expect(1, to="ann@example.org", timeout=5) as sent:
            ...     status = transporter.send({"from": "shop@example.com", "to": "ann@example.org"})
            >>> sent[0].rcpt_to
            ('ann@example.org',)
        """
        expectation = _expectation(criteria)
        seconds = _seconds("timeout", timeout), _seconds("settle", settle)
        return ExpectedMessages(self._arrivals, expectation, _count(count, 0), *seconds)

    # The waits, as generators that yield where they have to pause.

    def _one(self, expectation: Expectation, timeout: float, settle: float) -> Wait[ReceivedMessage]:
        __tracebackhide__ = True
        look = Look(self._arrivals, expectation)
        yield from look.until(1, timeout)
        if look.found and settle:
            yield from look.until(2, settle)
        if len(look.found) == 1:
            return look.found[0]
        if look.found:
            raise look.excess(1)
        raise look.lack(1, timeout)

    def _wait_for(self, expectation: Expectation, count: int, timeout: float) -> Wait[list[ReceivedMessage]]:
        __tracebackhide__ = True
        look = Look(self._arrivals, expectation)
        yield from look.until(count, timeout)
        if len(look.found) < count:
            raise look.lack(count, timeout)
        return look.found

    def _none(self, expectation: Expectation, within: float) -> Wait[Literal[True]]:
        __tracebackhide__ = True
        look = Look(self._arrivals, expectation)
        yield from look.until(1, within)
        if look.found:
            raise look.excess(0)
        return True

    # The sequence.

    def __len__(self) -> int:
        return len(self._arrivals.messages)

    @overload
    def __getitem__(self, index: int) -> ReceivedMessage: ...

    @overload
    def __getitem__(self, index: slice) -> list[ReceivedMessage]: ...

    def __getitem__(self, index: int | slice) -> ReceivedMessage | list[ReceivedMessage]:
        messages = self._arrivals.messages
        if isinstance(index, int) and not -len(messages) <= index < len(messages):
            raise IndexError(f"message {index} of {len(messages)}: use wait_for() for one that is on its way")
        return messages[index]

    def __iter__(self) -> Iterator[ReceivedMessage]:
        return iter(tuple(self._arrivals.messages))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Inbox, list, tuple)):
            return list(self) == list(other)
        return NotImplemented

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # it changes, as a list does

    def __repr__(self) -> str:
        return f"<Inbox {list(self)}>"


class ExpectedMessages:
    """A block in which so many messages that match are to arrive: see `Inbox.expect`."""

    def __init__(
        self, arrivals: Arrivals, expectation: Expectation, count: int, timeout: float, settle: float
    ) -> None:
        self._arrivals = arrivals
        self._expectation = expectation
        self._count = count
        self._timeout = timeout
        self._settle = settle
        self._log: list[ReceivedMessage] = []
        self._sent: list[ReceivedMessage] = []
        self._exits = ExitStack()

    def __enter__(self) -> list[ReceivedMessage]:
        """Begin to expect them.

        Raises:
            RuntimeError: leaving the block would block the event loop that runs in this thread.
        """
        __tracebackhide__ = True
        refuse_to_block("`with messages.expect(...)`", "async with messages.expect(...)")
        return self._begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        with self._exits:
            if kind is None:
                self._arrivals.block(self._end())

    async def __aenter__(self) -> list[ReceivedMessage]:
        """Begin to expect them."""
        return self._begin()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        with self._exits:
            if kind is None:
                await self._arrivals.suspend(self._end(), "expect")

    def _begin(self) -> list[ReceivedMessage]:
        self._arrivals.settle()  # what was sent before the block arrived before it
        self._log = self._exits.enter_context(self._arrivals.logged())
        self._sent = []
        return self._sent

    def _end(self) -> Wait[None]:
        __tracebackhide__ = True
        look = Look(self._arrivals, self._expectation, self._log)
        yield from look.until(self._count, self._timeout)
        if len(look.found) >= self._count:
            yield from look.until(self._count + 1, self._settle)
        if len(look.found) > self._count:
            raise look.excess(self._count)
        if len(look.found) < self._count:
            raise look.lack(self._count, self._timeout)
        self._sent += look.found


def _expectation(criteria: Mapping[str, object]) -> Expectation:
    """Return what criteria expect; what compares is imported only where something is expected."""
    from pytest_smtp4d.records.expect import Expectation

    return Expectation(criteria)


def _seconds(name: str, value: object) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not 0 <= value < threading.TIMEOUT_MAX
    ):
        raise SettingsError(f"{name} is in seconds, 0 or more, not {value!r}")
    return value


def _count(value: object, least: int = 1) -> int:
    check_count("count", value, least, "how many messages to wait for")
    assert isinstance(value, int)
    return value
