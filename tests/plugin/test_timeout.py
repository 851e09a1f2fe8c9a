from __future__ import annotations

import textwrap

import pytest

from tests.plugin.conftest import Run

SHOW = """
def seconds(item):
    mark = item.get_closest_marker("timeout")
    return mark and (*mark.args, *sorted(mark.kwargs.items()))
"""

USES = """
def test_mail(smtp_server, request):
    assert seconds(request.node) == {expected}
"""


def test_a_test_that_uses_a_server_gets_sixty_seconds(run: Run) -> None:
    """Through pytest-timeout, and only where a server is used."""
    result = run(
        SHOW
        + """
def test_no_mail(request):
    assert seconds(request.node) is None

@pytest.mark.parametrize("name", ["make_smtp_server", "transporter", "smtp_server_factory"])
def test_each_fixture(request, name):
    assert seconds(request.node) is None

@pytest.fixture
def app(smtp_server):
    pass

def test_indirectly(app, request):
    assert seconds(request.node) == (60.0,)
"""
        + USES.format(expected="(60.0,)")
    )
    result.assert_outcomes(passed=6)


def test_the_ini_changes_it(run: Run, pytester: pytest.Pytester) -> None:
    """smtp4d_timeout is in seconds."""
    pytester.makeini("[pytest]\nsmtp4d_timeout = 7.5\n")
    run(SHOW + USES.format(expected="(7.5,)")).assert_outcomes(passed=1)


def test_zero_is_no_limit(run: Run, pytester: pytest.Pytester) -> None:
    """smtp4d_timeout = 0 leaves tests alone."""
    pytester.makeini("[pytest]\nsmtp4d_timeout = 0\n")
    run(SHOW + USES.format(expected="None")).assert_outcomes(passed=1)


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf"])
def test_a_wrong_value_is_a_usage_error(run: Run, pytester: pytest.Pytester, value: str) -> None:
    """It names the value and the way out."""
    pytester.makeini(f"[pytest]\nsmtp4d_timeout = {value}\n")
    result = run("")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    words = f"ini: smtp4d_timeout is '{value}': give a number of seconds, or 0 for no limit"
    result.stderr.fnmatch_lines([f"ERROR: {words}"])


def test_the_users_own_setting_wins(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option, an ini, a variable or a marker of pytest-timeout sets another: ours stays away."""
    unmarked = SHOW + USES.format(expected="None")
    run(unmarked, "--timeout=30").assert_outcomes(passed=1)
    with monkeypatch.context() as context:
        context.setenv("PYTEST_TIMEOUT", "30")
        run(unmarked).assert_outcomes(passed=1)
    pytester.makeini("[pytest]\ntimeout = 30\n")
    run(unmarked).assert_outcomes(passed=1)
    pytester.makeini("[pytest]\n")
    run(SHOW + "@pytest.mark.timeout(30)" + USES.format(expected="(30,)")).assert_outcomes(passed=1)


def test_a_marker_that_sets_the_method_only_keeps_it(run: Run) -> None:
    """Our seconds go with the user's method."""
    marked = "@pytest.mark.timeout(method='thread')" + USES.format(expected="(60.0, ('method', 'thread'))")
    run(SHOW + marked).assert_outcomes(passed=1)


def test_without_pytest_timeout_there_is_none(run: Run) -> None:
    """Where that plugin is switched off, the run goes on without it."""
    run(SHOW + USES.format(expected="None"), "-p", "no:timeout").assert_outcomes(passed=1)


HANGS = """
import socket

@pytest.mark.timeout(2, method="{method}", func_only=True)
@pytest.mark.smtp_server(tls="none", strict=False)
def test_hangs(smtp_server):
    smtp_server.on("NOOP").silence()
    connection = socket.create_connection(smtp_server.address)
    connection.sendall(b"EHLO hanging.example.com\\r\\nNOOP\\r\\n")
    while connection.recv(1000):
        pass
"""


def test_the_signal_shows_the_transcript_in_the_failure(run: Run) -> None:
    """By pytest-timeout's signal the test fails like any other, its dialogue in the section."""
    result = run(HANGS.format(method="signal"), subprocess=True)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*SMTP transcript*", "C: EHLO hanging.example.com", "C: NOOP", "(cut by the time-out)"]
    )


@pytest.mark.parametrize("capture", ["fd", "no"])
def test_the_thread_shows_the_transcript_before_the_end(run: Run, capture: str) -> None:
    """By its thread the process ends: the dialogue so far is written before."""
    result = run(HANGS.format(method="thread"), f"--capture={capture}", subprocess=True)
    assert result.ret == 1
    result.stderr.fnmatch_lines(
        ["*SMTP transcript*", "C: EHLO hanging.example.com", "C: NOOP", "(cut by the time-out)"]
    )
    assert "Stack of" in result.stdout.str() + result.stderr.str()


def test_the_thread_shows_the_transcript_under_xdist(run: Run) -> None:
    """In a worker, whose words nobody sees, the transcript goes to the controller before the worker ends."""
    result = run(HANGS.format(method="thread"), "-n", "1", subprocess=True)
    transcript = ["*SMTP transcript*", "C: EHLO hanging.example.com", "C: NOOP", "(cut by the time-out)"]
    words = "Timeout (>2.0 s) from pytest-timeout"
    result.stdout.fnmatch_lines([words, *transcript, "FAILED *test_hangs*"])


def test_a_thread_that_does_not_fire_leaves_nothing(run: Run) -> None:
    """The timer is cancelled and joined when the test ends."""
    result = run(
        """
        import threading

        @pytest.mark.timeout(30, method="thread")
        def test_it(smtp_server, transporter):
            assert transporter.send(MAIL)

        def test_no_timer_is_left():
            assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
        """
    )
    result.assert_outcomes(passed=2)


SILENT = """
import smtplib

@pytest.mark.smtp_server(tls="none")
def test_unwinds(smtp_server):
    smtp_server.on("MAIL").silence()
    with smtplib.SMTP(*smtp_server.address) as client:
        client.sendmail("ada@example.com", ["bob@example.org"], "Subject: Hello\\r\\n\\r\\nHi.\\r\\n")

def test_next(smtp_server, transporter):
    assert transporter.send(MAIL)
"""


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_a_client_without_time_out_does_not_hang_while_it_unwinds(
    run: Run, pytester: pytest.Pytester, method: str
) -> None:
    """When time is up every session is cut, so smtplib's QUIT to a silent server ends; no violation follows.

    By the signal the run goes on; by the thread it ends, as pytest-timeout ends it.
    """
    pytester.makeini(f"[pytest]\nsmtp4d_timeout = 2\ntimeout_method = {method}\n")
    result = run(SILENT, subprocess=True)
    shown = result.stdout if method == "signal" else result.stderr
    shown.fnmatch_lines(["*SMTP transcript*", "C: ehlo *", "C: mail *", "(cut by the time-out)"])
    assert "violated" not in result.stdout.str() + result.stderr.str()
    assert result.ret == 1
    if method == "signal":
        result.assert_outcomes(failed=1, passed=1)
        result.stdout.fnmatch_lines(["FAILED *test_unwinds - Failed: Timeout*"])


INTERRUPTED = """
import os
import signal
import smtplib

def press(event):
    os.kill(os.getpid(), signal.SIGINT)
    return True

@pytest.mark.smtp_server(tls="none")
def test_interrupted(smtp_server):
    smtp_server.on("NOOP", press).silence()
    with smtplib.SMTP(*smtp_server.address) as client:
        client.noop()

def test_never_runs():
    assert False
"""


def test_ctrl_c_cuts_every_session_and_shows_the_transcript(run: Run) -> None:
    """The interrupted client's QUIT to a silent server ends at once; the run ends as pytest ends it."""
    result = run(INTERRUPTED, subprocess=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stderr.fnmatch_lines(["*SMTP transcript*", "C: noop", "(cut by an interrupt)"])
    result.stdout.fnmatch_lines(["*KeyboardInterrupt*"])


REPLACED = """
import os
import signal
import smtplib

def press(event):
    os.kill(os.getpid(), signal.SIGINT)
    return True

class Client(smtplib.SMTP):
    def __exit__(self, *error):
        super().__exit__(*error)
        raise RuntimeError("no goodbye")

def wait(server):
    server.on("NOOP", press).silence()
    with Client(*server.address) as client:
        client.noop()
"""


@pytest.mark.parametrize(
    "test",
    [
        "def test_interrupted(smtp_server): wait(smtp_server)",
        """
        import unittest

        class TestCase(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _server(self, smtp_server):
                self.server = smtp_server

            def test_interrupted(self):
                wait(self.server)
        """,
        """
        @pytest.fixture
        def waits(smtp_server):
            wait(smtp_server)

        def test_interrupted(waits): pass
        """,
    ],
)
def test_ctrl_c_ends_the_run_though_an_error_took_its_place(run: Run, test: str) -> None:
    """A client that raises while it is left cannot turn an interrupted run into one more failed test."""
    after = "\n\ndef test_never_runs(): assert False\n"
    result = run(REPLACED + textwrap.dedent(test) + after, subprocess=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        ["*SMTP transcript*", "C: noop", "(cut by an interrupt)", "*KeyboardInterrupt*"]
    )
    assert "test_never_runs" not in result.stdout.str()


def test_an_interrupt_that_a_test_takes_itself_ends_nothing(run: Run) -> None:
    """A test of Ctrl-C passes, and one that fails for another reason is a failure."""
    result = run(
        REPLACED
        + """
def test_taken(smtp_server):
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    assert smtp_server.messages

def test_runs(smtp_server): pass
""",
        subprocess=True,
    )
    result.assert_outcomes(passed=1, failed=1)


def test_a_users_own_fixture_of_our_name_gets_no_time_out(run: Run) -> None:
    """A fixture that bears one of our names and reaches none of ours is the user's; an override is ours."""
    result = run(
        SHOW
        + """
@pytest.fixture(params=["a", "b"])
def transporter(request):
    return object()

def test_own(transporter, request):
    assert seconds(request.node) is None

class TestEachName:
    smtp_server = make_smtp_server = make_transporter = smtp_server_factory = smtp_django = pytest.fixture(
        lambda self: object()
    )

    @pytest.mark.parametrize(
        "name", ["smtp_server", "make_smtp_server", "make_transporter", "smtp_server_factory", "smtp_django"]
    )
    def test_by_request(self, name, request):
        request.getfixturevalue(name)
        assert seconds(request.node) is None

    def test_by_name(self, smtp_server, make_smtp_server, make_transporter, smtp_server_factory, request):
        assert seconds(request.node) is None

class TestOverridden:
    @pytest.fixture
    def smtp_server(self, smtp_server):
        return smtp_server

    def test_still_ours(self, smtp_server, request):
        assert seconds(request.node) == (60.0,)
"""
    )
    result.assert_outcomes(passed=9)


HANGS_IN_A_FIXTURE = """
import smtplib

@pytest.fixture
def client(smtp_server):
    client = smtplib.SMTP(*smtp_server.address)
    yield client
    client.quit()

@pytest.fixture
def greeted(client, smtp_server):
    smtp_server.on("EHLO").silence()
    client.ehlo()

@pytest.mark.timeout(1)
@pytest.mark.smtp_server(tls="none")
def test_set_up(smtp_server, greeted):
    pass

@pytest.mark.timeout(1)
@pytest.mark.smtp_server(tls="none")
def test_teardown(smtp_server, client):
    smtp_server.on("QUIT").silence()

@pytest.mark.timeout(1)
@pytest.mark.smtp_server(tls="none")
def test_connects_again(smtp_server):
    smtp_server.on("NOOP").silence()
    with smtplib.SMTP(*smtp_server.address) as client:
        try:
            client.noop()
        finally:
            smtplib.SMTP(*smtp_server.address).noop()
"""


def test_what_unwinds_may_be_a_fixture_or_a_new_connection(run: Run) -> None:
    """Set-up and teardown are cut as the body is, and who connects once more is cut at once."""
    result = run(HANGS_IN_A_FIXTURE, subprocess=True)
    result.assert_outcomes(failed=1, passed=1, errors=3)
    assert result.stdout.str().count("(cut by the time-out)") >= 4
    assert "violated" not in result.stdout.str()
