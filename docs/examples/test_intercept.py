"""An application that hard-codes its mail servers, tested without an edit; and mail that must not leave."""

from __future__ import annotations

import smtplib
import ssl

import pytest

from pytest_smtp4d import MakeSMTPServer, SMTPServer


def send_report(region: str, text: str) -> None:
    """Send a report through the mail server of a region: the code under test."""
    with smtplib.SMTP(f"smtp.{region}.example.com", 587, timeout=5) as client:
        client.starttls(context=ssl.create_default_context())
        client.login("reports", "secret")
        client.sendmail("reports@example.com", ["ada@example.org"], f"Subject: Report\r\n\r\n{text}\r\n")


def test_a_hard_coded_server(smtp_intercept: SMTPServer) -> None:
    """All mail goes to smtp_server, with a certificate for the very name that was asked for."""
    send_report("us", "All is well.")
    report = smtp_intercept.messages.one(subject="Report")
    assert report.session.target == ("smtp.us.example.com", 587)
    assert report.session.user == "reports"


@pytest.mark.smtp_intercept(hosts=["smtp.*"], ports=(587,))
@pytest.mark.smtp_fault("AUTH", reply=(535, "5.7.8 Bad credentials"))
def test_a_refused_login(smtp_server: SMTPServer) -> None:
    """The marker does the same, and says what is redirected; other markers act on the server as ever."""
    with pytest.raises(smtplib.SMTPAuthenticationError):
        send_report("us", "All is well.")
    assert smtp_server.messages.none()


@pytest.mark.smtp_server(certificate="wrong_host")
def test_an_impostor(smtp_intercept: SMTPServer) -> None:
    """A certificate for another host must be refused, whatever host was asked for."""
    with pytest.raises(ssl.SSLCertVerificationError):
        send_report("us", "All is well.")
    assert smtp_intercept.messages.none()


def test_two_regions(smtp_intercept: SMTPServer, make_smtp_server: MakeSMTPServer) -> None:
    """Another server takes the hosts that it is given."""
    europe = make_smtp_server()
    europe.intercept("smtp.eu.*")
    send_report("us", "Hello.")
    send_report("eu", "Good day.")
    assert smtp_intercept.messages.one().text_body == "Hello."
    assert europe.messages.one().text_body == "Good day."
