"""asyncio, with pytest-asyncio in auto mode: the awaitable twins let the code under test go on."""

from __future__ import annotations

import asyncio

import aiosmtplib
import pytest

from pytest_smtp4d import AsyncSMTPTransporter, SMTPServer

MAIL = b"From: shop@example.com\r\nTo: ada@example.org\r\nSubject: Ready\r\n\r\nCome and get it.\r\n"


async def notify(server: SMTPServer) -> None:
    """Send a mail by aiosmtplib: the code under test."""
    await aiosmtplib.send(
        MAIL,
        sender="shop@example.com",
        recipients=["ada@example.org"],
        hostname=server.host,
        port=server.port,
        tls_context=server.client_context(),
    )


async def test_wait_for_a_mail(smtp_server: SMTPServer) -> None:
    """A task sends while the test waits."""
    task = asyncio.create_task(notify(smtp_server))
    message = await smtp_server.messages.await_one(timeout=5, subject="Ready")
    assert message.rcpt_to == ("ada@example.org",)
    await task


async def test_exactly_so_many(smtp_server: SMTPServer) -> None:
    """What arrives from entering the block to its end, no more and no less."""
    async with smtp_server.messages.expect(2, to="ada@example.org") as sent:
        await asyncio.gather(notify(smtp_server), notify(smtp_server))
    assert [message.subject for message in sent] == ["Ready", "Ready"]


async def test_a_blocking_wait_is_an_error(smtp_server: SMTPServer) -> None:
    """It would stop the loop that is to send, so it says which twin to use."""
    with pytest.raises(RuntimeError, match="await_one"):
        smtp_server.messages.one(timeout=5)


async def test_a_refusal(smtp_server: SMTPServer) -> None:
    """Faults are declared as everywhere."""
    smtp_server.on("RCPT").reply(550, "5.1.1 No such user")
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
        await notify(smtp_server)


async def test_our_own_client(smtp_server: SMTPServer) -> None:
    """AsyncSMTPTransporter is the transporter with await."""
    async with AsyncSMTPTransporter(**smtp_server.client_options()) as transporter:
        status = await transporter.send({"from": "shop@example.com", "to": "ada@example.org"})
    assert status.success
    assert len(smtp_server.messages) == 1
