"""What sockets, time, threads and TLS make of actions; what each does at each stage is in `dialogue/`."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING

import pytest

from pytest_smtp4d import StageName

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
    "MAIL": ((HELLO,), MAIL),
    "CONTENT": ((HELLO, MAIL, RCPT, "DATA"), "Subject: x\r\n\r\nx\r\n."),
    "QUIT": ((HELLO,), "QUIT"),
}


def reach(client: RawClient, stage: str) -> None:
    """Go to a stage and send what reaches it."""
    before, line = REACHED[stage]
    if stage == "CONNECT":
        return
    client.reply()
    for command in before:
        assert client.ask(command)[0] in "23"
    client.send(line.encode() + b"\r\n")


@pytest.fixture
def server(smtp_server: SMTPServer) -> SMTPServer:
    """A server that knows a user, with AUTH in clear text, and requires no login."""
    smtp_server.configure(users={"ada": "pass"}, auth_without_tls=True, require_auth=False)
    return smtp_server


@pytest.mark.parametrize("stage", REACHED)
def test_disconnect_sends_fin(server: SMTPServer, connect: Connect, stage: StageName) -> None:
    """The client reads an orderly end and not an octet before it."""
    server.on(stage).disconnect()
    client = connect()
    reach(client, stage)
    assert client.rest() == b""
    assert server.sessions[0].ended == f"disconnected at {stage}"


@pytest.mark.parametrize("stage", REACHED)
def test_disconnect_abort_sends_rst(server: SMTPServer, connect: Connect, stage: StageName) -> None:
    """The client is reset, at CONNECT perhaps before it knows that it is connected."""
    server.on(stage).disconnect(abort=True)
    with pytest.raises(ConnectionResetError):  # noqa: PT012 - any of them
        client = connect()
        reach(client, stage)
        client.rest()


@pytest.mark.parametrize("stage", REACHED)
def test_silence(server: SMTPServer, connect: Connect, stage: StageName) -> None:
    """Nothing comes any more, and the connection stays open; what follows is recorded and has no effect."""
    server.on(stage, times=1).silence()
    client = connect()
    reach(client, stage)
    assert client.is_silent()
    assert server.sessions[0]._broken
    assert server.sessions[0].ended is None
    client.send(b"QUIT\r\n")
    assert client.is_silent(0.02)
    server._settle()
    last = server.sessions[0].commands[-1]
    assert (last.verb, last.reply) == ("QUIT", None)
    server.drop_connections()
    assert client.rest() == b""


@pytest.mark.parametrize("stage", REACHED)
def test_delay(server: SMTPServer, connect: Connect, stage: StageName) -> None:
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


def test_plaintext_injected_before_the_handshake(server: SMTPServer, client: RawClient) -> None:
    """`send` after a reply writes octets that no client may take for TLS (the STARTTLS injection class)."""
    server.on("STARTTLS").reply(220, "2.0.0 Ready").send(b"250 injected\r\n")
    client.open()
    assert client.ask("STARTTLS") == "220 2.0.0 Ready"
    assert client.reply() == "250 injected"
    client.start_tls()
    assert client.code(HELLO) == 250
