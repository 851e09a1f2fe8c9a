"""Charsets: 4D's four modes, the encodings of bodies and the encoded words of headers.

RFC 2045 6 (transfer encodings), RFC 2047 (encoded words), 4D `headerCharset` and `bodyCharset`. The one
thing to know: US-ASCII is used where the text allows it, in every mode but for bodies in ISO-8859-1, as
4D's table says.
"""

from __future__ import annotations

import binascii
import codecs
import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from pytest_smtp4d.errors import MailError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "MAX_LINE",
    "Encoded",
    "MailMode",
    "base64_lines",
    "canonical",
    "check_header_text",
    "decode_octets",
    "decode_words",
    "encode_strictly",
    "encode_text",
    "encoded_pieces",
    "encoded_words",
    "fits_lines",
    "mode_of",
    "quoted_printable",
    "text_codec",
    "word_charset",
]

MAX_LINE = 998  # octets without CRLF (RFC 5322 2.1.1)


_FORBIDDEN = re.compile(r"[\r\n\0]")


class MailMode(str, Enum):
    """How text outside US-ASCII is written; the values are 4D's (`mail mode UTF8` and its sisters)."""

    UTF8 = "US-ASCII_UTF8_QP"
    UTF8_BASE64 = "US-ASCII_UTF8_B64"
    ISO2022JP = "US-ASCII_ISO-2022-JP_UTF8_QP"
    ISO88591 = "ISO-8859-1"

    def __str__(self) -> str:
        return self.value


def mode_of(value: object, option: str) -> MailMode:
    """Return the mode that `value` names; None is the default, UTF-8 with quoted-printable.

    Raises:
        MailError: it names none.
    """
    if value is None:
        return MailMode.UTF8
    try:
        return MailMode(value)
    except ValueError:
        known = [mode.value for mode in MailMode]
        raise MailError(f"{option} {value!r} does not exist{nearest(str(value), known)}") from None


class Encoded(NamedTuple):
    """A body ready to be written: its charset ("" for octets), its transfer encoding and its octets."""

    charset: str
    transfer_encoding: str
    octets: bytes


def check_header_text(text: str, key: str) -> None:
    """Refuse what would end a header field.

    Raises:
        MailError: CR, LF or NUL in `text`; names the key and the value.
    """
    if _FORBIDDEN.search(text):
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        raise MailError(f"{key}: CR, LF and NUL cannot stand in a header: {shown!r}")


# --- bodies ---------------------------------------------------------------------------------------

# What a relay may alter, and so break a signature: "From " quoted for mbox files, blanks at the end cut
# (RFC 8551 3.1.2).
_ALTERABLE_LINE = re.compile(rb"^From |[ \t]\r?$", re.MULTILINE)
_FROM_LINE = re.compile(rb"^From ([^\r\n]*)", re.MULTILINE)
_LONG_LINE = re.compile(rb"^([^\r\n]{74,})(=20|=09)(?=\r?$)", re.MULTILINE)


def canonical(text: str) -> str:
    """Return `text` with every line end (CRLF, CR, LF) as CRLF (RFC 2046 4.1.1)."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\n", "\r\n")


def fits_lines(octets: bytes) -> bool:
    """Tell whether `octets` are lines of at most 998 octets, ended by CRLF alone, without NUL."""
    ends = octets.count(b"\r\n")
    if octets.count(b"\r") != ends or octets.count(b"\n") != ends or b"\0" in octets:
        return False
    return len(octets) <= MAX_LINE or max(map(len, octets.split(b"\r\n"))) <= MAX_LINE


def encode_text(
    text: str, mode: MailMode, *, key: str, eightbit: bool, sealed: bool = False, charset: str = ""
) -> Encoded:
    """Encode the text of a body part as 4D's table for `bodyCharset` says.

    Args:
        text: the text; its line ends become CRLF.
        mode: the body's mode.
        key: the property, for the message.
        eightbit: whether octets above 127 may stand in the body (8BITMIME).
        sealed: the part will be signed: nothing that a relay may alter is left as it is.
        charset: one to prefer, where it can hold the text (of a parsed part).

    Raises:
        MailError: ISO-8859-1 cannot hold a character, or no charset can; names it.
    """
    text = canonical(text)
    label, octets = _charset_for(text, mode, key, charset)
    plain = fits_lines(octets) and not (sealed and _ALTERABLE_LINE.search(octets))
    if plain and octets.isascii() and not (label == "ISO-8859-1" and eightbit):
        return Encoded(label, "7bit", octets)
    if plain and eightbit and label == "ISO-8859-1":
        return Encoded(label, "8bit", octets)
    if mode is MailMode.UTF8_BASE64:
        return Encoded(label, "base64", base64_lines(octets))
    return Encoded(label, "quoted-printable", quoted_printable(octets))


def _charset_for(text: str, mode: MailMode, key: str, preferred: str) -> tuple[str, bytes]:
    """Return the charset that `mode` has for `text`, as it is labelled, and the octets of `text` in it."""
    if preferred and (octets := _encode_exactly(text, preferred)) is not None:
        return preferred, octets
    if mode is MailMode.ISO88591:
        return "ISO-8859-1", encode_strictly(text, "iso-8859-1", key)
    if text.isascii():
        return "US-ASCII", text.encode("ascii")
    if mode is MailMode.ISO2022JP and (octets := _encode_exactly(text, "iso-2022-jp")) is not None:
        return "ISO-2022-JP", octets
    return "UTF-8", encode_strictly(text, "utf-8", key)


def encode_strictly(text: str, charset: str, key: str) -> bytes:
    """Encode `text`.

    Raises:
        MailError: a character has no place in the charset; names the first such.
    """
    try:
        return text.encode(charset)
    except UnicodeEncodeError as error:
        character = text[error.start]
        raise MailError(
            f"{key}: {character!r} (U+{ord(character):04X}) cannot be written in {charset.upper()}"
        ) from None


def _encode_exactly(text: str, charset: str) -> bytes | None:
    """Return the octets of `text` in `charset`, or None where it could not be read back from them."""
    codec = text_codec(charset)
    try:
        if (
            codec is None or "\r\n".encode(codec) != b"\r\n"
        ):  # a MIME text has lines (RFC 2046 4.1.1): no UTF-16
            return None
        octets = text.encode(codec)
        return octets if octets.decode(codec) == text else None
    except (UnicodeError, LookupError, ValueError):
        return None


def base64_lines(octets: bytes) -> bytes:
    """Encode in base64, in lines of 76 octets ended by CRLF but for the last (RFC 2045 6.8)."""
    encoded = binascii.b2a_base64(octets, newline=False)
    return b"\r\n".join([encoded[start : start + 76] for start in range(0, len(encoded), 76)])


def quoted_printable(octets: bytes) -> bytes:
    """Encode lines ended by CRLF in quoted-printable, in lines of at most 76 octets (RFC 2045 6.7).

    "From " at the start of a line and a line of one dot are encoded too (RFC 2049 3).
    """
    encoded = binascii.b2a_qp(octets, istext=True)
    if b"\r\n" not in octets:
        encoded = encoded.replace(b"=\n", b"=\r\n")
    if (
        b"=20\r" in encoded or b"=09\r" in encoded
    ):  # a blank at the end of a line: Python lets such a line grow to 78
        encoded = _LONG_LINE.sub(rb"\1=\r\n\2", encoded)
    if b"From " in encoded:
        encoded = _FROM_LINE.sub(_protected_from, encoded)
    return encoded


def _protected_from(match: re.Match[bytes]) -> bytes:
    """Return a line so that it does not begin with "From "; broken softly where it would get too long."""
    rest = match[1]
    return b"=46rom " + rest if len(rest) <= 69 else b"=46rom=\r\n " + rest


# --- decoding -------------------------------------------------------------------------------------

# Codecs that Python lists among those of text but that are none of MIME's (some warn, some are quadratic).
_NOT_CHARSETS = frozenset(
    {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"}
)
# Labels under which mailers write a superset: tried when the label's own codec fails.
_SUPERSETS = {
    "ascii": "utf-8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "iso2022_jp": "iso2022_jp_ext",
    "big5": "big5hkscs",
    "tis-620": "cp874",
}


def text_codec(charset: str) -> str | None:
    """Return the name of Python's codec for a charset, or None where there is none."""
    try:
        name = codecs.lookup(charset).name
        "".encode(name)  # a LookupError for codecs that do not make octets of text
    except (LookupError, ValueError, TypeError):
        return None
    return None if name.replace("-", "_") in _NOT_CHARSETS else name


def decode_octets(octets: bytes, charset: str) -> tuple[str, bool]:
    """Decode the octets of a text part.

    Args:
        octets: transfer encoding undone.
        charset: the label; "" stands for US-ASCII.

    Returns:
        The text, and whether all was well; unknown labels and malformed octets give the best reading there
        is.
    """
    codec = text_codec(charset or "us-ascii")
    if codec is None:
        return _guessed(octets), False
    try:
        return _without_surrogates(octets.decode(codec), codec)
    except (UnicodeError, ValueError):
        pass
    superset = _SUPERSETS.get(codec)
    try:
        return octets.decode(superset or "utf-8"), superset is not None and superset != "utf-8"
    except (UnicodeError, ValueError):
        return octets.decode("latin-1" if codec == "ascii" else codec, "replace"), False


def _guessed(octets: bytes) -> str:
    """Decode octets of which nothing is known."""
    try:
        return octets.decode("utf-8")
    except UnicodeError:
        return octets.decode("latin-1")


def _without_surrogates(text: str, codec: str) -> tuple[str, bool]:
    """Replace what no text can hold; only the decoder of UTF-7 lets it through."""
    if codec != "utf-7" or not re.search("[\ud800-\udfff]", text):
        return text, True
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text), False


# --- encoded words --------------------------------------------------------------------------------
#
#   encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?="       RFC 2047 2, RFC 2231 5

_LONGEST_WORD = 75
# What may stand for itself in an encoded word wherever it stands, in a phrase too (RFC 2047 5 (3)); "_" is
# a blank.
_Q_LITERAL = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q = tuple(
    chr(octet) if octet in _Q_LITERAL else "_" if octet == 32 else f"={octet:02X}" for octet in range(256)
)
_WORD = re.compile(r"=\?([^?*\s]{1,40})(?:\*[^?\s]{0,40})?\?([QqBb])\?([^?]*)\?=")
_Q_ESCAPE = re.compile(rb"=([0-9A-Fa-f]{2})")
_UNPRINTABLE = re.compile(r"[\r\n\0]+")


def encoded_words(text: str, mode: MailMode, key: str, room: int = _LONGEST_WORD) -> list[str]:
    """Write `text` as encoded words of at most 75 octets, none of which splits a character (RFC 2047 2).

    Args:
        text: the text; blanks included, for those between encoded words are not read.
        mode: the header's mode.
        key: the property, for the message.
        room: octets that the first word has on its line; one that does not fit begins on the next.

    Raises:
        MailError: ISO-8859-1 cannot hold a character; names it.
    """
    label, codec = word_charset(text, mode)
    encode_strictly(text, codec, key)
    write: Callable[[bytes], str] = _b_text if mode is MailMode.UTF8_BASE64 else _q_text
    opening = f"=?{label}?{'B' if mode is MailMode.UTF8_BASE64 else 'Q'}?"
    limit = _LONGEST_WORD - len(opening) - 2
    first = room - len(opening) - 2
    return [f"{opening}{piece}?=" for piece in encoded_pieces(text, codec, write, limit, min(first, limit))]


def encoded_pieces(
    text: str, codec: str, write: Callable[[bytes], str], limit: int, first: int
) -> Iterator[str]:
    """Yield `text` encoded in pieces that can each be decoded alone, in whole characters.

    Args:
        text: the text.
        codec: what makes octets of it; where that has shift states, each piece begins and ends in the first.
        write: what makes ASCII of octets.
        limit: octets that a piece may have; one of a single character may be longer.
        first: octets that the first piece should have; where nothing fits, it has `limit` too.
    """
    start, room = 0, first
    while start < len(text):
        count = _fitting(text, start, codec, write, room) or _fitting(text, start, codec, write, limit) or 1
        yield write(text[start : start + count].encode(codec))
        start += count
        room = limit


def word_charset(text: str, mode: MailMode) -> tuple[str, str]:
    """Return the charset that `mode` has for header text outside US-ASCII: its label and its codec."""
    if mode is MailMode.ISO88591:
        return "ISO-8859-1", "iso-8859-1"
    if mode is MailMode.ISO2022JP and _encode_exactly(text, "iso-2022-jp") is not None:
        return "ISO-2022-JP", "iso-2022-jp"
    return "UTF-8", "utf-8"


def _fitting(text: str, start: int, codec: str, write: Callable[[bytes], str], limit: int) -> int:
    """Return how many characters from `start` fit `limit` octets when written, none parted from its marks."""
    low, high = 0, min(max(limit, 0), len(text) - start)
    while low < high:
        middle = (low + high + 1) // 2
        if len(write(text[start : start + middle].encode(codec))) <= limit:
            low = middle
        else:
            high = middle - 1
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


def _b_text(octets: bytes) -> str:
    """Return octets as the text of a B word."""
    return binascii.b2a_base64(octets, newline=False).decode("ascii")


def decode_words(text: str) -> str:
    """Return header text with its encoded words decoded; one that cannot be is left as it stands.

    Neighbours of one charset are joined before decoding, for mailers that split a character between them.
    What could not stand in a header (CR, LF, NUL) becomes a blank.
    """
    if "=?" not in text:
        return text
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
            pieces.append(gap)
        pending.append(octets)
        charset = match[1].lower()
        position = match.end()
    if pending:
        pieces.append(_decoded_word(pending, charset))
    return "".join(pieces) + text[position:]


def _word_octets(encoding: str, text: str) -> bytes | None:
    """Return the octets of an encoded word, or None where it is none."""
    octets = text.encode("utf-8", "replace")
    if encoding in "Qq":
        return _Q_ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), octets.replace(b"_", b" "))
    try:
        return binascii.a2b_base64(octets.rstrip(b"=") + b"==")
    except binascii.Error:
        return None


def _decoded_word(pieces: list[bytes], charset: str) -> str:
    """Return the text of neighbouring encoded words of one charset."""
    return _UNPRINTABLE.sub(" ", decode_octets(b"".join(pieces), charset)[0])
