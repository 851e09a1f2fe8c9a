"""What a fake server is set to: every setting, its default, and what is wrong with a value that cannot be.

RFC 5321 4.5.3.1 (limits), RFC 4954 (AUTH), RFC 3207 (STARTTLS).
The one thing to know: settings are a frozen value; where the default follows from another setting (`auth`,
`require_auth`, `auth_without_tls`), `replace` derives it anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.records.violation import VIOLATIONS
from pytest_smtp4d.smtp.extension import EXTENSIONS as _EXTENSIONS
from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["CERTIFICATES", "DEFAULT_EXTENSIONS", "EXTENSIONS", "ServerSettings", "meanings"]

TLS_MODES = ("none", "starttls", "implicit")
CERTIFICATES = (
    "trusted",
    "expired",
    "not_yet_valid",
    "wrong_host",
    "self_signed",
    "unknown_ca",
    "no_san",
    "incomplete_chain",
)
CLIENT_CERTIFICATES = ("none", "optional", "required")
TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

DEFAULT_EXTENSIONS = tuple(
    extension.keyword for extension in _EXTENSIONS.values() if extension.by_default and not extension.follows
)
"""What the server offers unless it is told otherwise."""

EXTENSIONS = tuple(extension.keyword for extension in _EXTENSIONS.values() if not extension.follows)
"""All that can be offered."""

_LOOPBACK_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The settings of a fake server. Durations are seconds, sizes octets. No repr shows a password or token.

    Args:
        host: address to listen on; loopback unless `allow_remote`.
        port: 0 lets the system choose.
        allow_remote: permit a host that other machines can reach.
        tls: "none", "starttls" or "implicit".
        require_tls: commands before TLS get 530 5.7.0 (RFC 3207 4).
        certificate: which kind of certificate to show.
        client_certificate: "none", "optional" or "required"; checked against the CA that signs the server's.
        tls_versions: the versions to speak, neighbours of each other.
        users: user to password; "*" accepts any login and records it.
        tokens: user to OAuth2 access token.
        auth: the mechanisms on offer, strongest first.
        require_auth: MAIL before AUTH gets 530 5.7.0.
        auth_without_tls: AUTH is offered in clear text, too; otherwise it gets 538 5.7.11 there.
        size_limit: octets of a message, a bigger one gets 552 5.3.4 (RFC 1870); None: no limit.
        recipient_limit: recipients of a transaction, the next gets 452 4.5.3; None: no limit.
        extensions: what EHLO offers (AUTH and STARTTLS follow from `auth` and `tls`).
        esmtp: False: EHLO gets 502, a server of the HELO age.
        greylist: seconds after the first try for which RCPT gets 451 4.7.1, on the clock that only
            `advance(seconds)` moves; per peer host, sender and recipient (RFC 6647); None: never.
        strict: a fault never hit, a callback that raised or a fatal violation fails the test.
        ignore_violations: names of violations that never fail the test.

    Raises:
        SettingsError: a value of the wrong type or out of range; the message names the setting.
    """

    host: str = "127.0.0.1"
    port: int = 0
    allow_remote: bool = False
    tls: Literal["none", "starttls", "implicit"] = "starttls"
    require_tls: bool = False
    certificate: str = "trusted"
    client_certificate: Literal["none", "optional", "required"] = "none"
    tls_versions: tuple[str, ...] | None = None
    users: Mapping[str, str] | Literal["*"] = field(default_factory=dict, repr=False, hash=False)
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    auth: tuple[str, ...] = None  # type: ignore[assignment] # None: derived, as are the next two
    require_auth: bool = None  # type: ignore[assignment]
    auth_without_tls: bool = None  # type: ignore[assignment]
    size_limit: int | None = 33_554_432
    recipient_limit: int | None = None
    extensions: tuple[str, ...] = DEFAULT_EXTENSIONS
    esmtp: bool = True
    greylist: float | None = None
    strict: bool = True
    ignore_violations: tuple[str, ...] = ()
    given: Mapping[str, Any] = field(init=False, repr=False, compare=False)
    """Every setting as it was given, before anything was derived: `replace` starts from it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "given", MappingProxyType({name: getattr(self, name) for name in NAMES}))
        for name, check in _CHECKS.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))
        if not self.allow_remote and not _is_loopback(self.host):
            raise SettingsError(
                f"host {self.host!r} can be reached from other machines: use '127.0.0.1' or '::1', "
                "or say allow_remote=True"
            )
        self._derive_login()

    def _derive_login(self) -> None:
        if self.given["auth"] is None:
            object.__setattr__(self, "auth", self._possible_mechanisms())
        elif self.users == "*" and (scram := [name for name in self.auth if name.startswith("SCRAM-")]):
            raise SettingsError(
                f"auth {scram[0]!r} cannot go with users='*': the server must know the password to prove it"
            )
        if self.given["require_auth"] is None:
            object.__setattr__(self, "require_auth", bool(self.users or self.tokens))
        if self.given["auth_without_tls"] is None:
            object.__setattr__(self, "auth_without_tls", self.tls == "none")

    def _possible_mechanisms(self) -> tuple[str, ...]:
        if not self.users and not self.tokens:
            return ()
        from pytest_smtp4d.smtp.sasl import Credentials, mechanisms_for

        return mechanisms_for(Credentials(self.users, self.tokens))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> ServerSettings:
        """Return settings from a mapping of names to values.

        Raises:
            SettingsError: an unknown name (the nearest one is named), or as the class.
        """
        if not mapping:
            return _DEFAULTS
        for name in mapping:
            if name not in _NAMES:
                raise SettingsError(f"there is no setting {name!r}{nearest(str(name), NAMES)}")
        return cls(**mapping)

    def replace(self, **changes: Any) -> ServerSettings:
        """Return settings with some changed; what was left to its default follows the change.

        Raises:
            SettingsError: as `from_mapping`.
        """
        return self.from_mapping({**self.given, **changes}) if changes else self


NAMES = tuple(setting.name for setting in fields(ServerSettings) if setting.init)
"""The names of all settings, in the order of the documentation."""

_NAMES = frozenset(NAMES)


def meanings() -> dict[str, str]:
    """Return what each setting does, in the words of the class's docstring (nothing under `python -OO`)."""
    import inspect
    import re

    argument = re.compile(r"^    (\w+): (.*?)(?=\n    \w+: |\n\n)", re.MULTILINE | re.DOTALL)
    found = argument.findall(inspect.cleandoc(ServerSettings.__doc__ or ""))  # CPython 3.13 dedents it itself
    return {name: " ".join(words.split()).removesuffix(".") for name, words in found}


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() in _LOOPBACK_NAMES


# The check of each setting: it takes the name and the value given, and returns the value to keep.


def _boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"{name} is True or False, not {value!r}")
    return value


def _boolean_or_derived(name: str, value: object) -> bool | None:
    return None if value is None else _boolean(name, value)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{name} is a text such as '127.0.0.1', not {value!r}")
    return value


def _integer(name: str, value: object, lowest: int, highest: int | None, unit: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise SettingsError(f"{name} is a number of {unit}, not {value!r}")
    if value < lowest or (highest is not None and value > highest):
        above = f"{lowest} to {highest}" if highest is not None else f"at least {lowest}"
        raise SettingsError(f"{name} {value} is out of range: {above}")
    return value


def _port(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise SettingsError(f"{name} is a whole number, 0 to let the system choose, not {value!r}")
    if not 0 <= value <= 65535:
        raise SettingsError(f"{name} {value} is out of range: 0 to 65535")
    return value


def _octets(name: str, value: object) -> int | None:
    return None if value is None else _integer(name, value, 1, None, "octets")


def _recipients(name: str, value: object) -> int | None:
    return None if value is None else _integer(name, value, 0, None, "recipients")


def _seconds(name: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise SettingsError(f"{name} is a number of seconds, 0 or more, not {value!r}")
    return value


def _one_of(name: str, value: object, known: Iterable[str]) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{name} is one of {', '.join(map(repr, known))}, not {value!r}")
    if value not in known:
        raise SettingsError(f"{name} cannot be {value!r}{nearest(value, known)}")
    return value


def _several_of(name: str, value: object, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names in the order given, spelled as in `known`, each once."""
    if not isinstance(value, tuple | list | set | frozenset):
        raise SettingsError(f"{name} is a tuple of names such as ({known[0]!r},), not {value!r}")
    spelled = {one.casefold(): one for one in known}
    chosen: dict[str, None] = {}
    for one in sorted(value, key=str) if isinstance(value, set | frozenset) else value:
        if not isinstance(one, str):
            raise SettingsError(f"{name} holds {one!r}, which is no name")
        if one.casefold() not in spelled:
            raise SettingsError(f"{name} cannot hold {one!r}{_hint(name, one, known)}")
        chosen[spelled[one.casefold()]] = None
    return tuple(chosen)


def _hint(name: str, one: str, known: tuple[str, ...]) -> str:
    if name == "extensions" and one.upper() in ("AUTH", "STARTTLS"):
        return f" ({one.upper()} follows from the setting {'auth' if one.upper() == 'AUTH' else 'tls'!r})"
    return nearest(one, known)


def _tls_versions(name: str, value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    chosen = _several_of(name, value, TLS_VERSIONS)
    if not chosen:
        raise SettingsError(f"{name} is empty: name at least one of {', '.join(map(repr, TLS_VERSIONS))}")
    places = sorted(TLS_VERSIONS.index(version) for version in chosen)
    if places[-1] - places[0] != len(places) - 1:
        raise SettingsError(f"{name} {chosen!r} leaves a gap: versions must be neighbours")
    return tuple(TLS_VERSIONS[place] for place in places)


def _accounts(name: str, value: object) -> Mapping[str, str]:
    from collections.abc import Mapping as AnyMapping

    secret = "password" if name == "users" else "access token"
    if not isinstance(value, AnyMapping):
        what = f"{name} maps each user to its {secret}" + (
            ", or is '*' for anybody" if name == "users" else ""
        )
        raise SettingsError(f"{what}; it is no {type(value).__name__}")
    for user, word in value.items():
        if not isinstance(user, str) or not user:
            raise SettingsError(f"{name} holds the user {user!r}: a user is a text that is not empty")
        if not isinstance(word, str):
            raise SettingsError(f"{name}: the {secret} of {user!r} is a text, not a {type(word).__name__}")
    return MappingProxyType(dict(value))


def _users(name: str, value: object) -> Mapping[str, str] | str:
    return value if isinstance(value, str) and value == "*" else _accounts(name, value)


def _mechanisms(name: str, value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    from pytest_smtp4d.smtp.sasl import SERVER_MECHANISMS

    return _several_of(name, value, SERVER_MECHANISMS)


_CHECKS: dict[str, Callable[[str, object], object]] = {
    "host": _text,
    "port": _port,
    "allow_remote": _boolean,
    "tls": lambda name, value: _one_of(name, value, TLS_MODES),
    "require_tls": _boolean,
    "certificate": lambda name, value: _one_of(name, value, CERTIFICATES),
    "client_certificate": lambda name, value: _one_of(name, value, CLIENT_CERTIFICATES),
    "tls_versions": _tls_versions,
    "users": _users,
    "tokens": _accounts,
    "auth": _mechanisms,
    "require_auth": _boolean_or_derived,
    "auth_without_tls": _boolean_or_derived,
    "size_limit": _octets,
    "recipient_limit": _recipients,
    "extensions": lambda name, value: _several_of(name, value, EXTENSIONS),
    "esmtp": _boolean,
    "greylist": _seconds,
    "strict": _boolean,
    "ignore_violations": lambda name, value: _several_of(name, value, tuple(VIOLATIONS)),
}

_DEFAULTS = ServerSettings()
