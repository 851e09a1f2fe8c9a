"""What `clear` and `reset` let go of, and what goes on."""

from __future__ import annotations

import subprocess
import sys

from pytest_smtp4d.faults.match import Event
from pytest_smtp4d.server.server import SMTPServer
from tests.server.conftest import Connect

FREED = """
import gc, smtplib, weakref
from pytest_smtp4d.server.server import SMTPServer

with SMTPServer(tls="none") as server, smtplib.SMTP(*server.address) as pooled:
    for forget in (server.clear, server.reset):
        pooled.sendmail("ada@example.com", ["bob@example.org"], b"Subject: 1\\r\\n\\r\\nx\\r\\n")
        message, session = server.messages[0], server.sessions[-1]
        watched = [weakref.ref(message), weakref.ref(session)]
        del message, session
        forget()
        gc.collect()
        print([one() for one in watched])
"""


def test_what_is_forgotten_is_freed_of_open_sessions_too() -> None:
    """Nothing holds a message or the record of a session, though its client is idle and stays connected."""
    run = subprocess.run([sys.executable, "-W", "error", "-c", FREED], capture_output=True, text=True)
    assert (run.stdout.split("\n")[:2], run.stderr) == (["[None, None]"] * 2, "")


FLAT = """
import gc, smtplib, tracemalloc
from pytest_smtp4d.server.server import SMTPServer

mail = b"Subject: 1\\r\\n\\r\\n" + (b"x" * 70 + b"\\r\\n") * 140

with SMTPServer(tls="none") as server, smtplib.SMTP(*server.address) as pooled:
    def send(times):
        for _ in range(times):
            pooled.sendmail("ada@example.com", ["bob@example.org"], mail)
        server.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    first = send(50)
    print(send(500) - first)
"""


def test_a_pooled_client_costs_nothing_after_clear() -> None:
    """5 MB of mail over one connection leave less than 200 kB."""
    run = subprocess.run([sys.executable, "-W", "error", "-c", FLAT], capture_output=True, text=True)
    assert run.stderr == ""
    assert int(run.stdout) < 200_000


def test_an_open_session_goes_on_in_a_new_record(connect: Connect) -> None:
    """It is there at once, knows its client, and its transaction is finished in it."""
    with SMTPServer(tls="none", strict=False) as server:
        client = connect(server)
        client.open()
        client.envelope()
        (before,) = server.sessions
        server.clear()
        (after,) = server.sessions
        assert after is not before
        assert (after.client_name, after.ended, after.commands) == ("client.example.com", None, ())
        assert list(server.transactions) == []
        assert client.content(b"x\r\n").startswith("250")
        assert [command.verb for command in before.commands] == ["EHLO", "MAIL", "RCPT"]
        assert [command.verb for command in after.commands] == ["DATA"]
        (transaction,) = server.transactions
        assert after.transactions == (transaction,)
        assert transaction.message is server.messages[0]
        assert server.sessions == (after,)


def test_an_answer_that_is_on_its_way_is_in_the_new_record(connect: Connect) -> None:
    """A reply that a fault delays past a clear belongs to what comes after."""
    with SMTPServer(tls="none", strict=False) as server:
        client = connect(server)
        client.open()

        def clears(_: Event) -> bool:
            server.clear()
            return True

        held = server.on("NOOP", clears).reply(250, "2.0.0 later")
        assert client.ask("NOOP") == "250 2.0.0 later"
        assert held.hits == 1
        (session,) = server.sessions
        assert str(session.transcript) == "S: 250 2.0.0 later"


def test_violations_stay_with_the_record_in_which_they_happened(connect: Connect) -> None:
    """A session that goes on is not blamed again for what was before."""
    with SMTPServer(tls="none", strict=False) as server:
        client = connect(server)
        client.open()
        assert client.code("DATA") == 503
        (before,) = server.sessions
        server.clear()
        assert client.code("NOOP") == 250
        (after,) = server.sessions
        assert [violation.name for violation in before.violations] == ["out-of-order"]
        assert after.violations == ()


def test_reset_starts_a_server_that_was_stopped(connect: Connect) -> None:
    """It is as at the start again: it runs, on its port; one that was never started stays so."""
    with SMTPServer(tls="none") as server:
        port = server.port
        server.stop()
        server.reset()
        assert server.port == port
        assert connect(server).reply().startswith("220")
    never = SMTPServer()
    never.reset()
    assert repr(never) == "<SMTPServer 127.0.0.1, not running>"
