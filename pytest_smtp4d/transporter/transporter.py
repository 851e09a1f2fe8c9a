"""The transporter: server options in, mails in, status objects out; blocking and for asyncio.

4D: `SMTPTransporter`, `SMTP New transporter`.
The one thing to know: what a transporter does is `session.Connection`'s work; the two classes here run it,
and keep two sends apart.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, overload

from pytest_smtp4d.spelling import FourDSpelling
from pytest_smtp4d.transporter.client import Connection
from pytest_smtp4d.transporter.error_stack import clear_errors, report_errors
from pytest_smtp4d.transporter.options import Options
from pytest_smtp4d.transporter.waiting import Work, run_async, run_blocking

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from email.message import Message
    from pathlib import Path

    from pytest_smtp4d.mail.charset import MailMode
    from pytest_smtp4d.transporter.options import AuthenticationMode
    from pytest_smtp4d.transporter.status import Status

__all__ = ["AsyncSMTPTransporter", "SMTPTransporter", "smtp_new_transporter"]

_T = TypeVar("_T")
_Self = TypeVar("_Self", bound="_Transporter")


class _Option(Generic[_T]):
    """A member that reads one of the options and is never assigned."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, transporter: None, owner: type) -> _Option[_T]: ...
    @overload
    def __get__(self, transporter: _Transporter, owner: type) -> _T: ...
    def __get__(self, transporter: _Transporter | None, owner: type) -> _T | _Option[_T]:
        if transporter is None:
            return self
        value: _T = getattr(transporter._options, self._name)  # noqa: SLF001 - its own class
        return value

    def __set__(self, transporter: _Transporter, value: NoReturn) -> NoReturn:
        raise AttributeError(f"{self._name} is read-only: make another transporter with another {self._name}")


class _Secret:
    """An option that is given once, and neither read nor assigned afterwards."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, transporter: None, owner: type) -> _Secret: ...
    @overload
    def __get__(self, transporter: _Transporter, owner: type) -> NoReturn: ...
    def __get__(self, transporter: _Transporter | None, owner: type) -> _Secret:
        if transporter is None:
            return self
        raise AttributeError(f"{self._name} can be given to a transporter, and never be read from it")

    def __set__(self, transporter: _Transporter, value: object) -> NoReturn:
        raise AttributeError(
            f"{self._name} stays as given: make another transporter with another {self._name}"
        )


class _Transporter(FourDSpelling):
    """What both transporters are: their members, and what they do, as work that somebody else runs."""

    host: _Option[str] = _Option()
    port: _Option[int] = _Option()
    user: _Option[str | None] = _Option()
    authentication_mode: _Option[AuthenticationMode | None] = _Option()
    accept_unsecure_connection: _Option[bool] = _Option()
    keep_alive: _Option[bool] = _Option()
    connection_time_out: _Option[float] = _Option()
    send_time_out: _Option[float] = _Option()
    header_charset: _Option[MailMode] = _Option()
    body_charset: _Option[MailMode] = _Option()
    log_file: _Option[str | Path | None] = _Option()
    certificate: _Option[str | Path | bytes | None] = _Option()
    certificate_name: _Option[str | None] = _Option()
    ssl_context: _Option[ssl.SSLContext | None] = _Option()
    implicit_tls: _Option[bool | None] = _Option()
    if not TYPE_CHECKING:
        password = _Secret()
        access_token_oauth2 = _Secret()
        certificate_password = _Secret()

    def __init__(self, server: Mapping[str, Any] | None = None, /, **options: Any) -> None:
        """Check the options; no connection is opened.

        Args:
            server: options by 4D's keys, such as `{"host": "smtp.example.com", "keepAlive": False}`.
            options: the same in snake_case; a keyword wins over a key.

        Raises:
            TransporterOptionError: a missing host, an unknown option, a wrong type, a value out of range.
        """
        self._options = Options.read(server, options)

    @classmethod
    def new(  # noqa: PYI019 - typing.Self came with 3.11
        cls: type[_Self], server: Mapping[str, Any] | None = None, /, **options: Any
    ) -> _Self:
        """Make a transporter (4D: `4D.SMTPTransporter.new`); the same as calling the class."""
        return cls(server, **options)

    def __repr__(self) -> str:
        user = f", user={self.user!r}" if self.user is not None else ""
        return f"{type(self).__name__}(host={self.host!r}, port={self.port}{user})"


def _reported(status: Status) -> Status:
    """Tell 4D's error stack of a status that no reply decided, and return it."""
    if status.errors:
        report_errors(status.errors)
    return status


class SMTPTransporter(_Transporter):
    """An SMTP client for one server (4D: `SMTPTransporter`). Threads may share it; their sends take turns.

    Use it as it is, or with `with`; the connection is opened by the first `send` or `check_connection`, and
    closed by `close`, at the end of the block, when the object is destroyed, or when the interpreter ends.
    """

    def __init__(self, server: Mapping[str, Any] | None = None, /, **options: Any) -> None:
        super().__init__(server, **options)
        self._connection = Connection(self._options)
        self._lock = threading.Lock()
        weakref.finalize(self, self._connection.farewell)  # also at interpreter exit
        _transporters.add(self)

    def send(self, mail: Mapping[str, Any] | Message) -> Status:
        """Send a mail to all its recipients, or to nobody (4D: `.send()`).

        Args:
            mail: a mail object, or a standard library's message (Sender or From; To, Cc and Bcc; the Bcc
                header is not sent).

        Returns:
            the status; what a server, a network or the mail can do wrong is in it. `sendTimeOut` seconds at
            most after the sends before it are done.

        Raises:
            TypeError: `mail` is neither a mapping nor a message.
        """
        return self._run(self._connection.sending(mail))

    def check_connection(self) -> Status:
        """Check that the server can be reached and takes us, without sending (4D: `.checkConnection()`).

        NOOP on a live connection, else connect, EHLO, TLS and AUTH; `connectionTimeOut` seconds at most up to
        TLS, `sendTimeOut` as a whole.
        """
        return self._run(self._connection.checking())

    def close(self) -> None:
        """Say QUIT, wait at most 2 seconds for the answer, and close; a later `send` opens anew."""
        with self._lock:
            run_blocking(self._connection.closing())

    def __enter__(self) -> SMTPTransporter:  # noqa: PYI034 - typing.Self came with 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, work: Work[Status]) -> Status:
        clear_errors()
        with self._lock:
            status = run_blocking(work)
        return _reported(status)

    def _forked(self) -> None:
        """In a fork's child: whoever held the lock is not here."""
        self._lock = threading.Lock()


_transporters: weakref.WeakSet[SMTPTransporter] = weakref.WeakSet()


def _after_fork() -> None:
    for transporter in list(_transporters):
        transporter._forked()  # noqa: SLF001 - its own class


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class AsyncSMTPTransporter(_Transporter):
    """`SMTPTransporter` for asyncio: the same options and members, with `await`, in the running loop alone.

    (The loop looks names up, and does so in a thread of its executor.)

    Tasks may share it; their sends take turns. A connection belongs to the loop that opened it; used in
    another loop, the transporter opens its own. A cancelled send closes the connection.
    """

    def __init__(self, server: Mapping[str, Any] | None = None, /, **options: Any) -> None:
        super().__init__(server, **options)
        self._turns: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Turn] = weakref.WeakKeyDictionary()

    async def send(self, mail: Mapping[str, Any] | Message) -> Status:
        """Send a mail to all its recipients, or to nobody; as `SMTPTransporter.send`."""
        return await self._run(lambda connection: connection.sending(mail))

    async def check_connection(self) -> Status:
        """Check that the server can be reached and takes us; as `SMTPTransporter.check_connection`."""
        return await self._run(Connection.checking)

    async def close(self) -> None:
        """Say QUIT, wait at most 2 seconds for the answer, and close; a later `send` opens anew."""
        turn = self._turn()
        async with turn.lock:
            await run_async(turn.connection.closing())

    async def __aenter__(self) -> AsyncSMTPTransporter:  # noqa: PYI034 - typing.Self came with 3.11
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, start: Callable[[Connection], Work[Status]]) -> Status:
        clear_errors()
        turn = self._turn()
        async with turn.lock:
            status = await run_async(start(turn.connection))
        return _reported(status)

    def _turn(self) -> _Turn:
        """Return what the running loop has of this transporter; leave the connections of loops that ended."""
        loop = asyncio.get_running_loop()
        turn = self._turns.get(loop)
        if turn is None:
            for other in list(self._turns):
                if other.is_closed():
                    self._turns.pop(other).connection.farewell()
            turn = self._turns[loop] = _Turn(Connection(self._options), asyncio.Lock())
            weakref.finalize(self, turn.connection.farewell)
        return turn


@dataclass(frozen=True, slots=True)
class _Turn:
    """A loop's connection, and whose turn it is to use it."""

    connection: Connection
    lock: asyncio.Lock


def smtp_new_transporter(server: Mapping[str, Any] | None = None, /, **options: Any) -> SMTPTransporter:
    """Make a transporter from a server object (4D: `SMTP New transporter`); opens no connection.

    Args:
        server: options by 4D's keys.
        options: the same in snake_case; a keyword wins over a key.

    Raises:
        TransporterOptionError: a missing host, an unknown option, a wrong type, a value out of range.
    """
    return SMTPTransporter(server, **options)
