"""Mechanisms, both sides, by the vectors of their RFCs and against each other."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.errors import LocalProtocolError, RemoteProtocolError
from pytest_smtp4d.smtp.sasl import (
    CLIENT_FIRST,
    SERVER_MECHANISMS,
    AuthenticationFailed,
    Credentials,
    Derivation,
    MalformedResponse,
    Secrets,
    choose,
    client_mechanism,
    deferring_client_mechanism,
    deferring_server_mechanism,
    mechanisms_for,
    prepared,
    server_mechanism,
)
from pytest_smtp4d.smtp.secret import SecretOctets, SecretText

USERS = Credentials({"me": "pässword"}, {"me": "token"})


def log_in(name: str, secrets: Secrets, credentials: Credentials = USERS) -> str:
    """Let a client and a server talk; return who the server says it was."""
    client = client_mechanism(name, secrets, "cnonce")
    server = server_mechanism(name, credentials, "snonce")
    challenge = next(server)
    response = next(client)
    if response is None:
        response = client.send(challenge)
    while True:
        assert response is not None
        try:
            challenge = server.send(response)
        except StopIteration as end:
            return str(end.value)
        response = client.send(challenge)


@pytest.mark.parametrize("name", SERVER_MECHANISMS)
def test_both_sides_understand_each_other(name: str) -> None:
    """Whoever has the password or the token gets in, under their own name."""
    assert log_in(name, Secrets("me", "pässword", "token", "mx.example.com", 587)) == "me"


@pytest.mark.parametrize("name", SERVER_MECHANISMS)
@pytest.mark.parametrize("secrets", [Secrets("me", "wrong", "wrong"), Secrets("you", "pässword", "token")])
def test_nobody_else_gets_in(name: str, secrets: Secrets) -> None:
    """A wrong secret and a wrong user fail alike, and the failure names the user."""
    with pytest.raises(AuthenticationFailed) as caught:
        log_in(name, secrets)
    assert caught.value.user == secrets.user


@pytest.mark.parametrize("name", mechanisms_for(Credentials("*")))
def test_a_star_lets_anybody_in(name: str) -> None:
    """With users="*" any login is good, and recorded under the name it gave."""
    assert log_in(name, Secrets("anybody", "x", "y"), Credentials("*")) == "anybody"


def test_plain_vector() -> None:
    """RFC 4616 4: with and without an authorization identity."""
    assert (
        next(client_mechanism("PLAIN", Secrets("tim", "tanstaaftanstaaf"), "")) == b"\0tim\0tanstaaftanstaaf"
    )
    tim = Credentials({"tim": "tanstaaftanstaaf", "Kurt": "xipj3plmq"})
    for response, user in ((b"\0tim\0tanstaaftanstaaf", "tim"), (b"Kurt\0Kurt\0xipj3plmq", "Kurt")):
        server = server_mechanism("PLAIN", tim, "")
        next(server)
        with pytest.raises(StopIteration) as end:
            server.send(response)
        assert end.value.value == user
    server = server_mechanism("PLAIN", tim, "")
    next(server)
    with pytest.raises(AuthenticationFailed):
        server.send(b"Ursel\0Kurt\0xipj3plmq")  # may log in, but not act for somebody else


def test_cram_md5_vector() -> None:
    """RFC 2195 2."""
    client = client_mechanism("CRAM-MD5", Secrets("tim", "tanstaaftanstaaf"), "")
    assert next(client) is None
    answer = client.send(b"<1896.697170952@postoffice.reston.mci.net>")
    assert answer == b"tim b913a602c7eda7a495b4e6e7334d3890"


def test_scram_sha_1_vector() -> None:
    """RFC 5802 5."""
    client = client_mechanism("SCRAM-SHA-1", Secrets("user", "pencil"), "fyko+d2lbbFgONRv9qkxdawL")
    assert next(client) == b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"
    final = client.send(b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096")
    assert final == (b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=")
    assert client.send(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=") == b""


def test_scram_sha_256_vector() -> None:
    """RFC 7677 3."""
    client = client_mechanism("SCRAM-SHA-256", Secrets("user", "pencil"), "rOprNGfwEbeRWgbNEkqO")
    next(client)
    final = client.send(
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    assert final == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert client.send(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=") == b""


def test_oauthbearer_vector() -> None:
    """RFC 7628 4.1, with its user, host and port."""
    secrets = Secrets(
        "user@example.com",
        token="vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
        host="server.example.com",
        port=143,
    )
    assert base64.b64encode(next(client_mechanism("OAUTHBEARER", secrets, "")) or b"") == (
        b"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1"
        b"dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    )


@pytest.mark.parametrize("name", ["XOAUTH2", "OAUTHBEARER"])
def test_a_wrong_token_gets_the_json_challenge_first(name: str) -> None:
    """The client is told why, answers as its mechanism prescribes, and only then fails (RFC 7628 3.2.2)."""
    client = client_mechanism(name, Secrets("me", token="stale"), "")
    server = server_mechanism(name, USERS, "")
    assert next(server) == b""
    challenge = server.send(next(client) or b"")
    assert challenge.startswith(b'{"status": ')
    assert b"stale" not in challenge
    answer = client.send(challenge)
    assert answer == {"XOAUTH2": b"", "OAUTHBEARER": b"\x01"}[name]
    with pytest.raises(AuthenticationFailed):
        server.send(answer)


@pytest.mark.parametrize(
    ("server_first", "words"),
    [
        (b"r=other,s=QSXCR+Q6sek8bf92,i=4096", "does not continue ours"),
        (b"r=cnonce,s=QSXCR+Q6sek8bf92,i=4096", "does not continue ours"),
        (b"r=cnonce1,s=!,i=4096", "malformed"),
        (b"r=cnonce1,s=QSXCR+Q6sek8bf92", "malformed"),
        (b"r=cnonce1,s=QSXCR+Q6sek8bf92,i=999999999999", "out of reason"),
        (b"\xff\xfe", "malformed"),
    ],
)
def test_a_scram_client_trusts_nothing(server_first: bytes, words: str) -> None:
    """Replayed, malformed and absurd challenges end the exchange before a proof is sent."""
    client = client_mechanism("SCRAM-SHA-256", Secrets("user", "pencil"), "cnonce")
    next(client)
    with pytest.raises(RemoteProtocolError, match=words):
        client.send(server_first)


def test_a_scram_client_notices_a_server_that_does_not_know_the_password() -> None:
    """The server's signature is verified (RFC 5802 5)."""
    client = client_mechanism("SCRAM-SHA-256", Secrets("user", "pencil"), "c")
    next(client)
    client.send(b"r=c1,s=QSXCR+Q6sek8bf92,i=4096")
    with pytest.raises(RemoteProtocolError, match="signature is wrong"):
        client.send(b"v=AAAA")


@pytest.mark.parametrize("name", SERVER_MECHANISMS)
@given(response=st.binary(max_size=60))
def test_a_server_survives_any_response(name: str, response: bytes) -> None:
    """Whatever a client answers: a challenge, a user, or one of the two refusals."""
    server = server_mechanism(name, USERS, "snonce")
    next(server)
    with contextlib.suppress(MalformedResponse, AuthenticationFailed, StopIteration):
        server.send(response)


@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("PLAIN", b"me\0pw"),
        ("PLAIN", b"\0me\0"),
        ("PLAIN", b"\0\0pw"),
        ("PLAIN", b"\0m\xff\0pw"),
        ("CRAM-MD5", b"me"),
        ("CRAM-MD5", b"me 1234"),
        ("XOAUTH2", b"user=me\x01\x01"),
        ("XOAUTH2", b"user=me\x01auth=Basic x\x01\x01"),
        ("OAUTHBEARER", b"n,a=me,\x01\x01"),
        ("OAUTHBEARER", b"p=x,a=me,\x01auth=Bearer t\x01\x01"),
        ("SCRAM-SHA-256", b"p=tls-unique,,n=me,r=x"),
        ("SCRAM-SHA-256", b"n,,n=me"),
        ("SCRAM-SHA-256", b"hello"),
    ],
)
def test_a_malformed_response_is_told_from_a_wrong_one(name: str, response: bytes) -> None:
    """501, not 535: the client has a bug, not the wrong password."""
    server = server_mechanism(name, USERS, "snonce")
    next(server)
    with pytest.raises(MalformedResponse):
        server.send(response)


@pytest.mark.parametrize(
    ("credentials", "names"),
    [
        (Credentials(), ()),
        (Credentials({"a": "b"}), ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN")),
        (Credentials({}, {"a": "t"}), ("XOAUTH2", "OAUTHBEARER")),
        (Credentials("*"), ("CRAM-MD5", "PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER")),
        (Credentials({"a": "b"}, {"a": "t"}), SERVER_MECHANISMS),
    ],
)
def test_credentials_say_what_can_be_offered(credentials: Credentials, names: tuple[str, ...]) -> None:
    """Passwords, tokens, anybody: each allows its mechanisms, strongest first."""
    assert mechanisms_for(credentials) == names


ALL = SERVER_MECHANISMS
WITH_TOKEN = Secrets("me", "pw", "token")
WITH_PASSWORD = Secrets("me", "pw")


@pytest.mark.parametrize(
    ("offered", "secrets", "mode", "chosen"),
    [
        (ALL, WITH_PASSWORD, None, "SCRAM-SHA-256"),
        (("LOGIN", "PLAIN"), WITH_PASSWORD, None, "PLAIN"),
        (("LOGIN", "CRAM-MD5", "PLAIN"), WITH_PASSWORD, None, "CRAM-MD5"),
        (("LOGIN",), WITH_PASSWORD, None, "LOGIN"),
        (("XOAUTH2", "OAUTHBEARER"), WITH_PASSWORD, None, None),
        (ALL, WITH_TOKEN, None, "XOAUTH2"),
        (("OAUTHBEARER", "PLAIN"), WITH_TOKEN, None, "OAUTHBEARER"),
        (("PLAIN",), WITH_TOKEN, None, None),
        (ALL, WITH_TOKEN, "PLAIN", "PLAIN"),
        (("LOGIN",), WITH_PASSWORD, "PLAIN", None),
        (ALL, WITH_TOKEN, "OAUTH2", "XOAUTH2"),
    ],
)
def test_the_strongest_mechanism_is_chosen(
    offered: tuple[str, ...], secrets: Secrets, mode: str | None, chosen: str | None
) -> None:
    """A token means OAuth2; a mode means that mode and no other; else the rank decides."""
    assert choose(offered, secrets, mode) == chosen


@pytest.mark.parametrize(
    ("name", "secrets"),
    [
        ("PLAIN", Secrets("me", "p\0w")),
        ("LOGIN", Secrets("m\0e", "pw")),
        ("XOAUTH2", Secrets("me", token="a\x01b")),
        ("OAUTHBEARER", Secrets("m\x01e", token="t")),
        ("PLAIN", Secrets("me", "p\udc80w")),
        ("LOGIN", Secrets("m\udc80e", "pw")),
        ("OAUTHBEARER", Secrets("me", token="a\udc80b")),
    ],
)
def test_what_a_mechanism_cannot_carry_is_refused(name: str, secrets: Secrets) -> None:
    """Its separators, and what is no text (of an environment variable, say); the secret is not shown."""
    with pytest.raises(LocalProtocolError) as caught:
        client_mechanism(name, secrets, "")
    assert name in str(caught.value)
    assert "p\0w" not in str(caught.value)


def test_names_and_passwords_are_prepared_for_scram() -> None:
    """RFC 4013: I<SOFT HYPHEN>X is IX, the ª is an a, a control character is refused."""
    users = Credentials({"IX": "a"})
    assert log_in("SCRAM-SHA-256", Secrets("I\u00adX", "\u00aa"), users) == "IX"
    with pytest.raises(LocalProtocolError, match="SASLprep prohibits"):
        log_in("SCRAM-SHA-256", Secrets("a\u0007", "x"), users)


def test_no_repr_shows_a_secret() -> None:
    """Neither what a client has nor what a server knows is ever printed."""
    assert "pw" not in repr(Secrets("me", "pw", "token"))
    assert "token" not in repr(Secrets("me", "pw", "tok123")).replace("token=", "")
    assert "pässword" not in repr(USERS)


def test_every_client_first_mechanism_speaks_first() -> None:
    """The server's first challenge is empty there, so that an initial response can take its place."""
    for name in SERVER_MECHANISMS:
        assert (next(server_mechanism(name, USERS, "n")) == b"") == (name in CLIENT_FIRST)


@pytest.mark.parametrize("proof", ["é", "!", "\u0661", "AA"])
def test_a_scram_proof_that_is_no_base64_is_malformed(proof: str) -> None:
    """501, not an error of the server's: whatever stands where the proof is due."""
    server = server_mechanism("SCRAM-SHA-256", USERS, "snonce")
    next(server)
    server.send(b"n,,n=me,r=cnonce")
    with pytest.raises((MalformedResponse, AuthenticationFailed)) as caught:
        server.send(f"c=biws,r=cnoncesnonce,p={proof}".encode())
    assert proof == "AA" or isinstance(caught.value, MalformedResponse)


@pytest.mark.parametrize("name", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_a_password_that_saslprep_prohibits_lets_nobody_in(name: str) -> None:
    """The server was given one; no client that prepares its password can know it."""
    server = server_mechanism(name, Credentials({"me": "a\u0007"}), "snonce")
    next(server)
    server.send(b"n,,n=me,r=cnonce")
    with pytest.raises(AuthenticationFailed):
        server.send(b"c=biws,r=cnoncesnonce,p=AAAA")
    with pytest.raises(LocalProtocolError, match="SASLprep"):
        prepared("a\u0007")


@pytest.mark.parametrize("password", ["p\udc80w", "pässword"])
def test_a_password_outside_unicode_is_compared_as_any_other(password: str) -> None:
    """As the environment gives it for octets that are no text: wrong, and no error."""
    server = server_mechanism("PLAIN", Credentials({"me": password}), "")
    next(server)
    with pytest.raises(AuthenticationFailed):
        server.send(b"\0me\0other")


@pytest.mark.parametrize("name", SERVER_MECHANISMS)
def test_the_deferring_forms_leave_the_derivation_to_their_driver(name: str) -> None:
    """Both sides: what the driver derives, in whatever thread, is the same that is derived at once."""
    secrets = Secrets("me", "pässword", "token")
    client = deferring_client_mechanism(name, secrets, "cnonce")
    server = deferring_server_mechanism(name, USERS, "snonce")
    derived: list[bytes] = []

    def answered(steps: Generator[Any, bytes, Any], message: bytes) -> bytes:
        answer = steps.send(message)
        while isinstance(answer, Derivation):
            derived.append(answer.derive())
            answer = steps.send(derived[-1])
        assert isinstance(answer, bytes)
        return answer

    challenge, response = next(server), next(client)
    assert not isinstance(challenge, Derivation)
    assert not isinstance(response, Derivation)

    def talk() -> str:
        said, answer = challenge, response
        while True:
            try:
                said = answered(server, answer if answer is not None else answered(client, said))
            except StopIteration as end:
                return str(end.value)
            answer = None

    assert talk() == "me"
    assert len(derived) == (2 if name.startswith("SCRAM") else 0)
    assert len(set(derived)) == len(derived) // 2


def test_secrets_mask_themselves() -> None:
    """A text and octets that are equal to what they hold, and print as a mask, also within others."""
    text, octets = SecretText("pw"), SecretOctets(b"pw")
    assert (text, octets) == ("pw", b"pw")
    assert (repr(text), repr(octets), repr([text])) == ("'********'", "b'********'", "['********']")
    assert "pw" not in repr(Secrets("me", "pw"))
    steps = client_mechanism("PLAIN", Secrets("me", "hunter2"), "")
    assert repr(next(steps)) == "b'********'"
