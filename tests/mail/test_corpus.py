"""Real-world shapes: `tests/corpus/NAME.eml` and what must be read from it, `NAME.json`.

A mail that was once read wrongly gets a pair of files there, named after what was wrong.
"""

from __future__ import annotations

import email
import email.policy
import itertools
import json
import operator
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from pytest_smtp4d.mail.compose import Composer
from pytest_smtp4d.mail.parse import html_body_of, mail_convert_from_mime, text_body_of

CORPUS = Path(__file__).parent.parent / "corpus"
FILES = sorted(CORPUS.glob("*.eml"))
# Those that the standard library reads without guessing.
PLAIN = [path for path in FILES if path.stem.startswith("good") and path.read_bytes().isascii()]
NOW = datetime(2026, 1, 31, 9, 30, tzinfo=timezone.utc)


def composed(mail: Any) -> bytes:
    """Compose with a fixed clock and fixed ids, in 7 bits."""
    numbers = itertools.count(1)
    return Composer(mail).compose(
        eightbit=False, utf8=Composer(mail).needs_utf8, now=NOW, unique=lambda: f"ID{next(numbers)}"
    )


PROPERTIES = [
    *("from", "sender", "to", "cc", "bcc", "replyTo", "subject", "sendAt", "messageId", "inReplyTo"),
    *("references", "comments", "keywords"),
]
# Of the body, which is encoded anew, and those that a property writes in its own form.
NOT_OWN = re.compile(
    "content-.*|mime-version|from|sender|to|cc|bcc|resent-bcc|reply-to|subject|date"
    "|message-id|in-reply-to|references|comments|keywords"
)


def own_fields(mail: Any) -> list[tuple[str, str]]:
    """Return the fields that go through as they are: all but those of properties and of the body."""
    items = [(item["name"], item["value"]) for item in mail["headers"]]
    return [(name, value) for name, value in items if not NOT_OWN.fullmatch(name.lower())]


def emails(key: str) -> Callable[[Any], Any]:
    """Return a reader of the addresses of a property."""
    return lambda mail: [address["email"] for address in mail.get(key, [])]


def names(mail: Any) -> list[Any]:
    """Return the display names of From."""
    return [address["name"] for address in mail["from"]]


def attachments(mail: Any) -> list[Any]:
    """Return name, type and length of the attachments."""
    return [[item.name, item.type, len(item.get_content())] for item in mail["attachments"]]


def problem(mail: Any) -> bool:
    """Tell whether any text had a problem."""
    return any(value["isEncodingProblem"] for value in mail["bodyValues"].values())


READERS: dict[str, Callable[[Any], Any]] = {
    **{key: emails(key) for key in ("from", "to", "cc")},
    **{key: operator.methodcaller("get", key) for key in ("subject", "sendAt", "inReplyTo", "references")},
    "names": names,
    "attachments": attachments,
    "problem": problem,
    "text": text_body_of,
    "html": html_body_of,
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_mail_is_read(path: Path) -> None:
    """What the file beside it says is read."""
    mail = mail_convert_from_mime(path.read_bytes())
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert {key: READERS[key](mail) for key in expected} == expected


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_mail_is_sent_on_as_it_was_read(path: Path) -> None:
    """Composing what was read and reading it again gives the same properties, fields and parts."""
    first: Any = mail_convert_from_mime(path.read_bytes())
    second: Any = mail_convert_from_mime(composed(first))
    for key in PROPERTIES:
        assert second.get(key) == first.get(key) or key not in first
    assert own_fields(second) == own_fields(first)
    assert [value["value"] for value in second["bodyValues"].values()] == [
        value["value"] for value in first["bodyValues"].values()
    ]
    assert [item.name for item in second["attachments"]] == [item.name for item in first["attachments"]]
    assert composed(second) == composed(mail_convert_from_mime(composed(second)))


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.stem)
def test_the_standard_library_reads_the_same(path: Path) -> None:
    """For well-formed mail the standard library reads the same subject, sender and number of parts."""
    mail: Any = mail_convert_from_mime(path.read_bytes())
    other = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert mail["subject"] == other["Subject"]
    assert [address["email"] for address in mail["from"]] == [
        f"{address.username}@{address.domain}" for address in other["From"].addresses
    ]
    leaves = sum(1 for part in _outer_parts(other))
    assert leaves == len(mail["bodyValues"]) + len(mail["attachments"])


def _outer_parts(message: Any) -> list[Any]:
    """Return the leaves of a message; what is inside a message/rfc822 is not its own."""
    if message.get_content_maintype() != "multipart":
        return [message]
    return [leaf for part in message.iter_parts() for leaf in _outer_parts(part)]


def nested(depth: int, close: bool) -> bytes:
    """Return a mail of many multiparts inside each other."""
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
        for level in range(depth)
    )
    closing = b"".join(b"\r\n--b%d--" % level for level in reversed(range(depth))) if close else b""
    return opening + b"\r\ndeep" + closing + b"\r\n"


HOSTILE = {
    "nested-1000-deep": (nested(1000, close=True), "deep"),
    "nested-10000-deep-never-closed": (nested(10_000, close=False), "deep"),
    "one-boundary-for-all-levels": (
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" * 5000 + b"\r\nend",
        None,
    ),
    "header-of-50-megabytes": (b"Subject: " + b"x" * 50_000_000 + b"\r\n\r\nbody", "body"),
    "folded-half-a-million-times": (b"Subject: x" + b"\r\n x" * 500_000 + b"\r\n\r\nbody", "body"),
    "a-hundred-thousand-fields": (b"X: y\r\n" * 100_000 + b"\r\nbody", "body"),
    "thirty-thousand-parts": (
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\n.\r\n" * 30_000 + b"--x--",
        None,
    ),
    "a-megabyte-of-dashes": (
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n" + b"\n--" * 350_000,
        None,
    ),
    "a-megabyte-of-delimiters-in-the-header": (
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" + b"--y\r\n" * 200_000,
        None,
    ),
    "a-megabyte-of-encoded-words": (b"Subject: " + b"=?utf-8?q?=C3=A4?= " * 50_000 + b"\r\n\r\nbody", "body"),
    "a-megabyte-of-open-words": (b"Subject: " + b"=?utf-8?q?" * 100_000 + b"\r\n\r\nbody", "body"),
    "a-megabyte-of-comments": (b"To: " + b"(" * 1_000_000 + b"\r\n\r\nbody", "body"),
    "a-megabyte-of-addresses": (b"To: " + b"a@example.com, " * 70_000 + b"\r\n\r\nbody", "body"),
    "a-megabyte-of-parameters": (
        b"Content-Type: text/plain" + b"; a*0*=b" * 100_000 + b"\r\n\r\nbody",
        "body",
    ),
    "a-megabyte-of-quotes": (b'Content-Type: text/plain; a="' + b'\\"' * 500_000 + b"\r\n\r\nbody", "body"),
    "a-megabyte-of-blanks": (
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b" " * 1_000_000 + b"x",
        " " * 1_000_000 + "x",
    ),
    "a-megabyte-of-identifiers": (b"References: " + b"<a@b>" * 200_000 + b"\r\n\r\nbody", "body"),
    "half-a-megabyte-of-junk-in-the-header": (
        b"Subject: x\r\n" + b"no field\r\n" * 50_000 + b"\r\nbody",
        "body",
    ),
    "half-a-megabyte-of-blank-lines-before-the-header": (
        b"  \r\n" * 120_000 + b"Subject: x\r\n\r\nbody",
        "body",
    ),
    "ten-thousand-boundaries-with-words": (
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x words\r\n\r\n.\r\n" * 10_000,
        None,
    ),
    "a-megabyte-of-words-behind-boundaries": (
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n" + b"--x words\r\n" * 100_000,
        None,
    ),
    "a-date-folded-a-hundred-thousand-times": (
        b"Date: Mon," + b"\r\n (x)" * 100_000 + b" 21 Aug 1995 13:30 +0000\r\n\r\nbody",
        "body",
    ),
    "a-megabyte-of-comments-in-a-type": (
        b"Content-Type: " + b"(x)" * 200_000 + b"text/plain;" + b"(=;)" * 100_000 + b"a=b\r\n\r\nbody",
        "body",
    ),
    "a-megabyte-of-blanks-in-a-type": (
        b"Content-Type: text" + b" " * 500_000 + b"x/plain; a" + b" " * 500_000 + b"b=c\r\n\r\nbody",
        "body",
    ),
    "a-megabyte-of-blanks-in-identifiers": (
        b"References: " + (b"<a" + b" " * 890 + b"@b>") * 1000 + b"\r\n\r\nbody",
        "body",
    ),
    "half-a-megabyte-of-open-brackets": (b"From: " + b"a <," * 100_000 + b"\r\n\r\nbody", "body"),
    "a-megabyte-of-words-with-question-marks": (
        b"Subject: " + b"=?utf-8?q??" * 100_000 + b"\r\n\r\nbody",
        "body",
    ),
    "half-a-megabyte-of-escapes": (
        b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + b"\x1b$B-!\x1b(B" * 60_000,
        "①" * 60_000,
    ),
    "a-megabyte-of-keywords": (b"Keywords: " + b'"a,b",' * 150_000 + b"\r\n\r\nbody", "body"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_is_read(name: str) -> None:
    """Depth, length and number exhaust neither the stack nor the patience: all is read, nothing raises."""
    octets, text = HOSTILE[name]
    mail = mail_convert_from_mime(octets)
    if text is not None:
        assert text_body_of(mail) == text
    assert mail["bodyValues"] or mail["attachments"]
