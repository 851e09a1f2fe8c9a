from __future__ import annotations

import pytest

from tests.report.conftest import Reported, report_of, told

CASE = """
import smtplib
import unittest

class TestMail(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _server(self, smtp_server, transporter):
        self.server, self.transporter = smtp_server, transporter

    def send(self, subject):
        return self.transporter.send({**MAIL, "subject": subject})

    def test_arrives(self):
        self.assertTrue(self.send("Arrives"))
        self.server.messages.one(subject="Arrives")

    def test_fails(self):
        self.send("Fails")
        self.fail("on purpose")

    @pytest.mark.smtp_server(tls="none")
    def test_violates(self):
        with smtplib.SMTP(*self.server.address) as client:
            client.docmd("DATA")

    def test_never_hits(self):
        self.server.on("VRFY").reply(250)
        self.send("Never hits")

    def test_in_parts(self):
        for name in ("first", "second"):
            with self.subTest(name):
                self.assertTrue(self.send(name))
        self.server.messages.wait_for(2)
"""


def test_a_test_case_has_fixtures_verdict_transcript_and_report(
    reported: Reported, pytester: pytest.Pytester
) -> None:
    """Through an autouse fixture, as pytest gives a TestCase fixtures."""
    result = reported(CASE)
    result.assert_outcomes(passed=3, failed=2, errors=1)
    output = result.stdout.str()
    assert "client violated SMTP: out-of-order" in output
    assert "fault never hit: on('VRFY')" in output
    assert output.count("- SMTP transcript -") == 3
    mails = {
        test.rpartition("::")[2]: (outcomes, titles) for test, outcomes, titles in told(report_of(pytester))
    }
    assert mails["test_arrives"] == (["passed"], ["Arrives"])
    assert mails["test_fails"] == (["failed"], ["Fails"])
    assert mails["test_never_hits"] == (["error"], ["Never hits"])
    assert mails["test_in_parts"] == (["passed"], ["first", "second"])
