"""One client's connection: octets and TLS in and out, and the driving of its dialogue.

RFC 5321 3.8 (closing), RFC 3207 (STARTTLS), RFC 8446 6.1 (closing under TLS).

`ServerConnection` holds a `ServerProtocol` and the generator that converses with it, and is the only room
that knows asyncio, threads and TLS. It is an aiosmtpd `SMTP`, for that is the protocol class that the
transport sees (see `transport`).

The dialogue stands at one step at a time. It goes on when that step has its answer and the client reads what
it is sent; an answer that comes while the client does not read is kept until it does. There are no tasks:
when the connection is lost the generator is closed, and nothing is left.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP

from pytest_smtp4d import clock
from pytest_smtp4d.records.record import Tls
from pytest_smtp4d.server import watch
from pytest_smtp4d.server.dialogue import replies
from pytest_smtp4d.server.dialogue.dialogue import GROUP, converse
from pytest_smtp4d.server.dialogue.protocol import Close, ServerProtocol
from pytest_smtp4d.server.dialogue.step import DONE, MORE, Ask, Compute, Flight, Handshake, Sleep
from pytest_smtp4d.server.settings import CERTIFICATES
from pytest_smtp4d.tls import TLSPipe

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from pytest_smtp4d.faults.fault import Decision
    from pytest_smtp4d.server.dialogue.step import Dialogue, Step
    from pytest_smtp4d.server.entrance import Entrance
    from pytest_smtp4d.server.state import ServerState
    from pytest_smtp4d.smtp.reply import Reply

__all__ = ["INPUT_LIMIT", "ServerConnection", "tls_reason"]

INPUT_LIMIT = 262_144
"""Octets that wait for a command in progress before the client is made to wait."""

TURN = 4 * GROUP
"""Pipelined commands that one session may have done before the others have their turn."""

LINGER = 1.0
"""Seconds for which a connection that we closed still takes, and throws away, what the client sends."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ServerConnection(SMTP):
    """A connection of a client.

    Args:
        state: what it shares with the other connections of its server.
        loop: the loop it runs in.
        entrance: what the connections of its listening socket have in common; None: the server's own address.
        target: (host, port) that a redirected client asked for; None where it was not redirected.
    """

    command_size_limits: dict[str, int] = {}  # noqa: RUF012 - what aiosmtpd says it is
    """aiosmtpd's constructor clears this dict, which it shares with every other server of the process."""

    def __init__(
        self,
        state: ServerState,
        loop: asyncio.AbstractEventLoop,
        entrance: Entrance | None = None,
        target: tuple[str, int] | None = None,
    ) -> None:
        super().__init__(
            state,
            data_size_limit=None,
            enable_SMTPUTF8=True,
            hostname=replies.HOSTNAME,
            ident="ESMTP",
            loop=loop,
        )
        self.protocol: ServerProtocol
        self._state = state
        self._tcp: asyncio.Transport
        self._entrance = entrance
        self._target = target
        self._epoch = state.epoch
        self._is_heard = True
        self._watch = watch.current
        self._began = clock.monotonic()
        self._dialogue: Dialogue[None]
        self._step: Step | None = None
        self._can_go_on = True
        self._answer: object = None
        self._error: BaseException | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_turn_due = False
        self._pipe: TLSPipe | None = None
        self._handshake: TLSPipe | None = None
        self._reading_paused = False
        self._blocked = False
        self._closing = False
        self._eof = False
        self._linger: asyncio.TimerHandle | None = None

    def __dir__(self) -> tuple[str, ...]:
        """Keep aiosmtpd's constructor from looking at every attribute, which the dialogue does not need."""
        return ()

    # -- what asyncio calls ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the session: greet, or wait for the TLS handshake."""
        self._tcp = transport  # type: ignore[assignment] # a TCP server's transports are of this kind
        self.transport = transport
        peer: Any = transport.get_extra_info("peername") or ("", 0)
        settings = None if self._entrance is None else self._entrance.settings
        self.protocol = ServerProtocol(self._state, (peer[0], peer[1]), settings, self._target)
        self._dialogue = converse(self.protocol)
        self._state.connections.add(self)
        self._state.open_session(self.protocol.session)
        if self._state.is_cut:
            self.stop(self._state.is_cut)
        else:
            self._go_on()

    def data_received(self, data: bytes) -> None:
        """Take octets and go as far as they allow."""
        if self._closing:
            return
        protocol = self.protocol
        if self._epoch != self._state.epoch or not self._is_heard or self._watch is not watch.current:
            self._hear()
        protocol.record.at = clock.monotonic() - self._began
        if self._pipe is not None:
            data = self._decrypt(self._pipe, data)
        if data:
            protocol.feed(data)
            if self._step is MORE:
                self._can_go_on = True
            self._go_on()
        if self._pipe is not None and self._pipe.eof:
            self._client_finished()
        if self._step is not MORE and protocol.waiting > INPUT_LIMIT:
            self._pause_reading()

    def eof_received(self) -> bool:
        """Take the end of the client's octets; what is in progress is finished first: it may still read."""
        if self._closing:
            return False
        self._client_finished()
        return not self._closing

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave nothing behind."""
        if self._linger is not None:
            self._linger.cancel()
        self._client_left("connection reset by the client" if exc else "client closed")
        self._end_dialogue()
        self.transport = None
        self._state.connections.discard(self)
        self._tell()

    def pause_writing(self) -> None:
        """Stop answering a client that does not read, so that nothing piles up."""
        self._blocked = True
        self._pause_reading()

    def resume_writing(self) -> None:
        """Go on with a client that reads again."""
        self._blocked = False
        self._go_on()

    # -- driving the dialogue -------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Resume the dialogue as long as it can go on; then write what it said, and look what follows."""
        protocol = self.protocol
        groups = 0
        while self._can_go_on and not self._blocked and not self._closing:
            self._resume()
            if protocol.closing is not None:
                self._hang_up(protocol.closing)
                return
            if self._step is DONE:
                groups += 1
                self._flush()
                if groups * GROUP >= TURN:
                    self._yield_turn()
                    break
        if self._state.observer is not None:
            self._tell()
        if protocol.record.is_long:
            protocol.session._forget_middle()
        if not self._closing:
            if protocol.output or protocol.flights:
                self._flush()
            if self._eof or self._reading_paused:
                self._rest()

    def _tell(self) -> None:
        """Tell who observes the server that the session went on, or ended."""
        observer = self._state.observer
        if observer is not None:
            observer.heard(self.protocol.session, self.protocol.record)

    def _resume(self) -> None:
        """Send the answer to its step into the dialogue, and begin what its next step asks for."""
        self._can_go_on = False
        answer, self._answer = self._answer, None
        try:
            if self._error is None:
                step = self._dialogue.send(answer)
            else:
                error, self._error = self._error, None
                step = self._dialogue.throw(error)
        except StopIteration:
            self.protocol.close("closed")
            return
        self._step = step
        if step is DONE:
            self._can_go_on = True
        elif step is not MORE:
            self._begin(step)

    def _begin(self, step: Step) -> None:
        """Begin what a step asks for; its answer comes now, or by `_answered`."""
        if isinstance(step, Ask):
            rules = self._state.rules
            if rules.run_users_code(step.event.stage):
                self._in_thread(step, lambda: self._decide(step))
            else:
                self._answer, self._can_go_on = rules.decide(step.event, step.after_octets), True
        elif isinstance(step, Handshake):
            self._answer, self._can_go_on = self._shake_hands(step.octets), True
        elif isinstance(step, Sleep):
            self._timer = self.loop.call_later(step.seconds, self._answered, step, None, None)
        elif isinstance(step, Compute):
            self._in_thread(step, step.function)

    def _decide(self, step: Ask) -> Decision | None:
        """Ask rules that run the user's code, which may raise anything."""
        try:
            return self._state.rules.decide(step.event, step.after_octets)
        except BaseException as error:  # noqa: BLE001 - kept until the verdict
            self._state.failed(error, f"predicate of a fault at {step.event.stage}")
            return None

    def _in_thread(self, step: Step, function: Callable[[], object]) -> None:
        """Run a function in a thread of its own, which nobody waits for when the session ends."""

        def run() -> None:
            answer, error = None, None
            try:
                answer = function()
            except BaseException as raised:  # noqa: BLE001 - raised again in the dialogue
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                self.loop.call_soon_threadsafe(self._answered, step, answer, error)

        threading.Thread(target=run, name=f"smtp4d {self.protocol.record.stage}", daemon=True).start()

    def _answered(self, step: Step, answer: object, error: BaseException | None) -> None:
        """Go on with the answer to a step, unless the session was closed since."""
        if self._step is not step or self._closing:
            return
        self._answer, self._error, self._can_go_on = answer, error, True
        self._timer = None
        if self._epoch != self._state.epoch or not self._is_heard:
            self._hear()
        self.protocol.record.at = clock.monotonic() - self._began
        self._go_on()

    def _yield_turn(self) -> None:
        if not self._is_turn_due:
            self._is_turn_due = True
            self.loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._is_turn_due = False
        self._go_on()

    def _rest(self) -> None:
        """Leave a client that has finished, or read again from one that was made to wait."""
        if self._blocked or self._is_turn_due:
            return
        if self._eof and self._step is MORE:
            busy = self.protocol.busy
            where = f" in {self.protocol.record.stage}" if busy else ""
            is_mute = where == " in TLS" and not self.protocol.has_received
            self._client_left(f"client closed{where}{', having sent nothing' if is_mute else ''}")
            self._hang_up(Close())
        elif self._reading_paused and self.protocol.waiting <= INPUT_LIMIT:
            self._reading_paused = False
            self._tcp.resume_reading()

    def _end_dialogue(self) -> None:
        """Give up what is in progress."""
        self._closing = True
        self._can_go_on = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._dialogue.close()

    def renew(self, *, listed: bool = False) -> None:
        """Go on in a new record, where the server was cleared or reset; what was before is let go.

        Args:
            listed: whether the record is a session of the server at once; otherwise when it is heard.
        """
        if self._epoch != self._state.epoch and not self._closing:
            self._epoch = self._state.epoch
            self._is_heard = False
            self.protocol.continue_in_new_record()
            if listed:
                self._state.sessions.append(self.protocol.session)

    def _hear(self) -> None:
        """Note that the session goes on, for the server and for the test that runs."""
        if self._epoch != self._state.epoch:
            self.renew()
        if not self._is_heard:
            self._is_heard = True
            self._watch = watch.current
            self._state.continue_session(self.protocol.session)
        elif self._watch is not watch.current:
            self._watch = watch.current
            self._state.heard(self.protocol.session)

    # -- octets out -----------------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Write what the dialogue said."""
        protocol = self.protocol
        if protocol.flights:
            self._write(bytes(protocol.flights))
            protocol.flights.clear()
        output = protocol.output
        if output:
            octets = output[0] if len(output) == 1 else b"".join(output)
            output.clear()
            if self._pipe is not None:
                self._pipe.send(octets)
                octets = self._pipe.pending()
            self._tcp.write(octets)

    def _write(self, octets: bytes) -> None:
        if octets:
            self._tcp.write(octets)

    def _hang_up(self, close: Close) -> None:
        """Close the connection, and keep it for a moment: closing with unread input would send RST."""
        self._flush()
        self._end_dialogue()
        self._tell()
        if close.abort:
            self._reset()
            return
        if self._pipe is not None and close.notify:
            self._pipe.close()
            self._write(self._pipe.pending())
        if self._reading_paused:
            self._tcp.resume_reading()
        if self._eof:
            self._tcp.close()
        elif not self._tcp.is_closing():
            with contextlib.suppress(OSError):  # the client may be gone already
                self._tcp.write_eof()
            self._linger = self.loop.call_later(LINGER, self._tcp.abort)

    def _reset(self) -> None:
        """Close with RST, now."""
        connection = self._tcp.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._tcp.abort()

    def drop(self, reply: Reply | None, abort: bool) -> None:
        """Close an open session now, whatever is in progress, with a reply first where one is given."""
        if self._closing:
            return
        if reply is not None:
            self.protocol.write(reply.octets)
        reason = "421" if reply is not None and reply.code == 421 else "dropped"
        self.protocol.close(reason, abort=abort)
        self._hang_up(Close(abort=abort))

    def stop(self, reason: str) -> None:
        """End at once, whatever is in progress: the server stops."""
        self.protocol.session._end(reason)
        self._end_dialogue()
        self._tcp.abort()

    def cut(self, reason: str) -> None:
        """Cut the connection from any thread, without a lock, so that no client waits for it any more."""
        self.protocol.record.broken()
        self.protocol.session._end(reason)
        connection = self._tcp.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):  # it is closed already
                connection.shutdown(socket.SHUT_RDWR)

    # -- octets in ------------------------------------------------------------------------------------------

    def _pause_reading(self) -> None:
        if not self._reading_paused and not self._closing:
            self._reading_paused = True
            self._tcp.pause_reading()

    def _client_finished(self) -> None:
        """Do what can still be done after the client's last octet, then close."""
        if not self._eof:
            self._eof = True
            self._go_on()

    def _client_left(self, reason: str) -> None:
        protocol = self.protocol
        if protocol.session.ended is None:
            protocol.record.left(has_quit=protocol.has_quit)
            protocol.session._end(reason)

    # -- TLS ------------------------------------------------------------------------------------------------

    def _decrypt(self, pipe: TLSPipe, octets: bytes) -> bytes:
        try:
            plaintext = pipe.receive(octets)
        except ssl.SSLError as error:
            self._write(pipe.pending())
            self.protocol.close(tls_reason(error), notify=False)
            self._hang_up(Close(notify=False))
            return b""
        self._write(pipe.pending())
        return plaintext

    def _shake_hands(self, octets: bytes) -> Flight:
        """Do the server's part of a handshake; an error of our own ends the session and fails the test."""
        try:
            return self._handshake_flight(octets)
        except Exception as error:  # noqa: BLE001 - kept until the verdict
            self._state.failed(error, "the server at TLS")
            return Flight(b"", failure=f"internal error in TLS: {type(error).__name__}")

    def _handshake_flight(self, octets: bytes) -> Flight:
        """Do the server's part of a handshake as far as the octets allow."""
        from pytest_smtp4d.server.certificates import authority

        pipe, settings = self._handshake, self.protocol.settings
        if pipe is None:
            context = authority().server_context(settings, self._target[0] if self._target else None)
            pipe = self._handshake = TLSPipe(context, server_side=True)
        try:
            plaintext = pipe.receive(octets)
        except ssl.SSLError as error:
            return Flight(pipe.pending(), failure=tls_reason(error))
        if not pipe.handshake_done:
            return Flight(pipe.pending())
        flight = pipe.pending()
        # From here on what arrives is decrypted, also while the last flight leaves.
        self._pipe, self._handshake = pipe, None
        self.protocol.feed(plaintext)
        tls = Tls(pipe.version, pipe.cipher, getattr(pipe.ssl_object, "asked_for", None))
        return Flight(flight, tls=tls, must_be_refused=self._must_be_refused(pipe))

    def _must_be_refused(self, pipe: TLSPipe) -> str:
        """Return why a careful client would not go on after this handshake, or ""."""
        refused = CERTIFICATES[self.protocol.settings.certificate].refused
        if refused:
            return f"the certificate must be refused, for {refused}"
        port = self.protocol.session.peer[1]
        if self._entrance is not None and self._entrance.client_verifies(pipe.ssl_object, port) is False:
            return "the client's TLS context does not verify the chain and the name"
        return ""

    @property
    def is_turn_due(self) -> bool:
        """Whether commands have arrived that wait until the other sessions had their turn."""
        return self._is_turn_due

    @property
    def unread(self) -> socket.socket | None:
        """The socket, where octets that wait at it will be taken; None where nothing is read."""
        return self._tcp.get_extra_info("socket") if self._tcp.is_reading() else None

    @property
    def descriptor(self) -> int:
        """The socket's file descriptor; -1 when it is closed."""
        connection = self._tcp.get_extra_info("socket")
        return connection.fileno() if connection is not None else -1


def tls_reason(error: ssl.SSLError) -> str:
    """Return in words why TLS failed: the alert that the client sent, or what was wrong with its octets."""
    reason = (error.reason or str(error)).lower()
    _, alert, what = reason.partition("alert_")
    return f"TLS alert: {what.replace('_', ' ')}" if alert else f"TLS: {reason.replace('_', ' ')}"
