from __future__ import annotations

import os
import smtplib
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_smtp4d import SMTPServer
from tests.plugin.conftest import Run

CHILD = """
import smtplib, ssl, sys
client = smtplib.SMTP(sys.argv[1], int(sys.argv[2]))
client.starttls(context=ssl.create_default_context())
print(client.noop()[0])
client.quit()
"""


def test_default_contexts_trust_the_server(smtp_server: SMTPServer, smtp_trust: Path) -> None:
    """Code that takes no CA, and makes its own default context, reaches the server over TLS."""
    assert smtp_trust.is_file()
    with smtplib.SMTP(*smtp_server.address) as client:
        client.starttls(context=ssl.create_default_context())
        assert client.noop()[0] == 250


@pytest.mark.usefixtures("smtp_trust")
def test_child_processes_trust_it_too(smtp_server: SMTPServer) -> None:
    """A process that the test starts inherits the trust."""
    host, port = smtp_server.address
    command = [sys.executable, "-c", CHILD, host, str(port)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (result.stdout, result.stderr) == ("250\n", "")


def test_without_it_they_do_not(smtp_server: SMTPServer) -> None:
    """The trust is for tests that ask for it."""
    with smtplib.SMTP(*smtp_server.address) as client, pytest.raises(ssl.SSLCertVerificationError):
        client.starttls(context=ssl.create_default_context())


def test_the_transporters_own_context_follows(run: Run) -> None:
    """The context that a transporter makes when none is given trusts with the fixture, and only with it."""
    result = run(
        """
        from pytest_smtp4d import SMTPTransporter

        def is_trusted(server):
            with SMTPTransporter(host="localhost", port=server.port) as transporter:
                return transporter.check_connection().success

        def test_before(smtp_server):
            assert not is_trusted(smtp_server)

        def test_with(smtp_server, smtp_trust):
            assert is_trusted(smtp_server)

        def test_after(smtp_server):
            assert not is_trusted(smtp_server)
        """
    )
    result.assert_outcomes(passed=3)


def test_the_systems_roots_stay_trusted(smtp_trust: Path) -> None:
    """The bundle has every certificate that a default context had before, and one more."""
    with_it = ssl.create_default_context().cert_store_stats()["x509_ca"]
    bundle = os.environ.pop("SSL_CERT_FILE")
    try:
        without = ssl.create_default_context().cert_store_stats()["x509_ca"]
    finally:
        os.environ["SSL_CERT_FILE"] = bundle
    assert bundle == str(smtp_trust)
    assert with_it == without + 1


def test_the_environment_is_restored(run: Run) -> None:
    """Both variables are as before when the test ends."""
    result = run(
        """
        import os
        NAMES = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
        BEFORE = {name: os.environ.get(name) for name in NAMES}

        def test_with(smtp_trust, smtp_ca):
            assert all(os.environ[name] != BEFORE[name] for name in NAMES)
            assert os.environ["NODE_EXTRA_CA_CERTS"] == smtp_ca.ca_file

        def test_without():
            assert {name: os.environ.get(name) for name in NAMES} == BEFORE
        """
    )
    result.assert_outcomes(passed=2)
