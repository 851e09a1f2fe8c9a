"""Server options: what a transporter is made from, checked once, when it is made.

4D: the `server` parameter of `SMTP New transporter`. Documents spell a key as 4D does (`keepAlive`),
keywords in snake_case (`keep_alive`); both end as fields of `Options`, and None means absent, as 4D's null.
What a caller gave may hold secrets, so it is passed on as `Given`, which does not show it, and a function
here that raises has no secret under a name.
"""

from __future__ import annotations

import math
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

from pytest_smtp4d.errors import TransporterOptionError
from pytest_smtp4d.mail.charset import MailMode, ModeName
from pytest_smtp4d.smtp.secret import SecretOctets, SecretText
from pytest_smtp4d.spelling import camel_case
from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    from typing import TypeAlias

    Mode: TypeAlias = "AuthenticationMode | ModeOfLogin"
    Token: TypeAlias = "str | Mapping[str, Any]"

__all__ = [
    "AuthenticationMode",
    "Given",
    "ModeOfLogin",
    "Options",
    "ServerObject",
    "TransporterOptions",
    "spelled_as_4d",
]

_E = TypeVar("_E", bound=Enum)


class AuthenticationMode(str, Enum):
    """4D's authentication modes, by their values.

    Example:
        >>> str(AuthenticationMode.CRAM_MD5), AuthenticationMode("PLAIN")
        ('CRAM-MD5', <AuthenticationMode.PLAIN: 'PLAIN'>)
    """

    CRAM_MD5 = "CRAM-MD5"
    LOGIN = "LOGIN"
    PLAIN = "PLAIN"
    OAUTH2 = "OAUTH2"

    def __str__(self) -> str:
        return self.value


ModeOfLogin = Literal["CRAM-MD5", "LOGIN", "PLAIN", "OAUTH2"]
"""An authentication mode by its value."""


class TransporterOptions(TypedDict, total=False):
    """The options of a transporter as keywords; times are seconds. `SMTPTransporter` has a member for each.

    For functions of one's own that pass them on: ``**options: Unpack[TransporterOptions]``.

    Example:
        >>> patience: TransporterOptions = {"connection_time_out": 0.5, "send_time_out": 1.5}
        >>> make_transporter(**patience).send_time_out
        1.5
    """

    host: str
    port: int | None
    user: str | None
    password: str | None
    access_token_oauth2: Token | None
    authentication_mode: Mode | None
    accept_unsecure_connection: bool | None
    keep_alive: bool | None
    connection_time_out: float | None
    send_time_out: float | None
    header_charset: MailMode | ModeName | None
    body_charset: MailMode | ModeName | None
    log_file: str | Path | None
    certificate: str | Path | bytes | None
    certificate_name: str | None
    certificate_password: str | None
    ssl_context: ssl.SSLContext | None
    implicit_tls: bool | None


class ServerObject(TypedDict, total=False):
    """The options of a transporter as 4D's server object spells them; times are seconds.

    Example:
        >>> gmail: ServerObject = {"host": "smtp.gmail.com", "port": 465, "keepAlive": False}
    """

    host: str
    port: int | None
    user: str | None
    password: str | None
    accessTokenOAuth2: Token | None
    authenticationMode: Mode | None
    acceptUnsecureConnection: bool | None
    keepAlive: bool | None
    connectionTimeOut: float | None
    sendTimeOut: float | None
    headerCharset: MailMode | ModeName | None
    bodyCharset: MailMode | ModeName | None
    logFile: str | Path | None
    certificate: str | Path | bytes | None
    certificateName: str | None
    certificatePassword: str | None
    sslContext: ssl.SSLContext | None
    implicitTls: bool | None


class _Hidden(dict[str, Any]):
    """A mapping that does not show itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "{…}"


class Given(_Hidden):
    """What a caller gave: `Given(server=…, keywords=…)`, a server object or None, and a mapping."""

    __slots__ = ()


class _Unchecked(tuple[object]):
    """A value that may be a secret, and does not show itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "(…)"


@dataclass(frozen=True, slots=True)
class Options:
    """Checked server options; the fields are those of the contract's table, seconds where times are meant.

    The repr shows no secret, and the secrets themselves are `SecretText`.
    """

    host: str
    port: int = 587
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    access_token_oauth2: str | None = field(default=None, repr=False)
    authentication_mode: AuthenticationMode | None = None
    accept_unsecure_connection: bool = False
    keep_alive: bool = True
    connection_time_out: float = 30
    send_time_out: float = 100
    header_charset: MailMode = MailMode.UTF8
    body_charset: MailMode = MailMode.UTF8
    log_file: str | Path | None = None
    certificate: str | Path | bytes | None = field(default=None, repr=False)
    certificate_name: str | None = None
    certificate_password: str = field(default="", repr=False)
    ssl_context: ssl.SSLContext | None = None
    implicit_tls: bool | None = None

    @classmethod
    def read(cls, given: Given) -> Options:
        """Check a server object and keywords; a keyword wins over a key.

        Raises:
            TransporterOptionError: names the option, the value (unless secret) and what would do.
        """
        if not isinstance(given["server"], Mapping | None):
            raise TransporterOptionError(
                f"server must be a mapping of options, not {type(given['server']).__name__}"
            )
        server, keywords = _Hidden(given["server"] or ()), _Hidden(given["keywords"])
        sources: dict[str, tuple[str, _Hidden]] = {}
        for spellings, source in ((_KEYS, server), (_KEYWORDS, keywords)):
            for name in source:
                if name not in spellings:
                    hint = nearest(str(name), spellings)
                    raise TransporterOptionError(f"there is no server option {name!r}{hint}")
                if source[name] is not None:
                    sources[spellings[name]] = (name, source)
        if "host" not in sources:
            raise TransporterOptionError(
                "host is missing: name the server, as in {'host': 'smtp.example.com'}"
            )
        options = cls(
            **{
                member: _CHECKS[member](
                    name, SecretText(source[name]) if _is_secret_text(member, source, name) else source[name]
                )
                for member, (name, source) in sources.items()
            }
        )
        if options.certificate is not None and options.certificate_name is not None:
            raise TransporterOptionError("give certificate or certificateName, not both")
        return options

    @property
    def secret_without_user(self) -> str | None:
        """The key of a password or token that is given without the user it is for, or None."""
        if self.user is not None:
            return None
        if self.access_token_oauth2 is not None:
            return "accessTokenOAuth2"
        return "password" if self.password else None

    @property
    def tls_from_the_start(self) -> bool:
        """True for implicit TLS: as `implicit_tls` says, else on port 465 (RFC 8314 3.3)."""
        return self.port == 465 if self.implicit_tls is None else self.implicit_tls


_SECRETS = frozenset({"password", "access_token_oauth2", "certificate_password"})


def _is_secret_text(member: str, source: _Hidden, name: str) -> bool:
    return member in _SECRETS and isinstance(source[name], str)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong_type(name, value, "text")
    if any(character in value for character in "\r\n\0"):
        raise TransporterOptionError(f"{name} must not hold CR, LF or NUL: {value!r}")
    return value


def _host(name: str, value: object) -> str:
    host = _text(name, value).strip()
    if not host or " " in host:
        raise TransporterOptionError(f"{name} must be a host name or an IP address, not {value!r}")
    return host


def _optional_text(name: str, value: object) -> str | None:
    return _text(name, value) or None


def _secret(name: str, value: object) -> SecretText:
    flaw = _flaw_of_secret(value)
    text = SecretText(value) if flaw is None else SecretText()
    del value
    if flaw is not None:
        raise TransporterOptionError(f"{name} {flaw}")
    return text


def _flaw_of_secret(value: object) -> str | None:
    if not isinstance(value, str):
        return f"must be text, not {type(value).__name__}"
    if any(character in value for character in "\r\n\0"):
        return "must not hold CR, LF or NUL (its value is not shown)"
    return None


def _token(name: str, value: object) -> SecretText | None:
    if isinstance(value, Mapping):
        value = _Hidden(value).get("token")
        value = _Hidden(value).get("access_token") if isinstance(value, Mapping) else None
        if value is None:
            raise TransporterOptionError(f"{name} as an object must hold token.access_token")
    value = _Unchecked((value,))
    return _secret(name, value[0]) or None


def _port(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_type(name, value, "a whole number from 1 to 65535")
    if not 1 <= value <= 65535:
        raise TransporterOptionError(f"{name} must be from 1 to 65535, not {value}")
    return value


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong_type(name, value, "a number of seconds")
    if not math.isfinite(value) or value <= 0:
        raise TransporterOptionError(f"{name} must be a number of seconds above 0, not {value!r}")
    return value


def _bool(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(name, value, "True or False")
    return value


def _one_of(kind: type[_E]) -> Callable[[str, object], _E]:
    def check(name: str, value: object) -> _E:
        try:
            return kind(value)
        except ValueError:
            values = [member.value for member in kind]
            raise TransporterOptionError(f"{name} cannot be {value!r}{nearest(str(value), values)}") from None

    return check


def _path(name: str, value: object) -> str | Path:
    if not isinstance(value, (str, Path)):
        raise _wrong_type(name, value, "a path")
    if not os.fspath(value) or "\0" in os.fspath(value):
        raise TransporterOptionError(f"{name} must be a path, not {value!r}")
    return value


def _certificate(name: str, value: object) -> str | Path | bytes:
    if isinstance(value, bytes):
        return SecretOctets(value)  # it holds a private key
    if not isinstance(value, (str, Path)):
        raise TransporterOptionError(
            f"{name} must be a path or bytes (PKCS#12 or PEM), not {type(value).__name__}"
        )
    return _path(name, value)


def _ssl_context(name: str, value: object) -> ssl.SSLContext:
    if not isinstance(value, ssl.SSLContext):
        raise _wrong_type(name, value, "an ssl.SSLContext")
    if value.protocol is ssl.PROTOCOL_TLS_SERVER:
        raise TransporterOptionError(
            f"{name} is a context for servers: make one with ssl.create_default_context()"
        )
    return value


def _wrong_type(name: str, value: object, wanted: str) -> TransporterOptionError:
    return TransporterOptionError(f"{name} must be {wanted}, not {value!r} ({type(value).__name__})")


_CHECKS: dict[str, Callable[[str, object], Any]] = {
    "host": _host,
    "port": _port,
    "user": _optional_text,
    "password": _secret,
    "access_token_oauth2": _token,
    "authentication_mode": _one_of(AuthenticationMode),
    "accept_unsecure_connection": _bool,
    "keep_alive": _bool,
    "connection_time_out": _seconds,
    "send_time_out": _seconds,
    "header_charset": _one_of(MailMode),
    "body_charset": _one_of(MailMode),
    "log_file": _path,
    "certificate": _certificate,
    "certificate_name": _optional_text,
    "certificate_password": _secret,
    "ssl_context": _ssl_context,
    "implicit_tls": _bool,
}


def spelled_as_4d(member: str) -> str:
    """Return the key of a server object for an option's keyword: `keep_alive` is `keepAlive`."""
    return "accessTokenOAuth2" if member == "access_token_oauth2" else camel_case(member)


_KEYS = {spelled_as_4d(option.name): option.name for option in fields(Options)}
_KEYWORDS = {option.name: option.name for option in fields(Options)}
