"""ISO-2022-JP as Japanese mailers write it: with NEC's row 13 (①, ㈱), NEC's and IBM's extensions, and kana.

WHATWG Encoding Standard 12.2 (the decoder), RFC 1468, RFC 1554 (JIS X 0212). Python's codec follows RFC 1468
alone and has no place for those characters; they are read here by way of Shift_JIS in Microsoft's variant.
"""

from __future__ import annotations

import re

__all__ = ["decode_iso2022_jp"]

_ESCAPE = re.compile(rb"\x1b(\([BHIJ]|\$[@B]|\$\([@BD])")
_PAIR = re.compile(rb"[\x21-\x7e]{2}")
_KANA = re.compile(rb"[\x21-\x5f]")
# Signs of JIS X 0208 that Microsoft maps to others than Python's codecs for Japanese do.
_SIGNS = str.maketrans("～∥－￠￡￢", "〜‖−¢£¬")
_ROMAN = {0x5C: "\N{YEN SIGN}", 0x7E: "\N{OVERLINE}"}  # where JIS X 0201 differs from US-ASCII


def decode_iso2022_jp(octets: bytes) -> tuple[str, bool]:
    """Decode octets; return the text and whether all of it could be read."""
    first, *rest = _ESCAPE.split(octets)
    pieces = [_decoded(first, "cp932")]
    for escape, segment in zip(rest[::2], rest[1::2], strict=True):
        if escape in (b"(B", b"(H", b"(J"):
            text, fine = _decoded(segment, "cp932")
            pieces.append((text.translate(_ROMAN) if escape == b"(J" else text, fine))
        elif escape == b"(I":
            pieces.append(_decoded(_KANA.sub(lambda match: bytes([match[0][0] | 0x80]), segment), "cp932"))
        elif escape == b"$(D":
            pieces.append(_decoded(_PAIR.sub(_euc_of_jis_x_0212, segment), "euc_jp"))
        else:
            text, fine = _decoded(_PAIR.sub(_shift_jis_of_jis_x_0208, segment), "cp932")
            pieces.append((text.translate(_SIGNS), fine))
    return "".join(text for text, _ in pieces), all(fine for _, fine in pieces)


def _decoded(octets: bytes, codec: str) -> tuple[str, bool]:
    """Decode a segment; what is no character is replaced."""
    try:
        return octets.decode(codec), b"\x1b" not in octets
    except UnicodeDecodeError:
        return octets.decode(codec, "replace"), False


def _shift_jis_of_jis_x_0208(match: re.Match[bytes]) -> bytes:
    """Return a character of JIS X 0208 as Shift_JIS has it."""
    row, cell = match[0]
    lead = (row + 1) // 2 + (0x70 if row < 0x5F else 0xB0)
    if row % 2:
        return bytes((lead, cell + (0x20 if cell > 0x5F else 0x1F)))
    return bytes((lead, cell + 0x7E))


def _euc_of_jis_x_0212(match: re.Match[bytes]) -> bytes:
    """Return a character of JIS X 0212 as EUC-JP has it."""
    row, cell = match[0]
    return bytes((0x8F, row | 0x80, cell | 0x80))
