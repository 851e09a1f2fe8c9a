"""Event loops that lack something."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING


class LoopWithoutReaders(asyncio.SelectorEventLoop):
    """A loop that cannot watch sockets for others, as Windows' default."""

    if not TYPE_CHECKING:

        def _cannot(self, *_):
            raise NotImplementedError  # as asyncio's base class does

        add_reader = remove_reader = add_writer = remove_writer = _cannot
