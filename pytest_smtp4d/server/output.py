"""Writes to a file descriptor in a thread of its own, so that a reader that does not read holds nobody up.

What waits to be written is bounded. What does not fit any more is lost and counted; whoever gave the output
is told with a number, and so is the reader, once it reads again.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Output"]

LIMIT = 8 << 20
"""Octets that may wait; one item that is larger waits alone."""

COUNT = 10_000
"""Items that may wait."""


class _Item(NamedTuple):
    size: int
    text: Callable[[], str]


class Output:
    """Something to write to, from any thread, that never blocks.

    Args:
        descriptor: where the text goes, as UTF-8.
        name: of the thread.
        lost: returns the text that tells the reader how many items are missing here.
        tell: takes words about what the reader misses, or why nothing can be written any more.
    """

    def __init__(
        self,
        descriptor: int,
        name: str,
        lost: Callable[[int], str],
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._descriptor = descriptor
        self._name = name
        self._lost_text = lost
        self._tell = tell
        self._waiting: deque[_Item] = deque()
        self._size = 0
        self._missing = 0
        self._is_closed = False
        self._is_broken = False
        self._changed = threading.Condition()
        self.lost: int = 0
        """How many items the reader never saw."""
        self._thread = threading.Thread(target=self._run, name=f"smtp4d {name}", daemon=True)
        self._thread.start()

    def put(self, size: int, text: Callable[[], str]) -> None:
        """Write a text.

        Args:
            size: octets that it keeps in memory while it waits, about.
            text: makes it; called in the writing thread.
        """
        with self._changed:
            is_full = self._size + size > LIMIT or len(self._waiting) >= COUNT
            if self._is_broken or (is_full and self._waiting):
                self.lost += 1
                self._missing += 1
                first = self._missing == 1 and not self._is_broken
            else:
                self._waiting.append(_Item(size, text))
                self._size += size
                self._changed.notify()
                first = False
        if first:
            self._tell(f"{self._name} is not read: what does not fit into {LIMIT >> 20} MiB is lost")

    def line(self, text: str) -> None:
        """Write a line."""
        self.put(len(text), lambda: text + "\n")

    def close(self, seconds: float) -> int:
        """Write what waits, for so long as the reader takes some of it within `seconds`.

        Returns:
            How many items were not written.
        """
        with self._changed:
            self._is_closed = True
            self._changed.notify()
            left = len(self._waiting) + 1
        while self._thread.is_alive() and len(self._waiting) < left:
            left = len(self._waiting)
            self._thread.join(seconds)
        return self.lost + len(self._waiting)

    # -- in the thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (item := self._next()) is not None:
            try:
                self._write(item.text())
            except OSError as error:
                self._break(error)
                return
            with self._changed:
                self._waiting.popleft()
                self._size -= item.size

    def _next(self) -> _Item | None:
        """Return what is to be written next; it stays among what waits until it is written."""
        with self._changed:
            while not self._waiting and not self._missing and not self._is_closed:
                self._changed.wait()
            if self._waiting:
                return self._waiting[0]
            if not self._missing:
                return None
            missing, self._missing = self._missing, 0
            note = self._lost_text(missing)
            self._waiting.append(_Item(0, lambda: note))
        self._tell(f"{self._name} was not read: {missing} items are lost")
        return self._waiting[0]

    def _write(self, text: str) -> None:
        octets = memoryview(text.encode("utf-8", "backslashreplace"))
        while octets:
            try:
                octets = octets[os.write(self._descriptor, octets) :]
            except BlockingIOError:  # noqa: PERF203 - the parent made the pipe non-blocking
                select.select([], [self._descriptor], [])

    def _break(self, error: OSError) -> None:
        """Write nothing any more: the reader is gone."""
        with self._changed:
            self._is_broken = True
            self.lost += len(self._waiting)
            self._waiting.clear()
            self._size = 0
        self._tell(
            f"{self._name} cannot be written any more ({error.strerror}): nothing is printed from now on"
        )
