"""What a failure says about a client that did not come as far as MAIL, whatever it kept to itself."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl

import pytest

from pytest_smtp4d import TLSMode
from pytest_smtp4d.server.server import SMTPServer
from tests.server.conftest import Connect, RawClient

NOT_TRUSTED = (
    "most likely it does not trust the certificate: give it `ca_file` or `client_context()`, or `smtp_trust`"
)


def words_of(server: SMTPServer) -> str:
    """Return the words of a failure that is told at once."""
    with pytest.raises(AssertionError) as failure:
        server.messages.one()
    return str(failure.value)


@pytest.mark.parametrize("turn", range(10))
def test_a_swallowed_tls_error_keeps_its_hint(turn: int) -> None:
    """The application swallows the error and the test looks at once: the alert that it sent is seen."""
    with SMTPServer() as server:
        with contextlib.suppress(ssl.SSLError), smtplib.SMTP(*server.address, timeout=5) as client:
            client.starttls(context=ssl.create_default_context())
        words = words_of(server)
    assert words.startswith("the client does not trust the certificate: no message arrived (looked once")
    assert "TLS alert: unknown ca" in words
    assert turn >= 0


def half_a_handshake(client: RawClient) -> None:
    """Send the first flight of a handshake, and take the server's."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    client.send(outgoing.read())
    assert client.socket.recv(65536)


def whole_handshake(client: RawClient) -> None:
    """Complete a handshake, as a client does that looks at the certificate afterwards."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client.start_tls(context)


@pytest.mark.parametrize("shake", [half_a_handshake, whole_handshake])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_client_that_rejects_by_closing(connect: Connect, tls: TLSMode, shake: object) -> None:
    """During the handshake or right after it, without an alert: it is told about trust first."""
    assert callable(shake)
    with SMTPServer(tls=tls) as server:
        client = connect(server)
        if tls == "starttls":
            client.open()
            assert client.code("STARTTLS") == 220
        shake(client)
        client.close()
        words = words_of(server)
    assert NOT_TRUSTED in words
    assert words.startswith(
        "the client left TLS at once, most likely not trusting the certificate: no message"
    )
    assert "tls='implicit'" not in words


def test_a_client_that_waits_for_a_greeting_where_tls_is_due(connect: Connect) -> None:
    """It closes without one octet: it wanted to begin in clear text."""
    with SMTPServer(tls="implicit") as server:
        connect(server).close()
        words = words_of(server)
        assert server.sessions[0].ended == "client closed in TLS, having sent nothing"
    assert words.startswith("the client did not begin with TLS: no message arrived")
    assert "begin with TLS, or set tls='starttls'" in words


def test_a_client_that_closes_after_starttls(connect: Connect) -> None:
    """It had sent something, so it knew what was due; its handshake never began."""
    with SMTPServer() as server:
        client = connect(server)
        client.open()
        assert client.code("STARTTLS") == 220
        client.close()
        words = words_of(server)
        assert server.sessions[0].ended == "client closed in TLS"
    assert NOT_TRUSTED in words


def test_nothing_that_has_arrived_is_left_out() -> None:
    """Content that reached the server before the test looked is a message for `one`, answered or not."""
    for _ in range(20):
        with (
            SMTPServer(tls="none", strict=False) as server,
            socket.create_connection(server.address) as client,
        ):
            envelope = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\n"
            client.sendall(b"EHLO me\r\n" + envelope + b"DATA\r\nSubject: x\r\n\r\n.\r\n")
            assert server.messages.one().subject == "x"
