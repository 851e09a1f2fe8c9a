"""Header fields as lines: unstructured text, address lists, identifiers, dates.

RFC 5322 2.2.3 (folding) and 3.6, RFC 2047, RFC 6532. A field is a list of tokens
that may be parted at blanks; `folded` packs them into lines of at most 76 octets, and what is short and
plain skips it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.charset import MAX_LINE, MailMode, check_header_text, encode_strictly, shown
from pytest_smtp4d.mail.encoded_word import encoded_words
from pytest_smtp4d.mail.mailbox import Group, Mailbox
from pytest_smtp4d.words import nearest

__all__ = [
    "HeaderStyle",
    "address_field",
    "date_text",
    "folded",
    "header_items",
    "identifier_field",
    "identifiers_in",
    "phrase_field",
    "phrase_tokens",
    "text_field",
]

WIDTH = 76  # octets of a folded line (RFC 2047 2 for lines with encoded words; RFC 5322 2.1.1 allows 78)
_BEHIND_PHRASE = 3  # octets that may follow a phrase on its line: ":;," behind the name of an empty group
_LONGEST_TOKEN = 900  # octets of text that may stand unbroken; longer words become encoded words

# Words of visible ASCII, one blank between two: what can be written as it is.
_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*")
_VISIBLE = re.compile(r"[!-~]+")
_BLANKS = re.compile(r"([ \t]+)")
_ASCII = "".join(map(chr, range(128)))
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ATOMS = re.compile(r"[!#$%&'*+\-/=?^_`{|}~0-9A-Za-z]+(?: [!#$%&'*+\-/=?^_`{|}~0-9A-Za-z]+)*")
_ATOM_UTF8 = r"[^\x00-\x20()<>\[\]:;@\\,.\"\x7f-\x9f]+"
_ATOMS_UTF8 = re.compile(rf"{_ATOM_UTF8}(?: {_ATOM_UTF8})*")


@dataclass(frozen=True, slots=True)
class HeaderStyle:
    """How header text outside US-ASCII is written.

    Args:
        mode: 4D's `headerCharset`.
        utf8: raw UTF-8 instead (RFC 6532): the server offers SMTPUTF8 and the mail needs it.
    """

    mode: MailMode = MailMode.UTF8
    utf8: bool = False

    @property
    def words_mode(self) -> MailMode:
        """The mode of encoded words, which UTF-8 headers need for what cannot stand raw."""
        return MailMode.UTF8 if self.utf8 else self.mode

    def octets(self, text: str, key: str) -> bytes:
        """Return the octets of text that has been made ready for a header."""
        return encode_strictly(text, "utf-8" if self.utf8 else "ascii", key)


# field-name = 1*ftext, ftext = %d33-57 / %d59-126                    RFC 5322 2.2
_FIELD_NAME = re.compile(r"[!-9;-~]{1,900}")


def header_items(items: object, key: str) -> Iterator[tuple[str, str]]:
    """Yield the names and values of a `headers` list; an item without a name or a value counts as absent.

    Raises:
        MailError: an item is no object with a valid `name` and text as its `value`.
    """
    for item in items or ():  # type: ignore[attr-defined]
        if item is None:
            continue
        if not isinstance(item, Mapping):
            raise MailError(
                f"{key} must list objects with 'name' and 'value', not {type(item).__name__}: {item!r}"
            )
        for property_name in item:
            if property_name not in ("name", "value"):
                hint = nearest(str(property_name), ("name", "value"))
                raise MailError(f"{key}: an item has no property {property_name!r}{hint}")
        name, value = item.get("name"), item.get("value")
        if name is None or value is None:
            continue
        if not isinstance(name, str) or not isinstance(value, str):
            raise MailError(f"{key}: name and value must be text, not {name!r} and {value!r}")
        if not _FIELD_NAME.fullmatch(name):
            raise MailError(f"{key}: {name!r} is no name of a header field: visible ASCII without ':'")
        yield name, value


def folded(name: str, tokens: Iterable[tuple[str, str]], key: str) -> str:
    """Pack (blanks before, token) pairs into lines; a token is never parted, blanks are never lost.

    Raises:
        MailError: a token that no line can hold (RFC 5322 2.1.1); names the key and the token.
    """
    pieces = [name, ":"]
    column = len(name) + 1
    for gap, token in tokens:
        width = len(gap) + (len(token) if token.isascii() else len(token.encode("utf-8", "replace")))
        if column + width > WIDTH:
            if width > MAX_LINE:
                raise MailError(
                    f"{key}: {name} cannot be folded into lines of {MAX_LINE} octets: {shown(token)} "
                    f"has {width - len(gap)}; shorten it"
                )
            pieces.append("\r\n")
            column = 0
        pieces += (gap, token)
        column += width
    pieces.append("\r\n")
    return "".join(pieces)


# --- unstructured ---------------------------------------------------------------------------------


def text_field(name: str, text: str, style: HeaderStyle, key: str) -> bytes:
    """Write an unstructured field, such as Subject (RFC 5322 3.6.5).

    Args:
        name: the field's name.
        text: its value; blanks are kept exactly, an empty one gives an empty field.
        style: how to write what is not US-ASCII.
        key: the property, for messages.

    Raises:
        MailError: CR, LF or NUL, or a character that the charset cannot hold.
    """
    if len(name) + len(text) < WIDTH - 1 and _PLAIN.fullmatch(text) and "=?" not in text:
        return f"{name}: {text}\r\n".encode("ascii")
    check_header_text(text, key)
    if not text:
        return f"{name}:\r\n".encode("ascii")
    return style.octets(folded(name, _text_tokens(name, text, style, key), key), key)


def _text_tokens(name: str, text: str, style: HeaderStyle, key: str) -> list[tuple[str, str]]:
    """Part unstructured text into tokens, encoded from the first word that cannot stand raw to the last."""
    if not style.utf8 and _is_plain(text):
        return [(" ", word) for word in _plain_words(name, text, style, key)]
    pieces = _BLANKS.split(text)  # word, blanks, word, … ; an empty word where blanks begin or end the text
    words, gaps = pieces[::2], [" ", *pieces[1::2]]
    unfit = [index for index, word in enumerate(words) if not _stands(word, gaps[index], style)]
    if not unfit:
        return list(zip(gaps, words, strict=True))
    first, last = unfit[0], unfit[-1]
    # Readers disagree on blanks beside an encoded word unless it is just one: take in those that are more.
    while first and (gaps[first] != " " or not words[first]):
        first -= 1
    while last + 1 < len(words) and (gaps[last + 1] != " " or not words[last]):
        last += 1
    before = list(zip(gaps[:first], words[:first], strict=True))
    run = words[first] + "".join([gaps[index] + words[index] for index in range(first + 1, last + 1)])
    column = len(name) + 1 + sum([len(gap) + len(word) for gap, word in before])
    encoded = encoded_words(run, style.words_mode, key, room=max(0, WIDTH - 1 - column))
    return [
        *before,
        *[(" ", word) for word in encoded],
        *zip(gaps[last + 1 :], words[last + 1 :], strict=True),
    ]


def _is_plain(text: str) -> bool:
    """Tell whether text is words with one blank between two, of which just those outside ASCII are unfit."""
    return (
        len(text) <= _LONGEST_TOKEN
        and text[0] != " " != text[-1]
        and "  " not in text
        and "=?" not in text
        and not CONTROL.search(text)
    )


def _plain_words(name: str, text: str, style: HeaderStyle, key: str) -> list[str]:
    """Return the words of plain text, those from the first unfit one to the last encoded."""
    if text.isascii():
        return text.split(" ")
    begin = text.rfind(" ", 0, len(text) - len(text.lstrip(_ASCII))) + 1
    end = text.find(" ", len(text.rstrip(_ASCII)))
    run, behind = (text[begin:end], text[end + 1 :].split(" ")) if end >= 0 else (text[begin:], [])
    before = text[: begin - 1].split(" ") if begin else []
    encoded = encoded_words(run, style.words_mode, key, room=max(0, WIDTH - 2 - len(name) - begin))
    return [*before, *encoded, *behind]


def _stands(word: str, gap: str, style: HeaderStyle) -> bool:
    """Tell whether a word of unstructured text, and the blanks before it, can be written as they are."""
    if len(gap) > 40 or len(word) > _LONGEST_TOKEN or not word or "=?" in word:
        return False
    if style.utf8:
        return not CONTROL.search(word) and len(word.encode("utf-8", "replace")) <= _LONGEST_TOKEN
    return _VISIBLE.fullmatch(word) is not None


# --- phrases and addresses ------------------------------------------------------------------------


def phrase_tokens(text: str, style: HeaderStyle, key: str, column: int) -> list[str]:
    """Write a display name or a keyword (RFC 5322 3.2.5): atoms, a quoted string, or encoded words."""
    check_header_text(text, key)
    text = text.strip(" \t")
    if "=?" not in text and not CONTROL.search(text):
        words = text.split(" ")
        short = len(text) <= 200 or max(map(len, words)) <= 200
        if short and (_ATOMS_UTF8 if style.utf8 else _ATOMS).fullmatch(text):
            return words
        if short and (style.utf8 or text.isascii()) and "  " not in text:
            quoted = text.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{quoted}"'.split(" ")  # folding inside a quoted string leaves its blanks as they are
    room = max(0, WIDTH - 1 - _BEHIND_PHRASE - column)
    return encoded_words(text, style.words_mode, key, room=room, longest=WIDTH - 1 - _BEHIND_PHRASE)


def _mailbox_tokens(box: Mailbox, style: HeaderStyle, key: str, column: int) -> list[str]:
    """Write one mailbox."""
    addr_spec = box.addr_spec if style.utf8 else box.ascii_addr_spec
    if not addr_spec.isascii() and not style.utf8:
        reason = (
            "its domain cannot be written in ASCII"
            if box.local_part.isascii()
            else "its local part is not ASCII"
        )
        raise MailError(f"{key}: {box.addr_spec!r} needs a server that offers SMTPUTF8: {reason}")
    if not box.name:
        return [addr_spec]
    return [*phrase_tokens(box.name, style, key, column), f"<{addr_spec}>"]


def address_field(name: str, entries: list[Mailbox | Group], style: HeaderStyle, key: str) -> bytes:
    """Write an address field, such as To (RFC 5322 3.6.3), groups as groups.

    Raises:
        MailError: a non-ASCII local part without `style.utf8`, or a name that the charset cannot hold.
    """
    tokens: list[str] = []
    column = len(name) + 1
    for entry in entries:
        if isinstance(entry, Group):
            opening = phrase_tokens(entry.name, style, key, column)
            opening[-1] += ":"
            members = [_mailbox_tokens(box, style, key, 0) for box in entry.mailboxes]
            written = [*opening, *_listed(members)]
            written[-1] += ";"
        else:
            written = _mailbox_tokens(entry, style, key, column)
        written[-1] += ","
        tokens += written
        column += sum(map(len, written)) + len(written)
        column = column if column < WIDTH else len(written[-1]) + 1
    tokens[-1] = tokens[-1][:-1]
    line = f"{name}: {' '.join(tokens)}"
    if len(line) <= WIDTH and line.isascii():
        return f"{line}\r\n".encode("ascii")
    return style.octets(folded(name, [(" ", token) for token in tokens], key), key)


def _listed(items: list[list[str]]) -> list[str]:
    """Join the tokens of several mailboxes with commas."""
    for tokens in items[:-1]:
        tokens[-1] += ","
    return [token for tokens in items for token in tokens]


def phrase_field(name: str, phrases: list[str], style: HeaderStyle, key: str) -> bytes:
    """Write a comma-separated list of phrases: Keywords (RFC 5322 3.6.5)."""
    items = [phrase_tokens(phrase, style, key, 0) for phrase in phrases]
    return style.octets(folded(name, [(" ", token) for token in _listed(items)], key), key)


# --- identifiers and dates ------------------------------------------------------------------------

# msg-id = "<" id-left "@" id-right ">"; id-left may be a quoted string            RFC 5322 3.6.4, 4.5.4
# Some write none with "@", which is let pass; a comma parts nothing unless blanks or brackets are beside it.
_IDENTIFIER = re.compile(r'<((?:"(?:[^"\\]|\\.)*"(?=@))?[^<>\s]+)>|([^<>\s]+)')


def identifiers_in(text: str) -> list[str] | None:
    """Return the identifiers that `text` lists, without angle brackets; None where it is malformed."""
    stripped = text.strip(" \t")
    if stripped.strip(",") and not re.search(r"[<>\s]", stripped):
        return [stripped] if not CONTROL.search(stripped) else None
    found = [match[1] or match[2].strip(",") for match in _IDENTIFIER.finditer(text)]
    if _IDENTIFIER.sub("", text).strip(" \t") or any(CONTROL.search(item) for item in found):
        return None
    return [item for item in found if item]


def identifier_field(
    name: str, texts: Iterable[str], style: HeaderStyle, key: str, *, at_most: int | None = None
) -> bytes:
    """Write a field of message identifiers; angle brackets are added where missing. No identifier: no field.

    Raises:
        MailError: a malformed or over-long identifier, one outside ASCII without `style.utf8` (RFC 6532 3.3),
            or over `at_most`.
    """
    tokens: list[str] = []
    for text in texts:
        check_header_text(text, key)
        identifiers = identifiers_in(text)
        if identifiers is None:
            raise MailError(f"{key} must be message identifiers such as 'letters@example.com': {shown(text)}")
        if not (text.isascii() or style.utf8):
            raise MailError(
                f"{key}: {shown(text)} needs a server that offers SMTPUTF8: an identifier is not ASCII"
            )
        tokens += [f"<{item}>" for item in identifiers]
        if at_most is not None and len(tokens) > at_most:
            raise MailError(f"{key} must be one message identifier, not {len(tokens)}: {shown(text)}")
    return style.octets(folded(name, [(" ", token) for token in tokens], key), key) if tokens else b""


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# date-time of RFC 3339, time and offset optional (a date alone is its midnight; no offset is UTC)
_ISO_8601 = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)"
    r"(?:[Tt ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)? ?(?:([Zz])|([+-])(\d\d)(?::?(\d\d))?)?)?",
    re.ASCII,
)


def date_text(moment: str | datetime, key: str) -> str:
    """Return a moment as RFC 5322 3.3 writes it, in UTC.

    Args:
        moment: ISO 8601 text, or a datetime; without an offset both are UTC.
        key: the property, for the message.

    Raises:
        MailError: no date, or one that mail cannot carry (before 1900).
    """
    try:
        when = moment if isinstance(moment, datetime) else _iso_8601(moment)
        when = when.astimezone(timezone.utc) if when.tzinfo else when
    except (ValueError, OverflowError) as error:
        raise MailError(
            f"{key} must be an ISO 8601 date such as '2026-01-31T09:30:00Z', not {moment!r}: {error}"
        ) from None
    if when.year < 1900:
        raise MailError(f"{key} {moment!r} is before 1900, which mail cannot carry (RFC 5322 3.3)")
    day, month = _DAYS[when.weekday()], _MONTHS[when.month - 1]
    return f"{day}, {when.day:02} {month} {when.year} {when.hour:02}:{when.minute:02}:{when.second:02} +0000"


def _iso_8601(text: str) -> datetime:
    """Read an ISO 8601 text; ValueError where it is none."""
    match = _ISO_8601.fullmatch(text.strip())
    if not match:
        raise ValueError("malformed")
    year, month, day, hour, minute, second = (int(number or 0) for number in match.groups()[:6])
    offset = timedelta(hours=int(match[9] or 0), minutes=int(match[10] or 0))
    if offset >= timedelta(days=1):
        raise ValueError("an offset of a day or more")
    return datetime(
        year, month, day, hour, minute, second, tzinfo=timezone(-offset if match[8] == "-" else offset)
    )
