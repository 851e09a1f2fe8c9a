"""The links of a mail, in order: what a reader reads, where it leads, and how often.

HTML living standard 4.6 (links), RFC 3986 3.1 (schemes).
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TypedDict

from pytest_smtp4d.records.view import text_links

__all__ = ["LinkDocument", "links_of"]

_BLANKS = re.compile(r"\s+")
_LONGEST_TEXT = 200


class LinkDocument(TypedDict):
    """A link: the text that a reader sees, its target with entities decoded, and how often it stands."""

    text: str
    target: str
    count: int


class _Anchors(HTMLParser):
    """Collects the targets of `a` and `area`, each with its text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, str]] = []
        self._target: str | None = None
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in reversed(attrs)}
        if tag == "a":
            self._end()
            self._target = values.get("href")
        elif tag == "area" and "href" in values:
            self.found.append((values.get("alt", ""), values["href"]))
        elif tag == "img" and self._target is not None:
            self._text.append(values.get("alt") or "[picture]")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # HTML knows no "/>"

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._end()

    def handle_data(self, data: str) -> None:
        if self._target is not None:
            self._text.append(data)

    def close(self) -> None:
        super().close()
        self._end()

    def _end(self) -> None:
        if self._target is not None:
            self.found.append(("".join(self._text), self._target))
        self._target, self._text = None, []


def links_of(html: str | None, text: str | None) -> list[LinkDocument]:
    """Return the links of a mail: those of its HTML, or else the URLs of its text.

    Args:
        html: the HTML body, or None.
        text: the plain text, or None.

    Returns:
        One for each pair of text and target, in the order of their first appearance; every scheme counts.
    """
    if html is not None:
        anchors = _Anchors()
        # html.parser ends with an AssertionError at a malformed marked section (before CPython 3.14).
        anchors.feed(html.replace("<![", "<!"))
        anchors.close()
        found = anchors.found
    else:
        found = [("", target) for target in text_links(text or "")]
    links: dict[tuple[str, str], LinkDocument] = {}
    for words, raw in found:
        target = re.sub(r"[\t\n\r]", "", raw).strip()
        if not target:
            continue
        shown = _BLANKS.sub(" ", words).strip()[:_LONGEST_TEXT]
        links.setdefault((shown, target), {"text": shown, "target": target, "count": 0})["count"] += 1
    return list(links.values())
