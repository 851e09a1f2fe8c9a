from __future__ import annotations

import re

import pytest

from tests.plugin.conftest import Run, section

PASSES_AND_FAILS = """
def test_passes(smtp_server, transporter):
    assert transporter.send({**MAIL, "subject": "in the test that passes"})

def test_fails(smtp_server, transporter):
    assert transporter.send({**MAIL, "subject": "in the test that fails"})
    assert False
"""


def test_a_failing_test_shows_the_dialogue(run: Run) -> None:
    """The section holds the whole dialogue: both directions, content after its header left out."""
    result = run(
        """
        @pytest.mark.smtp_server(tls="none", extensions=(), users={"ada": "secret"}, auth=("PLAIN",))
        def test_it(smtp_server, transporter):
            smtp_server.on("RCPT", "nobody@*").reply(550, "5.1.1 No such user")
            assert transporter.send({**MAIL, "to": "nobody@example.org"})
        """
    )
    result.assert_outcomes(failed=1)
    lines = section(result, "SMTP transcript")
    assert re.fullmatch(r"smtp://127\.0\.0\.1:\d+ with 127\.0\.0\.1:\d+", lines[0])
    assert lines[1:] == [
        "S: 220 localhost ESMTP pytest-smtp4d",
        "C: EHLO [127.0.0.1]",
        "S: 250 localhost | AUTH PLAIN",
        "C: AUTH PLAIN ********",
        "S: 235 Authentication successful",
        "C: MAIL FROM:<ada@example.com>",
        "S: 250 OK",
        "C: RCPT TO:<nobody@example.org>",
        "S: 550 5.1.1 No such user",
        "C: RSET",
        "S: 250 OK",
        "(still open)",
    ]
    assert "secret" not in "\n".join(lines)


def test_passing_tests_show_none_by_default(run: Run) -> None:
    """The default is `failed`."""
    output = run(PASSES_AND_FAILS).stdout.str()
    assert "in the test that fails" in output
    assert "C: Subject: in the test that passes" not in output


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_all_shows_those_of_passing_tests_too(run: Run, workers: tuple[str, ...]) -> None:
    """With `all` a section at the end shows each test's dialogue under the test's name, to its QUIT."""
    result = run(PASSES_AND_FAILS, "--smtp4d-transcript=all", *workers)
    result.assert_outcomes(passed=1, failed=1)
    _, _, summary = result.stdout.str().partition("= SMTP transcripts =")
    assert "_ test_passes _" in summary
    assert "C: Subject: in the test that passes" in summary
    assert "C: QUIT" in summary


def test_off_shows_none(run: Run) -> None:
    """With `off` a failing test shows its traceback alone."""
    result = run(PASSES_AND_FAILS, "--smtp4d-transcript=off")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*SMTP transcript*")


def test_a_wrong_value_is_a_usage_error(run: Run) -> None:
    """The choices are named."""
    result = run("", "--smtp4d-transcript=some")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--smtp4d-transcript: invalid choice: 'some' (choose from *failed*full*all*off*"]
    )


def test_a_server_that_nobody_spoke_to_is_named(run: Run) -> None:
    """A failing test whose client never came says so: that is often the reason."""
    result = run("def test_it(smtp_server):\n    smtp_server.messages.one()")
    result.assert_outcomes(failed=1)
    (line,) = section(result, "SMTP transcript")
    assert re.fullmatch(r"smtp://127\.0\.0\.1:\d+: no client connected", line)


def test_a_server_that_was_never_started_is_named(run: Run) -> None:
    """A failing test that declared a fault on it fails as any other, and its section says what was wrong."""
    result = run(
        """
        from pytest_smtp4d import SMTPServer

        def test_it():
            SMTPServer().on("RCPT").reply(550)
            assert False
        """
    )
    result.assert_outcomes(failed=1)
    assert section(result, "SMTP transcript") == ["a server that was never started: no client connected"]


def test_a_test_without_a_server_has_no_section(run: Run) -> None:
    """Other tests' failures look as ever, even after a test that used a server."""
    result = run(
        """
        def test_first(smtp_server, transporter):
            assert transporter.send(MAIL)

        def test_second():
            assert False
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*SMTP transcript*")


def test_a_failing_setup_shows_it_too(run: Run) -> None:
    """A fixture that sends and fails is explained by the dialogue."""
    result = run(
        """
        @pytest.fixture
        def sent(smtp_server, transporter):
            smtp_server.on("MAIL").reply(550, "5.7.1 Not you")
            transporter.send(MAIL).raise_for_status()

        def test_it(sent):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    assert "S: 550 5.7.1 Not you" in section(result, "SMTP transcript")


def test_many_sessions_are_cut_to_the_last(run: Run) -> None:
    """After a thousand sessions the section is still readable."""
    result = run(
        """
        import smtplib

        def test_it(smtp_server):
            for _ in range(25):
                smtplib.SMTP(*smtp_server.address).quit()
            assert False
        """
    )
    lines = section(result, "SMTP transcript")
    assert lines[0].endswith(": 2 earlier sessions left out")
    assert sum(line.endswith(": QUIT; no command") for line in lines) == 20
    assert lines.count("C: quit") == 3


def test_servers_without_pytests_fixtures_show_theirs(run: Run) -> None:
    """A server that the test made itself is in the section as well."""
    result = run(
        """
        import smtplib
        from pytest_smtp4d import SMTPServer

        def test_it():
            with SMTPServer(tls="none") as server:
                smtplib.SMTP(*server.address).quit()
            assert False
        """
    )
    result.assert_outcomes(failed=1)
    assert "C: quit" in section(result, "SMTP transcript")
