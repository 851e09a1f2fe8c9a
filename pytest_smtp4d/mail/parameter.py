"""Parameters of Content-Type and Content-Disposition, written and read.

RFC 2045 5.1, RFC 2183, RFC 2231. A file name outside ASCII is written as RFC 2231
says in Content-Disposition, and in ASCII letters in Content-Type, where old readers look.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_smtp4d.mail.charset import check_header_text, decode_octets, encode_strictly
from pytest_smtp4d.mail.encoded_word import Writing, decode_words, encoded_pieces, word_charset
from pytest_smtp4d.mail.header import CONTROL, WIDTH, HeaderStyle, folded
from pytest_smtp4d.mail.structured import octets_of, plain_text, read_comment, without_comments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "ascii_fallback",
    "is_media_type",
    "is_token",
    "parameter_field",
    "parse_media_type",
    "read_parameters",
]

# token = 1*<any CHAR but SPACE, CTLs and tspecials>                        RFC 2045 5.1
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`{|}~0-9A-Za-z]{1,200}")
_MEDIA_TYPE = re.compile(rf"{_TOKEN.pattern}/{_TOKEN.pattern}")


def is_token(text: str) -> bool:
    """Tell whether `text` is a token."""
    return _TOKEN.fullmatch(text) is not None


def is_media_type(text: str) -> bool:
    """Tell whether `text` is a media type without parameters."""
    return _MEDIA_TYPE.fullmatch(text) is not None


# content = type "/" subtype *(";" attribute "=" value), blanks between them     RFC 2045 5.1
_VALUE = r'"(?:[^"\\\r\n\0]|\\[^\r\n\0])*"|[^\s;"\0]+'
_TYPED = re.compile(
    rf"([^\s;]+)(?:[ \t]*;[ \t]*{_TOKEN.pattern}[ \t]*=[ \t]*(?:{_VALUE}))*[ \t]*;?[ \t]*", re.DOTALL
)


def parse_media_type(text: str) -> tuple[str, Mapping[str, str]] | None:
    """Return a media type, as it is spelled, and the parameters behind it: `text/csv; charset=iso-8859-1`.

    Returns:
        Attributes are in lower case, values without quotes; None where `text` is malformed.
    """
    match = _TYPED.fullmatch(text.strip(" \t"))
    if not match or not is_media_type(match[1]):
        return None
    return match[1], read_parameters(text)[1] if ";" in text else {}


_ATTRIBUTE_OCTETS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`{|}~")
# ASCII that stands for itself in a quoted string.
_QUOTABLE = re.compile(r"[ !#-\[\]-~]*")
_PERCENT = tuple(chr(octet) if octet in _ATTRIBUTE_OCTETS else f"%{octet:02X}" for octet in range(256))


def parameter_field(
    name: str, value: str, parameters: Iterable[tuple[str, str]], style: HeaderStyle, key: str
) -> bytes:
    """Write a field with parameters, such as Content-Type (RFC 2045 5.1, RFC 2231).

    Args:
        name: the field's name.
        value: what stands before the parameters.
        parameters: attributes and values; one that is not short ASCII is written as RFC 2231 says.
        style: how to write what is not US-ASCII.
        key: the property, for messages.

    Raises:
        MailError: CR, LF or NUL in a value, or a character that the charset cannot hold.
    """
    tokens = [value]
    for attribute, text in parameters:
        tokens[-1] += ";"
        written = _parameter(attribute, text, style, key)
        tokens += [f"{token};" for token in written[:-1]]
        tokens.append(written[-1])
    line = f"{name}: {' '.join(tokens)}"
    if len(line) <= WIDTH and line.isascii():
        return f"{line}\r\n".encode("ascii")
    return style.octets(folded(name, [(" ", token) for token in tokens], key), key)


def _parameter(attribute: str, text: str, style: HeaderStyle, key: str) -> list[str]:
    """Write one parameter, in as many sections as it needs (RFC 2231 3 and 4)."""
    check_header_text(text, key)
    room = WIDTH - 2 - len(attribute) - 6  # of a section: blank, attribute, "*12*=", ";"
    if _QUOTABLE.fullmatch(text) and "=?" not in text and len(attribute) + len(text) < WIDTH - 4:
        return [f'{attribute}="{text}"']
    looks_encoded = "=?" in text  # readers decode encoded words here, though they must not stand here
    if not looks_encoded and not CONTROL.search(text) and (style.utf8 or text.isascii()):
        quoted = [{"\\": "\\\\", '"': '\\"'}.get(character, character) for character in text]
        whole = f'{attribute}="{"".join(quoted)}"'
        if len(whole.encode("utf-8", "replace")) <= WIDTH - 2:
            return [whole]
        sections = [f'"{section}"' for section in _sections(quoted, room - 2)]
        return [f"{attribute}*{index}={section}" for index, section in enumerate(sections)]
    label, codec = ("UTF-8", "utf-8") if style.utf8 else word_charset(text, style.mode)
    whole = f"{attribute}*={label}''{_percent_encoded(encode_strictly(text, codec, key))}"
    if len(whole) <= WIDTH - 2:
        return [whole]
    opening = f"{label}''"  # some readers decode each section alone, so each is whole
    pieces = encoded_pieces(text, codec, _PERCENT_WRITING, room, room - len(opening))
    return [f"{attribute}*{index}*={'' if index else opening}{piece}" for index, piece in enumerate(pieces)]


def _sections(pieces: list[str], room: int) -> list[str]:
    """Join pieces into sections of at most `room` octets."""
    sections: list[str] = []
    section, width = "", 0
    for piece in pieces:
        octets = len(piece.encode("utf-8", "replace"))
        if section and width + octets > room:
            sections.append(section)
            section, width = "", 0
        section += piece
        width += octets
    return [*sections, section]


def _percent_encoded(octets: bytes) -> str:
    """Return octets as an extended value has them (RFC 2231 7)."""
    return "".join([_PERCENT[octet] for octet in octets])


def _percent_width(octets: bytes) -> int:
    """Return how long an extended value is."""
    return len(octets) + 2 * len(octets.translate(None, bytes(_ATTRIBUTE_OCTETS)))


_PERCENT_WRITING = Writing(_percent_encoded, _percent_width)


def ascii_fallback(name: str) -> str:
    """Return a file name for readers that know nothing of RFC 2231: accents dropped, anything else as "_"."""
    if name.isascii() and name.isprintable():
        return name
    plain = "".join(
        character for character in unicodedata.normalize("NFKD", name) if not unicodedata.combining(character)
    )
    return "".join(character if " " <= character <= "~" else "_" for character in plain)


# --- reading --------------------------------------------------------------------------------------

# A quoted string (closed or not), ";", "(" or a run of anything else: every octet is looked at once.
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"?|[;(]|[^;"(]+', re.DOTALL)
# The field as nearly all mailers write it: tokens and plain quoted strings.
_PLAIN_VALUE = re.compile(r"[!#$%&'*+\-./^_`{|}~0-9A-Za-z]{1,400}(?=[ \t]*(?:;|\Z))")
_PLAIN_PARAMETER = re.compile(
    r"""[ \t]*;[ \t]*([!#$&+\-.^_0-9A-Za-z]{1,60})="""
    r"""(?:"([^"\\\r\n\0\udc80-\udcff]*)"|([!#$%&'*+\-./^_`{|}~:=?@0-9A-Za-z]+))(?=[ \t]*(?:;|\Z))"""
)
# attribute ["*" section] ["*"]                                             RFC 2231 7
_ATTRIBUTE = re.compile(r"([!#$%&'+\-.^_`{|}~0-9a-z]{1,60})(?:\*(\d{1,4}))?(\*)?", re.ASCII)
_PERCENT_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_STRAY = re.compile(r"[\r\n\0]")
_OPENING = re.compile(r"[ \t]*\(")
# What begins where a ";" was forgotten: an attribute behind a media type, or behind a value.
_NEXT = r"[ \t]+(?=[!#$&+\-.^_0-9A-Za-z]{1,60}(?:\*\d{1,4})?\*?=)"
_TYPE_AND_NEXT = re.compile(rf"[ \t]*({_MEDIA_TYPE.pattern}){_NEXT}")
_PARAMETER_AND_NEXT = re.compile(
    rf"""([ \t]*(?!(?:file)?name[ \t]*=[ \t]*[^ \t"])[^ \t="]+=(?:"(?:[^"\\]|\\.)*"|[^ \t"]*)){_NEXT}""",
    re.IGNORECASE,
)
_CLOSED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_LONGEST_KEPT = 200


def read_parameters(text: str) -> tuple[str, Mapping[str, str]]:
    """Read a field with parameters leniently (RFC 2045 5.1, RFC 2231), comments left out.

    Returns:
        What stands before the parameters and the attributes, both in lower case, with the decoded values.
        Of several values for one attribute the RFC 2231 form wins, then the first. Not to be changed: the
        result is kept.
    """
    if len(text) > _LONGEST_KEPT:
        return _plain_parameters(text) or _read_parameters(text)
    return _kept_parameters(text)


@lru_cache(maxsize=512)
def _kept_parameters(text: str) -> tuple[str, Mapping[str, str]]:
    """Read a short field, which is likely to be read again; "base64" alone stands in most parts."""
    return _plain_parameters(text) or _read_parameters(text)


def _read_parameters(text: str) -> tuple[str, dict[str, str]]:
    """Read a field with all that may stand in one."""
    value, *pieces = _pieces(text)
    if forgotten := _TYPE_AND_NEXT.match(value):
        value, pieces = forgotten[1], [value[forgotten.end() :], *pieces]
    found: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[bool, str]]] = {}
    for piece in _parted(pieces):
        attribute, equals, own = _without_comments_before(piece).partition("=")
        named = _ATTRIBUTE.fullmatch(_without_blanks(attribute).lower())
        if not equals or not named:
            continue
        name, section, extended = named.groups()
        # A file name holds brackets of its own more often than a comment.
        own = own.strip(" \t") if name in ("name", "filename") else _without_blanks(own)
        own = _unquoted(own)
        if section is None and extended is None:
            found.setdefault(name, decode_words(own))
        else:
            sections.setdefault(name, {}).setdefault(int(section or 0), (extended is not None, own))
    found.update((name, _joined(parts)) for name, parts in sections.items())
    values = {name: _STRAY.sub(" ", own) for name, own in found.items()}
    value = "/".join([piece.strip(" \t") for piece in without_comments(value).split("/")])
    return plain_text(value).lower(), values


def _plain_parameters(text: str) -> tuple[str, dict[str, str]] | None:
    """Read a field of tokens and plain quoted strings; None for any other."""
    match = _PLAIN_VALUE.match(text)
    if not match or "=?" in text or "*" in text:
        return None
    values: dict[str, str] = {}
    position = match.end()
    while parameter := _PLAIN_PARAMETER.match(text, position):
        position = parameter.end()
        name, quoted, token = parameter.groups()
        values.setdefault(name.lower(), token if quoted is None else quoted)
    return None if text[position:].strip(" \t;") else (match[0].lower(), values)


def _pieces(text: str) -> list[str]:
    """Part a field at each ";" that is neither quoted nor in a comment."""
    pieces: list[list[str]] = [[]]
    position, unclosed = 0, False
    while position < len(text):
        match = _PIECE.match(text, position)
        assert match is not None, "every character begins a piece"
        piece, position = match[0], match.end()
        if piece == ";":
            pieces.append([])
            continue
        if piece == "(" and not unclosed:
            _, end, closed = read_comment(text, position)
            unclosed = not closed
            if closed:
                piece, position = text[match.start() : end], end
        pieces[-1].append(piece)
    return ["".join(piece) for piece in pieces]


def _parted(pieces: Iterable[str]) -> Iterator[str]:
    """Part pieces where the ";" between two parameters was forgotten, as in the example of RFC 1521 7.3.3.

    A file name without quotes is left whole, for it may hold blanks.
    """
    for piece in pieces:
        position = 0
        while forgotten := _PARAMETER_AND_NEXT.match(piece, position):
            yield forgotten[1]
            position = forgotten.end()
        yield piece[position:]


def _without_comments_before(piece: str) -> str:
    """Return a piece of a field without the comments that it begins with, which may hold a "="."""
    position = 0
    while opening := _OPENING.match(piece, position):
        _, end, closed = read_comment(piece, opening.end())
        if not closed:
            break
        position = end
    return piece[position:]


def _without_blanks(text: str) -> str:
    """Return a piece of a field without comments and without blanks around it."""
    return without_comments(text).strip(" \t")


def _unquoted(value: str) -> str:
    """Return a value without its quotes, and without what stands behind a closed one."""
    if not value.startswith('"'):
        return value
    closed = None if value.endswith('"') and len(value) > 1 else _CLOSED.match(value)
    if closed:
        return _ESCAPE.sub(r"\1", closed[1])
    return _ESCAPE.sub(r"\1", value[1:-1] if value.endswith('"') and len(value) > 1 else value[1:])


def _joined(sections: dict[int, tuple[bool, str]]) -> str:
    """Return the value of an RFC 2231 parameter from its sections, in the order of their numbers."""
    charset = ""
    parts: list[bytes] = []
    for position, number in enumerate(sorted(sections)):
        extended, value = sections[number]
        if extended and position == 0 and value.count("'") >= 2:
            charset, _language, value = value.split("'", 2)
        octets = octets_of(value)
        parts.append(
            _PERCENT_ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), octets) if extended else octets
        )
    return decode_octets(b"".join(parts), charset or "utf-8")[0]
