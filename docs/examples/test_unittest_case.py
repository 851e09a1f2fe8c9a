"""unittest: a TestCase that takes the fixture, and one that needs no pytest at all."""
# ruff: noqa: PT009, PT027 - the assertions are those of unittest

from __future__ import annotations

import smtplib
import unittest

import pytest

from pytest_smtp4d import SMTPServer


def send_invoice(host: str, port: int) -> None:
    """Send an invoice: the code under test."""
    with smtplib.SMTP(host, port, timeout=5) as client:
        client.sendmail("shop@example.com", ["bob@example.org"], "Subject: Invoice\r\n\r\n42 EUR\r\n")


class WithTheFixture(unittest.TestCase):
    """Run by pytest: the fixture comes in by an autouse fixture of the class."""

    smtp_server: SMTPServer

    @pytest.fixture(autouse=True)
    def take_server(self, smtp_server: SMTPServer) -> None:
        """Keep the test's server."""
        self.smtp_server = smtp_server

    def test_an_invoice(self) -> None:
        """The test has a server of its own."""
        send_invoice(*self.smtp_server.address)
        self.assertEqual(self.smtp_server.messages.one().subject, "Invoice")

    @pytest.mark.smtp_server(recipient_limit=0)
    def test_a_setting(self) -> None:
        """Markers act as on a function."""
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            send_invoice(*self.smtp_server.address)


class WithoutPytest(unittest.TestCase):
    """Run by `python -m unittest` as well: the server is started and judged by hand."""

    def setUp(self) -> None:
        """Start a server; when the test ends, judge the client, and stop."""
        self.server = SMTPServer()
        self.server.start()
        self.addCleanup(self.server.stop)
        self.addCleanup(self.server.check)

    def test_an_invoice(self) -> None:
        """What was received is here, and failures are AssertionErrors."""
        send_invoice(*self.server.address)
        self.assertEqual(self.server.messages.one(subject="Invoice").rcpt_to, ("bob@example.org",))

    def test_a_refusal(self) -> None:
        """Faults are declared as everywhere."""
        self.server.on("RCPT").reply(550, "5.1.1 No such user")
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            send_invoice(*self.server.address)
