"""Mailboxes and groups: what an address means once it is read, and its domain in ASCII.

RFC 5322 3.4, RFC 5321 4.1.3 (address literals), RFC 5890 (internationalised domains).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import MailError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Group", "Mailbox", "ascii_domain", "distinct", "is_address_literal", "mailboxes_of"]


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


def mailboxes_of(entries: list[Mailbox | Group]) -> list[Mailbox]:
    """Return the mailboxes of `entries`, those inside groups included, in order."""
    if not entries:
        return []
    return [box for entry in entries for box in (entry.mailboxes if isinstance(entry, Group) else (entry,))]


def distinct(boxes: Iterable[Mailbox]) -> tuple[str, ...]:
    """Return the addresses of an envelope: domains in A-labels and without regard to case, each once."""
    found: dict[tuple[str, str], str] = {}
    for box in boxes:
        local_part, _, domain = box.ascii_addr_spec.rpartition("@")
        found.setdefault((local_part, domain.lower()), box.ascii_addr_spec)
    return tuple(found.values())


# --- domains --------------------------------------------------------------------------------------

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
