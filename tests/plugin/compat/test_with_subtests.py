from __future__ import annotations

import pytest

from tests.report.conftest import Reported, report_of, told


@pytest.fixture(autouse=True)
def _has_subtests() -> None:
    if pytest.version_tuple < (9,):
        pytest.importorskip("pytest_subtests", reason="subtests are of pytest 9, or of pytest-subtests")


def test_subtests_share_the_server_of_their_test(reported: Reported, pytester: pytest.Pytester) -> None:
    """Their mail is that of the test; one that fails is a failure of the test, with its transcript."""
    result = reported(
        """
        def test_it(smtp_server, transporter, subtests):
            for subject in ("first", "second", "third"):
                with subtests.test(subject):
                    assert transporter.send({**MAIL, "subject": subject})
                    assert smtp_server.messages.one(subject=subject).subject != "second"
        """
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "- SMTP transcript -" in result.stdout.str()
    ((test, (outcome,), titles),) = told(report_of(pytester))
    assert (test, outcome) == ("test_it.py::test_it", "failed")
    assert titles == ["first", "second", "third"]


def test_the_verdict_is_the_tests(reported: Reported, pytester: pytest.Pytester) -> None:
    """What the client did in a subtest that passed fails the test around it."""
    result = reported(
        """
        import smtplib

        @pytest.mark.smtp_server(tls="none")
        def test_it(smtp_server, subtests):
            with subtests.test("violates"), smtplib.SMTP(*smtp_server.address) as client:
                client.docmd("DATA")
        """
    )
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_it - client violated SMTP: out-of-order*"])
