"""The channel on a socket pair: any octets, cut anywhere, end in a result or a problem, within bounds."""

from __future__ import annotations

import contextlib
import socket
import threading
import tracemalloc
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.errors import Cause, Problem
from pytest_smtp4d.smtp import dialogue
from pytest_smtp4d.smtp.dialogue import Refused
from pytest_smtp4d.smtp.envelope import Envelope
from pytest_smtp4d.smtp.extension import Extensions
from pytest_smtp4d.smtp.sasl import Secrets
from pytest_smtp4d.transporter.channel import Channel
from pytest_smtp4d.transporter.log import SessionLog
from pytest_smtp4d.transporter.waiting import Deadline, Ready, run_blocking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_smtp4d.smtp.dialogue import Dialogue

T = TypeVar("T")
ENVELOPE = Envelope("a@example.com", ("b@example.org",))


@contextlib.contextmanager
def pair() -> Iterator[tuple[Channel, socket.socket]]:
    """Yield a channel and the socket of its peer."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    channel = Channel(Ready(ours), "peer.example", SessionLog(()))
    try:
        yield channel, theirs
    finally:
        channel.close()
        theirs.close()


def run(channel: Channel, talk: Dialogue[T], seconds: float = 5) -> T:
    """Run a dialogue."""
    return run_blocking(channel.run(talk, Deadline.after(seconds, "sendTimeOut")))


LINES = st.sampled_from(
    [
        b"220 mx\r\n",
        b"250 OK\r\n",
        b"250-mx\r\n",
        b"250 PIPELINING\r\n",
        b"354 go\r\n",
        b"421 bye\r\n",
        b"550 no\r\n",
        b"250",
        b"\r\n",
        b"250-",
        b"\n",
        b"x\r\n",
        b"\x00",
        b"334 !\r\n",
        b"235 OK\r\n",
    ]
)
STREAM = st.lists(st.one_of(LINES, st.binary(max_size=40)), max_size=12).map(b"".join)


@given(STREAM, st.sampled_from(["secure", "transaction", "login", "noop"]), st.data())
def test_any_stream_ends_in_a_result_or_a_problem(stream: bytes, what: str, data: st.DataObject) -> None:
    """Whatever a peer sends before it leaves: nothing else is raised, and nothing hangs."""
    told: list[Problem] = []
    with pair() as (channel, peer):
        while stream:
            cut = data.draw(st.integers(1, len(stream)))
            peer.sendall(stream[:cut])
            stream = stream[cut:]
        peer.shutdown(socket.SHUT_WR)
        talks: dict[str, Dialogue[object]] = {
            "secure": dialogue.secure("me", implicit=False, cleartext=True),
            "transaction": dialogue.transaction(ENVELOPE, b"x\r\n", Extensions({"PIPELINING": ""})),
            "login": dialogue.login(Extensions({"AUTH": "PLAIN LOGIN"}), Secrets("me", "pw"), None, "nonce"),
            "noop": dialogue.noop(),
        }
        try:
            run(channel, talks[what])
        except Refused:
            return
        except Problem as problem:
            told.append(problem)
    assert all(problem.stage and str(problem).endswith(problem.cause.advice) for problem in told)


def flood(peer: socket.socket, octets: bytes, times: int) -> threading.Thread:
    """Send octets again and again from a thread, until the other side has had enough."""

    def send() -> None:
        with contextlib.suppress(OSError):
            for _ in range(times):
                peer.sendall(octets)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"2" * 65536, "without a line end"),
        (b"250-more\r\n" * 6000, "a reply of more than 65536 octets"),
        (b"\x00" * 65536, "without a line end"),
    ],
    ids=["line without end", "reply without end", "NULs"],
)
def test_a_reply_without_end_is_cut_off(octets: bytes, words: str) -> None:
    """A hundred megabytes on offer, a few hundred kilobytes taken."""
    tracemalloc.start()
    try:
        with pair() as (channel, peer):
            thread = flood(peer, octets, 1600)
            with pytest.raises(Problem, match=words) as caught:
                run(channel, dialogue.noop())
            assert caught.value.cause is Cause.MALFORMED_REPLY
            assert channel.in_doubt
            channel.close()
            thread.join()
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_channel_in_doubt_says_nothing_more() -> None:
    """After nonsense no QUIT is written: who knows what it would be taken for."""
    with pair() as (channel, peer):
        peer.sendall(b"nonsense\r\n")
        with pytest.raises(Problem):
            run(channel, dialogue.noop())
        assert peer.recv(100) == b"NOOP\r\n"
        channel.close(farewell=True)
        assert peer.recv(100) == b""


def test_a_farewell_is_written_and_not_waited_for() -> None:
    """QUIT, and the socket is closed; a second close is nothing."""
    with pair() as (channel, peer):
        channel.close(farewell=True)
        channel.close(farewell=True)
        assert peer.recv(100) == b"QUIT\r\n"
        assert peer.recv(100) == b""


def test_many_recipients_do_not_deadlock() -> None:
    """Replies are read while commands are still being written (RFC 2920 3.1)."""
    count = 20_000
    envelope = Envelope("a@example.com", tuple(f"user{number}@example.org" for number in range(count)))

    def answer() -> None:
        unread = b""
        for _ in range(count + 1):
            while b"\r\n" not in unread:
                unread += peer.recv(4096)
            unread = unread.partition(b"\r\n")[2]
            peer.sendall(b"250 2.1.5 A reply long enough to fill the buffers of both ends in time\r\n")
        peer.recv(100)
        peer.sendall(b"451 4.3.0 That was enough\r\n")

    with pair() as (channel, peer):
        thread = threading.Thread(target=answer)
        thread.start()
        outcome = run(channel, dialogue.transaction(envelope, b"x", Extensions({"PIPELINING": ""})), 30)
        thread.join()
    assert (outcome.stage, outcome.reply.code) == ("DATA", 451)


LARGE = f"{'x' * 70}\r\n".encode() * 200_000
"""More than the buffers of both ends hold together."""


def test_a_peer_that_does_not_read_is_a_time_out() -> None:
    """14 MB into a socket that nobody empties: the deadline holds, and says where."""
    with pair() as (channel, peer):
        peer.sendall(b"250 OK\r\n250 OK\r\n354 go\r\n")
        talk = dialogue.transaction(ENVELOPE, LARGE, Extensions({"PIPELINING": ""}))
        with pytest.raises(Problem, match=r"did not finish CONTENT, sendTimeOut of 0\.2 s is over") as caught:
            run(channel, talk, 0.2)
        assert caught.value.cause is Cause.SEND_TIMED_OUT
        assert channel.in_doubt


@pytest.mark.parametrize("leaves", [False, True])
def test_an_early_refusal_of_the_content_is_believed(leaves: bool) -> None:
    """A server that says no in mid-message is not sent the rest, whether it stays or goes."""

    def refuse() -> None:
        peer.sendall(b"250 OK\r\n250 OK\r\n354 go\r\n")
        peer.recv(1000)
        peer.recv(1000)
        peer.sendall(b"552 5.3.4 Too much\r\n")
        if leaves:
            peer.shutdown(socket.SHUT_RDWR)

    with pair() as (channel, peer):
        thread = threading.Thread(target=refuse)
        thread.start()
        outcome = run(channel, dialogue.transaction(ENVELOPE, LARGE, Extensions({"PIPELINING": ""})))
        thread.join()
        assert (outcome.stage, outcome.reply.code) == ("CONTENT", 552)
        assert channel.in_doubt
