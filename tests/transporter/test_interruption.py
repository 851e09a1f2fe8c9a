"""Contract 1.2: whatever interrupts a call, at any instruction, the next one is delivered right."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from pytest_smtp4d import AsyncSMTPTransporter, Email, Event, SMTPTransporter
from pytest_smtp4d.transporter import event_loop
from tests.transporter.interruption import Interrupt, Post, Strike, send_under_signals

if TYPE_CHECKING:
    from pytest_smtp4d import MakeSMTPServer, SMTPServer

# What was struck between its creation and its first name, and what a handler struck within a finaliser.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(900),
]
PROTOCOL = ("transporter/", "smtp/", "tls.py")
EVERYWHERE = ("",)


@pytest.fixture(params=["none", "starttls"])
def server(request: pytest.FixtureRequest, make_smtp_server: MakeSMTPServer) -> SMTPServer:
    """Return a server in clear, and one with TLS and a login."""
    users = {"me": "secret"} if request.param == "starttls" else {}
    return make_smtp_server(tls=request.param, users=users, strict=False)


def strike_everywhere(transporter: SMTPTransporter, server: SMTPServer, step: int = 1, **how: Any) -> int:
    """Strike a send at every place; a mail before each and one after it go over whatever there is."""
    post = Post()
    kept = []  # the tracebacks, and so the frames and generators, live on
    for at in itertools.count(1, step):
        first, struck, last = post.mail(), post.mail(), post.mail()
        post.took(first, transporter.send(first))
        strike = Strike(at, **how)
        interrupt = strike.call(lambda mail=struck: post.took(mail, transporter.send(mail)))  # type: ignore[misc]
        kept.append(interrupt)
        status = transporter.send(last)
        assert status.success, (str(interrupt), status)
        post.took(last, status)
        if strike.count < at:
            break
    transporter.close()
    post.check(server)
    return at


@pytest.mark.parametrize(
    "kind",
    [
        Interrupt,
        *(
            pytest.param(kind, marks=pytest.mark.slow)
            for kind in (KeyboardInterrupt, TimeoutError, ConnectionResetError, ValueError, GeneratorExit)
        ),
    ],
)
def test_a_send_that_is_struck_at_any_line(server: SMTPServer, kind: type[BaseException]) -> None:
    """A kept-alive send, an exception at each of its lines, and another mail."""
    transporter = SMTPTransporter(**server.client_options())
    assert strike_everywhere(transporter, server, opcodes=False, rooms=EVERYWHERE, kind=kind) > 100


@pytest.mark.slow
def test_a_send_that_is_struck_at_any_instruction(server: SMTPServer) -> None:
    """The same at each of its instructions."""
    transporter = SMTPTransporter(**server.client_options())
    assert strike_everywhere(transporter, server, opcodes=True, rooms=PROTOCOL) > 1000


@pytest.mark.parametrize("opcodes", [False, True])
def test_other_threads_go_on_after_a_strike(server: SMTPServer, opcodes: bool) -> None:
    """Whatever is struck, the lock of the transporter is free for another thread."""
    transporter = SMTPTransporter(**server.client_options())
    for at in itertools.count(1):
        strike = Strike(at, opcodes=opcodes, rooms=("transporter/transporter.py",))
        interrupt = strike.call(transporter.check_connection)
        done = threading.Event()

        def check(done: threading.Event = done) -> None:
            transporter.check_connection()
            done.set()

        threading.Thread(target=check, daemon=True).start()
        assert done.wait(10), f"locked after {interrupt}"
        if interrupt is None:
            break
    transporter.close()


@pytest.mark.parametrize(
    ("step", "opcodes"),
    [
        (9, False),
        pytest.param(1, False, marks=pytest.mark.slow),
        pytest.param(5, True, marks=pytest.mark.slow),
    ],
)
def test_opening_that_is_struck_anywhere(server: SMTPServer, step: int, opcodes: bool) -> None:
    """The first send of a transporter, struck while it connects, secures and logs in."""
    post = Post()
    kept = []
    options = server.client_options()
    for at in itertools.count(1, step):
        transporter = SMTPTransporter(**options)
        struck, last = post.mail(), post.mail()
        strike = Strike(at, opcodes=opcodes, rooms=PROTOCOL)
        interrupt = strike.call(lambda: post.took(struck, transporter.send(struck)))  # noqa: B023 - called here
        kept.append(interrupt)
        post.took(last, transporter.send(last))
        assert last["to"] in post.accepted
        transporter.close()
        if interrupt is None:
            break
    kept.clear()
    gc.collect()
    post.check(server)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_a_storm_of_signals(server: SMTPServer) -> None:
    """A handler that raises strikes sends wherever it comes; none of them goes wrong."""
    transporter = SMTPTransporter(**server.client_options())
    post = Post()
    assert send_under_signals(transporter, post, 200) > 0
    assert post.accepted
    transporter.close()
    gc.collect()
    post.check(server)


def test_other_tasks_go_on_after_a_strike(server: SMTPServer) -> None:
    """Whatever instruction is struck, the queue of the transporter goes on."""
    transporter = AsyncSMTPTransporter(**server.client_options())
    loop = asyncio.new_event_loop()

    async def check() -> None:
        assert (await asyncio.wait_for(transporter.check_connection(), 10)).success

    for at in itertools.count(1):
        strike = Strike(at, opcodes=True, rooms=("transporter/transporter.py",))
        interrupt = strike.call(lambda: loop.run_until_complete(check()))
        loop.run_until_complete(check())
        if interrupt is None:
            break
    loop.run_until_complete(transporter.close())
    loop.close()


@pytest.mark.parametrize("opcodes", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_send_in_a_loop_that_is_struck_anywhere(server: SMTPServer, opcodes: bool) -> None:
    """The same in asyncio, in the task and in the loop's callbacks: it ends, and the next mail is right."""
    post = Post()
    kept = []
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, context: kept.append(context.get("exception")))
    transporter = AsyncSMTPTransporter(**server.client_options(), send_time_out=0.2)

    async def send(mail: Email) -> None:
        with suppress(RuntimeError):  # what struck a callback goes to the loop's handler
            post.took(mail, await transporter.send(mail))

    def until_accepted() -> None:
        """Send mails until one is accepted: on a slow machine the time-out ends some."""
        before = len(post.accepted)
        while len(post.accepted) == before:
            loop.run_until_complete(send(post.mail()))

    for at in itertools.count(1, 19 if opcodes else 1):
        struck = post.mail()
        until_accepted()
        strike = Strike(at, opcodes=opcodes, rooms=PROTOCOL)
        kept.append(strike.call(lambda mail=struck: loop.run_until_complete(send(mail))))  # type: ignore[misc]
        until_accepted()
        if strike.count < at:
            break
    loop.run_until_complete(transporter.close())
    loop.close()
    post.check(server)


class CancelAt:
    """Cancels a task at its n-th wait.

    Args:
        at: which, from 1.
    """

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = 0
        self.task: asyncio.Task[Any] | None = None

    def waits(self) -> None:
        """Count a wait."""
        self.count += 1
        if self.count == self.at and self.task is not None:
            self.task.cancel()


async def cancel_everywhere(
    server: SMTPServer, monkeypatch: pytest.MonkeyPatch, opening: bool, owner: type, waiting: str
) -> None:
    """Cancel a send at each call of `owner.waiting`, and send another mail."""
    wait = getattr(owner, waiting)
    cancel = CancelAt(0)

    def counted(*arguments: Any, **keywords: Any) -> Any:
        cancel.waits()
        return wait(*arguments, **keywords)

    monkeypatch.setattr(owner, waiting, counted)
    post = Post()
    transporter = AsyncSMTPTransporter(**server.client_options())
    for at in itertools.count(1):
        first, struck, last = post.mail(), post.mail(), post.mail()
        if opening:
            await transporter.close()
        else:
            post.took(first, await transporter.send(first))
        cancel = CancelAt(at)
        cancel.task = asyncio.ensure_future(transporter.send(struck))
        with suppress(asyncio.CancelledError):
            post.took(struck, await cancel.task)
        cancel.task = None
        status = await transporter.send(last)
        assert status.success, (at, status)
        post.took(last, status)
        if cancel.count < at:
            break
    assert at > 2
    await transporter.close()
    post.check(server)


@pytest.mark.parametrize("opening", [False, True])
async def test_a_send_that_is_cancelled_at_any_await(
    server: SMTPServer, monkeypatch: pytest.MonkeyPatch, opening: bool
) -> None:
    """A kept-alive send, and one that opens the connection."""
    await cancel_everywhere(server, monkeypatch, opening, event_loop._Run, "_await")


async def test_a_send_that_is_cancelled_in_the_queue(server: SMTPServer) -> None:
    """It leaves the queue; those behind it have their turn."""
    transporter = AsyncSMTPTransporter(**server.client_options())
    post = Post()
    mails = [post.mail() for _ in range(6)]
    tasks = [asyncio.create_task(transporter.send(mail)) for mail in mails]
    await asyncio.sleep(0)
    tasks[1].cancel()
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    cancelled = [isinstance(one, asyncio.CancelledError) for one in results]
    assert cancelled == [False, True, False, True, False, False]
    await transporter.close()
    assert [message.rcpt_to[0] for message in server.messages] == [mails[at]["to"] for at in (0, 2, 4, 5)]


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_a_call_within_a_call_returns(server: SMTPServer) -> None:
    """From a signal handler, on one transporter: a status that says so; a close comes at the call's end."""
    transporter = SMTPTransporter(**server.client_options())
    post = Post()
    inner: list[Any] = []

    def handler(number: int, frame: object) -> None:
        inner.append(transporter.send(post.mail()))
        inner.append(transporter.check_connection())
        transporter.close()

    before = signal.signal(signal.SIGUSR1, handler)

    def strike(event: Event) -> bool:
        os.kill(os.getpid(), signal.SIGUSR1)
        return False

    server.on("MAIL", strike).reply(451)
    try:
        mail = post.mail()
        post.took(mail, transporter.send(mail))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert [(status.status, status.errors[0]["errCode"]) for status in inner] == [(0, 1311), (0, 1311)]
    assert "this thread is in a call of the same transporter" in inner[1].status_text
    assert server.sessions[0].commands[-1].verb == "QUIT"
    post.check(server)
