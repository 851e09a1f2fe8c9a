"""The command loop: octets become commands, and each command a coroutine that is driven as octets arrive.

RFC 5321 2.3.8 (lines), 4.5.3.1 (limits), RFC 2920 (pipelining), RFC 4954 4 (long lines).
The one thing to know: there are no tasks. A command may wait for octets (`Want`) or for any asyncio future;
when the connection is lost the coroutine is closed, and nothing is left.
"""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pytest_smtp4d.records.violation import Judge
from pytest_smtp4d.server.smtpd import INPUT_LIMIT, Connection, tls_reason
from pytest_smtp4d.smtp.command import LIMITS
from pytest_smtp4d.smtp.extension import Extensions
from pytest_smtp4d.smtp.reply import Reply
from pytest_smtp4d.smtp.wire import encode_reply
from pytest_smtp4d.tls import TLSPipe

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable

    from pytest_smtp4d.records.violation import Violation
    from pytest_smtp4d.server.state import ServerState

__all__ = ["TOO_LONG", "CommandLoop", "Want"]

LONGEST_LINE = max(LIMITS.values())
"""Octets of a command line that are kept at most (RFC 4954 4); the rest of a longer one is thrown away."""

TURN = 1000
"""Pipelined commands that one session may have done before the others have their turn."""

TLS_HANDSHAKE = b"\x16\x03"
"""How a TLS record of a handshake begins (RFC 8446 5.1)."""

TOO_LONG = b"x" * LONGEST_LINE + b"\r\n"
"""What stands for a line that was longer than anything may be."""

_encoded = lru_cache(256)(encode_reply)


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


class CommandLoop(Connection):
    """A connection that makes commands of its octets; parameters as `Connection`."""

    def __init__(self, state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(state, loop)
        self.judge = Judge()
        self.told: Reply | None = None
        """The reply that the command in progress was given, as far as it has one."""
        self.has_quit = False
        """Whether the client sent QUIT."""
        self._index: int | None = None
        self._early = 0
        self._coroutine: Coroutine[Any, Any, object] | None = None
        self._wanted: Want | None = None
        self._skipping = False
        self._turn_due = False
        self._spoke = False

    # -- what is recorded -----------------------------------------------------------------------------------

    def say(self, reply: Reply) -> None:
        """Give a reply."""
        self.note(reply)
        self.write(_encoded(reply))

    def note(self, reply: Reply) -> None:
        """Record a reply, and judge by it what the client may do next, without writing it."""
        self.told = reply
        self._early = len(self._input)
        if self._index is not None:
            self.record.record_reply(self._index, reply)
        offered: Iterable[str] = ()
        if self.stage == "EHLO":
            offered = Extensions.from_reply(reply).keywords
        self.judge.replied(self.stage, reply, offered)

    def violate(self, violations: Iterable[Violation]) -> None:
        """Record what the client did wrong."""
        for violation in violations:
            self.record.violate(violation)

    def _client_left(self, reason: str) -> None:
        if self.record.ended is None:
            self.violate(self.judge.closed(quit_sent=self.has_quit))
            self.record.end(reason)

    def continue_after_reset(self) -> None:
        """Go on in a new record; the reply to a command of the old one is recorded nowhere."""
        super().continue_after_reset()
        self._index = None

    # -- what commands wait for -----------------------------------------------------------------------------

    @property
    def waiting_input(self) -> bytes:
        """The octets that have arrived behind the command in progress."""
        return bytes(self._input)

    def discard_input(self) -> None:
        """Throw those octets away."""
        self._input.clear()
        self._early = 0

    async def octets(self) -> bytes:
        """Return whatever has arrived, at least one octet."""

        def take(buffer: bytearray) -> bytes | None:
            octets = bytes(buffer)
            buffer.clear()
            return octets or None

        octets: bytes = await Want(take)
        return octets

    async def line(self) -> bytes:
        """Return the next line with its line end; `TOO_LONG` for one over 12288 octets (RFC 4954 4)."""
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
            return TOO_LONG
        return line

    async def handshake(self, octets: bytes, send: Callable[[bytes], Awaitable[None]]) -> bool:
        """Do the server's part of a TLS handshake.

        Args:
            octets: its first ones.
            send: writes the server's flights.

        Returns:
            Whether it succeeded; otherwise the connection is closed.
        """
        from pytest_smtp4d.server.certificates import authority

        context = authority().server_context(self.settings, self.target[0] if self.target else None)
        pipe = TLSPipe(context, server_side=True)
        while self._pipe is None:
            try:
                plaintext = pipe.receive(octets)
            except ssl.SSLError as error:
                self.write_unrecorded(pipe.pending())
                self.hang_up(tls_reason(error), notify=False)
                return False
            if pipe.handshake_done:
                # From here on what arrives is decrypted, also while the last flight leaves.
                self.begin_tls(pipe, plaintext)
                await send(pipe.pending())
            else:
                await send(pipe.pending())
                octets = await self.octets()
        return True

    # -- the loop -----------------------------------------------------------------------------------

    def opened(self) -> None:
        """Begin with what comes before the first command."""
        self._start(self.begin())

    def lost(self, reason: str) -> None:
        """Give up the command in progress: the connection is gone."""
        if self._coroutine is not None:
            self._coroutine.close()
            self._coroutine = self._wanted = None
        self._client_left(reason)

    def advance(self) -> None:
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
            self.advance()
            self.flush()

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
                self.flush()
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
            self.advance()
            self.flush()

    async def begin(self) -> None:
        """What happens before the first command (see `Dialogue`)."""
        raise NotImplementedError

    async def command(self, line: bytes, pipelined: bool) -> None:
        """What a line does (see `Dialogue`)."""
        raise NotImplementedError
