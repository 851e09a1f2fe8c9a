"""Authentication mechanisms as small generators, the client's and the server's side by side.

RFC 4954 (AUTH), RFC 4422 (SASL), RFC 4616 (PLAIN), RFC 2195 (CRAM-MD5), RFC 5802 and 7677 (SCRAM),
RFC 7628 (OAUTHBEARER); LOGIN and XOAUTH2 after the providers' own pages.

A mechanism is a generator of octets, before base64. The client's yields responses and receives challenges;
its first yield is the initial response, or None where the server speaks first. The server's yields
challenges, receives responses and returns the user. SCRAM's salted password takes the processor long. The
deferring forms yield a `Derivation` there and receive what it derives to, so that their driver can choose
the thread.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import stringprep
import unicodedata
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from pytest_smtp4d.errors import LocalProtocolError, RemoteProtocolError, SMTP4DError
from pytest_smtp4d.smtp.secret import SecretOctets, SecretText

__all__ = [
    "CLIENT_FIRST",
    "MAX_ITERATIONS",
    "SERVER_MECHANISMS",
    "AuthenticationFailed",
    "ClientMechanism",
    "Credentials",
    "DeferringClientMechanism",
    "DeferringServerMechanism",
    "Derivation",
    "MalformedResponse",
    "Secrets",
    "ServerMechanism",
    "choose",
    "client_mechanism",
    "deferring_client_mechanism",
    "deferring_server_mechanism",
    "mechanisms_for",
    "prepared",
    "server_mechanism",
]

ClientMechanism = Generator["bytes | None", bytes, None]
DeferringClientMechanism = Generator["bytes | Derivation | None", bytes, None]
ServerMechanism = Generator[bytes, bytes, str]
DeferringServerMechanism = Generator["bytes | Derivation", bytes, str]

SERVER_MECHANISMS = (
    "SCRAM-SHA-256",
    "SCRAM-SHA-1",
    "CRAM-MD5",
    "PLAIN",
    "LOGIN",
    "XOAUTH2",
    "OAUTHBEARER",
)
"""All that both sides speak; those for passwords from the strongest to the weakest, then those for tokens."""

CLIENT_FIRST = frozenset({"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "XOAUTH2", "OAUTHBEARER"})
"""Mechanisms in which the client speaks first (RFC 4422 5)."""

_OAUTH2 = ("XOAUTH2", "OAUTHBEARER")
_HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}
_ITERATIONS = 4096

MAX_ITERATIONS = 1_000_000
"""Iterations of SCRAM that a client does at a server's word: about half a second of a processor."""


class AuthenticationFailed(SMTP4DError):  # noqa: N818 - the outcome of a dialogue
    """The user is unknown, or the password or token is not theirs: 535 5.7.8."""

    def __init__(self, user: str) -> None:
        super().__init__("Authentication credentials invalid")
        self.user = user


class MalformedResponse(SMTP4DError):  # noqa: N818 - the outcome of a dialogue
    """A response does not follow the mechanism's syntax: 501 5.5.2."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """A salted password that SCRAM needs (RFC 5802 3: Hi). The repr shows no secret.

    Args:
        algorithm: of the hash, as `hashlib` names it.
        password: prepared, as UTF-8.
        salt: octets of the server's choice.
        iterations: 1 to `MAX_ITERATIONS`.
    """

    algorithm: str
    password: SecretOctets = field(repr=False)
    salt: bytes
    iterations: int

    def derive(self) -> SecretOctets:
        """Return the salted password; takes the processor long, and lets other threads run meanwhile."""
        return SecretOctets(hashlib.pbkdf2_hmac(self.algorithm, self.password, self.salt, self.iterations))


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a client logs in with. The repr shows no secret.

    Args:
        user: the account.
        password: its password, or None.
        token: an OAuth2 access token, or None.
        host, port: whom OAUTHBEARER names as the server (RFC 7628 3.1).
    """

    user: str
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    host: str = ""
    port: int = 0

    def __post_init__(self) -> None:
        for name in ("password", "token"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, SecretText(getattr(self, name)))


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who may log in at a server. The repr shows no secret.

    Args:
        users: user to password, or "*" for anybody with anything.
        tokens: user to OAuth2 access token.
    """

    users: Mapping[str, str] | Literal["*"] = field(default_factory=dict, repr=False)
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)

    def password_of(self, user: str) -> str:
        """Return the user's password.

        Raises:
            AuthenticationFailed: there is no such user.
        """
        password = None if self.users == "*" else self.users.get(user)
        if password is None:
            raise AuthenticationFailed(user)
        return password

    def check_password(self, user: str, password: str) -> str:
        """Return the user when the password is theirs, else raise `AuthenticationFailed`."""
        if self.users != "*" and not _same(self.password_of(user), password):
            raise AuthenticationFailed(user)
        return user

    def accepts_token(self, user: str, token: str) -> bool:
        """True when the access token is the user's (with users="*": always)."""
        known = self.tokens.get(user)
        return self.users == "*" if known is None else _same(known, token)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(
        SecretOctets(one.encode("utf-8", "surrogatepass")),
        SecretOctets(other.encode("utf-8", "surrogatepass")),
    )


def mechanisms_for(credentials: Credentials) -> tuple[str, ...]:
    """Return the mechanisms that these credentials allow, strongest first.

    With users="*" there is no password to prove anything with, so SCRAM is left out.
    """
    allowed: list[str] = []
    for name in SERVER_MECHANISMS:
        if name in _OAUTH2:
            fits = bool(credentials.tokens) or credentials.users == "*"
        elif name in _HASHES:
            fits = bool(credentials.users) and credentials.users != "*"
        else:
            fits = bool(credentials.users)
        if fits:
            allowed.append(name)
    return tuple(allowed)


def choose(offered: tuple[str, ...], secrets: Secrets, mode: str | None) -> str | None:
    """Return the mechanism to use, or None when none of the offered ones will do.

    Args:
        offered: what EHLO named, upper case.
        secrets: what there is to log in with.
        mode: None for the strongest, else 4D's "CRAM-MD5", "LOGIN", "PLAIN" or "OAUTH2".
    """
    if mode == "OAUTH2" or (mode is None and secrets.token is not None):
        candidates: tuple[str, ...] = _OAUTH2
    elif mode is not None:
        candidates = (mode,)
    else:
        candidates = tuple(name for name in SERVER_MECHANISMS if name not in _OAUTH2)
    return next((name for name in candidates if name in offered), None)


# -- the client's side ---------------------------------------------------------------------------------


def client_mechanism(name: str, secrets: Secrets, nonce: str) -> ClientMechanism:
    """Return the client's side of a mechanism, which derives at once; as `deferring_client_mechanism`."""
    return _derived_at_once(deferring_client_mechanism(name, secrets, nonce))


def deferring_client_mechanism(name: str, secrets: Secrets, nonce: str) -> DeferringClientMechanism:
    """Return the client's side of a mechanism.

    Args:
        name: one of `SERVER_MECHANISMS`.
        secrets: what to log in with.
        nonce: printable text without a comma that was never used before (SCRAM).

    Raises:
        LocalProtocolError: the user, password or token cannot be said in this mechanism.
        RemoteProtocolError: the server's part of the exchange is wrong (SCRAM).
    """
    if name in _OAUTH2:
        _refuse(_given(secrets.token, "access token", name), "\x01", "access token", name)
        _refuse(secrets.user, "\x01", "user", name)
        return _client_xoauth2(secrets) if name == "XOAUTH2" else _client_oauthbearer(secrets)
    password = _given(secrets.password, "password", name)
    _refuse(secrets.user, "\0", "user", name)
    _refuse(password, "\0", "password", name)
    if name == "PLAIN":
        return _client_plain(secrets.user, password)
    if name == "LOGIN":
        return _client_login(secrets.user, password)
    if name == "CRAM-MD5":
        return _client_cram_md5(secrets.user, password)
    return _client_scram(_HASHES[name], secrets.user, password, nonce)


def _given(secret: str | None, what: str, name: str) -> str:
    if secret is None:
        raise LocalProtocolError(f"{name} needs the {what}, and none was given")
    return secret


def _refuse(text: str, forbidden: str, what: str, name: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, as the environment gives for octets that are no text
        raise LocalProtocolError(f"the {what} cannot be encoded as UTF-8, which {name} requires") from None
    if forbidden in text:
        raise LocalProtocolError(f"the {what} holds the character {forbidden!r}, which {name} cannot carry")


def _client_plain(user: str, password: str) -> DeferringClientMechanism:
    yield SecretOctets(f"\0{user}\0{password}".encode())


def _client_login(user: str, password: str) -> DeferringClientMechanism:
    yield None
    yield user.encode()
    yield SecretOctets(password.encode())


def _client_cram_md5(user: str, password: str) -> DeferringClientMechanism:
    challenge = yield None
    digest = SecretText(hmac.new(SecretOctets(password.encode()), challenge, "md5").hexdigest())
    yield SecretOctets(f"{user} {digest}".encode())


def _client_xoauth2(secrets: Secrets) -> DeferringClientMechanism:
    yield SecretOctets(f"user={secrets.user}\x01auth=Bearer {secrets.token}\x01\x01".encode())
    yield b""  # the answer to an error challenge; the code that follows says what was wrong


def _client_oauthbearer(secrets: Secrets) -> DeferringClientMechanism:
    where = f"\x01host={secrets.host}\x01port={secrets.port}" if secrets.host else ""
    head = f"n,a={_saslname(secrets.user)},{where}"
    yield SecretOctets(f"{head}\x01auth=Bearer {secrets.token}\x01\x01".encode())
    yield b"\x01"  # RFC 7628 3.2.3


def _client_scram(algorithm: str, user: str, password: str, nonce: str) -> DeferringClientMechanism:
    bare = f"n={_saslname(prepared(user))},r={nonce}"
    server_first = (yield f"n,,{bare}".encode()).decode("utf-8", "replace")
    attributes = _attributes(server_first)
    try:
        both, salt = attributes["r"], base64.b64decode(attributes["s"], validate=True)
        iterations = _iteration_count(attributes["i"])
    except (KeyError, ValueError) as error:
        raise RemoteProtocolError("the server's SCRAM challenge is malformed (RFC 5802 7)") from error
    if not both.startswith(nonce) or len(both) == len(nonce):
        raise RemoteProtocolError("the server's SCRAM nonce does not continue ours: an answer replayed")
    salted = SecretOctets(
        (yield Derivation(algorithm, SecretOctets(prepared(password).encode()), salt, iterations))
    )
    without_proof = f"c=biws,r={both}"
    signed = f"{bare},{server_first},{without_proof}".encode()
    proof = SecretText(base64.b64encode(_proof(algorithm, salted, signed)).decode())
    server_final = yield SecretOctets(f"{without_proof},p={proof}".encode())
    expected = SecretText(base64.b64encode(_server_signature(algorithm, salted, signed)).decode())
    if not _same(_attributes(server_final.decode("utf-8", "replace")).get("v", ""), expected):
        raise RemoteProtocolError("the server does not know the password: its SCRAM signature is wrong")
    yield b""


_POSIT_NUMBER = re.compile("[1-9][0-9]*")  # posit-number = %x31-39 *DIGIT                     RFC 5802 7


def _iteration_count(text: str) -> int:
    if _POSIT_NUMBER.fullmatch(text) is None:
        raise ValueError(text)
    if len(text) > len(str(MAX_ITERATIONS)) or int(text) > MAX_ITERATIONS:
        shown = text if len(text) <= 20 else f"of {len(text)} digits"
        raise RemoteProtocolError(
            f"the server's SCRAM iteration count {shown} is out of reason (more than {MAX_ITERATIONS})"
        )
    return int(text)


# -- the server's side ---------------------------------------------------------------------------------


def server_mechanism(
    name: str, credentials: Credentials, nonce: str, host: str = "localhost"
) -> ServerMechanism:
    """Return the server's side of a mechanism, which returns the user who logged in.

    Args:
        name: one of `SERVER_MECHANISMS`.
        credentials: who may log in.
        nonce: printable text without a comma that was never used before.
        host: the server's name, in CRAM-MD5 challenges.

    Raises:
        AuthenticationFailed: 535 5.7.8.
        MalformedResponse: 501 5.5.2.
    """
    if name == "PLAIN":
        return _server_plain(credentials)
    if name == "LOGIN":
        return _server_login(credentials)
    if name == "CRAM-MD5":
        return _server_cram_md5(credentials, f"<{nonce}@{host}>".encode())
    if name == "XOAUTH2":
        return _server_xoauth2(credentials)
    if name == "OAUTHBEARER":
        return _server_oauthbearer(credentials)
    return _derived_at_once(_server_scram(_HASHES[name], credentials, nonce))


def deferring_server_mechanism(
    name: str, credentials: Credentials, nonce: str, host: str = "localhost"
) -> DeferringServerMechanism:
    """Return the server's side of a mechanism, as `server_mechanism`; it may yield a `Derivation` as well.

    Send back what that derives to: `steps.send(derivation.derive())`, in a thread of your choice.
    """
    if name in _HASHES:
        return _server_scram(_HASHES[name], credentials, nonce)
    return server_mechanism(name, credentials, nonce, host)


def _text(octets: bytes) -> SecretText:
    octets = SecretOctets(octets)
    try:
        return SecretText(octets.decode())
    except UnicodeDecodeError:
        raise MalformedResponse("The response is not UTF-8") from None


def _server_plain(credentials: Credentials) -> ServerMechanism:
    # message = [authzid] UTF8NUL authcid UTF8NUL passwd                               RFC 4616 2
    authzid, *rest = map(SecretText, _text((yield b"")).split("\0"))
    if len(rest) != 2 or not all(rest):
        raise MalformedResponse("PLAIN takes [authzid] NUL authcid NUL passwd (RFC 4616)")
    user, password = rest
    credentials.check_password(user, password)
    if authzid not in ("", user):
        raise AuthenticationFailed(str(user))
    return str(user)


def _server_login(credentials: Credentials) -> ServerMechanism:
    user = str(_text((yield b"Username:")))
    password = _text((yield b"Password:"))
    return credentials.check_password(user, password)


def _server_cram_md5(credentials: Credentials, challenge: bytes) -> ServerMechanism:
    user, blank, digest = _text((yield challenge)).rpartition(" ")  # the digest is no secret that lasts
    if not blank or len(digest) != 32:
        raise MalformedResponse("CRAM-MD5 takes the user, a blank and 32 hex digits (RFC 2195)")
    if credentials.users != "*":
        expected = hmac.new(credentials.password_of(user).encode(), challenge, "md5").hexdigest()
        if not _same(expected, digest.lower()):
            raise AuthenticationFailed(user)
    return user


def _bearer(pairs: list[SecretText]) -> SecretText:
    auth = SecretText(next((pair[5:] for pair in pairs if pair.lower().startswith("auth=")), ""))
    scheme, token = (SecretText(word) for word in auth.partition(" ")[::2])
    if scheme.lower() != "bearer" or not token:
        raise MalformedResponse("The response has no auth=Bearer token")
    return token


def _server_xoauth2(credentials: Credentials) -> ServerMechanism:
    # "user=" user ^A "auth=Bearer " token ^A ^A
    pairs = [SecretText(pair) for pair in _text((yield b"")).split("\x01")]
    if len(pairs) < 4 or not pairs[0].startswith("user=") or pairs[-2:] != ["", ""]:
        raise MalformedResponse("XOAUTH2 takes user=…^Aauth=Bearer …^A^A")
    user = pairs[0][5:]
    if not credentials.accepts_token(user, _bearer(pairs)):
        yield json.dumps(
            {"status": "400", "schemes": "Bearer", "scope": "https://mail.example.com/"}
        ).encode()
        raise AuthenticationFailed(user)
    return user


def _server_oauthbearer(credentials: Credentials) -> ServerMechanism:
    # client-resp = gs2-header kvsep *kvpair kvsep                                    RFC 7628 3.1
    pairs = [SecretText(pair) for pair in _text((yield b"")).split("\x01")]
    header = pairs[0].split(",")
    if len(pairs) < 4 or pairs[-2:] != ["", ""] or len(header) != 3 or header[0] not in ("n", "y"):
        raise MalformedResponse("OAUTHBEARER takes n,a=user,^Aauth=Bearer …^A^A (RFC 7628)")
    user = header[1][2:].replace("=2C", ",").replace("=3D", "=")
    token = _bearer(pairs)
    if not user and len(credentials.tokens) == 1:
        user = next(
            iter(credentials.tokens)
        )  # the a= of the header may be left out: the token names the user
    if not credentials.accepts_token(user, token):
        yield json.dumps({"status": "invalid_token", "scope": "https://mail.example.com/"}).encode()
        raise AuthenticationFailed(user)
    return user


def _server_scram(algorithm: str, credentials: Credentials, nonce: str) -> DeferringServerMechanism:
    # client-first-message = gs2-header client-first-message-bare                     RFC 5802 7
    client_first = _text((yield b""))
    header = client_first.split(",", 2)
    if len(header) != 3 or header[0] not in ("n", "y"):
        raise MalformedResponse("SCRAM begins with n,, or y,, (no channel binding is offered)")
    bare = header[2]
    attributes = _attributes(bare)
    if not attributes.get("n") or not attributes.get("r"):
        raise MalformedResponse("SCRAM's first message names n= and r= (RFC 5802)")
    user = attributes["n"].replace("=2C", ",").replace("=3D", "=")
    both = attributes["r"] + nonce
    # The salt follows from the nonce, which is new each time: nothing of a password is kept anywhere.
    salt = hashlib.sha256(nonce.encode()).digest()[:16]
    server_first = f"r={both},s={base64.b64encode(salt).decode()},i={_ITERATIONS}"
    client_final = _text((yield server_first.encode()))
    without_proof, _, _ = client_final.rpartition(",p=")
    attributes = _attributes(client_final)
    gs2_header = base64.b64encode(f"{header[0]},{header[1]},".encode()).decode()
    try:
        proof = base64.b64decode(attributes["p"], validate=True)
        fits = attributes["c"] == gs2_header and attributes["r"] == both
    except (KeyError, ValueError) as error:
        raise MalformedResponse("SCRAM's final message names c=, r= and p= (RFC 5802)") from error
    if not fits:
        raise MalformedResponse("SCRAM's final message repeats another nonce or channel binding")
    try:
        password = SecretOctets(prepared(credentials.password_of(user)).encode())
    except LocalProtocolError:  # no client that prepares it too can know such a password
        raise AuthenticationFailed(user) from None
    salted = SecretOctets((yield Derivation(algorithm, password, salt, _ITERATIONS)))
    signed = f"{bare},{server_first},{without_proof}".encode()
    if not hmac.compare_digest(proof, _proof(algorithm, salted, signed)):
        raise AuthenticationFailed(user)
    yield b"v=" + base64.b64encode(_server_signature(algorithm, salted, signed))
    return user


_Said = TypeVar("_Said")
_End = TypeVar("_End")


def _derived_at_once(steps: Generator[_Said | Derivation, bytes, _End]) -> Generator[_Said, bytes, _End]:
    """Run a mechanism, and do its derivations where it runs."""
    try:
        step = next(steps)
        while True:
            step = steps.send(step.derive() if isinstance(step, Derivation) else (yield step))
    except StopIteration as end:
        value: _End = end.value
        return value


# -- SCRAM's arithmetic and names (RFC 5802 3, 5.1; RFC 4013) ------------------------------------------


def _proof(algorithm: str, salted: bytes, signed: bytes) -> bytes:
    client_key = hmac.digest(salted, b"Client Key", algorithm)
    signature = hmac.digest(hashlib.new(algorithm, client_key).digest(), signed, algorithm)
    return bytes(one ^ other for one, other in zip(client_key, signature, strict=True))


def _server_signature(algorithm: str, salted: bytes, signed: bytes) -> bytes:
    return hmac.digest(hmac.digest(salted, b"Server Key", algorithm), signed, algorithm)


def _attributes(message: str) -> dict[str, str]:
    return {pair[0]: pair[2:] for pair in message.split(",") if pair[1:2] == "="}


def _saslname(user: str) -> str:
    return user.replace("=", "=3D").replace(",", "=2C")


def prepared(text: str) -> SecretText:
    """Return a user or password after SASLprep (RFC 4013): mapped, normalised, and checked.

    Raises:
        LocalProtocolError: it holds a character that SASLprep prohibits, or cannot be encoded as UTF-8.
    """
    if text.isascii() and text.isprintable():
        return SecretText(text)
    mapped = SecretText(
        "".join(
            " " if stringprep.in_table_c12(character) else character
            for character in text
            if not stringprep.in_table_b1(character)
        )
    )
    normal = SecretText(unicodedata.normalize("NFKC", mapped))
    if any(table(character) for character in normal for table in _PROHIBITED):
        # Which one is not said: it may be the password's.
        raise LocalProtocolError("a user or password holds what SASLprep prohibits (RFC 4013 2.3)")
    return normal


_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)
