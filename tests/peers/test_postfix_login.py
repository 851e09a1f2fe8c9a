"""The transporter's logins at Postfix, by Dovecot: every mechanism, the choice among them, and refusals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.peers.dovecot import access_token
from tests.peers.postfix import DOMAIN, PASSWORD, Postfix
from tests.peers.sending import Send, both, mail_to, octets_of

ADA = f"ada@{DOMAIN}"

BY_PASSWORD = {
    "only_plain": "PLAIN",
    "only_login": "LOGIN",
    "only_cram_md5": "CRAM-MD5",
    "only_scram_sha_1": "SCRAM-SHA-1",
    "only_scram_sha_256": "SCRAM-SHA-256",
}
BY_TOKEN = {"only_oauthbearer": "OAUTHBEARER", "only_xoauth2": "XOAUTH2"}


def by_password(password: str = PASSWORD, user: str = "ada") -> dict[str, Any]:
    """Return the options of a login by password."""
    return {"user": user, "password": password}


def by_token(token: object) -> dict[str, Any]:
    """Return the options of a login by token."""
    return {"user": "ada", "access_token_oauth2": token}


def delivers_by(mechanism: str, postfix: Postfix, send: Send, service: str, **login: Any) -> None:
    """Send a mail, and see in Postfix's log how ada logged in."""
    log = postfix.log_from_now()
    (status,) = send(mail_to(ADA), **postfix.client_options(service), **login)
    assert status.success
    assert postfix.mailbox("ada").take_one().content == octets_of(mail_to(ADA))
    assert log.wait_for(rf"sasl_method={mechanism}, sasl_username=ada\b")


@both
@pytest.mark.parametrize(("service", "mechanism"), BY_PASSWORD.items())
def test_logs_in_by_password(postfix: Postfix, send: Send, service: str, mechanism: str) -> None:
    """A server that offers one mechanism alone is logged in to by that one."""
    delivers_by(mechanism, postfix, send, service, **by_password())


@both
@pytest.mark.parametrize(("service", "mechanism"), BY_TOKEN.items())
def test_logs_in_by_token(postfix: Postfix, send: Send, service: str, mechanism: str) -> None:
    """An OAuth2 access token logs in by whichever of the two mechanisms is offered."""
    delivers_by(mechanism, postfix, send, service, **by_token(access_token("ada")))


@both
def test_logs_in_by_a_token_object(postfix: Postfix, send: Send) -> None:
    """4D NetKit's object with the token in it serves as the token."""
    token = {"token": {"access_token": access_token("ada")}, "tokenExpiration": "2030-01-01T00:00:00Z"}
    delivers_by("XOAUTH2", postfix, send, "submission", **by_token(token))


@both
def test_logs_in_by_a_long_token(postfix: Postfix, send: Send) -> None:
    """A token longer than a command line (RFC 5321 4.5.3.1.4) is sent, and understood."""
    token = access_token("ada", note="x" * 700)
    assert len(token) > 1000
    delivers_by("OAUTHBEARER", postfix, send, "only_oauthbearer", **by_token(token))


@both
@pytest.mark.parametrize("service", ["submission", "smtps", "cleartext_login"])
def test_chooses_the_strongest(postfix: Postfix, send: Send, service: str) -> None:
    """Of all that Dovecot has, the default for a password is SCRAM-SHA-256, and for a token OAUTH2."""
    delivers_by("SCRAM-SHA-256", postfix, send, service, **by_password())
    delivers_by("XOAUTH2", postfix, send, service, **by_token(access_token("ada")))


@both
@pytest.mark.parametrize("mode", ["CRAM-MD5", "LOGIN", "PLAIN"])
def test_logs_in_by_the_mode_asked_for(postfix: Postfix, send: Send, mode: str) -> None:
    """`authenticationMode` decides, whatever else is offered."""
    delivers_by(mode, postfix, send, "submission", **by_password(), authentication_mode=mode)


@both
@pytest.mark.parametrize(
    ("service", "user", "password"),
    [
        ("only_plain", "ada", "wrong"),
        ("only_login", "ada", "wröng"),
        ("only_cram_md5", "ada", "wrong"),
        ("only_scram_sha_256", "ada", "wrong"),
        ("submission", "nobody", PASSWORD),
    ],
)
def test_a_wrong_password_is_refused(
    postfix: Postfix, send: Send, service: str, user: str, password: str
) -> None:
    """The status is the server's 535 to AUTH, and the session ends with QUIT without a MAIL."""
    log = postfix.log_from_now()
    mail = mail_to(ADA)
    (status,) = send(mail, **postfix.client_options(service), **by_password(password, user))
    assert (status.success, status.status, status.enhanced_code, status.command) == (
        False,
        535,
        "5.7.8",
        "AUTH",
    )
    assert status.is_permanent
    assert "authentication fail" in status.status_text.lower()
    assert status.errors == ()
    (ended,) = log.wait_for(r"disconnect from .*")
    assert " auth=0/1 quit=1 " in ended


@both
@pytest.mark.parametrize(
    ("service", "token"),
    [
        pytest.param("only_oauthbearer", access_token("ada", lifetime=-30), id="expired"),
        pytest.param("only_oauthbearer", access_token("bob"), id="another's"),
        pytest.param("only_xoauth2", access_token("ada", key=b"another key"), id="forged"),
        pytest.param("only_xoauth2", "ya29.not-a-token-of-ours", id="opaque"),
    ],
)
def test_a_wrong_token_is_refused(postfix: Postfix, send: Send, service: str, token: str) -> None:
    """The server's error challenge (RFC 7628 3.2.3) is answered, and its final 535 is the status."""
    log = postfix.log_from_now()
    (status,) = send(mail_to(ADA), **postfix.client_options(service), **by_token(token))
    assert (status.success, status.status, status.enhanced_code, status.command) == (
        False,
        535,
        "5.7.8",
        "AUTH",
    )
    (ended,) = log.wait_for(r"disconnect from .*")
    assert " auth=0/1 quit=1 " in ended


@both
@pytest.mark.parametrize(
    ("service", "mode", "code"),
    [("only_plain", "LOGIN", 1303), ("only_cram_md5", "PLAIN", 1303), ("starttls", "PLAIN", 1302)],
)
def test_a_mode_that_is_not_offered(postfix: Postfix, send: Send, service: str, mode: str, code: int) -> None:
    """Nothing of the login is sent, and the status says what the server does offer."""
    log = postfix.log_from_now()
    options = postfix.client_options(service)
    (status,) = send(mail_to(ADA), **options, **by_password(), authentication_mode=mode)
    assert (status.success, status.status, status.command) == (False, 0, "AUTH")
    assert status.errors[0]["errCode"] == code
    (ended,) = log.wait_for(r"disconnect from .*")
    assert "auth=" not in ended
    assert " quit=1 " in ended


@both
def test_a_password_does_not_serve_as_a_token(postfix: Postfix, send: Send) -> None:
    """Where the server takes tokens only, a password is not sent."""
    log = postfix.log_from_now()
    (status,) = send(mail_to(ADA), **postfix.client_options("only_xoauth2"), **by_password())
    assert (status.status, status.errors[0]["errCode"]) == (0, 1303)
    assert "XOAUTH2" in status.errors[0]["message"]
    assert "auth=" not in log.wait_for(r"disconnect from .*")[0]


@both
def test_relays_after_a_login(postfix: Postfix, send: Send) -> None:
    """Who is logged in may send to other domains: the login's effect is real, not only its reply."""
    (refused,) = send(mail_to("bob@example.net"), **postfix.client_options("starttls"))
    assert (refused.status, refused.enhanced_code) == (554, "5.7.1")
    log = postfix.log_from_now()
    (status,) = send(mail_to("bob@example.net"), **postfix.client_options("submission"), **by_password())
    assert status.success
    assert log.wait_for(r"to=<bob@example\.net>, relay=none, .* status=sent")
