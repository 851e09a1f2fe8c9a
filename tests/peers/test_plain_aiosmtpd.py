"""The transporter and a plain aiosmtpd, another implementation in Python: delivery, logins, refusals."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from pytest_smtp4d import TransporterOptions
from pytest_smtp4d.server.certificates import authority
from tests.peers.plain_aiosmtpd import PASSWORD, Keep, plain_aiosmtpd
from tests.peers.sending import Send, both, mail_to, octets_of

ADA, BOB, NOBODY = "ada@example.org", "bob@example.org", "nobody@example.org"
LOGIN: TransporterOptions = {"user": "ada", "password": PASSWORD}

# aiosmtpd warns of itself: of the login data it stores, and of AUTH without TLS.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:aiosmtpd", "ignore::UserWarning:aiosmtpd")


def server_context() -> ssl.SSLContext:
    """Return a context with a certificate of the tests' CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


def options_for(port: int, **more: Any) -> dict[str, Any]:
    """Return a transporter's options; it trusts the tests' CA."""
    return {
        "host": "127.0.0.1",
        "port": port,
        "ssl_context": authority().client_context(),
        "connection_time_out": 10,
        "send_time_out": 20,
        **more,
    }


CLEARTEXT = {"accept_unsecure_connection": True}


@both
@pytest.mark.parametrize("mode", ["none", "starttls", "implicit"])
def test_delivers_in_every_tls_mode(send: Send, mode: str) -> None:
    """What was received is what was sent, from whom and for whom it was sent."""
    handler = Keep()
    mail = mail_to(ADA, bcc=BOB, textBody=".\r\n..\r\n.dot\r\nGrüße\r\n.")
    settings: dict[str, dict[str, Any]] = {
        "none": {},
        "starttls": {"tls_context": server_context(), "require_starttls": True},
        "implicit": {"tls": server_context()},
    }
    change = {"implicit_tls": mode == "implicit", "accept_unsecure_connection": mode == "none"}
    with plain_aiosmtpd(handler, **settings[mode]) as port:
        (status,) = send(mail, **options_for(port, **change))
    assert (status.success, status.status, status.status_text) == (True, 250, "2.0.0 Message taken")
    (envelope,) = handler.envelopes
    assert envelope.content == octets_of(mail)
    assert (envelope.mail_from, envelope.rcpt_tos) == ("ada@example.com", [ADA, BOB])
    assert envelope.mail_options == [f"SIZE={len(octets_of(mail))}"]


@both
@pytest.mark.parametrize(("mode", "mechanism"), [("LOGIN", "LOGIN"), ("PLAIN", "PLAIN"), (None, "PLAIN")])
def test_logs_in(send: Send, mode: str | None, mechanism: str) -> None:
    """Both of its mechanisms log in, its odd prompts for LOGIN included; PLAIN is the one chosen."""
    handler = Keep()
    with plain_aiosmtpd(handler, tls_context=server_context(), auth_required=True) as port:
        (status,) = send(mail_to(ADA), **options_for(port), **LOGIN, authentication_mode=mode)
    assert status.success
    assert handler.logins == [("ada", mechanism)]
    assert handler.envelopes[0].content == octets_of(mail_to(ADA))


@both
@pytest.mark.parametrize("mode", ["LOGIN", "PLAIN"])
def test_a_wrong_password_is_refused(send: Send, mode: str) -> None:
    """Its 535 is the status."""
    handler = Keep()
    with plain_aiosmtpd(handler, tls_context=server_context()) as port:
        login = {"user": "ada", "password": "wrong", "authentication_mode": mode}
        (status,) = send(mail_to(ADA), **options_for(port), **login)
    assert (status.success, status.status, status.enhanced_code, status.command) == (
        False,
        535,
        "5.7.8",
        "AUTH",
    )
    assert handler.envelopes == []


@both
def test_a_login_is_required(send: Send) -> None:
    """Its 530 to MAIL is the status."""
    handler = Keep()
    with plain_aiosmtpd(handler, tls_context=server_context(), auth_required=True) as port:
        (status,) = send(mail_to(ADA), **options_for(port))
    assert (status.success, status.status, status.command) == (False, 530, "MAIL")


@both
@pytest.mark.parametrize(
    ("stage", "reply", "command"),
    [
        ("MAIL", "550 5.7.1 Not from you", "MAIL"),
        ("RCPT", "550 5.1.1 No such user", "RCPT"),
        ("RCPT", "450 4.2.0 Come back later", "RCPT"),
        ("DATA", "554 5.6.0 Not that", "CONTENT"),
    ],
)
def test_a_refusal_is_the_status(send: Send, stage: str, reply: str, command: str) -> None:
    """Code, words and place are the server's; nobody is sent the mail, and the session goes on."""
    handler = Keep({stage: reply})
    with plain_aiosmtpd(handler) as port:
        statuses = send(mail_to(ADA, NOBODY), mail_to(ADA), **options_for(port, **CLEARTEXT))
    status, after = statuses
    assert f"{status.status} {status.status_text}" == reply
    assert (status.success, status.command) == (False, command)
    assert tuple(status.refused) == ((NOBODY,) if stage == "RCPT" else ())
    assert after.success is (stage == "RCPT")
    assert [envelope.rcpt_tos for envelope in handler.envelopes] == ([[ADA]] if stage == "RCPT" else [])


@both
def test_too_large(send: Send) -> None:
    """A mail over the SIZE that it offers is refused before MAIL."""
    handler = Keep()
    with plain_aiosmtpd(handler, data_size_limit=1000) as port:
        large = mail_to(ADA, textBody="x" * 1000)
        status, after = send(large, mail_to(ADA), **options_for(port, **CLEARTEXT))
    assert (status.status, status.command, status.errors[0]["errCode"]) == (0, "MAIL", 1306)
    assert after.success
    assert len(handler.envelopes) == 1


@both
def test_internationalised_mailboxes(send: Send) -> None:
    """With SMTPUTF8 a non-ASCII local part is reached; without, the mail is refused here."""
    handler = Keep()
    mail = mail_to("jürgen@example.org", subject="Grüße")
    with plain_aiosmtpd(handler, enable_SMTPUTF8=True) as port:
        (status,) = send(mail, **options_for(port, **CLEARTEXT))
    assert status.success
    (envelope,) = handler.envelopes
    assert envelope.rcpt_tos == ["jürgen@example.org"]
    assert envelope.smtp_utf8
    assert isinstance(envelope.content, bytes)
    assert "Subject: Grüße\r\n".encode() in envelope.content
    with plain_aiosmtpd(handler) as port:
        (status,) = send(mail, **options_for(port, **CLEARTEXT))
    assert (status.status, status.errors[0]["errCode"]) == (0, 1307)


@both
def test_many_mails_in_one_session(send: Send) -> None:
    """Every one of fifty mails is received once, in order."""
    handler = Keep()
    mails = [mail_to(ADA, subject=f"No. {n}") for n in range(50)]
    with plain_aiosmtpd(handler, tls_context=server_context()) as port:
        statuses = send(*mails, **options_for(port))
    assert all(status.success for status in statuses)
    assert [envelope.content for envelope in handler.envelopes] == [octets_of(mail) for mail in mails]


@both
def test_no_safe_session(send: Send) -> None:
    """Without STARTTLS, and without leave to do without, nothing is sent."""
    handler = Keep()
    with plain_aiosmtpd(handler) as port:
        (status,) = send(mail_to(ADA), **options_for(port))
    assert (status.status, status.command, status.errors[0]["errCode"]) == (0, "STARTTLS", 1301)
