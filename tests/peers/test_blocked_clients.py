"""A blocked connection names the user's line, in whichever loop, thread or task of a library it is made."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_smtp4d import SMTPBlockedError
from pytest_smtp4d.intercept.block import Block, Refusals
from pytest_smtp4d.intercept.patch import blocking
from pytest_smtp4d.intercept.target import Allowed

HOST, PORT = "smtp.example.com", 587


def this_line() -> int:
    """Return the number of the caller's line."""
    return sys._getframe(1).f_lineno


def in_asyncio() -> int:
    """Connect with asyncio's streams."""

    async def main() -> int:
        line = this_line() + 2
        with pytest.raises(SMTPBlockedError):
            await asyncio.open_connection(HOST, PORT)
        return line

    return asyncio.run(main())


def in_aiosmtplib() -> int:
    """Connect with a library on asyncio, which wraps the error."""
    import aiosmtplib

    async def main() -> int:
        line = this_line() + 2
        with pytest.raises(aiosmtplib.SMTPConnectError):
            await aiosmtplib.SMTP(hostname=HOST, port=PORT, timeout=5).connect()
        return line

    return asyncio.run(main())


def in_anyio() -> int:
    """Connect with anyio, which tries addresses in tasks of its own."""
    anyio = pytest.importorskip("anyio")

    async def main() -> int:
        line = this_line() + 2
        with pytest.raises(OSError):
            await anyio.connect_tcp(HOST, PORT)
        return line

    return int(anyio.run(main))


def in_trio() -> int:
    """Connect with trio, which tries addresses in tasks of its own."""
    trio = pytest.importorskip("trio")

    async def main() -> int:
        line = this_line() + 2
        with pytest.raises(OSError):
            await trio.open_tcp_stream(HOST, PORT)
        return line

    return int(trio.run(main))


def in_an_executor() -> int:
    """Connect in a thread that a coroutine waits for."""
    import smtplib

    line = this_line() + 3

    def send() -> None:
        smtplib.SMTP(HOST, PORT, timeout=5)

    async def main() -> None:
        with pytest.raises(SMTPBlockedError):
            await asyncio.to_thread(send)

    asyncio.run(main())
    return line


@pytest.mark.parametrize("connect", [in_asyncio, in_aiosmtplib, in_anyio, in_trio, in_an_executor])
def test_the_users_line_is_named(connect: Callable[[], int]) -> None:
    """Host, port and line; and nothing was resolved on the way."""
    refusals = Refusals()
    with blocking(Block(refusals, Allowed(), warns=False)):
        line = connect()
    (attempt,) = refusals.take()
    assert attempt.target == (HOST, PORT)
    assert attempt.place is not None
    path, _, number = attempt.place.rpartition(":")
    assert (Path(path).name, int(number)) == (Path(__file__).name, line)
