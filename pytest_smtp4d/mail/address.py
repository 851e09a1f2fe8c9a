"""Addresses: text, objects and lists to mailboxes.

RFC 5322 3.4 and 4.4, RFC 6532 (non-ASCII), 4D Email object (semicolons too). There is one parser. What a user
wrote is read strictly and refused with a reason; what a message carried is read leniently from the same
tokens, and what cannot be an address is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_smtp4d.errors import MailError
from pytest_smtp4d.mail.address_list import DOT_ATOM, LONGEST_ADDRESS, Malformed, read_list
from pytest_smtp4d.mail.charset import check_header_text
from pytest_smtp4d.mail.mailbox import Group, Mailbox, mailboxes_of
from pytest_smtp4d.words import nearest

__all__ = ["parse_addresses", "parse_entries", "read_addresses", "read_entries"]

# The two shapes that nearly all addresses have, `a@b` and `Words <a@b>`, read without the tokeniser.
_WORDS = r"[0-9A-Za-z]+(?: [0-9A-Za-z]+)*"
_ASCII_ATOM = r"[!#$%&'*+\-/=?^_`{|}~0-9A-Za-z]+"
_ASCII_LABEL = r"[0-9A-Za-z](?:[-0-9A-Za-z]*[0-9A-Za-z])?"
_ASCII_ADDRESS = rf"{_ASCII_ATOM}(?:\.{_ASCII_ATOM})*@{_ASCII_LABEL}(?:\.{_ASCII_LABEL})*"
_SIMPLE = re.compile(rf"[ \t]*(?:({_ASCII_ADDRESS})|({_WORDS}) <({_ASCII_ADDRESS})>)[ \t]*(?:[,;]|\Z)")


def parse_addresses(value: object, key: str) -> list[Mailbox]:
    """Read the value of an address property strictly; groups give their members.

    Args:
        value: text, an object with `email` and `name`, a list of either, or None.
        key: the property, for the message.

    Raises:
        MailError: malformed; names the key and the value.
    """
    return mailboxes_of(parse_entries(value, key))


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
    entries = read_list(text, strict=False, local=local)
    return mailboxes_of([entry for entry in entries if not isinstance(entry, Malformed)])


def read_entries(text: str) -> list[Mailbox | Group] | None:
    """Read the addresses of a field leniently, groups kept; None where any of them cannot be read."""
    entries: list[Mailbox | Group] = []
    for entry in read_list(text, strict=False):
        if isinstance(entry, Malformed):
            return None
        entries.append(entry)
    return entries


def _simple_list(text: str) -> list[Mailbox] | None:
    """Return the mailboxes of a list of nothing but the two simple shapes, or None for any other text."""
    boxes: list[Mailbox] = []
    position = 0
    while position < len(text):
        match = _SIMPLE.match(text, position)
        if not match or len(match[0]) > LONGEST_ADDRESS:
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
    for entry in read_list(text, strict=True):
        if isinstance(entry, Malformed):
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
    if local and name.strip(" \t") and DOT_ATOM.fullmatch(email):
        check_header_text(name, key)
        return [Mailbox(name.strip(" \t"), email)]
    found = _parse_text(email, key)
    if len(found) != 1 or not isinstance(found[0], Mailbox):
        raise MailError(f"{key}: the email of an address object must be one address: {email!r}")
    check_header_text(name, key)
    return [Mailbox(name.strip(" \t") or found[0].name, found[0].addr_spec)]
