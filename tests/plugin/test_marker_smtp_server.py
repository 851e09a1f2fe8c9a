from __future__ import annotations

import textwrap

import pytest

from pytest_smtp4d import SMTPServer
from tests.plugin.conftest import Run


@pytest.mark.smtp_server(tls="none", recipient_limit=2)
def test_it_sets_this_tests_server(smtp_server: SMTPServer) -> None:
    """Settings of the marker are the server's."""
    assert (smtp_server.settings.tls, smtp_server.settings.recipient_limit) == ("none", 2)


WRONG = """
@pytest.mark.{marker}
def test_marked(smtp_server):
    pass

def test_other():
    pass
"""


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("smtp_server(tsl='none')", "there is no setting 'tsl' (did you mean 'tls'?)"),
        ("smtp_server(tls='start')", "tls cannot be 'start' (did you mean 'starttls'?)"),
        ("smtp_server('none')", "smtp_server: settings are given by name, not 'none'"),
        ("smtp_server(host='192.0.2.1')", "host '192.0.2.1' can be reached from other machines*"),
        ("smtp_fault('RCTP', reply=550)", "unknown stage 'RCTP' (did you mean 'RCPT'?)"),
        ("smtp_sweep(stages=['RCTP'])", "unknown stage 'RCTP' of a sweep (did you mean 'RCPT'?)"),
    ],
)
def test_a_wrong_marker_is_a_collection_error(run: Run, marker: str, words: str) -> None:
    """It names the test, the value and the way out, before anything runs."""
    result = run(WRONG.format(marker=marker))
    result.assert_outcomes(errors=1)
    pattern = words.replace("[", "[[]").replace("?", "[?]")
    result.stdout.fnmatch_lines([f"*test_it.py::test_marked: {pattern}"])
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (
            """
            @pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.smtp_server(tsl="none"))])
            def test_marked(smtp_server, n):
                pass
            """,
            "test_marked[[]2]: there is no setting 'tsl' (did you mean 'tls'[?])",
        ),
        (
            """
            class TestCase(unittest.TestCase):
                @pytest.mark.smtp_fault("RCTP", reply=550)
                def test_marked(self):
                    pass
            """,
            "TestCase::test_marked: unknown stage 'RCTP' (did you mean 'RCPT'[?])",
        ),
        (
            """
            class TestCase(unittest.TestCase):
                @pytest.fixture(autouse=True)
                def _server(self, smtp_server):
                    pass

                @pytest.mark.smtp_sweep
                def test_marked(self):
                    pass
            """,
            "TestCase::test_marked: smtp_sweep: it stands on a function, a class or a module, *",
        ),
        (
            """
            @pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.smtp_sweep)])
            def test_marked(smtp_server, n):
                pass
            """,
            "test_marked[[]1]: smtp_sweep: it stands on a function, a class or a module, *",
        ),
    ],
)
def test_a_wrong_marker_is_a_collection_error_wherever_it_stands(run: Run, test: str, words: str) -> None:
    """On a parameter and in a TestCase too; a sweep that could not be laid out is not passed over."""
    result = run("import unittest\n" + textwrap.dedent(test))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*test_it.py::{words}"])
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.smtp_server(tls="none", recipient_limit=2)
@pytest.mark.parametrize(
    "tls", ["none", pytest.param("implicit", marks=pytest.mark.smtp_server(tls="implicit"))]
)
def test_a_parameters_marker_is_closer_than_its_functions(smtp_server: SMTPServer, tls: str) -> None:
    """What is said for one case wins over what is said for all."""
    assert (smtp_server.settings.tls, smtp_server.settings.recipient_limit) == (tls, 2)


def test_a_wrong_marker_is_a_collection_error_under_xdist(run: Run) -> None:
    """The same words, and no INTERNALERROR, where workers collect."""
    result = run(WRONG.format(marker="smtp_server(tsl='none')"), "-n", "2")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*test_it.py::test_marked: there is no setting 'tsl' (did you mean 'tls'[?])"]
    )
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


def test_on_a_module_it_does_not_disturb_tests_that_send_nothing(run: Run) -> None:
    """A marker on a module acts on the tests that use a server."""
    result = run(
        """
        pytestmark = [pytest.mark.smtp_server(tls="none"), pytest.mark.smtp_fault("MAIL", reply=550)]

        def test_no_mail():
            import sys

        def test_mail(smtp_server, transporter):
            assert transporter.send(MAIL).status == 550
        """
    )
    result.assert_outcomes(passed=2)


def test_it_acts_on_a_method_of_unittest_style_classes(run: Run) -> None:
    """In a TestCase, where pytest collects without parametrisation, the marker still sets the server."""
    result = run(
        """
        import unittest

        class TestMail(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def take(self, smtp_server):
                self.server = smtp_server

            @pytest.mark.smtp_server(tls="none")
            def test_marked(self):
                assert self.server.settings.tls == "none"
        """
    )
    result.assert_outcomes(passed=1)


def test_the_markers_are_registered(run: Run) -> None:
    """`pytest --markers` explains them, and --strict-markers knows them."""
    result = run("def test_it(): pass", "--markers")
    result.stdout.fnmatch_lines(
        [
            "@pytest.mark.smtp_server(?*settings): settings of this test's smtp_server; *",
            "@pytest.mark.smtp_fault(stage, match=None, ?*actions): a fault on smtp_server, *",
            "@pytest.mark.smtp_sweep(stages=None, kinds=None, occurrence=1): run *",
        ]
    )
