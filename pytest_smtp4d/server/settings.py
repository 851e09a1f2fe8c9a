"""What a fake server is set to: every setting, its default, and what is wrong with a value that cannot be.

RFC 5321 4.5.3.1 (limits), RFC 4954 (AUTH), RFC 3207 (STARTTLS).
Settings are a frozen value; where the default follows from another setting (`auth`, `require_auth`,
`auth_without_tls`), `replace` derives it anew. What kind of value each takes stands in one table, `KINDS`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.server.kinds import Accounts, Boolean, HostNames, Kind, Number, OneOf, SeveralOf, Text
from pytest_smtp4d.smtp.extension import EXTENSIONS as _EXTENSIONS
from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack

    from pytest_smtp4d.server.keywords import (
        CertificateName,
        ExtensionName,
        Mechanism,
        SettingsDict,
        TLSMode,
        TLSVersion,
        Willingness,
    )

__all__ = [
    "CERTIFICATES",
    "DEFAULT_EXTENSIONS",
    "DERIVED",
    "EXTENSIONS",
    "ServerSettings",
    "meanings",
]

TLS_MODES: tuple[TLSMode, ...] = ("none", "starttls", "implicit")


class Certificate(NamedTuple):
    """A kind of certificate that the server can show.

    Args:
        issuer: "ca" (the one that clients can trust), "stranger" (one that nobody knows), "itself", or
            "missing" (an intermediate authority whose own certificate is not sent).
        names: "host" (those by which the server is reached), "other", or "common" (only as common name, no
            SAN).
        valid: the first and the last day of its validity; fixed, for a test may have moved the clock.
        refused: why a careful client refuses it, in words; "" where it does not.
    """

    issuer: Literal["ca", "stranger", "itself", "missing"] = "ca"
    names: Literal["host", "other", "common"] = "host"
    valid: tuple[str, str] = ("2001-01-01", "2037-12-31")
    refused: str = ""


CERTIFICATES: Mapping[CertificateName, Certificate] = {
    "trusted": Certificate(),
    "expired": Certificate(valid=("2001-01-01", "2002-01-01"), refused="it has expired"),
    "not_yet_valid": Certificate(valid=("2037-12-01", "2037-12-31"), refused="it is not valid yet"),
    "wrong_host": Certificate(names="other", refused="it is for another host"),
    "self_signed": Certificate(issuer="itself", refused="nobody vouches for it"),
    "unknown_ca": Certificate(issuer="stranger", refused="its authority is unknown"),
    "no_san": Certificate(names="common"),
    "incomplete_chain": Certificate(
        issuer="missing", refused="a certificate between it and its authority is missing"
    ),
}
"""The kinds of certificate."""

CLIENT_CERTIFICATES: tuple[Willingness, ...] = ("none", "optional", "required")
TLS_VERSIONS: tuple[TLSVersion, ...] = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

EXTENSIONS = cast(
    "tuple[ExtensionName, ...]",
    tuple(extension.keyword for extension in _EXTENSIONS.values() if not extension.follows),
)
"""All that can be offered."""

DEFAULT_EXTENSIONS = tuple(keyword for keyword in EXTENSIONS if _EXTENSIONS[keyword].by_default)
"""What the server offers unless it is told otherwise."""

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
        require_auth: before AUTH most commands get 530 5.7.0 (RFC 4954 6).
        auth_without_tls: AUTH is offered in clear text, too; otherwise it gets 538 5.7.11 there.
        size_limit: octets of a message, a bigger one gets 552 5.3.4 (RFC 1870); None: no limit.
        recipient_limit: recipients of a transaction, the next gets 452 4.5.3; None: no limit.
        extensions: what EHLO offers (AUTH and STARTTLS follow from `auth` and `tls`).
        esmtp: False: EHLO gets 502, a server of the HELO age.
        greylist: seconds after the first try for which RCPT gets 451 4.7.1, on the clock that only
            `advance(seconds)` moves; per peer host, sender and recipient (RFC 6647); None: never.
        names: further host names and IP addresses that "trusted" certificates carry.
        connection_limit: sessions at once, the next is greeted by 421 4.7.0 and closed; None: no limit.
        message_limit: messages in a session, the next MAIL gets 421 4.7.0 and closes it; None: no limit.
        strict: a fault never hit, a callback that raised or a fatal violation fails the test.
        ignore_violations: names of violations that never fail the test; "*": all.
        fatal_violations: names of violations that fail the test although they are only recorded; "*": all.

    Raises:
        SettingsError: a value of the wrong type or out of range; the message names the setting.

    Example:
        >>> ServerSettings(tls="implicit").certificate
        'trusted'
        >>> smtp_server.settings.require_auth
        False
    """

    host: str = "127.0.0.1"
    port: int = 0
    allow_remote: bool = False
    tls: TLSMode = "starttls"
    require_tls: bool = False
    certificate: CertificateName = "trusted"
    client_certificate: Willingness = "none"
    tls_versions: tuple[TLSVersion, ...] | None = None
    users: Mapping[str, str] | Literal["*"] = field(default_factory=dict, repr=False, hash=False)
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    auth: tuple[Mechanism, ...] = None  # type: ignore[assignment] # None: derived, as are the next two
    require_auth: bool = None  # type: ignore[assignment]
    auth_without_tls: bool = None  # type: ignore[assignment]
    size_limit: int | None = 33_554_432
    recipient_limit: int | None = None
    extensions: tuple[ExtensionName, ...] = DEFAULT_EXTENSIONS
    esmtp: bool = True
    greylist: float | None = None
    names: tuple[str, ...] = ()
    connection_limit: int | None = None
    message_limit: int | None = None
    strict: bool = True
    ignore_violations: tuple[str, ...] = ()
    fatal_violations: tuple[str, ...] = ()
    _given: Mapping[str, Any] = field(init=False, repr=False, compare=False)
    """Every setting as it was given, before anything was derived: `replace` starts from it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_given", MappingProxyType({name: getattr(self, name) for name in NAMES}))
        for name, kind in KINDS.items():
            object.__setattr__(self, name, kind.check(name, getattr(self, name)))
        if not self.allow_remote and not is_loopback(self.host):
            raise SettingsError(
                f"host {self.host!r} can be reached from other machines: use '127.0.0.1' or '::1', "
                "or say allow_remote=True"
            )
        self._derive_login()

    def _derive_login(self) -> None:
        if self._given["auth"] is None:
            object.__setattr__(self, "auth", self._possible_mechanisms())
        elif self.users == "*" and (scram := [name for name in self.auth if name.startswith("SCRAM-")]):
            raise SettingsError(
                f"auth {scram[0]!r} cannot go with users='*': the server must know the password to prove it"
            )
        if self._given["require_auth"] is None:
            object.__setattr__(self, "require_auth", bool(self.users or self.tokens))
        if self._given["auth_without_tls"] is None:
            object.__setattr__(self, "auth_without_tls", self.tls == "none")

    def _possible_mechanisms(self) -> tuple[str, ...]:
        if not self.users and not self.tokens:
            return ()
        from pytest_smtp4d.smtp.sasl import Credentials, mechanisms_for

        return mechanisms_for(Credentials(self.users, self.tokens))

    def _shown(self, name: str) -> str:
        """Return a setting as it may be shown: of accounts the users alone."""
        value = getattr(self, name)
        if name in ("users", "tokens") and value != "*":
            return f"<{', '.join(value)}>"
        return repr(value)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> ServerSettings:
        """Return settings from a mapping of names to values.

        Raises:
            SettingsError: an unknown name (the nearest one is named), or as the class.

        Example:
            >>> ServerSettings.from_mapping({"tls": "none"}).auth_without_tls
            True
        """
        if not mapping:
            return _DEFAULTS
        for name in mapping:
            if name not in _NAMES:
                raise SettingsError(f"there is no setting {name!r}{nearest(str(name), NAMES)}")
        if all(value is None or isinstance(value, str | int | float) for value in mapping.values()):
            # A suite gives the same few settings to each of its tests. The types belong to the key, for
            # True == 1 == 1.0, of which only one may be meant.
            return _made(tuple((name, type(value), value) for name, value in mapping.items()))
        return cls(**mapping)

    def replace(self, **changes: Unpack[SettingsDict]) -> ServerSettings:
        """Return settings with some changed; what was left to its default follows the change.

        Raises:
            SettingsError: as `from_mapping`.

        Example:
            >>> smtp_server.settings.replace(users={"ada": "secret"}).require_auth
            True
        """
        changed = {name: value for name, value in changes.items() if not self._has(name, value)}
        return self.from_mapping({**self._given, **changed}) if changed else self

    def _has(self, name: str, value: object) -> bool:
        """Return whether a setting was given as this very value."""
        given = self._given.get(name, _MISSING)
        if type(given) is not type(value) or given != value:  # True == 1 == 1.0
            return False
        # What can change in place may have changed since.
        return value is None or isinstance(value, str | int | float) or bool(getattr(self, name) == value)


@lru_cache(64)
def _made(items: tuple[tuple[str, type, Any], ...]) -> ServerSettings:
    return ServerSettings(**{name: value for name, _, value in items})


NAMES = tuple(setting.name for setting in fields(ServerSettings) if setting.init)
"""The names of all settings, in the order of the documentation."""

_NAMES = frozenset(NAMES)
_MISSING = object()


DERIVED: Mapping[str, str] = {
    "auth": "all that users and tokens allow",
    "require_auth": "where users or tokens are given",
    "auth_without_tls": "where TLS is not on offer",
    "tls_versions": "the interpreter's",
}
"""Settings whose default is a rule and not a value -> the rule."""


def meanings() -> dict[str, str]:
    """Return what each setting does, in the words of the class's docstring (nothing under `python -OO`)."""
    import inspect
    import re

    argument = re.compile(r"^    (\w+): (.*?)(?=\n    \w+: |\n\n)", re.MULTILINE | re.DOTALL)
    found = argument.findall(inspect.cleandoc(ServerSettings.__doc__ or ""))  # CPython 3.13 dedents it itself
    return {name: " ".join(words.split()).removesuffix(".") for name, words in found}


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host."""
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() in _LOOPBACK_NAMES


def _neighbours(name: str, chosen: tuple[str, ...]) -> tuple[str, ...]:
    """Return TLS versions in order, at least one of them, and without a gap."""
    if not chosen:
        raise SettingsError(f"{name} is empty: name at least one of {', '.join(map(repr, TLS_VERSIONS))}")
    places = sorted(TLS_VERSIONS.index(version) for version in chosen)
    if places[-1] - places[0] != len(places) - 1:
        raise SettingsError(f"{name} {chosen!r} leaves a gap: versions must be neighbours")
    return tuple(TLS_VERSIONS[place] for place in places)


def _mechanisms() -> tuple[str, ...]:
    from pytest_smtp4d.smtp.sasl import SERVER_MECHANISMS

    return tuple(SERVER_MECHANISMS)


def _violations() -> tuple[str, ...]:
    from pytest_smtp4d.records.violation import VIOLATIONS

    return tuple(VIOLATIONS)


_VIOLATION_NAMES = SeveralOf(_violations, all_by="*")

KINDS: Mapping[str, Kind] = {
    "host": Text(),
    "port": Number("port", 0, 65535, optional=False),
    "allow_remote": Boolean(),
    "tls": OneOf(TLS_MODES),
    "require_tls": Boolean(),
    "certificate": OneOf(tuple(CERTIFICATES)),
    "client_certificate": OneOf(CLIENT_CERTIFICATES),
    "tls_versions": SeveralOf(lambda: TLS_VERSIONS, optional=True, also=_neighbours),
    "users": Accounts("password", anybody=True),
    "tokens": Accounts("access token"),
    "auth": SeveralOf(_mechanisms, optional=True),
    "require_auth": Boolean(derived=True),
    "auth_without_tls": Boolean(derived=True),
    "size_limit": Number("octets", 1),
    "recipient_limit": Number("recipients", 0),
    "extensions": SeveralOf(lambda: EXTENSIONS, elsewhere={"AUTH": "auth", "STARTTLS": "tls"}),
    "esmtp": Boolean(),
    "greylist": Number("seconds", 0),
    "names": HostNames(),
    "connection_limit": Number("connections", 0),
    "message_limit": Number("messages", 0),
    "strict": Boolean(),
    "ignore_violations": _VIOLATION_NAMES,
    "fatal_violations": _VIOLATION_NAMES,
}
"""The one table of settings: what kind each is."""

_DEFAULTS = ServerSettings()
