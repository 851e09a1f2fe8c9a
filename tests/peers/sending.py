"""Both transporters behind one call, so that each promise is shown by both, blocking and asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.message import Message
from typing import Any, cast

import pytest

from pytest_smtp4d import AsyncSMTPTransporter, Email, SMTPTransporter, Status, mail_convert_to_mime

Mail = Email | Message
Send = Callable[..., list[Status]]


def send_blocking(*mails: Mail, **options: Any) -> list[Status]:
    """Send mails one after the other, by one transporter with these options; without mails, check it."""
    with SMTPTransporter(**options) as transporter:
        return [transporter.send(mail) for mail in mails] or [transporter.check_connection()]


def send_by_asyncio(*mails: Mail, **options: Any) -> list[Status]:
    """Do the same by the other transporter, in a loop of its own."""

    async def send() -> list[Status]:
        async with AsyncSMTPTransporter(**options) as transporter:
            statuses = [await transporter.send(mail) for mail in mails]
            return statuses or [await transporter.check_connection()]

    return asyncio.run(send())


both = pytest.mark.parametrize("send", [send_blocking, send_by_asyncio], ids=["blocking", "asyncio"])
"""Run a test with each transporter."""


def mail_to(*recipients: str, **more: Any) -> Email:
    """Return a mail object whose octets are always the same: its date and its id are given."""
    mail: Any = {
        "from": "Ada <ada@example.com>",
        "to": list(recipients),
        "subject": "Hello",
        "messageId": "<hello@example.com>",
        "sendAt": "2026-01-02T03:04:05Z",
        "textBody": "It works.\r\n",
        **more,
    }
    return cast(Email, mail)


def octets_of(mail: Email) -> bytes:
    """Return what must be delivered of a mail object, where the server offers 8BITMIME."""
    return mail_convert_to_mime(mail).encode("latin-1")
