"""What a connection asks for, as a host and a port in one spelling, and patterns that such a host matches.

A host may be given as str or bytes, in any case, with a trailing dot, as an internationalised name (RFC 5890)
or as an address; a port as a number or as the name of a service (RFC 6335). Everything behind this file sees
a lower-case ASCII name, or an address as `ipaddress` writes it, and a number.
"""

from __future__ import annotations

import re
import socket
from fnmatch import translate
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

from pytest_smtp4d.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

__all__ = ["PORTS", "Allowed", "HostPattern", "Target", "checked_ports", "host_of", "is_local", "port_of"]

PORTS = (25, 465, 587, 2525)
"""The ports that mail is sent to: relay, submission under TLS (RFC 8314), submission, and its substitute."""

IMPLICIT_TLS_PORT = 465
"""The port whose connections begin with TLS (RFC 8314 7.3)."""

_SERVICES = {
    "smtp": 25,
    "mail": 25,
    "submissions": 465,
    "smtps": 465,
    "ssmtp": 465,
    "urd": 465,
    "submission": 587,
}
"""The services of mail by name. /etc/services has them too, but a slim container has no such file."""

_LOCAL_NAMES = frozenset({"", "localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}")
"""An IPv4 address as `inet_aton` reads it: one to four numbers, decimal, octal or hexadecimal."""


class Target(NamedTuple):
    """A host and a port that a client asked for.

    Args:
        host: a name in lower case and ASCII, without a trailing dot, or an address.
        port: 1 to 65535.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def port_of(port: object) -> int | None:
    """Return the number that a port is; 0 for None and "", None for what is none and no service's name."""
    if isinstance(port, int):
        return int(port)
    if port is None:
        return 0
    if isinstance(port, bytes | bytearray):
        port = bytes(port).decode("latin-1")
    if not isinstance(port, str):
        return None
    if port.isascii() and port.isdigit():
        return int(port)
    return _service(port) if port else 0


@lru_cache(64)
def _service(name: str) -> int | None:
    """Return the port of a service; those of mail are known also where the system has no list of them."""
    try:
        return _SERVICES.get(name) or socket.getservbyname(name, "tcp")
    except OSError:
        return None


def host_of(host: object) -> str | None:
    """Return the one spelling of a host; None for None, and for what the system itself refuses."""
    if isinstance(host, bytes | bytearray):
        host = bytes(host).decode("latin-1")
    return _spelled(host) if isinstance(host, str) else None


@lru_cache(1024)
def _spelled(host: str) -> str | None:
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")  # what `socket` does with it
        except UnicodeError:
            return None
    host = host.lower().removesuffix(".")
    address = address_of(host)
    return host if address is None else str(address)


@lru_cache(1024)
def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is, in every spelling that the system takes, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    if not _NUMERIC.fullmatch(host):
        return None
    try:
        return ip_address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


@lru_cache(1024)
def is_local(host: str) -> bool:
    """Return whether a host, spelled as `host_of` returns it, is this machine by its loopback."""
    address = address_of(host)
    if address is None:
        return host in _LOCAL_NAMES or host.endswith(".localhost")  # RFC 6761 6.3
    mapped = getattr(address, "ipv4_mapped", None)
    address = address if mapped is None else mapped
    return address.is_loopback or address.is_unspecified  # to connect to 0.0.0.0 or :: is to connect here


def checked_ports(where: str, ports: object) -> frozenset[int]:
    """Return ports that were given by a user.

    Raises:
        SettingsError: none is given, or one is no port; the message begins with `where`.
    """
    given = (ports,) if isinstance(ports, int) else ports
    if not isinstance(given, tuple | list | set | frozenset) or not given:
        raise SettingsError(f"{where} is a tuple of numbers such as (25, 587), not {ports!r}")
    for port in given:
        if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
            raise SettingsError(f"{where} holds {port!r}, which is no port: give numbers from 1 to 65535")
    return frozenset(given)


class HostPattern:
    """A shell pattern that names and addresses are compared with: "smtp.*", "*.example.com", "192.0.2.*".

    Args:
        where: what the user wrote it in, for the error.
        pattern: as given.

    Raises:
        SettingsError: it is no text, or no host can match it.
    """

    __slots__ = ("_matches", "text")

    def __init__(self, where: str, pattern: object) -> None:
        if not isinstance(pattern, str):
            raise SettingsError(f"{where} is a text such as 'smtp.*', not {pattern!r}")
        if why := _why_impossible(pattern):
            raise SettingsError(f"{where} {pattern!r} can match no host: {why}")
        text = pattern.lower().removesuffix(".")
        if not text.isascii():
            text = text.encode("idna").decode("ascii")
        self.text: str = text
        self._matches = re.compile(translate(text)).match

    def matches(self, host: str) -> bool:
        """Return whether a host, spelled as `host_of` returns it, matches."""
        return self._matches(host) is not None

    @property
    def names_hosts(self) -> bool:
        """Whether it says anything of a host: "*" does not."""
        return self.text.strip("*") != ""


def _why_impossible(pattern: str) -> str:
    """Return why no host can match a pattern, or ""."""
    if not pattern.strip(".") or pattern != pattern.strip():
        return "write a name such as 'smtp.example.com', with * for anything"
    if "://" in pattern or "/" in pattern or "@" in pattern or any(map(str.isspace, pattern)):
        return "a host has no scheme, path, user or blank"
    name, colon, port = pattern.partition(":")
    if pattern.startswith("[") and colon:
        return "write an IPv6 address without brackets"
    if colon and ":" not in port:
        return f"write {name!r} here, and the port as ports=({port or 587},)"
    if is_local(pattern.lower().removesuffix(".")):
        return "what goes to this machine itself is never touched"
    try:
        pattern.encode("idna" if not pattern.isascii() else "ascii")
    except UnicodeError:
        return "it is no internationalised name"
    return ""


class _Entry(NamedTuple):
    """One word of the allow list: what it matches, and the port, None for every port."""

    pattern: HostPattern | None
    network: IPv4Network | IPv6Network | None
    port: int | None


class Allowed:
    """Hosts that mail may really be sent to: `host` or `host:port`; a pattern, an address or a network.

    Names are compared with what a client asked for, before it is resolved; addresses with what it connects
    to.

    Args:
        words: as in the ini `smtp4d_block_allow`.

    Raises:
        SettingsError: a word that cannot be read.
    """

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._entries = tuple(_entry(word) for word in words)
        self._resolved: set[tuple[str, int | None]] = set()

    def allows(self, target: Target) -> bool:
        """Return whether a name, or an address, is allowed with this port."""
        if (target.host, target.port) in self._resolved or (target.host, None) in self._resolved:
            return True
        return any(_is_of(entry, target.host) for entry in self._entries if entry.port in (None, target.port))

    def names(self, host: str) -> bool:
        """Return whether a host is allowed with any port."""
        return any(_is_of(entry, host) for entry in self._entries)

    @property
    def has_addresses(self) -> bool:
        """Whether names must be resolved to know whether they are allowed."""
        return any(entry.network is not None for entry in self._entries)

    def remember(self, host: str, addresses: Iterable[str]) -> None:
        """Allow the addresses that a name was resolved to, with the ports that the name is allowed with."""
        ports = [entry.port for entry in self._entries if _is_of(entry, host)]
        self._resolved.update((address, port) for address in addresses for port in ports)


def _is_of(entry: _Entry, host: str) -> bool:
    if entry.network is not None:
        address = address_of(host)
        return address is not None and address in entry.network
    assert entry.pattern is not None
    return entry.pattern.matches(host)


def _entry(word: str) -> _Entry:
    host, port = (word, None) if "://" in word else _split(word)
    number: int | None = None
    if port is not None:
        number = port_of(port)
        if not number or number > 65535:
            raise SettingsError(f"smtp4d_block_allow: {word!r} has no port behind its colon: write host:25")
    try:
        return _Entry(None, ip_network(host), number)
    except ValueError:
        pass
    try:
        return _Entry(HostPattern("smtp4d_block_allow", host), None, number)
    except SettingsError:
        raise SettingsError(
            f"smtp4d_block_allow: {word!r} cannot be read: write words such as mail.internal, *.example.com, "
            "mailpit:1025, 192.0.2.0/24 or [2001:db8::1]:25"
        ) from None


def _split(word: str) -> tuple[str, str | None]:
    """Return host and port (None without one) of "host:port", "[2001:db8::1]:25" or "2001:db8::1"."""
    if word.startswith("["):
        host, bracket, rest = word[1:].partition("]")
        return (host, rest[1:] if rest else None) if bracket and rest[:1] in ("", ":") else (word, None)
    host, colon, port = word.partition(":")
    return (host, port) if colon and ":" not in port else (word, None)
