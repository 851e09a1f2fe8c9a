"""Encoded words: header text outside US-ASCII, written and read.

RFC 2047, RFC 2231 5, 4D `headerCharset`. Each word that is written can be decoded
alone, in whole characters; neighbours that are read are joined first, for mailers that split a character.
"""

from __future__ import annotations

import binascii
import contextlib
import re
from typing import TYPE_CHECKING, NamedTuple

from pytest_smtp4d.mail.charset import (
    MailMode,
    decode_octets,
    encode_exactly,
    encode_strictly,
    text_codec,
)
from pytest_smtp4d.mail.structured import octets_of, plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Writing", "decode_words", "encoded_pieces", "encoded_words", "escape_words", "word_charset"]

#   encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?="       RFC 2047 2, RFC 2231 5

_LONGEST_WORD = 75
# What may stand for itself in an encoded word wherever it stands, in a phrase too (RFC 2047 5 (3)); "_" is
# a blank.
_Q_LITERAL = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q = tuple(
    chr(octet) if octet in _Q_LITERAL else "_" if octet == 32 else f"={octet:02X}" for octet in range(256)
)
_Q_SHORT = bytes([*_Q_LITERAL, 32])  # octets that are written as one
# A "?" must not stand in the text, but does; the text never runs into the next word.
_WORD_TEXT = r"[^?=]*(?:(?:\?(?!=)|=(?!\?[^=]))[^?=]*)*"
_WORD = re.compile(rf"=\?([^?*\s]{{1,40}})(?:\*[^?\s]{{0,40}})?\?([QqBb])\?({_WORD_TEXT})\?=")
_Q_ESCAPE = re.compile(rb"=([0-9A-Fa-f]{2})")
_UNPRINTABLE = re.compile(r"[\r\n\0]+")


def encoded_words(
    text: str, mode: MailMode, key: str, room: int = _LONGEST_WORD, longest: int = _LONGEST_WORD
) -> list[str]:
    """Write `text` as encoded words of at most 75 octets, none of which splits a character (RFC 2047 2).

    Args:
        text: the text; blanks included, for those between encoded words are not read.
        mode: the header's mode.
        key: the property, for the message.
        room: octets that the first word has on its line; one that does not fit begins on the next.
        longest: octets that each word may have, 75 at most.

    Raises:
        MailError: ISO-8859-1 cannot hold a character; names it.
    """
    label, codec = word_charset(text, mode)
    encode_strictly(text, codec, key)
    letter, writing = ("B", _B_WRITING) if mode is MailMode.UTF8_BASE64 else ("Q", _Q_WRITING)
    opening = f"=?{label}?{letter}?"
    limit = longest - len(opening) - 2
    first = min(room - len(opening) - 2, limit)
    return [f"{opening}{piece}?=" for piece in encoded_pieces(text, codec, writing, limit, first)]


class Writing(NamedTuple):
    """How octets become ASCII.

    Args:
        write: does it.
        width: tells how long the result is, without doing it.
        quantum: how many octets are written together; a piece of a multiple of that needs no padding.
    """

    write: Callable[[bytes], str]
    width: Callable[[bytes], int]
    quantum: int = 1


def encoded_pieces(text: str, codec: str, writing: Writing, limit: int, first: int) -> Iterator[str]:
    """Yield `text` encoded in pieces that can each be decoded alone, in whole characters.

    Args:
        text: the text.
        codec: what makes octets of it; where that has shift states, each piece begins and ends in the first.
        writing: what makes ASCII of octets.
        limit: octets that a piece may have; one of a single character may be longer.
        first: octets that the first piece should have; where nothing fits, it has `limit` too.
    """
    start, room = 0, first
    while start < len(text):
        count = (
            _fitting(text, start, codec, writing, room) or _fitting(text, start, codec, writing, limit) or 1
        )
        if writing.quantum > 1:
            count = _unpadded(text, start, count, codec, writing.quantum)
        yield writing.write(text[start : start + count].encode(codec))
        start += count
        room = limit


def _unpadded(text: str, start: int, count: int, codec: str, quantum: int) -> int:
    """Return a count, a little lower if need be, of characters that are written without padding.

    Some readers join neighbouring B words before they decode them, and stop at the first "=".
    """
    if start + count == len(text):
        return count
    for fewer in range(count, max(0, count - 4), -1):
        whole = len(text[start : start + fewer].encode(codec)) % quantum == 0
        if whole and not _JOINS.match(text, start + fewer - 1):
            return fewer
    return count


def word_charset(text: str, mode: MailMode) -> tuple[str, str]:
    """Return the charset that `mode` has for header text outside US-ASCII: its label and its codec."""
    if mode is MailMode.ISO88591:
        return "ISO-8859-1", "iso-8859-1"
    if mode is MailMode.ISO2022JP and encode_exactly(text, "iso-2022-jp") is not None:
        return "ISO-2022-JP", "iso-2022-jp"
    return "UTF-8", "utf-8"


def _fitting(text: str, start: int, codec: str, writing: Writing, limit: int) -> int:
    """Return how many characters from `start` fit `limit` octets when written, none parted from its marks."""
    low, high = 0, min(max(limit, 0), len(text) - start)
    middle = high  # most texts fit as they are
    while low < high:
        if writing.width(text[start : start + middle].encode(codec)) <= limit:
            low = middle
        else:
            high = middle - 1
        middle = (low + high + 1) // 2
    if start + low < len(text):  # a mark, a joiner or a selector stays with the character before it
        count = low
        while count > 1 and _JOINS.match(text, start + count - 1):
            count -= 1
        low = count if count > 1 or low == 1 else low
    return low


# Between these two a reader sees one character: combining marks, joiners, variation selectors, skin tones.
_JOINS = re.compile(
    "(?s:.)[\u0300-\u036f\u0591-\u05bd\u064b-\u065f\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]|\u200d(?s:.)"
)


def _q_text(octets: bytes) -> str:
    """Return octets as the text of a Q word."""
    return "".join([_Q[octet] for octet in octets])


def _q_width(octets: bytes) -> int:
    """Return how long the text of a Q word is."""
    return len(octets) + 2 * len(octets.translate(None, _Q_SHORT))


def _b_text(octets: bytes) -> str:
    """Return octets as the text of a B word."""
    return binascii.b2a_base64(octets, newline=False).decode("ascii")


def _b_width(octets: bytes) -> int:
    """Return how long the text of a B word is."""
    return (len(octets) + 2) // 3 * 4


_Q_WRITING = Writing(_q_text, _q_width)
_B_WRITING = Writing(_b_text, _b_width, 3)


def escape_words(text: str) -> str:
    """Return text in whose Q words each character outside ASCII is written in the word's charset.

    For text that was decoded before it got here, where such a character stands for itself.
    """
    return _WORD.sub(_escaped_word, text)


def _escaped_word(match: re.Match[str]) -> str:
    """Return a Q word in ASCII: in its own charset, or in UTF-8 where that cannot hold what stands in it."""
    if match[0].isascii() or match[2] in "Bb":
        return match[0]
    for charset in (match[1], "utf-8"):
        with contextlib.suppress(UnicodeError, LookupError):
            codec = text_codec(charset) or "utf-8"
            text = [piece if piece.isascii() else _q_text(piece.encode(codec)) for piece in match[3]]
            return f"=?{charset}?Q?{''.join(text)}?="
    return match[0]


def decode_words(text: str) -> str:
    """Return header text with its encoded words decoded; one that cannot be is left as it stands.

    An octet that is not ASCII, which must not stand in an encoded word, is one of the word's charset there.
    Neighbours of one charset are joined before decoding, for mailers that split a character between them.
    What could not stand in a header (CR, LF, NUL) becomes a blank.
    """
    if "=?" not in text:
        return plain_text(text)
    pieces: list[str] = []
    pending: list[bytes] = []
    charset = ""
    position = 0
    for match in _WORD.finditer(text):
        octets = _word_octets(match[2], match[3])
        if octets is None:
            continue
        gap = text[position : match.start()]
        joined = bool(pending) and not gap.strip(" \t\r\n")
        if pending and not (joined and match[1].lower() == charset):
            pieces.append(_decoded_word(pending, charset))
            pending = []
        if not joined:
            pieces.append(plain_text(gap))
        pending.append(octets)
        charset = match[1].lower()
        position = match.end()
    if pending:
        pieces.append(_decoded_word(pending, charset))
    return "".join(pieces) + plain_text(text[position:])


def _word_octets(encoding: str, text: str) -> bytes | None:
    """Return the octets of an encoded word, or None where it is none."""
    octets = octets_of(text)
    if encoding in "Qq":
        if b"==" not in octets and not octets.endswith(b"="):  # where it does what RFC 2047 4.2 says
            return binascii.a2b_qp(octets, header=True)
        return _Q_ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), octets.replace(b"_", b" "))
    try:
        return binascii.a2b_base64(octets.rstrip(b"=") + b"==")
    except binascii.Error:
        return None


def _decoded_word(pieces: list[bytes], charset: str) -> str:
    """Return the text of neighbouring encoded words of one charset."""
    return _UNPRINTABLE.sub(" ", decode_octets(b"".join(pieces), charset)[0])
