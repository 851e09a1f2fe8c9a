"""TLS: every certificate that a client must refuse, and clients that show one themselves."""

from __future__ import annotations

import smtplib
import ssl

import pytest

from pytest_smtp4d import CertificateName, SMTPServer


def send_safely(host: str, port: int, trust: ssl.SSLContext) -> None:
    """Send a mail, over verified TLS or not at all: the code under test."""
    with smtplib.SMTP(host, port, timeout=5) as client:
        client.starttls(context=trust)
        client.sendmail("app@example.com", ["ada@example.org"], "Subject: Hi\r\n\r\nHi.\r\n")


def test_a_good_certificate(smtp_server: SMTPServer) -> None:
    """A context that trusts the fixture's authority is at hand."""
    send_safely(*smtp_server.address, smtp_server.client_context())
    assert smtp_server.messages.one().session.tls is not None


@pytest.mark.parametrize(
    "certificate",
    ["expired", "not_yet_valid", "wrong_host", "self_signed", "unknown_ca", "no_san", "incomplete_chain"],
)
def test_a_bad_certificate(smtp_server: SMTPServer, certificate: CertificateName) -> None:
    """Each is refused, and the session says why it ended."""
    smtp_server.configure(certificate=certificate)
    with pytest.raises(ssl.SSLCertVerificationError):
        send_safely(*smtp_server.address, smtp_server.client_context())
    assert smtp_server.messages.none()


@pytest.mark.smtp_server(client_certificate="required")
def test_a_client_certificate(smtp_server: SMTPServer) -> None:
    """A server may want to see one; the context shows it if asked."""
    send_safely(*smtp_server.address, smtp_server.client_context(identity=True))
    assert smtp_server.messages.one().session.tls is not None


@pytest.mark.smtp_server(tls="none")
def test_starttls_stripped(smtp_server: SMTPServer) -> None:
    """An attacker who takes STARTTLS out of the offer must get nothing."""
    with pytest.raises(smtplib.SMTPNotSupportedError):
        send_safely(*smtp_server.address, smtp_server.client_context())
    assert smtp_server.transactions == ()


@pytest.mark.usefixtures("smtp_trust")
def test_code_that_takes_no_ca(smtp_server: SMTPServer) -> None:
    """With smtp_trust, default contexts made during the test trust the server."""
    send_safely(*smtp_server.address, ssl.create_default_context())
    assert len(smtp_server.messages) == 1
