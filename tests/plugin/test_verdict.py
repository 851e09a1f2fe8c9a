"""Where the strict verdict falls: on the test itself where it is certain, in teardown where it is not."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tests.plugin.conftest import Run, section

CONVERSE = """
import socket
import unittest

def violate(server):
    with socket.create_connection(server.address, timeout=5) as connection:
        stream = connection.makefile("rwb")
        stream.readline()
        stream.write(b"RCPT TO:<bob@example.org>\\r\\n")
        stream.flush()
        stream.readline()
"""

VIOLATES = (
    CONVERSE
    + """
@pytest.mark.smtp_server(tls="none")
def test_violates(smtp_server):
    violate(smtp_server)
"""
)


def test_a_certain_violation_fails_the_test_itself(run: Run) -> None:
    """One failure at the test's own line, without a hidden traceback, with the transcript."""
    result = run(VIOLATES)
    result.assert_outcomes(failed=1)
    output = result.stdout.str()
    assert "hidden" not in output
    assert "ERROR at teardown" not in output
    result.stdout.fnmatch_lines(
        [
            "client violated SMTP: out-of-order*",
            "*SMTP transcript*",
            "C: RCPT TO:<bob@example.org>",
            "FAILED test_it.py::test_violates - *client violated SMTP: out-of-order*",
        ]
    )


def test_xfail_sees_it(run: Run) -> None:
    """It is an AssertionError of the call: `xfail(raises=AssertionError, strict=True)` holds."""
    result = run(
        CONVERSE
        + """
@pytest.mark.xfail(raises=AssertionError, strict=True)
@pytest.mark.smtp_server(tls="none")
def test_expected(smtp_server):
    violate(smtp_server)

@pytest.mark.xfail(raises=KeyError, strict=True)
@pytest.mark.smtp_server(tls="none")
def test_another(smtp_server):
    violate(smtp_server)
"""
    )
    result.assert_outcomes(xfailed=1, failed=1)


def test_an_unhit_fault_is_an_error_of_the_teardown(run: Run) -> None:
    """It could have been hit by a fixture's end; one that is, is none."""
    result = run(
        """
        @pytest.fixture
        def sends_late(smtp_server, make_transporter):
            yield
            make_transporter().send(MAIL)

        def test_hit_in_teardown(smtp_server, sends_late):
            smtp_server.on("RCPT").reply(550, "5.1.1 No")

        def test_never_hit(smtp_server):
            smtp_server.on("RCPT").reply(550, "5.1.1 No")
        """
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["ERROR test_it.py::test_never_hit - *fault never hit: on('RCPT')*"])
    assert "hidden" not in result.stdout.str()


def test_what_check_raised_is_not_raised_again(run: Run) -> None:
    """A test that looks at the verdict itself passes; what comes after it is judged."""
    result = run(
        CONVERSE
        + """
@pytest.mark.smtp_server(tls="none")
def test_checked(smtp_server):
    violate(smtp_server)
    smtp_server.on("MAIL").reply(550, "5.7.1 No")
    with pytest.raises(AssertionError, match="(?s)fault never hit.*client violated SMTP: out-of-order"):
        smtp_server.check()
    smtp_server.check()

@pytest.mark.smtp_server(tls="none")
def test_again(smtp_server):
    violate(smtp_server)
    with pytest.raises(AssertionError):
        smtp_server.check()
    violate(smtp_server)

@pytest.mark.smtp_server(tls="none")
def test_unguarded(smtp_server):
    violate(smtp_server)
    smtp_server.check()
"""
    )
    result.assert_outcomes(passed=1, failed=2)
    assert result.stdout.str().count("smtp_server.check()\n") >= 1
    assert "hidden" not in result.stdout.str()


def test_a_test_case_of_unittest_that_failed_itself(run: Run) -> None:
    """Its own failure, skip or expected failure stays; the verdict is a section of a failure at most."""
    result = run(
        CONVERSE
        + """
@pytest.mark.smtp_server(tls="none")
class TestMail(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _server(self, smtp_server):
        self.server = smtp_server

    def test_fails(self):
        violate(self.server)
        self.fail("its own")

    def test_skips(self):
        violate(self.server)
        self.skipTest("its own")

    @unittest.expectedFailure
    def test_expected(self):
        violate(self.server)
        self.fail("its own")

    def test_violates(self):
        violate(self.server)
"""
    )
    result.assert_outcomes(failed=2, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(
        [
            "FAILED test_it.py::TestMail::test_fails - AssertionError: its own",
            "FAILED test_it.py::TestMail::test_violates - client violated SMTP*",
        ]
    )
    assert "client violated SMTP: out-of-order" in "\n".join(section(result, "SMTP verdict"))


def test_a_subtest_that_failed(run: Run) -> None:
    """With pytest 9's subtests the failure is the subtest's, and the verdict a section."""
    pytest.importorskip("_pytest.subtests")
    result = run(
        CONVERSE
        + """
@pytest.mark.smtp_server(tls="none")
def test_it(smtp_server, subtests):
    with subtests.test("first"):
        violate(smtp_server)
        assert False, "its own"
"""
    )
    output = result.stdout.str()
    assert "its own" in output
    assert output.count("FAILED test_it.py::test_it - ") + output.count("SUBFAILED") >= 1
    assert "ERROR at teardown" not in output
    assert "SMTP verdict" in output


def test_a_subtest_that_was_skipped_hides_nothing(run: Run) -> None:
    """The test itself passed, so it is judged."""
    pytest.importorskip("_pytest.subtests")
    result = run(
        CONVERSE
        + """
@pytest.mark.smtp_server(tls="none")
def test_it(smtp_server, subtests):
    with subtests.test("first"):
        pytest.skip("its own")
    violate(smtp_server)
"""
    )
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_it - client violated SMTP*"])


def test_junit_carries_cause_and_transcript(run: Run, pytester: pytest.Pytester) -> None:
    """The failure's message is the cause; its text holds the transcript."""
    run(VIOLATES, "--junitxml=report.xml").assert_outcomes(failed=1)
    tree = ET.parse(pytester.path / "report.xml")
    (case,) = tree.iter("testcase")
    (failure,) = case.iter("failure")
    assert "client violated SMTP: out-of-order" in failure.attrib["message"]
    text = "".join(case.itertext())
    assert "SMTP transcript" in text
    assert "C: RCPT TO:<bob@example.org>" in text


@pytest.mark.parametrize("method", ["one", "await_one"])
def test_a_failures_first_line_is_its_cause(run: Run, method: str) -> None:
    """The short summary, and so annotations made of it, say what went wrong."""
    call = (
        "asyncio.run(smtp_server.messages.await_one())"
        if method == "await_one"
        else ("smtp_server.messages.one()")
    )
    result = run(f"import asyncio\n\ndef test_it(smtp_server):\n    {call}\n")
    result.stdout.fnmatch_lines(
        ["FAILED test_it.py::test_it - AssertionError: nobody connected: no message*"]
    )


@pytest.mark.parametrize(
    "mark", ['smtp_fault("RCPT", reply=(550, "5.1.1 No"))', "smtp_server(recipient_limit=1)"]
)
def test_a_mark_that_acted_on_no_server(run: Run, mark: str) -> None:
    """On the test itself it fails the test; on a class it does where none of its tests has a server."""
    result = run(
        f"""
@pytest.mark.{mark}
def test_alone():
    pass

@pytest.mark.{mark}
class TestNone:
    def test_it(self): pass

@pytest.mark.{mark}
class TestSome:
    def test_without(self): pass
    def test_with(self, smtp_server, transporter):
        transporter.send(MAIL)

@pytest.mark.{mark}
def test_late(request):
    request.getfixturevalue("transporter").send(MAIL)
"""
    )
    result.assert_outcomes(failed=1, errors=1, passed=3)
    result.stdout.fnmatch_lines(["*acted on no server: the test did not use the fixture smtp_server*"])


KEPT = """
import smtplib

@pytest.fixture(scope="session")
def app_smtp(smtp_server_factory):
    return smtp_server_factory(tls="none")

@pytest.fixture
def smtp_server(app_smtp):
    app_smtp.reset()
    return app_smtp

@pytest.fixture(scope="session")
def app(app_smtp):
    client = smtplib.SMTP(*app_smtp.address)
    client.ehlo()
    yield client
    client.close()

@pytest.mark.smtp_server(recipient_limit=1)
def test_limit(smtp_server, app):
    app.sendmail("a@example.com", ["a@example.org", "b@example.org"], "Subject: x\\r\\n\\r\\nb\\r\\n")

@pytest.mark.smtp_server(recipient_limit=1)
def test_anew(smtp_server, app):
    smtp_server.drop_connections()
    with smtplib.SMTP(*smtp_server.address) as client:
        client.sendmail("a@example.com", ["a@example.org"], "Subject: x\\r\\n\\r\\nb\\r\\n")
"""


def test_a_setting_that_acted_on_no_session(run: Run) -> None:
    """A connection that was kept from before has the old settings: the verdict says so, and what to do."""
    result = run(KEPT)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "smtp_server(recipient_limit=1) acted on no session: the client kept a connection from an "
            "earlier test; let it connect anew, or say drop_connections() first"
        ]
    )


def test_messages_of_an_earlier_test_on_a_shared_server(run: Run) -> None:
    """One too many that came in another test is said to be from there."""
    result = run(
        """
        @pytest.fixture(scope="session")
        def smtp_server(smtp_server_factory):
            return smtp_server_factory()

        def test_a(smtp_server, make_transporter):
            assert make_transporter(smtp_server).send(MAIL)

        def test_b(smtp_server, make_transporter):
            assert make_transporter(smtp_server).send(MAIL)
            smtp_server.messages.one()
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: 2 messages arrived, one was expected",
            "E*1 of them came in test_a",
            "E*the server is shared: let its fixture say reset() or clear() first",
        ]
    )


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (
            "client.starttls(context=ssl.create_default_context())",
            "the client does not trust the certificate",
        ),
        ('client.login("ada", "secret")', "the client left after EHLO: if it wanted AUTH*under TLS only*"),
    ],
)
def test_a_hint_ends_the_section_of_a_clients_own_exception(run: Run, body: str, hint: str) -> None:
    """The transcript is followed by what to do about it."""
    result = run(
        f"""
        import smtplib, ssl

        @pytest.mark.smtp_server(users={{"ada": "secret"}})
        def test_it(smtp_server):
            with smtplib.SMTP("localhost", smtp_server.port, timeout=5) as client:
                {body}
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*SMTP transcript*", f"*{hint}*"])


def test_a_setting_that_cannot_be_shows_no_transcript(run: Run) -> None:
    """What is wrong stands in the test: a criterion that could never match, an unknown stage."""
    result = run(
        """
        def test_criterion(smtp_server):
            assert smtp_server.messages.none(to=3)

        def test_stage(smtp_server):
            smtp_server.on("RCTP").reply(550)
        """
    )
    result.assert_outcomes(failed=2)
    result.stdout.no_fnmatch_line("*SMTP transcript*")
    result.stdout.fnmatch_lines(["*SettingsError: to could never match 3 (int): *"])


def test_mail_that_comes_later_does_not_contradict_the_words(run: Run) -> None:
    """A look that came too early says that it looked once; the transcript may know more by then."""
    result = run(
        """
        def test_it(smtp_server, transporter):
            try:
                smtp_server.messages.one()
            finally:
                transporter.send(MAIL)
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*nobody connected: no message arrived (looked once, did not wait: see `timeout`)",
            "E*no client connected by then: give yours*",
            "*SMTP transcript*",
            "C: Subject: Hello",
        ]
    )
