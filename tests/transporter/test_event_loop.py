"""The transporter in asyncio: what it does with a loop, and with one that cannot watch sockets."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_smtp4d import AsyncSMTPTransporter, Email
from pytest_smtp4d.transporter.event_loop import can_watch
from tests.transporter.loops import LoopWithoutReaders
from tests.transporter.scripted import Line, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from pytest_smtp4d import SMTPServer

MAIL: Email = {"from": "a@example.com", "to": "b@example.org", "subject": "Hello", "textBody": "Hi\r\n"}


@pytest.fixture(params=[asyncio.SelectorEventLoop, LoopWithoutReaders], ids=["watched", "in a thread"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """Return a loop that can watch sockets, and one that cannot."""
    made: asyncio.AbstractEventLoop = request.param()
    yield made
    made.run_until_complete(made.shutdown_default_executor())
    made.close()


def test_a_loop_says_whether_it_can_watch(loop: asyncio.AbstractEventLoop) -> None:
    """It is asked once, with sockets that nobody else knows."""
    assert can_watch(loop) is not isinstance(loop, LoopWithoutReaders)


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_ten_at_once(loop: asyncio.AbstractEventLoop, make_smtp_server: Any, tls: str) -> None:
    """Ten transporters in one loop, twenty mails each, over one connection each."""
    server = make_smtp_server(tls=tls)

    async def send(number: int) -> None:
        async with AsyncSMTPTransporter(**server.client_options()) as transporter:
            for count in range(20):
                assert await transporter.send({**MAIL, "subject": f"{number}.{count}"})

    async def main() -> None:
        await asyncio.gather(*(send(number) for number in range(10)))

    loop.run_until_complete(main())
    assert len({message.subject for message in server.messages}) == 200
    assert len(server.sessions) == 10


async def until(condition: Callable[[], bool]) -> None:
    """Give the loop turns until a condition holds."""
    while not condition():  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)


def run_beside(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any]) -> int:
    """Run work; return how often another task of the loop had its turn meanwhile."""
    turns = 0

    async def count(done: asyncio.Event) -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            await asyncio.sleep(0)

    async def main() -> None:
        done = asyncio.Event()
        counter = asyncio.ensure_future(count(done))
        await work
        done.set()
        await counter

    loop.run_until_complete(main())
    return turns


@pytest.mark.smtp_server(tls="none")
def test_a_large_mail_leaves_the_loop_to_others(
    loop: asyncio.AbstractEventLoop, smtp_server: SMTPServer
) -> None:
    """Twenty million octets are composed, and sent, while other tasks have their turns."""
    mail: Email = {**MAIL, "textBody": "All work and no play makes Jack a dull boy.\r\n" * 450_000}
    threads = set()
    transporter = AsyncSMTPTransporter(**smtp_server.client_options())

    async def send() -> None:
        client = transporter._turns_here().client
        compose = client._message

        def composed(mail: Any) -> Any:
            threads.add(threading.get_ident())
            return compose(mail)

        client._message = composed  # type: ignore[method-assign]
        assert await transporter.send(mail)
        await transporter.close()

    assert run_beside(loop, send()) > 20
    assert threading.get_ident() not in threads
    assert len(smtp_server.messages.one().content) > 20_000_000


def test_a_derivation_leaves_the_loop_to_others(loop: asyncio.AbstractEventLoop) -> None:
    """A server's million iterations hold nobody up."""

    def script(line: Line) -> None:
        line.open_session("AUTH SCRAM-SHA-1")
        _, _, first = line.hear_auth()
        line.challenge(f"r={first.rpartition('r=')[2]}1,s=c2FsdA==,i=1000000")
        if line.hear():
            line.say("535 5.7.8 No")
            line.wait_for_end()

    with ScriptedServer(script) as server:
        transporter = AsyncSMTPTransporter(
            host="127.0.0.1",
            port=server.port,
            accept_unsecure_connection=True,
            user="me",
            password="pw",
        )

        async def send() -> None:
            status = await transporter.send(MAIL)
            assert (status.status, status.command) == (535, "AUTH"), status
            await transporter.close()

        assert run_beside(loop, send()) > 5


@pytest.mark.parametrize("where", ["connected", "idle"])
def test_a_cancelled_call_returns_at_once(loop: asyncio.AbstractEventLoop, where: str) -> None:
    """A silent server does not keep a cancelled task; the next call opens anew."""
    heard = threading.Event()

    def script(line: Line) -> None:
        if where == "idle":
            line.open_session()
            line.hear()
        heard.set()
        line.wait_for_end()

    async def main(transporter: AsyncSMTPTransporter) -> None:
        task = asyncio.ensure_future(transporter.send(MAIL))
        await asyncio.get_running_loop().run_in_executor(None, heard.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        heard.clear()

    with ScriptedServer(script) as server:
        transporter = AsyncSMTPTransporter(
            host="127.0.0.1", port=server.port, accept_unsecure_connection=True
        )
        for _ in range(3):
            loop.run_until_complete(main(transporter))
        assert server.connections == 3


def test_an_idle_session_that_ends_does_not_keep_the_loop_busy() -> None:
    """What arrives between calls is left where it is, and unwatched, until the next call looks."""
    ended = threading.Event()

    def script(line: Line) -> None:
        line.open_session()
        line.take_message()
        line.say("421 4.4.2 Idle too long")
        line.socket.close()
        ended.set()

    async def main() -> None:
        transporter = AsyncSMTPTransporter(
            host="127.0.0.1", port=server.port, accept_unsecure_connection=True
        )
        assert await transporter.send(MAIL)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, ended.wait, 5)
        channel = transporter._turns_here().client._channel
        assert channel is not None
        watch = channel._ready.watch
        await until(lambda: not watch._reads)
        assert await transporter.send(MAIL)
        await transporter.close()

    with ScriptedServer(script) as server:
        asyncio.run(main())


def test_a_socket_is_unwatched_before_it_is_closed(smtp_server: SMTPServer) -> None:
    """A new socket gets the number of the old one; the loop does not take it for that."""

    async def main() -> None:
        for _ in range(5):
            transporter = AsyncSMTPTransporter(**smtp_server.client_options())
            assert await transporter.send(MAIL)
            del transporter  # closed without a word, by the finaliser
            gc.collect()
            one, other = socket.socketpair()
            with one, other:
                loop = asyncio.get_running_loop()
                readable = asyncio.Event()
                loop.add_reader(one, readable.set)
                other.send(b"x")
                await asyncio.wait_for(readable.wait(), 5)
                loop.remove_reader(one)

    asyncio.run(main())
    assert len(smtp_server.messages) == 5


def test_a_transporter_that_another_thread_lets_go_is_closed_by_its_loop(smtp_server: SMTPServer) -> None:
    """The loop alone touches what it watches."""

    async def main() -> None:
        held = [AsyncSMTPTransporter(**smtp_server.client_options())]
        assert await held[0].send(MAIL)
        channel = held[0]._turns_here().client._channel
        assert channel is not None
        sock = channel._socket

        def let_go() -> None:
            held.clear()
            gc.collect()

        await asyncio.get_running_loop().run_in_executor(None, let_go)
        await until(lambda: sock.fileno() < 0)

    asyncio.run(main())
    assert smtp_server.sessions[0].commands[-1].verb == "QUIT"


def test_a_signal_that_ends_the_loop_ends_the_send() -> None:
    """Ctrl-C in a callback of ours comes out of the loop, as from a task; the connection is closed."""
    transporters: list[AsyncSMTPTransporter] = []

    def script(line: Line) -> None:
        line.open_session()
        line.hear()
        line.say("250 OK")
        line.wait_for_end()

    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    async def main() -> None:
        transporter = AsyncSMTPTransporter(
            host="127.0.0.1", port=server.port, accept_unsecure_connection=True
        )
        transporters.append(transporter)
        await transporter.check_connection()
        channel = transporter._turns_here().client._channel
        assert channel is not None
        channel._collect = stop  # type: ignore[assignment, method-assign]
        await transporter.send(MAIL)

    with ScriptedServer(script) as server:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(main())
        assert all(turns.client._channel is None for turns in transporters[0]._turns.values())
