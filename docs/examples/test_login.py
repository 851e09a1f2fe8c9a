"""A login: the right password, the wrong one, and none."""

from __future__ import annotations

import pytest

from pytest_smtp4d import AuthenticationMode, Email, MakeTransporter, SMTPServer, SMTPTransporter

pytestmark = pytest.mark.smtp_server(users={"ada@example.com": "correct horse"})

MAIL: Email = {"from": "ada@example.com", "to": "bob@example.org", "subject": "Hi", "textBody": "It is me."}


def test_login(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """The transporter logs in as the server's first user, and the server knows who sent."""
    assert transporter.send(MAIL).success
    assert smtp_server.messages.one().session.user == "ada@example.com"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_login_by_a_mechanism(
    smtp_server: SMTPServer, make_transporter: MakeTransporter, mechanism: AuthenticationMode
) -> None:
    """Each mechanism can be asked for; without, the strongest on offer is used."""
    assert make_transporter(authentication_mode=mechanism).send(MAIL).success
    assert smtp_server.messages.one().session.mechanism == mechanism


def test_wrong_password(smtp_server: SMTPServer, make_transporter: MakeTransporter) -> None:
    """The refusal is the server's, and the password is in no transcript."""
    status = make_transporter(password="battery staple").send(MAIL)

    assert (status.success, status.status, status.enhanced_code) == (False, 535, "5.7.8")
    assert status.command == "AUTH"
    assert smtp_server.messages.none()
    assert "battery staple" not in str(smtp_server.sessions[0].transcript)


def test_no_login(smtp_server: SMTPServer, make_transporter: MakeTransporter) -> None:
    """Who does not log in cannot send."""
    status = make_transporter(user=None, password=None).send(MAIL)
    assert (status.success, status.status, status.command) == (False, 530, "MAIL")
