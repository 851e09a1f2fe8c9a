"""Which server gets the mail of this process, while interception is on.

Interceptions are a stack: the run's own at the bottom, a test's above it. The topmost decides alone.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Protocol

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.intercept.target import IMPLICIT_TLS_PORT, PORTS, Allowed, HostPattern
from pytest_smtp4d.intercept.watching import client_verifies

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_smtp4d.intercept.target import Target

__all__ = ["Destination", "Entrance", "Interception", "current", "push", "remove"]


class Entrance(Protocol):
    """Where a server takes connections that asked for another host."""

    port: int
    client_verifies: Callable[[ssl.SSLObject, int], bool | None]

    def expect(self, peer_port: int, target: tuple[str, int]) -> None:
        """Announce a connection from this local port, and what it asked for."""

    def forget(self, peer_port: int) -> None:
        """Expect it no longer."""


class Destination(Protocol):
    """What interception needs of a server."""

    def _entrance(self, *, implicit: bool) -> Entrance | None:
        """Return the entrance for connections that begin with TLS, or with a greeting; None: it is down."""


class Interception:
    """What is redirected, and where to.

    Args:
        server: returns the server that gets what no route names; called when there is mail.
        ports: which are redirected.
        hosts: patterns of hosts that are redirected; empty: all.
        allowed: hosts that are let through.
    """

    def __init__(
        self,
        server: Callable[[], Destination],
        *,
        ports: Iterable[int] = PORTS,
        hosts: Sequence[HostPattern] = (),
        allowed: Allowed | None = None,
    ) -> None:
        self._server = server
        self.ports: frozenset[int] = frozenset(ports)
        self._hosts = tuple(hosts)
        self._routes: list[tuple[HostPattern, Destination]] = []
        self._process = os.getpid()
        self.allowed: Allowed = allowed or Allowed()
        self.refuse: Callable[[Target], OSError] | None = None
        """Returns the error for what is not redirected now but refused; None: all is redirected."""

    @property
    def is_of_parent(self) -> bool:
        """Whether this process is a fork of the one that it was made for, and its servers are elsewhere."""
        return os.getpid() != self._process

    def add_route(self, server: Destination, patterns: Iterable[object]) -> None:
        """Send the mail for some hosts to another server.

        Raises:
            SettingsError: there is no pattern, or no host can match one.
        """
        routes = [(HostPattern("intercept:", pattern), server) for pattern in patterns]
        if not routes:
            raise SettingsError("intercept: name the hosts, such as intercept('smtp.eu.*')")
        self._routes.extend(routes)

    def covers(self, target: Target) -> bool:
        """Return whether a connection to this target is redirected."""
        if target.port not in self.ports or self.allowed.allows(target):
            return False
        if not self._hosts or any(pattern.matches(target.host) for pattern in self._hosts):
            return True
        return self._route(target.host) is not None

    @property
    def has_names(self) -> bool:
        """Whether hosts were given by patterns that say anything of them."""
        return any(pattern.names_hosts for pattern in self._patterns())

    def names(self, host: str) -> bool:
        """Return whether a host was given by a pattern: then it is redirected also where no port is known."""
        if self.allowed.names(host):
            return False
        return any(pattern.names_hosts and pattern.matches(host) for pattern in self._patterns())

    def _patterns(self) -> Iterator[HostPattern]:
        yield from self._hosts
        for pattern, _ in tuple(self._routes):
            yield pattern

    def entrance(self, target: Target) -> Entrance | None:
        """Return where a connection to this target goes; None: the server is down."""
        server = self._route(target.host) or self._server()
        entrance = server._entrance(implicit=target.port == IMPLICIT_TLS_PORT)
        if entrance is not None:
            entrance.client_verifies = client_verifies
        return entrance

    def _route(self, host: str) -> Destination | None:
        """Return the server that a route names for a host; the latest route wins."""
        routes = reversed(self._routes)
        return next((server for pattern, server in routes if pattern.matches(host)), None)


_guard = threading.Lock()
_stack: tuple[Interception, ...] = ()


def current() -> Interception | None:
    """Return the interception that decides now; None: it is off."""
    stack = _stack
    return stack[-1] if stack else None


def push(interception: Interception) -> None:
    """Let an interception decide from now on."""
    global _stack  # noqa: PLW0603 - one per process: what it redirects is the process's
    with _guard:
        _stack = (*_stack, interception)


def remove(interception: Interception) -> None:
    """Let it decide no longer, wherever it is in the stack."""
    global _stack  # noqa: PLW0603 - as above
    with _guard:
        _stack = tuple(one for one in _stack if one is not interception)
