"""A list of addresses, from text to mailboxes and groups, strictly or leniently.

RFC 5322 3.4 and 4.4, RFC 6532 (non-ASCII). One lexer serves both ways of reading; see `address`.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

from pytest_smtp4d.mail.mailbox import Group, Mailbox, is_address_literal
from pytest_smtp4d.mail.structured import plain_text, read_comment

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

__all__ = ["DOT_ATOM", "LONGEST_ADDRESS", "Malformed", "read_list"]

# Written by what they exclude: sets that reach up to U+10FFFF take Python milliseconds to compile.
_ATOM = r"[^\x00-\x20()<>\[\]:;@\\,.\"\x7f]+"
_LABEL = r"[^\x00-/:-@\[-^`{-\x7f](?:[^\x00-,./:-@\[-^`{-\x7f]*[^\x00-/:-@\[-^`{-\x7f])?"

# dot-atom-text = 1*atext *("." 1*atext)                                     RFC 5322 3.2.3, RFC 6532 3.2
DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
# domain = sub-domain *("." sub-domain) / address-literal                    RFC 5321 4.1.2; "_" as in the DNS
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|\[[!-Z^-~]*\]")
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
LONGEST_ADDRESS = 900  # octets: with its angle brackets an address must fit a line of 998 (RFC 5322 2.1.1)


class Malformed(Exception):  # noqa: N818 - a signal to the callers, who word the error
    """One address of a list cannot be read; the text says why."""


# --- the list -------------------------------------------------------------------------------------
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


def read_list(text: str, *, strict: bool, local: bool = False) -> Iterator[Mailbox | Group | Malformed]:
    """Yield what `text` lists, in order, malformed items as such."""
    item: list[_Token] = []
    group: str | None = None
    members: list[Mailbox] = []
    angle = addressed = False  # inside "<"; an address stands there, so that a comma shows it unclosed
    for token in (*_tokens(text), _Token("end", "", False)):
        if token.kind == "unclosed":
            if strict:
                yield Malformed(f"a comment without ')': {token.text!r}")
        elif angle and token.kind != "end" and (strict or not addressed or token.kind != ","):
            angle = token.kind != ">"
            addressed = addressed or (token.kind == "@" and item[-1].kind in ("word", "quoted"))
            item.append(token)
        elif token.kind in (",", ";", "end"):
            angle = False
            found = [_mailbox(item)] if strict else _found_mailboxes(item, local=local)
            for entry in found if any(part.kind != "comment" for part in item) else ():
                if group is None or isinstance(entry, Malformed):
                    yield entry
                else:
                    members.append(entry)
            item = []
            if group is not None and token.kind != ",":
                yield Group(group, tuple(members))
                group, members = None, []
        elif token.kind == ":":
            if group is not None:
                yield Malformed("a group inside a group")
            name = yield from _group_name(item, strict=strict, local=local)
            group, item = name, []
        else:
            angle, addressed = token.kind == "<", False
            item.append(token)


def _group_name(
    item: list[_Token], *, strict: bool, local: bool
) -> Generator[Mailbox | Malformed, None, str]:
    """Return the name before the ":" of a group; yield the mailbox that stands there for want of a comma."""
    closing = _index(item, ">")
    end = closing + 1 if closing is not None else len(item) if _index(item, "@") is not None else 0
    if strict and end:
        yield Malformed(f"{_text(item)!r} before the ':' of a group")
    elif end:
        yield from _found_mailboxes(item[:end], local=local)
    name = _phrase(item[end:])
    if not name:
        yield Malformed("a ':' without the name of a group")
    return name


def _mailbox(item: list[_Token]) -> Mailbox | Malformed:
    """Read one mailbox strictly from its tokens."""
    try:
        opening = _index(item, "<")
        if opening is None:
            return Mailbox(_comments(item), _addr_spec(item, strict=True))
        closing = _index(item, ">", opening)
        if closing is None:
            raise Malformed("a '<' without '>'")
        if any(token.kind != "comment" for token in item[closing + 1 :]):
            raise Malformed(f"{_text(item[closing + 1 :])!r} after '>'")
        name = _phrase(item[:opening]) or _comments(item[closing + 1 :])
        if any(token.kind in '@\\"[]>' for token in item[:opening]):
            raise Malformed(f"the display name {name!r} must be quoted")
        return Mailbox(name, _addr_spec(_without_route(item[opening + 1 : closing]), strict=True))
    except Malformed as malformed:
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
    if route is None or item[0].kind != "@":
        return item
    # Each "@" begins a relay: `<@relay, a@b.example:c@d.example>` holds an address too many, and no route.
    relays = zip(item[:route], [*item[1:route], item[route]], strict=True)
    is_route = all(after.kind != "@" or token.kind == "," for token, after in relays)
    return item[route + 1 :] if is_route else item


# --- reading what others wrote --------------------------------------------------------------------


def _found_mailboxes(item: list[_Token], *, local: bool) -> Iterator[Mailbox | Malformed]:
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


def _found_mailbox(item: list[_Token], *, local: bool) -> Mailbox | Malformed:
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
    except Malformed as malformed:
        return malformed


def _bare_mailbox(item: list[_Token], *, local: bool) -> Mailbox:
    """Read a mailbox without angle brackets leniently: words around the address are its name."""
    comment = _comments(item)
    words = [token for token in item if token.kind not in ("comment", ">")]
    try:
        return Mailbox(comment, _found_addr_spec(words, local=local and bool(comment)))
    except Malformed:
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
        if DOT_ATOM.fullmatch(spelled) and len(spelled) <= LONGEST_ADDRESS:
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
        raise Malformed(
            f"{_text(item)!r} is not an address: '@' is missing" if item else "an empty address '<>'"
        )
    local, domain = item[:at], "".join(token.text for token in item[at + 1 :])
    if not strict:
        domain = plain_text(domain).rstrip(".")
    if not local:
        raise Malformed(f"{_text(item)!r} is not an address: nothing stands before '@'")
    if any(token.kind not in ("word", "quoted", ".") for token in local):
        raise Malformed(f"{_text(item)!r} is not an address")
    if _is_parted(local):
        raise Malformed(f"{_text(item)!r} is not an address: a blank stands before '@'")
    named = all(token.kind in ("word", "literal", ".") for token in item[at + 1 :])
    if not named or _is_parted(item[at + 1 :]) or not _DOMAIN.fullmatch(domain):
        raise Malformed(f"{_text(item)!r} is not an address: {domain!r} is not a domain")
    if domain[0] == "[" and not is_address_literal(domain):
        raise Malformed(
            f"{_text(item)!r} is not an address: {domain!r} is not an address literal such as [192.0.2.1] "
            "or [IPv6:2001:db8::1] (RFC 5321 4.1.3)"
        )
    spelled = "".join(token.text for token in local)
    spelled = spelled if strict else plain_text(spelled)
    if not DOT_ATOM.fullmatch(spelled):
        if strict and all(token.kind != "quoted" for token in local):
            raise Malformed(f"{_text(item)!r} is not an address: quote the local part")
        if not spelled.isprintable():
            raise Malformed(f"{_text(item)!r} is not an address: a control character stands before '@'")
        spelled = '"' + re.sub(r'(["\\])', r"\\\1", spelled) + '"'
    addr_spec = f"{spelled}@{domain}"
    if len(addr_spec.encode("utf-8", "replace")) > LONGEST_ADDRESS:
        raise Malformed(f"an address of over {LONGEST_ADDRESS} octets")
    return addr_spec


def _is_parted(item: list[_Token]) -> bool:
    """Tell whether blanks stand between two words; around a "." they may (RFC 5322 4.4)."""
    return any(
        token.spaced and before.kind != "." != token.kind for before, token in itertools.pairwise(item)
    )
