"""Fields of `headers` that an RFC gives a structure, written by that structure.

RFC 5322 3.6 (addresses, identifiers), RFC 2369 and RFC 2919 (List-…), RFC 2557 (Content-Location), RFC 8098
(Disposition-Notification-To), RFC 2047 5 (where encoded words may stand).

The value of an item of `headers` is decoded text, so `"Lee, Zoë" <z@example.com>` has to be taken apart
before it can be encoded: the quoted name becomes a phrase of encoded words, the address stays as it is.
`KINDS` says which structure a field has. A value in ASCII goes out as it was given wherever that is valid.
What strangers wrote against the structure is written as unstructured text: a received mail can be sent on.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.address import read_addresses, read_entries
from pytest_smtp4d.mail.charset import check_header_text
from pytest_smtp4d.mail.encoded_word import decode_words, encoded_words
from pytest_smtp4d.mail.header import (
    WIDTH,
    HeaderStyle,
    address_field,
    folded,
    identifier_field,
    identifiers_in,
    phrase_field,
    phrase_tokens,
    text_field,
)
from pytest_smtp4d.mail.mailbox import ascii_domain, mailboxes_of
from pytest_smtp4d.mail.parameter import parameter_field, read_parameters
from pytest_smtp4d.mail.structured import plain_text, read_comment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["KINDS", "field_value", "header_field", "header_needs_utf8"]

_ADDRESSES = (
    "from sender reply-to to cc author original-from "
    "resent-from resent-sender resent-reply-to resent-to resent-cc "
    "disposition-notification-to return-receipt-to x-confirm-reading-to errors-to "
    "mail-followup-to mail-reply-to apparently-to"
)
_IDENTIFIERS = "message-id in-reply-to references resent-message-id original-message-id content-id supersedes"
_URIS = "list-archive list-help list-owner list-post list-subscribe list-unsubscribe archived-at content-base"
_PARAMETERS = "auto-submitted content-disposition content-type disposition-notification-options"
# Traces, dates and signatures: nothing in them is free text, and only their comments may be encoded.
_TOKENS = (
    "arc-authentication-results arc-message-signature arc-seal authentication-results autocrypt "
    "autocrypt-gossip date delivered-to dkim-signature domainkey-signature list-unsubscribe-post "
    "mime-version original-recipient received received-spf require-recipient-valid-since resent-date "
    "return-path"
)

KINDS: Mapping[str, str] = {
    **dict.fromkeys(_ADDRESSES.split(), "addresses"),
    **dict.fromkeys(_IDENTIFIERS.split(), "identifiers"),
    **dict.fromkeys(_URIS.split(), "uris"),
    **dict.fromkeys(_PARAMETERS.split(), "parameters"),
    **dict.fromkeys(_TOKENS.split(), "tokens"),
    "content-location": "location",
    "keywords": "phrases",
    "list-id": "list id",
}
"""Names of structured fields, in lower case, and the structure of each."""

_ONE_IDENTIFIER = frozenset(("message-id", "resent-message-id", "content-id"))
_WORD = re.compile(r"([ \t]*)([^ \t]+)")
_PLAIN = re.compile(r"[\t -~]*")


def header_field(name: str, value: str, style: HeaderStyle, key: str) -> bytes:
    """Write an item of `headers`, by the structure of its field if it has one.

    Args:
        name: the field's name.
        value: its value, unfolded and decoded.
        style: how to write what is not US-ASCII.
        key: the property, for messages.

    Raises:
        MailError: CR, LF or NUL; something that no line can hold, such as a URI of over 998 octets; an
            address or an identifier outside ASCII without `style.utf8`.
    """
    kind = KINDS.get(name.lower())
    if kind is None:
        return text_field(name, value, style, key)
    check_header_text(value, key)
    field = _WRITERS[kind](name, value.strip(" \t"), style, key)
    return text_field(name, value, style, key) if field is None else field


def header_needs_utf8(name: str, value: str) -> bool:
    """Tell whether an item of `headers` needs SMTPUTF8 (RFC 6532), for an address or an identifier."""
    kind = "" if value.isascii() else KINDS.get(name.lower())
    if kind == "addresses":
        entries = read_entries(value) or []
        return any(not box.ascii_addr_spec.isascii() for box in mailboxes_of(entries))
    if kind == "identifiers":
        return bool(_read_identifiers(value))
    return False


def _raw(name: str, value: str, style: HeaderStyle, key: str) -> bytes | None:
    """Write ASCII as it is, folded at its blanks; None for anything else."""
    if not _PLAIN.fullmatch(value):
        return None
    if not value:
        return f"{name}:\r\n".encode("ascii")
    words = [(gap or " ", word) for gap, word in _WORD.findall(value)]
    return style.octets(folded(name, words, key), key)


def _addresses(name: str, value: str, style: HeaderStyle, key: str) -> bytes | None:
    """Write a list of addresses; semicolons between them become commas."""
    if "=?" not in value and (";" not in value or ":" in value):
        raw = _raw(name, value, style, key)
        if raw is not None:
            return raw
    entries = read_entries(value)
    return address_field(name, entries, style, key) if entries else _raw(name, value, style, key)


def _identifiers(name: str, value: str, style: HeaderStyle, key: str) -> bytes | None:
    """Write message identifiers, in angle brackets."""
    found = _read_identifiers(value)
    if not found or (len(found) > 1 and name.lower() in _ONE_IDENTIFIER):
        return _raw(name, value, style, key)
    return identifier_field(name, [value], style, key)


def _read_identifiers(value: str) -> list[str]:
    """Return the identifiers of a field; none where anything else stands there (RFC 822 allowed phrases)."""
    found = identifiers_in(value) or []
    return found if all("@" in item for item in found) else []


def _phrases(name: str, value: str, style: HeaderStyle, key: str) -> bytes | None:
    """Write a comma-separated list of phrases."""
    raw = None if "=?" in value else _raw(name, value, style, key)
    if raw is not None:
        return raw
    phrases = [_unquoted(match[0]) for match in _PHRASE.finditer(value)]
    phrases = [phrase for phrase in phrases if phrase]
    return phrase_field(name, phrases, style, key) if phrases else None


def _list_id(name: str, value: str, style: HeaderStyle, key: str) -> bytes | None:
    """Write the name of a list and its identifier: `[phrase] <list-id>` (RFC 2919 3)."""
    raw = None if "=?" in value else _raw(name, value, style, key)
    match = _LIST_ID.fullmatch(value)
    if raw is not None or not match:
        return raw
    tokens = [*phrase_tokens(_unquoted(match[1]), style, key, len(name) + 1), match[2]]
    return style.octets(folded(name, [(" ", token) for token in tokens], key), key)


def _parameters(name: str, value: str, style: HeaderStyle, key: str) -> bytes | None:
    """Write a value and its parameters, those outside ASCII as RFC 2231 says."""
    raw = _raw(name, value, style, key)
    first, parameters = ("", {}) if raw is not None else read_parameters(value)
    if not first or not _PLAIN.fullmatch(first):
        return raw
    return parameter_field(name, first, parameters.items(), style, key)


_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PHRASE = re.compile(rf'(?:{_QUOTED}|[^,"]|")+')
_LIST_ID = re.compile(rf'((?:{_QUOTED}|[^<>"])*)(<[!-;=?-~]+>)')
_ESCAPE = re.compile(r"\\(.)")


def _unquoted(phrase: str) -> str:
    """Return a phrase without the quotes around it."""
    phrase = phrase.strip(" \t")
    return _ESCAPE.sub(r"\1", phrase[1:-1]) if re.fullmatch(_QUOTED, phrase) else phrase


# --- reading --------------------------------------------------------------------------------------

# Some write blanks inside of a word, where no other structure may be.
_ENCODED_WORD = r'=\?[^?\s]{1,80}\?[BbQq]\?(?:[^?\s]*|[^?"(),:;<>@\\\[\]]*)\?='
_WORDS = re.compile(rf"{_ENCODED_WORD}(?:[ \t]*{_ENCODED_WORD})*")
_PIECES = rf'(?P<opening>\()|(?P<words>{_WORDS.pattern})|[^"(=]+|.'
_STRUCTURE, _UNCLOSED = re.compile(f"{_QUOTED}|{_PIECES}", re.DOTALL), re.compile(_PIECES, re.DOTALL)
# What a phrase may hold without quotes; a dot too, which the grammar forbids and everybody writes.
_BARE_PHRASE = re.compile(r"[^ ()<>\[\]:;@\\,\"]+(?: [^ ()<>\[\]:;@\\,\"]+)*")
# Behind and before a word that is part of an address, where it stands for itself.
_LOCAL_PART = re.compile(r'[^\s<(),;:"]{0,200}[ \t]*@')
_DOMAIN = re.compile(r'@[ \t]*[^\s<>(),;:"]{0,200}\Z')
_NO_PROPERTY = frozenset(_ADDRESSES.split()) - {"from", "sender", "reply-to", "to", "cc"}
_HAS_PHRASES = frozenset(("addresses", "phrases", "list id"))


def field_value(name: str, value: str) -> str:
    """Return the text of a field with its encoded words decoded, as `header_field` writes it again.

    Where words are parts of a structure their text must not alter it: `=?UTF-8?Q?Lee=2C_Zo=C3=AB?= <z@x.org>`
    becomes `"Lee, Zoë" <z@x.org>`, one address as before.
    """
    if "=?" not in value or KINDS.get(name.lower()) not in _HAS_PHRASES:
        return decode_words(value)
    pieces: list[str] = []
    position, structure = 0, _STRUCTURE
    while position < len(value):
        match = structure.match(value, position)
        assert match is not None, "every character begins a piece"
        piece, position = match[0], match.end()
        if piece == '"':  # no closing quote follows: do not look for one again
            structure = _UNCLOSED
        if match["opening"]:
            _, position, _ = read_comment(value, position)
            pieces.append(_WORDS.sub(_decoded_in_comment, plain_text(value[match.start() : position])))
        elif match["words"]:
            is_address = _LOCAL_PART.match(value, position) or _DOMAIN.search(
                value[max(0, match.start() - 200) : match.start()]
            )
            pieces.append(plain_text(piece) if is_address else _as_phrase(decode_words(piece)))
        elif piece[0] == '"' and "=?" in piece:  # no place for an encoded word, and often used as one
            pieces.append(_as_phrase(decode_words(_ESCAPE.sub(r"\1", piece[1:-1]))))
        else:
            pieces.append(plain_text(piece))
    text = "".join(pieces)
    unread = name.lower() in _NO_PROPERTY and _addr_specs(text) != _addr_specs(value)
    return plain_text(value) if unread else text  # too odd to be taken apart: it stays as it stands


def _addr_specs(value: str) -> list[str]:
    """Return the addresses that a field names."""
    return [box.addr_spec for box in read_addresses(value)]


def _as_phrase(text: str) -> str:
    """Return text as a phrase, in quotes where it must be (RFC 5322 3.2.5)."""
    if _BARE_PHRASE.fullmatch(text):
        return text
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _decoded_in_comment(match: re.Match[str]) -> str:
    """Return the text of encoded words so that it does not end the comment that they stand in."""
    return re.sub(r"([()\\])", r"\\\1", decode_words(match[0]))


# --- URIs -----------------------------------------------------------------------------------------

# A URI in angle brackets, a comment, a word.
_PIECE = re.compile(r"<[^<>]*>|(?P<comment>\((?:[^()\\]|\\.)*\))|[^ \t<(]+|[<(]")
_BLANK = re.compile(r"[ \t]")  # inside angle brackets blanks count for nothing (RFC 2369 2)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.")
_AUTHORITY = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?)([^/?#@:]+)(.*)", re.DOTALL)


def _uris(name: str, value: str, style: HeaderStyle, key: str) -> bytes | None:
    """Write URIs in angle brackets and comments (RFC 2369 2); a URI is never an encoded word."""
    raw = _raw(name, value, style, key)
    return _pieces(name, value, style, key, _uri_in) if raw is None else raw


def _tokens(name: str, value: str, style: HeaderStyle, key: str) -> bytes | None:
    """Write tokens and comments, of which the latter may be encoded."""
    raw = _raw(name, value, style, key)
    return _pieces(name, value, style, key, lambda _: None) if raw is None and not style.utf8 else raw


def _pieces(
    name: str, value: str, style: HeaderStyle, key: str, as_ascii: Callable[[str], str | None]
) -> bytes:
    """Write the pieces of a value: in ASCII, or as `as_ascii` says, or in encoded words."""
    tokens: list[tuple[str, str]] = []
    end, after_word = 0, False
    for match in _PIECE.finditer(value):
        piece, gap = match[0], value[end : match.start()]
        end = match.end()
        written = piece if _PLAIN.fullmatch(piece) else as_ascii(piece)
        if written is not None and tokens and not (gap or after_word):
            tokens[-1] = (tokens[-1][0], tokens[-1][1] + written)  # nothing may be folded between the two
        elif written is not None:
            tokens.append((gap or " ", written))
        elif match["comment"]:
            tokens += _spaced(gap, _encoded_comment(piece, style, key, max(1, len(gap))))
        elif after_word:  # blanks between two encoded words are not read, so they are encoded too
            tokens += _spaced(" ", encoded_words(gap + piece, style.words_mode, key))
        else:  # one blank before an encoded word; more would make its line too long
            tokens += _spaced(gap[:1], encoded_words(gap[1:] + piece, style.words_mode, key))
        after_word = written is None and not match["comment"]
    return style.octets(folded(name, tokens, key), key)


def _spaced(gap: str, words: list[str]) -> list[tuple[str, str]]:
    """Return words with the blanks before each: `gap`, if any, before the first, one before the others."""
    return [(" " if index else gap or " ", word) for index, word in enumerate(words)]


def _encoded_comment(comment: str, style: HeaderStyle, key: str, blanks: int) -> list[str]:
    """Return a comment as encoded words in parentheses (RFC 2047 5 (2)), which take an octet each."""
    longest = max(WIDTH // 2, WIDTH - 2 - blanks)  # so many blanks stand before it on its line
    words = encoded_words(comment[1:-1], style.words_mode, key, longest=longest)
    words[0] = f"({words[0]}"
    words[-1] = f"{words[-1]})"
    return words


def _uri_in(piece: str) -> str | None:
    """Return a piece with a URI in ASCII; None where there is none."""
    if piece[0] == "<" and piece[-1] == ">":
        return f"<{_ascii_uri(_BLANK.sub('', piece[1:-1]))}>"
    return _ascii_uri(piece) if _SCHEME.match(piece) else None


def _location(name: str, value: str, style: HeaderStyle, key: str) -> bytes | None:
    """Write one URI without brackets (RFC 2557 4.2)."""
    return _raw(name, value, style, key) or _raw(name, _ascii_uri(value), style, key)


def _ascii_uri(uri: str) -> str:
    """Return a URI in ASCII: its host in A-labels, all else outside ASCII percent-encoded (RFC 3987 3.1)."""
    parts = _AUTHORITY.fullmatch(uri)
    if parts and not parts[2].isascii():
        with suppress(MailError):  # no host that the DNS could know may be percent-encoded like the rest
            uri = parts[1] + ascii_domain(parts[2]) + parts[3]
    return "".join(character if "!" <= character <= "~" else _percent_encoded(character) for character in uri)


def _percent_encoded(character: str) -> str:
    """Return a character as a URI may hold it."""
    return "".join(f"%{octet:02X}" for octet in character.encode("utf-8", "replace"))


_WRITERS: Mapping[str, Callable[[str, str, HeaderStyle, str], bytes | None]] = {
    "addresses": _addresses,
    "identifiers": _identifiers,
    "uris": _uris,
    "parameters": _parameters,
    "tokens": _tokens,
    "location": _location,
    "phrases": _phrases,
    "list id": _list_id,
}
