from __future__ import annotations

import copy
from typing import Any

import pytest

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.server.settings import DEFAULT_EXTENSIONS, KINDS, ServerSettings


def test_the_defaults_are_those_of_the_documentation() -> None:
    """A server of which nothing was said: loopback, a port the system chooses, STARTTLS, no login."""
    settings = ServerSettings()
    assert (settings.host, settings.port, settings.allow_remote) == ("127.0.0.1", 0, False)
    assert (settings.tls, settings.require_tls, settings.certificate) == ("starttls", False, "trusted")
    assert (settings.client_certificate, settings.tls_versions) == ("none", None)
    assert (settings.users, settings.tokens, settings.auth) == ({}, {}, ())
    assert (settings.require_auth, settings.auth_without_tls) == (False, False)
    assert (settings.size_limit, settings.recipient_limit) == (33_554_432, None)
    assert settings.extensions == DEFAULT_EXTENSIONS
    assert (settings.esmtp, settings.greylist) == (True, None)
    assert (settings.strict, settings.ignore_violations) == (True, ())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"users": {"a": "b"}}, ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN")),
        ({"tokens": {"a": "b"}}, ("XOAUTH2", "OAUTHBEARER")),
        ({"users": "*"}, ("CRAM-MD5", "PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER")),
        ({"users": {"a": "b"}, "auth": ["plain"]}, ("PLAIN",)),
        ({"users": {"a": "b"}, "auth": ()}, ()),
    ],
)
def test_auth_is_all_that_users_and_tokens_allow(given: dict[str, Any], expected: tuple[str, ...]) -> None:
    """SCRAM needs a password to prove itself, so it does not go with `users="*"`."""
    settings = ServerSettings.from_mapping(given)
    assert settings.auth == expected
    assert settings.require_auth is True


@pytest.mark.parametrize(("tls", "expected"), [("none", True), ("starttls", False), ("implicit", False)])
def test_auth_without_tls_only_where_there_is_no_tls(tls: str, expected: bool) -> None:
    """Where TLS is on offer, AUTH waits for it."""
    assert ServerSettings.from_mapping({"tls": tls}).auth_without_tls is expected


def test_replace_derives_anew_what_was_left_to_its_default() -> None:
    """`auth` follows `users`, unless it was given itself."""
    settings = ServerSettings(users={"a": "b"})
    assert settings.replace(users={}, tokens={"a": "t"}).auth == ("XOAUTH2", "OAUTHBEARER")
    assert settings.replace(users={}).require_auth is False
    assert ServerSettings(users={"a": "b"}, auth=("LOGIN",)).replace(tokens={"a": "t"}).auth == ("LOGIN",)
    assert settings.replace() is settings


def test_settings_are_a_value() -> None:
    """Frozen, equal by value, hashable, and independent of the mapping that they were made from."""
    users = {"a": "b"}
    settings = ServerSettings(users=users)
    users["c"] = "d"
    assert settings.users == {"a": "b"}
    assert settings == ServerSettings(users={"a": "b"})
    assert hash(settings) == hash(ServerSettings(users={"a": "b"}))
    assert settings != ServerSettings(users={"a": "c"})
    assert copy.copy(settings) == settings
    with pytest.raises(AttributeError):
        settings.tls = "none"  # type: ignore[misc]


def test_no_repr_shows_a_password_or_token() -> None:
    """Settings are printed by failing assertions."""
    text = repr(ServerSettings(users={"ada": "s3cret"}, tokens={"bob": "t0ken"}))
    assert "s3cret" not in text
    assert "t0ken" not in text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tlss": "none"}, "there is no setting 'tlss' (did you mean 'tls'?)"),
        ({"tls": "startls"}, "tls cannot be 'startls' (did you mean 'starttls'?)"),
        ({"tls": None}, "tls is one of 'none', 'starttls', 'implicit', not None"),
        ({"certificate": "exspired"}, "certificate cannot be 'exspired' (did you mean 'expired'?)"),
        (
            {"client_certificate": "require"},
            "client_certificate cannot be 'require' (did you mean 'required'?)",
        ),
        (
            {"host": "0.0.0.0"},
            (
                "host '0.0.0.0' can be reached from other machines: use '127.0.0.1' or '::1', "
                "or say allow_remote=True"
            ),
        ),
        ({"host": ""}, "host is a text such as '127.0.0.1', not ''"),
        ({"port": 65536}, "port 65536 is out of range: 0 to 65535"),
        ({"port": True}, "port is a whole number, 0 to let the system choose, not True"),
        ({"require_tls": 1}, "require_tls is True or False, not 1"),
        ({"users": "ada"}, "users maps each user to its password, or is '*' for anybody; it is no str"),
        ({"users": {"ada": None}}, "users: the password of 'ada' is a text, not a NoneType"),
        ({"tokens": "*"}, "tokens maps each user to its access token; it is no str"),
        ({"users": {"": "x"}}, "users holds the user '': a user is a text that is not empty"),
        ({"auth": "PLAIN"}, "auth is a tuple of names such as ('SCRAM-SHA-256',), not 'PLAIN'"),
        ({"auth": ["PLAINN"]}, "auth cannot hold 'PLAINN' (did you mean 'PLAIN'?)"),
        (
            {"users": "*", "auth": ["SCRAM-SHA-1"]},
            "auth 'SCRAM-SHA-1' cannot go with users='*': the server must know the password to prove it",
        ),
        ({"extensions": ["AUTH"]}, "extensions cannot hold 'AUTH' (AUTH follows from the setting 'auth')"),
        ({"extensions": [8]}, "extensions holds 8, which is no name"),
        ({"tls_versions": ()}, "tls_versions is empty: name at least one of"),
        ({"tls_versions": ("TLSv1", "TLSv1.3")}, "tls_versions ('TLSv1', 'TLSv1.3') leaves a gap"),
        ({"size_limit": -1}, "size_limit -1 is out of range: at least 1"),
        ({"size_limit": 1.5}, "size_limit is a number of octets, not 1.5"),
        ({"recipient_limit": "3"}, "recipient_limit is a number of recipients, not '3'"),
        ({"greylist": -1}, "greylist is a number of seconds, 0 or more, not -1"),
        (
            {"ignore_violations": ["bare-fl"]},
            "ignore_violations cannot hold 'bare-fl' (did you mean 'bare-lf'?)",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(given: dict[str, Any], words: str) -> None:
    """The message names the setting, the value and the way out."""
    with pytest.raises(SettingsError) as caught:
        ServerSettings.from_mapping(given)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize("line", [5, 1.5, True, None, ["ada: s3cret"], {"ada": "s3cret"}])
def test_an_account_of_toml_that_is_no_text(line: object) -> None:
    """A list of anything but texts is an error that says what to write, and shows no secret."""
    with pytest.raises(SettingsError, match=r"^users holds an account of type .*: write the text") as caught:
        KINDS["users"].from_ini("users", ["bob: hunter2", line])
    assert "s3cret" not in str(caught.value)


def test_a_wrong_password_type_is_not_shown() -> None:
    """The message about a password that is no text does not repeat it."""
    with pytest.raises(SettingsError) as caught:
        ServerSettings.from_mapping({"users": {"ada": b"s3cret"}})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_leave(host: str) -> None:
    """Every way to say loopback is taken."""
    assert ServerSettings(host=host).host == host


def test_another_host_needs_leave() -> None:
    """`allow_remote` is the leave."""
    assert ServerSettings(host="0.0.0.0", allow_remote=True).host == "0.0.0.0"


@pytest.mark.parametrize(
    "value", [{"users": {"ada": "pass"}}, {"tls": "none"}, {"extensions": ("SIZE",)}, {}]
)
def test_replacing_by_what_is_there_changes_nothing(value: dict[str, Any]) -> None:
    """A marker that repeats what a server was made with costs no second check, and makes no second value."""
    made = ServerSettings(**value)
    assert made.replace(**value) is made


def test_replacing_by_what_only_looks_the_same() -> None:
    """True is not 1, a mapping that was changed in place is new, and an unknown name is refused."""
    users = {"ada": "pass"}
    made = ServerSettings(users=users, size_limit=1)
    users["bob"] = "word"
    assert made.replace(users=users).users == {"ada": "pass", "bob": "word"}
    with pytest.raises(SettingsError, match="size_limit"):
        made.replace(size_limit=True)
    with pytest.raises(SettingsError, match="there is no setting 'nope'"):
        made.replace(nope=None)  # type: ignore[call-arg]
