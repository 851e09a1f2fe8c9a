"""Structured header fields: comments, quoted strings, message identifiers.

RFC 5322 3.2.2 (CFWS), 3.6.4 and 4.5.4 (identifiers), RFC 2045 5.1. The text of a field is read as structure
before any of it is decoded, so that no encoded word brings in a delimiter. In that text an octet that is
not UTF-8 stands as a lone surrogate ("surrogateescape"); `plain_text` makes a character of it at the end.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["octets_of", "plain_text", "read_comment", "read_identifiers", "without_comments"]

_ESCAPED_OCTET = re.compile("[\udc80-\udcff]")
#   comment = "(" *(ctext / quoted-pair / comment) ")"                          RFC 5322 3.2.2
_IN_COMMENT = re.compile(r"[^()\\]+|\\.?|[()]", re.DOTALL)
_OUTSIDE = re.compile(r'"(?:[^"\\]|\\.)*"|"|[^"(]+|\(', re.DOTALL)


def plain_text(text: str) -> str:
    """Return field text with each octet that is not UTF-8 as the character that it is in ISO-8859-1."""
    if text.isascii():
        return text
    return _ESCAPED_OCTET.sub(lambda match: chr(ord(match[0]) - 0xDC00), text)


def octets_of(text: str) -> bytes:
    """Return the octets that field text was; what no octets can be (a half surrogate pair) as "?"."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def read_comment(text: str, position: int) -> tuple[str, int, bool]:
    """Return the comment that opened before `position`, where it ends, and whether it does."""
    depth, pieces = 1, []
    for match in _IN_COMMENT.finditer(text, position):
        piece = match[0]
        depth += {"(": 1, ")": -1}.get(piece, 0)
        position = match.end()
        if not depth:
            break
        pieces.append(piece[1:] if piece[0] == "\\" else piece)
    return "".join(pieces).strip(" \t"), position, not depth


def without_comments(text: str) -> str:
    """Return structured text with a blank for each comment outside quoted strings; an unclosed one stays."""
    if "(" not in text:
        return text
    pieces: list[str] = []
    position, unclosed = 0, False
    while position < len(text):
        match = _OUTSIDE.match(text, position)
        assert match is not None, "every character begins a piece"
        piece, position = match[0], match.end()
        if piece == '"':  # no closing quote follows: no quoted string and no comment is looked for
            return "".join([*pieces, piece, text[position:]])
        if piece == "(" and not unclosed:
            _, end, closed = read_comment(text, position)
            unclosed = not closed
            if closed:
                piece, position = " ", end
        pieces.append(piece)
    return "".join(pieces)


# msg-id = [CFWS] "<" id-left "@" id-right ">" [CFWS]; obs-id-left = local-part, obs-id-right = domain
_IDENTIFIER = re.compile(r"<([^<>]{1,900})>")
_ONE_IDENTIFIER = re.compile(r"<[!-'*-;=?-~]{1,900}>")
_BARE_IDENTIFIER = re.compile(r"[^<>\s,]{1,900}")


def read_identifiers(values: Iterable[str]) -> list[str]:
    """Return the message identifiers in fields, without angle brackets, else the words that stand there.

    Comments and the blanks of the obsolete syntax are taken out; what still holds a blank is no identifier.
    """
    text = " ".join(values)
    if _ONE_IDENTIFIER.fullmatch(text):
        return [text[1:-1]]
    text = plain_text(without_comments(text))
    found = _IDENTIFIER.findall(text) or ([] if "<" in text else _BARE_IDENTIFIER.findall(text))
    return [identifier for identifier in map(_compact, found) if identifier]


def _compact(identifier: str) -> str:
    """Return an identifier without the blanks around its "@" and "."; "" where it is none."""
    words = identifier.split()
    if any(before[-1] not in "@." and after[0] not in "@." for before, after in itertools.pairwise(words)):
        return ""
    identifier = "".join(words)
    return identifier if identifier.isprintable() else ""
