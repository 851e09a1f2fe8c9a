"""Octets to replies and back, line ends, and the transparency of content.

RFC 5321 2.3.8 (lines end in CRLF), 4.2 (reply syntax), 4.5.2 (transparency), 4.5.3.1.5 (reply lines).
The one thing to know: nothing here reads or writes; octets come in at one end and values out at the other.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pytest_smtp4d.errors import RemoteProtocolError
from pytest_smtp4d.smtp.reply import Reply

__all__ = [
    "CRLF",
    "END_OF_CONTENT",
    "MAX_REPLY",
    "MAX_REPLY_LINE",
    "ReplyReader",
    "add_transparency",
]

CRLF = b"\r\n"
END_OF_CONTENT = b".\r\n"

MAX_REPLY_LINE = 12288
"""Octets of one reply line that we read; the RFC says 512, challenges of RFC 4954 go up to this."""

MAX_REPLY = 65536
"""Octets of one reply, all its lines together, that we read before we call it endless."""

# Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF        RFC 5321 4.2
# Reply-code = %x32-35 %x30-35 %x30-39
# QUIRK: the second digit is read up to 9 (some servers answer 5yz codes of their own making).
_REPLY_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)


class ReplyReader:
    """Turns what a server sends, split anywhere, into replies.

    `feed` octets, then take replies with `next` until it returns None. Memory is bounded by `MAX_REPLY`
    plus what one `feed` brings.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._start = 0  # of what no reply was made of yet
        self._lines: list[Reply] = []  # of a reply that is not complete, each as if it were one
        self._size = 0

    def feed(self, octets: bytes) -> None:
        """Take octets as they arrived."""
        self._buffer = self._buffer[self._start :] + octets
        self._start = 0

    @property
    def is_empty(self) -> bool:
        """True when no octet waits here, not even half a reply."""
        return self._start == len(self._buffer) and not self._lines

    def rest(self) -> bytes:
        """Return the octets not yet taken as replies, without taking them."""
        return self._buffer[self._start :]

    def next(self) -> Reply | None:
        """Return the next reply, or None until more octets are fed.

        Raises:
            RemoteProtocolError: no code, a code that changes within a reply, NUL, or a line or reply
                without end.
        """
        while (end := self._buffer.find(b"\n", self._start)) >= 0:
            # QUIRK: a lone LF ends a reply line, too; broken proxies send it, and all clients read it.
            line = self._buffer[self._start : end].removesuffix(b"\r")
            self._start = end + 1
            reply, is_last = _read_line(line)
            if is_last and not self._lines:
                return reply
            self._add(reply, len(line))
            if is_last:
                whole = Reply(reply.code, "\n".join([part.text for part in self._lines]))
                self._lines, self._size = [], 0
                return whole
        size = len(self._buffer) - self._start
        if size > MAX_REPLY_LINE:
            raise RemoteProtocolError(
                f"the server sent {size} octets without a line end: {_shown(self.rest())}"
            )
        return None

    def _add(self, part: Reply, size: int) -> None:
        """Keep a line of a reply of several."""
        if self._lines and part.code != self._lines[0].code:
            raise RemoteProtocolError(
                f"the server began a reply with {self._lines[0].code} and went on with {part.code}"
            )
        self._lines.append(part)
        self._size += size
        if self._size > MAX_REPLY:
            raise RemoteProtocolError(f"the server sent a reply of more than {MAX_REPLY} octets")


@lru_cache(maxsize=64)  # servers say the same few lines again and again
def _read_line(line: bytes) -> tuple[Reply, bool]:
    """Return a line as a reply of its own, and whether it ends one."""
    if len(line) > MAX_REPLY_LINE:
        raise RemoteProtocolError(f"the server sent a reply line of more than {MAX_REPLY_LINE} octets")
    match = _REPLY_LINE.fullmatch(line)
    if match is None:
        raise RemoteProtocolError(f"the server sent {_shown(line)} where a reply of three digits was due")
    digits, separator, text = match.groups(b"")
    if b"\x00" in text:
        raise RemoteProtocolError(f"the server sent a NUL in its reply {_shown(line)}")
    return Reply(int(digits), _decode(text)), separator != b"-"


def _shown(octets: bytes) -> str:
    return repr(octets[:60])[1:] + ("…" if len(octets) > 60 else "")


def _decode(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def add_transparency(content: bytes) -> bytes:
    """Return canonical content as it goes on the wire after 354: dots doubled, the final dot line added.

    Content that does not end in CRLF gets one, for the final dot must stand on a line of its own
    (RFC 5321 4.1.1.4, 4.5.2).
    """
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    if stuffed and not stuffed.endswith(CRLF):
        stuffed += CRLF
    return stuffed + END_OF_CONTENT
