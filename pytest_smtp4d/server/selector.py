"""What the thread of the servers waits with: it calls at once whoever watches, and tells the loop its own."""

from __future__ import annotations

import selectors
from typing import TYPE_CHECKING

from pytest_smtp4d import clock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Selector"]


class Selector(selectors.DefaultSelector):
    """Tells the loop what it watches, and calls who else watches at once, without the loop's ado.

    asyncio keeps a tuple with each descriptor that it registers; a function is somebody else's. As long as
    nothing but such functions has something to do, the loop does not turn: it learns nothing of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_loop_due = False
        """Whether the loop was given something to do since it began to wait."""
        self.failed: Callable[[Exception], None] = _ignore
        """Told what a function raised."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events; return those that are the loop's."""
        self.is_loop_due = False
        of_loop: list[tuple[selectors.SelectorKey, int]] = []
        until = None if timeout is None else clock.monotonic() + timeout
        while happened := super().select(timeout):
            for key, events in happened:
                if type(key.data) is tuple:
                    of_loop.append((key, events))
                    continue
                try:
                    key.data(events)
                except Exception as error:  # noqa: BLE001 - the loop says it, and goes on
                    self.failed(error)
            if until is not None:
                timeout = until - clock.monotonic()
            if of_loop or self.is_loop_due or (timeout is not None and timeout <= 0):
                break
        return of_loop

    def wait(self) -> None:
        """Wait until there is an event, and leave it to whoever selects next."""
        while not super().select():
            pass


def _ignore(_: Exception) -> None:
    pass
