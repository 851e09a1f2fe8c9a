"""A program in a process of its own, and a server for a container."""

from __future__ import annotations

import os
import smtplib
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_smtp4d import MakeSMTPServer, SMTPServer

PROGRAM = Path(__file__).with_name("send_report.py")


def run_report(server: SMTPServer, recipient: str) -> subprocess.CompletedProcess[str]:
    """Run the program, and let its TLS trust the server: SSL_CERT_FILE is what OpenSSL reads."""
    where = {"SMTP_HOST": server.host, "SMTP_PORT": str(server.port), "SSL_CERT_FILE": server.ca_file}
    return subprocess.run(
        [sys.executable, str(PROGRAM), recipient],
        env={**os.environ, **where},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_program_sends(smtp_server: SMTPServer) -> None:
    """It ended, so its mail is here."""
    result = run_report(smtp_server, "ada@example.org")
    assert result.returncode == 0, result.stderr
    assert smtp_server.messages.one(subject="Report").session.tls is not None


def test_a_program_is_refused(smtp_server: SMTPServer) -> None:
    """Exit status and standard error are what an operator sees."""
    smtp_server.on("RCPT").reply(452, "4.2.2 Mailbox full")
    result = run_report(smtp_server, "ada@example.org")
    assert result.returncode == 75
    assert "Mailbox full" in result.stderr


@pytest.fixture
def server_for_containers(make_smtp_server: MakeSMTPServer) -> SMTPServer:
    """A server that containers reach, with a certificate for the name by which they know this host."""
    return make_smtp_server(host="0.0.0.0", allow_remote=True, names=["host.docker.internal"])


def test_a_certificate_for_the_name(server_for_containers: SMTPServer) -> None:
    """A client that asks for host.docker.internal verifies it."""
    client = smtplib.SMTP("127.0.0.1", server_for_containers.port, timeout=5)
    client._host = "host.docker.internal"  # type: ignore[attr-defined] # noqa: SLF001 - as if it had asked for it
    with client:
        client.starttls(context=ssl.create_default_context(cafile=server_for_containers.ca_file))
        client.sendmail("app@example.com", ["ada@example.org"], "Subject: Hi\r\n\r\nHi.\r\n")
    session = server_for_containers.messages.one().session
    assert session.tls is not None
    assert session.tls.server_name == "host.docker.internal"
