"""The servers' event loop: asyncio's, by a clock that no test can freeze, and with a selector of its own."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from pytest_smtp4d import clock

if TYPE_CHECKING:
    from pytest_smtp4d.server.selector import Selector

__all__ = ["EventLoop"]


class EventLoop(asyncio.SelectorEventLoop):
    """A loop that goes by the real clock, and that a forked child neither closes nor complains about."""

    is_of_servers = True

    def __init__(self, selector: Selector) -> None:
        super().__init__(selector)
        self._process = os.getpid()
        self._waiting = selector
        selector.failed = self._failed

    def time(self) -> float:
        """Return seconds on a clock that no test can freeze."""
        return clock.monotonic()

    def call_soon(self, *args: Any, **context: Any) -> asyncio.Handle:  # type: ignore[override]
        """Do as asyncio does, and let the loop turn."""
        self._waiting.is_loop_due = True
        return super().call_soon(*args, **context)

    def call_at(self, *args: Any, **context: Any) -> asyncio.TimerHandle:  # type: ignore[override]
        """Do as asyncio does, and let the loop look how long it may wait."""
        self._waiting.is_loop_due = True
        return super().call_at(*args, **context)

    def _failed(self, error: Exception) -> None:
        self.call_exception_handler({"message": "in a server's loop", "exception": error})

    def __del__(self) -> None:
        if os.getpid() == self._process:
            super().__del__()
