"""A session's octets on a socket: the client's only I/O, but for the waiting.

RFC 5321 4.2 (one reply for each command), RFC 3207 (TLS within the session), RFC 8446.

`Channel` never waits. Its methods are work (see `waiting`): generators that yield a socket and until when
they will wait for it.

An exception may arrive at any instruction: Ctrl-C, a signal handler that raises, a time-out of the test
runner. It leaves an exchange half done, with octets unsent or a reply unread, and a channel that went on
from there would take one command's reply for another's. So a channel is marked, `in_doubt`, before the first
step of a dialogue, and the mark is cleared when the dialogue has returned. Nothing is cleaned up on the way
out; who finds the mark closes the channel.
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_smtp4d.errors import Cause, LocalProtocolError, Problem, RemoteProtocolError
from pytest_smtp4d.smtp.dialogue import Exchange, Refused, UpgradeTLS
from pytest_smtp4d.smtp.sasl import Derivation
from pytest_smtp4d.smtp.wire import ReplyReader
from pytest_smtp4d.tls import TLSPipe
from pytest_smtp4d.transporter.trust import default_context, tls_problem
from pytest_smtp4d.transporter.waiting import Compute, DeadlineOver

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_smtp4d.smtp.dialogue import AddTransparency, Dialogue, Step
    from pytest_smtp4d.smtp.reply import Reply
    from pytest_smtp4d.transporter.log import SessionLog
    from pytest_smtp4d.transporter.waiting import Deadline, Ready, Work

__all__ = ["Channel"]

_CHUNK = 65536
_TURN = 1 << 20
"""Octets that are sent before others have their turn: an event loop is not held up by a large message."""

_QUICK = 20_000
"""Iterations of a derivation that are done within some milliseconds."""

# The last ones are what reading a reply raises where a server says what nobody thought of.
_UNFIT = (
    RemoteProtocolError,
    LocalProtocolError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
)

_T = TypeVar("_T")


class Channel:
    """One TCP connection to a server, with the replies read and the TLS on it.

    It belongs to the process that opened it.

    Args:
        ready: the connected socket.
        host: the server's name, as it is asked for and verified in TLS.
        log: where the session is written down.
    """

    def __init__(self, ready: Ready, host: str, log: SessionLog) -> None:
        self._ready = ready
        self._socket = ready.socket
        self._host = host
        self._log = log
        self._is_logged = log.is_on
        self._reader = ReplyReader()
        self._tls: TLSPipe | None = None
        self._plain = memoryview(b"")  # to be encrypted
        self._unsent = memoryview(b"")  # to be sent as it is
        self._eof: str | None = None
        self._pid = os.getpid()
        self._over = False  # an exchange was not finished, or the peer said goodbye
        self._gone = False  # the peer does not take octets any more
        self.in_doubt: bool = False
        """True when no further command may be sent: what the peer would answer next is unknown."""

    @property
    def local_address(self) -> str:
        """Our own address on this connection."""
        return str(self._socket.getsockname()[0])

    @property
    def is_mine(self) -> bool:
        """True in the process that opened the connection; a fork does not share it."""
        return self._pid == os.getpid()

    def run(
        self, dialogue: Dialogue[_T], deadline: Deadline, context: ssl.SSLContext | None = None
    ) -> Work[_T]:
        """Run a dialogue to its end.

        Args:
            dialogue: what to say, from `smtp.dialogue`.
            deadline: until when.
            context: for `UpgradeTLS`.

        Raises:
            Problem: the network, TLS or the peer's syntax failed, or time ran out; the channel is in doubt.
                Or the dialogue itself raised it.
            Refused: raised by the dialogue.
        """
        self.in_doubt = True
        stage = "CONNECT"
        untouched = True
        answer: object = None
        advance: Callable[[Any], Step] = dialogue.send
        while True:
            try:
                step = advance(answer)
            except StopIteration as end:
                self.in_doubt = self._over
                return end.value  # type: ignore[no-any-return]
            except (Refused, Problem):
                self.in_doubt = self._over
                raise
            except _UNFIT as error:
                raise self._unfit(error, stage, untouched) from error
            untouched = False
            try:
                if isinstance(step, Exchange):
                    stage = step.stages[0]
                    answer = yield from self._exchange(step, deadline)
                elif isinstance(step, UpgradeTLS):
                    stage = "TLS"
                    yield from self._upgrade(context or default_context(), deadline)
                    answer = None
                else:
                    answer = yield from self._derived(step, stage, deadline)
                advance = dialogue.send
            except RemoteProtocolError as error:
                answer, advance = self._malformed(error, stage), dialogue.throw
            except Problem as problem:
                answer, advance = problem, dialogue.throw

    def _unfit(self, error: Exception, stage: str, untouched: bool) -> Problem:
        """Return what it means that a dialogue did not know how to go on."""
        if isinstance(error, RemoteProtocolError):
            return self._malformed(error, stage)
        if isinstance(error, LocalProtocolError):
            self.in_doubt = self._over or not untouched
            return Problem(Cause.COMMAND_UNFIT, str(error), stage)
        what = f"the server's reply to {stage} cannot be read ({type(error).__name__})"
        return self._malformed(RemoteProtocolError(what), stage)

    def _malformed(self, error: RemoteProtocolError, stage: str) -> Problem:
        self._over = True
        stage = error.stage or stage
        return Problem(Cause.NOT_SMTP if stage == "CONNECT" else Cause.MALFORMED_REPLY, str(error), stage)

    def _exchange(self, step: Exchange, deadline: Deadline) -> Work[list[Reply]]:
        """Send a step's octets and read its replies; raises `Problem` or `RemoteProtocolError`."""
        self._over = True
        is_content = step.stages == ("CONTENT",)
        if self._is_logged:
            if step.shown is None:
                self._log.sent(step.octets, is_content=is_content)
            else:
                self._log.sent_secret(step.shown)
        if step.octets and not self._reader.is_empty:
            return [self._stray(is_content)]
        replies: list[Reply] = []
        try:
            complete = not step.octets and self._collect(replies, len(step.stages))
            if self._tls is None:
                self._unsent = memoryview(step.octets)
            else:
                self._plain = memoryview(step.octets)
            while not complete and self._eof is None:
                sent = self._flush()
                yield self._ready.until(deadline, write=not sent)
                self._read()
                complete = self._collect(replies, len(step.stages))
        except DeadlineOver:
            raise self._timed_out(step.stages[len(replies)], deadline) from None
        except ssl.SSLError as error:
            raise tls_problem(error, self._host, step.stages[len(replies)]) from error
        except RemoteProtocolError as error:
            error.stage = step.stages[len(replies)]
            raise
        unsent = bool(self._unsent or self._plain)
        if unsent and all(reply.is_positive for reply in replies):
            raise RemoteProtocolError(f"the server answered {step.stages[-1]} before all of it was sent")
        if not complete and all(reply.is_positive for reply in replies):
            raise self._lost(step.stages[len(replies)])
        # A peer that refused and left, or said 421, or was not sent all, has its refusal told, and no more.
        self._over = not complete or unsent or self._gone or replies[-1].code == 421
        return replies

    def _stray(self, is_content: bool) -> Reply:
        """Return the reply that arrived before the command it would answer, where it means something.

        A 421 is the server's goodbye, a refusal behind the 354 is what it thinks of any content; all else is
        nonsense.
        """
        stray = self._reader.next()
        if stray is not None and (stray.code == 421 or (is_content and not stray.is_positive)):
            return stray
        said = str(stray) if stray is not None else self._reader.rest()[:60]
        raise RemoteProtocolError(f"the server spoke out of turn, saying {said!r}")

    def _collect(self, replies: list[Reply], count: int) -> bool:
        """Take the replies that are complete; True when all are there, or a 421 ended it."""
        while len(replies) < count:
            reply = self._reader.next()
            if reply is None:
                return False
            if self._is_logged:
                self._log.received(reply)
            replies.append(reply)
            if reply.code == 421:
                return True
        return True

    def _upgrade(self, context: ssl.SSLContext, deadline: Deadline) -> Work[None]:
        self._over = True
        if not self._reader.is_empty:
            injected = self._reader.rest()[:60]
            what = f"octets arrived between the reply to STARTTLS and the handshake: {injected!r}"
            raise Problem(Cause.TLS_INJECTED, what, "TLS")
        try:
            self._tls = tls = TLSPipe(context, server_side=False, server_hostname=self._host)
        except ValueError as error:  # a context that wants a name, and a host that is none
            raise Problem(Cause.TLS_FAILED, f"TLS with {self._host} cannot begin ({error})", "TLS") from error
        done = sent = False
        try:
            while not (done and sent) and self._eof is None:
                done = tls.handshake()
                self._unsent = memoryview(self._unsent.tobytes() + tls.pending())
                sent = self._flush()
                if not (done and sent):
                    yield self._ready.until(deadline, write=not sent)
                    self._read()
        except DeadlineOver:
            raise self._timed_out("TLS", deadline) from None
        except ssl.SSLError as error:
            self._unsent = memoryview(tls.pending())
            self._flush()  # the alert that says why
            raise tls_problem(error, self._host, "TLS") from error
        if not done:
            raise self._lost("TLS")
        self._log.event(f"TLS started: {tls.version}, {tls.cipher}")
        self._over = False

    def _derived(self, step: Derivation | AddTransparency, stage: str, deadline: Deadline) -> Work[bytes]:
        # What takes milliseconds is not worth a thread, but in an event loop.
        within_deadline = isinstance(step, Derivation) and step.iterations > _QUICK
        try:
            derived: bytes = yield Compute(step.derive, deadline, within_deadline=within_deadline)
        except DeadlineOver:
            self._over = True
            raise self._timed_out(stage, deadline) from None
        return derived

    # -- octets

    def _flush(self) -> bool:
        """Send what the socket takes at once, and no more than a turn's share; True when all is sent.

        A peer that is gone takes everything.
        """
        if self._plain and not self._unsent and self._tls is not None:
            self._tls.send(self._plain[:_TURN])
            self._plain = self._plain[_TURN:]
            self._unsent = memoryview(self._tls.pending())
        unsent = self._unsent
        if unsent:
            try:
                self._unsent = unsent[self._socket.send(unsent if len(unsent) <= _TURN else unsent[:_TURN]) :]
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                if error.errno is None:  # not the system's: what a signal handler raised
                    raise
                # Its last words may still be in our receive buffer: only reading tells how it ended.
                self._gone = True
                self._unsent = self._plain = memoryview(b"")
        return not self._unsent and not self._plain

    def _read(self) -> None:
        try:
            octets = self._socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            if error.errno is None:
                raise
            self._eof = error.strerror or str(error)
            return
        if not octets:
            self._eof = "it closed the connection"
        elif self._tls is None:
            self._reader.feed(octets)
        else:
            self._reader.feed(self._tls.receive(octets))
            if self._tls.eof:
                self._eof = "it closed the connection"

    def _lost(self, stage: str) -> Problem:
        where = "before its greeting" if stage == "CONNECT" else f"at {stage}"
        return Problem(Cause.CONNECTION_LOST, f"{self._host} left {where} ({self._eof})", stage)

    def _timed_out(self, stage: str, deadline: Deadline) -> Problem:
        if stage == "CONNECT":
            return Problem(Cause.GREETING_TIMED_OUT, f"{self._host} sent no greeting, {deadline}", stage)
        return Problem(Cause.SEND_TIMED_OUT, f"{self._host} did not finish {stage}, {deadline}", stage)

    # -- between dialogues

    def is_dead(self) -> bool:
        """Return whether the peer closed, reset, or said something since the last reply; never waits."""
        try:
            while self._eof is None and self._reader.is_empty and self._ready.is_readable():
                self._read()
        except ssl.SSLError:
            return True
        return self._eof is not None or not self._reader.is_empty

    def close(self, *, farewell: bool = False) -> None:
        """Close the socket; with `farewell`, QUIT is written first, and nothing is waited for.

        On a channel in doubt nothing is written, for what stands before it is unknown. In a process that did
        not open the connection, only this process's copy of the socket is closed.
        """
        if self._socket.fileno() < 0:
            return
        try:
            if self.is_mine:
                try:
                    if not self.in_doubt:
                        self._take_leave(b"QUIT\r\n" if farewell else b"")
                except OSError as error:
                    if error.errno is None:  # as above
                        raise
                self._log.event("Session closed")
        finally:
            self._ready.close()

    def _take_leave(self, octets: bytes) -> None:
        if self._tls is not None:
            self._tls.send(octets)
            self._tls.close()
            octets = self._tls.pending()
        self._socket.send(octets)
