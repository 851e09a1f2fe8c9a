"""Finds messages that were sent twice although the first had been answered 250.

RFC 5322 3.6.4 (a Message-ID names one message), RFC 5321 6.1 (a message is the server's after its 250).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Duplicates"]

_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>\r\n]+>)", re.IGNORECASE | re.MULTILINE)
_HEADER_END = re.compile(rb"\n\r?\n")


class Duplicates:
    """Remembers which message was delivered to whom, over all sessions of a server."""

    def __init__(self) -> None:
        self._seen: set[tuple[bytes, str]] = set()

    def find(self, content: bytes, recipients: Sequence[str], *, answered: bool) -> str:
        """Take a message that was stored.

        Args:
            content: its octets.
            recipients: of its envelope.
            answered: whether the client is told that it was accepted; only then must it not come again.

        Returns:
            The Message-ID and the recipient to whom it came again, in words; "" where it did not.
        """
        end = _HEADER_END.search(content)
        match = _MESSAGE_ID.search(content, 0, end.end() if end else len(content))
        if match is None:
            return ""
        identifier = match[1]
        again = next((one for one in recipients if (identifier, one) in self._seen), None)
        if answered:
            self._seen.update((identifier, one) for one in recipients)
        return (
            "" if again is None else f"Message-ID: {identifier.decode('utf-8', 'replace')} to {again} again"
        )

    def clear(self) -> None:
        """Forget everything."""
        self._seen.clear()
