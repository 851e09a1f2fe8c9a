"""pytest-smtp4d: a real SMTP server that misbehaves on command, and a complete client, as pytest fixtures.

Each public name is imported when it is first asked for (PEP 562): pytest imports the package at its start,
and a run that does not use it pays nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_smtp4d import clock as _clock  # noqa: F401 - takes the real clock, before a test freezes it

if TYPE_CHECKING:
    from pytest_smtp4d.errors import (
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
    from pytest_smtp4d.mail.attachment import Disposition, MailAttachment, mail_new_attachment
    from pytest_smtp4d.mail.charset import MailMode
    from pytest_smtp4d.mail.compose import mail_convert_to_mime
    from pytest_smtp4d.mail.email import Email, EmailAddress, EmailBodyPart, EmailBodyValue, EmailHeader
    from pytest_smtp4d.mail.parse import mail_convert_from_mime
    from pytest_smtp4d.records.record import Command, ReceivedMessage, Session, Tls, Transaction
    from pytest_smtp4d.records.transcript import Transcript
    from pytest_smtp4d.records.violation import Violation
    from pytest_smtp4d.server.inbox import Inbox
    from pytest_smtp4d.server.server import SMTPServer
    from pytest_smtp4d.server.settings import ServerSettings
    from pytest_smtp4d.smtp.reply import Reply
    from pytest_smtp4d.transporter.error_stack import last_errors, on_err_call
    from pytest_smtp4d.transporter.log import smtp_log
    from pytest_smtp4d.transporter.options import AuthenticationMode
    from pytest_smtp4d.transporter.status import SMTPStatusError, Status
    from pytest_smtp4d.transporter.transporter import (
        AsyncSMTPTransporter,
        SMTPTransporter,
        smtp_new_transporter,
    )

__all__ = [
    "AsyncSMTPTransporter",
    "AuthenticationMode",
    "Command",
    "Disposition",
    "Email",
    "EmailAddress",
    "EmailBodyPart",
    "EmailBodyValue",
    "EmailHeader",
    "Event",
    "Fault",
    "Inbox",
    "LocalProtocolError",
    "MailAttachment",
    "MailError",
    "MailMode",
    "MakeSMTPServer",
    "MakeTransporter",
    "ReceivedMessage",
    "RemoteProtocolError",
    "Reply",
    "SMTP4DError",
    "SMTPBlockedError",
    "SMTPServer",
    "SMTPStatusError",
    "SMTPTransporter",
    "ServerSettings",
    "Session",
    "SettingsError",
    "Status",
    "Tls",
    "Transaction",
    "Transcript",
    "TransporterOptionError",
    "Violation",
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
    "Command": "records.record",
    "Disposition": "mail.attachment",
    "Email": "mail.email",
    "EmailAddress": "mail.email",
    "EmailBodyPart": "mail.email",
    "EmailBodyValue": "mail.email",
    "EmailHeader": "mail.email",
    "Event": "faults.match",
    "Fault": "faults.fault",
    "Inbox": "server.inbox",
    "LocalProtocolError": "errors",
    "MailAttachment": "mail.attachment",
    "MailError": "errors",
    "MailMode": "mail.charset",
    "MakeSMTPServer": "factories",
    "MakeTransporter": "factories",
    "ReceivedMessage": "records.record",
    "RemoteProtocolError": "errors",
    "Reply": "smtp.reply",
    "SMTP4DError": "errors",
    "SMTPBlockedError": "errors",
    "SMTPServer": "server.server",
    "SMTPStatusError": "transporter.status",
    "SMTPTransporter": "transporter.transporter",
    "ServerSettings": "server.settings",
    "Session": "records.record",
    "SettingsError": "errors",
    "Status": "transporter.status",
    "Tls": "records.record",
    "Transaction": "records.record",
    "Transcript": "records.transcript",
    "TransporterOptionError": "errors",
    "Violation": "records.violation",
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
