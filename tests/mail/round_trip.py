"""What holds for every mail: how its lines look, and that reading and composing it again changes nothing."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from pytest_smtp4d.mail.compose import Composer
from pytest_smtp4d.mail.parse import mail_convert_from_mime

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=timezone.utc)


def counter() -> Callable[[], str]:
    """Return a source of unique ids that begins anew for each message."""
    numbers = itertools.count(1)
    return lambda: f"ID{next(numbers)}"


def octets_of(mail: Any, **options: Any) -> bytes:
    """Compose with a fixed clock and fixed ids."""
    return Composer(mail).compose(**{"now": NOW, "unique": counter(), **options})


BLANKS = " \t"
# One begins where a word begins: what looks like it inside an identifier is none (RFC 2047 5).
_IN_BRACKETS = re.compile(r"<[^<>]*>")  # an address or a URI is not parted, though blanks may stand in it
_ENCODED_WORD = re.compile(r"(?<!\S)=\?[^?]+\?[QB]\?[^?]*\?=")


def check_lines(octets: bytes, *, ascii_only: bool = True) -> None:
    """Check what holds for every message: CRLF alone ends lines, none is too long, no fold is blank."""
    assert octets.endswith(b"\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", octets)
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    if ascii_only:
        assert octets.isascii()
    header = octets.partition(b"\r\n\r\n")[0].decode("utf-8")
    for line in header.split("\r\n"):
        assert line.strip(BLANKS), "a folded line of nothing but blanks"
        words = re.split(r"(?<=\S)[ \t]+", _IN_BRACKETS.sub("<>", line).strip(BLANKS))
        assert len(line.encode()) <= 78 or len(words) == 1, "not folded"
        for word in _ENCODED_WORD.findall(line):
            assert len(word) <= 75
            assert len(line) <= 76


def essence(mail: Any) -> Any:
    """Return what a second reading must give again: all but the fields' and parts' own writing."""
    described = {
        key: value for key, value in mail.items() if key not in ("headers", "bodyStructure", "bodyValues")
    }
    texts = [value["value"] for value in mail["bodyValues"].values()]
    extra = [
        (item["name"], item["value"]) for item in mail["headers"] if item["name"].lower().startswith("x-")
    ]
    return described, texts, extra


def assert_stable(mime: bytes | str) -> None:
    """Parse, compose, parse, compose, parse: three readings have the same texts, the last two are equal."""
    first = mail_convert_from_mime(mime)
    utf8 = Composer(first).needs_utf8
    second = mail_convert_from_mime(octets_of(first, eightbit=False, utf8=utf8))
    composed = octets_of(second, eightbit=False, utf8=utf8)
    check_lines(composed, ascii_only=not utf8)
    third = mail_convert_from_mime(composed)
    assert essence(third) == essence(second)
    assert third["bodyValues"] == second["bodyValues"]
    assert [value["value"] for value in second["bodyValues"].values()] == [
        value["value"] for value in first["bodyValues"].values()
    ]
    assert second.get("subject") == first.get("subject")
