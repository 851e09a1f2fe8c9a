"""Fuzzes the client with any replies: `python -m tests.fuzz client_replies -max_total_time=600`."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any, TypeVar

from pytest_smtp4d.errors import Problem
from pytest_smtp4d.smtp import dialogue
from pytest_smtp4d.smtp.dialogue import Dialogue, Outcome, Refused
from pytest_smtp4d.smtp.envelope import Envelope
from pytest_smtp4d.smtp.extension import Extensions
from pytest_smtp4d.smtp.sasl import Secrets
from pytest_smtp4d.transporter.channel import Channel
from pytest_smtp4d.transporter.log import SessionLog
from pytest_smtp4d.transporter.waiting import Compute, Deadline, Ready, Work

_T = TypeVar("_T")
_CUT = b"|"
"""Stands where the server waits until the client says something."""

_OFFER = (
    b"250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 999\r\n"
    b"250-AUTH PLAIN LOGIN SCRAM-SHA-1 CRAM-MD5 XOAUTH2\r\n250 CHUNKING\r\n"
)
_OPEN = b"220 mx\r\n|" + _OFFER + b"|"
SEEDS = [
    b"\x02" + _OPEN + b"235 OK\r\n|250 OK\r\n250 OK\r\n354 go\r\n|250 2.0.0 queued\r\n|221 bye\r\n",
    b"\x01220-a\r\n220 b\r\n|500 what\r\n|250 mx\r\n|250 OK\r\n|550 5.1.1 no\r\n|250 OK\r\n|421 bye\r\n",
    b"\x00220 m\r\n|250 m\r\n|250 a\r\n|250 b\r\n|354 go\r\n|250 c\r\n"
    b"|250 d\r\n|250 e\r\n|354 go\r\n|554 f\r\n",
    b"\x00220 mx\r\n|250-mx\r\n250 STARTTLS\r\n|220 go\r\n|\x16\x03\x03\x00\x05hello",
    b"\x04" + _OPEN + b"334 cj1ub25jZXgscz1jMkZzZEE9PSxpPTE=\r\n|334 dj14\r\n|235 OK\r\n|250 OK\r\n|",
    b"\x06" + _OPEN + b"334 VXNlcm5hbWU6\r\n|334 Password:\r\n|535 5.7.8 no\r\n|",
    b"\x08" + _OPEN + b"334 eyJzdGF0dXMiOiI0MDEifQ\r\n|535 5.7.8 no\r\n|",
    b"\x00220 mx\r\n|250-mx\r\n250 CHUNKING\r\n|250 a\r\n|250 b\r\n|502 f\r\n|250 c\r\n|250 d\r\n|250 e\r\n|",
]
_LOGINS = [
    None,
    (Secrets("me", "pw"), "PLAIN"),
    (Secrets("me", "pw"), None),
    (Secrets("me", "pw"), "LOGIN"),
    (Secrets("me", token="t"), None),
    (Secrets("me", "pw"), "CRAM-MD5"),
]
_CONTEXT = ssl.create_default_context()


def one_input(octets: bytes) -> None:
    """Hold a session with such a server: results, refusals, problems, and no success without a 2yz."""
    choice = octets[0] if octets else 0
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    channel = Channel(Ready(ours), "peer.example", SessionLog(()))
    peer = _Peer(theirs, octets[1:].split(_CUT))
    try:
        with contextlib.suppress(Refused, Problem):
            _session(channel, peer, choice)
    finally:
        channel.close(farewell=True)
        theirs.close()


class _Peer:
    """Says one piece whenever the client waits, then leaves."""

    def __init__(self, sock: socket.socket, pieces: list[bytes]) -> None:
        self._socket = sock
        self._pieces = pieces
        self.heard = b""
        self.said = b""

    def speak(self) -> None:
        """Hear what the client said, and say the next piece."""
        with contextlib.suppress(BlockingIOError):
            self.heard += self._socket.recv(1 << 20)
        if not self._pieces:
            self._socket.shutdown(socket.SHUT_WR)
            return
        piece = self._pieces.pop(0)
        self._socket.send(piece)
        self.said += piece


def _run(channel: Channel, peer: _Peer, talk: Dialogue[_T]) -> _T:
    """Drive a dialogue, the peer having its turn whenever the client waits for it."""
    work: Work[_T] = channel.run(talk, Deadline.after(3600, "sendTimeOut"), _CONTEXT)
    answer: Any = None
    try:
        while True:
            want = work.send(answer)
            answer = None
            if isinstance(want, Compute):
                answer = want.function()
            else:
                peer.speak()
    except StopIteration as end:
        value: _T = end.value
        return value


def _session(channel: Channel, peer: _Peer, choice: int) -> None:
    opened = _run(channel, peer, dialogue.secure("me", implicit=choice >= 0xF0, cleartext=True))
    if opened is None:
        opened = _run(channel, peer, dialogue.hello("me"))
    extensions: Extensions = opened[1]
    chosen = _LOGINS[choice // 2 % len(_LOGINS)]
    if chosen is not None:
        secrets, mode = chosen
        _run(channel, peer, dialogue.login(extensions, secrets, mode, "nonce"))
    rcpt_to = ("b@example.org", "c@example.org")[: 1 + choice % 2]
    for envelope in (Envelope("a@example.com", rcpt_to), Envelope("", rcpt_to)):
        heard = len(peer.heard)
        outcome: Outcome = _run(
            channel, peer, dialogue.transaction(envelope, b"Subject: x\r\n\r\nx\r\n", extensions)
        )
        if outcome.is_accepted:
            assert 200 <= outcome.reply.code < 300
            assert b"Subject: x" in peer.heard[heard:] or channel.in_doubt
            assert not outcome.refused
        if channel.in_doubt:
            return
    _run(channel, peer, dialogue.quit_session())
