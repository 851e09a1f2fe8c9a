"""Fuzzes the server's dialogue with any octets: `python -m tests.fuzz server_octets -max_total_time=600`."""

from __future__ import annotations

from typing import Any
from unittest import mock

from pytest_smtp4d.server.dialogue.step import Flight
from pytest_smtp4d.smtp import sasl
from pytest_smtp4d.smtp.wire import ReplyReader
from tests.server.dialogue.driving import ENVELOPE, TLS, DrivenSession, FakeHost

_HELLO = b"EHLO client.example.com\r\n"
_LOGIN = {"users": {"ada": "pass"}, "tokens": {"ada": "token"}, "auth_without_tls": True}
_SETTINGS: list[dict[str, Any]] = [
    {},
    {**_LOGIN, "require_auth": False},
    _LOGIN,
    {"tls": "none", "extensions": ("PIPELINING",), "size_limit": 100, "recipient_limit": 1},
    {"esmtp": False, "message_limit": 1},
    {"require_tls": True},
    {"greylist": 60, "users": "*", "auth_without_tls": True},
]
_FAULTS: list[dict[str, Any]] = [
    {},
    {"stage": "CONTENT", "disconnect": {"after_octets": 5}},
    {"stage": "*", "reply": 450, "after": 2},
    {"stage": "AUTH", "reply": 334},
    {"stage": "RCPT", "send": b"250 what\r\n"},
    {"stage": "MAIL", "silence": True},
    {"stage": "CONTENT", "accept": True, "reply": 421},
    {"stage": "BDAT", "trickle": 5},
]
_OPEN = _HELLO + ENVELOPE
SEEDS = [
    b"\x00\x01" + _OPEN + b"DATA\r\nSubject: x\r\n\r\n..\r\n.\r\nQUIT\r\n",
    b"\x00\x03" + _OPEN + b"BDAT 3\r\nabcBDAT 0 LAST\r\nRSET\r\nNOOP x\r\nVRFY a\r\nEXPN a\r\nHELP MAIL\r\n",
    b"\x01\xff" + _HELLO + b"AUTH PLAIN AGFkYQBwYXNz\r\n" + ENVELOPE + b"DATA\r\n.\r\n",
    b"\x02\x02" + _HELLO + b"AUTH SCRAM-SHA-256\r\nbixhPWIsbj1hZGEscj14\r\n*\r\n",
    b"\x02\x02" + _HELLO + b"AUTH LOGIN\r\nYWRh\r\ncGFzcw==\r\n" + ENVELOPE,
    b"\x0b\x04HELO x\r\nMAIL FROM:<a@b> SIZE=99 BODY=8BITMIME\r\n" + ENVELOPE + b"DATA\n.\n",
    b"\x05\x07" + _HELLO + b"STARTTLS\r\nMAIL FROM:<>\r\n",
    b"\x06\x05" + _OPEN + b"RSET\r\nMAIL FROM:<\xc3\xa4@b> SMTPUTF8 RET=HDRS ENVID=+41\r\n",
]


def one_input(octets: bytes) -> None:
    """Talk to a server in pieces: it says replies alone, nothing raises, the record is whole."""
    settings = octets[0] if octets else 0
    piece = octets[1] if octets[1:] else 1
    host = FakeHost(**_SETTINGS[settings % len(_SETTINGS)])
    host.flights = [Flight(b"", TLS)]
    fault = dict(_FAULTS[settings // len(_SETTINGS) % len(_FAULTS)])
    if fault:
        host.rules.declare(fault.pop("stage"), **fault)
    with mock.patch.object(sasl, "_ITERATIONS", 1):
        client = DrivenSession(host)
        rest = octets[2:]
        for start in range(0, len(rest), piece or 1):
            client.send(rest[start : start + (piece or 1)])
    assert host.errors == []
    _check_output(client.rest())
    if client.closed is None:
        client.leave()
    _check_record(client)


def _check_output(octets: bytes) -> None:
    reader = ReplyReader()
    reader.feed(octets)
    while (reply := reader.next()) is not None:
        assert 200 <= reply.code <= 599
    assert reader.is_empty


def _check_record(client: DrivenSession) -> None:
    session = client.session
    assert session.ended or client.closed
    for message in client.host.messages:
        assert message.rcpt_to
        assert message.problems is not None
    assert len(client.host.messages) == sum(one.message is not None for one in session.transactions)
    for violation in session.violations:
        assert str(violation)
    for command in session.commands:
        assert "\n" not in command.verb
    assert "\0" not in str(session.transcript)
    assert session.transcript.render(content=True)
    assert repr(session)
