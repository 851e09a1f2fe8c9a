"""Finds messages that were sent twice although the first had been answered 250.

RFC 5322 3.6.4 (a Message-ID names one message), RFC 5321 6.1 (a message is the server's after its 250).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Duplicates"]

_IDENTIFIER = re.compile(rb"\s*(<[^>\r\n]+>)")
_HEADER_END = re.compile(rb"\n\r?\n")
_FIELD = b"\nmessage-id:"


def _identifier(content: bytes) -> bytes:
    """Return the Message-ID of a message; b"" where it has none. Every message pays for this."""
    end = content.find(b"\r\n\r\n")
    if end < 0:
        match = _HEADER_END.search(content)
        end = match.start() if match else len(content)
    header = b"\n" + content[:end].lower()
    at = header.find(_FIELD)
    found = _IDENTIFIER.match(content, at + len(_FIELD) - 1) if at >= 0 else None
    return b"" if found is None else found[1]


REMEMBERED = 50_000
"""Pairs of message and recipient that are remembered, the newest ones."""


class Duplicates:
    """Remembers which message was delivered to whom, over all sessions of a server."""

    def __init__(self) -> None:
        self._seen: dict[tuple[bytes, str], None] = {}

    def find(self, content: bytes, recipients: Sequence[str], *, answered: bool) -> tuple[bytes, str] | None:
        """Take a message that was stored.

        Args:
            content: its octets.
            recipients: of its envelope.
            answered: whether the client is told that it was accepted; only then must it not come again.

        Returns:
            The Message-ID and the recipient to whom it came again; None where it did not.
        """
        identifier = _identifier(content)
        if not identifier:
            return None
        again = None
        for recipient in recipients:
            key = (identifier, recipient)
            if key in self._seen:
                again = key
            elif answered:
                self._seen[key] = None
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return again
