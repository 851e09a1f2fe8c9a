"""Transfer encodings of received parts, undone.

RFC 2045 6, and uuencode, which is older. Any octets give some: what is damaged is read as far as it goes,
and reported.
"""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["IDENTITIES", "decode_transfer_encoding", "is_damaged"]

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_LETTERS = bytes(octet for octet in range(256) if octet not in _LETTERS)
_BAD_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)")


def decode_transfer_encoding(encoded: bytes, encoding: str) -> bytes:
    """Return the octets of a part.

    Args:
        encoded: the octets as they stand in the message.
        encoding: the value of Content-Transfer-Encoding in lower case; for an unknown one the octets are
            returned as they are.
    """
    decode = _DECODERS.get(encoding)
    return encoded if decode is None else decode(encoded)


def is_damaged(encoded: bytes, encoding: str) -> bool:
    """Tell whether `decode_transfer_encoding` would report a problem, without decoding."""
    return not _CHECKS.get(encoding, _never)(encoded)


# --- base64 ---------------------------------------------------------------------------------------


def _is_base64(encoded: bytes) -> bool:
    """Tell whether octets are base64 that ends at its "=" and where a character may end."""
    data = encoded.rstrip(b"=\r\n\t ")
    others = data.translate(None, _LETTERS)
    return not others.strip(b"\r\n\t ") and (len(data) - len(others)) % 4 != 1


def _base64(encoded: bytes) -> bytes:
    """Decode base64, which ends at "=" (RFC 2045 6.8); other letters and a broken end are left out."""
    letters = encoded.lstrip(b"=\r\n\t ").partition(b"=")[0].translate(None, _NOT_LETTERS)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


# --- quoted-printable -----------------------------------------------------------------------------


def _is_quoted_printable(encoded: bytes) -> bool:
    """Tell whether each "=" begins an escape or ends a line."""
    return not _BAD_ESCAPE.search(encoded)


def _quoted_printable(encoded: bytes) -> bytes:
    """Decode quoted-printable; an "=" that begins no escape stands for itself.

    Blanks at the end of a line were added on the way (RFC 2045 6.7 (3)).
    """
    if (
        b" \r\n" in encoded
        or b" \n" in encoded
        or b"\t\r\n" in encoded
        or b"\t\n" in encoded
        or encoded.endswith((b" ", b"\t"))
    ):
        lines = encoded.split(b"\n")
        encoded = b"\n".join(
            [line.rstrip(b" \t\r") + b"\r" if line.endswith(b"\r") else line.rstrip(b" \t") for line in lines]
        )
    return binascii.a2b_qp(encoded)


# --- uuencode -------------------------------------------------------------------------------------

_UU_LINE = re.compile(rb"[ -`]*")


def _uu_lines(encoded: bytes) -> tuple[list[bytes], bool]:
    """Return the lines between "begin" and "end", and whether both stand there."""
    lines = [line.rstrip(b"\r") for line in encoded.split(b"\n")]
    begins = [index for index, line in enumerate(lines) if line.startswith(b"begin ")][:1]
    start = begins[0] + 1 if begins else 0
    end = lines.index(b"end", start) if b"end" in lines[start:] else len(lines)
    return [line for line in lines[start:end] if line], bool(begins) and end < len(lines)


def _is_uuencode(encoded: bytes) -> bool:
    """Tell whether octets are whole lines of uuencode between "begin" and "end"."""
    lines, framed = _uu_lines(encoded)
    return framed and all(_UU_LINE.fullmatch(line) for line in lines)


def _uuencode(encoded: bytes) -> bytes:
    """Decode uuencode: the first octet of a line is its length; the rest is padded or cut to that."""
    decoded = []
    for line in _uu_lines(encoded)[0]:
        length = (line[0] - 32) & 63
        needed = (length * 8 + 5) // 6
        letters = line[1 : 1 + needed].ljust(needed)
        if _UU_LINE.fullmatch(letters):
            decoded.append(binascii.a2b_uu(line[:1] + letters))
    return b"".join(decoded)


# --- the table ------------------------------------------------------------------------------------


def _always(encoded: bytes) -> bool:
    """Tell that octets which are not encoded cannot be damaged."""
    return True


def _never(encoded: bytes) -> bool:
    """Tell that nobody knows how to decode."""
    return False


_UUENCODES = ("x-uuencode", "uuencode", "x-uue", "uue")
IDENTITIES = frozenset(("", "7bit", "8bit", "binary", "7-bit", "8-bit"))
_CHECKS: Mapping[str, Callable[[bytes], bool]] = {
    **dict.fromkeys(IDENTITIES, _always),
    "base64": _is_base64,
    "quoted-printable": _is_quoted_printable,
    **dict.fromkeys(_UUENCODES, _is_uuencode),
}
_DECODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "base64": _base64,
    "quoted-printable": _quoted_printable,
    **dict.fromkeys(_UUENCODES, _uuencode),
}
