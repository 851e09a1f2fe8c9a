from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from unittest import mock

import pytest

from pytest_smtp4d.server.dialogue.step import Compute
from pytest_smtp4d.smtp.sasl import CLIENT_FIRST, SERVER_MECHANISMS, Secrets, client_mechanism
from tests.server.dialogue.driving import HELLO, MAIL, DrivenSession, FakeHost

ACCOUNTS: dict[str, Any] = {"users": {"ada": "pässword"}, "tokens": {"ada": "t0ken"}, "tls": "none"}


def encoded(octets: bytes | str) -> str:
    """Return base64 as text."""
    return base64.b64encode(octets.encode() if isinstance(octets, str) else octets).decode()


GOOD = encoded("\0ada\0pässword")
WRONG = encoded("\0ada\0wrong")

# Mechanism -> how many responses a login takes, the initial one included.
RESPONSES = {
    "SCRAM-SHA-256": 3,
    "SCRAM-SHA-1": 3,
    "CRAM-MD5": 1,
    "PLAIN": 1,
    "LOGIN": 2,
    "XOAUTH2": 1,
    "OAUTHBEARER": 1,
}
STEPS = [(name, step) for name, count in RESPONSES.items() for step in range(count)]
"""Each mechanism with each number of responses that were given before something goes wrong."""


def opened(host: FakeHost | None = None, hello: str = HELLO, **settings: Any) -> DrivenSession:
    """Return a session with a server that knows ada, after EHLO."""
    client = DrivenSession(host, **{**ACCOUNTS, **settings})
    client.open(hello)
    return client


def log_in(
    client: DrivenSession,
    name: str,
    password: str = "pässword",
    token: str = "t0ken",
    *,
    initial: bool = False,
    responses: int | None = None,
) -> str:
    """Do the client's side of a mechanism, at most so many responses of it; return the last reply."""
    secrets = Secrets("ada", password=password, token=token, host="localhost", port=25)
    steps = client_mechanism(name, secrets, "clientnonce")
    response = next(steps)
    if response is not None and initial:
        reply = client.ask(f"AUTH {name} {encoded(response) or '='}")
        response = None
    else:
        reply = client.ask(f"AUTH {name}")
    while reply.startswith("334") and responses != 0:
        if response is None:
            response = steps.send(base64.b64decode(reply[4:]))
        assert response is not None
        reply = client.ask(encoded(response))
        response = None
        responses = responses and responses - 1
    return reply


def test_every_mechanism_is_in_the_table() -> None:
    """The tests below go through all that the server speaks."""
    assert RESPONSES.keys() == set(SERVER_MECHANISMS)


# -- each mechanism, step by step -----------------------------------------------------------------------


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("name", RESPONSES)
def test_a_login(name: str, initial: bool) -> None:
    """By every mechanism, with an initial response and without; then MAIL is allowed, and AUTH is not."""
    client = opened()
    assert log_in(client, name, initial=initial).startswith("235 2.7.0")
    assert (client.session.user, client.session.mechanism) == ("ada", name)
    assert client.code(MAIL) == 250
    assert client.session.violations == ()
    assert client.ask("AUTH PLAIN").startswith("503 5.5.1")


@pytest.mark.parametrize("name", RESPONSES)
def test_the_first_challenge(name: str) -> None:
    """It is empty where the client speaks first (RFC 4954 4)."""
    reply = opened().ask(f"AUTH {name}")
    assert (reply == "334 ") is (name in CLIENT_FIRST)
    assert reply.startswith("334 ")


@pytest.mark.parametrize(("name", "step"), STEPS)
def test_each_step_but_the_last_is_a_challenge(name: str, step: int) -> None:
    """334 until the last response, then 235; nobody is logged in before."""
    client = opened()
    assert log_in(client, name, responses=step).startswith("334")
    assert (client.session.user, client.session.mechanism) == (None, None)
    assert client.protocol.authenticated is False


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("*", "501 5.7.0 Authentication cancelled"),
        ("not base64!", "501 5.5.2 The response is not base64"),
        ("änot base64", "501 5.5.2 The response is not base64"),
        ("QQ", "501 5.5.2 The response is not base64"),
        ("x" * 12_287, "500 5.5.6 Authentication exchange line is too long"),
    ],
)
@pytest.mark.parametrize(("name", "step"), STEPS)
def test_what_ends_an_exchange_at_each_step(name: str, step: int, line: str, reply: str) -> None:
    """Cancelled, no base64, too long: the exchange is over, and what comes next is a command."""
    client = opened()
    log_in(client, name, responses=step)
    assert client.ask(line) == reply
    assert client.session.user is None
    assert client.code("NOOP") == 250
    assert log_in(client, name).startswith("235")


@pytest.mark.parametrize("octets", [b"\xff", b"nonsense", "p=ä".encode()])
@pytest.mark.parametrize(("name", "step"), STEPS)
def test_octets_that_are_no_response_at_each_step(name: str, step: int, octets: bytes) -> None:
    """501 or 535, or the next challenge where the mechanism looks at them later; never a login."""
    client = opened()
    log_in(client, name, responses=step)
    reply = client.ask(encoded(octets))
    if (name, step) == ("LOGIN", 0) and octets != b"\xff":
        assert reply.startswith("334")  # it is a user name
        reply = client.ask(encoded(octets))
    if name.startswith("SCRAM") and step == 2:
        assert reply.startswith("235")  # the last response says nothing
        return
    assert reply.startswith(("501 5.5.2", "535 5.7.8"))
    assert client.session.user is None
    assert client.code("NOOP") == 250
    assert client.host.errors == []


@pytest.mark.parametrize(("name", "step"), STEPS)
def test_an_empty_response_at_each_step(name: str, step: int) -> None:
    """Neither an empty line nor "=" is a login, and neither ends the session."""
    for line in ("", "="):
        client = opened()
        log_in(client, name, responses=step)
        reply = client.ask(line)
        while reply.startswith("334"):
            reply = client.ask(line)
        assert reply.startswith("235" if name.startswith("SCRAM") and step == 2 else ("501", "535"))
        assert client.code("NOOP") == 250


@pytest.mark.parametrize("name", RESPONSES)
def test_a_wrong_password_or_token(name: str) -> None:
    """535 5.7.8; nobody is logged in, another try may succeed."""
    client = opened()
    assert log_in(client, name, "wrong", "wrong", initial=True).startswith("535 5.7.8")
    assert (client.session.user, client.session.mechanism) == (None, None)
    assert client.ask(MAIL).startswith("530 5.7.0")
    assert log_in(client, name, initial=True).startswith("235")


@pytest.mark.parametrize("name", RESPONSES)
def test_a_mechanism_that_takes_time_is_computed_elsewhere(name: str) -> None:
    """Each response of SCRAM is a step `Compute`, no other one is: others are served meanwhile."""
    client = opened()
    client.log.clear()
    log_in(client, name)
    computed = sum(isinstance(step, Compute) for step in client.log)
    assert computed == (RESPONSES[name] if name.startswith("SCRAM") else 0)


def test_a_computation_that_fails() -> None:
    """What is raised elsewhere is raised in the dialogue: 451, and the exchange is over."""
    client = opened()
    assert log_in(client, "SCRAM-SHA-256", responses=1).startswith("334")
    with mock.patch("pytest_smtp4d.smtp.sasl._attributes", side_effect=MemoryError("no more")):
        assert client.ask(encoded("c=biws,r=x,p=")) == "451 4.3.0 Internal error"
    assert client.host.errors == ["the server at AUTH: MemoryError: no more"]
    assert client.code("NOOP") == 250
    assert client.session.user is None


@pytest.mark.parametrize("name", ["XOAUTH2", "OAUTHBEARER"])
def test_a_wrong_token_is_challenged_with_json_first(name: str) -> None:
    """The client answers the error challenge with a dummy, then hears 535 (RFC 7628 3.2.3)."""
    client = opened()
    response = (
        "user=ada\x01auth=Bearer no\x01\x01"
        if name == "XOAUTH2"
        else "n,a=ada,\x01host=h\x01port=25\x01auth=Bearer no\x01\x01"
    )
    challenge = client.ask(f"AUTH {name} {encoded(response)}")
    assert challenge.startswith("334 ")
    assert "status" in json.loads(base64.b64decode(challenge[4:]))
    assert client.ask(encoded("\x01")).startswith("535 5.7.8")


@pytest.mark.parametrize(
    ("response", "reply"),
    [
        ("ada\0pässword", "501 5.5.2"),
        ("\0ada\0pässword\0", "501 5.5.2"),
        ("\0\0pässword", "501 5.5.2"),
        ("\0ada\0", "501 5.5.2"),
        (b"\0ada\0\xff", "501 5.5.2"),
        ("bob\0ada\0pässword", "535 5.7.8"),
        ("ada\0ada\0pässword", "235 2.7.0"),
    ],
)
def test_rfc_4616_plain(response: str | bytes, reply: str) -> None:
    """[authzid] NUL authcid NUL passwd, exactly; an authzid that is somebody else is refused."""
    assert opened().ask(f"AUTH PLAIN {encoded(response)}").startswith(reply)


def test_rfc_4616_example() -> None:
    """The RFC's own octets: tim, tanstaaftanstaaf."""
    assert opened(users={"tim": "tanstaaftanstaaf"}).code("AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm") == 235


def test_login_prompts_as_real_servers_send_them() -> None:
    """`Username:` and `Password:`; several clients go by these words."""
    client = opened()
    assert client.ask("AUTH LOGIN") == "334 VXNlcm5hbWU6"
    assert client.ask(encoded("ada")) == "334 UGFzc3dvcmQ6"
    assert client.code(encoded("pässword")) == 235


def test_login_with_the_user_at_once() -> None:
    """The user name may be the initial response."""
    client = opened()
    assert client.ask(f"auth login {encoded('ada')}") == "334 UGFzc3dvcmQ6"
    assert client.code(encoded("pässword")) == 235


def test_cram_md5() -> None:
    """The challenge is a message id that never comes again, the answer its HMAC (RFC 2195)."""
    client = opened()
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
def test_mechanism_names_ignore_case(name: str) -> None:
    """RFC 4954 4: sasl-mech is case-insensitive here, as in every server one meets."""
    client = opened()
    assert client.code(f"AUTH {name} {GOOD}") == 235
    assert client.session.mechanism == "PLAIN"


@pytest.mark.parametrize("name", ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"])
def test_any_login_is_accepted_and_recorded(name: str) -> None:
    """`users="*"`: whoever says anything is in."""
    client = opened(users="*", tokens={})
    assert log_in(client, name, "whatever", "whatever", initial=True).startswith("235")
    assert (client.session.user, client.session.mechanism) == ("ada", name)


# -- what cannot begin ----------------------------------------------------------------------------------

# (settings, what was said before, AUTH, reply)
REFUSED: list[tuple[dict[str, Any], list[str], str, str]] = [
    ({}, [], "AUTH NTLM", "504 5.5.4"),
    ({}, [], "AUTH NTLM AAAA", "504 5.5.4"),
    ({"auth": ["PLAIN"]}, [], "AUTH LOGIN", "504 5.5.4"),
    ({}, [], "AUTH", "501 5.5.4 Syntax"),
    ({}, [], "AUTH ", "501 5.5.4 Syntax"),
    ({}, [], "AUTH PLAIN not-base64!", "501 5.5.2"),
    ({}, [], "AUTH PLAIN =", "501 5.5.2"),
    ({}, [], f"AUTH CRAM-MD5 {encoded('x')}", "501 5.7.0 The server speaks first"),
    ({}, [], "AUTH PLAIN " + "x" * 12_276, "500 5.5.2 Line too long"),
    ({"users": {}, "tokens": {}}, [], "AUTH PLAIN", "502 5.5.1"),
    ({"require_auth": False}, [MAIL], "AUTH PLAIN", "503 5.5.1 AUTH is not permitted"),
    ({}, [f"AUTH PLAIN {GOOD}"], "AUTH PLAIN", "503 5.5.1 Already"),
    ({"tls": "starttls"}, [], "AUTH PLAIN", "538 5.7.11"),
    ({"tls": "starttls", "require_tls": True}, [], "AUTH PLAIN", "530 5.7.0"),
]


@pytest.mark.parametrize(("settings", "before", "line", "reply"), REFUSED)
def test_what_cannot_be_a_login(settings: dict[str, Any], before: list[str], line: str, reply: str) -> None:
    """Each reason has its reply, opens no exchange, and leaves the session as it was."""
    client = opened(**settings)
    for command in before:
        assert client.ask(command)[0] == "2"
    assert client.ask(line).startswith(reply)
    assert client.code("NOOP") == 250


@pytest.mark.parametrize("hello", ["HELO client.example.com", "NOOP"])
def test_auth_without_ehlo(hello: str) -> None:
    """AUTH is an extension; HELO knows none."""
    assert opened(hello=hello).ask("AUTH PLAIN").startswith("503 5.5.1 Send EHLO")


def test_lines_of_12288_octets() -> None:
    """RFC 4954 4: so long may an AUTH line be, command or response; one octet more is refused."""
    token = "x" * 9000
    response = encoded(f"user=ada\x01auth=Bearer {token}\x01\x01")
    assert 12000 < len(response) < 12288 - 16
    assert opened(tokens={"ada": token}).code(f"AUTH XOAUTH2 {response}") == 235
    client = opened(tokens={"ada": token})
    assert client.ask("AUTH XOAUTH2").startswith("334")
    assert client.code(response) == 235
    client = opened()
    assert client.ask("AUTH XOAUTH2").startswith("334")
    assert client.ask("x" * 12_286).startswith("501 5.5.2")
    assert client.ask("AUTH XOAUTH2").startswith("334")
    assert client.ask("x" * 12_287).startswith("500 5.5.6")
    assert client.ask("AUTH XOAUTH2 " + "x" * 12_273).startswith("501 5.5.2")
    assert client.ask("AUTH XOAUTH2 " + "x" * 12_274).startswith("500 5.5.2")
    assert client.code("NOOP") == 250


def test_encryption_required() -> None:
    """Where TLS is on offer, AUTH waits for it: not offered before, 538 5.7.11."""
    client = DrivenSession(**{**ACCOUNTS, "tls": "starttls"})
    assert "AUTH" not in client.open()
    assert client.ask("AUTH PLAIN").startswith("538 5.7.11")
    client.ask("STARTTLS")
    client.start_tls()
    assert "AUTH" in client.ask(HELLO)
    assert client.code(f"AUTH PLAIN {GOOD}") == 235


def test_starttls_forgets_a_login() -> None:
    """What was said in clear text counts for nothing after the handshake (RFC 3207 4.2)."""
    client = DrivenSession(**{**ACCOUNTS, "tls": "starttls", "auth_without_tls": True})
    client.open()
    assert client.code(f"AUTH PLAIN {GOOD}") == 235
    client.ask("STARTTLS")
    client.start_tls()
    client.ask(HELLO)
    assert client.ask(MAIL).startswith("530 5.7.0")
    assert (client.session.user, client.session.mechanism) == (None, None)


def test_the_parameter_auth() -> None:
    """AUTH= of MAIL is validated as xtext and recorded (RFC 4954 5)."""
    client = opened()
    client.ask(f"AUTH PLAIN {GOOD}")
    assert client.ask("MAIL FROM:<ada@example.com> AUTH=e+3Dmc2@example.com").startswith("250")
    assert client.session.transactions[0].mail_options == ("AUTH=e+3Dmc2@example.com",)
    client.ask("RSET")
    assert client.code("MAIL FROM:<ada@example.com> AUTH=<>") == 250
    client.ask("RSET")
    assert client.ask("MAIL FROM:<ada@example.com> AUTH=a+zz").startswith("501 5.5.4")


# -- faults at each step --------------------------------------------------------------------------------


def faulty(step: int = 0, times: int | None = None) -> tuple[FakeHost, Any]:
    """Return a server that knows ada, and a fault that lets so many steps of a login pass."""
    host = FakeHost(**ACCOUNTS)
    return host, host.rules.add("AUTH", after=step, times=times)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (454, "4.7.0 Temporary failure"),
        (534, "5.7.9 Mechanism too weak"),
        (535, "5.7.8 No"),
        (421, "4.7.0 Bye"),
    ],
)
@pytest.mark.parametrize(("name", "step"), [*STEPS, *RESPONSES.items()])
def test_other_outcomes(name: str, step: int, code: int, text: str) -> None:
    """Whatever AUTH is answered at whichever step, the client is not logged in by it."""
    host, fault = faulty(step, times=1)
    fault.reply(code, text)
    client = opened(host)
    assert log_in(client, name, responses=step) == f"{code} {text}"
    assert client.session.user is None
    assert (client.closed is not None) is (code == 421)
    if client.closed is None:
        assert client.code("NOOP") == 250
        assert log_in(client, name).startswith("235")


def test_each_step_is_a_stage() -> None:
    """`after=1` is the second step: here the reply to the user name of LOGIN; each names the mechanism."""
    host = FakeHost(**ACCOUNTS)
    fault = host.rules.add("AUTH", "LOGIN", after=1).reply(454, "4.7.0 In the middle")
    client = opened(host)
    assert client.ask("AUTH LOGIN") == "334 VXNlcm5hbWU6"
    assert client.ask(encoded("ada")) == "454 4.7.0 In the middle"
    assert client.code("NOOP") == 250
    assert fault.hits == 1


@pytest.mark.parametrize(("name", "step"), [*STEPS, *RESPONSES.items()])
def test_silence_at_each_step(name: str, step: int) -> None:
    """Nothing comes any more; what does come is recorded as the command that it is, not as a response."""
    host, fault = faulty(step)
    fault.silence()
    client = opened(host)
    with pytest.raises(AssertionError, match="no reply is there"):
        log_in(client, name)
    client.send(b"NOOP\r\nQUIT\r\n")
    assert client.is_silent
    assert [command.verb for command in client.session.commands] == ["EHLO", "AUTH", "NOOP", "QUIT"]
    assert fault.hits == 1
    assert client.session.user is None


@pytest.mark.parametrize(("name", "step"), [*STEPS, *RESPONSES.items()])
def test_octets_instead_of_a_reply_at_each_step(name: str, step: int) -> None:
    """They end the exchange: what comes next is a command."""
    host, fault = faulty(step, times=1)
    fault.send(b"??? ?\r\n")
    client = opened(host)
    assert log_in(client, name) == "??? ?"
    assert client.code("NOOP") == 250
    assert client.session.user is None


@pytest.mark.parametrize(("name", "step"), [*STEPS, *RESPONSES.items()])
def test_a_drop_at_each_step(name: str, step: int) -> None:
    """The server goes away in the middle of a login."""
    host, fault = faulty(step)
    fault.disconnect()
    client = opened(host)
    with pytest.raises(AssertionError, match="no reply is there"):
        log_in(client, name)
    assert client.closed is not None
    assert client.session.ended == "disconnected at AUTH"
    assert client.session.user is None


@pytest.mark.parametrize(("name", "step"), STEPS)
def test_a_login_granted_by_a_fault_at_each_step(name: str, step: int) -> None:
    """235 takes effect, however little the client has said."""
    host, fault = faulty(step, times=1)
    fault.reply(235, "2.7.0 Welcome")
    client = opened(host)
    assert log_in(client, name, responses=step).startswith("235")
    assert client.code(MAIL) == 250
    assert client.session.mechanism == name


def test_a_wrong_login_granted_by_a_fault() -> None:
    """235 takes effect, whatever the password; who it was is not known."""
    host, fault = faulty()
    fault.reply(235, "2.7.0 Welcome")
    client = opened(host)
    assert client.code(f"AUTH PLAIN {WRONG}") == 235
    assert client.code(MAIL) == 250
    assert (client.session.user, client.session.mechanism) == ("", "PLAIN")


@pytest.mark.parametrize("action", ["disconnect", "silence", "send"])
def test_a_login_that_took_effect_unheard(action: str) -> None:
    """`accept()` logs in whoever had the right password, and nobody else."""
    for response, user in ((GOOD, "ada"), (WRONG, None)):
        host, fault = faulty(times=1)
        fault.accept()
        fault.send(b"?\r\n") if action == "send" else getattr(fault, action)()
        client = opened(host)
        client.send(f"AUTH PLAIN {response}\r\n")
        assert client.session.user == user
        assert client.protocol.authenticated is (user is not None)


@pytest.mark.parametrize("code", [454, 535])
def test_a_login_that_took_effect_and_was_told_otherwise(code: int) -> None:
    """`accept()` before a refusal: whoever had the right password is in, and hears that they are not."""
    for response, user in ((GOOD, "ada"), (WRONG, None)):
        host, fault = faulty(times=1)
        fault.accept().reply(code)
        client = opened(host)
        assert client.code(f"AUTH PLAIN {response}") == code
        assert client.session.user == user


def test_a_challenge_that_is_not_base64() -> None:
    """334 in place of the server's own: the exchange goes on when the client answers it."""
    host, fault = faulty(times=1)
    fault.reply(334, "?not base64?")
    client = opened(host)
    assert client.ask("AUTH LOGIN") == "334 ?not base64?"
    assert client.ask(encoded("ada")) == "334 UGFzc3dvcmQ6"
    assert client.code(encoded("pässword")) == 235


def test_a_challenge_too_many() -> None:
    """334 where the outcome was due: one more answer is taken, and the outcome comes."""
    host, fault = faulty(times=1)
    fault.reply(334, encoded("again?"))
    client = opened(host)
    assert client.ask(f"AUTH PLAIN {GOOD}").startswith("334")
    assert client.session.user is None
    assert client.code(encoded("again")) == 235
    assert client.session.user == "ada"


def test_a_challenge_too_many_after_a_failure() -> None:
    """The failure stays, whatever the client answers."""
    host, fault = faulty(times=2)
    fault.reply(334, "")
    client = opened(host)
    assert client.ask(f"AUTH PLAIN {WRONG}") == "334 "
    assert client.ask(GOOD) == "334 "
    assert client.ask("x" * 13_000).startswith("500 5.5.6")
    assert client.session.user is None


@pytest.mark.parametrize(
    ("settings", "before", "line", "reply"), [row for row in REFUSED if len(row[2]) < 1000]
)
def test_a_334_opens_an_exchange_where_the_server_would_not(
    settings: dict[str, Any], before: list[str], line: str, reply: str
) -> None:
    """Also for a mechanism that is not on offer: the client answers, masked, and hears the rest."""
    host = FakeHost(**{**ACCOUNTS, **settings})
    client = opened(host)
    for command in before:
        assert client.ask(command)[0] == "2"
    host.rules.add("AUTH", times=2).reply(334, encoded("say it"))
    assert client.ask(line).startswith("334")
    assert client.ask(encoded("S3cret-one")).startswith("334")
    # An exchange that had begun takes the answers; one that had not is refused as it would have been.
    assert client.ask(encoded("S3cret-two")).startswith(reply)
    told = client.session.transcript.render(content=True)
    assert encoded("S3cret-one") not in told
    assert encoded("S3cret-two") not in told
    assert client.code("NOOP") == 250
