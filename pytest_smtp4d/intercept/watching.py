"""What the TLS contexts of this process's clients verify. They are watched and never changed.

RFC 5929 3 (tls-unique), RFC 9325 4 (a client verifies chain and name).

A server cannot see whether its client verifies: a right certificate satisfies a client that looks and one
that does not. Here both ends are in one process, and the server asks when its handshake is done.

A client's socket is noted by its port before `wrap_socket`, which shakes hands inside. `wrap_bio`, which
asyncio, trio and anyio use, makes a TLS object without a socket; it is noted when it is made. The two ends of
a session then know each other by their channel binding: the octets of the client's Finished message, which
both have and nobody else.
"""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["Verification", "client_verifies", "forget_port", "note_buffers", "note_socket", "verification"]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a client's context verified when a session began.

    Args:
        verify_mode: `ssl.CERT_NONE`: the chain is not looked at.
        check_hostname: whether the name in the certificate is compared with the one asked for.
    """

    verify_mode: ssl.VerifyMode
    check_hostname: bool

    @property
    def is_careful(self) -> bool:
        """Whether chain and name are verified."""
        return self.verify_mode is not ssl.CERT_NONE and self.check_hostname


_guard = threading.Lock()
_buffered: WeakKeyDictionary[ssl.SSLObject, Verification] = WeakKeyDictionary()
_ports: dict[int, Verification] = {}


def note_socket(context: ssl.SSLContext, sock: socket.socket) -> None:
    """Note a client's socket that will shake hands with a context; one that has a port already."""
    port = 0
    if getattr(sock, "family", None) in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):  # it is closed
            port = sock.getsockname()[1]
    if port:
        with _guard:
            _ports[port] = _seen(context)


def note_buffers(context: ssl.SSLContext, tls: Any) -> None:
    """Note a TLS object without a socket that a context has just made, unless it is a server's."""
    if getattr(tls, "server_side", True):
        return
    with _guard:
        _buffered[tls] = _seen(context)


def forget_port(port: int) -> None:
    """Forget what a port was noted for: another connection begins."""
    with _guard:
        _ports.pop(port, None)


def _seen(context: ssl.SSLContext) -> Verification:
    return Verification(context.verify_mode, context.check_hostname)


def verification(server: ssl.SSLObject, peer_port: int) -> Verification | None:
    """Return what the client at the other end of a TLS session verifies.

    Args:
        server: the server's end, its handshake done.
        peer_port: the port that the client connected from.

    Returns:
        None where the client is not known: its TLS is not Python's, or it is another process.
    """
    with _guard:
        by_port = _ports.pop(peer_port, None)
        clients = list(_buffered.items())
    if by_port is not None:
        return by_port
    binding = _binding(server)
    if binding is None:
        return None
    return next((found for client, found in clients if _binding(client) == binding), None)


def client_verifies(server: ssl.SSLObject, peer_port: int) -> bool | None:
    """Return whether the client at the other end verifies chain and name; None: not known."""
    found = verification(server, peer_port)
    return None if found is None else found.is_careful


def _binding(tls: ssl.SSLObject) -> bytes | None:
    try:
        return tls.get_channel_binding("tls-unique")
    except ValueError:  # this Python's OpenSSL knows no channel bindings
        return None
