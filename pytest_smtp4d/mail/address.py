"""Addresses: text, objects and lists to mailboxes.

RFC 5322 3.4 and 4.4, RFC 6532 (non-ASCII), RFC 5890 (internationalised domains), 4D Email object
(semicolons too). The one thing to know: there is one parser. What a user wrote is read strictly and refused
with a reason; what a message carried is read leniently by the same rules, and what cannot be an address is
left out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from pytest_smtp4d.errors import MailError, nearest
from pytest_smtp4d.mail.charset import check_header_text
from pytest_smtp4d.mail.structured import plain_text, read_comment

__all__ = [
    "Group",
    "Mailbox",
    "ascii_domain",
    "distinct",
    "is_address_literal",
    "mailboxes_of",
    "parse_addresses",
    "parse_entries",
    "read_addresses",
    "read_entries",
]

# Written by what they exclude: sets that reach up to U+10FFFF take Python milliseconds to compile.
_ATOM = r"[^\x00-\x20()<>\[\]:;@\\,.\"\x7f]+"
_LABEL = r"[^\x00-/:-@\[-^`{-\x7f](?:[^\x00-,./:-@\[-^`{-\x7f]*[^\x00-/:-@\[-^`{-\x7f])?"

# dot-atom-text = 1*atext *("." 1*atext)                                     RFC 5322 3.2.3, RFC 6532 3.2
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
# domain = sub-domain *("." sub-domain) / address-literal                    RFC 5321 4.1.2; "_" as in the DNS
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|\[[!-Z^-~]*\]")
# The two shapes that nearly all addresses have, `a@b` and `Words <a@b>`, read without the tokeniser.
_WORDS = r"[0-9A-Za-z]+(?: [0-9A-Za-z]+)*"
_ASCII_ATOM = r"[!#$%&'*+\-/=?^_`{|}~0-9A-Za-z]+"
_ASCII_LABEL = r"[0-9A-Za-z](?:[-0-9A-Za-z]*[0-9A-Za-z])?"
_ASCII_ADDRESS = rf"{_ASCII_ATOM}(?:\.{_ASCII_ATOM})*@{_ASCII_LABEL}(?:\.{_ASCII_LABEL})*"
_SIMPLE = re.compile(rf"[ \t]*(?:({_ASCII_ADDRESS})|({_WORDS}) <({_ASCII_ADDRESS})>)[ \t]*(?:[,;]|\Z)")
# One lexical token: blanks, a quoted string, a domain literal, an encoded word, a special or a run of
# anything else; comments are counted.
_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<literal>\[[^\[\]\\]*\])
      | (?P<encoded>=\?[^?\s]{1,80}\?[QqBb]\?[^?\s]*\?=)
      | (?P<special>[()<>\[\]:;@\\,."])
      | (?P<word>[^ \t\r\n()<>\[\]:;@\\,."]+)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LONGEST = 900  # octets: with its angle brackets an address must fit a line of 998 (RFC 5322 2.1.1)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A display name and an address.

    Args:
        name: the display name, decoded; "" for none.
        addr_spec: `local-part@domain` without angle brackets.
    """

    name: str
    addr_spec: str

    @property
    def local_part(self) -> str:
        """What stands before the last "@"; quoted where it must be."""
        return self.addr_spec.rpartition("@")[0]

    @property
    def domain(self) -> str:
        """What stands after the last "@"."""
        return self.addr_spec.rpartition("@")[2]

    @property
    def ascii_addr_spec(self) -> str:
        """The address with its domain in A-labels; the local part as it is.

        A domain that IDNA forbids stays as it is too: only SMTPUTF8 can carry it (RFC 6531 3.3).
        """
        if self.addr_spec.isascii() or "@" not in self.addr_spec:
            return self.addr_spec
        try:
            return f"{self.local_part}@{ascii_domain(self.domain)}"
        except MailError:
            return self.addr_spec


@dataclass(frozen=True, slots=True)
class Group:
    """A named group of mailboxes, possibly empty (RFC 5322 3.4: `undisclosed-recipients:;`)."""

    name: str
    mailboxes: tuple[Mailbox, ...]


class _Malformed(Exception):  # noqa: N818 - a signal between two functions of this room
    """One address of a list cannot be read; the text says why."""


def parse_addresses(value: object, key: str) -> list[Mailbox]:
    """Read the value of an address property strictly; groups give their members.

    Args:
        value: text, an object with `email` and `name`, a list of either, or None.
        key: the property, for the message.

    Raises:
        MailError: malformed; names the key and the value.
    """
    return mailboxes_of(parse_entries(value, key))


def mailboxes_of(entries: list[Mailbox | Group]) -> list[Mailbox]:
    """Return the mailboxes of `entries`, those inside groups included, in order."""
    return [box for entry in entries for box in (entry.mailboxes if isinstance(entry, Group) else (entry,))]


def distinct(boxes: Iterable[Mailbox]) -> tuple[str, ...]:
    """Return the addresses of an envelope: domains in A-labels and without regard to case, each once."""
    found: dict[tuple[str, str], str] = {}
    for box in boxes:
        local_part, _, domain = box.ascii_addr_spec.rpartition("@")
        found.setdefault((local_part, domain.lower()), box.ascii_addr_spec)
    return tuple(found.values())


def parse_entries(value: object, key: str, *, local: bool = False) -> list[Mailbox | Group]:
    """Read the value of an address property strictly, groups kept; otherwise as `parse_addresses`.

    With `local`, an object may have a name and a local part alone, as `read_addresses` gives it.
    """
    if value is None:
        return []
    if isinstance(value, str):
        return _parse_text(value, key)
    if isinstance(value, Mapping):
        return _parse_object(value, key, local=local)
    if isinstance(value, (bytes, bytearray, memoryview)) or not hasattr(value, "__iter__"):
        kind = value.__class__.__name__
        raise MailError(
            f"{key} must be text, an object with 'email', or a list of either, not {kind}: {value!r}"
        )
    entries: list[Mailbox | Group] = []
    for item in value:
        if item is not None and not isinstance(item, (str, Mapping)):
            kind = item.__class__.__name__
            raise MailError(f"{key} must list texts or objects with 'email', not {kind}: {item!r}")
        entries += parse_entries(item, key, local=local)
    return entries


def read_addresses(text: str, *, local: bool = False) -> list[Mailbox]:
    """Read an address field leniently; groups give their members.

    What is no address is left out, and what stands before or behind a fault is kept.

    Args:
        text: the field's text; encoded words are not decoded.
        local: whether a name with a local part alone is kept too: `root (Cron Daemon)`.
    """
    simple = _simple_list(text)
    if simple is not None:
        return simple
    entries = _entries(text, strict=False, local=local)
    return mailboxes_of([entry for entry in entries if not isinstance(entry, _Malformed)])


def read_entries(text: str) -> list[Mailbox | Group] | None:
    """Read the addresses of a field leniently, groups kept; None where any of them cannot be read."""
    entries: list[Mailbox | Group] = []
    for entry in _entries(text, strict=False):
        if isinstance(entry, _Malformed):
            return None
        entries.append(entry)
    return entries


def _simple_list(text: str) -> list[Mailbox] | None:
    """Return the mailboxes of a list of nothing but the two simple shapes, or None for any other text."""
    boxes: list[Mailbox] = []
    position = 0
    while position < len(text):
        match = _SIMPLE.match(text, position)
        if not match or len(match[0]) > _LONGEST:
            return None
        boxes.append(Mailbox(match[2] or "", match[1] or match[3]))
        position = match.end()
    return boxes


def _parse_text(text: str, key: str) -> list[Mailbox | Group]:
    """Read addresses in text strictly."""
    simple = _simple_list(text)
    if simple is not None:
        return [*simple]
    check_header_text(text, key)
    entries: list[Mailbox | Group] = []
    for entry in _entries(text, strict=True):
        if isinstance(entry, _Malformed):
            raise MailError(f"{key}: {entry} in {text!r}")
        entries.append(entry)
    return entries


def _parse_object(value: Mapping[object, object], key: str, *, local: bool) -> list[Mailbox | Group]:
    """Read an address object strictly; one with neither email nor name counts as absent."""
    for name, text in value.items():
        if name not in ("name", "email"):
            raise MailError(
                f"{key}: an address has no property {name!r}{nearest(str(name), ('name', 'email'))}"
            )
        if text is not None and not isinstance(text, str):
            raise MailError(
                f"{key}: the {name} of an address must be text, not {text.__class__.__name__}: {text!r}"
            )
    name, email = str(value.get("name") or ""), str(value.get("email") or "")
    if not email.strip(" \t"):
        if name.strip(" \t"):
            raise MailError(f"{key}: the address of {name!r} has no email")
        return []
    if local and name.strip(" \t") and _DOT_ATOM.fullmatch(email):
        check_header_text(name, key)
        return [Mailbox(name.strip(" \t"), email)]
    found = _parse_text(email, key)
    if len(found) != 1 or not isinstance(found[0], Mailbox):
        raise MailError(f"{key}: the email of an address object must be one address: {email!r}")
    check_header_text(name, key)
    return [Mailbox(name.strip(" \t") or found[0].name, found[0].addr_spec)]


# --- reading a list -------------------------------------------------------------------------------
#
#   address-list  = address *( ("," / ";") address )          semicolons: 4D; empty items: RFC 5322 4.4
#   address       = mailbox / group                            -- one item
#   group         = display-name ":" [address-list] ";"       the ";" may be missing at the end
#   mailbox       = addr-spec [comment] / [display-name] "<" [route] addr-spec ">"


class _Token(NamedTuple):
    """One token: `kind` names the group of `_TOKEN`, or is "comment" or the special; `text` has no quotes."""

    kind: str
    text: str
    spaced: bool  # blanks or a comment stand before it


def _tokens(text: str) -> Iterator[_Token]:
    """Split `text` into tokens, in linear time whatever it holds."""
    position, spaced, unquoted = 0, False, False
    while position < len(text):
        if unquoted and text[position] == '"':  # no closing quote follows: do not look for one again
            yield _Token('"', '"', spaced)
            position, spaced = position + 1, False
            continue
        match = _TOKEN.match(text, position)
        assert match is not None, "every character begins a token"
        kind, piece, position = str(match.lastgroup), match[0], match.end()
        if kind == "blank":
            spaced = True
        elif piece == "(":
            comment, position, closed = read_comment(text, position)
            yield _Token("comment" if closed else "unclosed", comment, spaced)
            spaced = True
        elif kind == "quoted":
            yield _Token("quoted", _ESCAPE.sub(r"\1", piece[1:-1]), spaced)
            spaced = False
        else:
            unquoted = unquoted or piece == '"'
            kinds = {
                "special": piece,
                "encoded": "word",
            }  # an encoded word may hold specials, though it must not
            yield _Token(kinds.get(kind, kind), piece, spaced)
            spaced = False


def _entries(text: str, *, strict: bool, local: bool = False) -> Iterator[Mailbox | Group | _Malformed]:
    """Yield what `text` lists, in order, malformed items as such."""
    item: list[_Token] = []
    group: str | None = None
    members: list[Mailbox] = []
    angle = addressed = False  # inside "<"; an address stands there, so that a comma shows it unclosed
    for token in (*_tokens(text), _Token("end", "", False)):
        if token.kind == "unclosed":
            if strict:
                yield _Malformed(f"a comment without ')': {token.text!r}")
        elif angle and token.kind != "end" and (strict or not addressed or token.kind != ","):
            angle = token.kind != ">"
            addressed = addressed or (token.kind == "@" and item[-1].kind in ("word", "quoted"))
            item.append(token)
        elif token.kind in (",", ";", "end"):
            angle = False
            found = [_mailbox(item)] if strict else _found_mailboxes(item, local=local)
            for entry in found if any(part.kind != "comment" for part in item) else ():
                if group is None or isinstance(entry, _Malformed):
                    yield entry
                else:
                    members.append(entry)
            item = []
            if group is not None and token.kind != ",":
                yield Group(group, tuple(members))
                group, members = None, []
        elif token.kind == ":":
            if group is not None:
                yield _Malformed("a group inside a group")
            name = _phrase(item)
            if not name:
                yield _Malformed("a ':' without the name of a group")
            group, item = name, []
        else:
            angle, addressed = token.kind == "<", False
            item.append(token)


def _mailbox(item: list[_Token]) -> Mailbox | _Malformed:
    """Read one mailbox strictly from its tokens."""
    try:
        opening = _index(item, "<")
        if opening is None:
            return Mailbox(_comments(item), _addr_spec(item, strict=True))
        closing = _index(item, ">", opening)
        if closing is None:
            raise _Malformed("a '<' without '>'")
        if any(token.kind != "comment" for token in item[closing + 1 :]):
            raise _Malformed(f"{_text(item[closing + 1 :])!r} after '>'")
        name = _phrase(item[:opening])
        if any(token.kind in '@\\"[]>' for token in item[:opening]):
            raise _Malformed(f"the display name {name!r} must be quoted")
        return Mailbox(name, _addr_spec(_without_route(item[opening + 1 : closing]), strict=True))
    except _Malformed as malformed:
        return malformed


def _index(item: list[_Token], kind: str, start: int = 0) -> int | None:
    """Return where the first token of a kind stands, from `start` on."""
    return next((index for index in range(start, len(item)) if item[index].kind == kind), None)


def _comments(item: list[_Token]) -> str:
    """Return the texts of the comments among tokens."""
    return " ".join(token.text for token in item if token.kind == "comment" and token.text)


def _without_route(item: list[_Token]) -> list[_Token]:
    """Return tokens without "@relay,@relay:" before the address (RFC 5322 4.4)."""
    route = _index(item, ":")
    return item[route + 1 :] if route is not None and item[0].kind == "@" else item


# --- reading what others wrote --------------------------------------------------------------------


def _found_mailboxes(item: list[_Token], *, local: bool) -> Iterator[Mailbox | _Malformed]:
    """Read the mailboxes of an item leniently: several where the commas between them are missing."""
    start, opened, closed = 0, False, None
    for index, token in enumerate(item):
        if token.kind == "<" and closed is not None:
            yield _found_mailbox(item[start : closed + 1], local=local)
            start, closed = closed + 1, None
        opened = opened or token.kind == "<"
        if token.kind == ">" and opened:
            opened, closed = False, index
    yield _found_mailbox(item[start:], local=local)


def _found_mailbox(item: list[_Token], *, local: bool) -> Mailbox | _Malformed:
    """Read one mailbox leniently; words behind its ">" are its name where none stands before."""
    try:
        opening = _index(item, "<")
        if opening is None:
            return _bare_mailbox(item, local=local)
        closing = _index(item, ">", opening)
        inner = [token for token in item[opening + 1 : closing] if token.kind != "<"]
        behind = item[closing + 1 :] if closing is not None else []
        name = _phrase(item[:opening]) or _comments(behind) or _phrase(behind).strip("> ")
        return Mailbox(name, _found_addr_spec(_without_route(inner), local=local and bool(name)))
    except _Malformed as malformed:
        return malformed


def _bare_mailbox(item: list[_Token], *, local: bool) -> Mailbox:
    """Read a mailbox without angle brackets leniently: words around the address are its name."""
    comment = _comments(item)
    words = [token for token in item if token.kind not in ("comment", ">")]
    try:
        return Mailbox(comment, _found_addr_spec(words, local=local and bool(comment)))
    except _Malformed:
        at = _index(words, "@")
        if at is None or not any(token.spaced for token in words):
            raise
    start, end = at, at + 1
    while start and not words[start].spaced:
        start -= 1
    while end < len(words) and not words[end].spaced:
        end += 1
    addr_spec = _addr_spec(words[start:end], strict=False)
    beside = words[:start] + words[end:]
    return Mailbox(comment or ("" if _index(beside, "@") is not None else _phrase(beside)), addr_spec)


def _found_addr_spec(item: list[_Token], *, local: bool) -> str:
    """Return the address that tokens spell, read leniently; a local part alone where `local` lets it pass."""
    if local and item and all(token.kind in ("word", ".") and not token.spaced for token in item[1:]):
        spelled = plain_text("".join(token.text for token in item))
        if _DOT_ATOM.fullmatch(spelled) and len(spelled) <= _LONGEST:
            return spelled
    return _addr_spec(item, strict=False)


def _phrase(item: list[_Token]) -> str:
    """Return the display name that tokens spell, blanks between them collapsed, comments left out."""
    pieces: list[str] = []
    for token in item:
        if token.kind != "comment":
            pieces.append(" " + token.text if token.spaced and pieces else token.text)
    return "".join(pieces).strip(" \t")


def _text(item: list[_Token]) -> str:
    """Return tokens as they were written, more or less, for a message."""
    return "".join(
        (" " if token.spaced else "") + (f'"{token.text}"' if token.kind == "quoted" else token.text)
        for token in item
    ).strip()


def _addr_spec(item: list[_Token], *, strict: bool) -> str:
    """Return the address that tokens spell.

    A local part that is no dot-atom ("a..b", as some carriers assigned) is quoted when read leniently.
    """
    item = [token for token in item if token.kind != "comment"]
    at = next((index for index in range(len(item) - 1, -1, -1) if item[index].kind == "@"), None)
    if at is None:
        raise _Malformed(
            f"{_text(item)!r} is not an address: '@' is missing" if item else "an empty address '<>'"
        )
    local, domain = item[:at], "".join(token.text for token in item[at + 1 :])
    if not strict:
        domain = plain_text(domain).rstrip(".")
    if not local:
        raise _Malformed(f"{_text(item)!r} is not an address: nothing stands before '@'")
    if any(token.kind not in ("word", "quoted", ".") for token in local):
        raise _Malformed(f"{_text(item)!r} is not an address")
    if _is_parted(local):
        raise _Malformed(f"{_text(item)!r} is not an address: a blank stands before '@'")
    named = all(token.kind in ("word", "literal", ".") for token in item[at + 1 :])
    if not named or _is_parted(item[at + 1 :]) or not _DOMAIN.fullmatch(domain):
        raise _Malformed(f"{_text(item)!r} is not an address: {domain!r} is not a domain")
    if domain[0] == "[" and not is_address_literal(domain):
        raise _Malformed(
            f"{_text(item)!r} is not an address: {domain!r} is not an address literal such as [192.0.2.1] "
            "or [IPv6:2001:db8::1] (RFC 5321 4.1.3)"
        )
    spelled = "".join(token.text for token in local)
    spelled = spelled if strict else plain_text(spelled)
    if not _DOT_ATOM.fullmatch(spelled):
        if strict and all(token.kind != "quoted" for token in local):
            raise _Malformed(f"{_text(item)!r} is not an address: quote the local part")
        if not spelled.isprintable():
            raise _Malformed(f"{_text(item)!r} is not an address: a control character stands before '@'")
        spelled = '"' + re.sub(r'(["\\])', r"\\\1", spelled) + '"'
    addr_spec = f"{spelled}@{domain}"
    if len(addr_spec.encode("utf-8", "replace")) > _LONGEST:
        raise _Malformed(f"an address of over {_LONGEST} octets")
    return addr_spec


def _is_parted(item: list[_Token]) -> bool:
    """Tell whether blanks stand between two words; around a "." they may (RFC 5322 4.4)."""
    return any(
        token.spaced and before.kind != "." != token.kind for before, token in itertools.pairwise(item)
    )


# IPv4-address-literal    = Snum 3("." Snum), Snum = 1*3DIGIT for 0 to 255                RFC 5321 4.1.3
# IPv6-address-literal    = "IPv6:" IPv6-addr
# General-address-literal = Standardized-tag ":" 1*dcontent, Standardized-tag = Ldh-str
_TAGGED_LITERAL = re.compile(r"([0-9A-Za-z-]*[0-9A-Za-z]):([!-Z^-~]+)")


def is_address_literal(text: str) -> bool:
    """Tell whether `text`, brackets included, is an address literal (RFC 5321 4.1.3)."""
    inside = text[1:-1]
    if text[:1] != "[" or text[-1:] != "]":
        return False
    tagged = _TAGGED_LITERAL.fullmatch(inside)
    if not tagged:
        return _is_ipv4(inside)
    if tagged[1].lower() == "ipv6":
        return _is_ipv6(tagged[2])
    return not _is_ipv6(inside)  # any other tag may be registered one day; this one was forgotten


def _is_ipv4(text: str) -> bool:
    """Tell whether `text` is four numbers of at most three digits, each at most 255."""
    numbers = text.split(".")
    return len(numbers) == 4 and all(
        number.isascii() and number.isdecimal() and len(number) <= 3 and int(number) <= 255
        for number in numbers
    )


def _is_ipv6(text: str) -> bool:
    """Tell whether `text` is an IPv6 address without a zone."""
    import ipaddress

    try:
        return ipaddress.IPv6Address(text).scope_id is None
    except ValueError:
        return False


@lru_cache(maxsize=256)
def ascii_domain(domain: str) -> str:
    """Return `domain` in A-labels (RFC 5891, with the mapping of UTS 46).

    Raises:
        MailError: the domain cannot be internationalised; names it.
    """
    if domain.isascii():
        return domain
    import idna

    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise MailError(f"the domain {domain!r} cannot be written in ASCII: {error}") from error
