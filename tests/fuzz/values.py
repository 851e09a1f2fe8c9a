"""Octets as a document: a mapping of names to values of any shape.

One line is one entry, `name:shape:text`, so that a fuzzer that changes one octet changes one value, and seeds
can be read. What has no shape of the table is text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_smtp4d import mail_new_attachment
from pytest_smtp4d.errors import MailError

__all__ = ["document_of"]


def document_of(octets: bytes) -> dict[str, Any]:
    r"""Return the document that octets stand for; `\n`, `\r` and `\0` in a text are escapes."""
    document: dict[str, Any] = {}
    for line in octets.decode("utf-8", "surrogateescape").split("\n"):
        name, _, rest = line.partition(":")
        shape, _, text = rest.partition(":")
        for written, character in (("\\n", "\n"), ("\\r", "\r"), ("\\0", "\0")):
            text = text.replace(written, character)
        document[name] = _SHAPES.get(shape, str)(text)
    return document


def _pair(text: str) -> tuple[str, str]:
    first, _, second = text.partition("|")
    return first, second


def _attachments(text: str) -> list[Any]:
    name, content = _pair(text)
    try:
        return [mail_new_attachment(content.encode("utf-8", "surrogateescape"), name, *_pair(content))]
    except MailError:
        return [text]


def _structure(text: str) -> dict[str, Any]:
    types = text.split(",")
    parts: list[dict[str, Any]] = [{"type": kind, "partId": str(number)} for number, kind in enumerate(types)]
    return {"type": "multipart/mixed", "subParts": parts} if len(parts) > 1 else parts[0]


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(len(text)) if text else float("nan")


_SHAPES: dict[str, Callable[[str], Any]] = {
    "none": lambda _: None,
    "true": lambda _: True,
    "false": lambda _: False,
    "number": _number,
    "octets": lambda text: text.encode("utf-8", "surrogateescape"),
    "list": lambda text: text.split(","),
    "set": lambda text: set(text.split(",")),
    "pair": _pair,
    "mapping": lambda text: dict(map(_pair, text.split(","))),
    "flags": lambda text: dict.fromkeys(text.split(","), True),
    "address": lambda text: dict(zip(("name", "email"), _pair(text), strict=True)),
    "addresses": lambda text: [
        dict(zip(("name", "email"), _pair(one), strict=True)) for one in text.split(",")
    ],
    "headers": lambda text: [
        dict(zip(("name", "value"), _pair(one), strict=True)) for one in text.split(",")
    ],
    "attachments": _attachments,
    "structure": _structure,
    "values": lambda text: {key: {"value": value} for key, value in map(_pair, text.split(","))},
}
