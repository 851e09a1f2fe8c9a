"""Runs a foreign asyncio client and closes what it leaves open."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_and_close(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop of its own; then abort the connections that it made and did not close.

    A client that is refused, or raises before it is, may leave its transport to the garbage collector, which
    would find it, and warn of it, in the middle of another test.
    """
    opened: list[asyncio.BaseTransport] = []

    async def main() -> T:
        loop = asyncio.get_running_loop()
        connect = loop.create_connection

        async def create_connection(*args: Any, **keywords: Any) -> Any:
            transport, protocol = await connect(*args, **keywords)
            opened.append(transport)
            return transport, protocol

        loop.create_connection = create_connection  # type: ignore[method-assign]
        try:
            return await work
        finally:
            for transport in opened:
                assert isinstance(transport, asyncio.WriteTransport)
                transport.abort()
            await asyncio.sleep(0)  # in its next turn the loop closes their sockets

    return asyncio.run(main())
