"""pytest-smtp4d: a real SMTP server that misbehaves on command, and a complete client, as pytest fixtures.

Each public name is imported when it is first asked for (PEP 562): pytest imports the package at its start,
and a run that does not use it pays nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_smtp4d import clock as _clock  # noqa: F401 - takes the real clock, before a test freezes it

if TYPE_CHECKING:
    from pytest_smtp4d.errors import (
        ErrorRecord,
        LocalProtocolError,
        MailError,
        RemoteProtocolError,
        SettingsError,
        SMTP4DError,
        SMTPBlockedError,
        TransporterOptionError,
    )
    from pytest_smtp4d.factories import MakeSMTPServer, MakeTransporter
    from pytest_smtp4d.faults.fault import Fault
    from pytest_smtp4d.faults.match import Event
    from pytest_smtp4d.faults.stage import StageName
    from pytest_smtp4d.mail.attachment import Disposition, MailAttachment, mail_new_attachment
    from pytest_smtp4d.mail.charset import MailMode
    from pytest_smtp4d.mail.compose import MIMEOptions, mail_convert_to_mime
    from pytest_smtp4d.mail.email import Email, EmailAddress, EmailBodyPart, EmailBodyValue, EmailHeader
    from pytest_smtp4d.mail.parse import mail_convert_from_mime
    from pytest_smtp4d.records.criteria import Criteria
    from pytest_smtp4d.records.record import Command, ReceivedMessage, Session, Tls, Transaction
    from pytest_smtp4d.records.transcript import Transcript, TranscriptLine
    from pytest_smtp4d.records.violation import Violation, ViolationName
    from pytest_smtp4d.server.certificates import CertificateAuthority
    from pytest_smtp4d.server.inbox import Inbox
    from pytest_smtp4d.server.keywords import CertificateName, ClientOptions, Mechanism, SettingsDict, TLSMode
    from pytest_smtp4d.server.server import SMTPServer
    from pytest_smtp4d.server.settings import ServerSettings
    from pytest_smtp4d.smtp.reply import Reply
    from pytest_smtp4d.transporter.error_stack import last_errors, on_err_call
    from pytest_smtp4d.transporter.log import smtp_log
    from pytest_smtp4d.transporter.options import AuthenticationMode, ServerObject, TransporterOptions
    from pytest_smtp4d.transporter.status import SMTPStatusError, Status
    from pytest_smtp4d.transporter.transporter import (
        AsyncSMTPTransporter,
        SMTPTransporter,
        smtp_new_transporter,
    )

__all__ = [
    "AsyncSMTPTransporter",
    "AuthenticationMode",
    "CertificateAuthority",
    "CertificateName",
    "ClientOptions",
    "Command",
    "Criteria",
    "Disposition",
    "Email",
    "EmailAddress",
    "EmailBodyPart",
    "EmailBodyValue",
    "EmailHeader",
    "ErrorRecord",
    "Event",
    "Fault",
    "Inbox",
    "LocalProtocolError",
    "MIMEOptions",
    "MailAttachment",
    "MailError",
    "MailMode",
    "MakeSMTPServer",
    "MakeTransporter",
    "Mechanism",
    "ReceivedMessage",
    "RemoteProtocolError",
    "Reply",
    "SMTP4DError",
    "SMTPBlockedError",
    "SMTPServer",
    "SMTPStatusError",
    "SMTPTransporter",
    "ServerObject",
    "ServerSettings",
    "Session",
    "SettingsDict",
    "SettingsError",
    "StageName",
    "Status",
    "TLSMode",
    "Tls",
    "Transaction",
    "Transcript",
    "TranscriptLine",
    "TransporterOptionError",
    "TransporterOptions",
    "Violation",
    "ViolationName",
    "last_errors",
    "mail_convert_from_mime",
    "mail_convert_to_mime",
    "mail_new_attachment",
    "on_err_call",
    "smtp_log",
    "smtp_new_transporter",
]

_HOMES = {
    "AsyncSMTPTransporter": "transporter.transporter",
    "AuthenticationMode": "transporter.options",
    "CertificateAuthority": "server.certificates",
    "CertificateName": "server.keywords",
    "ClientOptions": "server.keywords",
    "Command": "records.record",
    "Criteria": "records.criteria",
    "Disposition": "mail.attachment",
    "Email": "mail.email",
    "EmailAddress": "mail.email",
    "EmailBodyPart": "mail.email",
    "EmailBodyValue": "mail.email",
    "EmailHeader": "mail.email",
    "ErrorRecord": "errors",
    "Event": "faults.match",
    "Fault": "faults.fault",
    "Inbox": "server.inbox",
    "LocalProtocolError": "errors",
    "MIMEOptions": "mail.compose",
    "MailAttachment": "mail.attachment",
    "MailError": "errors",
    "MailMode": "mail.charset",
    "MakeSMTPServer": "factories",
    "MakeTransporter": "factories",
    "Mechanism": "server.keywords",
    "ReceivedMessage": "records.record",
    "RemoteProtocolError": "errors",
    "Reply": "smtp.reply",
    "SMTP4DError": "errors",
    "SMTPBlockedError": "errors",
    "SMTPServer": "server.server",
    "SMTPStatusError": "transporter.status",
    "SMTPTransporter": "transporter.transporter",
    "ServerObject": "transporter.options",
    "ServerSettings": "server.settings",
    "Session": "records.record",
    "SettingsDict": "server.keywords",
    "SettingsError": "errors",
    "StageName": "faults.stage",
    "Status": "transporter.status",
    "TLSMode": "server.keywords",
    "Tls": "records.record",
    "Transaction": "records.record",
    "Transcript": "records.transcript",
    "TranscriptLine": "records.transcript",
    "TransporterOptionError": "errors",
    "TransporterOptions": "transporter.options",
    "Violation": "records.violation",
    "ViolationName": "records.violation",
    "last_errors": "transporter.error_stack",
    "mail_convert_from_mime": "mail.parse",
    "mail_convert_to_mime": "mail.compose",
    "mail_new_attachment": "mail.attachment",
    "on_err_call": "transporter.error_stack",
    "smtp_log": "transporter.log",
    "smtp_new_transporter": "transporter.transporter",
}


def __getattr__(name: str) -> object:
    """Import a public name from its room, once."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name the public names too, though they may not be imported yet."""
    return sorted({*globals(), *__all__})
