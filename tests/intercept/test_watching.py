"""What a client's context verifies is found for the server's end of the same session, and for no other."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
from collections.abc import Iterator

import pytest

from pytest_smtp4d import SMTPServer
from pytest_smtp4d.intercept import interception
from pytest_smtp4d.intercept import watching as watching_room
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
    assert verification(server.ssl_object, 0) == Verification(context.verify_mode, context.check_hostname)
    assert client_verifies(server.ssl_object, 0) is verifies
    assert [client_verifies(end.ssl_object, 0) for _, end in ends[:3]] == [True, False, False]


def test_a_client_that_is_not_known_is_not_judged(smtp_server: SMTPServer) -> None:
    """Before a handshake, and for a client that is gone or was not Python's, nothing is said."""
    ((client, server),) = sessions(smtp_server, careless())
    assert client_verifies(server.ssl_object, 0) is False
    del client
    assert client_verifies(server.ssl_object, 0) is None
    fresh = TLSPipe(authority().server_context(smtp_server.settings), server_side=True)
    assert client_verifies(fresh.ssl_object, 0) is None


def test_a_context_is_not_changed() -> None:
    """It is watched: what it makes is what it made before."""
    context = careless()
    tls = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=HOST)
    assert type(tls) is ssl.SSLObject
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)
    assert vars(context) == {}


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[bool | None]:
    """What the server is told of its clients when their handshakes are done."""
    told: list[bool | None] = []

    def tell(server: ssl.SSLObject, peer_port: int) -> bool | None:
        told.append(client_verifies(server, peer_port))
        return told[-1]

    monkeypatch.setattr(interception, "client_verifies", tell)
    return told


@pytest.mark.parametrize(("kind", "verifies"), [("careful", True), ("careless", False), ("default", False)])
@pytest.mark.parametrize("port", [465, 587])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_smtplib(
    found: list[bool | None], kind: str, verifies: bool, port: int, version: ssl.TLSVersion
) -> None:
    """A socket that is wrapped; without a context nothing is verified, which is the point."""
    context = CONTEXTS[kind][0]() if kind != "default" else None
    if context is not None:
        context.maximum_version = version
    if port == 465:
        client: smtplib.SMTP = smtplib.SMTP_SSL(HOST, port, context=context, timeout=5)
    else:
        client = smtplib.SMTP(HOST, port, timeout=5)
        client.starttls(context=context)
    with client:
        client.ehlo()
    assert found == [verifies]


@pytest.mark.parametrize("kind", CONTEXTS)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_asyncio(found: list[bool | None], kind: str, version: ssl.TLSVersion) -> None:
    """A pair of buffers that is wrapped."""
    make, verifies = CONTEXTS[kind]
    context = make()
    context.maximum_version = version
    reader, writer = await asyncio.open_connection(HOST, 465, ssl=context)
    assert (await reader.readline()).startswith(b"220 ")
    writer.close()
    await writer.wait_closed()
    assert found == [verifies]


@pytest.mark.parametrize("kind", CONTEXTS)
def test_a_socket_that_is_wrapped_before_it_connects(found: list[bool | None], kind: str) -> None:
    """Then the port is known when it connects."""
    make, verifies = CONTEXTS[kind]
    with make().wrap_socket(socket.socket(), server_hostname=HOST) as client:
        client.settimeout(5)
        client.connect((HOST, 465))
        assert client.recv(3) == b"220"
    assert found == [verifies]


def test_only_a_port_is_noted() -> None:
    """A socket that is not connected has none yet, and a unix socket never has; neither is an error."""
    for sock in (socket.socket(), *socket.socketpair()):
        with sock:
            watching_room.note_socket(careless(), sock)
    closed = socket.socket()
    closed.close()
    watching_room.note_socket(careless(), closed)
    assert 0 not in watching_room._ports


def test_a_client_whose_tls_is_not_pythons_is_not_known(
    found: list[bool | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not judged by what its port was noted for earlier."""
    monkeypatch.setattr(watching_room, "note_socket", lambda *_: None)  # as if `ssl` had no part in it
    with smtplib.SMTP_SSL(HOST, 465, context=careless(), timeout=5, source_address=("127.0.0.1", 0)):
        pass
    assert found == [None]
