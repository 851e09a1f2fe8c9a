"""Octets: whatever comes, in whatever pieces, from however many clients."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from pytest_smtp4d import TLSMode
from pytest_smtp4d.server import loop
from pytest_smtp4d.server.connection import ServerConnection
from pytest_smtp4d.server.server import SMTPServer
from tests.profiles import share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server.conftest import Connect, RawClient

ENVELOPE = b"MAIL FROM:<ada@example.com>\r\nRCPT TO:<bob@example.org>\r\n"
relaxed = pytest.mark.smtp_server(strict=False)


# -- how a client leaves --------------------------------------------------------------------------------


def test_a_half_closed_client_is_answered(smtp_server: SMTPServer, client: RawClient) -> None:
    """One that sends everything, says FIN, and then reads."""
    client.open()
    client.send(ENVELOPE + b"BDAT 3 LAST\r\nx\r\nNOOP\r\n")
    client.socket.shutdown(socket.SHUT_WR)
    assert client.rest().count(b"\n") == 4
    assert len(smtp_server.messages) == 1
    (session,) = smtp_server.sessions
    assert session.ended == "client closed"
    assert [violation.name for violation in session.violations] == ["no-quit"]


def test_a_client_that_goes_away(smtp_server: SMTPServer, connect: Connect) -> None:
    """By FIN or RST, anywhere: the reason is recorded, nothing is stored, the server goes on."""
    for abort in (False, True):
        for stage in ("open", "content"):
            client = connect()
            client.open()
            if stage == "content":
                client.envelope()
                client.ask("DATA")
                client.send(b"half a mess")
            if abort:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
    smtp_server.check()
    assert [session.ended for session in smtp_server.sessions] == [
        "client closed",
        "client closed in CONTENT",
        "connection reset by the client",
        "connection reset by the client",
    ]
    assert not smtp_server.messages


# -- what is recorded -----------------------------------------------------------------------------------


def test_the_transcript_tells_direction_stage_tls_and_time(
    smtp_server: SMTPServer, client: RawClient
) -> None:
    """Line by line, while the session is still open."""
    client.open()
    client.ask("STARTTLS")
    client.start_tls()
    client.ask("EHLO client.example.com")
    client.envelope()
    client.content(b"Subject: x\r\n\r\nbody\r\n")
    (session,) = smtp_server.sessions
    lines = session.transcript.lines
    # Of a multi-line reply the first line.
    heads = [line for line in lines if not (line.direction == "S" and line.octets[3:4] == b"-")]
    assert [(line.direction, line.stage, line.tls) for line in heads] == [
        ("S", "CONNECT", False),
        ("C", "EHLO", False),
        ("S", "EHLO", False),
        ("C", "STARTTLS", False),
        ("S", "STARTTLS", False),
        ("C", "EHLO", True),
        ("S", "EHLO", True),
        ("C", "MAIL", True),
        ("S", "MAIL", True),
        ("C", "RCPT", True),
        ("S", "RCPT", True),
        ("C", "DATA", True),
        ("S", "DATA", True),
        ("C", "CONTENT", True),
        ("C", "CONTENT", True),
        ("S", "CONTENT", True),
    ]
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    assert heads[13].octets == b"Subject: x\r\n\r\nbody\r\n"
    assert session.ended is None


# -- TLS and clear text ---------------------------------------------------------------------------------

EHLO = b"EHLO client.example.com\r\n"


def test_octets_behind_starttls_are_never_executed(connect: Connect) -> None:
    """Neither in clear text nor, after the handshake, as if they had come through TLS (injection)."""
    with SMTPServer(strict=False) as server:
        client = connect(server)
        client.open()
        client.send(b"STARTTLS\r\n" + EHLO + ENVELOPE + b"DATA\r\n")
        assert client.reply().startswith("220")
        assert client.is_silent(0.03)
        client.start_tls()
        assert client.is_silent(0.03)
        assert client.code("EHLO client.example.com") == 250
        assert server.transactions == ()


@pytest.mark.parametrize("tls", ["none", "starttls"])
def test_a_tls_handshake_where_clear_text_is_due(
    smtp_server: SMTPServer, connect: Connect, tls: TLSMode
) -> None:
    """A client that takes the port for one of implicit TLS is told apart from one that violates SMTP."""
    smtp_server.configure(tls=tls)
    for _ in range(10):
        client = connect()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            client.start_tls()
    smtp_server.check()
    assert {session.ended for session in smtp_server.sessions} == {
        "TLS handshake where clear text was due: use STARTTLS"
    }
    assert {session.commands for session in smtp_server.sessions} == {()}


# -- much of it -----------------------------------------------------------------------------------------


def test_100_000_commands_in_a_session(connect: Connect) -> None:
    """Answered, all of them; the input and output that wait stay bounded."""
    with SMTPServer(tls="none") as server:
        client = connect(server)
        client.open()
        count = 100_000
        sender = threading.Thread(target=client.send, args=(b"RSET\r\n" * count,))
        sender.start()
        received = 0
        while received < count:
            octets = client.socket.recv(1 << 20)
            assert octets
            received += octets.count(b"\n")
        sender.join()
        session = server.sessions[0]
        commands, lines = session.commands, session.transcript.lines
        assert len(commands) < 30_000  # of a long session the middle is forgotten
        assert commands[0].verb == "EHLO"
        assert sum(line.left_out or 1 for line in lines if line.direction == "C" or line.left_out) > 1000
        (gap,) = (line.left_out for line in lines if line.left_out)
        assert gap > count


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Let this process open 4,000 files; ordinary users are given 1,024 at first."""
    resource = pytest.importorskip("resource", reason="this system does not limit descriptors")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4000:
        pytest.skip(f"this process may open {hard} files at most")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_1_000_idle_sessions(connect: Connect) -> None:
    """They cost no thread, and others are served meanwhile."""
    with SMTPServer(tls="none") as server:
        threads = psutil.Process().num_threads()
        idle = [connect(server) for _ in range(1000)]
        for client in idle:
            assert client.reply().startswith("220")
        assert psutil.Process().num_threads() <= threads
        assert len(server.sessions) == 1000
        idle[500].socket.settimeout(5)
        assert idle[500].code("NOOP") == 250


@relaxed
def test_a_client_that_never_reads_is_made_to_wait(smtp_server: SMTPServer, connect: Connect) -> None:
    """Replies nobody takes do not pile up, and others are served; when it reads, the dialogue goes on."""
    client = connect()
    client.reply()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.send(b"HELP\r\n" * 10_000_000)
    (connection,) = smtp_server._state.connections
    assert isinstance(connection, ServerConnection)
    assert connection.protocol.waiting < 1_000_000
    assert connection._tcp.get_write_buffer_size() < 1_000_000
    other = connect()
    assert other.open().startswith("250")
    client.socket.settimeout(5)
    unread = 6_000_000  # more than all buffers on the way hold
    while unread > 0:
        octets = client.socket.recv(1 << 20)
        assert octets
        unread -= len(octets)


@relaxed
def test_content_without_end_stays_bounded(smtp_server: SMTPServer, connect: Connect) -> None:
    """A message that is too big is counted, not kept."""
    smtp_server.configure(size_limit=1_000_000)
    client = connect()
    client.open()
    client.envelope()
    client.ask("DATA")
    before = psutil.Process().memory_info().rss
    for _ in range(200):
        client.send((b"x" * 998 + b"\r\n") * 1000)
    assert psutil.Process().memory_info().rss - before < 150_000_000
    client.send(b".\r\n")
    assert client.reply()[0] in "25"


def test_25_mib_arrive_untouched(smtp_server: SMTPServer, client: RawClient) -> None:
    """Octets of every kind of line, dots and all."""
    lines = [b"." * (number % 5) + b"x" * (number * 7 % 990) + b"\r\n" for number in range(53_000)]
    content = b"".join(lines)
    assert len(content) > 25 * 1024 * 1024
    client.open()
    client.envelope()
    assert client.content(b"".join(b"." + line if line[:1] == b"." else line for line in lines)).startswith(
        "250"
    )
    assert smtp_server.messages.one().content == content


# -- anything at all ------------------------------------------------------------------------------------

OCTETS = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            EHLO,
            b"HELO x\r\n",
            ENVELOPE,
            b"DATA\r\n",
            b".\r\n",
            b"BDAT 7\r\n",
            b"BDAT 0 LAST\r\n",
            b"BDAT 99999999999999999999\r\n",
            b"AUTH PLAIN\r\n",
            b"AUTH SCRAM-SHA-1 bix=\r\n",
            b"*\r\n",
            b"STARTTLS\r\n",
            b"\x16\x03\x01\x00\x05hello",
            b"RSET\r\n",
            b"VRFY \xff\xfe\r\n",
            b"MAIL FROM:<\xc3\xa4@x> SMTPUTF8 SIZE=\xff\r\n",
            b"\0\r\n",
            b"\n" * 50,
        ]
    ),
)


@pytest.fixture(scope="module")
def survivor() -> Iterator[SMTPServer]:
    """A server that everything is thrown at."""
    with SMTPServer(strict=False, users={"ada": "pass"}, auth_without_tls=True, require_auth=False) as server:
        yield server


@share(1.5, suppress_health_check=list(HealthCheck))
@given(sent=st.lists(OCTETS, max_size=12))
def test_any_octets_never_kill_the_server(survivor: SMTPServer, sent: list[bytes]) -> None:
    """Whatever a client sends, the server neither dies nor raises, and serves the next client as always."""
    survivor.reset()
    with socket.create_connection(survivor.address, timeout=5) as hostile:
        for octets in sent:
            hostile.sendall(octets)
        hostile.shutdown(socket.SHUT_WR)
        try:
            while hostile.recv(65536):
                pass
        except ConnectionResetError:
            pass
    from pytest_smtp4d.server import watch

    assert not watch.current._errors
    with socket.create_connection(survivor.address, timeout=5) as client:
        reader = client.makefile("rb")
        assert reader.readline().startswith(b"220")
        client.sendall(EHLO + ENVELOPE + b"BDAT 4 LAST\r\ngoodQUIT\r\n")
        assert reader.read().endswith(b"221 2.0.0 Bye\r\n")
    assert survivor.messages[-1].content == b"good"
    assert survivor.sessions[-1].client_name == "client.example.com"


def test_a_session_leaves_nothing_of_itself(connect: Connect) -> None:
    """No protocol object outlives its connection."""
    with SMTPServer(tls="none") as server:
        for _ in range(5):
            client = connect(server)
            client.open()
            client.ask("QUIT")
            client.rest()
            client.close()
        while server._state.connections:
            server._settle()
        loop.current().run(asyncio.sleep(0))
        gc.collect()
        left = [thing for thing in gc.get_objects() if issubclass(type(thing), ServerConnection)]
        assert not [connection for connection in left if connection._state is server._state]
