"""Servers that answer late, wrong or not at all, and programs that interrupt or freeze them."""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_smtp4d import Email, SMTPTransporter
from pytest_smtp4d.smtp.sasl import Derivation
from tests.transporter.scripted import Line, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.transporter.conftest import Client

    Make = Callable[..., Client]

MAIL: Email = {"from": "a@example.com", "to": "b@example.org", "subject": "Hello", "textBody": "Hi"}


# -- refusals


@pytest.mark.parametrize("after", ["closes", "is silent", "says nonsense"])
def test_a_refusal_stays_whatever_becomes_of_the_dot_after_it(make_client: Make, after: str) -> None:
    """RCPT refused and DATA accepted in one group: a lone dot ends it, and the refusal is told anyway."""

    def script(line: Line) -> None:
        line.open_session("PIPELINING")
        for _ in range(3):
            line.hear()
        line.say("250 OK", "550 5.1.1 Who?", "354 go")
        assert line.hear() == "."
        if after == "says nonsense":
            line.say("what?")
        if after != "closes":
            line.wait_for_end()

    with ScriptedServer(script) as server:
        client = make_client(server.port, send_time_out=1 if after == "is silent" else 5)
        status = client.send(MAIL)
        assert (status.status, status.command, status.enhanced_code) == (550, "RCPT", "5.1.1")
        assert {mailbox: str(reply) for mailbox, reply in status.refused.items()} == {
            "b@example.org": "550 5.1.1 Who?"
        }
        assert status.errors == ()
        client.send(MAIL)
        assert server.connections == 2


def test_a_421_in_mid_content_is_told(make_client: Make) -> None:
    """RFC 5321 3.8: a server that shuts down says so where it is, and leaves."""

    def script(line: Line) -> None:
        line.open_session()
        for reply in ("250 OK", "250 OK", "354 go"):
            line.hear()
            line.say(reply)
        line.socket.recv(1000)
        line.say("421 4.3.2 Going down")
        line.wait_for_end()

    with ScriptedServer(script) as server:
        status = make_client(server.port).send({**MAIL, "textBody": "x" * 20_000_000})
    assert (status.status, status.command, status.status_text) == (421, "CONTENT", "4.3.2 Going down")


# -- CHUNKING on offer, and no BDAT


def test_a_refused_bdat_is_sent_again_by_data(make_client: Make) -> None:
    """In the session that there is, and DATA at once for the next mail."""
    verbs: list[str] = []

    def script(line: Line) -> None:
        line.open_session("CHUNKING")
        while command := line.hear():
            verb, _, rest = command.partition(" ")
            verbs.append(verb)
            if verb == "BDAT":
                line.hear_octets(int(rest.split()[0]))
                line.say("502 5.5.1 What?")
            elif verb == "DATA":
                line.say("354 go")
                contents.append(line.hear_content())
                line.say("250 Queued")
            else:
                line.say("221 bye" if verb == "QUIT" else "250 OK")

    contents: list[bytes] = []
    with ScriptedServer(script) as server:
        client = make_client(server.port)
        status = client.send(MAIL)
        assert (status.status, status.status_text) == (250, "Queued")
        assert client.send(MAIL).success
        client.close()
        assert server.connections == 1
    once = ["MAIL", "RCPT"]
    assert verbs == [*once, "BDAT", "RSET", *once, "DATA", *once, "DATA", "QUIT"]
    assert [content.count(b"Subject: Hello") for content in contents] == [1, 1]


def test_content_that_was_taken_for_commands_ends_the_session(make_client: Make) -> None:
    """A server that reads on behind its 502 answers every line; the mail goes over another connection."""
    contents: list[bytes] = []

    def script(line: Line) -> None:
        line.open_session("CHUNKING")
        while command := line.hear():
            verb = command.partition(" ")[0]
            if verb == "DATA":
                line.say("354 go")
                contents.append(line.hear_content())
                line.say("250 Queued")
            elif verb in ("MAIL", "RCPT", "RSET"):
                line.say("250 OK")
            else:
                line.say("502 5.5.1 What?" if verb != "QUIT" else "221 bye")

    with ScriptedServer(script) as server:
        client = make_client(server.port)
        assert client.send(MAIL).success
        client.close()
        assert server.connections == 2
    assert [content.count(b"Subject: Hello") for content in contents] == [1]


# -- conversions


def test_a_size_of_thousands_of_digits(make_client: Make) -> None:
    """It limits nothing."""

    def script(line: Line) -> None:
        line.open_session("SIZE " + "9" * 5000)
        line.take_message()
        line.wait_for_end()

    with ScriptedServer(script) as server:
        client = make_client(server.port)
        assert client.send(MAIL).success
        client.close()


@pytest.mark.parametrize(
    ("mode", "challenge", "code"), [("CRAM-MD5", "é", 1309), ("CRAM-MD5", "A", 1309), ("LOGIN", "é", None)]
)
def test_a_challenge_outside_ascii(make_client: Make, mode: str, challenge: str, code: int | None) -> None:
    """A status; a prompt of LOGIN is answered whatever it says."""

    def script(line: Line) -> None:
        line.open_session(f"AUTH {mode}")
        assert line.hear() == f"AUTH {mode}"
        line.say(f"334 {challenge}")
        if line.hear() == "*":
            line.say("501 cancelled")
        else:
            line.say("334 ü")
            line.hear()
            line.say("235 OK")
        line.wait_for_end()

    with ScriptedServer(script) as server:
        client = make_client(server.port, user="me", password="pw", authentication_mode=mode)
        status = client.check_connection()
        client.close()
    assert status.command == "AUTH"
    assert [error["errCode"] for error in status.errors] == ([] if code is None else [code])


def test_what_nobody_thought_of_is_a_malformed_reply(
    make_client: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last net: reading a reply fails as no code of ours foresaw."""
    from pytest_smtp4d.smtp.extension import Extensions

    def fail(reply: object) -> Extensions:
        raise ValueError("never thought of")

    monkeypatch.setattr(Extensions, "from_reply", fail)

    def script(line: Line) -> None:
        line.open_session()
        line.wait_for_end()

    with ScriptedServer(script) as server:
        status = make_client(server.port).send(MAIL)
    assert (status.status, status.command, [error["errCode"] for error in status.errors]) == (
        0,
        "EHLO",
        [1309],
    )
    assert "the server's reply to EHLO cannot be read (ValueError)" in status.errors[0]["message"]


@pytest.mark.parametrize("literal", ["[999.1.1.1]", "[IPv6:20010db8::zz]", "[2001:db8::1]"])
def test_an_impossible_address_literal(make_client: Make, literal: str) -> None:
    """Told before anything is opened."""
    status = make_client(1).send({**MAIL, "to": f"b@{literal}"})
    assert (status.command, [error["errCode"] for error in status.errors]) == (None, [1401])
    assert literal in status.errors[0]["message"]


# -- time


def test_a_derivation_does_not_outlast_the_time_out(
    make_client: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million iterations are allowed; however slow the machine is with them, the send ends in time."""
    over = threading.Event()
    monkeypatch.setattr(Derivation, "derive", lambda _: over.wait(30) and b"")

    def script(line: Line) -> None:
        line.open_session("AUTH SCRAM-SHA-256")
        _, _, first = line.hear_auth()
        line.challenge(f"r={first.rpartition('r=')[2]}1,s=c2FsdA==,i=1000000")
        line.wait_for_end()

    with ScriptedServer(script) as server:
        client = make_client(server.port, user="me", password="pw", send_time_out=1)
        status = client.check_connection()
        over.set()
        assert (status.command, [error["errCode"] for error in status.errors]) == ("AUTH", [1107])


@pytest.mark.parametrize("freeze", ["by hand", "freezegun", "time_machine"])
def test_a_frozen_clock_does_not_keep_a_time_out_from_coming(
    freeze: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a test does to `time`, seconds pass for a transporter."""
    with ScriptedServer(Line.wait_for_end) as server:
        transporter = SMTPTransporter(host="127.0.0.1", port=server.port, connection_time_out=0.3)
        if freeze == "by hand":
            for name in ("time", "monotonic", "perf_counter"):
                monkeypatch.setattr(time, name, lambda: 0.0)
            status = transporter.check_connection()
        elif freeze == "freezegun":
            with pytest.importorskip("freezegun").freeze_time("2031-01-01"):
                status = transporter.check_connection()
        else:
            with pytest.importorskip("time_machine").travel("2031-01-01", tick=False):
                status = transporter.check_connection()
    assert [error["errCode"] for error in status.errors] == [1105]


# -- exceptions of the program around


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("kind", [TimeoutError, ConnectionResetError, OSError, ValueError, Exception])
def test_what_a_signal_handler_raises_comes_out(kind: type[Exception]) -> None:
    """A time limit of the program's own is not taken for one of the network's errors."""
    heard = threading.Event()

    def script(line: Line) -> None:
        line.open_session()
        line.hear()
        heard.set()
        line.wait_for_end()

    def handler(*_: Any) -> None:
        raise kind("the program's own limit")

    def strike() -> None:
        heard.wait(5)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handler)
    striker = threading.Thread(target=strike)
    try:
        with ScriptedServer(script) as server:
            transporter = SMTPTransporter(host="127.0.0.1", port=server.port, accept_unsecure_connection=True)
            striker.start()
            with pytest.raises(kind, match="the program's own limit"):
                transporter.send(MAIL)
    finally:
        striker.join()
        signal.signal(signal.SIGUSR1, before)


def test_assigning_what_is_no_option_says_so() -> None:
    """A test that believes it set something misleads."""
    transporter = SMTPTransporter(host="mx.example.com")
    with pytest.raises(
        AttributeError, match=r"a transporter has no 'send_timeout' \(did you mean 'send_time_out'\?\)"
    ):
        transporter.send_timeout = 3  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="make another transporter"):
        transporter.send_time_out = 3  # type: ignore[assignment]
