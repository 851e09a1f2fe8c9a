"""Resolving and connecting, function by function; no client library is involved."""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
from contextlib import closing
from typing import Any

import pytest

from pytest_smtp4d import SMTPBlockedError, SMTPServer
from pytest_smtp4d.intercept.block import Block, Refusals
from pytest_smtp4d.intercept.patch import blocking
from pytest_smtp4d.intercept.target import Allowed, HostPattern
from tests.intercept.conftest import Redirect

pytestmark = pytest.mark.usefixtures("asked")


def greeting(sock: socket.socket) -> bytes:
    """Return the first three octets that a server says."""
    sock.settimeout(5)
    return sock.recv(3)


# Resolving


@pytest.mark.parametrize(
    "host", ["smtp.example.com", b"smtp.example.com", "SMTP.Example.Com.", "smtp.bücher.example"]
)
@pytest.mark.parametrize(
    ("port", "number"),
    [(25, 25), ("587", 587), (b"465", 465), ("smtp", 25), ("submission", 587), (2525, 2525)],
)
def test_a_name_resolves_without_a_query(
    redirect: Redirect, asked: list[Any], host: Any, port: Any, number: int
) -> None:
    """To one reserved address, with the port as a number, in every type of socket that the system knows."""
    redirect()
    answer = socket.getaddrinfo(host, port)
    (place,) = {entry[4] for entry in answer}
    assert str(place[0]).startswith("198.18.")
    assert place[1] == number
    assert {entry[1] for entry in answer} >= {socket.SOCK_STREAM, socket.SOCK_DGRAM}
    assert asked == []


def test_family_type_and_flags_are_honoured(redirect: Redirect) -> None:
    """As the system would: IPv6 where it is wanted, one type, the canonical name; and its refusals."""
    redirect()
    (entry,) = socket.getaddrinfo(
        "a.example", 25, socket.AF_INET6, socket.SOCK_STREAM, 0, socket.AI_CANONNAME
    )
    assert entry[:4] == (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "a.example")
    assert str(entry[4][0]).startswith("100::")
    (entry,) = socket.getaddrinfo("a.example", 25, type=socket.SOCK_STREAM)
    assert entry[0] is socket.AF_INET
    assert entry[3] == ""
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("a.example", 25, flags=socket.AI_NUMERICHOST)
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("a.example", "smtp", flags=socket.AI_NUMERICSERV)
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("a.example", 25, type=socket.SOCK_STREAM, proto=socket.IPPROTO_UDP)


@pytest.mark.parametrize(
    ("host", "port"), [("a.example", 80), ("a.example", None), ("a.example", 0), ("a.example", "http")]
)
def test_other_ports_and_no_port_are_asked_for(
    redirect: Redirect, asked: list[Any], host: str, port: Any
) -> None:
    """What is not mail's, or is not known to be, goes to the system's resolver."""
    redirect()
    with pytest.raises(OSError):
        socket.getaddrinfo(host, port)
    assert asked == [host]


def test_a_name_that_was_given_is_redirected_without_a_port(redirect: Redirect, asked: list[Any]) -> None:
    """By getaddrinfo without a port, gethostbyname and gethostbyname_ex; others are asked for."""
    redirect(hosts=[HostPattern("", "smtp.*")])
    address = socket.gethostbyname("smtp.example.com")
    assert address.startswith("198.18.")
    assert socket.gethostbyname_ex("smtp.example.com") == ("smtp.example.com", [], [address])
    assert {entry[4] for entry in socket.getaddrinfo("smtp.example.com", None)} == {(address, 0)}
    assert asked == []
    assert socket.gethostbyname("127.0.0.1") == "127.0.0.1"


def test_gethostbyname_is_not_touched_where_no_name_is_given(redirect: Redirect) -> None:
    """It resolves without a port: nobody can know that it is for mail."""
    before = socket.gethostbyname, socket.gethostbyname_ex
    redirect()
    assert (socket.gethostbyname, socket.gethostbyname_ex) == before


# Connecting


@pytest.mark.parametrize("host", ["smtp.example.com", "192.0.2.7", b"smtp.example.com"])
def test_a_raw_socket_is_redirected(redirect: Redirect, smtp_server: SMTPServer, host: Any) -> None:
    """`connect` with a name or an address reaches the server, which knows what was asked for."""
    redirect()
    with socket.socket() as sock:
        sock.connect((host, 25))
        assert greeting(sock) == b"220"
        assert sock.getpeername()[0] == "127.0.0.1"
    name = host.decode() if isinstance(host, bytes) else host
    assert smtp_server.sessions[0].target == (name, 25)


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
def test_an_ipv6_socket_is_redirected(redirect: Redirect, smtp_server: SMTPServer) -> None:
    """By a mapped address, also where the socket was for IPv6 alone."""
    redirect()
    with socket.socket(socket.AF_INET6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.connect(("2001:db8::1", 587))
        assert greeting(sock) == b"220"
    assert smtp_server.sessions[0].target == ("2001:db8::1", 587)


def test_a_connection_that_does_not_block_stays_one(redirect: Redirect, smtp_server: SMTPServer) -> None:
    """EINPROGRESS comes as ever, raised by connect and returned by connect_ex; then the connection stands."""
    redirect()
    for connects in ("connect", "connect_ex"):
        with socket.socket() as sock:
            sock.setblocking(False)
            if connects == "connect":
                with pytest.raises(BlockingIOError) as caught:
                    sock.connect(("192.0.2.7", 25))
                code = caught.value.errno
            else:
                code = sock.connect_ex(("192.0.2.7", 25))
            assert code == errno.EINPROGRESS
            assert select.select([], [sock], [], 5)[1] == [sock]
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            assert greeting(sock) == b"220"
    assert [session.target for session in smtp_server.sessions] == [("192.0.2.7", 25)] * 2


def test_a_bound_socket_keeps_its_port(redirect: Redirect, smtp_server: SMTPServer) -> None:
    """A client that chose its source address has it."""
    redirect()
    with socket.create_connection(("192.0.2.7", 25), 5, ("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        assert greeting(sock) == b"220"
    assert smtp_server.sessions[0].peer == ("127.0.0.1", port)


@pytest.mark.parametrize("connects", ["connect", "connect_ex"])
def test_a_server_that_is_down_or_stopped_refuses(
    redirect: Redirect, smtp_server: SMTPServer, connects: str
) -> None:
    """As any dead server does; and it answers again when it is back."""
    redirect()

    def is_refused() -> bool:
        with socket.socket() as sock:
            if connects == "connect_ex":
                return sock.connect_ex(("192.0.2.7", 25)) == errno.ECONNREFUSED
            try:
                sock.connect(("192.0.2.7", 25))
            except ConnectionRefusedError:
                return True
            return greeting(sock) != b"220"

    assert not is_refused()
    with smtp_server.down():
        assert is_refused()
    assert not is_refused()
    smtp_server.stop()
    assert is_refused()
    smtp_server.start()
    assert not is_refused()


def test_what_is_none_of_ours_is_not_touched(redirect: Redirect, smtp_server: SMTPServer) -> None:
    """Loopback, other ports, datagrams and unix sockets go where they always went."""
    redirect(ports=[smtp_server.port])
    with socket.create_connection(smtp_server.address, 5) as sock:
        assert greeting(sock) == b"220"
    assert smtp_server.sessions[0].target is None
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", smtp_server.port))
    with socket.socket() as sock, pytest.raises(TypeError):
        sock.connect("nonsense")
    if hasattr(socket, "AF_UNIX"):
        with socket.socket(socket.AF_UNIX) as sock, pytest.raises(FileNotFoundError):
            sock.connect("/nowhere/at/all")


def test_hosts_limit_what_is_redirected(redirect: Redirect, smtp_server: SMTPServer) -> None:
    """A host that no pattern names goes where it always went: here, to be blocked."""
    redirect(hosts=[HostPattern("", "smtp.*")])
    with blocking(Block(Refusals(), Allowed(), warns=False)):
        with socket.create_connection(("smtp.example.com", 25), 5) as sock:
            assert greeting(sock) == b"220"
        with pytest.raises(SMTPBlockedError):
            socket.create_connection(("mail.example.com", 25), 5)


def test_a_route_gives_hosts_to_another_server(redirect: Redirect, smtp_server: SMTPServer) -> None:
    """The latest route wins, also over the patterns of the marker; the rest goes to the first server."""
    with SMTPServer() as other, SMTPServer() as third:
        redirect(hosts=[HostPattern("", "smtp.*")])
        other.intercept("smtp.eu.*", "mail.*")
        third.intercept("smtp.eu.third.*")
        for host in ("smtp.us.example", "smtp.eu.example", "mail.example", "smtp.eu.third.example"):
            with socket.create_connection((host, 25), 5) as sock:
                assert greeting(sock) == b"220"
        assert [session.target for session in smtp_server.sessions] == [("smtp.us.example", 25)]
        assert [session.target for session in other.sessions] == [
            ("smtp.eu.example", 25),
            ("mail.example", 25),
        ]
        assert [session.target for session in third.sessions] == [("smtp.eu.third.example", 25)]


def test_an_allowed_name_is_let_through(redirect: Redirect, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is resolved as ever, and so are connections to the addresses that it has, with the allowed port."""
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.5", 25))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [entry])
    seen: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: seen.append(address), raising=False)
    redirect(allowed=Allowed(["mailpit:25"]))
    assert socket.getaddrinfo("mailpit", 25) == [entry]
    for port in (25, 587):
        with socket.socket() as sock:
            sock.connect(("10.0.0.5", port))
    assert seen[0] == ("10.0.0.5", 25)
    assert seen[1][0] == "127.0.0.1"


def test_an_address_of_a_name_leads_to_the_name_with_other_ports(
    redirect: Redirect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that was resolved for mail and is then used for something else is resolved for that."""
    seen: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: seen.append(address), raising=False)
    redirect()
    ((*_, address),) = socket.getaddrinfo("a.example", 25, type=socket.SOCK_STREAM)
    with socket.socket() as sock:
        sock.connect((address[0], 443))
    assert seen == [("a.example", 443)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_process_is_told_that_it_is_not_covered(redirect: Redirect) -> None:
    """Nothing of it leaves, and the error says why."""
    redirect()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            socket.create_connection(("smtp.example.com", 25), 5)
        except OSError as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with closing(os.fdopen(reading, "rb")) as pipe:
        said = pipe.read().decode()
    assert said.startswith("SMTPBlockedError: ")
    assert "mail to smtp.example.com:25 comes from a child process, which interception does not cover" in said


def test_an_interrupt_passes(
    redirect: Redirect, monkeypatch: pytest.MonkeyPatch, smtp_server: SMTPServer
) -> None:
    """Ctrl-C in connect leaves it as ever, and the server expects that connection no longer."""

    def interrupted(_: socket.socket, address: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(socket.socket, "connect", interrupted, raising=False)
    redirect()
    with socket.socket() as sock, pytest.raises(KeyboardInterrupt):
        sock.connect(("192.0.2.7", 25))
    entrance = smtp_server._entrance(implicit=False)
    assert entrance is not None
    assert entrance._expected == {}


# Blocking


def test_a_blocked_connection_names_the_line(smtp_server: SMTPServer) -> None:
    """Host, port, the user's file and line, and the ways out; the same is recorded."""
    refusals = Refusals()
    with blocking(Block(refusals, Allowed(), warns=False)):
        line = sys._getframe().f_lineno + 2
        with pytest.raises(SMTPBlockedError) as caught:
            socket.create_connection(("smtp.example.com", 587))
    words = (
        "mail to smtp.example.com:587 is blocked by smtp4d_block, "
        f"tried at {os.path.relpath(__file__)}:{line}: "
        "use the fixture smtp_server, redirect it with smtp_intercept, or let it through with "
        "@pytest.mark.smtp_block(False) or the ini smtp4d_block_allow"
    )
    assert str(caught.value) == f"[Errno {errno.ECONNREFUSED}] {os.strerror(errno.ECONNREFUSED)}: {words}"
    assert caught.value.errno == errno.ECONNREFUSED
    assert [str(attempt) for attempt in refusals.take()] == [words]
    assert refusals.take() == []


def test_a_literal_and_connect_ex_are_blocked_too() -> None:
    """An address is refused when it is connected to; `connect_ex` returns the number of the error."""
    refusals = Refusals()
    with blocking(Block(refusals, Allowed(), warns=False)), socket.socket() as sock:
        assert sock.connect_ex(("192.0.2.7", 25)) == errno.ECONNREFUSED
        with pytest.raises(SMTPBlockedError):
            socket.create_connection(("192.0.2.7", 465), 5)
    assert [attempt.target for attempt in refusals.take()] == [("192.0.2.7", 25), ("192.0.2.7", 465)]


def test_the_same_line_is_one_entry() -> None:
    """A client that tries again and again fills no report."""
    refusals = Refusals()
    with blocking(Block(refusals, Allowed(), warns=False)):
        for _ in range(100):
            with pytest.raises(SMTPBlockedError):
                socket.create_connection(("smtp.example.com", 587))
    assert len(refusals.take()) == 1


def test_a_name_is_allowed_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the allow list has networks, a name is resolved, and what is not in them is left out."""
    entries = {
        "in.example": [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 25)) for ip in ("10.0.0.1", "192.0.2.1")
        ],
        "out.example": [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 25))],
    }
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_: entries[host])
    with blocking(Block(Refusals(), Allowed(["10.0.0.0/8"]), warns=False)):
        assert socket.getaddrinfo("in.example", 25) == entries["in.example"][:1]
        with pytest.raises(SMTPBlockedError):
            socket.getaddrinfo("out.example", 25)


def test_a_name_that_nobody_knows_is_at_no_allowed_address(asked: list[Any]) -> None:
    """It is blocked: an error of the resolver hides no attempt."""
    refusals = Refusals()
    with blocking(Block(refusals, Allowed(["10.0.0.0/8"]), warns=False)), pytest.raises(SMTPBlockedError):
        socket.create_connection(("smtp.example.com", 25))
    assert asked == ["smtp.example.com"]
    assert len(refusals.take()) == 1


def test_a_warning_names_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the connection goes to an address; and it comes also where the name cannot be resolved."""
    refusals = Refusals()
    with blocking(Block(refusals, Allowed(), warns=True)):
        with pytest.raises(socket.gaierror):
            socket.create_connection(("unknown.example.com", 25))
        assert [attempt.target for attempt in refusals.take()] == [("unknown.example.com", 25)]
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 25))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [entry])
    monkeypatch.setattr(socket.socket, "connect", lambda *_: None, raising=False)
    with blocking(Block(refusals, Allowed(), warns=True)):
        socket.create_connection(("known.example.com", 25)).close()
    assert [attempt.target for attempt in refusals.take()] == [("known.example.com", 25)]


def test_a_warning_lets_it_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """With warn nothing is refused, and the attempt is recorded."""
    seen: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: seen.append(address), raising=False)
    refusals = Refusals()
    with blocking(Block(refusals, Allowed(), warns=True)), socket.socket() as sock:
        sock.connect(("192.0.2.7", 25))
    assert seen == [("192.0.2.7", 25)]
    (attempt,) = refusals.take()
    assert str(attempt).startswith("mail to 192.0.2.7:25 would be blocked by smtp4d_block, tried at ")
