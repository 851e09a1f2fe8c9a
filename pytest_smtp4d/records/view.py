"""What a reader of a mail sees and can click: visible text, links and codes.

HTML living standard 4 and 15.3 (which elements show their text, and which part it), CSS 2.2 9.2.4 and 11.2
(`display: none`, `visibility: hidden`), RFC 3986 3.1 (schemes). Style sheets are not evaluated.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pytest_smtp4d.records.html import End, Start, Text, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["codes", "html_links", "html_text", "text_links"]

_NEVER_SHOWN = frozenset(
    {"datalist", "iframe", "noembed", "noframes", "script", "style", "template", "title"}
)
_VOID = frozenset(
    ("area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img", "input", "keygen",
     "link", "meta", "param", "source", "track", "wbr")
)  # fmt: skip
_BLOCKS = frozenset(
    ("address", "article", "aside", "blockquote", "center", "details", "dialog", "dir", "div", "dl",
     "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header",
     "hgroup", "hr", "main", "menu", "nav", "ol", "p", "pre", "search", "section", "summary", "table", "ul",
     "xmp")
)  # fmt: skip
"""Elements that end a paragraph (HTML 4.4.1)."""

_PART_WORDS = _BLOCKS | {
    "body", "br", "caption", "dd", "dt", "html", "legend", "li", "optgroup", "option", "select", "tbody",
    "td", "textarea", "tfoot", "th", "thead", "tr",
}  # fmt: skip
"""Elements that begin a line; all others, unknown ones too, do not part the words around them."""

_URL = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_URL_IN_TEXT = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.IGNORECASE)
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_BLANKS = re.compile(r"[\t\n\f\r ]+")
_STRAY = re.compile(r"[\t\n\r]")


# --- visible text ---------------------------------------------------------------------------------


class _Element(NamedTuple):
    """An open element, and whether text directly in it shows."""

    name: str
    displayed: bool
    visible: bool


def html_text(html: str) -> str:
    """Return the visible text of an HTML body; block elements part it into lines, blanks are collapsed."""
    pieces: list[str] = []
    page = _OpenElements()
    for token in tokens(html):
        if isinstance(token, Text):
            if page.innermost.displayed and page.innermost.visible:
                pieces.append(_BLANKS.sub(" ", token.text))
            continue
        if isinstance(token, Start):
            element = page.open(token)
        else:
            element = page.close(token)
        if element.displayed and token.name in _PART_WORDS:
            pieces.append("\n")
    lines = (re.sub(" {2,}", " ", line).strip() for line in "".join(pieces).split("\n"))
    return "\n".join(line for line in lines if line)


# Start tag -> the elements that it ends where they are the innermost but for inline ones (HTML 13.1.2.4).
_CELLS = frozenset({"td", "th"})
_ROWS = _CELLS | {"tr"}
_ENDS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(_BLOCKS, frozenset({"p"})),
    "li": frozenset({"p", "li"}),
    **dict.fromkeys(("dt", "dd"), frozenset({"p", "dt", "dd"})),
    **dict.fromkeys(("td", "th"), _CELLS | {"p"}),
    "tr": _ROWS | {"p"},
    **dict.fromkeys(("thead", "tbody", "tfoot"), _ROWS | {"p", "thead", "tbody", "tfoot"}),
    "option": frozenset({"option"}),
}  # fmt: skip
_DEEPEST_INLINE = 16
"""So many inline elements are looked through for one that a start tag ends."""


class _OpenElements:
    """The elements that are open while a page is read; each is entered and left once."""

    def __init__(self) -> None:
        self._stack = [_Element("", True, True)]
        self._count: dict[str, int] = {}

    @property
    def innermost(self) -> _Element:
        """The element that the next text is in."""
        return self._stack[-1]

    def open(self, tag: Start) -> _Element:
        """Enter the element of a start tag, those that it ends being left; return it."""
        ended = _ENDS.get(tag.name, frozenset())
        while depth := self._depth_of(ended):
            self._leave(depth)
        element = _entered(tag, self._stack[-1])
        if tag.name not in _VOID:
            self._stack.append(element)
            self._count[tag.name] = self._count.get(tag.name, 0) + 1
        return element

    def close(self, tag: End) -> _Element:
        """Leave the element of an end tag with all inside it; return it, or the innermost if none is open."""
        if not self._count.get(tag.name):
            return self._stack[-1]
        depth = 1
        while self._stack[-depth].name != tag.name:
            depth += 1
        element = self._stack[-depth]
        self._leave(depth)
        return element

    def _depth_of(self, names: frozenset[str]) -> int:
        """Return how deep an element of these names is below inline ones, from 1; 0 where none is."""
        for depth, element in enumerate(reversed(self._stack[-_DEEPEST_INLINE:]), 1):
            if element.name in names:
                return depth
            if element.name in _PART_WORDS:
                break
        return 0

    def _leave(self, depth: int) -> None:
        for element in self._stack[-depth:]:
            self._count[element.name] -= 1
        del self._stack[-depth:]


def _entered(tag: Start, parent: _Element) -> _Element:
    """Return the element of a start tag, as attributes and style let it show inside its parent."""
    style = _declarations(tag.attributes.get("style", ""))
    display = style.get("display", "none" if "hidden" in tag.attributes else "")
    displayed = parent.displayed and display != "none" and tag.name not in _NEVER_SHOWN
    visibility = style.get("visibility", "inherit")
    visible = parent.visible if visibility == "inherit" else visibility not in ("hidden", "collapse")
    return _Element(tag.name, displayed, visible)


_STYLE_COMMENT = re.compile(r"/\*(?:.*?\*/|.*)", re.DOTALL)
_IMPORTANT = re.compile(r"![\s]*important\Z")


def _declarations(style: str) -> dict[str, str]:
    """Return the declarations of an inline style in lower case; of one name the last or an important one."""
    found: dict[str, tuple[bool, str]] = {}
    for declaration in _STYLE_COMMENT.sub(" ", style).lower().split(";"):
        name, _, value = declaration.partition(":")
        value, important = _IMPORTANT.subn("", value.strip())
        key = name.strip()
        if important or not found.get(key, (False, ""))[0]:
            found[key] = (bool(important), value.strip())
    return {name: value for name, (_, value) in found.items()}


# --- links and codes ------------------------------------------------------------------------------


def html_links(html: str) -> list[str]:
    """Return the http and https targets of an HTML body's links in order, entities decoded, each once."""
    found = (
        token.attributes.get("href", "")
        for token in tokens(html)
        if isinstance(token, Start) and token.name in ("a", "area")
    )
    targets = (_STRAY.sub("", link).strip() for link in found)
    return list(dict.fromkeys(target for target in targets if _URL.match(target)))


def text_links(text: str) -> list[str]:
    """Return the http and https URLs of plain text in order, each once, without punctuation behind them."""
    urls = (_trimmed(match[0]) for match in _URL.finditer(text))
    return list(dict.fromkeys(url for url in urls if _URL.fullmatch(url)))


def _trimmed(url: str) -> str:
    """Return a URL without the end of the sentence around it; a bracket stays where the URL opened it."""
    surplus = {close: url.count(close) - url.count(opening) for close, opening in _BRACKETS.items()}
    end = len(url)
    while end:
        last = url[end - 1]
        if last in _BRACKETS and surplus[last] > 0:
            surplus[last] -= 1
        elif last not in ".,;:!?'*":
            break
        end -= 1
    return url[:end]


def codes(text: str, pattern: str | re.Pattern[str]) -> list[str]:
    """Return what a pattern finds outside URLs, each once: its first group, or all where it has none."""
    readable = _URL_IN_TEXT.sub(" ", text)
    found = (match[min(1, match.re.groups)] for match in re.finditer(pattern, readable))
    return list(dict.fromkeys(code for code in found if code is not None))
