"""S12: the second example of 4D's documentation of SMTPTransporter: it checks what a user typed in."""

from __future__ import annotations

import ssl

import pytest

from pytest_smtp4d import ServerObject, SMTPServer, Status, smtp_new_transporter

pytestmark = pytest.mark.smtp_server(users={"myName@example.com": "mypassword"})


def check(host: str, port: int, user: str, password: str, trust: ssl.SSLContext) -> Status:
    """Connect, upgrade to TLS and log in; send nothing."""
    server: ServerObject = {
        "host": host,
        "port": port,
        "user": user,
        "password": password,
        "sslContext": trust,
    }
    with smtp_new_transporter(server) as transporter:
        return transporter.check_connection()


def test_check_connection(smtp_server: SMTPServer) -> None:
    """The right user and password pass; the server's reply is in the status."""
    status = check(*smtp_server.address, "myName@example.com", "mypassword", smtp_server.client_context())

    assert status.success
    assert (status.status, status.as_object()["statusText"]) == (235, status.status_text)
    assert smtp_server.sessions[0].user == "myName@example.com"
    assert smtp_server.transactions == ()


def test_check_connection_with_a_wrong_password(smtp_server: SMTPServer) -> None:
    """The wrong password is told from a server that cannot be reached."""
    status = check(*smtp_server.address, "myName@example.com", "typo", smtp_server.client_context())
    assert (status.success, status.status) == (False, 535)

    with smtp_server.down():
        status = check(*smtp_server.address, "myName@example.com", "typo", smtp_server.client_context())
    assert (status.success, status.status) == (False, 0)
    assert status.errors
