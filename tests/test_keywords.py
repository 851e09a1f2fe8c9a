"""One fact, one table: what type checkers are told of keywords is what the run time knows of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import get_args

import pytest

from pytest_smtp4d import (
    AuthenticationMode,
    ClientOptions,
    Criteria,
    Email,
    MailMode,
    MIMEOptions,
    ReceivedMessage,
    ServerObject,
    SettingsDict,
    StageName,
    TransporterOptions,
    ViolationName,
)
from pytest_smtp4d.faults.stage import STAGES
from pytest_smtp4d.mail import structure
from pytest_smtp4d.mail.charset import ModeName
from pytest_smtp4d.mail.email import _CHECKS, EmailBodyPart
from pytest_smtp4d.records.criteria import CRITERIA
from pytest_smtp4d.records.violation import VIOLATIONS
from pytest_smtp4d.server import keywords, settings
from pytest_smtp4d.server.settings import KINDS
from pytest_smtp4d.smtp.sasl import SERVER_MECHANISMS
from pytest_smtp4d.transporter.options import ModeOfLogin, Options, spelled_as_4d


@pytest.mark.parametrize(
    ("literal", "table"),
    [
        (StageName, STAGES),
        (ViolationName, VIOLATIONS),
        (ModeName, map(str, MailMode)),
        (ModeOfLogin, map(str, AuthenticationMode)),
        (keywords.Mechanism, SERVER_MECHANISMS),
        (keywords.ExtensionName, settings.EXTENSIONS),
        (keywords.CertificateName, settings.CERTIFICATES),
        (keywords.TLSMode, settings.TLS_MODES),
        (keywords.TLSVersion, settings.TLS_VERSIONS),
        (keywords.Willingness, settings.CLIENT_CERTIFICATES),
    ],
)
def test_a_literal_has_the_names_of_its_table(literal: object, table: Iterable[str]) -> None:
    """The same names in the same order."""
    assert get_args(literal) == tuple(table)


@pytest.mark.parametrize(
    ("typed", "table"),
    [
        (SettingsDict, KINDS),
        (SettingsDict, settings.NAMES),
        (Criteria, CRITERIA),
        (TransporterOptions, [option.name for option in fields(Options)]),
        (ServerObject, [spelled_as_4d(option.name) for option in fields(Options)]),
        (Email, _CHECKS),
    ],
)
def test_a_typed_dict_has_the_keys_of_its_table(typed: type, table: Iterable[str]) -> None:
    """The same keys in the same order."""
    assert list(typed.__annotations__) == list(table)


def test_client_options_are_options() -> None:
    """Each option that a server gives its clients is one of a transporter, of a type that it takes."""
    assert set(ClientOptions.__annotations__) <= set(TransporterOptions.__annotations__)


def test_mime_options_are_those_of_a_server_object() -> None:
    """What `mail_convert_to_mime` takes is spelled as 4D spells it, and has the same types."""
    keys = MIMEOptions.__annotations__
    assert list(keys) == ["headerCharset", "bodyCharset"]
    assert set(keys) <= set(ServerObject.__annotations__)


def test_a_parts_keys_are_known() -> None:
    """Each key of `bodyStructure` is one that a part may have when it is sent."""
    assert set(EmailBodyPart.__annotations__) <= set(structure._PART_KEYS)


def test_a_criterion_is_a_view_of_a_message() -> None:
    """Each criterion is a member of `ReceivedMessage`, but for the user, which is the session's."""
    members = {*dir(ReceivedMessage), *ReceivedMessage.__annotations__, "header"}
    assert set(CRITERIA) - members == {"user", "headers"}
