"""What the TLS contexts of this process's clients verify. They are watched and never changed.

RFC 5929 3 (tls-unique), RFC 9325 4 (a client verifies chain and name).

A server cannot see whether its client verifies: a right certificate satisfies a client that looks and one
that does not. Here both ends are in one process. A client's TLS object is noted when `ssl.SSLContext` makes
it; the object may own a socket (`wrap_socket`) or only a pair of buffers (`wrap_bio`, as asyncio, trio and
anyio use it), so a port would not find it. The two ends of a session know each other by their channel
binding: the octets of the client's Finished message, which both have and nobody else.
"""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["Verification", "client_verifies", "note", "verification"]

_TlsObject = ssl.SSLSocket | ssl.SSLObject


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
_clients: WeakKeyDictionary[_TlsObject, Verification] = WeakKeyDictionary()


def note(context: ssl.SSLContext, tls: Any) -> None:
    """Note a TLS object that a context has just made, unless it is a server's."""
    if getattr(tls, "server_side", True):
        return
    with _guard:
        _clients[tls] = Verification(context.verify_mode, context.check_hostname)


def verification(server: _TlsObject) -> Verification | None:
    """Return what the client at the other end of a TLS session verifies.

    Call it when the client has spoken inside TLS: by then its TLS object has been noted.

    Args:
        server: the server's end, its handshake done.

    Returns:
        None where the client is not known: its TLS is not Python's, or it is another process.
    """
    binding = _binding(server)
    if binding is None:
        return None
    with _guard:
        clients = list(_clients.items())
    return next((found for client, found in clients if _binding(client) == binding), None)


def client_verifies(server: _TlsObject) -> bool | None:
    """Return whether the client at the other end verifies chain and name; None: not known."""
    found = verification(server)
    return None if found is None else found.is_careful


def _binding(tls: _TlsObject) -> bytes | None:
    try:
        return tls.get_channel_binding("tls-unique")
    except ValueError:  # this Python's OpenSSL knows no channel bindings
        return None
