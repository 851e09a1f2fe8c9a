"""A login over a real connection; every step of every mechanism is tested without one, in `dialogue/`."""

from __future__ import annotations

import smtplib

import pytest

from pytest_smtp4d import Mechanism, TLSMode
from pytest_smtp4d.server.server import SMTPServer


@pytest.mark.parametrize("tls", ["none", "implicit"])
@pytest.mark.parametrize("name", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_a_stranger_logs_in(smtp_server: SMTPServer, name: Mechanism, tls: TLSMode) -> None:
    """smtplib, by each mechanism that it has, in clear text and over implicit TLS."""
    smtp_server.configure(tls=tls, users={"ada": "password"}, auth=[name])
    host, port = smtp_server.address
    if tls == "none":
        client = smtplib.SMTP(host, port, timeout=5)
    else:
        client = smtplib.SMTP_SSL("localhost", port, timeout=5, context=smtp_server.client_context())
    with client:
        assert client.login("ada", "password")[0] == 235
    session = smtp_server.sessions[-1]
    assert (session.user, session.mechanism) == ("ada", name)
