"""Charsets: 4D's four modes, and the encodings of bodies both ways.

RFC 2045 6 (transfer encodings), RFC 2046 4.1.2 (charsets), 4D `bodyCharset`. US-ASCII
is used where the text allows it, in every mode but for bodies in ISO-8859-1, as 4D's table says.
"""

from __future__ import annotations

import binascii
import contextlib
import re
import struct
from enum import Enum
from typing import Literal, NamedTuple

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.charset_label import X_USER_DEFINED, text_codec
from pytest_smtp4d.mail.iso2022_jp import decode_iso2022_jp
from pytest_smtp4d.words import nearest

__all__ = [
    "MAX_LINE",
    "Encoded",
    "MailMode",
    "ModeName",
    "base64_lines",
    "canonical",
    "check_header_text",
    "decode_octets",
    "encode_exactly",
    "encode_strictly",
    "encode_text",
    "fits_lines",
    "mode_of",
    "quoted_printable",
    "shown",
    "text_codec",
]

MAX_LINE = 998  # octets without CRLF (RFC 5322 2.1.1)


_FORBIDDEN = re.compile(r"[\r\n\0]")


class MailMode(str, Enum):
    """How text outside US-ASCII is written; the values are 4D's (`mail mode UTF8` and its sisters).

    Example:
        >>> make_transporter(body_charset=MailMode.ISO88591).body_charset.value
        'ISO-8859-1'
    """

    UTF8 = "US-ASCII_UTF8_QP"
    UTF8_BASE64 = "US-ASCII_UTF8_B64"
    ISO2022JP = "US-ASCII_ISO-2022-JP_UTF8_QP"
    ISO88591 = "ISO-8859-1"

    def __str__(self) -> str:
        return self.value


ModeName = Literal["US-ASCII_UTF8_QP", "US-ASCII_UTF8_B64", "US-ASCII_ISO-2022-JP_UTF8_QP", "ISO-8859-1"]
"""A mode by its value."""


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


def shown(value: object) -> str:
    """Return `value` for an error message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def check_header_text(text: str, key: str) -> None:
    """Refuse what would end a header field, and what is no character.

    Raises:
        MailError: CR, LF, NUL or a lone surrogate in `text`; names the key and the value.
    """
    if _FORBIDDEN.search(text):
        raise MailError(f"{key}: CR, LF and NUL cannot stand in a header: {shown(text)}")
    if not text.isascii():
        encode_strictly(text, "utf-8", key)


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
    raw = eightbit and label == "ISO-8859-1"
    may_stand = raw or octets.isascii()
    if may_stand and fits_lines(octets) and not (sealed and _ALTERABLE_LINE.search(octets)):
        return Encoded(label, "8bit" if raw else "7bit", octets)
    if mode is MailMode.UTF8_BASE64:
        return Encoded(label, "base64", base64_lines(octets))
    return Encoded(label, "quoted-printable", quoted_printable(octets))


def _charset_for(text: str, mode: MailMode, key: str, preferred: str) -> tuple[str, bytes]:
    """Return the charset that `mode` has for `text`, as it is labelled, and the octets of `text` in it."""
    if preferred and (octets := encode_exactly(text, preferred)) is not None:
        return preferred, octets
    if mode is MailMode.ISO88591:
        return "ISO-8859-1", encode_strictly(text, "iso-8859-1", key)
    if text.isascii():
        return "US-ASCII", text.encode("ascii")
    if mode is MailMode.ISO2022JP and (octets := encode_exactly(text, "iso-2022-jp")) is not None:
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


def encode_exactly(text: str, charset: str) -> bytes | None:
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


_BLOCK = struct.Struct("76s" * 32)  # lines that are cut out at once: half the time of one after the other


def base64_lines(octets: bytes) -> bytes:
    """Encode in base64, in lines of 76 octets ended by CRLF but for the last (RFC 2045 6.8)."""
    encoded = binascii.b2a_base64(octets, newline=False)
    lines: list[bytes] = []
    last = len(encoded) // _BLOCK.size * _BLOCK.size
    for start in range(0, last, _BLOCK.size):
        lines += _BLOCK.unpack_from(encoded, start)
    lines += [encoded[start : start + 76] for start in range(last, len(encoded), 76)]
    return b"\r\n".join(lines)


def quoted_printable(octets: bytes) -> bytes:
    """Encode lines ended by CRLF in quoted-printable, in lines of at most 76 octets (RFC 2045 6.7).

    "From " at the start of a line and a line of one dot are encoded too (RFC 2049 3).
    """
    encoded = binascii.b2a_qp(octets, istext=True)
    if b"\r\n" not in octets:
        encoded = encoded.replace(b"=\n", b"=\r\n")
    elif b"=20\r" in encoded or b"=09\r" in encoded:
        # A blank at the end of a line: Python lets such a line grow to 78, but for the last one of a text.
        encoded = _LONG_LINE.sub(rb"\1=\r\n\2", encoded)
    if b"From " in encoded:
        encoded = _FROM_LINE.sub(_protected_from, encoded)
    return encoded


def _protected_from(match: re.Match[bytes]) -> bytes:
    """Return a line so that it does not begin with "From "; broken softly where it would get too long."""
    rest = match[1]
    return b"=46rom " + rest if len(rest) <= 69 else b"=46rom=\r\n " + rest


# --- decoding -------------------------------------------------------------------------------------

# Labels under which mailers write a superset: tried when the label's own codec fails.
_SUPERSETS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_jp": "euc_jis_2004",
    "euc_kr": "cp949",
}
# Where mailers label so what Windows has: octets of C1 control characters, which no mailer means.
_WINDOWS = {"iso8859-1": "cp1252", "iso8859-9": "cp1254"}
_C1 = re.compile(rb"[\x80-\x9f]")
_PRIVATE_USE = {octet: 0xF700 + octet for octet in range(128, 256)}


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
    if codec == X_USER_DEFINED:
        return octets.decode("latin-1").translate(_PRIVATE_USE), True
    try:
        text = octets.decode(codec)
    except (UnicodeError, ValueError):
        return _decoded_as_superset(octets, codec)
    if codec in _WINDOWS and _C1.search(octets):
        with contextlib.suppress(UnicodeError):
            return octets.decode(_WINDOWS[codec]), True
    return _without_surrogates(text, codec)


def _decoded_as_superset(octets: bytes, codec: str) -> tuple[str, bool]:
    """Decode octets that `codec` refuses: as the superset that mailers label so, else as far as it goes."""
    if codec == "iso2022_jp":
        return decode_iso2022_jp(octets)
    superset = _SUPERSETS.get(codec)
    try:
        return octets.decode(superset or "utf-8"), superset is not None
    except (UnicodeError, ValueError):
        return _guessed(octets) if codec == "ascii" else octets.decode(codec, "replace"), False


def _guessed(octets: bytes) -> str:
    """Decode octets of which nothing is known."""
    for codec in ("utf-8", "cp1252"):
        with contextlib.suppress(UnicodeError):
            return octets.decode(codec)
    return octets.decode("latin-1")


def _without_surrogates(text: str, codec: str) -> tuple[str, bool]:
    """Replace what no text can hold; only the decoder of UTF-7 lets it through."""
    if codec != "utf-7" or not re.search("[\ud800-\udfff]", text):
        return text, True
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text), False
