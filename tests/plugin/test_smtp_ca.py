from __future__ import annotations

import smtplib
import ssl
from pathlib import Path

import trustme

from pytest_smtp4d import MakeSMTPServer, SMTPServer
from pytest_smtp4d.server.certificates import CertificateAuthority


def test_it_is_the_trustme_authority_of_the_servers(
    smtp_ca: CertificateAuthority, smtp_server: SMTPServer, make_smtp_server: MakeSMTPServer
) -> None:
    """A context that trusts it alone accepts every server of the session."""
    assert isinstance(smtp_ca, trustme.CA)
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cadata=smtp_ca.cert_pem.bytes().decode())
    with smtplib.SMTP(*smtp_server.address) as client:
        client.starttls(context=context)
    with smtplib.SMTP_SSL(*make_smtp_server(tls="implicit").address, context=context) as secure:
        assert secure.noop()[0] == 250


def test_ca_file_is_it(smtp_ca: CertificateAuthority, smtp_server: SMTPServer) -> None:
    """The server's ca_file, for clients of other languages, holds it."""
    assert Path(smtp_server.ca_file).is_absolute()
    assert Path(smtp_server.ca_file).read_bytes() == smtp_ca.cert_pem.bytes()


def test_it_issues_certificates_of_ones_own(smtp_ca: CertificateAuthority) -> None:
    """It is a whole trustme.CA: it can sign what a test needs."""
    leaf = smtp_ca.issue_cert("mail.example.com")
    assert leaf.cert_chain_pems[0].bytes().startswith(b"-----BEGIN CERTIFICATE-----")
