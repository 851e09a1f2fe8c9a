"""anyio, on asyncio and on trio: blocking calls in a thread, which works on every loop."""

from __future__ import annotations

import smtplib
from functools import partial

import anyio
import pytest

from pytest_smtp4d import SMTPServer

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run each test on both loops."""
    return str(request.param)


def deliver(host: str, port: int) -> None:
    """Send a mail, blocking."""
    with smtplib.SMTP(host, port, timeout=5) as client:
        client.sendmail("shop@example.com", ["ada@example.org"], "Subject: Ready\r\n\r\nCome.\r\n")


async def notify(server: SMTPServer) -> None:
    """Send it from a coroutine: the code under test."""
    await anyio.to_thread.run_sync(deliver, *server.address)


async def test_what_was_sent(smtp_server: SMTPServer) -> None:
    """A client that has returned has been recorded: there is nothing to wait for."""
    await notify(smtp_server)
    assert smtp_server.messages.one(subject="Ready").rcpt_to == ("ada@example.org",)


async def test_wait_for_a_mail(smtp_server: SMTPServer) -> None:
    """Wait in a thread: so the loop goes on."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(notify, smtp_server)
        wait = partial(smtp_server.messages.one, timeout=5, subject="Ready")
        message = await anyio.to_thread.run_sync(wait)
    assert message.mail_from == "shop@example.com"
