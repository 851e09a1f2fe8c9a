"""The login laboratory: every mechanism, every outcome, every step."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import smtplib
from typing import TYPE_CHECKING

import pytest

from pytest_smtp4d.smtp.sasl import Secrets, client_mechanism

if TYPE_CHECKING:
    from pytest_smtp4d.server.server import SMTPServer
    from tests.server.conftest import Connect, RawClient

MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER", "SCRAM-SHA-1", "SCRAM-SHA-256")
ACCOUNTS = {"users": {"ada": "pässword"}, "tokens": {"ada": "t0ken"}}

pytestmark = pytest.mark.smtp_server(tls="none", strict=False, **ACCOUNTS)


def encoded(octets: bytes | str) -> str:
    """Return base64 as text."""
    return base64.b64encode(octets.encode() if isinstance(octets, str) else octets).decode()


GOOD = encoded("\0ada\0pässword")
WRONG = encoded("\0ada\0wrong")


def log_in(client: RawClient, name: str, password: str, token: str, *, initial: bool) -> str:
    """Do the client's side of a mechanism with our own generators; return the last reply."""
    secrets = Secrets("ada", password=password, token=token, host="localhost", port=25)
    steps = client_mechanism(name, secrets, "clientnonce")
    first = next(steps)
    if first is not None and initial:
        reply = client.ask(f"AUTH {name} {encoded(first)}")
        first = None
    else:
        reply = client.ask(f"AUTH {name}")
        if first is not None:
            assert reply == "334 "
    while reply.startswith("334"):
        if first is None:
            first = steps.send(base64.b64decode(reply[4:]))
        assert first is not None
        reply = client.ask(encoded(first))
        first = None
    return reply


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("tls", ["none", "implicit"])
@pytest.mark.parametrize("name", MECHANISMS)
def test_a_login(smtp_server: SMTPServer, connect: Connect, name: str, tls: str, initial: bool) -> None:
    """By every mechanism, in clear text and over implicit TLS, with an initial response and without."""
    smtp_server.configure(tls=tls)
    client = connect(tls=tls == "implicit")
    hello = client.open()
    assert f"AUTH {' '.join(smtp_server.settings.auth)}" in hello
    assert log_in(client, name, "pässword", "t0ken", initial=initial).startswith("235 2.7.0")
    (session,) = smtp_server.sessions
    assert (session.user, session.mechanism) == ("ada", name)
    assert client.code("MAIL FROM:<ada@example.com>") == 250
    assert client.ask("AUTH PLAIN").startswith("503 5.5.1")


@pytest.mark.parametrize("name", MECHANISMS)
def test_a_wrong_password_or_token(smtp_server: SMTPServer, client: RawClient, name: str) -> None:
    """535 5.7.8; nobody is logged in, another try may succeed."""
    client.open()
    assert log_in(client, name, "wrong", "wrong", initial=True).startswith("535 5.7.8")
    (session,) = smtp_server.sessions
    assert (session.user, session.mechanism) == (None, None)
    assert client.ask("MAIL FROM:<ada@example.com>").startswith("530 5.7.0")
    assert log_in(client, name, "pässword", "t0ken", initial=True).startswith("235")


@pytest.mark.parametrize("name", ["XOAUTH2", "OAUTHBEARER"])
def test_a_wrong_token_is_challenged_with_json_first(client: RawClient, name: str) -> None:
    """The client answers the error challenge with a dummy, then hears 535 (RFC 7628 3.2.3)."""
    client.open()
    response = (
        "user=ada\x01auth=Bearer no\x01\x01"
        if name == "XOAUTH2"
        else "n,a=ada,\x01host=h\x01port=25\x01auth=Bearer no\x01\x01"
    )
    challenge = client.ask(f"AUTH {name} {encoded(response)}")
    assert challenge.startswith("334 ")
    assert "status" in json.loads(base64.b64decode(challenge[4:]))
    assert client.ask(encoded("\x01")).startswith("535 5.7.8")


def test_rfc_4616_plain(smtp_server: SMTPServer, connect: Connect) -> None:
    """[authzid] NUL authcid NUL passwd, exactly; an authzid that is somebody else is refused."""
    client = connect()
    client.open()
    for response, reply in (
        ("ada\0pässword", "501 5.5.2"),
        ("\0ada\0pässword\0", "501 5.5.2"),
        ("\0\0pässword", "501 5.5.2"),
        ("\0ada\0", "501 5.5.2"),
        (b"\0ada\0\xff", "501 5.5.2"),
        ("bob\0ada\0pässword", "535 5.7.8"),
        ("ada\0ada\0pässword", "235 2.7.0"),
    ):
        assert client.ask(f"AUTH PLAIN {encoded(response)}").startswith(reply)


def test_rfc_4616_example(smtp_server: SMTPServer, connect: Connect) -> None:
    """The RFC's own octets: tim, tanstaaftanstaaf."""
    smtp_server.configure(users={"tim": "tanstaaftanstaaf"})
    client = connect()
    client.open()
    assert client.code("AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm") == 235


def test_login_prompts_as_real_servers_send_them(client: RawClient) -> None:
    """`Username:` and `Password:`; several clients go by these words."""
    client.open()
    assert client.ask("AUTH LOGIN") == "334 VXNlcm5hbWU6"
    assert client.ask(encoded("ada")) == "334 UGFzc3dvcmQ6"
    assert client.code(encoded("pässword")) == 235


def test_login_with_the_user_at_once(client: RawClient) -> None:
    """The user name may be the initial response."""
    client.open()
    assert client.ask(f"auth login {encoded('ada')}") == "334 UGFzc3dvcmQ6"
    assert client.code(encoded("pässword")) == 235


def test_cram_md5(client: RawClient) -> None:
    """The challenge is a message id that never comes again, the answer its HMAC (RFC 2195)."""
    client.open()
    challenges = set()
    for _ in range(2):
        challenge = base64.b64decode(client.ask("AUTH CRAM-MD5")[4:])
        assert challenge.startswith(b"<")
        assert challenge.endswith(b"@localhost>")
        challenges.add(challenge)
        assert client.ask("*").startswith("501 5.7.0")
    assert len(challenges) == 2
    challenge = base64.b64decode(client.ask("AUTH CRAM-MD5")[4:])
    digest = hmac.new("pässword".encode(), challenge, hashlib.md5).hexdigest()
    assert client.code(encoded(f"ada {digest}")) == 235


@pytest.mark.parametrize("name", ["plain", "Plain", "PLAIN"])
def test_mechanism_names_ignore_case(client: RawClient, name: str) -> None:
    """RFC 4954 4: sasl-mech is case-insensitive here, as in every server one meets."""
    client.open()
    assert client.code(f"AUTH {name} {GOOD}") == 235


def test_what_cannot_be_a_login(client: RawClient) -> None:
    """Unknown mechanism 504, none 501, no base64 501, cancelled 501, an initial response too many 501."""
    client.open()
    assert client.ask("AUTH NTLM").startswith("504 5.5.4")
    assert client.ask("AUTH").startswith("501 5.5.4")
    assert client.ask("AUTH PLAIN not-base64!").startswith("501 5.5.2")
    assert client.ask("AUTH PLAIN").startswith("334")
    assert client.ask("*").startswith("501 5.7.0")
    assert client.ask("AUTH PLAIN").startswith("334")
    assert client.ask("änot base64").startswith("501 5.5.2")
    assert client.ask(f"AUTH CRAM-MD5 {encoded('x')}").startswith("501 5.7.0")
    assert client.ask("AUTH PLAIN =").startswith("501 5.5.2")
    assert client.code("NOOP") == 250


def test_lines_of_12288_octets(smtp_server: SMTPServer, connect: Connect) -> None:
    """RFC 4954 4: so long may an AUTH line be, command or response; one octet more is refused."""
    token = "x" * 9000
    smtp_server.configure(tokens={"ada": token})
    client = connect()
    client.open()
    response = encoded(f"user=ada\x01auth=Bearer {token}\x01\x01")
    assert 12000 < len(response) < 12288 - 16
    assert client.code(f"AUTH XOAUTH2 {response}") == 235
    client = connect()
    client.open()
    assert client.ask("AUTH XOAUTH2").startswith("334")
    assert client.code(response) == 235
    client = connect()
    client.open()
    assert client.ask("AUTH XOAUTH2").startswith("334")
    assert client.ask("x" * 12287).startswith("500 5.5.6")
    assert client.ask("AUTH XOAUTH2 " + "x" * 12276).startswith("500 5.5.2")
    assert client.code("NOOP") == 250


@pytest.mark.smtp_server(tls="starttls")
def test_encryption_required(smtp_server: SMTPServer, client: RawClient) -> None:
    """Where TLS is on offer, AUTH waits for it: not offered before, 538 5.7.11."""
    assert "AUTH" not in client.open()
    assert client.ask("AUTH PLAIN").startswith("538 5.7.11")
    client.ask("STARTTLS")
    client.start_tls()
    assert "AUTH" in client.ask("EHLO client.example.com")
    assert client.code(f"AUTH PLAIN {GOOD}") == 235


def test_auth_in_a_transaction(smtp_server: SMTPServer, connect: Connect) -> None:
    """RFC 4954 4: 503."""
    smtp_server.configure(require_auth=False)
    client = connect()
    client.open()
    client.envelope()
    assert client.ask("AUTH PLAIN").startswith("503 5.5.1")


def test_auth_after_helo(client: RawClient) -> None:
    """AUTH is an extension; HELO knows none."""
    client.open("HELO client.example.com")
    assert client.ask("AUTH PLAIN").startswith("503 5.5.1")


@pytest.mark.smtp_server(users="*", tokens={})
@pytest.mark.parametrize("name", ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"])
def test_any_login_is_accepted_and_recorded(smtp_server: SMTPServer, client: RawClient, name: str) -> None:
    """`users="*"`: whoever says anything is in."""
    client.open()
    assert log_in(client, name, "whatever", "whatever", initial=True).startswith("235")
    assert (smtp_server.sessions[0].user, smtp_server.sessions[0].mechanism) == ("ada", name)


def test_the_parameter_auth(smtp_server: SMTPServer, client: RawClient) -> None:
    """AUTH= of MAIL is validated as xtext and recorded (RFC 4954 5)."""
    client.open()
    client.ask(f"AUTH PLAIN {GOOD}")
    assert client.ask("MAIL FROM:<ada@example.com> AUTH=e+3Dmc2@example.com").startswith("250")
    assert smtp_server.transactions[0].mail_options == ("AUTH=e+3Dmc2@example.com",)
    client.ask("RSET")
    assert client.code("MAIL FROM:<ada@example.com> AUTH=<>") == 250
    client.ask("RSET")
    assert client.ask("MAIL FROM:<ada@example.com> AUTH=a+zz").startswith("501 5.5.4")


def test_no_secret_is_recorded(smtp_server: SMTPServer, connect: Connect) -> None:
    """Neither transcript nor commands hold a password, a token, or a response that could be turned back."""
    smtp_server.configure(users={"ada": "S3cret"}, tokens={"ada": "t0ken"})
    secrets = ["S3cret", "t0ken", encoded("S3cret"), encoded("\0ada\0S3cret"), encoded("t0ken")[:6]]
    for name in MECHANISMS:
        for initial in (True, False):
            client = connect()
            client.open()
            assert log_in(client, name, "S3cret", "t0ken", initial=initial).startswith("235")
    client = connect()
    client.open()
    client.ask("AUTH S3cret")  # the mechanism forgotten
    client.ask("AUTH PLAIN")
    client.ask("S3cret")
    client.ask("S3cret")  # one answer too many
    for session in smtp_server.sessions:
        told = (
            f"{session.transcript} {session.transcript.render(content=True)} {session.commands} {session!r}"
        )
        assert not [secret for secret in secrets if secret in told]


# -- faults at each step --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (454, "4.7.0 Temporary failure"),
        (534, "5.7.9 Mechanism too weak"),
        (535, "5.7.8 No"),
        (421, "4.7.0 Bye"),
    ],
)
def test_other_outcomes(smtp_server: SMTPServer, client: RawClient, code: int, text: str) -> None:
    """Whatever AUTH is answered, the client is not logged in by it."""
    smtp_server.on("AUTH", "PLAIN").reply(code, text)
    client.open()
    assert client.ask(f"AUTH PLAIN {GOOD}") == f"{code} {text}"
    assert smtp_server.sessions[0].user is None


def test_each_step_is_a_stage(smtp_server: SMTPServer, client: RawClient) -> None:
    """`after=1` is the second step: here the reply to the user name of LOGIN."""
    fault = smtp_server.on("AUTH", "LOGIN", after=1).reply(454, "4.7.0 In the middle")
    client.open()
    assert client.ask("AUTH LOGIN") == "334 VXNlcm5hbWU6"
    assert client.ask(encoded("ada")) == "454 4.7.0 In the middle"
    assert client.code("NOOP") == 250
    assert fault.hits == 1


def test_a_challenge_that_is_not_base64(smtp_server: SMTPServer, client: RawClient) -> None:
    """334 in place of the server's own: the exchange goes on when the client answers it."""
    smtp_server.on("AUTH", times=1).reply(334, "?not base64?")
    client.open()
    assert client.ask("AUTH LOGIN") == "334 ?not base64?"
    assert client.ask(encoded("ada")) == "334 UGFzc3dvcmQ6"
    assert client.code(encoded("pässword")) == 235


def test_a_challenge_too_many(smtp_server: SMTPServer, client: RawClient) -> None:
    """334 where the outcome was due: one more answer is taken, and the outcome comes."""
    smtp_server.on("AUTH", times=1).reply(334, encoded("again?"))
    client.open()
    assert client.ask(f"AUTH PLAIN {GOOD}").startswith("334")
    assert smtp_server.sessions[0].user is None
    assert client.code(encoded("again")) == 235
    assert smtp_server.sessions[0].user == "ada"


def test_a_drop_after_the_challenge(smtp_server: SMTPServer, client: RawClient) -> None:
    """The server goes away in the middle of a login."""
    smtp_server.on("AUTH", after=1).disconnect()
    client.open()
    client.ask("AUTH LOGIN")
    client.send(encoded("ada").encode() + b"\r\n")
    assert client.rest() == b""


def test_a_login_granted_by_a_fault(smtp_server: SMTPServer, client: RawClient) -> None:
    """235 takes effect, whatever the password."""
    smtp_server.on("AUTH").reply(235, "2.7.0 Welcome")
    client.open()
    assert client.code(f"AUTH PLAIN {WRONG}") == 235
    assert client.code("MAIL FROM:<ada@example.com>") == 250
    assert smtp_server.sessions[0].mechanism == "PLAIN"


def test_a_stranger_logs_in(smtp_server: SMTPServer) -> None:
    """smtplib, by each mechanism that it has."""
    smtp_server.configure(users={"ada": "password"}, tokens={})
    for name in ("PLAIN", "LOGIN", "CRAM-MD5"):
        smtp_server.configure(auth=[name])
        with smtplib.SMTP(*smtp_server.address, timeout=5) as client:
            assert client.login("ada", "password")[0] == 235
        assert smtp_server.sessions[-1].mechanism == name
