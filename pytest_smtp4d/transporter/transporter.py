"""The transporter: server options in, mails in, status objects out; blocking and for asyncio.

4D: `SMTPTransporter`, `SMTP New transporter`. What a transporter does is `client.Client`'s work; the two
classes here run it, and let one call at a time use the client.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections import deque
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar, overload

from pytest_smtp4d.errors import Cause, Problem
from pytest_smtp4d.spelling import FourDSpelling
from pytest_smtp4d.transporter.client import Client
from pytest_smtp4d.transporter.error_stack import clear_errors, report_errors
from pytest_smtp4d.transporter.event_loop import can_watch, run_async, run_in_thread
from pytest_smtp4d.transporter.options import Given, Options, spelled_as_4d
from pytest_smtp4d.transporter.status import FAILED_TO_SEND, Status
from pytest_smtp4d.transporter.waiting import Work, run_blocking
from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from email.message import Message
    from pathlib import Path

    from typing_extensions import Unpack

    from pytest_smtp4d.mail.charset import MailMode
    from pytest_smtp4d.mail.email import Email
    from pytest_smtp4d.transporter.options import AuthenticationMode, ServerObject, TransporterOptions

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
    """The members that both transporters have."""

    _slips: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"hostname": "host", "username": "user", "timeout": "send_time_out", "sendmail": "send"}
    )  # what other clients call them

    host: _Option[str] = _Option()
    """The name or address of the server."""
    port: _Option[int] = _Option()
    """The port of the server."""
    user: _Option[str | None] = _Option()
    """Who logs in; None: nobody."""
    authentication_mode: _Option[AuthenticationMode | None] = _Option()
    """The mechanism of the login; None: the strongest that the server offers."""
    accept_unsecure_connection: _Option[bool] = _Option()
    """Whether mail and login may go out without TLS."""
    keep_alive: _Option[bool] = _Option()
    """Whether the connection is kept for the next send."""
    connection_time_out: _Option[float] = _Option()
    """How many seconds connecting may take, up to TLS."""
    send_time_out: _Option[float] = _Option()
    """How many seconds a whole send may take."""
    header_charset: _Option[MailMode] = _Option()
    """How header text outside US-ASCII is written."""
    body_charset: _Option[MailMode] = _Option()
    """How body text outside US-ASCII is written."""
    log_file: _Option[str | Path | None] = _Option()
    """The file that every session is written to; None: none."""
    certificate: _Option[str | Path | bytes | None] = _Option()
    """What mails are signed with: a path, or octets, of PKCS#12 or PEM; None: they are not signed."""
    certificate_name: _Option[str | None] = _Option()
    """The certificate of the system's store that mails are signed with; None: none."""
    ssl_context: _Option[ssl.SSLContext | None] = _Option()
    """The TLS context; None: one that trusts the system's roots."""
    implicit_tls: _Option[bool | None] = _Option()
    """Whether the connection begins with TLS; None: on port 465."""
    if not TYPE_CHECKING:
        password = _Secret()
        access_token_oauth2 = _Secret()
        certificate_password = _Secret()

        def __setattr__(self, name, value):
            """Refuse to assign what is no option, such as `send_timeout`, which would change nothing."""
            if not name.startswith("_") and name not in _MEMBERS:
                raise AttributeError(
                    f"a transporter has no {name!r}{nearest(name, _MEMBERS)}; and its options stay as given: "
                    "make another transporter with others"
                )
            super().__setattr__(name, value)

    def __init__(self, server: ServerObject | None = None, /, **options: Unpack[TransporterOptions]) -> None:
        """Check the options; no connection is opened.

        Args:
            server: options by 4D's keys, such as `{"host": "smtp.example.com", "keepAlive": False}`.
            options: the same in snake_case; a keyword wins over a key.

        Raises:
            TransporterOptionError: a missing host, an unknown option, a wrong type, a value out of range.
        """
        given: Any = server if isinstance(server, Given) else Given(server=server, keywords=options)
        del server, options  # they may hold secrets, and a traceback can show them
        self._options = Options.read(given)

    @classmethod
    def new(  # noqa: PYI019 - typing.Self came with 3.11
        cls: type[_Self], server: ServerObject | None = None, /, **options: Unpack[TransporterOptions]
    ) -> _Self:
        """Make a transporter (4D: `4D.SMTPTransporter.new`); the same as calling the class.

        Example:
            >>> SMTPTransporter.new({"host": "smtp.example.com", "user": "me", "password": "secret"})
            SMTPTransporter(host='smtp.example.com', port=587, user='me')
        """
        given: Any = Given(server=server, keywords=options)
        del server, options
        return cls(given)

    def __repr__(self) -> str:
        user = f", user={self.user!r}" if self.user is not None else ""
        return f"{type(self).__name__}(host={self.host!r}, port={self.port}{user})"


_MEMBERS = [spelling for option in fields(Options) for spelling in (option.name, spelled_as_4d(option.name))]


def _reported(status: Status) -> Status:
    """Put a status that no reply decided on 4D's error stack, and return it."""
    if status.errors:
        report_errors(status.errors)
    return status


class SMTPTransporter(_Transporter):
    """An SMTP client for one server (4D: `SMTPTransporter`). Threads may share it; their sends take turns.

    Use it as it is, or with `with`; the connection is opened by the first `send` or `check_connection`, and
    closed by `close`, at the end of the block, when the object is destroyed, or when the interpreter ends.

    Example:
        >>> with SMTPTransporter(**smtp_server.client_options()) as transporter:
        ...     status = transporter.send({"from": "ada@example.com", "to": "bob@example.org"})
        >>> status.success, status.status
        (True, 250)
    """

    def __init__(self, server: ServerObject | None = None, /, **options: Unpack[TransporterOptions]) -> None:
        given: Any = server if isinstance(server, Given) else Given(server=server, keywords=options)
        del server, options
        super().__init__(given)
        self._client = Client(self._options)
        self._lock = threading.RLock()
        weakref.finalize(self, self._client.farewell)  # also at interpreter exit
        _transporters.add(self)

    def send(self, mail: Email | Message) -> Status:
        """Send a mail to all its recipients, or to nobody (4D: `.send()`).

        Args:
            mail: a mail object, or a standard library's message (Sender or From; To, Cc and Bcc; the Bcc
                header is not sent).

        Returns:
            the status; what a server, a network or the mail can do wrong is in it. `sendTimeOut` seconds at
            most after the sends before it are done.

        Raises:
            TypeError: `mail` is neither a mapping nor a message.

        Example:
            >>> mail: Email = {"from": "ada@example.com", "to": "bob@example.org", "subject": "Hi"}
            >>> transporter.send(mail).raise_for_status().status
            250
        """
        return self._run(self._client.sending(mail), FAILED_TO_SEND)

    def check_connection(self) -> Status:
        """Check that the server can be reached and takes us, without sending (4D: `.checkConnection()`).

        NOOP on a live connection, else connect, EHLO, TLS and AUTH; `connectionTimeOut` seconds at most up to
        TLS, `sendTimeOut` as a whole.

        Example:
            >>> transporter.check_connection().success
            True
        """
        return self._run(self._client.checking(), None)

    def close(self) -> None:
        """Say QUIT, wait at most 2 seconds for the answer, and close; a later `send` opens anew.

        Within a call on the same transporter (in a signal handler), the session is closed when that call
        ends.

        Example:
            >>> transporter.close()
        """
        if self._lock._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001 - as in _run
            self._client.leaves = True
        else:
            self._exclusively(self._client.closing())

    def __enter__(self) -> SMTPTransporter:  # noqa: PYI034 - typing.Self came with 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, work: Work[Status], text: str | None) -> Status:
        if self._lock._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001 - what `Condition` asks, too
            work.close()
            return _reported(Status._from_problem(Problem(Cause.IN_USE, _IN_USE), text))
        clear_errors()
        return _reported(self._exclusively(work))

    def _exclusively(self, work: Work[_T]) -> _T:
        """Run work when the calls of other threads are done."""
        lock = self._lock
        try:
            with lock:
                result = run_blocking(work)
        finally:
            # A trace function may raise where the block ends, before the lock is released.
            if lock._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001 - as above
                lock.release()
        return result  # not in the block: a `return` there has an instruction that no `finally` covers

    def _release_after_fork(self) -> None:
        """Forget the lock in a fork's child: the thread that holds it is not here."""
        self._lock = threading.RLock()


_IN_USE = "this thread is in a call of the same transporter"


_transporters: weakref.WeakSet[SMTPTransporter] = weakref.WeakSet()


def _after_fork() -> None:
    for transporter in list(_transporters):
        transporter._release_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class AsyncSMTPTransporter(_Transporter):
    """`SMTPTransporter` for asyncio: the same options and members, with `await`.

    All of it runs in the running loop, but for names, which the loop looks up, large mails, which are
    composed in its executor, and SCRAM's derivations, done there too. A loop that cannot watch sockets runs
    each call in it.

    Tasks may share a transporter; their sends take turns. A connection belongs to the loop that opened it;
    used in another loop, the transporter opens its own. A cancelled send closes the connection.

    Example:
        >>> async def send(options):
        ...     async with AsyncSMTPTransporter(**options) as transporter:
        ...         return await transporter.send({"from": "ada@example.com", "to": "bob@example.org"})
        >>> asyncio.run(send(smtp_server.client_options())).status
        250
    """

    def __init__(self, server: ServerObject | None = None, /, **options: Unpack[TransporterOptions]) -> None:
        given: Any = server if isinstance(server, Given) else Given(server=server, keywords=options)
        del server, options
        super().__init__(given)
        self._turns: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns] = (
            weakref.WeakKeyDictionary()
        )

    async def send(self, mail: Email | Message) -> Status:
        """Send a mail to all its recipients, or to nobody; as `SMTPTransporter.send`.

        Example:
            >>> async def send(mail: Email) -> Status:
            ...     async with AsyncSMTPTransporter(**smtp_server.client_options()) as transporter:
            ...         return await transporter.send(mail)
            >>> asyncio.run(send({"from": "ada@example.com", "to": "bob@example.org"})).success
            True
        """
        return await self._run(lambda client: client.sending(mail))

    async def check_connection(self) -> Status:
        """Check that the server can be reached and takes us; as `SMTPTransporter.check_connection`.

        Example:
            >>> async def check() -> Status:
            ...     async with AsyncSMTPTransporter(**smtp_server.client_options()) as transporter:
            ...         return await transporter.check_connection()
            >>> asyncio.run(check()).success
            True
        """
        return await self._run(Client.checking)

    async def close(self) -> None:
        """Say QUIT, wait at most 2 seconds for the answer, and close; a later `send` opens anew.

        Example:
            >>> async def check_once() -> Status:
            ...     transporter = AsyncSMTPTransporter(**smtp_server.client_options())
            ...     status = await transporter.check_connection()
            ...     await transporter.close()
            ...     return status
            >>> asyncio.run(check_once()).success
            True
        """
        await self._turns_here().take(Client.closing)

    async def __aenter__(self) -> AsyncSMTPTransporter:  # noqa: PYI034 - typing.Self came with 3.11
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, start: Callable[[Client], Work[Status]]) -> Status:
        clear_errors()
        return _reported(await self._turns_here().take(start))

    def _turns_here(self) -> _Turns:
        """Return the turns of the running loop; close the connections of loops that ended."""
        loop = asyncio.get_running_loop()
        turns = self._turns.get(loop)
        if turns is None:
            for other in list(self._turns):
                if other.is_closed():
                    self._turns.pop(other).client.farewell()
            turns = self._turns[loop] = _Turns(Client(self._options, in_loop=True), can_watch(loop))
            weakref.finalize(turns, turns.client.farewell)
        return turns


@dataclass(eq=False)
class _Turns:
    """A loop's client, and the calls that want to use it, in the order in which they came.

    Args:
        client: the one that the loop uses.
        watched: whether the loop can watch its socket.
        queue: a future for each call; the first one's call has its turn.
    """

    client: Client
    watched: bool
    queue: deque[asyncio.Future[None]] = field(default_factory=deque)

    async def take(self, start: Callable[[Client], Work[_T]]) -> _T:
        """Run work when the calls before are done."""
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            try:
                self.queue.append(ticket)
                if self.queue[0] is not ticket:
                    await ticket
                run = run_async if self.watched else run_in_thread
                result = await run(start(self.client))
            finally:
                self._leave(ticket)
        finally:
            self._leave(ticket)  # once more, for a trace function may have raised there
        return result  # not in the block: a `return` there has an instruction that no `finally` covers

    def _leave(self, ticket: asyncio.Future[None]) -> None:
        queue = self.queue
        if ticket in queue:
            queue.remove(ticket)
        if queue and not queue[0].done():
            queue[0].set_result(None)


def smtp_new_transporter(
    server: ServerObject | None = None, /, **options: Unpack[TransporterOptions]
) -> SMTPTransporter:
    """Make a transporter from a server object (4D: `SMTP New transporter`); opens no connection.

    Args:
        server: options by 4D's keys.
        options: the same in snake_case; a keyword wins over a key.

    Raises:
        TransporterOptionError: a missing host, an unknown option, a wrong type, a value out of range.

    Example:
        >>> transporter = smtp_new_transporter({"host": "smtp.example.com", "port": 465, "keepAlive": False})
        >>> transporter.keep_alive, transporter.keepAlive
        (False, False)
    """
    given: Any = Given(server=server, keywords=options)
    del server, options
    return SMTPTransporter(given)
