"""User code as a type checker sees it: mypy fails on this file when a type of the public surface is lost.

Each `type: ignore` names an error that *must* be there: `warn_unused_ignores` is on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_smtp4d import (
    AsyncSMTPTransporter,
    Email,
    ReceivedMessage,
    Reply,
    SMTPServer,
    SMTPTransporter,
    Status,
    mail_convert_from_mime,
    mail_convert_to_mime,
    mail_new_attachment,
    smtp_new_transporter,
)

if TYPE_CHECKING:
    from pytest_smtp4d import MakeSMTPServer, MakeTransporter


def test_names_and_types_of_a_whole_test(
    smtp_server: SMTPServer,
    transporter: SMTPTransporter,
    make_smtp_server: MakeSMTPServer,
    make_transporter: MakeTransporter,
) -> None:
    """A test like any user's: every value has its type, none is Any."""
    mail: Email = {"from": "a@example.com", "to": ["b@example.org"], "subject": "Hi", "textBody": "x"}
    mail["attachments"] = [mail_new_attachment(b"data", "data.bin")]
    status: Status = transporter.send(mail)
    code: int = status.status
    refused: Reply | None = status.refused.get("b@example.org")
    message: ReceivedMessage = smtp_server.messages.one(subject="Hi")
    name: str = message.attachments[0].name
    fault = smtp_server.on("RCPT", "nobody@*").reply(550, "5.1.1 No such user").optional()
    other: SMTPServer = make_smtp_server(tls="none")
    second: SMTPTransporter = make_transporter(other, keep_alive=False)
    parsed: Email = mail_convert_from_mime(mail_convert_to_mime(mail))
    assert (code, refused, name, fault.hits) == (250, None, "data.bin", 0)
    assert second.send(parsed).success
    assert smtp_new_transporter({"host": other.host}).port == 587


def test_4ds_spelling_is_for_the_run_time(smtp_server: SMTPServer, transporter: SMTPTransporter) -> None:
    """It works, and a type checker still shows every slip."""
    assert transporter.keepAlive is True  # type: ignore[attr-defined]
    status = transporter.checkConnection()  # type: ignore[attr-defined]
    assert status.statusText == status.status_text
    assert transporter.check_connection().statusText  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        transporter.prot  # type: ignore[attr-defined] # noqa: B018
    with pytest.raises(AttributeError):
        transporter.port = 25  # type: ignore[assignment]
    assert smtp_server.messages.none()


async def test_the_awaited_types(smtp_server: SMTPServer) -> None:
    """The same members, awaited."""
    async with AsyncSMTPTransporter(**smtp_server.client_options()) as transporter:
        status: Status = await transporter.send({"from": "a@example.com", "to": "b@example.org"})
    assert status.raise_for_status() is status
