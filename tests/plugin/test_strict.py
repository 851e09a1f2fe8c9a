from __future__ import annotations

import pytest

from tests.plugin.conftest import Run, section

RAW = """
import socket

def converse(server, *lines):
    with socket.create_connection(server.address, timeout=5) as connection:
        stream = connection.makefile("rb")
        stream.readline()
        for line in lines:
            connection.sendall(line)
            while stream.readline()[3:4] == b"-":
                pass
"""

VIOLATES = """
def test_it(smtp_server):
    converse(smtp_server, b"EHLO me\\r\\n", b"RCPT TO:<bob@example.org>\\r\\n", b"QUIT\\r\\n")
"""


def test_a_fault_never_hit_fails_the_test_in_teardown(run: Run) -> None:
    """The test passed, so the verdict is an error of its teardown; it names the fault and its line."""
    result = run(
        """
        def test_it(smtp_server, transporter):
            smtp_server.on("RCPT", "nobody@*").reply(550, "5.1.1 No such user")
            assert transporter.send(MAIL)
        """
    )
    result.assert_outcomes(passed=1, errors=1)
    assert "ERROR at teardown of test_it" in result.stdout.str()
    result.stdout.fnmatch_lines(
        ["fault never hit: on('RCPT', 'nobody@[*]').reply(550, '5.1.1 No such user') at test_it.py:6"]
    )


def test_optional_relaxes(run: Run) -> None:
    """A fault that may or may not be hit says so."""
    result = run(
        """
        def test_it(smtp_server, transporter):
            smtp_server.on("RCPT", "nobody@*").reply(550, "5.1.1 No such user").optional()
            assert transporter.send(MAIL)
        """
    )
    result.assert_outcomes(passed=1)


def test_a_fatal_violation_fails_the_test(run: Run) -> None:
    """The verdict names the violation, the line and the RFC; the transcript is shown."""
    result = run(RAW + VIOLATES)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["client violated SMTP: out-of-order*RFC 5321*", "*SMTP transcript*"])


@pytest.mark.parametrize("settings", ["strict=False", "ignore_violations=('out-of-order',)"])
def test_a_marker_relaxes(run: Run, settings: str) -> None:
    """Strictness, or one violation, is switched off for a test."""
    run(RAW + f"@pytest.mark.smtp_server({settings})" + VIOLATES).assert_outcomes(passed=1)


def test_the_ini_relaxes_the_whole_suite_and_a_marker_tightens_it(
    run: Run, pytester: pytest.Pytester
) -> None:
    """smtp4d_strict is the default of all servers; a setting that is given wins."""
    pytester.makeini("[pytest]\nsmtp4d_strict = false\n")
    relaxed = run(RAW + VIOLATES)
    relaxed.assert_outcomes(passed=1)
    tightened = run(RAW + "@pytest.mark.smtp_server(strict=True)" + VIOLATES)
    tightened.assert_outcomes(failed=1)


def test_a_failed_test_gets_a_section_instead(run: Run) -> None:
    """One failure is enough: the verdict stands beside it."""
    result = run(
        """
        def test_it(smtp_server):
            smtp_server.on("MAIL").reply(550, "5.7.1 No")
            assert False, "the test's own failure"
        """
    )
    result.assert_outcomes(failed=1)
    assert section(result, "SMTP verdict") == [
        "fault never hit: on('MAIL').reply(550, '5.7.1 No') at test_it.py:6"
    ]


def test_a_skipped_or_expected_failure_is_not_failed(run: Run) -> None:
    """What a test could not reach, because it was skipped on its way, is no error."""
    result = run(
        """
        def test_skips(smtp_server):
            smtp_server.on("MAIL").reply(550, "5.7.1 No")
            pytest.skip("not here")

        @pytest.mark.xfail
        def test_expected(smtp_server):
            smtp_server.on("MAIL").reply(550, "5.7.1 No")
            assert False
        """
    )
    result.assert_outcomes(skipped=1, xfailed=1)


def test_a_callback_that_raises_fails_the_test(run: Run) -> None:
    """A predicate's exception is not swallowed: it is in the verdict, with its words."""
    result = run(
        """
        def test_it(smtp_server, transporter):
            def match(event):
                raise RuntimeError("a slip in the test")
            smtp_server.on("RCPT", match).reply(550, "5.1.1 No").optional()
            transporter.send(MAIL)
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["callback raised: *RuntimeError*a slip in the test*"])


def test_check_gives_the_verdict_at_once(run: Run) -> None:
    """check() raises the same words in the middle of a test."""
    result = run(
        """
        def test_it(smtp_server, transporter):
            fault = smtp_server.on("MAIL", times=1).reply(550, "5.7.1 No")
            with pytest.raises(AssertionError, match=r"^fault never hit: on\\('MAIL', times=1\\)"):
                smtp_server.check()
            transporter.send(MAIL)
            smtp_server.check()
        """
    )
    result.assert_outcomes(passed=1)


def test_servers_of_the_tests_own_making_are_judged_too(run: Run) -> None:
    """A test's verdict covers what every server of the process did during it, whoever started it."""
    result = run(
        RAW
        + """
from pytest_smtp4d import SMTPServer

def test_it():
    with SMTPServer(tls="none") as server:
        converse(server, b"EHLO me\\r\\n", b"RCPT TO:<bob@example.org>\\r\\n", b"QUIT\\r\\n")
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["client violated SMTP: out-of-order*"])


def test_under_xdist(run: Run) -> None:
    """The verdict reaches the controller whole."""
    result = run(RAW + VIOLATES, "-n", "1")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["client violated SMTP: out-of-order*"])
