"""Splits HTML into tags and texts, in linear time whatever the text is.

HTML living standard 13.2.5 (the tokenizer), as browsers do it: a tag, a comment or a quoted value that is
never closed takes the rest of the page. `html.parser` of Python 3.11 looks at such a rest again and again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from html.entities import html5
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["End", "Start", "Text", "tokens"]


@dataclass(frozen=True, slots=True)
class Start:
    """A start tag: its name in lower case and its attributes, of each name the first, entities decoded."""

    name: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class End:
    """An end tag: its name in lower case."""

    name: str


@dataclass(frozen=True, slots=True)
class Text:
    """A run of text, entities decoded."""

    text: str


_MARKUP = re.compile(r"</?[A-Za-z]|<[!?]|</")
_TAG_NAME = re.compile(r"[^\t\n\f\r />]+")
_ATTRIBUTE = re.compile(
    r"""[\t\n\f\r /]*
        (?: (?P<end>>)
          | (?P<name>[^\t\n\f\r />][^\t\n\f\r />=]*)
            (?:[\t\n\f\r ]*=[\t\n\f\r ]*(?:"([^"]*)"?|'([^']*)'?|([^\t\n\f\r >]*)))?
        )""",
    re.VERBOSE,
)
# A comment: "<!-->" and "<!--->" are whole ones (HTML 13.2.5.44).
_COMMENT_END = re.compile(r"(?:-?|.*?--!?)>", re.DOTALL)

# Elements whose content is text up to their own end tag, without tags in it; of those in the second set
# entities are decoded (HTML 13.2.6.2).
_RAW_TEXT = frozenset({"script", "style", "xmp", "iframe", "noembed", "noframes"})
_ESCAPABLE_RAW_TEXT = frozenset({"title", "textarea"})
_RAW_END = {
    name: re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE) for name in _RAW_TEXT | _ESCAPABLE_RAW_TEXT
}


def tokens(html: str) -> Iterator[Start | End | Text]:
    """Yield the tags and texts of HTML in order; comments, conditional ones too, are left out.

    Args:
        html: any text.
    """
    position = 0
    while position < len(html):
        match = _MARKUP.search(html, position)
        start = match.start() if match else len(html)
        if start > position:
            yield Text(_decoded(html[position:start]))
        if match is None:
            return
        if not match[0][-1].isalpha():
            position = _after_comment(html, match)
            continue
        closes = match[0][1] == "/"
        name, attributes, position = _tag(html, match.end() - 1)
        if position < 0:
            return
        if closes:
            yield End(name)
            continue
        yield Start(name, attributes)
        if name in _RAW_END:
            found = _RAW_END[name].search(html, position)
            end = found.start() if found else len(html)
            if end > position:
                text = html[position:end]
                yield Text(text if name in _RAW_TEXT else _decoded(text))
            position = end


def _after_comment(html: str, match: re.Match[str]) -> int:
    """Return where what began like a comment ends: a real one, a declaration, a marked section, "</>"."""
    position = match.end()
    if html.startswith("--", position) and match[0] == "<!":
        end = _COMMENT_END.match(html, position + 2)
        return end.end() if end else len(html)
    return html.find(">", position) + 1 or len(html)


def _tag(html: str, position: int) -> tuple[str, dict[str, str], int]:
    """Return the name and the attributes of a tag, and where it ends; -1 where it never does."""
    named = _TAG_NAME.match(html, position)
    assert named is not None, "a letter begins the name"
    attributes: dict[str, str] = {}
    position = named.end()
    while match := _ATTRIBUTE.match(html, position):
        position = match.end()
        if match["end"]:
            return named[0].lower(), attributes, position
        value = match[3] or match[4] or match[5] or ""
        attributes.setdefault(match["name"].lower(), _decoded_value(value))
    return named[0].lower(), attributes, -1


# --- entities -------------------------------------------------------------------------------------

# A number that no character has; `int` refuses thousands of digits, and `unescape` with it.
_TOO_LARGE = re.compile(r"&#(?:[xX][0-9A-Fa-f]{9,}|[0-9]{11,});?")
_ENTITY = re.compile(r"&(?:#[0-9]{1,10};?|#[xX][0-9A-Fa-f]{1,8};?|([A-Za-z][A-Za-z0-9]{0,31})(;?)(=?))")


def _decoded(text: str) -> str:
    """Return a text with its entities decoded (HTML 13.2.5.72)."""
    return unescape(_TOO_LARGE.sub("\N{REPLACEMENT CHARACTER}", text)) if "&" in text else text


def _decoded_value(text: str) -> str:
    """Return an attribute's value with its entities decoded.

    In `?a=1&copy=2` nothing is: a name without ";" is none before "=" or a letter (HTML 13.2.5.73).
    """
    if "&" not in text:
        return text
    return _ENTITY.sub(_replacement, _TOO_LARGE.sub("\N{REPLACEMENT CHARACTER}", text))


def _replacement(match: re.Match[str]) -> str:
    name, semicolon, equals = match.groups()
    if name is None:
        return unescape(match[0])
    if semicolon:
        return html5.get(f"{name};", match[0][: len(match[0]) - len(equals)]) + equals
    return match[0] if equals else html5.get(name, match[0])
