"""Settings and client options as keywords: what type checkers and editors know of them.

What a value may be, its default and its meaning stand in `settings`; a test compares the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from pytest_smtp4d.records.violation import ViolationName

__all__ = [
    "CertificateName",
    "ClientOptions",
    "ExtensionName",
    "Mechanism",
    "SettingsDict",
    "TLSMode",
    "TLSVersion",
    "Willingness",
]

TLSMode = Literal["none", "starttls", "implicit"]
"""How a server offers TLS."""

CertificateName = Literal[
    "trusted",
    "expired",
    "not_yet_valid",
    "wrong_host",
    "self_signed",
    "unknown_ca",
    "no_san",
    "incomplete_chain",
]
"""A kind of certificate."""

Willingness = Literal["none", "optional", "required"]
"""Whether a client is asked for a certificate."""

TLSVersion = Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
"""A version of TLS."""

Mechanism = Literal["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"]
"""A mechanism of AUTH."""

ExtensionName = Literal[
    "PIPELINING",
    "SIZE",
    "8BITMIME",
    "SMTPUTF8",
    "DSN",
    "CHUNKING",
    "BINARYMIME",
    "ENHANCEDSTATUSCODES",
    "REQUIRETLS",
    "DELIVERBY",
    "MT-PRIORITY",
]
"""An extension that EHLO can offer, by its keyword."""


class SettingsDict(TypedDict, total=False):
    """The settings of a server as keywords; durations are seconds. `ServerSettings` says what each means.

    For functions of one's own that pass them on (``**settings: Unpack[SettingsDict]``), and for the fixture
    `smtp_server_settings`:

    Example:
        >>> settings: SettingsDict = {"tls": "implicit", "users": {"alice": "secret"}}
    """

    host: str
    port: int
    allow_remote: bool
    tls: TLSMode
    require_tls: bool
    certificate: CertificateName
    client_certificate: Willingness
    tls_versions: Sequence[TLSVersion] | AbstractSet[TLSVersion] | None
    users: Mapping[str, str] | Literal["*"]
    tokens: Mapping[str, str]
    auth: Sequence[Mechanism] | AbstractSet[Mechanism] | None
    require_auth: bool | None
    auth_without_tls: bool | None
    size_limit: int | None
    recipient_limit: int | None
    extensions: Sequence[ExtensionName] | AbstractSet[ExtensionName]
    esmtp: bool
    greylist: float | None
    names: tuple[str, ...] | list[str] | AbstractSet[str]
    connection_limit: int | None
    message_limit: int | None
    strict: bool
    ignore_violations: (
        Literal["*"] | Sequence[Literal["*"] | ViolationName] | AbstractSet[Literal["*"] | ViolationName]
    )
    fatal_violations: (
        Literal["*"] | Sequence[Literal["*"] | ViolationName] | AbstractSet[Literal["*"] | ViolationName]
    )


class _Address(TypedDict):
    host: str
    port: int
    implicit_tls: bool


class ClientOptions(_Address, total=False):
    """What `SMTPServer.client_options` returns: keyword options that make a transporter for that server.

    `ssl_context` is missing where the server has no TLS, `accept_unsecure_connection` where it has; user and
    secret are there where it knows any.

    Example:
        >>> options = smtp_server.client_options()
        >>> options["host"], options["implicit_tls"]
        ('127.0.0.1', False)
    """

    user: str
    password: str
    access_token_oauth2: str
    accept_unsecure_connection: bool
    ssl_context: ssl.SSLContext
