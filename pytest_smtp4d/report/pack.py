"""Makes a report small before it is compressed, and whole again afterwards.

RFC 2045 6.7, 6.8 (transfer encodings).

A text of a mail stands in its source already. Where it can be read from there, by rules so short that the
page's script has them too (`script/data.js`), it is left out: deflate looks back 32 kB, which then hold two
mails more. For the same reason the sources stand one after the other, in a list of their own.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Literal, cast

from pytest_smtp4d.report.links import links_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_smtp4d.report.document import ReportDocument
    from pytest_smtp4d.report.mail import MailDocument, SliceDocument

__all__ = ["pack", "unpack"]

_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/]")
_SOFT_BREAK = re.compile(r"[ \t]+(?=\r?\n|\Z)|=[ \t]*\r?\n")
_ESCAPE = re.compile(r"=([0-9A-Fa-f]{2})")
_BODIES: tuple[tuple[Literal["text", "html"], Literal["textAt", "htmlAt"]], ...] = (
    ("text", "textAt"),
    ("html", "htmlAt"),
)


def pack(report: ReportDocument) -> dict[str, Any]:
    """Return what a page's data block holds: the report, and apart from it the sources of its mails."""
    sources: list[str] = []
    tests = [
        {
            **test,
            "attempts": [
                {**attempt, "entries": [_packed(entry, sources) for entry in attempt["entries"]]}
                for attempt in test["attempts"]
            ],
        }
        for test in report["tests"]
    ]
    return {"report": {**report, "tests": tests}, "sources": sources}


def _packed(entry: Any, sources: list[str]) -> dict[str, Any]:
    mail: MailDocument | None = entry["mail"]
    if mail is None:
        return dict(entry)
    packed: dict[str, Any] = {**mail, "textAt": None, "htmlAt": None}
    source = mail["source"]
    if source is not None:
        packed["source"] = len(sources)
        sources.append(source)
        for body, at in _BODIES:
            if mail[body] is not None and body_of(source, mail[at] or []) == mail[body]:
                packed[body], packed[at] = None, mail[at]
        if packed["htmlAt"]:
            packed["links"] = None  # they are those of a body that is read again
    return {**entry, "mail": packed}


def unpack(packed: Any) -> ReportDocument:
    """Return the report again; the dict given is used up."""
    report: ReportDocument = packed["report"]
    sources: list[str] = packed["sources"]
    for mail in _mails(report):
        index = mail["source"]
        if index is None:
            continue
        mail["source"] = sources[index]
        for body, at in _BODIES:
            slices = mail[at]
            if slices:
                mail[body] = body_of(sources[index], slices)
        if mail["links"] is None:
            mail["links"] = links_of(mail["html"], mail["text"])
    return report


def _mails(report: ReportDocument) -> Iterator[dict[str, Any]]:
    for test in report["tests"]:
        for attempt in test["attempts"]:
            for entry in attempt["entries"]:
                if entry["mail"] is not None:
                    yield cast("dict[str, Any]", entry["mail"])


def body_of(source: str, slices: list[SliceDocument]) -> str | None:
    """Return the text that slices of a source are, or None where it is none in UTF-8.

    Args:
        source: each character is one octet.
        slices: where its parts stand; a line end goes between two.
    """
    if not slices:
        return None
    texts: list[str] = []
    for one in slices:
        try:
            text = _octets(source[one["start"] : one["end"]], one["encoding"]).decode("utf-8")
        except (UnicodeError, binascii.Error):
            return None
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if texts and not texts[-1].endswith("\n"):
            texts.append("\n")
        texts.append(text)
    return "".join(texts)


def _octets(encoded: str, encoding: str) -> bytes:
    if encoding == "base64":
        letters = _NO_BASE64.sub("", encoded)
        letters = letters[: len(letters) - (len(letters) % 4 == 1)]
        return base64.b64decode(letters + "=" * (-len(letters) % 4))
    if encoding == "quoted-printable":
        unfolded = _SOFT_BREAK.sub("", encoded)
        encoded = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), unfolded)
    return encoded.encode("latin-1")
