"""The links of a mail, in order: what a reader reads, where it leads, and how often.

HTML living standard 4.6 (links), RFC 3986 3.1 (schemes).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypedDict

from pytest_smtp4d.records.html import Start, Text, tokens
from pytest_smtp4d.records.view import text_links

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LinkDocument", "links_of"]

_BLANKS = re.compile(r"\s+")
_LONGEST_TEXT = 200


class LinkDocument(TypedDict):
    """A link: the text that a reader sees, its target with entities decoded, and how often it stands."""

    text: str
    target: str
    count: int


def _anchors(html: str) -> Iterator[tuple[str, str]]:
    """Yield the text and the target of each `a` and `area`, in order; a picture in a link is its `alt`."""
    target: str | None = None
    words: list[str] = []
    for token in tokens(html):
        if isinstance(token, Text):
            if target is not None:
                words.append(token.text)
            continue
        if token.name == "a":
            if target is not None:
                yield "".join(words), target
            target, words = (token.attributes.get("href") if isinstance(token, Start) else None), []
        elif isinstance(token, Start) and token.name == "area" and "href" in token.attributes:
            yield token.attributes.get("alt", ""), token.attributes["href"]
        elif isinstance(token, Start) and token.name == "img" and target is not None:
            words.append(token.attributes.get("alt") or "[picture]")
    if target is not None:
        yield "".join(words), target


def links_of(html: str | None, text: str | None) -> list[LinkDocument]:
    """Return the links of a mail: those of its HTML, or else the URLs of its text.

    Args:
        html: the HTML body, or None.
        text: the plain text, or None.

    Returns:
        One for each pair of text and target, in the order of their first appearance; every scheme counts.
    """
    found = _anchors(html) if html is not None else (("", target) for target in text_links(text or ""))
    links: dict[tuple[str, str], LinkDocument] = {}
    for words, raw in found:
        target = re.sub(r"[\t\n\r]", "", raw).strip()
        if not target:
            continue
        shown = _BLANKS.sub(" ", words).strip()[:_LONGEST_TEXT]
        links.setdefault((shown, target), {"text": shown, "target": target, "count": 0})["count"] += 1
    return list(links.values())
