"""Whose turn it is: a connection with a transport and a loop that do only what a test lets them do."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pytest_smtp4d.faults.match import Event
from pytest_smtp4d.server.connection import INPUT_LIMIT, LINGER, TURN, ServerConnection
from pytest_smtp4d.server.server import SMTPServer

Call = tuple[Callable[..., object], tuple[Any, ...]]
EHLO = b"EHLO client.example.com\r\n"
OK = b"250 2.0.0 OK\r\n"


class FakeTimer:
    """A call that is due later."""

    def __init__(self, seconds: float, call: Call) -> None:
        self.seconds = seconds
        self.call = call
        self.is_cancelled = False

    def cancel(self) -> None:
        """Do not call any more."""
        self.is_cancelled = True


class FakeLoop:
    """A loop that calls nothing of itself."""

    def __init__(self) -> None:
        self.soon: list[Call] = []
        self.later: list[FakeTimer] = []
        self.from_threads: queue.Queue[Call] = queue.Queue()

    def get_debug(self) -> bool:
        """Return False: asyncio's stream classes ask."""
        return False

    def create_future(self) -> asyncio.Future[None]:
        """Return a future that nobody waits for: asyncio's stream classes make one."""
        return asyncio.Future(loop=self)  # type: ignore[arg-type] # as much of a loop as a future needs

    def call_soon(self, function: Callable[..., object], *arguments: object) -> None:
        """Keep a call for the next turn."""
        self.soon.append((function, arguments))

    def call_later(self, seconds: float, function: Callable[..., object], *arguments: object) -> FakeTimer:
        """Keep a call for later."""
        self.later.append(FakeTimer(seconds, (function, arguments)))
        return self.later[-1]

    def call_soon_threadsafe(self, function: Callable[..., object], *arguments: object) -> None:
        """Keep a call that another thread asks for."""
        self.from_threads.put((function, arguments))

    def turn(self) -> int:
        """Call what was due when the turn began; return how much that was."""
        calls, self.soon = self.soon, []
        for function, arguments in calls:
            function(*arguments)
        return len(calls)

    def next_from_a_thread(self) -> Call:
        """Wait for what a thread wants to be called, and return it."""
        return self.from_threads.get(timeout=10)


class FakeTransport(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 40_000)})
        self.written = bytearray()
        self.is_reading_paused = False
        self.has_ended = False
        self.is_aborted = False

    def write(self, data: object) -> None:
        """Keep octets."""
        assert isinstance(data, bytes)
        self.written += data

    def write_eof(self) -> None:
        """Keep that the last octet was written."""
        self.has_ended = True

    def pause_reading(self) -> None:
        """Keep that nothing shall be read."""
        assert not self.is_reading_paused
        self.is_reading_paused = True

    def resume_reading(self) -> None:
        """Keep that reading goes on."""
        assert self.is_reading_paused
        self.is_reading_paused = False

    def is_closing(self) -> bool:
        """Return whether it was aborted."""
        return self.is_aborted

    def close(self) -> None:
        """Keep that the last octet was written, and no more is read."""
        self.has_ended = True

    def abort(self) -> None:
        """Keep that it was aborted."""
        self.is_aborted = True

    def taken(self) -> bytes:
        """Return, and forget, what was written."""
        octets = bytes(self.written)
        self.written.clear()
        return octets


class Connected:
    """A connection that has been greeted, and what it holds on to."""

    def __init__(self) -> None:
        self.server = SMTPServer(tls="none", strict=False)
        self.loop = FakeLoop()
        self.transport = FakeTransport()
        self.connection = ServerConnection(
            self.server._state,
            self.loop,  # type: ignore[arg-type] # as much of a loop as a connection needs
        )
        self.connection.connection_made(self.transport)
        self.send(EHLO)
        assert self.transport.taken().startswith(b"220 ")

    def send(self, octets: bytes) -> None:
        """Let octets arrive."""
        self.connection.data_received(octets)


@pytest.fixture
def connected() -> Connected:
    """A connection that has said EHLO."""
    return Connected()


class Pending:
    """A predicate that answers when it is told to, each question once."""

    def __init__(self) -> None:
        self._answers = threading.Semaphore(0)

    def __call__(self, event: Event) -> bool:
        """Wait for the answer."""
        return self._answers.acquire(timeout=10)

    def answer(self) -> None:
        """Answer one question with True."""
        self._answers.release()


# -- a client that does not read ------------------------------------------------------------------------


def test_an_answer_that_comes_while_the_client_does_not_read_is_kept(connected: Connected) -> None:
    """Writing is paused between a predicate's question and its answer: the reply comes when it goes on."""
    pending = Pending()
    connected.server.on("NOOP", pending).reply(450, "4.2.0 Later")
    connected.send(b"NOOP\r\n")
    connected.connection.pause_writing()
    pending.answer()
    function, arguments = connected.loop.next_from_a_thread()
    function(*arguments)
    assert connected.transport.taken() == b""
    connected.send(b"HELP mail\r\n")
    assert connected.transport.taken() == b""
    connected.connection.resume_writing()
    assert connected.transport.taken().startswith(b"450 4.2.0 Later\r\n214 ")
    assert not connected.transport.is_reading_paused


def test_an_answer_that_comes_when_the_client_reads_again(connected: Connected) -> None:
    """Writing was paused and resumed while the predicate took its time: nothing is answered for it."""
    pending = Pending()
    connected.server.on("NOOP", pending).reply(450, "4.2.0 Later")
    connected.send(b"NOOP\r\nNOOP\r\n")
    connected.connection.pause_writing()
    connected.connection.resume_writing()
    assert connected.transport.taken() == b""
    for _ in range(2):
        pending.answer()
        function, arguments = connected.loop.next_from_a_thread()
        function(*arguments)
        assert connected.transport.taken() == b"450 4.2.0 Later\r\n"
    assert connected.loop.from_threads.empty()


def test_an_answer_that_comes_twice_over(connected: Connected) -> None:
    """The second is none to the next step, which waits for its own."""
    pending = Pending()
    connected.server.on("NOOP", pending).reply(450, "4.2.0 Later")
    connected.send(b"NOOP\r\nNOOP\r\n")
    pending.answer()
    function, arguments = connected.loop.next_from_a_thread()
    function(*arguments)
    function(*arguments)
    assert connected.transport.taken() == b"450 4.2.0 Later\r\n"
    pending.answer()
    function, arguments = connected.loop.next_from_a_thread()
    function(*arguments)
    assert connected.transport.taken() == b"450 4.2.0 Later\r\n"


def test_a_wait_that_is_over_while_the_client_does_not_read(connected: Connected) -> None:
    """The same for a delay as for a predicate."""
    connected.server.on("NOOP").delay(5)
    connected.send(b"NOOP\r\n")
    (timer,) = connected.loop.later
    assert timer.seconds == 5
    connected.connection.pause_writing()
    function, arguments = timer.call
    function(*arguments)
    assert connected.transport.taken() == b""
    connected.connection.resume_writing()
    assert connected.transport.taken() == OK


def test_an_answer_that_comes_after_the_connection_was_lost(connected: Connected) -> None:
    """It is nobody's any more, whether the client read or not."""
    pending = Pending()
    connected.server.on("NOOP", pending).reply(450)
    connected.send(b"NOOP\r\n")
    connected.connection.pause_writing()
    connected.connection.connection_lost(None)
    pending.answer()
    function, arguments = connected.loop.next_from_a_thread()
    function(*arguments)
    connected.connection.resume_writing()
    assert connected.transport.taken() == b""
    assert connected.server.sessions[0].ended == "client closed"


def test_a_client_that_ended_before_the_answer_is_answered(connected: Connected) -> None:
    """FIN came while the predicate was asked: the reply is written, and then the connection is closed."""
    pending = Pending()
    connected.server.on("NOOP", pending).reply(450, "4.2.0 Later")
    connected.send(b"NOOP\r\n")
    assert connected.connection.eof_received() is True
    pending.answer()
    function, arguments = connected.loop.next_from_a_thread()
    function(*arguments)
    assert connected.transport.taken() == b"450 4.2.0 Later\r\n"
    assert connected.server.sessions[0].ended == "client closed"


def test_input_that_waits_is_bounded(connected: Connected) -> None:
    """Reading is paused while more than the limit waits for a command in progress, and resumed after it."""
    pending = Pending()
    connected.server.on("NOOP", pending).reply(450)
    connected.send(b"NOOP\r\n")
    connected.send(b"HELP\r\n" * (INPUT_LIMIT // 6))
    paused = [connected.transport.is_reading_paused]
    connected.send(b"HELP\r\n")
    paused.append(connected.transport.is_reading_paused)
    pending.answer()
    function, arguments = connected.loop.next_from_a_thread()
    function(*arguments)
    while connected.loop.turn():
        pass
    paused.append(connected.transport.is_reading_paused)
    assert paused == [False, True, False]


def test_a_wait_is_over_when_the_session_is_dropped(connected: Connected) -> None:
    """Its timer is cancelled; the connection lingers for a moment and is then cut."""
    connected.server.on("NOOP").delay(5)
    connected.send(b"NOOP\r\n")
    (waiting,) = connected.loop.later
    connected.connection.drop(None, abort=False)
    assert waiting.is_cancelled
    assert connected.transport.has_ended
    linger = connected.loop.later[-1]
    assert linger.seconds == LINGER
    linger.call[0]()
    assert connected.transport.is_aborted


# -- turns ----------------------------------------------------------------------------------------------


def test_a_long_pipeline_gives_others_their_turn(connected: Connected) -> None:
    """After so many commands the rest waits for the next turn of the loop, each time once."""
    connected.send(b"NOOP\r\n" * (2 * TURN + 1))
    assert connected.transport.taken() == OK * TURN
    assert len(connected.loop.soon) == 1
    assert connected.loop.turn() == 1
    assert connected.transport.taken() == OK * TURN
    assert connected.loop.turn() == 1
    assert connected.transport.taken() == OK
    assert connected.loop.turn() == 0


def test_a_turn_is_scheduled_once(connected: Connected) -> None:
    """Octets that arrive before it may be answered at once; there is one turn, and one reply a command."""
    connected.send(b"NOOP\r\n" * (TURN + 1))
    connected.send(b"NOOP\r\n" * (2 * TURN))
    assert len(connected.loop.soon) == 1
    while connected.loop.soon:
        assert connected.loop.turn() == 1
    assert connected.transport.taken() == OK * (3 * TURN + 1)
    assert len(connected.server.sessions[0].commands) == 3 * TURN + 2


def test_a_turn_that_comes_while_the_client_does_not_read(connected: Connected) -> None:
    """Nothing is done in it; when the client reads again the session goes on, and is scheduled as before."""
    connected.send(b"NOOP\r\n" * (2 * TURN + 1))
    connected.transport.taken()
    connected.connection.pause_writing()
    assert connected.loop.turn() == 1
    assert connected.transport.taken() == b""
    connected.connection.resume_writing()
    assert connected.transport.taken() == OK * TURN
    assert len(connected.loop.soon) == 1
    connected.loop.turn()
    assert connected.transport.taken() == OK


def test_reading_again_before_the_turn_schedules_no_other(connected: Connected) -> None:
    """Paused and resumed while a turn is due: the turn that is due is the only one."""
    connected.send(b"NOOP\r\n" * (3 * TURN))
    connected.connection.pause_writing()
    connected.connection.resume_writing()
    assert len(connected.loop.soon) == 1
    while connected.loop.soon:
        assert connected.loop.turn() == 1
    assert connected.transport.taken() == OK * (3 * TURN)


def test_a_turn_that_comes_after_the_end(connected: Connected) -> None:
    """The session was dropped, or lost, while its turn was due: nothing happens."""
    connected.send(b"NOOP\r\n" * (TURN + 1))
    connected.transport.taken()
    connected.connection.connection_lost(ConnectionResetError())
    assert connected.loop.turn() == 1
    assert connected.transport.taken() == b""
    assert connected.server.sessions[0].ended == "connection reset by the client"


def test_a_client_that_ended_before_its_turn_is_answered(connected: Connected) -> None:
    """It sent all, said FIN and reads: the connection is closed when everything is answered, not before."""
    connected.send(b"NOOP\r\n" * (2 * TURN))
    assert connected.connection.eof_received() is True
    while connected.loop.soon:
        assert connected.server.sessions[0].ended is None
        connected.loop.turn()
    assert connected.transport.taken() == OK * (2 * TURN)
    assert connected.server.sessions[0].ended == "client closed"
