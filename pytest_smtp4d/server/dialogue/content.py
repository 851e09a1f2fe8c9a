"""Message content as it arrives: its end found across the edges of chunks, transparency undone on the way.

RFC 5321 4.1.1.4 and 4.5.2 (DATA), RFC 3030 2 (BDAT), RFC 1870 6 (size).
Only CRLF.CRLF ends content (and a lone dot line at its very beginning), so nothing can be smuggled with bare
CR or LF. What passes the size limit is counted, not kept.
"""

from __future__ import annotations

import io

__all__ = ["ChunkReader", "DotReader", "whole_content"]

_END = b"\r\n.\r\n"


def whole_content(octets: bytes, start: int, limit: int | None) -> tuple[bytes, int] | None:
    """Return content that has arrived in one piece, as most has, and where what follows it begins.

    Args:
        octets: what has arrived.
        start: where content begins.
        limit: octets that it may have; None: no limit.

    Returns:
        None for any other: a `DotReader` takes it.
    """
    end = octets.find(_END, start) + 2
    if end < 2 or (limit is not None and end - start > limit) or octets.startswith(b".", start):
        return None
    return octets[start:end].replace(b"\r\n.", b"\r\n"), end + 3


class _Store:
    """Octets kept up to a limit, without a copy at the end.

    Args:
        limit: octets; None: no limit.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._whole = b""
        self._octets: io.BytesIO | None = None
        self.size: int = 0
        """Octets so far, kept or not."""

    @property
    def is_too_big(self) -> bool:
        """More octets came than the limit allows; none of them is kept any more."""
        return self._limit is not None and self.size > self._limit

    @property
    def content(self) -> bytes:
        """The octets so far; empty when there were too many."""
        return self._whole if self._octets is None else self._octets.getvalue()

    def _keep(self, octets: bytes) -> None:
        if not self.size and (self._limit is None or len(octets) <= self._limit):
            self._whole = octets  # most messages come in one piece
            self.size = len(octets)
            return
        self.size += len(octets)
        if self.is_too_big:
            self._whole, self._octets = b"", None
            return
        if self._octets is None:
            self._octets = io.BytesIO()
            self._octets.write(self._whole)
            self._whole = b""
        self._octets.write(octets)


class DotReader(_Store):
    """Content after DATA, up to the line with nothing but a dot."""

    is_complete = False
    """Content after DATA is never complete before its dot."""

    def __init__(self, limit: int | None = None) -> None:
        super().__init__(limit)
        # Content begins at the beginning of a line: as if a CRLF stood before it, which is not kept.
        self._held = b"\r\n"
        self._unkept = 2

    def feed(self, octets: bytes) -> bytes | None:
        """Take octets as they arrived.

        Returns:
            None while content goes on; else the octets behind its end.
        """
        octets = self._held + octets
        end = octets.find(_END)
        if end >= 0:
            self._keep_plain(octets[: end + 2])
            return octets[end + 5 :]
        # A tail that may be the beginning of the end, or a dot's line end, waits for what follows.
        held = next((length for length in (4, 3, 2, 1) if octets.endswith(_END[:length])), 0)
        self._held = octets[len(octets) - held :]
        self._keep_plain(octets[: len(octets) - held])
        return None

    def _keep_plain(self, octets: bytes) -> None:
        if octets:
            self._keep(octets.replace(b"\r\n.", b"\r\n")[self._unkept :])
            self._unkept = 0


class ChunkReader(_Store):
    """The octets of one BDAT chunk.

    Args:
        length: octets that the command announced.
        limit: octets that are kept at most; None: no limit.
    """

    def __init__(self, length: int, limit: int | None = None) -> None:
        super().__init__(limit)
        self.left: int = length
        """Octets that have not come yet."""

    @property
    def is_complete(self) -> bool:
        """Whether no octet is missing: a chunk may have none."""
        return not self.left

    def feed(self, octets: bytes) -> bytes | None:
        """Take octets as they arrived; return those behind the chunk, None while it goes on."""
        chunk, rest = octets[: self.left], octets[self.left :]
        self.left -= len(chunk)
        self._keep(chunk)
        return None if self.left else rest
