from __future__ import annotations

import pytest

from tests.plugin.conftest import Run

APP = """
import smtplib, socket

def send(host="smtp.example.com", port=587):
    smtplib.SMTP(host, port, timeout=5).quit()

def send_and_swallow(host="smtp.example.com", port=587):
    try:
        send(host, port)
    except OSError:
        pass
"""

WORDS = (
    "mail to smtp.example.com:587 is blocked by smtp4d_block, tried at test_it.py:{line}: use the fixture "
    "smtp_server, redirect it with smtp_intercept, or let it through with @pytest.mark.smtp_block(False) "
    "or the ini smtp4d_block_allow"
)
LINE = 8
"""Where `send` connects, in the file that `run` makes."""


@pytest.mark.parametrize("by", ["ini", "option"])
def test_mail_that_leaves_fails_its_test(run: Run, pytester: pytest.Pytester, by: str) -> None:
    """With host, port, the user's line and the ways out; a test that does not send passes."""
    if by == "ini":
        pytester.makeini("[pytest]\nsmtp4d_block = true\n")
    result = run(
        APP + "\ndef test_mail():\n    send()\n\ndef test_none():\n    pass\n",
        *(["--smtp4d-block"] if by == "option" else []),
    )
    result.assert_outcomes(failed=1, passed=1)
    assert (
        f"SMTPBlockedError: [Errno 111] Connection refused: {WORDS.format(line=LINE)}" in result.stdout.str()
    )


def test_a_swallowed_error_fails_its_test_all_the_same(run: Run) -> None:
    """Its call fails, whoever caught the error: also in a fixture, a thread, a task or a TestCase."""
    result = run(
        APP
        + """
import asyncio, threading, unittest

def test_plain():
    send_and_swallow()

@pytest.fixture
def mailing():
    send_and_swallow()

def test_fixture(mailing):
    pass

def test_thread():
    thread = threading.Thread(target=send_and_swallow)
    thread.start()
    thread.join()

def test_task():
    async def main():
        try:
            await asyncio.open_connection("smtp.example.com", 587)
        except OSError:
            pass
    asyncio.run(main())

class TestUnittest(unittest.TestCase):
    def test_it(self):
        send_and_swallow()
""",
        "--smtp4d-block",
    )
    result.assert_outcomes(failed=5)
    # In CI the summary is not cut, and says it all again.
    text = "\n".join(line for line in result.outlines if not line.startswith("FAILED "))
    assert text.count(f"tried at test_it.py:{LINE}: ") == 4
    assert text.count("tried at test_it.py:") == 5, "the task's own line is named too"


def test_what_is_sent_in_teardown_is_an_error_of_the_test(run: Run) -> None:
    """The test has passed by then: its teardown fails."""
    result = run(
        APP
        + """
@pytest.fixture
def mailing():
    yield
    send_and_swallow()

def test_it(mailing):
    pass
""",
        "--smtp4d-block",
    )
    result.assert_outcomes(passed=1, errors=1)


def test_a_failed_test_shows_it_as_a_section(run: Run) -> None:
    """Its own failure stays what it was; where that is the refusal itself nothing is said twice."""
    result = run(
        APP
        + """
def test_own():
    send_and_swallow()
    assert 1 == 2

def test_refusal():
    send()
""",
        "--smtp4d-block",
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["E       assert 1 == 2", "*- SMTP blocked -*"])
    assert WORDS.format(line=LINE) in result.outlines
    assert result.stdout.str().count("SMTP blocked") == 1


def test_the_error_is_what_a_dead_server_causes(run: Run) -> None:
    """A ConnectionRefusedError with its number, so that clients clean up; smtplib leaves no socket."""
    run(
        APP
        + """
import errno, gc
from pytest_smtp4d import SMTP4DError, SMTPBlockedError

@pytest.mark.xfail(strict=True, raises=pytest.fail.Exception)
def test_it():
    for host in ("smtp.example.com", "192.0.2.7"):
        with pytest.raises(ConnectionRefusedError) as caught:
            send(host)
        assert caught.value.errno == errno.ECONNREFUSED
        assert type(caught.value) is SMTPBlockedError
        assert isinstance(caught.value, SMTP4DError)
    gc.collect()
""",
        "--smtp4d-block",
        subprocess=True,
    ).assert_outcomes(xfailed=1)


def test_what_is_none_of_its_business_passes(run: Run) -> None:
    """Loopback, by name and by address, a server of ours, other ports."""
    run(
        APP
        + """
def test_servers(smtp_server, transporter):
    assert transporter.send(MAIL)
    send("localhost", smtp_server.port)

def test_other_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        socket.create_connection(listening.getsockname(), 5).close()
    with pytest.raises(ConnectionRefusedError) as caught:
        socket.create_connection(("127.0.0.1", 1), 5)
    assert type(caught.value) is ConnectionRefusedError
""",
        "--smtp4d-block",
    ).assert_outcomes(passed=2)


def test_the_marker_lifts_it(run: Run) -> None:
    """For one test, a class or a module; the closest says so."""
    run(
        APP
        + """
def test_before():
    send_and_swallow()

class Reached(Exception):
    pass

@pytest.fixture(scope="session", autouse=True)
def nowhere():
    def resolve(*_):
        raise Reached
    real, socket.getaddrinfo = socket.getaddrinfo, resolve
    yield
    socket.getaddrinfo = real

@pytest.mark.smtp_block(False)
class TestLifted:
    def test_it(self):
        with pytest.raises(Reached):
            send()

    @pytest.mark.smtp_block(True)
    def test_again(self):
        send_and_swallow()
""",
        "--smtp4d-block",
        "-p",
        "no:randomly",
    ).assert_outcomes(failed=2, passed=1)


def test_warn_lets_it_through_and_says_so(run: Run, pytester: pytest.Pytester) -> None:
    """The test passes with a warning that names the line; the exit status is 0."""
    pytester.makeini("[pytest]\nsmtp4d_block = warn\n")
    result = run(
        """
        import socket

        def refuse(self, address):
            raise ConnectionRefusedError

        socket.socket.connect = refuse

        def test_it():
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("192.0.2.7", 25), 5)
        """,
        "-W",
        "default",
        subprocess=True,
    )
    result.assert_outcomes(passed=1, warnings=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*mail to 192.0.2.7:25 would be blocked by smtp4d_block, tried at test_it.py:*"]
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_mail_between_tests_fails_the_run(run: Run, workers: int) -> None:
    """At import, and after the last test: the tests pass, the exit status is 1, under xdist too."""
    result = run(
        APP
        + """
send_and_swallow()

def test_it():
    pass

@pytest.mark.smtp_block(False)
def test_lifted():
    pass
""",
        "--smtp4d-block",
        *(["-n", str(workers)] if workers else []),
        subprocess=True,
    )
    result.assert_outcomes(passed=2)
    assert result.ret == 1
    lines = [line for line in result.outlines if line.startswith(WORDS.format(line=LINE))]
    assert "= mail between tests =" in result.stdout.str()
    assert len(lines) == max(workers, 1)


def test_what_comes_when_pytest_ends_is_said_too(run: Run, pytester: pytest.Pytester) -> None:
    """After the summary there is stderr, and the exit status is 1."""
    pytester.makeconftest(
        APP
        + """
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure():
    send_and_swallow()
"""
    )
    result = run("def test_it(): pass", "--smtp4d-block", subprocess=True)
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    assert "mail between tests:\nmail to smtp.example.com:587 is blocked" in result.stderr.str()


def test_interception_wins(run: Run) -> None:
    """A redirected connection is not blocked; one that is not redirected is."""
    run(
        APP
        + """
def test_redirected(smtp_intercept):
    send()

@pytest.mark.smtp_intercept(hosts=["mail.*"])
def test_other_host():
    send_and_swallow()
""",
        "--smtp4d-block",
    ).assert_outcomes(passed=1, failed=1)


def test_pytest_socket_on_top(run: Run) -> None:
    """Both guard the same functions: each refuses what it refuses, and everything is restored."""
    pytest.importorskip("pytest_socket")
    run(
        APP
        + """
import pytest_socket

BEFORE = socket.getaddrinfo

@pytest.mark.allow_hosts(["127.0.0.1"])
def test_theirs(smtp_server, transporter):
    assert transporter.send(MAIL)
    with pytest.raises(pytest_socket.SocketConnectBlockedError):
        socket.create_connection(("192.0.2.7", 80), 5)

def test_ours():
    send_and_swallow()

def test_after():
    assert socket.getaddrinfo is BEFORE
""",
        "--smtp4d-block",
        "-W",
        "ignore::UserWarning",  # pytest-socket says what it refuses in this way, too
        subprocess=True,
    ).assert_outcomes(passed=2, failed=1)


def test_nothing_is_imported_where_none_is_used(run: Run) -> None:
    """A run with servers, and without interception or block, knows nothing of this room."""
    run(
        """
        import socket, ssl, sys
        def test_it(smtp_server, transporter):
            assert transporter.send(MAIL)
            assert not [name for name in sys.modules if name.startswith("pytest_smtp4d.intercept")]
            assert "connect" not in vars(socket.socket)
            assert socket.getaddrinfo.__module__ == "socket"
            assert ssl.SSLContext.wrap_bio.__module__ == "ssl"
        """,
        subprocess=True,
    ).assert_outcomes(passed=1)
