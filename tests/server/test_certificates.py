"""The certificate matrix, met by clients that verify."""

from __future__ import annotations

import os
import smtplib
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from pytest_smtp4d import CertificateName, TLSMode
from pytest_smtp4d.server.certificates import CertificateAuthority, authority
from pytest_smtp4d.server.keywords import TLSVersion, Willingness
from pytest_smtp4d.server.settings import CERTIFICATES, ServerSettings

if TYPE_CHECKING:
    from pytest_smtp4d.server.server import SMTPServer
    from tests.server.conftest import RawClient

pytestmark = pytest.mark.smtp_server(strict=False)

# What OpenSSL says of each, and the alert by which it tells the server.
VERDICTS = {
    "trusted": None,
    "expired": ("certificate has expired", "certificate expired"),
    "not_yet_valid": ("certificate is not yet valid", "bad certificate"),
    "wrong_host": (
        "certificate is not valid for 'localhost'|Hostname mismatch",
        "bad certificate|handshake failure",
    ),
    "self_signed": ("self.signed certificate", "unknown ca"),
    "unknown_ca": ("unable to get local issuer certificate", "unknown ca"),
    "no_san": (
        "certificate is not valid for 'localhost'|Hostname mismatch",
        "bad certificate|handshake failure",
    ),
    "incomplete_chain": ("unable to get local issuer certificate", "unknown ca"),
}


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("kind", CERTIFICATES)
def test_a_certificate(smtp_server: SMTPServer, kind: CertificateName, tls: TLSMode) -> None:
    """A client that verifies takes the trusted one and refuses each other for its own reason."""
    smtp_server.configure(certificate=kind, tls=tls)

    def connect() -> None:
        if tls == "implicit":
            smtplib.SMTP_SSL(
                "localhost", smtp_server.port, timeout=5, context=smtp_server.client_context()
            ).quit()
        else:
            with smtplib.SMTP("localhost", smtp_server.port, timeout=5) as client:
                client.starttls(context=smtp_server.client_context())

    verdict = VERDICTS[kind]
    if verdict is None:
        connect()
        smtp_server.check()
        assert smtp_server.sessions[0].ended == "QUIT"
        return
    with pytest.raises(ssl.SSLCertVerificationError, match=verdict[0]):
        connect()
    smtp_server.check()
    ended = smtp_server.sessions[0].ended
    assert ended is not None
    assert ended.removeprefix("TLS alert: ") in verdict[1].split("|")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_the_trusted_certificate_names_loopback(
    smtp_server: SMTPServer, client: RawClient, host: str
) -> None:
    """By name and by address."""
    client.open()
    client.ask("STARTTLS")
    client.start_tls(server_hostname=host)
    assert client.code("NOOP") == 250


@pytest.mark.parametrize("version", [3, 2])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_client_certificates(smtp_server: SMTPServer, tls: TLSMode, version: int) -> None:
    """Required: ours is taken, none and a stranger's are refused; optional: none is taken, too."""

    def connect(context: ssl.SSLContext) -> bool:
        context.maximum_version = ssl.TLSVersion.TLSv1_3 if version == 3 else ssl.TLSVersion.TLSv1_2
        try:
            if tls == "implicit":
                with smtplib.SMTP_SSL("localhost", smtp_server.port, timeout=5, context=context) as client:
                    return client.noop()[0] == 250
            with smtplib.SMTP("localhost", smtp_server.port, timeout=5) as client:
                client.starttls(context=context)
                return client.noop()[0] == 250
        except (ssl.SSLError, smtplib.SMTPServerDisconnected, ConnectionError):
            return False

    stranger = smtp_server.client_context()
    trustme.CA().issue_cert("eve@example.net").configure_cert(stranger)
    expectations: dict[Willingness, tuple[bool, ...]] = {
        "required": (True, False, False),
        "optional": (True, True, False),
    }
    for setting, expected in expectations.items():
        smtp_server.configure(tls=tls, client_certificate=setting)
        contexts = (smtp_server.client_context(identity=True), smtp_server.client_context(), stranger)
        assert tuple(connect(context) for context in contexts) == expected


def test_a_missing_client_certificate_is_the_reason(smtp_server: SMTPServer) -> None:
    """Why the session ended can be read."""
    smtp_server.configure(tls="implicit", client_certificate="required")
    context = smtp_server.client_context()
    with pytest.raises((ssl.SSLError, OSError, smtplib.SMTPException)):
        smtplib.SMTP_SSL("localhost", smtp_server.port, timeout=5, context=context)
    smtp_server.check()
    assert smtp_server.sessions[0].ended == "TLS: peer did not return a certificate"


def test_client_options_bring_a_certificate(smtp_server: SMTPServer) -> None:
    """Where the server asks for one, `client_options()` has one."""
    smtp_server.configure(tls="implicit", client_certificate="required")
    options = smtp_server.client_options()
    with smtplib.SMTP_SSL("localhost", options["port"], timeout=5, context=options["ssl_context"]) as client:
        assert client.noop()[0] == 250


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_tls_versions(smtp_server: SMTPServer, client: RawClient, version: TLSVersion) -> None:
    """Only those; what was agreed on is recorded, with the name that the client asked for."""
    smtp_server.configure(tls="implicit", tls_versions=(version,))
    with smtplib.SMTP_SSL(
        "localhost", smtp_server.port, timeout=5, context=smtp_server.client_context()
    ) as client_of_it:
        client_of_it.noop()
    tls = smtp_server.sessions[-1].tls
    assert tls is not None
    assert (tls.version, tls.server_name) == (version, "localhost")
    assert tls.cipher.startswith("TLS_" if version == "TLSv1.3" else "ECDHE-")


def test_old_versions_are_refused_by_modern_clients(smtp_server: SMTPServer) -> None:
    """A server of 2005; a client of today goes away."""
    smtp_server.configure(tls="implicit", tls_versions=("TLSv1", "TLSv1.1"))
    with pytest.raises(ssl.SSLError):
        smtplib.SMTP_SSL("localhost", smtp_server.port, timeout=5, context=smtp_server.client_context())
    smtp_server.check()
    assert (smtp_server.sessions[0].ended or "").startswith("TLS")


def test_no_tls_context_before_a_client_asks(smtp_server: SMTPServer, client: RawClient) -> None:
    """A server whose clients speak no TLS makes no certificate; servers with the same settings share one."""
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "import smtplib, sys\n"
            "from pytest_smtp4d.server.server import SMTPServer\n"
            "with SMTPServer() as server:\n"
            "    smtplib.SMTP(*server.address).quit()\n"
            "print('trustme' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.stdout == "False\n"
    settings = ServerSettings()
    assert authority().server_context(settings) is authority().server_context(
        ServerSettings(users={"a": "b"})
    )


def test_the_authority_is_a_trustme_ca() -> None:
    """It can issue what else a test needs, and configure foreign objects."""
    assert isinstance(authority(), trustme.CA)
    assert authority() is authority()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority().configure_trust(context)
    assert len(context.get_ca_certs()) == 1


def test_client_contexts_trust_this_authority_alone() -> None:
    """Not the system's; each call returns a new one; it verifies, by the SAN only."""
    context = authority().client_context()
    assert len(context.get_ca_certs()) == 1
    assert context.check_hostname
    assert not context.hostname_checks_common_name
    assert context is not authority().client_context()


def test_the_ca_file_lives_as_long_as_the_authority() -> None:
    """An absolute path of a PEM, removed in the end."""
    ca = CertificateAuthority()
    path = Path(ca.ca_file)
    assert path.is_absolute()
    assert ca.ca_file == str(path)
    assert path.read_bytes() == ca.pem == ca.cert_pem.bytes()
    del ca
    import gc

    gc.collect()
    assert not path.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_leaves_its_parents_ca_file() -> None:
    """The file is removed by who made it."""
    script = """
import os, warnings
from pathlib import Path
from pytest_smtp4d.server.certificates import authority
path = Path(authority().ca_file)
child = os.fork()
if child:
    os.waitpid(child, 0)
    print(path.exists())
    print(path)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    exists, path = run.stdout.split()
    assert exists == "True"
    assert not Path(path).exists()
