"""Maildirs that a foreign server delivers into (https://cr.yp.to/proto/maildir.html).

A server prepends trace fields (RFC 5321 4.4) and stores LF line ends; `Delivered`
takes both off again, so that what remains can be compared with what was sent, octet for octet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.peers.daemon import wait_until

_TRACE = re.compile(rb"(?:(?:Return-Path|X-Original-To|Delivered-To|Received):[^\n]*\n(?:[ \t][^\n]*\n)*)*")


@dataclass(frozen=True, slots=True)
class Delivered:
    """One file of a Maildir.

    Args:
        trace: the fields that the server put before the message; lines unfolded, LF between them.
        content: the message as it was sent, with CRLF line ends.
    """

    trace: str
    content: bytes

    @classmethod
    def from_octets(cls, octets: bytes) -> Delivered:
        """Split what the file holds."""
        match = _TRACE.match(octets)
        end = match.end() if match else 0
        trace = re.sub(rb"\n[ \t]+", b" ", octets[:end]).decode()
        return cls(trace, octets[end:].replace(b"\n", b"\r\n"))


class Mailbox:
    """The Maildir of one recipient; each look takes what has come since the last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, count: int = 1) -> list[Delivered]:
        """Wait for that many messages, remove them, and return them in the order of their delivery."""
        files = wait_until(lambda: self._files(count), f"{count} message(s) in {self._folder.name}")
        taken = [Delivered.from_octets(file.read_bytes()) for file in files]
        for file in files:
            file.unlink()
        return taken

    def take_one(self) -> Delivered:
        """Wait for the next message, remove it and return it; there must be one only."""
        (message,) = self.take()
        return message

    def is_empty(self) -> bool:
        """True when nothing is here."""
        return not self._files(0)

    def __repr__(self) -> str:
        return f"Mailbox({self._folder.name})"

    def _files(self, count: int) -> list[Path]:
        new = self._folder / "new"
        files = list(new.iterdir()) if new.is_dir() else []
        return sorted(files, key=lambda file: file.stat().st_mtime_ns) if len(files) >= count else []
