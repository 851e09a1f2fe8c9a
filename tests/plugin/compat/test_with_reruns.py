from __future__ import annotations

import pytest

from tests.plugin.compat.conftest import Together
from tests.report.conftest import Reported, report_of, told


def test_without_a_rerun_nothing_changes(together: Together) -> None:
    """The plugin is there, and no test is run again."""
    pytest.importorskip("pytest_rerunfailures")
    together("--reruns=0", kept=("rerunfailures",))


def test_each_attempt_has_a_server_of_its_own(reported: Reported, pytester: pytest.Pytester) -> None:
    """A test that is run again meets no mail and no fault of its first attempt, and is judged anew."""
    pytest.importorskip("pytest_rerunfailures")
    result = reported(
        """
        TRIES = []

        def test_it(smtp_server, transporter):
            TRIES.append(smtp_server)
            if len(TRIES) == 1:
                smtp_server.on("RCPT").reply(550)
            status = transporter.send({**MAIL, "subject": f"try {len(TRIES)}"})
            assert status, status
            assert smtp_server.messages.one(subject="try 2")
        """,
        "--reruns=1",
        kept=("rerunfailures",),
    )
    assert "1 passed, 1 rerun" in result.stdout.str()
    ((test, outcomes, titles),) = told(report_of(pytester))
    assert (test, outcomes) == ("test_it.py::test_it", ["failed", "passed"])
    assert "try 2" in titles


def test_a_verdict_is_run_again_like_a_failure(reported: Reported, pytester: pytest.Pytester) -> None:
    """What the verdict failed is tried again, and passes where the client behaves the second time."""
    pytest.importorskip("pytest_rerunfailures")
    result = reported(
        """
        import smtplib
        TRIES = []

        @pytest.mark.smtp_server(tls="none")
        def test_it(smtp_server):
            TRIES.append(1)
            with smtplib.SMTP(*smtp_server.address) as client:
                if len(TRIES) == 1:
                    client.docmd("DATA")
                client.noop()
        """,
        "--reruns=1",
        kept=("rerunfailures",),
    )
    assert "1 passed, 1 rerun" in result.stdout.str()
    assert [outcomes for _, outcomes, _ in told(report_of(pytester))] == [["failed", "passed"]]
