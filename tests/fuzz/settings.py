"""Fuzzes what users set, declare and ask for: `python -m tests.fuzz settings -max_total_time=600`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from pytest_smtp4d.errors import SettingsError, TransporterOptionError
from pytest_smtp4d.faults.rules import Rules
from pytest_smtp4d.records.expect import Expectation
from pytest_smtp4d.records.record import ReceivedMessage, Session
from pytest_smtp4d.server.fault_words import parse_fault
from pytest_smtp4d.server.marker import check, declare_faults
from pytest_smtp4d.server.settings import KINDS, ServerSettings
from pytest_smtp4d.transporter.options import Given, Options
from tests.fuzz.values import document_of

SEEDS = [
    b"host:t:127.0.0.1\nport:number:25\ntls:t:implicit\nallow_remote:true:\ncertificate:t:expired",
    b"users:mapping:ada|secret,bob|x\ntokens:mapping:ada|t\nauth:list:PLAIN,LOGIN\nrequire_auth:false:",
    b"users:t:*\nauth:list:SCRAM-SHA-1\nsize_limit:none:\nextensions:list:PIPELINING,DSN\ngreylist:number:60",
    b"tls_versions:list:TLSv1.2,TLSv1.3\nnames:list:*.shop.example,10.0.0.1\nfatal_violations:t:*\nmessage_limit:number:1",
    b"host:t:mx.example.com\nuser:t:me\npassword:t:pw\nkeepAlive:false:\nsendTimeOut:number:5",
    b"stage:t:RCPT\nmatch:t:nobody@*\ntimes:number:1\nafter:number:2\nreply:pair:550|no\naccept:true:",
    b"stage:t:CONTENT\ndisconnect:flags:abort\nsend:octets:250 x\\r\\n\ntrickle:number:5\nreplies:list:ok",
    b"mail_from:t:a@example.com\nrcpt_to:set:b@example.org\nsubject:none:\nto:list:b@example.org\nheaders:mapping:X-Id|1",
    b"attachments:list:x.pdf\nuser:t:ada\ntext_body:t:x\nhtml_body:none:\ncc:list:\nbcc:none:",
    b"words:t:RCPT nobody@* times=2 reply='550 5.1.1 No' disconnect=4096 send='x\\r\\n' trickle=5",
]
_SECRET = "~^correct horse^~"
_MESSAGE = ReceivedMessage(
    "a@example.com",
    ("b@example.org",),
    (),
    {},
    b"Subject: x\r\nTo: b@example.org\r\n\r\nx\r\n",
    datetime(2026, 1, 31, tzinfo=timezone.utc),
    Session(("192.0.2.1", 40_000)),
)


class _Mark(NamedTuple):
    """A marker, as pytest hands it out."""

    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def one_input(octets: bytes) -> None:
    """Give a document to all that take one: they accept it for good, or raise the error that is theirs."""
    document = document_of(octets)
    _server_settings(document)
    _written(document)
    _transporter_options(document)
    _faults(document)
    try:
        Expectation(document).accepts(_MESSAGE)
    except SettingsError as error:
        assert str(error)  # noqa: PT017 - it says something


def _server_settings(document: dict[str, Any]) -> None:
    # Most documents hold one name that is wrong; the others are settings all the same.
    for names in (list(document), [name for name in document if name in KINDS]):
        chosen = {name: document[name] for name in names}
        try:
            settings = ServerSettings.from_mapping(chosen)
        except SettingsError as error:
            assert str(error)  # noqa: PT017
            continue
        assert ServerSettings(**settings._given) == settings
        assert settings.replace(strict=False).replace(strict=settings.strict) == settings
        assert repr(settings)
        for name in KINDS:
            assert settings._shown(name)


def _written(document: dict[str, Any]) -> None:
    """Read the values as an ini file has them."""
    for name, kind in KINDS.items():
        if name in document:
            try:
                kind.check(name, kind.from_ini(name, document[name]))
            except SettingsError as error:
                assert name in str(error)  # noqa: PT017


def _transporter_options(document: dict[str, Any]) -> None:
    for name in ("password", "access_token_oauth2", "certificate_password"):
        if name in document:
            document = {**document, name: _SECRET}
    for server, keywords in ((document, {}), (None, document), ({"host": "mx.example.com"}, document)):
        assert _SECRET not in _options_or_error(server, keywords)


def _options_or_error(server: dict[str, Any] | None, keywords: dict[str, Any]) -> str:
    try:
        return repr(Options.read(Given(server=server, keywords=keywords)))
    except TransporterOptionError as error:
        return str(error)


def _faults(document: dict[str, Any]) -> None:
    others = {name: value for name, value in document.items() if name != "stage"}
    for name, arguments in (
        ("smtp_fault", (document.get("stage"),)),
        ("smtp_server", ()),
        ("smtp_sweep", ()),
    ):
        mark = _Mark(name, arguments, others)
        try:
            check([mark])
            declare_faults([mark], Rules(), "test.py:1")
        except SettingsError as error:
            assert str(error)  # noqa: PT017
    words = document.get("words")
    if isinstance(words, str):
        try:
            parse_fault(Rules(), words)
        except SettingsError as error:
            assert str(error)  # noqa: PT017
