"""Addresses that stand for names, so that a connection still knows the name that was asked for.

RFC 2544 C.2.2 (198.18.0.0/15, for tests of equipment), RFC 6666 (100::/64, where packets are thrown away). No
host on the internet has such an address, so nothing that is sent to one by mistake reaches anybody.
"""

from __future__ import annotations

import threading
from ipaddress import IPv4Address, IPv6Address, ip_address

__all__ = ["Reserved"]

_FIRST4 = int(IPv4Address("198.18.0.1"))
_FIRST6 = int(IPv6Address("100::1"))
_MOST = 2**17 - 2
"""How many names have an address at a time: 198.18.0.0/15 without its first and last."""


class Reserved:
    """Gives each name one address of each family; when all are taken, the oldest name gives way."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._next = 0

    def address(self, name: str, *, ipv6: bool) -> str:
        """Return the address that stands for a name."""
        with self._guard:
            number = self._numbers.get(name)
            if number is None:
                number, self._next = self._next, (self._next + 1) % _MOST
                self._numbers.pop(self._names.get(number, ""), None)
                self._numbers[name], self._names[number] = number, name
        return str(IPv6Address(_FIRST6 + number) if ipv6 else IPv4Address(_FIRST4 + number))

    def name(self, address: str) -> str | None:
        """Return the name that an address stands for; None where it stands for none."""
        if not address.startswith(("198.18.", "198.19.", "100::", "::ffff:198.1", "::ffff:c6")):
            return None
        parsed = ip_address(address)
        mapped = getattr(parsed, "ipv4_mapped", None)
        number = int(mapped or parsed) - (_FIRST4 if mapped or parsed.version == 4 else _FIRST6)
        return self._names.get(number)
