"""The mails of a run as a Maildir: `--smtp4d-export=DIR`.

RFC 5321 4.4 (Return-Path at final delivery). Each mail begins with fields of ours: its envelope, and the id
of the test during which it arrived.
"""

from __future__ import annotations

import mailbox
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import SMTP4DError
from pytest_smtp4d.report.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_smtp4d.records.record import ReceivedMessage
    from pytest_smtp4d.report.redact import Redaction

__all__ = ["TEST_FIELD", "ExportError", "Maildir", "prepare"]

TEST_FIELD = "X-Smtp4d-Test"
"""The field that holds the id of the test."""


class ExportError(SMTP4DError, ValueError):
    """The folder holds something that is not ours to replace."""


def prepare(folder: Path) -> None:
    """Make the Maildir of a run, empty; the mails of an earlier run are removed.

    Raises:
        ExportError: it holds anything else.
        OSError: it cannot be made.
    """
    inside = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if inside - {"new", "cur", "tmp"}:
        raise ExportError(f"{folder} is no Maildir of an earlier run: give a folder that is new or empty")
    folder.parent.mkdir(parents=True, exist_ok=True)
    maildir = mailbox.Maildir(str(folder), create=True)
    if any(TEST_FIELD not in message for message in maildir):
        raise ExportError(f"{folder} holds mail that no run has exported: give a folder that is new or empty")
    maildir.clear()


class Maildir:
    """The Maildir of a run; processes may write to it at once.

    Args:
        folder: as `prepare` made it.
        redaction: applied to each mail.
    """

    def __init__(self, folder: Path, redaction: Redaction) -> None:
        self._maildir = mailbox.Maildir(str(folder), create=True)
        self._redaction = redaction

    def put(self, test: str, messages: Iterable[ReceivedMessage]) -> None:
        """Deliver the messages of a test."""
        for message in messages:
            lines = [
                f"Return-Path: <{visible(message.mail_from)}>",
                *(f"Delivered-To: {visible(recipient)}" for recipient in message.rcpt_to),
                f"{TEST_FIELD}: {visible(test)}",
            ]
            head = "".join(f"{self._redaction.text(line)}\n" for line in lines)
            content = self._redaction.content(message.content).replace(b"\r\n", b"\n")
            self._maildir.add(head.encode("utf-8", "backslashreplace") + content)
