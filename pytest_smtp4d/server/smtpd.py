"""The adapter: aiosmtpd's SMTP protocol with its octets and TLS in our own hands.

RFC 5321 3.8 (closing), RFC 3207 (STARTTLS), RFC 8446 6.1 (closing under TLS).
The one thing to know: this is where asyncio ends; what is above it sees a buffer of octets, `write` and
`hang_up`, and the same for clear text and TLS.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from pytest_smtp4d.records.record import Session as SessionRecord
from pytest_smtp4d.records.record import Tls
from pytest_smtp4d.server import watch
from pytest_smtp4d.smtp.wire import encode_reply

if TYPE_CHECKING:
    import asyncio

    from pytest_smtp4d.server.state import ServerState
    from pytest_smtp4d.smtp.reply import Reply
    from pytest_smtp4d.tls import TLSPipe

__all__ = ["HOSTNAME", "INPUT_LIMIT", "Connection", "tls_reason"]

HOSTNAME = "localhost"
"""What the server calls itself in its greeting and in its reply to EHLO."""

INPUT_LIMIT = 262_144
"""Octets that wait for a command in progress before the client is made to wait."""

BATCH = 256
"""Replies to pipelined commands that are written at once."""

LINGER = 1.0
"""Seconds for which a connection that we closed still takes, and throws away, what the client sends."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Connection(SMTP):
    """One client's connection: its octets in and out.

    Args:
        state: what it shares with the other connections of its server.
        loop: the loop it runs in.
    """

    command_size_limits: dict[str, int] = {}  # noqa: RUF012 - what aiosmtpd says it is
    """aiosmtpd's constructor clears this dict, which it shares with every other server of the process."""

    def __init__(self, state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            state, data_size_limit=None, enable_SMTPUTF8=True, hostname=HOSTNAME, ident="ESMTP", loop=loop
        )
        self.state = state
        self.settings = state.settings
        self.target: tuple[str, int] | None = None
        self.stage = "CONNECT"
        self.record: SessionRecord
        self._tcp: asyncio.Transport
        self._epoch = state.epoch
        self._watch = watch.current
        self._began = loop.time()
        self._input = bytearray()
        self._output: list[bytes] = []
        self._pipe: TLSPipe | None = None
        self._reading_paused = False
        self._blocked = False
        self._closing = False
        self._eof = False
        self._linger: asyncio.TimerHandle | None = None

    def __dir__(self) -> tuple[str, ...]:
        """Keep aiosmtpd's constructor from looking at every attribute, which the loop here does not need."""
        return ()

    # -- what asyncio calls ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the session: greet, or wait for the TLS handshake."""
        self._tcp = transport  # type: ignore[assignment] # a TCP server's transports are of this kind
        self.transport = transport
        peer: Any = transport.get_extra_info("peername") or ("", 0)
        self.session = Session(self.loop)
        self.session.peer = peer
        self.end_transaction()
        self.record = SessionRecord((peer[0], peer[1]), self.target)
        self.state.connections.add(self)
        self.state.open_session(self.record)
        self.opened()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take octets and go as far as they allow."""
        if self._closing:
            return
        if self._epoch != self.state.epoch:
            self.continue_after_reset()
        if self._watch is not watch.current:
            self._watch = watch.current
            self.state.heard(self.record)
        if self._pipe is not None:
            data = self._decrypt(data)
        if data:
            self._input += data
            self.advance()
        if self._pipe is not None and self._pipe.eof:
            self._client_finished()
        self._flush()
        if len(self._input) > INPUT_LIMIT and not self._reading_paused and not self._closing:
            self._reading_paused = True
            self._tcp.pause_reading()

    def eof_received(self) -> bool:
        """Take the end of the client's octets; what is in progress is finished first: it may still read."""
        if self._closing:
            return False
        self._client_finished()
        self._flush()
        return not self._closing

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave nothing behind."""
        if self._linger is not None:
            self._linger.cancel()
        self.lost("connection reset by the client" if exc else "client closed")
        self._closing = True
        self.transport = None
        self.state.connections.discard(self)

    def pause_writing(self) -> None:
        """Stop answering a client that does not read, so that nothing piles up."""
        self._blocked = True
        if not self._reading_paused and not self._closing:
            self._reading_paused = True
            self._tcp.pause_reading()

    def resume_writing(self) -> None:
        """Go on with a client that reads again."""
        self._blocked = False
        if not self._closing:
            self.advance()
            self._flush()

    # -- what the command loop does with it (see `CommandLoop`) ----------------------------------------------

    def opened(self) -> None:
        """Begin with what comes before the first command."""
        raise NotImplementedError

    def advance(self) -> None:
        """Go on as far as the octets in the buffer allow."""
        raise NotImplementedError

    def lost(self, reason: str) -> None:
        """Give up what is in progress: the connection is gone."""
        raise NotImplementedError

    def end_transaction(self) -> None:
        """Forget the envelope."""
        self.envelope = Envelope()

    def continue_after_reset(self) -> None:
        """Go on in a new record: what the old one holds belongs to what was before the server's reset."""
        self._epoch = self.state.epoch
        self.record = self.record.continued()
        self.state.open_session(self.record)

    # -- octets out -----------------------------------------------------------------------------------------

    def write(self, octets: bytes) -> None:
        """Record octets and put them on the wire, at the latest when the command waits or ends."""
        if self._closing:
            return
        self.record.transcript.append(
            "S", octets, stage=self.stage, tls=self._pipe is not None, at=self.now()
        )
        self._output.append(octets)
        if len(self._output) >= BATCH:
            self._flush()

    def write_unrecorded(self, octets: bytes) -> None:
        """Put octets on the wire beside TLS and transcript: those of a handshake."""
        if octets and not self._tcp.is_closing():
            self._tcp.write(octets)

    def flush(self) -> None:
        """Let what was written leave now."""
        self._flush()

    def _flush(self) -> None:
        if not self._output:
            return
        octets = self._output[0] if len(self._output) == 1 else b"".join(self._output)
        self._output.clear()
        if self._pipe is not None:
            self._pipe.send(octets)
            octets = self._pipe.pending()
        if not self._tcp.is_closing():
            self._tcp.write(octets)

    def now(self) -> float:
        """Seconds since the session began."""
        return self.loop.time() - self._began

    def hang_up(self, reason: str, *, abort: bool = False, notify: bool = True) -> None:
        """Close the connection.

        Args:
            reason: recorded as why the session ended.
            abort: with RST instead of FIN.
            notify: under TLS, with close_notify first.
        """
        self.record.end(reason)
        if self._closing:
            return
        self._flush()
        self._closing = True
        self._input.clear()
        if abort:
            self.reset_connection()
            return
        if self._pipe is not None and notify:
            self._pipe.close()
            self.write_unrecorded(self._pipe.pending())
        if self._reading_paused:
            self._tcp.resume_reading()  # closing with unread input would send RST
        if self._eof:
            self._tcp.close()
        elif not self._tcp.is_closing():
            with contextlib.suppress(OSError):  # the client may be gone already
                self._tcp.write_eof()
            self._linger = self.loop.call_later(LINGER, self._tcp.abort)

    def reset_connection(self) -> None:
        """Close with RST, now."""
        self._closing = True
        connection = self._tcp.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._tcp.abort()

    def drop(self, reply: Reply | None, abort: bool) -> None:
        """Close an open session now, whatever is in progress, with a reply first where one is given."""
        if reply is not None:
            self.write(encode_reply(reply))
        self.hang_up("421" if reply is not None and reply.code == 421 else "dropped", abort=abort)

    def stop(self, reason: str) -> None:
        """End at once, whatever is in progress: the server stops."""
        self.record.end(reason)
        self._closing = True
        self._tcp.abort()

    # -- octets in ------------------------------------------------------------------------------------------

    def _decrypt(self, octets: bytes) -> bytes:
        assert self._pipe is not None
        try:
            plaintext = self._pipe.receive(octets)
        except ssl.SSLError as error:
            self.write_unrecorded(self._pipe.pending())
            self.hang_up(tls_reason(error), notify=False)
            return b""
        self.write_unrecorded(self._pipe.pending())
        return plaintext

    def _client_finished(self) -> None:
        """Do what can still be done after the client's last octet, then close."""
        if self._eof:
            return
        self._eof = True
        self.advance()

    # -- TLS ------------------------------------------------------------------------------------------------

    @property
    def descriptor(self) -> int:
        """The socket's file descriptor; -1 when it is closed."""
        connection = self._tcp.get_extra_info("socket")
        return connection.fileno() if connection is not None else -1

    @property
    def is_closing(self) -> bool:
        """Whether nothing more will be said to this client."""
        return self._closing

    @property
    def under_tls(self) -> bool:
        """Whether the session goes through TLS."""
        return self._pipe is not None

    def begin_tls(self, pipe: TLSPipe, plaintext: bytes) -> None:
        """Let everything from here on go through TLS.

        Args:
            pipe: whose handshake is done.
            plaintext: what came with its end.
        """
        self._pipe = pipe
        self._input[:0] = plaintext
        self.record.tls = Tls(pipe.version, pipe.cipher, getattr(pipe.ssl_object, "asked_for", None))
        assert self.session is not None
        self.session.ssl = {"version": pipe.version, "cipher": pipe.cipher}


def tls_reason(error: ssl.SSLError) -> str:
    """Return in words why TLS failed: the alert that the client sent, or what was wrong with its octets."""
    reason = (error.reason or str(error)).lower()
    _, alert, what = reason.partition("alert_")
    return f"TLS alert: {what.replace('_', ' ')}" if alert else f"TLS: {reason.replace('_', ' ')}"
