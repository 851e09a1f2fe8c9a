"""TLS as a pair of buffers, for both sides: ciphertext in, plaintext out, and the other way round.

RFC 8446 (TLS 1.3), RFC 5246 (TLS 1.2), RFC 3207 (STARTTLS).
It never touches a socket: the owner of a connection passes the octets through.
"""

from __future__ import annotations

import contextlib
import ssl

__all__ = ["TLSPipe"]

_CHUNK = 65536


class TLSPipe:
    """One TLS session over `ssl.MemoryBIO`.

    Args:
        context: whose certificates and rules apply.
        server_side: True for the side that answers the handshake.
        server_hostname: the name to ask for and to verify (client side only).
    """

    def __init__(
        self, context: ssl.SSLContext, *, server_side: bool, server_hostname: str | None = None
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname
        )
        self.handshake_done: bool = False
        self.eof: bool = False

    @property
    def ssl_object(self) -> ssl.SSLObject:
        """The standard library's view of the session, for SNI callbacks and peers' certificates."""
        return self._tls

    @property
    def version(self) -> str:
        """The protocol version agreed on, such as "TLSv1.3"; "" before the handshake is done."""
        return self._tls.version() or ""

    @property
    def cipher(self) -> str:
        """The name of the cipher suite agreed on; "" before the handshake is done."""
        cipher = self._tls.cipher()
        return cipher[0] if cipher else ""

    def handshake(self) -> bool:
        """Go on with the handshake as far as the octets allow; True when it is done.

        Raises:
            ssl.SSLError: it failed; `pending` still holds the alert to send.
        """
        if not self.handshake_done:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                return False
            self.handshake_done = True
        return True

    def receive(self, octets: bytes) -> bytes:
        """Take ciphertext, return the plaintext that it completes (b"" while the handshake is under way).

        Raises:
            ssl.SSLError: the handshake or a record failed; `pending` still holds the alert to send.
        """
        self._incoming.write(octets)
        if not self.handshake():
            return b""
        chunks = []
        while not self.eof:
            try:
                chunk = self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                chunk = b""
            if chunk:
                chunks.append(chunk)
            else:
                self.eof = True
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def send(self, plaintext: bytes | memoryview) -> None:
        """Encrypt plaintext; the ciphertext is then in `pending`. Only after the handshake."""
        if plaintext:
            self._tls.write(plaintext)

    def pending(self) -> bytes:
        """Return, and forget, the ciphertext to put on the wire."""
        return self._outgoing.read()

    def close(self) -> None:
        """Say goodbye (close_notify); the octets are then in `pending`."""
        if self.handshake_done:
            # The peer's own close_notify is not here yet, or never will be: ours is written all the same.
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
