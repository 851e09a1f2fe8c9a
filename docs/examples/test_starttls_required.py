"""STARTTLS: required by the server, stripped by an attacker, or shown with a bad certificate."""

from __future__ import annotations

import pytest

from pytest_smtp4d import CertificateName, Email, SMTPServer, SMTPTransporter

MAIL: Email = {"from": "ada@example.com", "to": "bob@example.org", "subject": "Secret", "textBody": "Psst."}


@pytest.mark.smtp_server(require_tls=True)
def test_starttls_is_used(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """A server that insists on TLS gets it, before anything else is said."""
    assert transporter.send(MAIL).success

    session = smtp_server.messages.one().session
    assert session.tls is not None
    assert session.tls.version in ("TLSv1.2", "TLSv1.3")
    assert [command.verb for command in session.commands][:3] == ["EHLO", "STARTTLS", "EHLO"]


@pytest.mark.smtp_server(tls="none")
def test_no_mail_without_tls(smtp_server: SMTPServer) -> None:
    """Where STARTTLS is not on offer, nothing is sent in the clear."""
    with SMTPTransporter(host=smtp_server.host, port=smtp_server.port) as transporter:
        status = transporter.send(MAIL)

    assert (status.success, status.status, status.command) == (False, 0, "STARTTLS")
    assert smtp_server.messages.none()
    assert "MAIL" not in [command.verb for command in smtp_server.sessions[0].commands]


@pytest.mark.parametrize("certificate", ["expired", "wrong_host", "self_signed", "unknown_ca"])
def test_no_mail_to_a_server_that_cannot_prove_itself(
    smtp_server: SMTPServer, transporter: SMTPTransporter, certificate: CertificateName
) -> None:
    """A bad certificate ends the dialogue, whatever is wrong with it."""
    smtp_server.configure(certificate=certificate)

    status = transporter.send(MAIL)
    assert (status.success, status.status, status.command) == (False, 0, "TLS")
    assert smtp_server.messages.none()
