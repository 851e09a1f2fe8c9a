"""What each action does on the wire, as a client sees it, and what comes of the command."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING

import pytest

from pytest_smtp4d.faults.match import Event

if TYPE_CHECKING:
    from pytest_smtp4d.server.server import SMTPServer
    from tests.server.conftest import Connect, RawClient

pytestmark = pytest.mark.smtp_server(strict=False)

HELLO = "EHLO client.example.com"
MAIL = "MAIL FROM:<ada@example.com>"
RCPT = "RCPT TO:<bob@example.org>"

# Stage -> what comes before it, and what reaches it.
REACHED = {
    "CONNECT": ((), ""),
    "HELO": ((), "HELO client.example.com"),
    "EHLO": ((), HELLO),
    "STARTTLS": ((HELLO,), "STARTTLS"),
    "AUTH": ((HELLO,), "AUTH PLAIN AGFkYQBwYXNz"),
    "MAIL": ((HELLO,), MAIL),
    "RCPT": ((HELLO, MAIL), RCPT),
    "DATA": ((HELLO, MAIL, RCPT), "DATA"),
    "CONTENT": ((HELLO, MAIL, RCPT, "DATA"), "Subject: x\r\n\r\nx\r\n."),
    "BDAT": ((HELLO, MAIL, RCPT), "BDAT 1\r\nx"),
    "RSET": ((HELLO,), "RSET"),
    "NOOP": ((HELLO,), "NOOP"),
    "VRFY": ((HELLO,), "VRFY ada"),
    "HELP": ((HELLO,), "HELP"),
    "QUIT": ((HELLO,), "QUIT"),
    "UNKNOWN": ((HELLO,), "XYZZY"),
}


def reach(client: RawClient, stage: str) -> None:
    """Go to a stage and send what reaches it."""
    before, line = REACHED[stage]
    if stage == "CONNECT":
        return
    client.reply()
    for command in before:
        assert client.ask(command)[0] in "23"
    client.send(line.encode() + (b"" if stage == "BDAT" else b"\r\n"))


@pytest.fixture
def server(smtp_server: SMTPServer) -> SMTPServer:
    """A server that knows a user, with AUTH in clear text, and requires no login."""
    smtp_server.configure(users={"ada": "pass"}, auth_without_tls=True, require_auth=False)
    return smtp_server


@pytest.mark.parametrize("stage", REACHED)
def test_reply(server: SMTPServer, connect: Connect, stage: str) -> None:
    """The reply stands in for the server's own, at every stage; newlines make it multi-line."""
    fault = server.on(stage, times=1).reply(450, "4.2.1 Not now\nsecond line")
    client = connect()
    reach(client, stage)
    assert client.reply() == "450-4.2.1 Not now\n450 second line"
    assert fault.hits == 1


@pytest.mark.parametrize("stage", REACHED)
def test_disconnect_sends_fin(server: SMTPServer, connect: Connect, stage: str) -> None:
    """The client reads an orderly end and not an octet before it."""
    server.on(stage).disconnect()
    client = connect()
    reach(client, stage)
    assert client.rest() == b""
    assert server.sessions[0].ended == f"disconnected at {stage}"


@pytest.mark.parametrize("stage", REACHED)
def test_disconnect_abort_sends_rst(server: SMTPServer, connect: Connect, stage: str) -> None:
    """The client is reset, at CONNECT perhaps before it knows that it is connected."""
    server.on(stage).disconnect(abort=True)
    with pytest.raises(ConnectionResetError):  # noqa: PT012 - any of them
        client = connect()
        reach(client, stage)
        client.rest()


@pytest.mark.parametrize("stage", REACHED)
def test_silence(server: SMTPServer, connect: Connect, stage: str) -> None:
    """Nothing comes any more, and the connection stays open; what follows is recorded and has no effect."""
    server.on(stage, times=1).silence()
    client = connect()
    reach(client, stage)
    assert client.is_silent()
    assert server.sessions[0].broken
    assert server.sessions[0].ended is None
    client.send(b"QUIT\r\n")
    assert client.is_silent(0.02)
    server.settle()
    last = server.sessions[0].commands[-1]
    assert (last.verb, last.reply) == ("QUIT", None)
    server.drop_connections()
    assert client.rest() == b""


@pytest.mark.parametrize("stage", REACHED)
def test_send(server: SMTPServer, connect: Connect, stage: str) -> None:
    """These octets come instead of a reply, untouched."""
    octets = b"garbage\xff\n250-no end\r\n"
    server.on(stage, times=1).send(octets)
    client = connect()
    reach(client, stage)
    received = client.socket.recv(len(octets))
    while len(received) < len(octets):
        received += client.socket.recv(len(octets))
    assert received == octets
    assert client.is_silent(0.02)


@pytest.mark.parametrize("stage", REACHED)
def test_delay(server: SMTPServer, connect: Connect, stage: str) -> None:
    """The reply comes that much later, and is the server's own."""
    server.on(stage, times=1).delay(0.06)
    began = time.monotonic()
    client = connect()
    reach(client, stage)
    client.reply()
    assert time.monotonic() - began >= 0.06


def test_trickle(server: SMTPServer, connect: Connect) -> None:
    """The octets of the reply come one by one at the speed that was set."""
    server.on("NOOP").reply(250, "12345").trickle(200)
    client = connect()
    client.open()
    began = time.monotonic()
    first = True
    client.send(b"NOOP\r\n")
    received = b""
    while not received.endswith(b"\n"):
        octets = client.socket.recv(100)
        assert not first or octets != b"250 12345\r\n"
        first = False
        received += octets
    assert received == b"250 12345\r\n"
    assert time.monotonic() - began >= 10 / 200 * 0.9


def test_replies_in_turn(server: SMTPServer, client: RawClient) -> None:
    """Each hit has the next reply, "ok" passes through, and then the fault steps aside."""
    fault = server.on("NOOP").replies([451, (550, "5.0.0 Never"), "ok", 451])
    client.open()
    assert [client.code("NOOP") for _ in range(6)] == [451, 550, 250, 451, 250, 250]
    assert fault.hits == 4


def test_times_and_after(server: SMTPServer, client: RawClient) -> None:
    """`after` lets events pass first, `times` lets it act that often; the oldest rule is asked first."""
    server.on("NOOP", after=1, times=2).reply(451)
    server.on("NOOP", times=2).reply(452)
    client.open()
    assert [client.code("NOOP") for _ in range(6)] == [452, 451, 451, 452, 250, 250]


def test_421_closes_after_the_reply(server: SMTPServer, client: RawClient) -> None:
    """RFC 5321 3.8: whatever stage it is said at."""
    server.on("MAIL").reply(421, "4.3.2 Closing")
    client.open()
    assert client.ask(MAIL) == "421 4.3.2 Closing"
    assert client.rest() == b""
    assert server.sessions[0].ended == "421"


def test_a_refused_greeting_leaves_nothing_but_quit(server: SMTPServer, connect: Connect) -> None:
    """RFC 5321 3.1: after 554 everything gets 503 until QUIT."""
    server.on("CONNECT", "127.0.0.1").reply(554, "5.3.2 No service")
    client = connect()
    assert client.reply() == "554 5.3.2 No service"
    assert client.code(HELLO) == 503
    assert client.code("NOOP") == 503
    assert client.code("QUIT") == 221
    assert client.rest() == b""


# -- takes effect ---------------------------------------------------------------------------------------


def test_a_command_refused_by_a_fault_has_no_effect(server: SMTPServer, client: RawClient) -> None:
    """MAIL refused begins no transaction, RCPT refused adds nobody, DATA refused takes no content."""
    client.open()
    server.on("MAIL", times=1).reply(451)
    assert client.code(MAIL) == 451
    assert client.code(RCPT) == 503
    client.envelope()
    server.on("RCPT", "eve@*").reply(550)
    assert client.code("RCPT TO:<EVE@example.net>") == 550
    server.on("DATA", times=1).reply(451)
    assert client.code("DATA") == 451
    client.content(b"x\r\n")
    assert server.messages.one().rcpt_to == ("bob@example.org",)
    refused, accepted = server.transactions
    assert refused.reply is not None
    assert (refused.reply.code, refused.message) == (451, None)
    assert accepted.refused["EVE@example.net"].code == 550


def test_a_command_that_policy_refuses_takes_effect_by_a_positive_reply(
    server: SMTPServer, connect: Connect
) -> None:
    """A fault overrules the server's policy, as long as the dialogue allows the command at all."""
    server.configure(require_auth=True, recipient_limit=0)
    server.on("MAIL").reply(250)
    server.on("RCPT").reply(251, "2.1.5 Forwarded")
    client = connect()
    client.open()
    assert client.code(MAIL) == 250
    assert client.code(RCPT) == 251
    client.content(b"x\r\n")
    assert len(server.messages) == 1


def test_content_refused_is_not_stored_and_ends_the_transaction(
    server: SMTPServer, client: RawClient
) -> None:
    """A 4yz or 5yz to content: nothing is in the inbox, the next MAIL is in order."""
    server.on("CONTENT", times=1).reply(554, "5.6.0 Spam")
    client.open()
    client.envelope()
    assert client.content(b"x\r\n") == "554 5.6.0 Spam"
    client.envelope()
    assert client.content(b"y\r\n").startswith("250")
    assert [message.content for message in server.messages] == [b"y\r\n"]
    assert server.transactions[0].message is None


@pytest.mark.parametrize("action", ["disconnect", "silence", "send"])
def test_no_reply_no_effect_unless_accepted(server: SMTPServer, connect: Connect, action: str) -> None:
    """What leaves the client without a reply leaves nothing stored; `accept()` before it stores."""
    for accepted in (False, True):
        server.reset()
        fault = server.on("CONTENT")
        fault = fault.accept() if accepted else fault
        fault = fault.send(b"??\r\n") if action == "send" else getattr(fault, action)()
        client = connect()
        client.open()
        client.envelope()
        client.ask("DATA")
        client.send(b"x\r\n.\r\n")
        if action == "disconnect":
            assert client.rest() == b""
        else:
            assert client.is_silent(0.05) is (action == "silence")
        server.check()
        assert len(server.messages) == accepted
        assert (server.transactions[0].message is not None) is accepted


def test_accepted_and_told_otherwise(server: SMTPServer, client: RawClient) -> None:
    """The message is stored, the client hears 451 and will send it again."""
    server.on("CONTENT", times=1).accept().reply(451, "4.3.0 Lost the reply")
    client.open()
    for _ in range(2):
        client.envelope()
        client.content(b"x\r\n")
    assert len(server.messages) == 2
    assert [transaction.reply.code for transaction in server.transactions if transaction.reply] == [451, 250]


def test_quit_refused_does_not_close(server: SMTPServer, client: RawClient) -> None:
    """QUIT takes effect by a positive reply, like any other command."""
    server.on("QUIT", times=1).reply(500)
    client.open()
    assert client.code("QUIT") == 500
    assert client.code("NOOP") == 250
    assert client.code("QUIT") == 221
    assert client.rest() == b""


def test_rset_and_ehlo_refused_keep_the_transaction(server: SMTPServer, client: RawClient) -> None:
    """What did not take effect changed nothing."""
    client.open()
    client.envelope()
    server.on("RSET").reply(451)
    server.on("EHLO").reply(451)
    assert client.code("RSET") == 451
    assert client.code(HELLO) == 451
    client.content(b"x\r\n")
    assert len(server.messages) == 1


# -- in mid-content -------------------------------------------------------------------------------------


@pytest.mark.parametrize("abort", [False, True])
def test_disconnect_in_mid_content(server: SMTPServer, client: RawClient, abort: bool) -> None:
    """When that many octets of content have come, the connection is cut and nothing is stored."""
    fault = server.on("CONTENT").disconnect(abort=abort, after_octets=1000)
    client.open()
    client.envelope()
    client.ask("DATA")
    client.send(b"x" * 70 + b"\r\n")
    assert client.is_silent(0.02)
    client.send((b"x" * 70 + b"\r\n") * 100)
    if abort:
        with pytest.raises(ConnectionResetError):
            client.rest()
    else:
        assert client.rest() == b""
    assert fault.hits == 1
    assert not server.messages


def test_content_shorter_than_after_octets_passes(server: SMTPServer, client: RawClient) -> None:
    """The rule was not reached."""
    fault = server.on("CONTENT").disconnect(after_octets=1000)
    client.open()
    client.envelope()
    assert client.content(b"x\r\n").startswith("250")
    assert fault.hits == 0


def test_disconnect_in_mid_chunk(server: SMTPServer, connect: Connect) -> None:
    """BDAT counts the chunk's octets, CONTENT the message's over all chunks."""
    for stage, octets in (("BDAT", 5), ("CONTENT", 15)):
        server.reset()
        server.on(stage).disconnect(after_octets=octets)
        client = connect()
        client.open()
        client.envelope()
        client.send(b"BDAT 10\r\n1234")
        assert client.is_silent(0.02)
        client.send(b"567890BDAT 10 LAST\r\n1234567890")
        if stage == "CONTENT":
            assert client.reply().startswith("250")
        assert client.rest() == b""


# -- the last chunk -------------------------------------------------------------------------------------


def test_the_last_chunk_asks_bdat_first_then_content(server: SMTPServer, client: RawClient) -> None:
    """BDAT LAST is both stages at once."""
    content = server.on("CONTENT").reply(452)
    server.on("BDAT", times=1).reply(451)
    client.open()
    client.envelope()
    client.send(b"BDAT 1 LAST\r\nx")
    assert client.reply().startswith("451")
    client.envelope()
    client.send(b"BDAT 1 LAST\r\nx")
    assert client.reply().startswith("452")
    assert content.hits == 1


def test_a_session_that_is_dropped_in_a_delay_has_no_effect_later(
    server: SMTPServer, client: RawClient
) -> None:
    """What was in progress is over."""
    server.on("CONTENT").delay(0.2)
    client.open()
    client.envelope()
    client.ask("DATA")
    client.send(b"x\r\n.\r\n")
    assert client.is_silent(0.02)
    server.drop_connections()
    assert client.rest() == b""
    assert server.messages.none(within=0.3)


# -- matches --------------------------------------------------------------------------------------------


def test_a_predicate_sees_the_event(server: SMTPServer, connect: Connect) -> None:
    """Stage, argument, session, transaction and content, as far as there are any."""
    seen: list[Event] = []

    def remember(event: Event) -> bool:
        seen.append(event)
        return False

    server.on("*", remember).optional().reply(451)
    client = connect()
    client.open()
    client.envelope()
    client.content(b"x\r\n")
    client.ask("QUIT")
    assert [(event.stage, event.argument) for event in seen] == [
        ("CONNECT", "127.0.0.1"),
        ("EHLO", "client.example.com"),
        ("MAIL", "ada@example.com"),
        ("RCPT", "bob@example.org"),
        ("DATA", ""),
        ("CONTENT", ""),
        ("QUIT", ""),
    ]
    content = seen[5]
    assert content.content == b"x\r\n"
    assert content.session is server.sessions[0]
    assert content.transaction is server.transactions[0]


def test_a_predicate_runs_in_a_thread_of_its_own(server: SMTPServer, connect: Connect) -> None:
    """One that waits for another session's mail would otherwise stop the whole server."""
    server.on("NOOP", lambda event: server.messages.wait_for(1)).reply(250, "2.0.0 It came")
    waiting, other = connect(), connect()
    waiting.open()
    waiting.send(b"NOOP\r\n")
    other.open()
    other.envelope()
    other.content(b"x\r\n")
    assert waiting.reply() == "250 2.0.0 It came"


def test_a_predicate_that_raises_is_kept_for_the_verdict(server: SMTPServer, client: RawClient) -> None:
    """The command goes on as if nothing had matched; `check()` tells."""
    server.configure(strict=True)
    server.on("NOOP", lambda event: 1 / 0).optional().reply(451)
    client.open()
    assert client.code("NOOP") == 250
    with pytest.raises(AssertionError) as caught:
        server.check()
    assert str(caught.value) == (
        "callback raised: predicate of a fault at NOOP: ZeroDivisionError: division by zero"
    )
    server.configure(strict=False)


# -- TLS ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["starttls", "implicit"])
def begin_tls(request: pytest.FixtureRequest, server: SMTPServer, connect: Connect) -> RawClient:
    """A client that is about to begin a handshake."""
    server.configure(tls=request.param)
    client = connect()
    if request.param == "starttls":
        client.open()
        client.ask("STARTTLS")
    return client


def test_tls_disconnect(server: SMTPServer, begin_tls: RawClient) -> None:
    """The handshake ends in an orderly close."""
    server.on("TLS").disconnect()
    with pytest.raises(ssl.SSLError, match="EOF"):
        begin_tls.start_tls()


def test_tls_reset(server: SMTPServer, begin_tls: RawClient) -> None:
    """The handshake ends in a reset."""
    server.on("TLS").disconnect(abort=True)
    with pytest.raises(ConnectionResetError):
        begin_tls.start_tls()


def test_tls_stall(server: SMTPServer, begin_tls: RawClient) -> None:
    """The server says nothing to the client's hello, or whatever comes, and stays."""
    server.on("TLS").silence()
    for octets in (b"\x16\x03\x01", b"EHLO client.example.com\r\n"):
        begin_tls.send(octets)
        assert begin_tls.is_silent(0.05)
    assert server.sessions[0].ended is None


def test_tls_plaintext(server: SMTPServer, begin_tls: RawClient) -> None:
    """Plaintext instead of a handshake."""
    server.on("TLS").send(b"220 I speak no TLS\r\n")
    with pytest.raises(
        ssl.SSLError, match=r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|PACKET_LENGTH_TOO_LONG"
    ):
        begin_tls.start_tls()


def test_tls_slow(server: SMTPServer, begin_tls: RawClient) -> None:
    """A handshake that is late and trickles still succeeds."""
    fault = server.on("TLS").delay(0.02).trickle(20_000)
    begin_tls.start_tls()
    begin_tls.send(b"EHLO client.example.com\r\n")
    assert begin_tls.reply()[0] == "2"
    assert fault.hits == 1


def test_tls_accepted_then_cut(server: SMTPServer, begin_tls: RawClient) -> None:
    """The handshake completes, and then the connection is closed."""
    server.on("TLS").accept().disconnect()
    begin_tls.start_tls()
    with pytest.raises((ssl.SSLError, EOFError)):
        begin_tls.reply()
    assert server.sessions[0].tls is not None


def test_starttls_offered_and_refused(server: SMTPServer, client: RawClient) -> None:
    """454 4.7.0: the session goes on in clear text."""
    server.on("STARTTLS").reply(454, "4.7.0 TLS not available")
    assert "STARTTLS" in client.open()
    assert client.ask("STARTTLS") == "454 4.7.0 TLS not available"
    assert client.code("NOOP") == 250
    assert server.sessions[0].tls is None


def test_plaintext_injected_before_the_handshake(server: SMTPServer, client: RawClient) -> None:
    """`send` after a reply writes octets that no client may take for TLS (the STARTTLS injection class)."""
    server.on("STARTTLS").reply(220, "2.0.0 Ready").send(b"250 injected\r\n")
    client.open()
    assert client.ask("STARTTLS") == "220 2.0.0 Ready"
    assert client.reply() == "250 injected"
    client.start_tls()
    assert client.code(HELLO) == 250
