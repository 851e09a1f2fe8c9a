"""The transporter against peers that follow a script: what it sends, what it says of what comes back."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest

from pytest_smtp4d import (
    AsyncSMTPTransporter,
    Email,
    SMTPTransporter,
    last_errors,
    on_err_call,
    smtp_new_transporter,
)
from tests.transporter.scripted import Line, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_smtp4d import Status
    from tests.transporter.conftest import Client

    Make = Callable[..., Client]

MAIL: Email = {"from": "a@example.com", "to": "b@example.org", "subject": "Hello", "textBody": "Hi\r\n"}


def cause_of(status: Status) -> tuple[int, str | None, str, list[int]]:
    """Return what a status without a reply says: code, command, text, error codes."""
    return status.status, status.command, status.status_text, [error["errCode"] for error in status.errors]


# -- what is sent


def test_a_mail_is_sent_and_the_session_kept(make_client: Make) -> None:
    """S5, S6, S14: the first send opens, the second uses what is open."""
    contents = []

    def script(line: Line) -> None:
        line.open_session()
        contents.append(line.take_message())
        contents.append(line.take_message())
        assert line.hear() == "QUIT"
        line.say("221 bye")

    with ScriptedServer(script) as server:
        client = make_client(server.port)
        assert server.connections == 0
        status = client.send(MAIL)
        assert (status.success, status.status, status.status_text) == (True, 250, "2.0.0 Queued")
        assert (status.command, status.enhanced_code, status.errors) == ("CONTENT", "2.0.0", ())
        assert client.send(MAIL)
        client.close()
        assert server.connections == 1
    assert len(contents) == 2
    assert b"Subject: Hello\r\n" in contents[0]


def test_without_keep_alive_each_send_says_quit(make_client: Make) -> None:
    """S7: a connection for each mail."""

    def script(line: Line) -> None:
        line.open_session()
        line.take_message()
        assert line.hear() == "QUIT"
        line.say("221 bye")

    with ScriptedServer(script) as server:
        client = make_client(server.port, keep_alive=False)
        assert client.send(MAIL)
        assert client.send(MAIL)
        assert server.connections == 2


def test_a_standard_librarys_message_is_sent_without_its_bcc(make_client: Make) -> None:
    """To, Cc and Bcc are the recipients; the Bcc header stays at home."""
    message = EmailMessage()
    message["From"] = "a@example.com"
    message["To"] = "b@example.org"
    message["Bcc"] = "hidden@example.net"
    message.set_content("Hi")
    heard = []

    def script(line: Line) -> None:
        line.open_session()
        for reply in ("250 OK", "250 OK", "250 OK", "354 go"):
            heard.append(line.hear())
            line.say(reply)
        heard.append(line.hear_content().decode())
        line.say("250 OK")
        line.wait_for_end()

    with ScriptedServer(script) as server:
        client = make_client(server.port)
        assert client.send(message)
        client.close()
    assert heard[:3] == [
        "MAIL FROM:<a@example.com>",
        "RCPT TO:<b@example.org>",
        "RCPT TO:<hidden@example.net>",
    ]
    assert "hidden" not in heard[4]


@pytest.mark.parametrize("mail", ["text", None, 5, b"MIME", ["a"]])
def test_what_is_no_mail_is_a_programming_error(make_client: Make, mail: Any) -> None:
    """A TypeError, before anything is opened."""
    client = make_client(1)
    with pytest.raises(TypeError, match="send takes a mail object"):
        client.send(mail)


@pytest.mark.parametrize(
    ("mail", "words"),
    [
        ({"to": "b@example.org"}, "from"),
        ({"from": "a@example.com"}, "to"),
        ({"from": "", "to": []}, "from"),
        ({**MAIL, "subject": "a\r\nBcc: x@example.com"}, "subject"),
        ({**MAIL, "to": "b@example.org\r\nRCPT TO:<x@example.com>"}, "to"),
        ({**MAIL, "subjekt": "x"}, "subjekt"),
        ({**MAIL, "subject": 5}, "subject"),
    ],
)
def test_an_unfit_mail_fails_without_a_connection(
    make_client: Make, mail: dict[str, Any], words: str
) -> None:
    """S15, S17, R2, R3: status 0, 4D's text, the reason in errors, and the handler is called."""
    calls = []
    with on_err_call(lambda: calls.append(last_errors())):
        status = make_client(1).send(mail)
    assert cause_of(status) == (0, None, "Failed to send email", [1401])
    assert words in status.errors[0]["message"]
    if isinstance(calls[0], list):
        assert calls == [list(status.errors)]


# -- what comes back


@pytest.mark.parametrize(
    ("replies", "command", "code"),
    [
        (["554 5.3.2 Go away"], "CONNECT", 554),
        (["421 4.3.2 Busy"], "CONNECT", 421),
        (["220 mx", "450 Wait"], "EHLO", 450),
        (["220 mx", "502 What?", "550 No"], "HELO", 550),
        (["220 mx", "250 mx", "550 5.7.1 No"], "MAIL", 550),
        (["220 mx", "250 mx", "250 OK", "550 5.1.1 Who?"], "RCPT", 550),
        (["220 mx", "250 mx", "250 OK", "250 OK", "451 4.3.0 Later"], "DATA", 451),
        (["220 mx", "250 mx", "250 OK", "250 OK", "354 go", "552 5.3.4 Big"], "CONTENT", 552),
    ],
)
def test_a_refusal_at_any_command_is_a_status(
    make_client: Make, replies: list[str], command: str, code: int
) -> None:
    """R1: the server's code and text, where it came, no error raised, no handler called."""

    def script(line: Line) -> None:
        line.say(replies[0])
        for reply in replies[1:]:
            if reply.startswith("552"):
                line.hear_content()
            else:
                line.hear()
            line.say(reply)
        if code != 421 and line.hear() == "RSET":
            line.say("250 OK")
            line.wait_for_end()

    calls: list[str] = []
    with ScriptedServer(script) as server, on_err_call(lambda: calls.append("called")):
        client = make_client(server.port)
        status = client.send(MAIL)
        client.close()
    assert (status.success, status.command, status.status) == (False, command, code)
    assert status.status_text == replies[-1][4:]
    assert (status.errors, calls, last_errors()) == ((), [], None)


def test_a_refused_recipient_leaves_the_session_usable(make_client: Make) -> None:
    """RSET, and the next mail goes over the same connection."""

    def script(line: Line) -> None:
        line.open_session("PIPELINING")
        assert [line.hear() for _ in range(3)][1:] == ["RCPT TO:<b@example.org>", "RCPT TO:<c@example.org>"]
        line.say("250 OK", "550 5.1.1 Who?", "452 4.2.2 Full")
        assert line.hear() == "RSET"
        line.say("250 OK")
        assert [line.hear()[:4] for _ in range(3)] == ["MAIL", "RCPT", "DATA"]
        line.say("250 OK", "250 OK", "354 go")
        line.hear_content()
        line.say("250 Queued")
        line.wait_for_end()

    with ScriptedServer(script) as server:
        client = make_client(server.port)
        status = client.send({**MAIL, "to": "b@example.org; c@example.org"})
        assert (status.status, status.command) == (550, "RCPT")
        assert {mailbox: str(reply) for mailbox, reply in status.refused.items()} == {
            "b@example.org": "550 5.1.1 Who?",
            "c@example.org": "452 4.2.2 Full",
        }
        assert client.send(MAIL)
        client.close()
        assert server.connections == 1


def test_a_reset_that_fails_does_not_change_the_status(make_client: Make) -> None:
    """The refusal is what counts; the session is closed and the next send opens another."""

    def script(line: Line) -> None:
        line.open_session()
        line.hear()
        line.say("550 5.7.1 No")
        line.hear()

    with ScriptedServer(script) as server:
        client = make_client(server.port)
        assert [client.send(MAIL).status for _ in range(2)] == [550, 550]
        assert server.connections == 2


@pytest.mark.parametrize(
    ("octets", "command", "code", "words"),
    [
        (b"", "CONNECT", 1106, "left before its greeting (it closed the connection)"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "CONNECT", 1308, "'HTTP/1.1 400 Bad Request' where a reply"),
        (b"\x16\x03\x01\x00\xa5\n", "CONNECT", 1308, "where a reply of three digits was due"),
        (b"220 mx\r\nhello\r\n", "EHLO", 1309, "'hello' where a reply of three digits was due"),
        (b"220 mx\r\n250 mx\r\n", "EHLO", 1309, "spoke out of turn, saying '250 mx'"),
        (b"220 mx\r\n", "EHLO", 1106, "left at EHLO"),
        (b"250 mx\r\n", "CONNECT", 1308, "answered CONNECT with '250 mx', where 220 was due"),
        (b"220-a\r\n550 b\r\n", "CONNECT", 1308, "began a reply with 220 and went on with 550"),
        (b"220 " + b"x" * 100_000, "CONNECT", 1308, "without a line end"),
    ],
)
def test_what_is_no_smtp_is_told(
    make_client: Make, octets: bytes, command: str, code: int, words: str
) -> None:
    """A peer that hangs up, or speaks something else, is named for what it is."""

    def script(line: Line) -> None:
        line.say(octets)
        if octets == b"220 mx\r\n":
            line.hear()

    with ScriptedServer(script) as server:
        status = make_client(server.port).send(MAIL)
    assert cause_of(status) == (0, command, "Failed to send email", [code])
    assert words in status.errors[0]["message"]


def test_a_refused_connection(make_client: Make) -> None:
    """Nothing listens: code, and what to check."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        status = make_client(port).check_connection()
    message = f"127.0.0.1:{port} refused the connection: check the port, and that the server is running"
    assert cause_of(status) == (0, "CONNECT", message, [1102])


@pytest.mark.parametrize("host", ["does-not-exist.invalid", "a..b", "☃.example.com", "x" * 300])
def test_an_unknown_name(make_client: Make, host: str) -> None:
    """The name, and what to check."""
    status = make_client(25, host=host).check_connection()
    assert (status.command, status.errors[0]["errCode"]) == ("CONNECT", 1101)
    assert repr(host) in status.status_text
    assert "check the host's spelling" in status.status_text


def test_encryption_is_required_by_default(make_client: Make) -> None:
    """I1: without STARTTLS on offer nothing is sent, and the way out is named."""
    heard = []

    def script(line: Line) -> None:
        line.open_session("SIZE")
        heard.append(line.hear())

    with ScriptedServer(script) as server:
        status = make_client(server.port, accept_unsecure_connection=False).send(MAIL)
    assert cause_of(status) == (0, "STARTTLS", "Failed to send email", [1301])
    assert "allow cleartext with acceptUnsecureConnection" in status.errors[0]["message"]
    assert heard == ["QUIT"]


def test_octets_between_starttls_and_handshake_end_the_session(make_client: Make) -> None:
    """A reply injected in clear is never taken for one that came through TLS."""

    def script(line: Line) -> None:
        line.open_session("STARTTLS")
        line.hear()
        line.say(b"220 go\r\n250-injected\r\n")
        assert line.hear() == ""

    with ScriptedServer(script) as server:
        status = make_client(server.port).send(MAIL)
    assert cause_of(status) == (0, "TLS", "Failed to send email", [1208])
    assert "injected" in status.errors[0]["message"]


def test_a_server_that_speaks_no_tls_after_starttls(make_client: Make) -> None:
    """The handshake fails, and cleartext is not fallen back to."""

    def script(line: Line) -> None:
        line.open_session("STARTTLS")
        line.hear()
        line.say("220 go")
        line.socket.recv(65536)
        line.say("250 what handshake?")
        line.wait_for_end()

    with ScriptedServer(script) as server:
        status = make_client(server.port).send(MAIL)
    assert cause_of(status) == (0, "TLS", "Failed to send email", [1207])
    assert "wrong version number" in status.errors[0]["message"]


# -- time


def drip(line: Line, octets: bytes) -> None:
    """Send octets so slowly that no single wait is ever long."""
    for octet in octets:
        line.say(bytes([octet]))
        if threading.Event().wait(0.05):
            return


def drip_greeting(line: Line) -> None:
    """A greeting that comes one octet at a time."""
    drip(line, b"220 " + b"x" * 200)


def silent_later(line: Line) -> None:
    """A session that opens, and no answer to MAIL."""
    line.open_session()
    line.wait_for_end()


def drip_later(line: Line) -> None:
    """An answer to MAIL that comes one octet at a time."""
    line.open_session()
    line.hear()
    drip(line, b"250 " + b"x" * 200)


@pytest.mark.parametrize(
    ("script", "options", "command", "code"),
    [
        (Line.wait_for_end, {"connection_time_out": 0.2}, "CONNECT", 1105),
        (Line.wait_for_end, {"send_time_out": 0.2}, "CONNECT", 1105),
        (drip_greeting, {"connection_time_out": 0.3}, "CONNECT", 1105),
        (silent_later, {"send_time_out": 0.2}, "MAIL", 1107),
        (drip_later, {"send_time_out": 0.3}, "MAIL", 1107),
    ],
    ids=["silence", "silence-whole-send", "drip", "silent-later", "drip-later"],
)
def test_time_outs_end_a_call(
    make_client: Make, script: Callable[[Line], Any], options: dict[str, float], command: str, code: int
) -> None:
    """I5: however slowly the peer drips, the call ends, says where, and the connection is not used again."""
    with ScriptedServer(script) as server:
        client = make_client(server.port, **options)
        status = client.send(MAIL)
        assert cause_of(status) == (0, command, "Failed to send email", [code])
        assert "is over" in status.errors[0]["message"]
        client.send(MAIL)
        assert server.connections == 2


# -- a session that died


def dead_after(how: str) -> Callable[[Line], None]:
    """A script that takes one message and then is gone in a certain way."""

    def script(line: Line) -> None:
        line.open_session()
        line.take_message()
        if how == "421 unasked":
            line.say("421 4.4.2 Idle too long")
        elif how == "reset":
            line.reset()
        elif how == "at MAIL":
            line.hear()
        elif how == "421 to MAIL":
            line.hear()
            line.say("421 4.4.2 Idle too long")
        gone.set()

    gone = threading.Event()
    script.gone = gone  # type: ignore[attr-defined]
    return script


@pytest.mark.parametrize("how", ["close", "421 unasked", "reset", "at MAIL", "421 to MAIL"])
def test_a_dead_session_is_replaced_once(make_client: Make, how: str) -> None:
    """Each mail arrives exactly once, whatever became of the connection between them."""
    contents = []

    def fresh(line: Line) -> None:
        line.open_session()
        contents.append(line.take_message())
        line.wait_for_end()

    script = dead_after(how)
    with ScriptedServer(script, fresh) as server:
        client = make_client(server.port)
        assert client.send(MAIL)
        if "MAIL" not in how:
            assert script.gone.wait(5)  # type: ignore[attr-defined]
        status = client.send(MAIL)
        assert (status.status, status.command) == (250, "CONTENT")
        client.close()
        assert server.connections == 2
    assert len(contents) == 1


def test_a_second_death_is_told(make_client: Make) -> None:
    """Replaced once, not for ever."""
    script = dead_after("at MAIL")

    def worse(line: Line) -> None:
        line.open_session()
        line.hear()

    with ScriptedServer(script, worse) as server:
        client = make_client(server.port)
        assert client.send(MAIL)
        status = client.send(MAIL)
        assert cause_of(status) == (0, "MAIL", "Failed to send email", [1106])
        assert server.connections == 2


@pytest.mark.parametrize("where", ["RCPT", "DATA", "CONTENT"])
def test_nothing_is_sent_again_once_mail_was_accepted(make_client: Make, where: str) -> None:
    """A loss after that may be a message taken; the caller is told, and decides."""

    def script(line: Line) -> None:
        line.open_session()
        line.take_message()
        line.hear()
        line.say("250 OK")
        line.hear()
        if where == "RCPT":
            return
        line.say("250 OK")
        line.hear()
        if where == "DATA":
            return
        line.say("354 go")
        line.hear_content()

    with ScriptedServer(script) as server:
        client = make_client(server.port)
        assert client.send(MAIL)
        status = client.send(MAIL)
        assert cause_of(status) == (0, where, "Failed to send email", [1106])
        assert server.connections == 1


def test_a_silent_peer_is_not_replaced(make_client: Make) -> None:
    """It may be working; the send ends at its time-out."""

    def script(line: Line) -> None:
        line.open_session()
        line.take_message()
        line.wait_for_end()

    with ScriptedServer(script) as server:
        client = make_client(server.port, send_time_out=0.5)
        assert client.send(MAIL)
        assert cause_of(client.send(MAIL)) == (0, "MAIL", "Failed to send email", [1107])
        assert server.connections == 1


# -- checking


def test_check_connection_opens_and_then_asks(make_client: Make) -> None:
    """S12, I4: EHLO's reply when it opens, NOOP's when it is open."""

    def script(line: Line) -> None:
        line.open_session()
        assert line.hear() == "NOOP"
        line.say("250 2.0.0 Here")
        line.wait_for_end()

    with ScriptedServer(script) as server:
        client = make_client(server.port)
        status = client.check_connection()
        assert (status.success, status.status, status.command) == (True, 250, "EHLO")
        assert status.status_text == "mx.example.com\nHELP"
        status = client.check_connection()
        assert (status.success, status.status_text, status.command) == (True, "2.0.0 Here", "NOOP")
        client.close()
        assert server.connections == 1


@pytest.mark.parametrize("how", ["close", "421 unasked", "reset", "at MAIL", "421 to MAIL"])
def test_check_connection_replaces_a_dead_session(make_client: Make, how: str) -> None:
    """A check says what is true now, not that the last connection is gone."""
    script = dead_after(how)

    def fresh(line: Line) -> None:
        line.open_session()
        line.wait_for_end()

    with ScriptedServer(script, fresh) as server:
        client = make_client(server.port)
        assert client.send(MAIL)
        if "MAIL" not in how:
            assert script.gone.wait(5)  # type: ignore[attr-defined]
        assert client.check_connection().command == "EHLO"
        client.close()


def test_a_failed_check_tells_the_last_error(make_client: Make) -> None:
    """I4, R7: the text is the error's, and the handler is called once."""
    calls = []
    with on_err_call(lambda: calls.append(1)):
        status = make_client(25, host="does-not-exist.invalid").check_connection()
    assert status.status_text == status.errors[-1]["message"]
    assert status.as_object()["errors"] == list(status.errors)
    assert calls == [1]


# -- the end


def quit_seen() -> tuple[Callable[[Line], None], list[str]]:
    """A script that takes one mail and keeps what comes after it."""
    heard: list[str] = []

    def script(line: Line) -> None:
        line.open_session()
        line.take_message()
        heard.append(line.hear())

    return script, heard


def test_close_waits_for_the_221(make_client: Make) -> None:
    """QUIT, the answer, the end; a second close is nothing."""
    script, heard = quit_seen()
    with ScriptedServer(script) as server:
        client = make_client(server.port)
        client.send(MAIL)
        client.close()
        client.close()
    assert heard == ["QUIT"]


def test_a_with_block_closes() -> None:
    """`with` is `close` at the end."""
    script, heard = quit_seen()
    with (
        ScriptedServer(script) as server,
        SMTPTransporter(host="127.0.0.1", port=server.port, accept_unsecure_connection=True) as transporter,
    ):
        assert transporter.send(MAIL)
    assert heard == ["QUIT"]


async def test_an_async_with_block_closes() -> None:
    """`async with` is `close` at the end."""
    script, heard = quit_seen()
    with ScriptedServer(script) as server:
        async with AsyncSMTPTransporter(
            host="127.0.0.1", port=server.port, accept_unsecure_connection=True
        ) as transporter:
            assert await transporter.send(MAIL)
    assert heard == ["QUIT"]


def test_a_forgotten_transporter_says_goodbye() -> None:
    """S6: destroyed with its last reference, QUIT written and not waited for."""
    script, heard = quit_seen()
    with ScriptedServer(script) as server:
        transporter = smtp_new_transporter(
            {"host": "127.0.0.1", "port": server.port, "acceptUnsecureConnection": True}
        )
        assert transporter.send(MAIL)
        del transporter
        gc.collect()
    assert heard == ["QUIT"]


def test_an_interpreter_that_ends_says_goodbye() -> None:
    """A script need not close anything."""
    script, heard = quit_seen()
    program = (
        "import sys; from pytest_smtp4d import SMTPTransporter\n"
        "t = SMTPTransporter(host='127.0.0.1', port=int(sys.argv[1]), accept_unsecure_connection=True)\n"
        "assert t.send({'from': 'a@example.com', 'to': 'b@example.org'})\n"
    )
    with ScriptedServer(script) as server:
        subprocess.run(
            [sys.executable, "-W", "error", "-c", program, str(server.port)], check=True, timeout=60
        )
    assert heard == ["QUIT"]


# -- threads, tasks, forks


def test_threads_take_turns() -> None:
    """Twenty threads, one transporter, one connection, twenty whole messages."""
    contents = []

    def script(line: Line) -> None:
        line.open_session()
        for _ in range(20):
            contents.append(line.take_message())  # noqa: PERF401 - kept even if a later one never comes
        line.wait_for_end()

    with ScriptedServer(script) as server:
        with SMTPTransporter(
            host="127.0.0.1", port=server.port, accept_unsecure_connection=True
        ) as transporter:
            statuses: list[Status] = []

            def send(number: int) -> None:
                statuses.append(transporter.send({**MAIL, "subject": f"n{number}"}))

            threads = [threading.Thread(target=send, args=(number,)) for number in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert all(statuses)
        assert server.connections == 1
    assert len({content.partition(b"Subject: ")[2].partition(b"\r\n")[0] for content in contents}) == 20


async def test_tasks_take_turns() -> None:
    """The same for tasks."""
    contents = []

    def script(line: Line) -> None:
        line.open_session()
        for _ in range(5):
            contents.append(line.take_message())  # noqa: PERF401 - kept even if a later one never comes
        line.wait_for_end()

    with ScriptedServer(script) as server:
        async with AsyncSMTPTransporter(
            host="127.0.0.1", port=server.port, accept_unsecure_connection=True
        ) as transporter:
            assert all(await asyncio.gather(*(transporter.send(MAIL) for _ in range(5))))
        assert server.connections == 1
    assert len(contents) == 5


async def test_a_cancelled_send_closes_the_connection() -> None:
    """What the peer would answer next is unknown, so it is never asked again."""
    ended = threading.Event()

    def script(line: Line) -> None:
        line.open_session()
        line.hear()
        heard.set()
        line.wait_for_end()
        ended.set()

    heard = threading.Event()
    with ScriptedServer(script) as server:
        transporter = AsyncSMTPTransporter(
            host="127.0.0.1", port=server.port, accept_unsecure_connection=True
        )
        task = asyncio.create_task(transporter.send(MAIL))
        await asyncio.to_thread(heard.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(ended.wait, 5)


def test_each_loop_opens_its_own_connection() -> None:
    """A transporter used in one loop after another leaves what the first one had."""
    script, heard = quit_seen()
    with ScriptedServer(script) as server:
        transporter = AsyncSMTPTransporter(
            host="127.0.0.1", port=server.port, accept_unsecure_connection=True
        )
        for _ in range(2):
            assert asyncio.run(transporter.send(MAIL))
        assert server.connections == 2
        del transporter
        gc.collect()
    assert heard == ["QUIT", "QUIT"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_opens_its_own_connection() -> None:
    """The child neither speaks on the parent's connection nor closes it for the parent."""

    def script(line: Line) -> None:
        line.open_session()
        line.take_message()
        if server.connections == 1:
            line.take_message()
        line.wait_for_end()

    with ScriptedServer(script) as server:
        with SMTPTransporter(
            host="127.0.0.1", port=server.port, accept_unsecure_connection=True
        ) as transporter:
            assert transporter.send(MAIL)
            child = os.fork()
            if child == 0:
                os._exit(0 if transporter.send(MAIL) else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert transporter.send(MAIL)
        assert server.connections == 2


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_an_interrupt_leaves_nothing_half_said() -> None:
    """Ctrl-C in the middle of a send: it is raised, and the connection is closed, without a word."""
    heard = []

    def script(line: Line) -> None:
        line.open_session()
        heard.append(line.hear())
        os.kill(os.getpid(), signal.SIGINT)
        heard.append(line.hear())

    with ScriptedServer(script) as server:
        transporter = SMTPTransporter(host="127.0.0.1", port=server.port, accept_unsecure_connection=True)
        with pytest.raises(KeyboardInterrupt):
            transporter.send(MAIL)
    assert [line[:4] for line in heard] == ["MAIL", ""]
