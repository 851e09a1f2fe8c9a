"""Fuzzes parsing, and every view of a received message: `python -m tests.fuzz parse -max_total_time=600`."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.records.record import ReceivedMessage, Session
from tests.mail.round_trip import assert_stable

SEEDS = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "corpus").glob("*.eml"))]
_SESSION = Session(("192.0.2.1", 40_000))
_RECEIVED = datetime(2026, 1, 31, tzinfo=timezone.utc)


def one_input(octets: bytes) -> None:
    """Read octets, and the text that they are: nothing raises, and reading again gives the same."""
    _check_stable(octets)
    _check_stable(octets.decode("utf-8", "replace"))
    rcpt_to = ("b@example.org",)
    message = ReceivedMessage("a@example.com", rcpt_to, (), {}, octets, _RECEIVED, _SESSION)
    assert isinstance(message.subject, str | None)
    assert isinstance(message.visible_text, str)
    views = (message.from_, message.to, message.cc, message.bcc, message.links(), message.codes())
    assert all(isinstance(item, str) for view in views for item in view)
    assert len({id(flaw) for flaw in message.problems}) == len(message.problems)
    assert message.snapshot() == message.snapshot()
    assert len(message.attachments) == len(message.email["attachments"])
    assert message.mime.defects is not None


def _check_stable(mime: bytes | str) -> None:
    try:
        assert_stable(mime)
    except MailError as error:  # the one that composing what was read may raise
        assert "cannot be folded into lines" in str(error)  # noqa: PT017
