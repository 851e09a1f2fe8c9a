"""The transporter and Postfix's `smtp-sink`: refusals and hang-ups at every command, missing extensions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest

from tests.peers.conftest import Foreign
from tests.peers.sending import Send, both, mail_to, octets_of
from tests.peers.smtp_sink import SMTPSink, smtp_sink

ADA, BOB = "ada@example.org", "bob@example.org"
MAIL = mail_to(ADA, textBody=".\r\n..\r\n.dot\r\nGrüße\r\n.")

Sink = Callable[..., AbstractContextManager[SMTPSink]]


@pytest.fixture
def sink(foreign: Foreign) -> Sink:
    """Run an smtp-sink with the options given."""
    return partial(smtp_sink, foreign("smtp-sink"))


def options_for(sink: SMTPSink) -> dict[str, Any]:
    """Return a transporter's options for it; it knows no TLS."""
    return {
        "host": "127.0.0.1",
        "port": sink.port,
        "accept_unsecure_connection": True,
        "connection_time_out": 10,
        "send_time_out": 20,
    }


@both
@pytest.mark.parametrize(
    ("options", "protocol", "mail_args"),
    [
        pytest.param((), "ESMTP", "<ada@example.com>", id="everything"),
        pytest.param(("-p",), "ESMTP", "<ada@example.com>", id="no PIPELINING"),
        pytest.param(("-8",), "ESMTP", "<ada@example.com>", id="no 8BITMIME"),
        pytest.param(("-E",), "ESMTP", "<ada@example.com>", id="no ENHANCEDSTATUSCODES"),
        pytest.param(("-e",), "SMTP", "<ada@example.com>", id="no ESMTP: HELO"),
        pytest.param(("-P",), "SMTP", "<ada@example.com>", id="greeting of asterisks, no ESMTP"),
    ],
)
def test_delivers(sink: Sink, send: Send, options: tuple[str, ...], protocol: str, mail_args: str) -> None:
    """What the server took is what was sent, with the envelope, whatever it offers."""
    mail = mail_to(ADA, BOB, bcc="eve@example.net", textBody=".\r\n..\r\n.dot\r\nGrüße\r\n.")
    with sink(*options) as server:
        (status,) = send(mail, **options_for(server))
        assert (status.success, status.status, status.command) == (True, 250, "CONTENT")
        (dump,) = server.dumps()
    assert dump.content == octets_of(mail)
    assert dump.protocol == protocol
    assert dump.mail_args == mail_args
    assert dump.rcpt_args == (f"<{ADA}>", f"<{BOB}>", "<eve@example.net>")


@both
def test_checks_a_server_without_esmtp(sink: Sink, send: Send) -> None:
    """A check of a server of the HELO age ends with HELO's reply."""
    with sink("-e", dump=False) as server:
        (status,) = send(**options_for(server))
    assert (status.success, status.status, status.command) == (True, 250, "HELO")


STAGES = {"CONNECT": "CONNECT", "MAIL": "MAIL", "RCPT": "RCPT", "DATA": "DATA", ".": "CONTENT"}


@both
@pytest.mark.parametrize(("option", "code"), [("-f", 500), ("-r", 450)], ids=["hard", "soft"])
@pytest.mark.parametrize("command", STAGES)
@pytest.mark.parametrize("recipients", [(ADA,), (ADA, BOB)], ids=["one", "two"])
def test_a_refused_command_is_the_status(
    sink: Sink, send: Send, option: str, code: int, command: str, recipients: tuple[str, ...]
) -> None:
    """A refusal, for now or for good, is told with the server's code and the command it answered."""
    with sink(option, command) as server:
        statuses = send(mail_to(*recipients), mail_to(*recipients), **options_for(server))
        # the server opens the dump at DATA; a message that it refused is not one it took
        assert command == "." or server.dumps() == []
    for status in statuses:
        assert (status.success, status.status, status.command) == (False, code, STAGES[command])
        assert status.enhanced_code == ("5.3.0" if code == 500 else "4.3.0")
        assert (status.is_permanent, status.is_transient) == (code == 500, code == 450)
        assert tuple(status.refused) == (recipients if command == "RCPT" else ())
        assert status.errors == ()


@both
def test_ehlo_refused_for_good_falls_back_to_helo(sink: Sink, send: Send) -> None:
    """EHLO that is refused by 5yz is followed by HELO, and the mail arrives (RFC 5321 3.2)."""
    with sink("-f", "EHLO") as server:
        (status,) = send(MAIL, **options_for(server))
        assert status.success
        (dump,) = server.dumps()
    assert (dump.protocol, dump.content) == ("SMTP", octets_of(MAIL))


@both
@pytest.mark.parametrize("command", ["EHLO,HELO", "EHLO"], ids=["both", "ehlo, for now"])
def test_no_hello_at_all(sink: Sink, send: Send, command: str) -> None:
    """EHLO refused for now, or both for good, is the end of the session, with that reply."""
    option, code, stage = ("-f", 500, "HELO") if "HELO" in command.split(",") else ("-r", 450, "EHLO")
    with sink(option, command, dump=False) as server:
        (status,) = send(MAIL, **options_for(server))
    assert (status.success, status.status, status.command) == (False, code, stage)


@both
@pytest.mark.parametrize("command", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("recipients", [(ADA,), (ADA, BOB)], ids=["one", "two"])
def test_a_hang_up_is_told(sink: Sink, send: Send, command: str, recipients: tuple[str, ...]) -> None:
    """A connection that is cut without a word is status 0 with where it happened; both tries are told."""
    stage = STAGES.get(command, command)
    with sink("-q", command, dump=False) as server:
        statuses = send(mail_to(*recipients), mail_to(*recipients), **options_for(server))
    for status in statuses:
        assert (status.success, status.status, status.command) == (False, 0, stage)
        assert status.status_text == "Failed to send email"
        assert status.errors[0]["errCode"] == 1106


@both
@pytest.mark.parametrize("command", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("recipients", [(ADA,), (ADA, BOB)], ids=["one", "two"])
def test_a_goodbye_is_told(sink: Sink, send: Send, command: str, recipients: tuple[str, ...]) -> None:
    """A 421 before the connection is cut is the status, at the command that it answered."""
    with sink("-Q", command, dump=False) as server:
        statuses = send(mail_to(*recipients), mail_to(*recipients), **options_for(server))
    for status in statuses:
        assert (status.success, status.status, status.command) == (False, 421, STAGES.get(command, command))
        assert status.is_transient


@both
@pytest.mark.parametrize("option", ["-f", "-r", "-q", "-Q"])
def test_what_follows_success_changes_nothing(sink: Sink, send: Send, option: str) -> None:
    """QUIT refused, or answered by a hang-up: the mail was taken, once, and the status says so."""
    with sink(option, "QUIT") as server:
        (status,) = send(MAIL, **options_for(server))
        assert status.success
        (dump,) = server.dumps()
    assert dump.content == octets_of(MAIL)


@both
@pytest.mark.parametrize("size", [10, 2_000_000])
def test_content_refused_before_it_was_sent(sink: Sink, send: Send, size: int) -> None:
    """A 550 that comes behind the 354, before or while the content is sent, is the status."""
    with sink("-A", "0", dump=False) as server:
        for _ in range(5):  # which of the two it is, chance decides
            (status,) = send(mail_to(ADA, textBody="x" * size), **options_for(server))
            assert (status.success, status.status, status.command) == (False, 550, "CONTENT")


@both
def test_a_slow_reader_gets_everything(sink: Sink, send: Send) -> None:
    """A server that reads late, through a small window, gets a large message whole."""
    mail = mail_to(ADA, textBody="A line that is said again and again.\r\n" * 60_000)
    with sink("-H", "1", "-T", "4096") as server:
        (status,) = send(mail, **options_for(server))
        assert status.success
        (dump,) = server.dumps()
    assert dump.content == octets_of(mail)


@both
def test_a_slow_reply_meets_the_wall(sink: Sink, send: Send) -> None:
    """A reply that takes longer than sendTimeOut ends the send there, and the server is left."""
    with sink("-p", "-W", "DATA:5", dump=False) as server:
        (status,) = send(MAIL, **{**options_for(server), "send_time_out": 0.3})
    assert (status.status, status.command, status.errors[0]["errCode"]) == (0, "DATA", 1107)


@both
def test_many_mails_in_one_session(sink: Sink, send: Send) -> None:
    """Every mail of a hundred is taken once, in order, by one server that takes one session only."""
    mails = [mail_to(ADA, subject=f"No. {n}") for n in range(100)]
    with sink("-m", "1") as server:
        statuses = send(*mails, **options_for(server))
        assert all(status.success for status in statuses)
        assert sorted(dump.content for dump in server.dumps()) == sorted(map(octets_of, mails))
