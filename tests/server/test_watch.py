from __future__ import annotations

import gc
import smtplib
import sys
import weakref

import pytest

from pytest_smtp4d import SMTPServer, Violation
from pytest_smtp4d.faults.rules import Rules
from pytest_smtp4d.records.record import Session
from pytest_smtp4d.server.watch import Verdict, Watch
from pytest_smtp4d.smtp.reply import Reply

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


# -- sessions that were cleared -------------------------------------------------------------------------


@pytest.fixture
def unreported(monkeypatch: pytest.MonkeyPatch) -> None:
    """No report is asked for, which would show what was cleared, too."""
    monkeypatch.delitem(sys.modules, "pytest_smtp4d.report.hooks", raising=False)


def heard_and_over(watch: Watch, server: SMTPServer, *violations: Violation) -> Session:
    """Let a server have had a session in which something was wrong."""
    heard = session()
    watch.spoke(server, heard, began=True)
    for violation in violations:
        record(heard, violation)
    heard._end("client closed")
    return heard


@pytest.mark.usefixtures("unreported")
def test_the_verdict_outlives_what_is_cleared() -> None:
    """A violation of long ago is told in the end, and once; one that was told before is not told again."""
    server, watch = SMTPServer(), Watch()
    heard_and_over(watch, server, OUT_OF_ORDER, NO_QUIT)
    with pytest.raises(Verdict, match="out-of-order"):
        watch.raise_verdict()
    heard_and_over(watch, server, OUT_OF_ORDER)
    for _ in range(100):
        watch.cleared(server)
        heard_and_over(watch, server)
    assert watch.problems() == [f"client violated SMTP: {OUT_OF_ORDER}"]
    with pytest.raises(Verdict, match="out-of-order"):
        watch.raise_verdict()
    watch.cleared(server)
    assert watch.problems() == []


@pytest.mark.usefixtures("unreported")
def test_what_is_cleared_again_and_again_is_freed() -> None:
    """Two clears later a session is gone; the last ones are shown shortened, the others are counted."""
    server, watch = SMTPServer(), Watch()
    references = []
    for number in range(50):
        recorder = heard_and_over(watch, server)._recorder
        recorder.content(b"Subject: x\r\n\r\n" + b"y" * number, ())
        references.append(weakref.ref(watch.sessions[-1][1]))
        watch.cleared(server)
    gc.collect()
    assert sum(reference() is not None for reference in references) == 1
    assert len(watch.sessions) == 24
    transcript = watch.transcript()
    assert "27 earlier sessions left out" in transcript
    assert "Subject: x" in transcript
    assert "yyy" not in watch.transcript(full=True).rpartition("Subject: x")[0]


@pytest.mark.usefixtures("unreported")
def test_a_session_that_goes_on_is_kept_until_it_goes_on_in_a_new_record() -> None:
    """What is still written to is not shortened."""
    server, watch, lasting = SMTPServer(), Watch(), session()
    watch.spoke(server, lasting)
    watch.cleared(server)
    watch.cleared(server)
    record(lasting, OUT_OF_ORDER)
    assert watch.problems() == [f"client violated SMTP: {OUT_OF_ORDER}"]
    lasting._continued()
    watch.cleared(server)
    assert [kept is lasting for _, kept in watch.sessions] == [False]
    assert watch.problems() == [f"client violated SMTP: {OUT_OF_ORDER}"]


@pytest.mark.usefixtures("unreported")
def test_a_violation_is_kept_so_many_times() -> None:
    """Thousands of one kind are no burden, and leave room for those of another."""
    server, watch = SMTPServer(fatal_violations=("no-quit",)), Watch()
    for _ in range(150):
        heard_and_over(watch, server, OUT_OF_ORDER)
        watch.cleared(server)
    heard = session()
    watch.spoke(server, heard)
    heard._recorder.stage = "EHLO"
    heard._recorder.command(b"EHLO x\r\n", "EHLO", "x", pipelined=False)
    heard._recorder.reply(Reply(250, "localhost"))
    record(heard, NO_QUIT)
    heard._end("client closed")
    watch.cleared(server)
    watch.cleared(server)
    told = watch.problems()
    assert len(told) == 101
    assert told[-1].startswith("client violated SMTP: no-quit")


def test_a_report_shows_what_was_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one is asked for, every session stays as it was."""
    monkeypatch.setitem(sys.modules, "pytest_smtp4d.report.hooks", sys)
    server, watch = SMTPServer(), Watch()
    sessions = []
    for _ in range(50):
        sessions.append(heard_and_over(watch, server))
        watch.cleared(server)
    assert [kept for _, kept in watch.sessions] == sessions


@pytest.mark.usefixtures("unreported")
def test_a_long_test_that_clears_has_its_verdict(smtp_server: SMTPServer) -> None:
    """Over a socket: violations and flaws of sessions that were cleared, kept open or not, are all told."""
    smtp_server.configure(tls="none", fatal_violations=("missing-field",), strict=True)
    content = "Subject: no From\r\n\r\nx\r\n"
    with smtplib.SMTP(*smtp_server.address, timeout=5) as kept:
        for number in range(4):
            kept.sendmail("ada@example.com", ["bob@example.org"], content)
            with smtplib.SMTP(*smtp_server.address, timeout=5) as other:
                other.sendmail("ada@example.com", ["bob@example.org"], f"From: {number}\r\n{content}")
            smtp_server.clear()
    with pytest.raises(AssertionError) as caught:
        smtp_server.check()
    flaws = str(caught.value).splitlines()
    assert len(flaws) == 12
    assert all("message is flawed: missing-field" in flaw for flaw in flaws)
