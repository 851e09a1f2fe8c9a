"""Parameters of Content-Type and Content-Disposition, written and read.

RFC 2045 5.1, RFC 2183, RFC 2231. The one thing to know: a file name outside ASCII is written as RFC 2231
says in Content-Disposition, and in ASCII letters in Content-Type, where old readers look.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from pytest_smtp4d.mail.charset import check_header_text, decode_octets, encode_strictly
from pytest_smtp4d.mail.encoded_word import Writing, decode_words, encoded_pieces, word_charset
from pytest_smtp4d.mail.header import CONTROL, WIDTH, HeaderStyle, folded

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def is_token(text: str) -> bool:
    """Tell whether `text` is a token."""
    return _TOKEN.fullmatch(text) is not None


def is_media_type(text: str) -> bool:
    """Tell whether `text` is a media type without parameters."""
    kind, slash, subtype = text.partition("/")
    return bool(slash) and is_token(kind) and is_token(subtype)


# content = type "/" subtype *(";" attribute "=" value), blanks between them     RFC 2045 5.1
_VALUE = r'"(?:[^"\\\r\n\0]|\\[^\r\n\0])*"|[^\s;"\0]+'
_TYPED = re.compile(
    rf"([^\s;]+)(?:[ \t]*;[ \t]*{_TOKEN.pattern}[ \t]*=[ \t]*(?:{_VALUE}))*[ \t]*;?[ \t]*", re.DOTALL
)


def parse_media_type(text: str) -> tuple[str, dict[str, str]] | None:
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
    plain = "".join(
        character for character in unicodedata.normalize("NFKD", name) if not unicodedata.combining(character)
    )
    return "".join(character if " " <= character <= "~" else "_" for character in plain)


# --- reading --------------------------------------------------------------------------------------

# A quoted string (closed or not), a ";" or a run of anything else: every octet is looked at once.
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"?|;|[^;"]+', re.DOTALL)
# attribute ["*" section] ["*"]                                             RFC 2231 7
_ATTRIBUTE = re.compile(r"([!#$%&'+\-.^_`{|}~0-9a-z]{1,60})(?:\*(\d{1,4}))?(\*)?", re.ASCII)
_PERCENT_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_STRAY = re.compile(r"[\r\n\0]")


def read_parameters(text: str) -> tuple[str, dict[str, str]]:
    """Read a field with parameters leniently (RFC 2045 5.1, RFC 2231).

    Returns:
        What stands before the parameters and the attributes, both in lower case, with the decoded values.
        Of several values for one attribute the RFC 2231 form wins, then the first.
    """
    pieces = [""]
    for match in _PIECE.finditer(text):
        if match[0] == ";":
            pieces.append("")
        else:
            pieces[-1] += match[0]
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[bool, str]]] = {}
    for piece in pieces[1:]:
        attribute, equals, value = piece.partition("=")
        match_name = _ATTRIBUTE.fullmatch(attribute.strip(" \t").lower())
        if not equals or not match_name:
            continue
        name, section, extended = match_name.groups()
        value = value.strip(" \t")
        value = _unquoted(value if name in ("name", "filename") else _without_comment(value))
        if section is None and extended is None:
            plain.setdefault(name, decode_words(value))
        else:
            sections.setdefault(name, {}).setdefault(int(section or 0), (extended is not None, value))
    extended_values = {name: _joined(found) for name, found in sections.items()}
    values = {name: _STRAY.sub(" ", value) for name, value in {**plain, **extended_values}.items()}
    return _without_comment(pieces[0].strip(" \t")).lower(), values


def _without_comment(text: str) -> str:
    """Return the value of a structured field without a comment at its end: `us-ascii (Plain text)`."""
    opening = text.rfind("(") if text.endswith(")") else -1
    return text[:opening].rstrip(" \t") if opening >= 0 else text


def _unquoted(value: str) -> str:
    """Return a value without its quotes."""
    if not value.startswith('"'):
        return value
    return _ESCAPE.sub(r"\1", value[1:-1] if value.endswith('"') and len(value) > 1 else value[1:])


def _joined(sections: dict[int, tuple[bool, str]]) -> str:
    """Return the value of an RFC 2231 parameter from its sections, in the order of their numbers."""
    charset = ""
    parts: list[bytes] = []
    for position, number in enumerate(sorted(sections)):
        extended, value = sections[number]
        if extended and position == 0 and value.count("'") >= 2:
            charset, _language, value = value.split("'", 2)
        octets = value.encode("utf-8", "replace")
        parts.append(
            _PERCENT_ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), octets) if extended else octets
        )
    return decode_octets(b"".join(parts), charset or "utf-8")[0]
