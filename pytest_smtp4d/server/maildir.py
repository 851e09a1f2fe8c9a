"""A Maildir that messages are delivered into, made again when somebody removed it.

RFC 5321 4.4 (Return-Path at final delivery).
"""

from __future__ import annotations

import mailbox
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_smtp4d.records.record import ReceivedMessage

__all__ = ["Maildir"]

TRIES = 3
"""How often a delivery is tried while somebody removes the folder."""


class Maildir:
    """A Maildir; the envelope stands in Return-Path and Delivered-To.

    Args:
        path: the folder.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path).absolute()
        self._make()
        self._maildir = mailbox.Maildir(str(self._path), create=True)

    def _make(self) -> None:
        for name in ("tmp", "new", "cur"):
            (self._path / name).mkdir(parents=True, exist_ok=True)

    def deliver(self, message: ReceivedMessage) -> None:
        """Deliver a message; it is there when this returns.

        Raises:
            OSError: it cannot be written.
        """
        trace = [f"Return-Path: <{message.mail_from}>", *(f"Delivered-To: {to}" for to in message.rcpt_to)]
        head = "".join(f"{line}\r\n" for line in trace).encode("utf-8", "surrogateescape")
        octets = (head + message.content).replace(b"\r\n", b"\n")
        for left in reversed(range(TRIES)):
            self._make()
            try:
                self._maildir.add(octets)
                return
            except FileNotFoundError:  # it was removed just now
                if not left:
                    raise
