"""The adapter: aiosmtpd's SMTP protocol with our own octets, TLS and command loop.

RFC 5321 2.3.8 (lines), 3.8 (closing), 4.5.3.1 (limits), RFC 2920 (pipelining), RFC 3207 (STARTTLS).
The one thing to know: a command is a coroutine that this class drives itself, as the octets arrive, without a
task. It may wait for octets (`Want`) or for any asyncio future; when the connection is lost it is closed, and
nothing is left.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from pytest_smtp4d.server.record import Session as SessionRecord
from pytest_smtp4d.server.record import Tls
from pytest_smtp4d.server.violation import COMMAND_LIMITS, MAXIMUM_COMMAND, Judge
from pytest_smtp4d.smtp.reply import Reply
from pytest_smtp4d.smtp.wire import encode_reply
from pytest_smtp4d.tls import TLSPipe

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable

    from pytest_smtp4d.server.state import ServerState
    from pytest_smtp4d.server.violation import Violation

__all__ = ["HOSTNAME", "Connection", "Want"]

HOSTNAME = "localhost"
"""What the server calls itself in its greeting and in its reply to EHLO."""

LONGEST_LINE = max(COMMAND_LIMITS.values())
"""Octets of a command line that are kept at most (RFC 4954 4); the rest of a longer one is thrown away."""

INPUT_LIMIT = 262_144
"""Octets that wait for a command in progress before the client is made to wait."""

BATCH = 256
"""Replies to pipelined commands that are written at once."""

TURN = 1000
"""Pipelined commands that one session may have done before the others have their turn."""

LINGER = 1.0
"""Seconds for which a connection that we closed still takes, and throws away, what the client sends."""

TLS_HANDSHAKE = b"\x16\x03"
"""How a TLS record of a handshake begins (RFC 8446 5.1)."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_TOO_LONG = b""


class Want:
    """What a command awaits when it needs octets from the client.

    Args:
        take: called with the input buffer whenever something is in it; takes what it needs from the buffer's
            front and returns the result, or None when it needs more.
    """

    __slots__ = ("take",)

    def __init__(self, take: Callable[[bytearray], object]) -> None:
        self.take = take

    def __await__(self) -> Generator[Want, Any, Any]:
        return (yield self)


class Connection(SMTP):
    """One client's connection: its octets in and out, and the loop that makes commands of them.

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
        self.stage = "CONNECT"
        self.record: SessionRecord
        self.judge = Judge()
        self.told: Reply | None = None
        """The reply that the command in progress was given, as far as it has one."""
        self._tcp: asyncio.Transport
        self._epoch = state.epoch
        self._began = loop.time()
        self._index: int | None = None
        self._input = bytearray()
        self._early = 0
        self._output: list[bytes] = []
        self._pipe: TLSPipe | None = None
        self._coroutine: Coroutine[Any, Any, object] | None = None
        self._wanted: Want | None = None
        self._skipping = False
        self._reading_paused = False
        self._blocked = False
        self._closing = False
        self._eof = False
        self._turn_due = False
        self._spoke = False
        self.has_quit = False
        """Whether the client sent QUIT."""
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
        self.record = SessionRecord((peer[0], peer[1]))
        self.state.connections.add(self)
        self.state.open_session(self.record)
        self._start(self.begin())
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take octets and go as far as they allow."""
        if self._closing:
            return
        if self._epoch != self.state.epoch:
            self.continue_after_reset()
        self.state.heard(self.record)
        if self._pipe is not None:
            data = self._decrypt(data)
        if data:
            self._input += data
            self._advance()
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
        if self._coroutine is not None:
            self._coroutine.close()
            self._coroutine = self._wanted = None
        if self._linger is not None:
            self._linger.cancel()
        if not self._closing:
            self._client_left("connection reset by the client" if exc else "client closed")
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
            self._advance()
            self._flush()

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

    def say(self, reply: Reply) -> None:
        """Give a reply."""
        self.note(reply)
        self.write(encode_reply(reply))

    def note(self, reply: Reply) -> None:
        """Record a reply, and judge by it what the client may do next, without writing it."""
        self.told = reply
        self._early = len(self._input)
        if self._index is not None:
            self.record.record_reply(self._index, reply)
        offered: Iterable[str] = ()
        if self.stage == "EHLO":
            offered = [line.split()[0].upper() for line in reply.lines[1:] if line.strip()]
        self.judge.replied(self.stage, reply, offered)

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
        self._advance()

    def _client_left(self, reason: str) -> None:
        if self.record.ended is None:
            self.violate(self.judge.closed(quit_sent=self.has_quit))
            self.record.end(reason)

    def violate(self, violations: Iterable[Violation]) -> None:
        """Record what the client did wrong."""
        for violation in violations:
            self.record.violate(violation)

    def continue_after_reset(self) -> None:
        """Go on in a new record: what the old one holds belongs to what was before the server's reset."""
        old = self.record
        self._epoch = self.state.epoch
        self.record = SessionRecord(old.peer)
        self.record.client_name, self.record.tls = old.client_name, old.tls
        self.record.user, self.record.mechanism, self.record.broken = old.user, old.mechanism, old.broken
        self._index = None
        self.state.open_session(self.record)

    @property
    def waiting_input(self) -> bytes:
        """The octets that have arrived behind the command in progress."""
        return bytes(self._input)

    def discard_input(self) -> bytes:
        """Throw those octets away; they are returned."""
        octets = bytes(self._input)
        self._input.clear()
        self._early = 0
        return octets

    def end_transaction(self) -> None:
        """Forget the envelope."""
        self.envelope = Envelope()

    async def octets(self) -> bytes:
        """Return whatever has arrived, at least one octet."""

        def take(buffer: bytearray) -> bytes | None:
            octets = bytes(buffer)
            buffer.clear()
            return octets or None

        octets: bytes = await Want(take)
        return octets

    async def line(self) -> bytes:
        """Return the next line with its line end; `b""` for one over 12288 octets (RFC 4954 4)."""
        line: bytes = await Want(self._take_line)
        return line

    def _take_line(self, buffer: bytearray) -> bytes | None:
        end = buffer.find(b"\n") + 1
        if not end:
            if len(buffer) > LONGEST_LINE:
                buffer.clear()
                self._skipping = True
            return None
        line = bytes(buffer[:end])
        del buffer[:end]
        if self._skipping or end > LONGEST_LINE:
            self._skipping = False
            return _TOO_LONG
        return line

    # -- the command loop -----------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Go on as far as the octets in the buffer allow; after many commands, others have their turn."""
        commands = 0
        while not self._closing and not self._blocked:
            if self._coroutine is None:
                commands += 1
                if commands > TURN:
                    self._yield_turn()
                    return
                if not self._spoke and self._pipe is None and self._input.startswith(TLS_HANDSHAKE):
                    self.hang_up("TLS handshake where clear text was due: use STARTTLS")
                    return
                if not self._input or (line := self._take_line(self._input)) is None:
                    break
                self._spoke = True
                pipelined, self._early = self._early > 0, max(0, self._early - len(line))
                self._start(self.command(line, pipelined))
            elif self._wanted is None or not self._input:
                break
            else:
                result = self._wanted.take(self._input)
                if result is None:
                    break
                self._resume(result)
        if self._closing:
            return
        if self._eof and (self._coroutine is None or self._wanted is not None) and not self._blocked:
            self._client_left(
                "client closed" if self._coroutine is None else f"client closed in {self.stage}"
            )
            self.hang_up("client closed")
        elif self._reading_paused and not self._blocked and len(self._input) <= INPUT_LIMIT:
            self._reading_paused = False
            self._tcp.resume_reading()

    def _yield_turn(self) -> None:
        if not self._turn_due:
            self._turn_due = True
            self.loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turn_due = False
        if not self._closing:
            self._advance()
            self._flush()

    def _start(self, coroutine: Coroutine[Any, Any, object]) -> None:
        self._coroutine = coroutine
        self._resume(None)

    def _resume(self, result: object) -> None:
        """Drive the command in progress to where it waits next, or to its end."""
        coroutine = self._coroutine
        assert coroutine is not None
        self._wanted = None
        try:
            awaited = coroutine.send(result)
        except StopIteration:
            self._coroutine = None
        except Exception as error:  # noqa: BLE001 - kept for the verdict; the session goes on
            self._coroutine = None
            self.state.failed(error, f"the server at {self.stage}")
            self.say(Reply(451, "4.3.0 Internal error"))
        else:
            if type(awaited) is Want:
                self._wanted = awaited
            else:
                self._flush()
                awaited.add_done_callback(lambda _: self._wake(coroutine))

    def _wake(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Go on after a time or a verdict that a command waited for, unless the session was closed since."""
        if self._coroutine is not coroutine:
            return
        if self._closing:
            coroutine.close()
            self._coroutine = None
        else:
            self._resume(None)
            self._advance()
            self._flush()

    async def begin(self) -> None:
        """What happens before the first command (see `Dialogue`)."""
        raise NotImplementedError

    async def command(self, line: bytes, pipelined: bool) -> None:
        """What a line does (see `Dialogue`)."""
        raise NotImplementedError

    def is_too_long(self, verb: str, line: bytes) -> bool:
        """Return whether a command line is over its limit (RFC 5321 4.5.3.1.4 and the extensions)."""
        return len(line) > MAXIMUM_COMMAND and len(line) > COMMAND_LIMITS.get(verb, MAXIMUM_COMMAND)

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

    async def handshake(self, octets: bytes, send: Callable[[bytes], Awaitable[None]]) -> bool:
        """Do the server's part of a TLS handshake.

        Args:
            octets: its first ones.
            send: writes the server's flights.

        Returns:
            Whether it succeeded; otherwise the connection is closed.
        """
        from pytest_smtp4d.server.certificates import authority

        pipe = TLSPipe(authority().server_context(self.settings), server_side=True)
        while self._pipe is None:
            try:
                plaintext = pipe.receive(octets)
            except ssl.SSLError as error:
                self.write_unrecorded(pipe.pending())
                self.hang_up(tls_reason(error), notify=False)
                return False
            if (
                pipe.handshake_done
            ):  # from here on what arrives is decrypted, also while the last flight leaves
                self._begin_tls(pipe, plaintext)
                await send(pipe.pending())
            else:
                await send(pipe.pending())
                octets = await self.octets()
        return True

    def _begin_tls(self, pipe: TLSPipe, plaintext: bytes) -> None:
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
