from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone

import pytest

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.records.record import ReceivedMessage, Session
from pytest_smtp4d.server import loop
from pytest_smtp4d.server.inbox import Inbox

MOMENT = datetime(2026, 11, 22, tzinfo=timezone.utc)


def message(subject: str = "Welcome") -> ReceivedMessage:
    """Make a received message."""
    content = f"From: shop@example.com\r\nTo: bob@example.org\r\nSubject: {subject}\r\n\r\nHello\r\n".encode()
    session = Session(("127.0.0.1", 40001))
    return ReceivedMessage("shop@example.com", ["bob@example.org"], (), {}, content, MOMENT, session)


class Arrival:
    """Puts messages into an inbox from another thread, once somebody waits for a change."""

    def __init__(self, inbox: Inbox, *messages: ReceivedMessage) -> None:
        self._inbox = inbox
        self._messages = messages
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for received in self._messages:
            self._inbox._put(received)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()


def test_an_inbox_is_a_sequence() -> None:
    """Length, index, slice, iteration, containment, comparison and truth are a list's."""
    inbox = Inbox()
    assert inbox == []
    assert not inbox
    first, second = message("1"), message("2")
    inbox._put(first)
    inbox._put(second)
    assert (len(inbox), inbox[0], inbox[-1], inbox[1:]) == (2, first, second, [second])
    assert inbox == [first, second]
    assert inbox != [first]
    assert inbox != "text"
    assert list(reversed(inbox)) == [second, first]
    assert first in inbox
    assert repr(inbox) == (
        "<Inbox [<ReceivedMessage from shop@example.com to bob@example.org, 66 octets>, "
        "<ReceivedMessage from shop@example.com to bob@example.org, 66 octets>]>"
    )


def test_an_index_out_of_range_names_the_way_out() -> None:
    """A message that is not there is an `IndexError` that says how many are, and how to wait."""
    with pytest.raises(
        IndexError, match=re.escape("message 0 of 0: use wait_for() for one that is on its way")
    ):
        Inbox()[0]


def test_clear_forgets() -> None:
    """After `clear` the inbox is empty; what was returned before stays."""
    inbox = Inbox()
    inbox._put(message())
    kept = inbox[:]
    inbox.clear()
    assert inbox == []
    assert len(kept) == 1


def test_where_filters() -> None:
    """`where` returns all that match, at once."""
    inbox = Inbox()
    for subject in ("Welcome", "Invoice", "Welcome back"):
        inbox._put(message(subject))
    assert inbox.where(subject=re.compile("^Wel")) == [inbox[0], inbox[2]]
    assert inbox.where(subject="x") == []
    assert inbox.where() == list(inbox)


def test_one_returns_the_only_match() -> None:
    """`one` returns the message that matches when there is exactly one."""
    inbox = Inbox()
    inbox._put(message("Welcome"))
    inbox._put(message("Invoice"))
    assert inbox.one(subject="Invoice") is inbox[1]


def test_one_fails_on_none() -> None:
    """`one` without a match fails with the whole story, and does not wait unless asked to."""
    inbox = Inbox(lambda: [Session(("127.0.0.1", 1))])
    with pytest.raises(AssertionError) as failure:
        inbox.one(subject="Welcome")
    assert str(failure.value) == (
        "no client came as far as MAIL: no message with subject='Welcome' arrived "
        "(looked once, did not wait: see `timeout`)\n"
        "sessions still open, before MAIL:\n"
        "  127.0.0.1:1: still open; no command"
    )


def test_one_fails_on_two() -> None:
    """`one` with two matches fails and lists them."""
    inbox = Inbox()
    inbox._put(message())
    inbox._put(message())
    with pytest.raises(AssertionError) as failure:
        inbox.one(timeout=5)
    assert str(failure.value) == (
        "2 messages arrived, one was expected\n"
        "  1. from shop@example.com to bob@example.org, subject 'Welcome'\n"
        "  2. from shop@example.com to bob@example.org, subject 'Welcome'"
    )


def test_one_waits_for_its_message() -> None:
    """`one` returns as soon as a match arrives from another thread, whatever else does."""
    inbox = Inbox()
    wanted = message("Invoice")
    with Arrival(inbox, message("Welcome"), wanted):
        assert inbox.one(timeout=30, subject="Invoice") is wanted


def test_settle_catches_a_second_one() -> None:
    """With `settle`, a duplicate that arrives after the first match is a failure, raised when it arrives."""
    inbox = Inbox()
    inbox._put(message())
    with (
        Arrival(inbox, message()),
        pytest.raises(AssertionError, match="2 messages arrived, one was expected"),
    ):
        inbox.one(settle=30)


def test_settle_ends() -> None:
    """When nothing else arrives in time, the first match is returned."""
    inbox = Inbox()
    inbox._put(message())
    assert inbox.one(settle=0.01) is inbox[0]


def test_wait_for_counts_earlier_arrivals() -> None:
    """`wait_for` returns at once when enough are there, all of them."""
    inbox = Inbox()
    for _ in range(3):
        inbox._put(message())
    assert inbox.wait_for(2) == list(inbox)


def test_wait_for_waits() -> None:
    """`wait_for` returns as soon as enough have arrived."""
    inbox = Inbox()
    messages = [message(str(number)) for number in range(20)]
    with Arrival(inbox, *messages):
        assert inbox.wait_for(20, timeout=30, subject=re.compile(r"\d")) == messages


def test_wait_for_gives_up() -> None:
    """Too few in time is a failure that says how many of how many."""
    inbox = Inbox()
    inbox._put(message())
    with pytest.raises(AssertionError) as failure:
        inbox.wait_for(2, timeout=0.01, subject="Welcome")
    assert str(failure.value) == (
        "1 of 2 messages with subject='Welcome' arrived within 0.01 s\n"
        "arrived:\n"
        "  1. from shop@example.com to bob@example.org, subject 'Welcome'"
    )


def test_none_is_true_when_nothing_matches() -> None:
    """`none` returns True, so that it can be asserted on."""
    inbox = Inbox()
    inbox._put(message())
    assert inbox.none(subject="Invoice")
    assert inbox.none(within=0.01, subject="Invoice")


def test_none_fails_at_once() -> None:
    """A match fails `none` when it arrives, without waiting for the rest of the time."""
    inbox = Inbox()
    with Arrival(inbox, message("Invoice")), pytest.raises(AssertionError) as failure:
        inbox.none(within=30)
    assert str(failure.value) == (
        "1 message arrived, none was expected\n"
        "  1. from shop@example.com to bob@example.org, subject 'Invoice'"
    )


def test_a_wait_survives_clear() -> None:
    """Clearing meanwhile starts the count again: what was forgotten is not returned."""
    inbox = Inbox()
    first, second = message("1"), message("2")
    calls: list[ReceivedMessage] = []

    def predicate(subject: str) -> bool:
        if not calls:
            calls.append(first)
            inbox.clear()
            inbox._put(second)
        return bool(subject)

    inbox._put(first)
    with pytest.raises(AssertionError, match="1 of 2 messages"):
        inbox.wait_for(2, timeout=0.01, subject=predicate)
    assert inbox == [second]


def test_a_predicate_runs_once_per_message_and_without_the_lock() -> None:
    """While a predicate runs, the server can still put messages; each message is looked at once."""
    inbox = Inbox()
    inbox._put(message("1"))
    seen: list[str] = []

    def predicate(subject: str) -> bool:
        seen.append(subject)
        if subject == "1":
            with Arrival(inbox, message("2")):
                pass
        return True

    assert len(inbox.wait_for(2, timeout=30, subject=predicate)) == 2
    assert seen == ["1", "2"]


def test_what_a_predicate_raises_reaches_the_test() -> None:
    """The error of a predicate is the test's own."""
    inbox = Inbox()
    inbox._put(message())
    with pytest.raises(ZeroDivisionError):
        inbox.wait_for(subject=lambda _: 1 // 0)


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (lambda i: i.one(subjct="x"), "unknown criterion 'subjct' (did you mean 'subject'?)"),
        (lambda i: i.where(subjct="x"), "unknown criterion 'subjct' (did you mean 'subject'?)"),
        (lambda i: i.one(timeout=-1), "timeout is in seconds, 0 or more, not -1"),
        (lambda i: i.one(settle="1"), "settle is in seconds, 0 or more, not '1'"),
        (lambda i: i.none(within=float("nan")), "within is in seconds, 0 or more, not nan"),
        (lambda i: i.wait_for(timeout=float("inf")), "timeout is in seconds, 0 or more, not inf"),
        (lambda i: i.wait_for(0), "count is how many messages to wait for: a whole number, 1 or more, not 0"),
    ],
)
def test_a_wait_that_cannot_be_is_refused(wait: Callable[[Inbox], object], words: str) -> None:
    """Criteria, seconds and counts that are none are a `SettingsError`, before anything is waited for."""
    with pytest.raises(SettingsError) as error:
        wait(Inbox())
    assert str(error.value) == words


async def test_the_twins_wait_without_blocking() -> None:
    """`await_one`, `await_for` and `await_none` wait while the loop runs on and another thread delivers."""
    inbox = Inbox()
    wanted = message("Invoice")
    waiting = asyncio.ensure_future(inbox.await_one(timeout=30, subject="Invoice"))
    counting = asyncio.ensure_future(inbox.await_for(2, timeout=30))
    refusing = asyncio.ensure_future(inbox.await_none(within=30, subject="Invoice"))
    await asyncio.sleep(0)
    with Arrival(inbox, message("Welcome"), wanted):
        assert await waiting is wanted
    assert await counting == list(inbox)
    with pytest.raises(AssertionError, match="1 message with subject='Invoice' arrived, none was expected"):
        await refusing


async def test_the_twins_give_up() -> None:
    """The awaitable twins fail with the same words, in time."""
    inbox = Inbox()
    assert await inbox.await_none(within=0.01)
    with pytest.raises(AssertionError) as failure:
        await inbox.await_for(timeout=0.01)
    assert str(failure.value) == (
        "nobody connected: no message arrived within 0.01 s\n"
        "no client connected: give yours the server's host and port, or `client_options()`"
    )


async def test_a_cancelled_twin_leaves_nothing_behind() -> None:
    """Cancelling a wait ends it, and the next message wakes nobody who is gone."""
    inbox = Inbox()
    waiting = asyncio.ensure_future(inbox.await_one(timeout=30))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    inbox._put(message())
    assert await inbox.await_one() is inbox[0]


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (
            lambda i: i.one(timeout=1),
            "one() would block the event loop that is to send the message: "
            "use `await messages.await_one(...)`",
        ),
        (
            lambda i: i.wait_for(),
            (
                "wait_for() would block the event loop that is to send the message: "
                "use `await messages.await_for(...)`"
            ),
        ),
        (
            lambda i: i.none(0.1),
            (
                "none() would block the event loop that is to send the message: "
                "use `await messages.await_none(...)`"
            ),
        ),
    ],
)
async def test_a_blocking_wait_in_a_task_is_refused(wait: Callable[[Inbox], object], words: str) -> None:
    """It would starve the loop that is to send: a `RuntimeError` names the awaitable twin, match or not."""
    inbox = Inbox()
    inbox._put(message())
    with pytest.raises(RuntimeError) as error:
        wait(inbox)
    assert str(error.value) == words


async def test_looking_in_a_task_is_allowed() -> None:
    """What does not wait does not block: `one()`, `none()` and `wait_for(timeout=0)` work inside a task."""
    inbox = Inbox()
    inbox._put(message())
    assert inbox.one() is inbox[0]
    assert inbox.wait_for(timeout=0) == [inbox[0]]
    assert inbox.none(subject="x")


def test_a_time_out_is_kept_while_others_arrive() -> None:
    """Messages that do not match do not prolong a wait."""
    inbox = Inbox()
    stop = threading.Event()

    def deliver() -> None:
        while not stop.is_set():
            inbox._put(message("noise"))
            stop.wait(0.001)

    thread = threading.Thread(target=deliver)
    thread.start()
    try:
        began = time.monotonic()
        assert inbox.none(within=0.05, subject="Invoice")
        assert time.monotonic() - began >= 0.05
    finally:
        stop.set()
        thread.join()


def test_waiting_needs_no_asyncio() -> None:
    """A suite without asyncio waits without importing it."""
    program = (
        "import sys\n"
        "from pytest_smtp4d.server.inbox import Inbox\n"
        "assert Inbox().none(within=0.001)\n"
        "print(sorted({'asyncio', 'ssl', 'socket', 'aiosmtpd', 'email', 'html'} & set(sys.modules)))"
    )
    # Without the environment, for coverage measures children, and imports things of its own there.
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env={})
    assert ran.stdout.strip() == "[]"


# -- what a wait knows when it gives up -----------------------------------------------------------------


def test_what_has_arrived_is_looked_at_once_more() -> None:
    """A message that reaches the server while a wait gives up is found, and no failure contradicts it."""
    late = message("late")
    inbox = Inbox(settle=lambda: inbox._put(late) if not inbox else None)
    assert inbox.one() is late
    inbox = Inbox(settle=lambda: inbox._put(late) if not inbox else None)
    with pytest.raises(AssertionError, match="1 message arrived, none was expected"):
        inbox.none()


def test_messages_of_an_earlier_test_are_told_apart() -> None:
    """Where a server is shared, one too many from another test is said to be from there."""
    running = "test_a"
    inbox = Inbox(test=lambda: running)
    inbox._put(message("1"))
    running = "test_b"
    inbox._put(message("2"))
    with pytest.raises(AssertionError) as failure:
        inbox.one()
    assert str(failure.value).splitlines()[-2:] == [
        "1 of them came in test_a",
        "the server is shared: let its fixture say reset() or clear() first",
    ]


def test_clear_forgets_what_matches() -> None:
    """With criteria, the others stay; an unknown one is an error, and nothing is forgotten."""
    inbox = Inbox()
    inbox._put(message("1"))
    inbox._put(message("2"))
    inbox.clear(subject="1")
    assert [kept.subject for kept in inbox] == ["2"]
    with pytest.raises(SettingsError, match="did you mean 'subject'"):
        inbox.clear(subjct="2")  # type: ignore[call-arg]
    assert len(inbox) == 1
    inbox.clear()
    assert inbox == []


# -- expect ---------------------------------------------------------------------------------------------


def test_expect_gives_what_arrived_in_the_block() -> None:
    """Only what matches and arrived after entering counts; clearing in the block forgets none of it."""
    inbox = Inbox()
    inbox._put(message("Welcome"))
    wanted = message("Welcome")
    with inbox.expect(subject="Welcome") as sent:
        assert sent == []
        inbox._put(message("other"))
        inbox._put(wanted)
        inbox.clear()
    assert sent == [wanted]


def test_expect_waits_after_the_block() -> None:
    """While some are missing, up to `timeout` seconds; then `settle` for one too many."""
    inbox = Inbox()
    arrival = Arrival(inbox, message("1"), message("2"))
    with inbox.expect(2, timeout=30) as sent:
        arrival.__enter__()
    arrival.__exit__()
    assert sent == list(inbox)
    arrival = Arrival(inbox, message("1"), message("2"))
    too_many = pytest.raises(AssertionError, match="2 messages arrived, one was expected")
    with too_many, inbox.expect(timeout=30, settle=30):
        arrival.__enter__()
    arrival.__exit__()


def test_expect_fails_on_too_few() -> None:
    """The words are those of `one`: what arrived in the block, and what is missing."""
    inbox = Inbox(lambda: [Session(("127.0.0.1", 1))])
    inbox._put(message("earlier"))
    with pytest.raises(AssertionError) as failure, inbox.expect(3, timeout=0.01):
        inbox._put(message("1"))
    assert str(failure.value).splitlines() == [
        "1 of 3 messages arrived in the block or within 0.01 s of its end",
        "arrived:",
        "  1. from shop@example.com to bob@example.org, subject '1'",
        "sessions still open, before MAIL:",
        "  127.0.0.1:1: still open; no command",
    ]
    too_few = pytest.raises(AssertionError, match="no message with subject='x' arrived in the block")
    with too_few, inbox.expect(timeout=0, subject="x"):
        pass


def test_expect_none() -> None:
    """With count 0 nothing that matches may arrive in the block, nor in `settle` after it."""
    inbox = Inbox()
    with inbox.expect(0, subject="Invoice") as sent:
        inbox._put(message("Welcome"))
    assert sent == []
    with pytest.raises(AssertionError, match="1 message arrived, none was expected"), inbox.expect(0):
        inbox._put(message())


def test_an_exception_of_the_block_passes_unchanged() -> None:
    """Nothing is waited for, and no failure of ours hides it."""
    error = ValueError("mine")
    inbox = Inbox()
    with pytest.raises(ValueError, match="mine") as raised, inbox.expect(timeout=30):
        raise error
    assert raised.value is error
    assert error.__context__ is None


async def test_expect_in_a_task() -> None:
    """`async with` waits without blocking; the plain form is refused in words that name it."""
    inbox = Inbox()
    arrival = Arrival(inbox, message("1"))
    async with inbox.expect(timeout=30) as sent:
        arrival.__enter__()
    arrival.__exit__()
    assert sent == [inbox[0]]
    with pytest.raises(AssertionError, match="no message arrived in the block"):
        async with inbox.expect(timeout=0.01):
            pass
    with pytest.raises(RuntimeError, match=r"use `async with messages.expect\(...\)`"), inbox.expect():
        pass


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda i: i.expect(-1), "count is how many messages to wait for: a whole number, 0 or more, not -1"),
        (lambda i: i.expect(timeout=-1), "timeout is in seconds, 0 or more, not -1"),
        (lambda i: i.expect(settle="1"), "settle is in seconds, 0 or more, not '1'"),
        (lambda i: i.expect(subjct="x"), "unknown criterion 'subjct' (did you mean 'subject'?)"),
    ],
)
def test_an_expectation_that_cannot_be_is_refused(make: Callable[[Inbox], object], words: str) -> None:
    """At the line that states it, before the block."""
    with pytest.raises(SettingsError) as error:
        make(Inbox())
    assert str(error.value) == words


# -- loops that are not asyncio's -----------------------------------------------------------------------


def test_in_trio_the_words_name_it_and_the_way_round() -> None:
    """The awaitable twins are for asyncio, and blocking trio's loop is refused; the way they name works."""
    trio = pytest.importorskip("trio")
    inbox = Inbox()
    inbox._put(message())

    async def main() -> None:
        with pytest.raises(RuntimeError) as twin:
            await inbox.await_one(timeout=3)
        way = "call it in a thread, `await trio.to_thread.run_sync(lambda: messages.one(timeout=5))`"
        assert str(twin.value) == (
            "await_one() is for asyncio, and trio runs here: wait with the blocking twin instead; " + way
        )
        with pytest.raises(RuntimeError) as blocking:
            inbox.one(timeout=3)
        assert str(blocking.value) == (
            "one() would block trio's event loop, which is to send the message: " + way
        )
        assert await trio.to_thread.run_sync(lambda: inbox.one(timeout=5)) is inbox[0]

    trio.run(main)


def test_without_a_loop_the_words_say_so() -> None:
    """An awaitable twin that something else drives names asyncio."""
    waiting = Inbox().await_one(timeout=3)
    with pytest.raises(RuntimeError, match=r"^await_one\(\) is for asyncio, of which no loop runs here"):
        waiting.send(None)


def test_the_servers_own_loop_is_not_the_users() -> None:
    """With gevent's threads it seems to run in every thread: a blocking wait goes on all the same."""

    async def wait() -> str:
        with pytest.raises(AssertionError, match="no message arrived within"):
            Inbox().one(timeout=0.001)
        return "waited"

    assert loop.current().run(wait()) == "waited"
