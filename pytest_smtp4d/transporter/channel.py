"""A session's octets on a socket: the client's only I/O, but for the waiting.

RFC 5321 4.2 (one reply for each command), RFC 3207 (TLS within the session), RFC 8446.
The one thing to know: `Channel` never waits. Its methods are generators that yield what must be waited for
(a socket, a name) until when; the room `waiting` does it.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from pytest_smtp4d.errors import Cause, LocalProtocolError, MailError, Problem, RemoteProtocolError
from pytest_smtp4d.mail.mailbox import ascii_domain
from pytest_smtp4d.smtp.dialogue import Exchange, UpgradeTLS
from pytest_smtp4d.smtp.wire import ReplyReader
from pytest_smtp4d.tls import TLSPipe
from pytest_smtp4d.transporter.waiting import Ready, Resolve

if TYPE_CHECKING:
    from pytest_smtp4d.smtp.dialogue import Dialogue
    from pytest_smtp4d.smtp.reply import Reply
    from pytest_smtp4d.transporter.log import SessionLog
    from pytest_smtp4d.transporter.waiting import Deadline, Work

__all__ = ["Channel", "default_context"]

_CHUNK = 65536
_T = TypeVar("_T")


# -- TLS contexts and causes ---------------------------------------------------------------------------


def default_context() -> ssl.SSLContext:
    """Return the context for servers of the world: system trust, names by SAN only, TLS 1.2 at least.

    Made once per process, and only when a verified connection is opened: loading the system's CAs is slow.
    Where the environment names other trust (OpenSSL's SSL_CERT_FILE and SSL_CERT_DIR), it is made anew.
    """
    return _default_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=2)
def _default_context(*_trust: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.hostname_checks_common_name = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


# X509_V_ERR_…: the numbers are OpenSSL's
_CERTIFICATE_CAUSES = {
    9: Cause.CERTIFICATE_NOT_YET_VALID,
    10: Cause.CERTIFICATE_EXPIRED,
    18: Cause.CERTIFICATE_UNKNOWN_ISSUER,
    19: Cause.CERTIFICATE_UNKNOWN_ISSUER,
    20: Cause.CERTIFICATE_UNKNOWN_ISSUER,
    21: Cause.CERTIFICATE_UNKNOWN_ISSUER,
    62: Cause.CERTIFICATE_WRONG_HOST,
    64: Cause.CERTIFICATE_WRONG_HOST,
}

_TLS_CAUSES = {
    "UNSUPPORTED_PROTOCOL": Cause.TLS_NO_COMMON_VERSION,
    "TLSV1_ALERT_PROTOCOL_VERSION": Cause.TLS_NO_COMMON_VERSION,
    "NO_PROTOCOLS_AVAILABLE": Cause.TLS_NO_COMMON_VERSION,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": Cause.TLS_CLIENT_CERTIFICATE,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": Cause.TLS_FAILED,
}


def _tls_problem(error: ssl.SSLError, host: str, stage: str) -> Problem:
    if isinstance(error, ssl.SSLCertVerificationError):
        cause = _CERTIFICATE_CAUSES.get(error.verify_code, Cause.TLS_FAILED)
        return Problem(
            cause, f"the certificate of {host} was refused ({error.verify_message.rstrip('.')})", stage
        )
    reason = (error.reason or str(error)).replace("_", " ").lower()
    cause = _TLS_CAUSES.get(error.reason, Cause.TLS_FAILED)
    if cause is Cause.TLS_CLIENT_CERTIFICATE:
        stage = "TLS"  # TLS 1.3 tells it only after the client's handshake is done (RFC 8446 4.4.2.4)
    return Problem(cause, f"TLS with {host} failed ({reason})", stage)


_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}


def _connect_problem(error: OSError, where: str) -> Problem:
    if isinstance(error, ConnectionRefusedError):
        return Problem(Cause.CONNECTION_REFUSED, f"{where} refused the connection", "CONNECT")
    if error.errno in _UNREACHABLE:
        return Problem(Cause.UNREACHABLE, f"{where} cannot be reached ({error.strerror})", "CONNECT")
    if error.errno == errno.ETIMEDOUT:
        return Problem(Cause.CONNECT_TIMED_OUT, f"{where} did not answer", "CONNECT")
    return Problem(
        Cause.NETWORK_ERROR, f"connecting to {where} failed ({error.strerror or error})", "CONNECT"
    )


# -- the channel ---------------------------------------------------------------------------------------


class Channel:
    """One TCP connection to a server, with the replies read and the TLS on it.

    It belongs to the process that opened it. `broken` says that no further command may be sent: the peer is
    gone, or what it would answer next is unknown.
    """

    def __init__(self, sock: socket.socket, host: str, log: SessionLog) -> None:
        self._socket = sock
        self._ready = Ready(sock)
        self._host = host
        self._log = log
        self._reader = ReplyReader()
        self._tls: TLSPipe | None = None
        self._eof: str | None = None
        self._pid = os.getpid()
        self.broken = False

    @classmethod
    def connect(cls, host: str, port: int, log: SessionLog, deadline: Deadline) -> Work[Channel]:
        """Resolve the name and connect to the first of its addresses that answers.

        Raises:
            Problem: the name is unknown, or no address took the connection before the deadline.
        """
        where = f"{host}:{port}" if ":" not in host else f"[{host}]:{port}"
        try:
            name = ascii_domain(host)  # looked up, asked for and verified in one spelling (RFC 5890)
            addresses = yield Resolve(name, port, deadline)
        except TimeoutError:
            raise Problem(
                Cause.NAME_RESOLUTION, f"looking {host!r} up took too long, {deadline}", "CONNECT"
            ) from None
        except (OSError, UnicodeError, MailError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise Problem(Cause.NAME_RESOLUTION, f"{host!r} is not known ({reason})", "CONNECT") from error
        problem: Problem | None = None
        for family, address in addresses:
            try:
                sock = yield from _connected(family, address, deadline)
            except TimeoutError:
                raise Problem(
                    Cause.CONNECT_TIMED_OUT, f"{where} did not answer, {deadline}", "CONNECT"
                ) from None
            except OSError as error:
                problem = problem or _connect_problem(error, where)
                continue
            log.event(f"Session started: host {host}, port {port}")
            return cls(sock, name, log)
        raise problem or Problem(Cause.NAME_RESOLUTION, f"{host!r} has no address", "CONNECT")

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
            Problem: the network, TLS or the peer's syntax failed, or time ran out; the channel is broken.
            Refused: raised by the dialogue.
        """
        stage = "CONNECT"
        replies: list[Reply] = []
        try:
            step = next(dialogue)
            while True:
                if isinstance(step, UpgradeTLS):
                    stage = "TLS"
                    yield from self._upgrade(context or default_context(), deadline)
                else:
                    stage = step.stages[0]
                    replies = yield from self._exchange(step, deadline)
                step = dialogue.send(replies)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        except RemoteProtocolError as error:
            self.broken = True
            stage = error.stage or stage
            cause = Cause.NOT_SMTP if stage == "CONNECT" else Cause.MALFORMED_REPLY
            raise Problem(cause, str(error), stage) from error
        except LocalProtocolError as error:
            raise Problem(Cause.COMMAND_UNFIT, str(error), stage) from error

    def _exchange(self, step: Exchange, deadline: Deadline) -> Work[list[Reply]]:
        self._log.sent(step.octets, step.shown, is_content=step.stages == ("CONTENT",))
        replies: list[Reply] = []
        if step.octets and not self._reader.is_empty:
            # Something arrived that answers nothing: a 421 is the server's goodbye, a refusal behind the 354
            # is what it thinks of any content, all else is nonsense.
            self.broken = True
            stray = self._reader.next()
            is_content = step.stages == ("CONTENT",)
            if stray is not None and (stray.code == 421 or (is_content and not stray.is_positive)):
                return [stray]
            said = str(stray) if stray is not None else self._reader.rest()[:60]
            raise RemoteProtocolError(f"the server spoke out of turn, saying {said!r}")
        unsent = self._encrypt(step.octets)
        complete = False
        try:
            complete = not step.octets and self._collect(replies, len(step.stages))
            while not complete and self._eof is None:
                unsent = self._write(unsent)
                yield self._ready.until(deadline, write=bool(unsent))
                self._read()
                complete = self._collect(replies, len(step.stages))
        except TimeoutError:
            raise self._timed_out(step.stages[len(replies)], deadline) from None
        except ssl.SSLError as error:
            raise _tls_problem(error, self._host, step.stages[len(replies)]) from error
        except RemoteProtocolError as error:
            error.stage = step.stages[len(replies)]
            raise
        finally:
            # Interrupted, answered while we were still sending, or left alone: what comes next is unknown.
            if not complete or unsent:
                self.broken = True
        if replies and replies[-1].code == 421:
            self.broken = True
        if unsent and all(reply.is_positive for reply in replies):
            raise RemoteProtocolError(f"the server answered {step.stages[-1]} before all of it was sent")
        if not complete and all(reply.is_positive for reply in replies):
            raise self._lost(step.stages[len(replies)])
        return replies

    def _collect(self, replies: list[Reply], count: int) -> bool:
        """Take the replies that are complete; True when all are there, or a 421 ended it."""
        while len(replies) < count:
            reply = self._reader.next()
            if reply is None:
                return False
            self._log.received(reply)
            replies.append(reply)
            if reply.code == 421:
                return True
        return True

    def _upgrade(self, context: ssl.SSLContext, deadline: Deadline) -> Work[None]:
        if not self._reader.is_empty:
            self.broken = True
            injected = self._reader.rest()[:60]
            what = f"octets arrived between the reply to STARTTLS and the handshake: {injected!r}"
            raise Problem(Cause.TLS_INJECTED, what, "TLS")
        self._tls = tls = TLSPipe(context, server_side=False, server_hostname=self._host)
        unsent = memoryview(b"")
        done = False
        try:
            while not (done and not unsent) and self._eof is None:
                done = tls.handshake()
                unsent = self._write(memoryview(unsent.tobytes() + tls.pending()))
                if unsent or not done:
                    yield self._ready.until(deadline, write=bool(unsent))
                    self._read()
        except TimeoutError:
            raise self._timed_out("TLS", deadline) from None
        except ssl.SSLError as error:
            self._write(memoryview(tls.pending()))  # the alert that says why
            raise _tls_problem(error, self._host, "TLS") from error
        finally:
            if not done or unsent:
                self.broken = True
        if not done:
            raise self._lost("TLS")
        self._log.event(f"TLS started: {tls.version}, {tls.cipher}")

    # -- octets

    def _encrypt(self, octets: bytes) -> memoryview:
        if self._tls is None:
            return memoryview(octets)
        self._tls.send(octets)
        return memoryview(self._tls.pending())

    def _write(self, unsent: memoryview) -> memoryview:
        """Send what the socket takes now and return the rest; a peer that is gone takes everything."""
        while unsent and self._eof is None:
            try:
                unsent = unsent[self._socket.send(unsent) :]
            except (BlockingIOError, InterruptedError):  # noqa: PERF203 - a loop of one turn, nearly always
                return unsent
            except OSError:
                # Its last words may still be in our receive buffer: only reading tells how it ended.
                self.broken = True
                return memoryview(b"")
        return unsent

    def _read(self) -> None:
        try:
            octets = self._socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
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
        """True when the peer closed, reset, or said something since the last reply; never waits."""
        try:
            while self._eof is None and self._reader.is_empty and self._ready.is_readable():
                self._read()
        except ssl.SSLError:
            return True
        return self._eof is not None or not self._reader.is_empty

    def close(self, *, farewell: bool = False) -> None:
        """Close the socket; with `farewell`, QUIT is written first, and nothing is waited for.

        In a process that did not open the connection, only this process's copy of the socket is closed.
        """
        if self._socket.fileno() < 0:
            return
        if self.is_mine:
            with suppress(OSError, ssl.SSLError):
                octets = self._encrypt(b"QUIT\r\n" if farewell and not self.broken else b"").tobytes()
                if self._tls is not None:
                    self._tls.close()
                    octets += self._tls.pending()
                self._socket.send(octets)
            self._log.event("Session closed")
        self._socket.close()


def _connected(family: int, address: object, deadline: Deadline) -> Work[socket.socket]:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        # A command must not wait for the acknowledgement of the one before (Nagle).
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(address)  # type: ignore[arg-type]
        while code in (errno.EINPROGRESS, errno.EWOULDBLOCK):
            yield Ready(sock).until(deadline, write=True)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock
