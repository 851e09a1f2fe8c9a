"""What a client's context verifies is found for the server's end of the same session, and for no other."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Iterator

import pytest

from pytest_smtp4d import SMTPServer
from pytest_smtp4d.intercept.interception import Interception
from pytest_smtp4d.intercept.patch import intercepting
from pytest_smtp4d.intercept.watching import Verification, client_verifies, verification
from pytest_smtp4d.server.certificates import authority
from pytest_smtp4d.tls import TLSPipe

HOST = "smtp.example.com"


@pytest.fixture(autouse=True)
def watching(smtp_server: SMTPServer) -> Iterator[None]:
    """TLS is watched."""
    with intercepting(Interception(lambda: smtp_server)):
        yield


def careless() -> ssl.SSLContext:
    """Return a context that verifies nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def half_careful() -> ssl.SSLContext:
    """Return a context that verifies the chain, and no name."""
    context = authority().client_context()
    context.check_hostname = False
    return context


CONTEXTS = {
    "careful": (authority().client_context, True),
    "careless": (careless, False),
    "half": (half_careful, False),
}


def sessions(smtp_server: SMTPServer, *contexts: ssl.SSLContext) -> Iterator[tuple[TLSPipe, TLSPipe]]:
    """Yield a client's and a server's end, shaken hands, for each context."""
    for context in contexts:
        server = TLSPipe(authority().server_context(smtp_server.settings, HOST), server_side=True)
        client = TLSPipe(context, server_side=False, server_hostname=HOST)
        octets = b""
        while not (client.handshake_done and server.handshake_done):
            client.receive(octets) if octets else client.handshake()
            octets = client.pending()
            if octets:
                server.receive(octets)
            octets = server.pending()
        client.receive(octets)
        yield client, server


@pytest.mark.parametrize("kind", CONTEXTS)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_each_end_finds_the_other(smtp_server: SMTPServer, kind: str, version: ssl.TLSVersion) -> None:
    """Among many sessions at once with the same name, in either version of TLS."""
    make, verifies = CONTEXTS[kind]
    context = make()
    context.maximum_version = version
    others = [other() for other, _ in CONTEXTS.values()]
    ends = list(sessions(smtp_server, *others, context, *others))
    _, server = ends[3]
    assert verification(server.ssl_object) == Verification(context.verify_mode, context.check_hostname)
    assert client_verifies(server.ssl_object) is verifies
    assert [client_verifies(end.ssl_object) for _, end in ends[:3]] == [True, False, False]


def test_a_client_that_is_not_known_is_not_judged(smtp_server: SMTPServer) -> None:
    """Before a handshake, and for a client that is gone or was not Python's, nothing is said."""
    ((client, server),) = sessions(smtp_server, careless())
    assert client_verifies(server.ssl_object) is False
    del client
    assert client_verifies(server.ssl_object) is None
    fresh = TLSPipe(authority().server_context(smtp_server.settings), server_side=True)
    assert client_verifies(fresh.ssl_object) is None


def test_a_context_is_not_changed() -> None:
    """It is watched: what it makes is what it made before."""
    context = careless()
    tls = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=HOST)
    assert type(tls) is ssl.SSLObject
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)
    assert vars(context) == {}


def found(smtp_server: SMTPServer) -> list[bool | None]:
    """Return what is known of the clients of the open sessions."""
    smtp_server.settle()
    pipes = [connection._pipe for connection in smtp_server._state.connections]  # type: ignore[attr-defined]
    return [client_verifies(pipe.ssl_object) for pipe in pipes if pipe is not None]


@pytest.mark.parametrize(("kind", "verifies"), [("careful", True), ("careless", False), ("default", False)])
@pytest.mark.parametrize("port", [465, 587])
def test_smtplib(smtp_server: SMTPServer, kind: str, verifies: bool, port: int) -> None:
    """A socket that is wrapped; `starttls()` without a context verifies nothing, which is the point."""
    context = CONTEXTS[kind][0]() if kind != "default" else None
    if port == 465:
        client: smtplib.SMTP = smtplib.SMTP_SSL(HOST, port, context=context, timeout=5)
    else:
        client = smtplib.SMTP(HOST, port, timeout=5)
        client.starttls(context=context)
    with client:
        client.ehlo()
        assert found(smtp_server) == [verifies]


@pytest.mark.parametrize("kind", CONTEXTS)
async def test_asyncio(smtp_server: SMTPServer, kind: str) -> None:
    """A pair of buffers that is wrapped."""
    make, verifies = CONTEXTS[kind]
    reader, writer = await asyncio.open_connection(HOST, 465, ssl=make())
    assert (await reader.readline()).startswith(b"220 ")
    writer.write(b"NOOP\r\n")
    assert (await reader.readline()).startswith(b"250 ")
    assert await asyncio.to_thread(found, smtp_server) == [verifies]
    writer.close()
    await writer.wait_closed()
