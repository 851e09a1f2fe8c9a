"""Logging in: every mode, the choice among them, and what goes wrong (I2, S9, S10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_smtp4d import Email, Mechanism, SMTPTransporter, TLSMode

if TYPE_CHECKING:
    from pytest_smtp4d import MakeSMTPServer, MakeTransporter, SMTPServer

MAIL: Email = {"from": "a@example.com", "to": "b@example.org", "subject": "x", "textBody": "x"}
PASSWORD: dict[str, Any] = {"user": "me", "password": "pässword", "access_token_oauth2": None}
TOKEN: dict[str, Any] = {"user": "me", "access_token_oauth2": "t" * 3000, "password": None}


@pytest.fixture(scope="session")
def smtp_server_settings() -> dict[str, Any]:
    """Let one user in, by password or by token."""
    return {"users": {"me": "pässword"}, "tokens": {"me": "t" * 3000}}


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize(
    ("offered", "options", "mechanism"),
    [
        (("PLAIN",), {**PASSWORD, "authentication_mode": "PLAIN"}, "PLAIN"),
        (("LOGIN",), {**PASSWORD, "authentication_mode": "LOGIN"}, "LOGIN"),
        (("CRAM-MD5",), {**PASSWORD, "authentication_mode": "CRAM-MD5"}, "CRAM-MD5"),
        (("XOAUTH2", "OAUTHBEARER"), {**TOKEN, "authentication_mode": "OAUTH2"}, "XOAUTH2"),
        (("OAUTHBEARER",), {**TOKEN, "authentication_mode": "OAUTH2"}, "OAUTHBEARER"),
        (("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "CRAM-MD5"), PASSWORD, "SCRAM-SHA-256"),
        (("PLAIN", "SCRAM-SHA-1", "CRAM-MD5"), PASSWORD, "SCRAM-SHA-1"),
        (("LOGIN", "PLAIN", "CRAM-MD5"), PASSWORD, "CRAM-MD5"),
        (("LOGIN", "PLAIN"), PASSWORD, "PLAIN"),
        (("LOGIN",), PASSWORD, "LOGIN"),
        (("PLAIN", "XOAUTH2"), TOKEN, "XOAUTH2"),
    ],
)
def test_every_mode_and_the_strongest_by_default(
    make_smtp_server: MakeSMTPServer,
    make_transporter: MakeTransporter,
    tls: TLSMode,
    offered: tuple[Mechanism, ...],
    options: dict[str, Any],
    mechanism: str,
) -> None:
    """The session is the user's, by the mechanism that the rank or the mode says."""
    server = make_smtp_server(tls=tls, auth=offered)
    status = make_transporter(server, **options).check_connection()
    assert (status.success, status.status, status.command) == (True, 235, "AUTH")
    assert make_transporter(server, **options).send(MAIL).success
    session = server.messages.one().session
    assert (session.user, session.mechanism) == ("me", mechanism)


@pytest.mark.parametrize(
    "mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER"]
)
def test_a_wrong_secret_is_the_servers_no(
    make_smtp_server: MakeSMTPServer, make_transporter: MakeTransporter, mechanism: Mechanism
) -> None:
    """535 5.7.8, at AUTH, by one try of one mechanism."""
    server = make_smtp_server(auth=(mechanism,))
    is_token = "OAUTH" in mechanism
    token, password = ("wrong", None) if is_token else (None, "wrong")
    status = make_transporter(server, user="me", password=password, access_token_oauth2=token).send(MAIL)
    assert (status.status, status.command, status.enhanced_code) == (535, "AUTH", "5.7.8")
    assert status.errors == ()
    assert [command.verb for command in server.sessions[0].commands].count("AUTH") == 1
    assert server.sessions[0].commands[-1].verb == "QUIT"


def test_a_mode_that_is_not_offered_sends_nothing(
    make_smtp_server: MakeSMTPServer, make_transporter: MakeTransporter
) -> None:
    """The way out is named; no other mechanism is tried."""
    server = make_smtp_server(auth=("LOGIN", "CRAM-MD5"))
    status = make_transporter(server, **PASSWORD, authentication_mode="PLAIN").send(MAIL)
    assert (status.status, status.command, [error["errCode"] for error in status.errors]) == (
        0,
        "AUTH",
        [1303],
    )
    assert "not PLAIN" in status.errors[0]["message"]
    assert not any(command.verb == "AUTH" for command in server.sessions[0].commands)


def test_a_login_that_the_server_knows_nothing_of(
    make_smtp_server: MakeSMTPServer, make_transporter: MakeTransporter
) -> None:
    """No AUTH on offer at all."""
    server = make_smtp_server(users={}, tokens={})
    status = make_transporter(server, user="me", password="x").send(MAIL)
    assert [error["errCode"] for error in status.errors] == [1302]


def test_a_login_that_is_required_and_not_given(
    smtp_server: SMTPServer, make_transporter: MakeTransporter
) -> None:
    """The server's 530 is reported where it came."""
    status = make_transporter(user=None, password=None, access_token_oauth2=None).send(MAIL)
    assert (status.status, status.command, status.enhanced_code) == (530, "MAIL", "5.7.0")
    assert not smtp_server.messages


def test_a_user_without_a_secret(make_transporter: MakeTransporter) -> None:
    """Told before anything is sent, with what is missing."""
    status = make_transporter(user="me", password=None, access_token_oauth2=None).check_connection()
    assert [error["errCode"] for error in status.errors] == [1304]
    assert "password" in status.status_text


@pytest.mark.parametrize("secret", ["password", "accessTokenOAuth2"])
def test_a_secret_without_a_user(smtp_server: SMTPServer, secret: str) -> None:
    """Told when it is first needed, with what is missing, and without a connection."""
    options: Any = {"host": smtp_server.host, "port": smtp_server.port, secret: "x"}
    status = SMTPTransporter(options).send(MAIL)
    assert [error["errCode"] for error in status.errors] == [1304]
    assert status.errors[0]["message"].startswith(f"{secret} is given without user")
    assert (status.command, smtp_server.sessions) == ("AUTH", ())


@pytest.mark.smtp_server(tokens={"me": "t0k3n"})
def test_oauth2_without_a_token(make_transporter: MakeTransporter) -> None:
    """The mode alone makes a transporter; without a token its login is refused here, and nothing is sent."""
    status = make_transporter(
        authentication_mode="OAUTH2", user="me", password="x", access_token_oauth2=None
    ).check_connection()
    assert [error["errCode"] for error in status.errors] == [1304]
    assert (status.command, "access token" in status.status_text) == ("AUTH", True)


@pytest.mark.parametrize(
    ("reply", "transient"), [((454, "4.7.0 Later"), True), ((534, "5.7.9 Too weak"), False)]
)
def test_other_outcomes(
    smtp_server: SMTPServer, make_transporter: MakeTransporter, reply: tuple[int, str], transient: bool
) -> None:
    """What the server says is what the status says."""
    smtp_server.on("AUTH", times=1).reply(*reply)
    transporter = make_transporter(**PASSWORD)
    status = transporter.send(MAIL)
    assert (status.status, status.status_text, status.is_transient) == (*reply, transient)
    assert transporter.send(MAIL).success


@pytest.mark.smtp_server(auth=("PLAIN",))
def test_a_drop_after_the_credentials(smtp_server: SMTPServer, make_transporter: MakeTransporter) -> None:
    """Lost at AUTH."""
    smtp_server.on("AUTH").disconnect()
    status = make_transporter(**PASSWORD).send(MAIL)
    assert (status.status, status.command, [error["errCode"] for error in status.errors]) == (
        0,
        "AUTH",
        [1106],
    )


def test_no_secret_is_anywhere(smtp_server: SMTPServer, make_transporter: MakeTransporter) -> None:
    """Neither in what the server recorded nor in what the client says."""
    transporter = make_transporter(user="me", password="hunter2")
    status = transporter.send(MAIL)
    seen = "".join(
        (
            str(smtp_server.sessions[0].transcript),
            repr(smtp_server.sessions[0].commands),
            repr(status),
            repr(transporter),
        )
    )
    assert "hunter2" not in seen
    assert status.status == 535
