"""The life of a server, and that nothing is left of it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import smtplib
import socket
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pytest

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.server import loop
from pytest_smtp4d.server.connection import ServerConnection
from pytest_smtp4d.server.server import SMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.server.conftest import Connect, RawClient

CONTENT = b"Subject: x\r\n\r\nHello.\r\n"


def deliver(server: SMTPServer, sender: str = "ada@example.com") -> None:
    """Send a message in clear text with a client that knows nothing of us."""
    with smtplib.SMTP(*server.address, timeout=5, local_hostname="client.example.com") as client:
        client.sendmail(sender, ["bob@example.org"], CONTENT)


def refuses(server: SMTPServer) -> bool:
    """Return whether nobody listens on the server's port."""
    with socket.socket() as probe:
        return probe.connect_ex(server.address) != 0


def test_a_server_runs_between_start_and_stop() -> None:
    """It listens as soon as `start` returns, and no longer when `stop` has returned; both may be repeated."""
    server = SMTPServer(tls="none")
    with pytest.raises(RuntimeError, match="has no port before it is started"):
        _ = server.port
    assert server.start() is server
    assert server.start() is server
    deliver(server)
    server.stop()
    server.stop()
    assert refuses(server)
    assert len(server.messages) == 1


def test_a_server_restarts_on_its_port() -> None:
    """Clients that were told the port find it again; what was received stays."""
    server = SMTPServer(tls="none")
    for count in range(1, 4):
        with server:
            port = server.port
            deliver(server)
            assert len(server.messages) == count
        assert server.port == port
        assert refuses(server)


def test_a_port_that_is_taken() -> None:
    """The error comes from `start`, at once, and names the port."""
    with SMTPServer() as first, pytest.raises(OSError, match=f"cannot listen on 127.0.0.1 port {first.port}"):
        SMTPServer(port=first.port).start()


def test_where_it_is() -> None:
    """`address` and `url`, for IPv6 and implicit TLS, too."""
    with SMTPServer() as server:
        assert server.address == ("127.0.0.1", server.port)
        assert server.url == f"smtp://127.0.0.1:{server.port}"
        assert repr(server) == f"<SMTPServer {server.url}>"
    assert repr(server) == f"<SMTPServer {server.url}, not running>"
    assert repr(SMTPServer()) == "<SMTPServer 127.0.0.1, not running>"
    with SMTPServer(host="::1", tls="implicit") as server:
        assert server.url == f"smtps://[::1]:{server.port}"
        with smtplib.SMTP_SSL("::1", server.port, context=server.client_context(), timeout=5) as client:
            assert client.noop()[0] == 250
        assert server.sessions[0].peer[0] == "::1"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_replies_do_not_wait_for_acknowledgements(host: str, connect: Connect) -> None:
    """Nagle's algorithm is off: a reply leaves at once, also after the tickets of a TLS handshake."""
    with SMTPServer(host=host) as server:
        client = connect(server)
        client.open()
        (connection,) = server._state.connections
        assert isinstance(connection, ServerConnection)
        accepted = connection._tcp.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        client.code("QUIT")


async def test_async_with() -> None:
    """The same server in asyncio."""
    async with SMTPServer(tls="none") as server:
        reader, writer = await asyncio.open_connection(*server.address)
        assert (await reader.readline()).startswith(b"220")
        writer.close()
        await writer.wait_closed()
    assert refuses(server)


def test_several_servers_do_not_mix() -> None:
    """Each has its own messages."""
    with SMTPServer(tls="none") as one, SMTPServer(tls="none") as other:
        deliver(one, "one@example.com")
        deliver(other, "other@example.com")
        assert one.messages.one().mail_from == "one@example.com"
        assert other.messages.one().mail_from == "other@example.com"


def test_sessions_from_threads() -> None:
    """Many clients at once, each message whole and where it belongs."""
    with SMTPServer(tls="none") as server, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: deliver(server, f"a{number}@example.com"), range(40)))
        assert sorted(m.mail_from for m in server.messages) == sorted(f"a{n}@example.com" for n in range(40))
        assert {m.session.commands[1].argument.split(" ")[0].lower() for m in server.messages} == {
            f"from:<a{n}@example.com>" for n in range(40)
        }


# -- down, drop -----------------------------------------------------------------------------------------


def test_down(connect: Connect) -> None:
    """Open connections are cut, new ones refused, and afterwards the same port answers."""
    with SMTPServer(tls="none") as server:
        client = connect(server)
        client.open()
        port = server.port
        with server.down():
            with pytest.raises((ConnectionResetError, EOFError)):
                client.ask("NOOP")
            assert refuses(server)
            assert refuses(server)
        assert server.port == port
        deliver(server)
        with server.down():
            assert refuses(server)
        deliver(server)
        assert server.sessions[0].ended == "server down"


def test_down_ends_in_stop() -> None:
    """A server that is stopped while it is down stays stopped."""
    server = SMTPServer().start()
    with server.down():
        server.stop()
    assert refuses(server)
    with pytest.raises(RuntimeError, match="does not run"), server.down():
        pass


@pytest.mark.parametrize("abort", [False, True])
def test_drop_connections(connect: Connect, abort: bool) -> None:
    """Idle clients hear a 421, or nothing, and then FIN or RST; new ones are welcome."""
    with SMTPServer(tls="none") as server:
        clients = [connect(server) for _ in range(3)]
        for client in clients:
            client.open()
        server.drop_connections(None if abort else (421, "4.3.2 Shutting down"), abort=abort)
        for client in clients:
            if abort:
                with pytest.raises(ConnectionResetError):
                    client.rest()
            else:
                assert client.rest() == b"421 4.3.2 Shutting down\r\n"
        assert {session.ended for session in server.sessions} == {"dropped" if abort else "421"}
        deliver(server)
    server.drop_connections()


def test_drop_connections_refuses_what_is_no_reply() -> None:
    """The error names the value."""
    with SMTPServer() as server:
        with pytest.raises(SettingsError, match="999"):
            server.drop_connections((999, "x"))
        with pytest.raises(SettingsError, match="ok"):
            server.drop_connections("ok")  # type: ignore[arg-type]


# -- configure, clear, reset ----------------------------------------------------------------------------


def test_configure_is_for_sessions_that_start_afterwards(connect: Connect) -> None:
    """An open session keeps what it was told."""
    with SMTPServer() as server:
        before = connect(server)
        before.reply()
        server.configure(size_limit=1000, extensions=["SIZE"])
        assert "PIPELINING" in before.ask("EHLO client.example.com")
        after = connect(server)
        assert after.open() == "250-localhost\n250-SIZE 1000\n250 STARTTLS"
        with pytest.raises(SettingsError, match="port cannot change"):
            server.configure(port=1025)
        with pytest.raises(SettingsError, match="did you mean 'size_limit'"):
            server.configure(size_limt=1)  # type: ignore[call-arg]


def test_clear(connect: Connect) -> None:
    """Messages, transactions and finished sessions go; open sessions, faults and settings stay."""
    with SMTPServer(tls="none", strict=False) as server:
        client = connect(server)
        client.open()
        deliver(server)
        server.configure(size_limit=5)
        server.on("NOOP").reply(451)
        client.envelope()
        server.sessions[1].transcript  # noqa: B018 - a finished session
        assert client.code("NOOP") == 451
        server.messages.one()
        server.clear()
        assert (len(server.messages), server.transactions) == (0, ())
        assert [session.ended for session in server.sessions] == [None]
        assert server.settings.size_limit == 5
        assert client.code("NOOP") == 451
        client.content(b"x\r\n")
        assert len(server.messages) == 1


def test_reset(connect: Connect) -> None:
    """All is as at the start; the port and open connections stay, and go on in a session of their own."""
    with SMTPServer(tls="none", strict=False, greylist=10) as server:
        server.configure(greylist=None)
        client = connect(server)
        client.open()
        deliver(server)
        server.on("NOOP").reply(451)
        server.active_fault = ("MAIL", "garbage")
        server.advance(100)
        port = server.port
        server.reset()
        assert server.port == port
        assert (len(server.messages), server.transactions, server.sessions) == (0, (), ())
        assert server.settings.greylist == 10
        assert server._rules.faults == ()
        assert repr(server.active_fault) == "None"
        assert client.code("NOOP") == 250
        (session,) = server.sessions
        assert session.client_name == "client.example.com"
        assert [command.verb for command in session.commands] == ["NOOP"]
        assert str(session.transcript) == "C: NOOP\nS: 250 2.0.0 OK"


def test_reset_in_a_transaction(connect: Connect) -> None:
    """What was begun before may be finished after it, and is recorded there."""
    with SMTPServer(tls="none") as server:
        client = connect(server)
        client.open()
        client.envelope()
        server.reset()
        client.content(b"x\r\n")
        message = server.messages.one()
        assert message.session is server.sessions[0]
        assert [transaction.message for transaction in server.transactions] == [message]


# -- what clients need ----------------------------------------------------------------------------------


@pytest.mark.smtp_server(strict=False, greylist=300)
def test_greylisting_goes_by_the_clock_that_the_test_moves(
    smtp_server: SMTPServer, client: RawClient
) -> None:
    """451 4.7.1 until `greylist` seconds after the first try, per sender and recipient (RFC 6647)."""
    client.open()
    client.ask("MAIL FROM:<ada@example.com>")
    assert client.ask("RCPT TO:<bob@example.org>").startswith("451 4.7.1")
    smtp_server.advance(299)
    assert client.code("RCPT TO:<bob@example.org>") == 451
    smtp_server.advance(1)
    assert client.code("RCPT TO:<bob@example.org>") == 250
    assert client.code("RCPT TO:<eve@example.org>") == 451
    client.ask("RSET")
    client.ask("MAIL FROM:<other@example.com>")
    assert client.code("RCPT TO:<bob@example.org>") == 451
    with pytest.raises(ValueError, match="forward"):
        smtp_server.advance(-1)


def test_client_options() -> None:
    """Everything a transporter needs, and no more."""
    with SMTPServer(tls="none") as server:
        assert server.client_options() == {
            "host": "127.0.0.1",
            "port": server.port,
            "accept_unsecure_connection": True,
            "implicit_tls": False,
        }
    with SMTPServer(tls="implicit", users={"ada": "pass", "bob": "word"}) as server:
        options = server.client_options()
        assert options.pop("ssl_context").get_ca_certs()
        assert options == {
            "host": "127.0.0.1",
            "port": server.port,
            "implicit_tls": True,
            "user": "ada",
            "password": "pass",
        }
    with SMTPServer(tokens={"ada": "t0ken"}) as server:
        options = server.client_options()
        assert (options["user"], options["access_token_oauth2"]) == ("ada", "t0ken")
        assert options["implicit_tls"] is False


def test_check_names_faults_that_were_never_hit() -> None:
    """The strict verdict, now; `optional()` and `strict=False` relax it."""
    with SMTPServer() as server:
        fault = server.on("MAIL").reply(451)
        with pytest.raises(AssertionError, match=r"fault never hit: on\('MAIL'\)"):
            server.check()
        fault.optional()
        server.check()


@pytest.mark.smtp_server(ignore_violations=["bare-lf"])
def test_check_names_fatal_violations(smtp_server: SMTPServer, client: RawClient) -> None:
    """The line and the section; `check()` waits for what has arrived."""
    smtp_server.configure(ignore_violations=())
    client.open()
    client.send(b"NOOP\n")
    with pytest.raises(AssertionError, match=r"client violated SMTP: bare-lf \(RFC 5321 2\.3\.8\)"):
        smtp_server.check()
    smtp_server.configure(ignore_violations=["bare-lf"])
    smtp_server.check()


# -- nothing waits, nothing is left ---------------------------------------------------------------------


def hung_in_a_handshake(server: SMTPServer, connect: Connect) -> None:
    """A client that has sent half a TLS record."""
    connect(server).send(b"\x16\x03\x01\x02\x00\x01")


def hung_in_tls(server: SMTPServer, connect: Connect) -> None:
    """A TLS client that never closes."""
    connect(server, tls=True).reply()


def hung_in_content(server: SMTPServer, connect: Connect) -> None:
    """A client in mid-content."""
    client = connect(server, tls=True)
    client.open()
    client.envelope()
    client.ask("DATA")
    client.send(b"and then")


released = threading.Event()
"""Ends the callback that hangs, after the test."""


def hung_in_a_predicate(server: SMTPServer, connect: Connect) -> None:
    """A callback that does not return."""
    server.on("NOOP", lambda event: released.wait(60)).reply(250)
    client = connect(server, tls=True)
    client.open()
    client.send(b"NOOP\r\n")
    connect(server).send(b"x")


def hung_in_a_delay(server: SMTPServer, connect: Connect) -> None:
    """A reply that would take an hour."""
    server.on("NOOP").delay(3600)
    client = connect(server, tls=True)
    client.open()
    client.send(b"NOOP\r\n")
    assert client.is_silent(0.02)


def hung_not_reading(server: SMTPServer, connect: Connect) -> None:
    """A client that sends and never reads."""
    client = connect(server, tls=True)
    client.reply()
    client.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.send(b"HELP\r\n" * 10_000_000)


@pytest.mark.parametrize(
    "hang",
    [
        hung_in_a_handshake,
        hung_in_tls,
        hung_in_content,
        hung_in_a_predicate,
        hung_in_a_delay,
        hung_not_reading,
    ],
)
def test_stop_is_bounded(hang: Callable[[SMTPServer, Connect], None], connect: Connect) -> None:
    """Whatever clients do, `stop` waits for none of them and cuts them."""
    released.clear()
    server = SMTPServer(tls="implicit", strict=False).start()
    hang(server, connect)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    stopping.join(20)  # a loaded machine takes its time; what hangs here hangs longer
    is_stopped = not stopping.is_alive()
    released.set()
    assert is_stopped
    for thread in threading.enumerate():
        if thread.name == "smtp4d NOOP predicate":
            thread.join()
    assert all(session.ended for session in server.sessions)
    assert refuses(server)


def resources() -> tuple[int, int]:
    """Return the number of threads and of open files of this process."""
    process = psutil.Process()
    return process.num_threads(), process.num_fds()


def test_nothing_is_left_of_thousands_of_servers() -> None:
    """No thread, socket, task or memory after 5,000 servers, some of them in the middle of something."""

    def use(number: int) -> None:
        with SMTPServer(tls="none") as server:
            if number % 50 == 0:
                deliver(server)
            if number % 50 == 1:
                with socket.create_connection(server.address) as half:
                    half.recv(3)

    from pytest_smtp4d.server import watch

    for number in range(200):
        use(number)
    watch.begin()
    gc.collect()
    before, objects = resources(), len(gc.get_objects())
    for number in range(5000):
        use(number)
    watch.begin()  # as the next test does
    gc.collect()
    assert all(now <= then for now, then in zip(resources(), before, strict=True))
    assert len(gc.get_objects()) - objects < 2000
    tasks = loop.current().run(_tasks())
    assert tasks == 1  # the one that asks


def test_nothing_is_left_of_servers_outside_pytest() -> None:
    """A script that starts servers for weeks keeps none of them, used or not, with faults or without."""
    script = """
import gc, smtplib
from pytest_smtp4d.server.server import SMTPServer
for _ in range(200):
    with SMTPServer(tls="none") as server:
        server.on("NOOP").reply(451)
        with smtplib.SMTP(*server.address) as client:
            client.sendmail("ada@example.com", ["bob@example.org"], b"x")
del server
gc.collect()
print(sum(isinstance(thing, SMTPServer) for thing in gc.get_objects()))
"""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (run.stdout, run.stderr) == ("0\n", "")


def test_a_server_that_nobody_connects_to_imports_little() -> None:
    """What serves a connection is imported when a test asks for the port, or a client comes all the same."""
    script = """
import socket, sys
from pytest_smtp4d import SMTPServer
def serves():
    return "aiosmtpd.smtp" in sys.modules, "pytest_smtp4d.records.record" in sys.modules
with SMTPServer() as server:
    print(*serves())
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
with SMTPServer(port=port) as server:
    with socket.create_connection(("127.0.0.1", port)) as client:
        print(client.recv(3).decode(), *serves())
with SMTPServer() as server:
    print(server.port > 0, *serves())
"""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (run.stdout, run.stderr) == ("False False\n220 True True\nTrue True True\n", "")


async def _tasks() -> int:
    return len(asyncio.all_tasks())


@pytest.fixture
def own_loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A loop that the test may stop: servers of a wider scope go on in the one of the process."""
    monkeypatch.setattr(loop, "_current", None)
    yield
    loop.stop()


def loop_threads() -> int:
    """Return how many loops run."""
    return sum(thread.name == "smtp4d" for thread in threading.enumerate())


@pytest.mark.usefixtures("own_loop")
def test_one_thread_for_all_servers() -> None:
    """However many servers there are, one loop carries them; after `loop.stop` the next begins anew."""
    others = loop_threads()
    servers = [SMTPServer().start() for _ in range(10)]
    assert loop_threads() == others + 1
    for server in servers:
        server.stop()
    loop.stop()
    loop.stop()
    assert loop_threads() == others
    with SMTPServer(tls="none") as server:
        deliver(server)
        assert len(server.messages) == 1


@pytest.mark.usefixtures("own_loop")
def test_the_loop_ended_under_a_running_server() -> None:
    """The server can still be looked at, and stopped."""
    server = SMTPServer().start()
    loop.stop()
    assert server.messages.none()
    server.stop()
    assert refuses(server)


def test_a_server_that_is_down_can_be_looked_at() -> None:
    """`none`, `one` and `check` settle without a listening socket, and after the stop, too."""
    with SMTPServer(tls="none") as server:
        with server.down():
            assert server.messages.none()
            with pytest.raises(AssertionError, match="no message"):
                server.messages.one()
            server.check()
        deliver(server)
    assert len(server.messages.where()) == 1
    assert server.messages.none(subject="not this one")
    server.check()


def test_all_that_has_arrived_is_heard() -> None:
    """Several megabytes that wait at the socket while the loop is late are a message after `settle`."""
    content = b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n"
    with SMTPServer(tls="none") as server:
        with smtplib.SMTP(*server.address, timeout=5) as client:
            client.sendmail("a@example.com", ["b@example.org"], content)
        server.messages.clear()
        with socket.create_connection(server.address, timeout=5) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
            reader = raw.makefile("rb")
            for line in (b"", b"HELO x", b"MAIL FROM:<a@example.com>", b"RCPT TO:<b@example.org>", b"DATA"):
                raw.sendall(line + b"\r\n" if line else b"")
                assert reader.readline()[:1] in (b"2", b"3")
            late, goes_on = threading.Event(), threading.Event()

            def be_late() -> None:
                late.set()
                goes_on.wait(10)

            loop.current().loop.call_soon_threadsafe(be_late)
            assert late.wait(10)
            octets = content + b"y" * 70 + b"\r\n" + (b"z" * 70 + b"\r\n") * 20_000 + b".\r\n"
            raw.setblocking(False)
            sent = 0
            with contextlib.suppress(BlockingIOError):
                while sent < len(octets):
                    sent += raw.send(octets[sent:])
            goes_on.set()
            raw.setblocking(True)
            raw.sendall(octets[sent:])
            assert not server.messages.where(subject="y")
            assert server.messages.one(subject="x").content.endswith(b"z\r\n")


@pytest.mark.usefixtures("own_loop")
def test_a_signal_handler_may_ask_while_its_thread_does() -> None:
    """`settle` can be entered again by the thread that is in it."""
    with SMTPServer(tls="none") as server:
        listener = server._listener
        assert listener is not None
        with listener._guard:
            assert server.messages.none()


@pytest.fixture
def without_epoll(own_loop: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop of systems other than Linux."""
    monkeypatch.setattr(loop, "_IS_SEEN_AT_ONCE", False)


@pytest.mark.usefixtures("without_epoll")
def test_without_epoll(connect: Connect) -> None:
    """Start, session, down, stop and restart, where the loop has to watch each socket itself."""
    with SMTPServer() as server:
        client = connect(server)
        client.open()
        client.send(b"NOOP\n")
        with pytest.raises(AssertionError, match="bare-lf"):
            server.check()
        with server.down():
            assert refuses(server)
        deliver(server)
        server.configure(strict=False)
    assert refuses(server)
    with server:
        deliver(server)
    assert len(server.messages) == 2


@pytest.mark.parametrize("is_seen_at_once", [True, False])
def test_a_process_without_a_free_descriptor(is_seen_at_once: bool) -> None:
    """Clients wait until one is free, and nothing spins meanwhile."""
    script = f"""
import os, resource, socket, time
from pytest_smtp4d.server import loop
from pytest_smtp4d.server.server import SMTPServer
loop._IS_SEEN_AT_ONCE = {is_seen_at_once}
with SMTPServer(tls="none") as server:
    with socket.create_connection(server.address) as first:
        first.recv(100)
    while server._state.connections:
        server._settle()
    waiting = socket.socket()
    waiting.settimeout(0.5)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    held = []
    try:
        while True:
            held.append(os.dup(0))
    except OSError:
        pass
    before = time.process_time()
    waiting.connect(server.address)
    try:
        print(waiting.recv(100))
    except TimeoutError:
        print("waits", time.process_time() - before < 0.3)
    for descriptor in held:
        os.close(descriptor)
    waiting.settimeout(5)
    print(waiting.recv(3))
    waiting.close()
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.stdout == "waits True\nb'220'\n", run.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_fork_in_the_test(connect: Connect) -> None:
    """The child can use the parent's server as a client and a server of its own, and harms neither's."""
    with SMTPServer(tls="none") as server:
        idle = connect(server)
        idle.open()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # threads and fork; that is what is tried here
            child = os.fork()
        if not child:
            status = 1
            try:
                server.stop()
                deliver(server, "child@example.com")
                with SMTPServer(tls="none") as own:
                    deliver(own)
                    status = 0 if len(own.messages) == 1 else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert server.messages.one().mail_from == "child@example.com"
        assert idle.code("NOOP") == 250
    assert refuses(server)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_that_lives_on_does_not_hold_the_port(connect: Connect) -> None:
    """The parent's server goes down although a child, who inherited its sockets, still runs."""
    reader, writer = os.pipe()
    running, is_running = os.pipe()
    with SMTPServer(tls="none") as server:
        client = connect(server)
        client.open()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            os.close(writer)
            os.write(is_running, b"x")
            os.read(reader, 1)  # until the parent closes it
            os._exit(0)
        os.read(running, 1)
        for descriptor in (reader, running, is_running):
            os.close(descriptor)
        try:
            with server.down():
                assert refuses(server)
                with pytest.raises((ConnectionResetError, EOFError)):
                    client.ask("NOOP")
        finally:
            os.close(writer)
            os.waitpid(child, 0)


def test_an_interpreter_ends_cleanly_with_a_server_running() -> None:
    """No warning, no traceback, no hang, also with sessions open and the server never stopped."""
    script = """
import os, socket
from pytest_smtp4d.server.server import SMTPServer
server = SMTPServer().start()
client = socket.create_connection(server.address)
client.recv(100)
client.detach()
print("done")
"""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", script], capture_output=True, text=True, timeout=30
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "done\n", "")
