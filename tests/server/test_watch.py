from __future__ import annotations

import gc
import weakref

from pytest_smtp4d import SMTPServer, Violation
from pytest_smtp4d.faults.rules import Rules
from pytest_smtp4d.records.record import Session
from pytest_smtp4d.server.watch import Watch

OUT_OF_ORDER = Violation("out-of-order", "RCPT TO:<bob@example.org>", "RFC 5321 4.1.4", True)
NO_QUIT = Violation("no-quit", "", "RFC 5321 4.1.1.10", False)


def session() -> Session:
    """Return a session that nothing happened in."""
    return Session(("127.0.0.1", 54321))


def record(session: Session, violation: Violation) -> None:
    """Let a session have committed a violation."""
    if violation.name == "no-quit":
        session._recorder.left(has_quit=False)
    else:
        session._recorder.stage = "RCPT"
        session._recorder.command(
            b"RCPT TO:<bob@example.org>\r\n", "RCPT", "TO:<bob@example.org>", pipelined=False
        )


def test_what_was_judged_before_is_not_judged_again() -> None:
    """A session that goes on from test to test answers for what it does in this one."""
    server, lasting = SMTPServer(), session()
    record(lasting, OUT_OF_ORDER)
    watch = Watch()
    watch.spoke(server, lasting)
    assert watch.problems_of(server) == []
    record(lasting, OUT_OF_ORDER)
    watch.spoke(server, lasting)
    assert watch.problems_of(server) == [f"client violated SMTP: {OUT_OF_ORDER}"]


def test_the_verdict_in_words() -> None:
    """Faults never hit come first, then callbacks that raised, then fatal violations; all else is fine."""
    server, rules, watch, heard = SMTPServer(), Rules(), Watch(), session()
    watch.declared(server, rules.declare("MAIL", reply=550, origin="test_it.py:7"))
    watch.declared(server, rules.declare("RCPT", reply=550, optional=True))
    watch.failed(server, "RuntimeError: a slip")
    watch.spoke(server, heard)
    record(heard, OUT_OF_ORDER)
    record(heard, NO_QUIT)
    assert watch.problems() == [
        "fault never hit: on('MAIL').reply(550, '5.1.1 No such user') at test_it.py:7",
        "callback raised: RuntimeError: a slip",
        f"client violated SMTP: {OUT_OF_ORDER}",
    ]


def test_a_server_that_is_not_strict_has_no_problems() -> None:
    """Strictness is the server's own; one violation can be forgiven."""
    for settings in ({"strict": False}, {"ignore_violations": ("out-of-order",)}):
        server, watch, heard = SMTPServer(**settings), Watch(), session()
        watch.spoke(server, heard)
        record(heard, OUT_OF_ORDER)
        assert watch.problems() == []


def test_an_idle_server_is_forgotten_when_it_stops() -> None:
    """Thousands of servers that nobody spoke to are no burden; one that was heard stays for the verdict."""
    idle, used, watch = SMTPServer(), SMTPServer(), Watch()
    watch.used(idle)
    watch.spoke(used, session())
    watch.left(idle)
    watch.left(used)
    assert watch.servers == (used,)


def test_outside_of_pytest_nothing_is_kept() -> None:
    """Where no test is judged, a server that runs for weeks does not pile up its sessions."""
    server, watch, gone = SMTPServer(), Watch(keeps=False), session()
    watch.spoke(server, gone)
    reference = weakref.ref(gone)
    del gone
    gc.collect()
    assert reference() is None
    assert watch.servers == (server,)


def test_a_watch_keeps_a_tests_sessions() -> None:
    """In a test they stay, though the server was reset or cleared."""
    server, watch, heard = SMTPServer(), Watch(), session()
    watch.spoke(server, heard)
    reference = weakref.ref(heard)
    del heard
    gc.collect()
    assert reference() is not None
