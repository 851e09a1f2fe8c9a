"""What a reader of a mail sees and can click: visible text, links and codes.

HTML living standard 4 (which elements show their text, which part it), RFC 3986 3.1 (schemes).
The one thing to know: entities are decoded, so a link is the address that a browser would open, and text that
no reader sees (scripts, styles, titles, hidden elements) holds no code.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["codes", "html_links", "html_text", "text_links"]

_HIDDEN = frozenset({"script", "style", "template", "title"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
_INLINE = frozenset(
    ("a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "em", "font", "i", "ins", "kbd", "mark", "q", "s",
     "small", "span", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr")
)  # fmt: skip
"""Elements that do not part the words around them; all others do."""

_INVISIBLE_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_URL_IN_TEXT = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.IGNORECASE)
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_BLANKS = re.compile(r"[\t\n\f\r ]+")


class _Page(HTMLParser):
    """Collects links and visible text in one pass."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.text: list[str] = []
        self._hidden = ""
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("a", "area"):
            self.links += [value for name, value in attrs if name == "href" and value]
        if tag not in _INLINE:
            self.text.append("\n")
        if self._hidden:
            self._depth += tag == self._hidden
        elif tag not in _VOID and (tag in _HIDDEN or _is_hidden(attrs)):
            self._hidden, self._depth = tag, 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # HTML knows no "/>": <p/> opens a paragraph

    def handle_endtag(self, tag: str) -> None:
        if tag not in _INLINE:
            self.text.append("\n")
        if tag == self._hidden:
            self._depth -= 1
            if not self._depth:
                self._hidden = ""

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text.append(_BLANKS.sub(" ", data))


def _is_hidden(attrs: Iterable[tuple[str, str | None]]) -> bool:
    values = {name: value or "" for name, value in attrs}
    return "hidden" in values or _INVISIBLE_STYLE.search(values.get("style", "")) is not None


def _read(html: str) -> _Page:
    page = _Page()
    # A marked section is a bogus comment in HTML; html.parser ends with an AssertionError at a malformed one
    # (before CPython 3.14), so it is shown none.
    page.feed(html.replace("<![", "<!"))
    page.close()
    return page


def html_text(html: str) -> str:
    """Return the visible text of an HTML body; block elements part it into lines."""
    lines = "".join(_read(html).text).split("\n")
    return "\n".join(line for line in map(str.strip, lines) if line)


def html_links(html: str) -> list[str]:
    """Return the http and https targets of an HTML body's links in order, entities decoded, each once."""
    targets = (re.sub(r"[\t\n\r]", "", link).strip() for link in _read(html).links)
    return list(dict.fromkeys(target for target in targets if _URL.match(target)))


def text_links(text: str) -> list[str]:
    """Return the http and https URLs of plain text in order, each once, without punctuation behind them."""
    return list(dict.fromkeys(_trimmed(match[0]) for match in _URL.finditer(text)))


def _trimmed(url: str) -> str:
    """Return a URL without the end of the sentence around it; a bracket stays where the URL opened it."""
    end = url[-1]
    if end in ".,;:!?'*" or (end in _BRACKETS and url.count(_BRACKETS[end]) < url.count(end)):
        return _trimmed(url[:-1])
    return url


def codes(text: str, pattern: str | re.Pattern[str]) -> list[str]:
    """Return what a pattern finds outside URLs, each once: its first group, or all where it has none."""
    readable = _URL_IN_TEXT.sub(" ", text)
    return list(dict.fromkeys(match[min(1, match.re.groups)] for match in re.finditer(pattern, readable)))
