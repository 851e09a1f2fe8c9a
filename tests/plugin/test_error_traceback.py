from __future__ import annotations

from tests.plugin.conftest import Run

SUITE = """
import pytest
from pytest_smtp4d import *

SECRET = "-".join(["hun", "ter", "2"])  # not in the source as one word, as if it came from the environment

def test_options():
    SMTPTransporter(host="h", user="u", password=SECRET, hots="x")

def test_password_with_a_line_end():
    smtp_new_transporter({"host": "h", "user": "u", "password": SECRET + "\\n"})

def test_make_transporter(make_transporter):
    make_transporter(user="u", password=SECRET, port="x")

def test_settings(make_smtp_server):
    make_smtp_server(users={"u": SECRET}, tsl="none")

def test_configure(smtp_server):
    smtp_server.configure(tokens={"u": SECRET}, tls="x")

@pytest.fixture
def app(smtp_server_factory):
    return smtp_server_factory(users={"u": SECRET}, tsl="none")

def test_fixture(app):
    pass
"""


def test_an_error_of_ours_is_shown_at_the_users_line(run: Run) -> None:
    """No frame of ours is shown, and so no argument of it, which may hold a secret."""
    result = run(SUITE)
    result.assert_outcomes(failed=5, errors=1)
    result.stdout.no_fnmatch_line("*hun-ter-2*")
    result.stdout.no_re_match_line(r".*pytest_smtp4d[/\\].*\.py:\d+")
    result.stdout.fnmatch_lines(
        [
            '>       SMTPTransporter(host="h", user="u", password=SECRET, hots="x")',
            "E       pytest_smtp4d.errors.TransporterOptionError: there is no server option 'hots' *",
        ]
    )


def test_the_whole_traceback_is_there_when_asked_for(run: Run) -> None:
    """`--full-trace` shows every frame, ours too."""
    result = run("def test_it(smtp_server): smtp_server.on('RCTP').reply(550)", "--full-trace")
    result.stdout.re_match_lines([r".*pytest_smtp4d[/\\]faults[/\\]fault\.py:\d+.*"])


def test_an_error_of_the_tests_own_keeps_its_traceback(run: Run) -> None:
    """What a test raises is shown as ever."""
    result = run(
        """
        from pytest_smtp4d import MailError

        def deeper():
            raise MailError("mine")

        def test_it(smtp_server):
            deeper()
        """
    )
    result.stdout.fnmatch_lines(["*deeper()*", '>       raise MailError("mine")'])
