"""An entrance of a server for connections that asked for another host: they are expected, and say for whom.

RFC 8314 3 (TLS follows the port), RFC 6066 3 (the name that a client asks for).

A client in this process that was redirected binds its socket before it connects, so its port is known to both
sides: the client's side announces the port with `expect`, and the listener asks with `arrived`. Nothing about
the target ever goes over the wire.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from pytest_smtp4d.server.settings import ServerSettings
    from pytest_smtp4d.server.state import ServerState

__all__ = ["Entrance", "settings_behind"]

HOST = "127.0.0.1"
"""Where entrances listen, whatever the server's own host is. IPv6 sockets reach it as ::ffff:127.0.0.1."""


take_hosts: Callable[[Any, tuple[object, ...]], None] | None = None
"""Gives the mail for some hosts to a server; None where interception is off. Set by what redirects."""


class Entrance:
    """What the connections through one listening socket have in common.

    Args:
        state: of the server.
        implicit: True where connections begin with TLS, as on port 465; False: STARTTLS is on offer.
    """

    def __init__(self, state: ServerState, *, implicit: bool) -> None:
        self._state = state
        self._implicit = implicit
        self._guard = threading.Lock()
        self._expected: dict[int, tuple[str, int]] = {}
        self.port = 0
        """The port it listens on."""
        self.client_verifies: Callable[[ssl.SSLObject, int], bool | None] = lambda *_: None
        """Whether the client of a TLS session, from a port, verifies chain and name; None: not known."""

    def expect(self, peer_port: int, target: tuple[str, int]) -> None:
        """Announce a connection that will come from this port of this machine, and what it asked for."""
        with self._guard:
            self._expected[peer_port] = target

    def forget(self, peer_port: int) -> None:
        """Expect it no longer: the client gave up."""
        with self._guard:
            self._expected.pop(peer_port, None)

    def arrived(self, peer_port: int) -> tuple[str, int] | None:
        """Return what the connection from this port asked for; None where nobody announced it."""
        with self._guard:
            return self._expected.pop(peer_port, None)

    @property
    def settings(self) -> ServerSettings:
        """The settings of a connection that arrives now."""
        return settings_behind(self._state.settings, implicit=self._implicit)


def settings_behind(settings: ServerSettings, *, implicit: bool) -> ServerSettings:
    """Return the settings of a connection that came through an entrance.

    TLS follows the port that was asked for, except that a server without TLS offers no STARTTLS. Any login is
    possible and none is required, unless the settings say who may log in or that a login is required.
    """
    changes: dict[str, Any] = {"tls": _tls(settings.tls, implicit=implicit)}
    given = settings._given
    if not (given["users"] or given["tokens"]):
        if given["auth"] is None or given["auth"]:
            changes["users"] = "*"
            changes["auth"] = _without_proofs(given["auth"])
        if given["require_auth"] is None:
            changes["require_auth"] = False
    return settings.replace(**changes)


def _tls(tls: str, *, implicit: bool) -> str:
    if implicit:
        return "implicit"
    return "none" if tls == "none" else "starttls"


def _without_proofs(auth: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return mechanisms without those for which the server itself must know the password."""
    return None if auth is None else tuple(name for name in auth if not name.startswith("SCRAM-"))
