"""The fake server: its life, and what a test does with it.

It listens as soon as `start` returns, on a socket of its own. Its connections live in the one background loop
of the process.
"""

from __future__ import annotations

import contextlib
import os
import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.server import watch
from pytest_smtp4d.server.listener import Listener, prepare
from pytest_smtp4d.server.settings import KINDS, ServerSettings
from pytest_smtp4d.server.state import ServerState
from pytest_smtp4d.slips import Slips
from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from pytest_smtp4d.faults.fault import Fault
    from pytest_smtp4d.faults.match import Match
    from pytest_smtp4d.faults.reply import ReplySpec
    from pytest_smtp4d.faults.rules import Rules
    from pytest_smtp4d.faults.stage import StageName
    from pytest_smtp4d.records.record import Session, Transaction
    from pytest_smtp4d.server.entrance import Entrance
    from pytest_smtp4d.server.inbox import Inbox
    from pytest_smtp4d.server.keywords import ClientOptions, SettingsDict
    from pytest_smtp4d.smtp.reply import Reply

__all__ = ["SMTPServer"]


_MEANT = MappingProxyType(
    {
        **dict.fromkeys(("hostname", "bind_address", "server_host", "smtp_host"), "server.host"),
        **dict.fromkeys(("server_port", "smtp_port", "bind_port"), "server.port"),
        **dict.fromkeys(("addr", "server_address", "listen_address"), "server.address"),
        **dict.fromkeys(("outbox", "mailbox", "inbox", "mails", "emails", "sent"), "server.messages"),
        **dict.fromkeys(("received", "received_messages", "sent_messages"), "server.messages"),
        **dict.fromkeys(("message", "last_message", "last"), "server.messages.one() or server.messages[-1]"),
        **dict.fromkeys(("ca", "ca_cert", "cafile", "certfile"), "server.ca_file"),
        **dict.fromkeys(("ssl_context", "context"), "server.client_context()"),
        **dict.fromkeys(("shutdown", "close", "terminate"), "server.stop()"),
        **dict.fromkeys(("run", "serve_forever", "start_server"), "server.start()"),
        **dict.fromkeys(("flush", "clear_messages"), "server.clear()"),
        **dict.fromkeys(("wait_for", "wait_for_message", "expect"), "server.messages.wait_for()"),
    }
)
"""What other harnesses call something -> how it is written here."""


class SMTPServer(Slips):
    """A real SMTP server on loopback that records everything and misbehaves on command.

    In a test, request the fixture `smtp_server`. Elsewhere start one with `with`, `async with` or `start`; it
    can be stopped and started again, on the same port.

    Args:
        settings: those of `ServerSettings`, by name.

    Raises:
        SettingsError: an unknown setting (the nearest is named), or an invalid value.

    Example:
        >>> with SMTPServer(tls="none", users={"ada": "secret"}) as server:
        ...     with SMTPTransporter(**server.client_options()) as transporter:
        ...         status = transporter.send({"from": "ada@example.com", "to": "bob@example.org"})
        ...     server.messages.one().session.user
        'ada'
    """

    _meant = _MEANT

    def __init__(self, **settings: Unpack[SettingsDict]) -> None:
        self._initial = ServerSettings.from_mapping(settings)
        self._state = ServerState(self, self._initial)
        self._listener: Listener | None = None
        self._entrances: dict[bool, tuple[Listener, Entrance]] = {}
        self._is_down = False
        self._was_started = False
        self._port = self._initial.port
        self._lock = threading.RLock()

    # -- life -----------------------------------------------------------------------------------------------

    def start(self) -> SMTPServer:
        """Start to listen; a server that was stopped gets its old port again.

        Returns:
            the server itself.

        Raises:
            OSError: the port is taken, or the host has no such address.

        Example:
            >>> server = SMTPServer(tls="none").start()
            >>> server.url
            'smtp://127.0.0.1:...'
            >>> server.stop()
        """
        with self._lock:
            if self._listener is None:
                self._listener = Listener(self._state, self.host, self._port)
                self._port = self._listener.port
                self._was_started = True
                _running.add(self)
        watch.current.used(self)
        return self

    def stop(self) -> None:
        """Stop listening and end every session at once. Stopping twice is no error.

        Example:
            >>> smtp_server.stop()
            >>> transporter.send({"from": "ada@example.com", "to": "bob@example.org"}).command
            'CONNECT'
        """
        with self._lock:
            listeners = self._listeners
            self._listener = None
            self._entrances = {}
            _running.discard(self)
        for listener in listeners:
            listener.close("server stopped")
        if listeners:
            watch.current.left(self)

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Cut open connections and refuse new ones until the block ends; then serve again, on the same port.

        Example:
            >>> with smtp_server.down():
            ...     status = transporter.check_connection()
            >>> status.success, transporter.check_connection().success
            (False, True)
        """
        with self._lock:
            first = self._require_listener()
            self._is_down = True
            listeners = self._listeners
        for listener in listeners:
            listener.suspend("server down")
        try:
            yield
        finally:
            with self._lock:
                self._is_down = False
                if self._listener is first:
                    for listener in listeners:
                        listener.resume()

    def drop_connections(
        self, reply: int | tuple[int, str] | Reply | None = None, abort: bool = False
    ) -> None:
        """Close every open session now.

        Args:
            reply: what each client is told first, such as `(421, "4.3.2 Shutting down")`; None: nothing.
            abort: close with RST instead of FIN.

        Raises:
            SettingsError: the reply is none.

        Example:
            >>> smtp_server.drop_connections((421, "4.3.2 Shutting down"))
        """
        spoken = _checked_reply(reply)
        with self._lock:
            listener = self._listener
        if listener is not None:
            listener.drop(spoken, abort)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return (
            f"<SMTPServer {self.url if self._port else self.host}{'' if self._listener else ', not running'}>"
        )

    def _refusal(self, name: str, value: object) -> str:
        if name in KINDS:
            shown = "…" if name in ("users", "tokens") else repr(value)
            return f"settings are not assigned: use configure({name}={shown}), for sessions that start then"
        known = (*KINDS, "active_fault")
        hint = f": it is `{self._meant[name]}` here" if name in self._meant else nearest(name, known)
        return (
            f"{type(self).__name__!r} object has no attribute {name!r} to assign{hint}; settings: configure()"
        )

    # -- where it is ----------------------------------------------------------------------------------------

    @property
    def settings(self) -> ServerSettings:
        """The settings of sessions that start now."""
        return self._state.settings

    @property
    def _rules(self) -> Rules:
        """The faults that were declared, and their counters."""
        return self._state.rules

    @property
    def host(self) -> str:
        """The address it listens on."""
        return self._initial.host

    @property
    def port(self) -> int:
        """The port it listens on.

        Raises:
            RuntimeError: the system is to choose it, and the server was never started.
        """
        if not self._port:
            raise RuntimeError("the server has no port before it is started: use `with` or start()")
        prepare()  # whoever asks is about to connect
        return self._port

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port, as `socket.create_connection` takes them."""
        return self.host, self.port

    @property
    def url(self) -> str:
        """The address as a URL, such as ``smtp://127.0.0.1:41234``; ``smtps://…`` with implicit TLS."""
        scheme = "smtps" if self.settings.tls == "implicit" else "smtp"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    # -- connections that asked for another host ------------------------------------------------------------

    def intercept(self, *patterns: str) -> None:
        """Take the mail for these hosts from now on, while interception is on (`smtp_intercept`).

        Args:
            patterns: shell patterns of names and addresses, such as "smtp.eu.*".

        Raises:
            RuntimeError: interception is off, or the server does not run.
            SettingsError: no pattern is given, or no host can match one.

        Example:
            >>> def test_two_regions(smtp_intercept, make_smtp_server):
            ...     europe = make_smtp_server()
            ...     europe.intercept("smtp.eu.*")  # the mail for other hosts goes to smtp_intercept
        """
        from pytest_smtp4d.server import entrance

        self._require_listener()
        if entrance.take_hosts is None:
            raise RuntimeError(
                "interception is off: request the fixture smtp_intercept, or mark the test with it"
            )
        entrance.take_hosts(self, patterns)

    def _entrance(self, *, implicit: bool) -> Entrance | None:
        """Return the entrance for connections that were redirected here, opened when first asked for.

        Args:
            implicit: whether they begin with TLS.

        Returns:
            None where the server is stopped or down, and refuses them.
        """
        with self._lock:
            if self._listener is None or self._is_down:
                return None
            if implicit not in self._entrances:
                from pytest_smtp4d.server.entrance import HOST, Entrance

                prepare()
                door = Entrance(self._state, implicit=implicit)
                listener = Listener(self._state, HOST, 0, door)
                door.port = listener.port
                self._entrances[implicit] = listener, door
            return self._entrances[implicit][1]

    # -- what clients need ----------------------------------------------------------------------------------

    @property
    def ca_file(self) -> str:
        """Absolute path of a PEM file with the CA that signs the servers' certificates."""
        from pytest_smtp4d.server.certificates import authority

        return authority().ca_file

    def client_context(self, identity: bool = False) -> ssl.SSLContext:
        """Return a TLS context for clients that trusts the CA of `ca_file` alone, whatever `certificate` is.

        Args:
            identity: whether the client shows a certificate too, for `client_certificate="required"`.

        Example:
            >>> import smtplib
            >>> with smtplib.SMTP(smtp_server.host, smtp_server.port) as client:
            ...     client.starttls(context=smtp_server.client_context())[0]
            220
        """
        from pytest_smtp4d.server.certificates import authority

        return authority().client_context(identity=identity)

    def client_options(self) -> ClientOptions:
        """Return keyword options that make a transporter for this server: address, trust, and a login.

        The login is that of the first of `users` or `tokens`.

        Example:
            >>> with SMTPTransporter(**smtp_server.client_options(), send_time_out=1) as transporter:
            ...     transporter.check_connection().success
            True
        """
        settings = self.settings
        options: ClientOptions = {
            "host": self.host,
            "port": self.port,
            "implicit_tls": settings.tls == "implicit",
        }
        if settings.tls == "none" and not self._state.is_stripped:  # a sweep strips what the test had set
            options["accept_unsecure_connection"] = True
        else:
            options["ssl_context"] = self.client_context(identity=settings.client_certificate != "none")
        if settings.users and settings.users != "*":
            options["user"], options["password"] = next(iter(settings.users.items()))
        elif settings.tokens:
            options["user"], options["access_token_oauth2"] = next(iter(settings.tokens.items()))
        elif settings.users == "*":
            options["user"], options["password"] = "anybody", "anything"
        return options

    # -- what was received ----------------------------------------------------------------------------------

    @property
    def messages(self) -> Inbox:
        """The messages that were accepted, oldest first."""
        return self._state.inbox

    @property
    def transactions(self) -> tuple[Transaction, ...]:
        """The mail transactions, one per MAIL, accepted or not, oldest first."""
        return tuple(self._state.transactions)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions, oldest first; those that are open still grow."""
        return tuple(self._state.sessions)

    @property
    def active_fault(self) -> tuple[str, str] | None:
        """The (stage, kind) that a sweep disturbs in this item of the test; None in the undisturbed one."""
        return self._state.active_fault

    @active_fault.setter
    def active_fault(self, point: tuple[str, str] | None) -> None:
        self._state.active_fault = point

    # -- what it does ---------------------------------------------------------------------------------------

    def on(
        self,
        stage: StageName | Literal["*"],
        match: Match = None,
        *,
        times: int | None = None,
        after: int = 0,
    ) -> Fault:
        """Declare a fault at a stage; the methods of the `Fault` that it returns say what goes wrong.

        Args:
            stage: one of `STAGES`, or "*".
            match: a shell pattern, a compiled pattern, or a predicate of `Event`; None: always.
            times: how often it acts, then it steps aside; None: always.
            after: how many matching events go well first.

        Returns:
            the fault; without an action it does nothing.

        Raises:
            SettingsError: an unknown stage (the nearest is named), or an invalid value.

        Example:
            >>> fault = smtp_server.on("RCPT", "nobody@*", times=1).reply(550, "5.1.1 No such user")
            >>> status = transporter.send({"from": "ada@example.com", "to": "nobody@example.org"})
            >>> status.status, status.enhanced_code, fault.hits
            (550, '5.1.1', 1)
        """
        fault = self._state.rules.add(stage, match, times=times, after=after)
        watch.current.declared(self, fault)
        return fault

    def configure(self, **changes: Unpack[SettingsDict]) -> None:
        """Change settings, for sessions that start afterwards.

        Raises:
            SettingsError: an unknown setting (the nearest is named), an invalid value, or a setting that
                cannot change while a server lives: `host`, `port`, `allow_remote`.

        Example:
            >>> smtp_server.configure(tls="implicit", size_limit=10_000)
            >>> smtp_server.url
            'smtps://127.0.0.1:...'
        """
        changed = self._state.settings.replace(**changes)
        for name in ("host", "port", "allow_remote"):
            if getattr(changed, name) != getattr(self._state.settings, name):
                raise SettingsError(
                    f"{name} cannot change: make another server with {name}={changes.get(name)!r}"
                )
        self._state.settings = changed
        watch.current.used(self)

    def advance(self, seconds: float) -> None:
        """Move the clock that greylisting goes by; nothing else moves it.

        Args:
            seconds: how far, 0 or more.

        Raises:
            ValueError: the number is below 0.

        Example:
            >>> smtp_server.configure(greylist=300)
            >>> mail: Email = {"from": "ada@example.com", "to": "bob@example.org"}
            >>> make_transporter().send(mail).is_transient
            True
            >>> smtp_server.advance(seconds=301)
            >>> make_transporter().send(mail).success
            True
        """
        if seconds < 0:
            raise ValueError(f"the clock goes forward only, not by {seconds} s")
        self._state.advance(seconds)

    def clear(self) -> None:
        """Forget messages, transactions and sessions so far; open sessions go on in a new record.

        Example:
            >>> smtp_server.clear()
            >>> len(smtp_server.messages)
            0
        """
        self._state.clear()
        self._renew(listed=True)

    def reset(self) -> None:
        """Restore the initial state, with no messages, sessions or faults, and the settings of the start.

        The port and open connections stay. A server that was stopped runs again.

        Raises:
            OSError: it was stopped, and its port is taken by now.

        Example:
            >>> smtp_server.configure(tls="none")
            >>> smtp_server.reset()
            >>> smtp_server.settings.tls
            'starttls'
        """
        self._state.reset(self._initial)
        self.active_fault = None
        self._renew(listed=False)
        if self._was_started:
            self.start()
        watch.current.used(self)

    def _renew(self, *, listed: bool) -> None:
        """Let go of the old records of open sessions."""
        for listener in self._listeners:
            listener.renew(listed=listed)

    def _settle(self) -> None:
        """Wait until all that has arrived so far was looked at; nothing to do where the server is stopped."""
        for listener in self._listeners:
            listener.settle()

    def check(self) -> None:
        """Raise the strict verdict now instead of at the end of the test.

        Raises:
            AssertionError: a fault was never hit, a callback raised, or a client committed a fatal violation;
                what was raised once is not raised again.

        Example:
            >>> smtp_server.configure(strict=True)
            >>> fault = smtp_server.on("RCPT").reply(550)
            >>> smtp_server.check()
            Traceback (most recent call last):
                ...
            pytest_smtp4d.server.watch.Verdict: ...fault never hit: on('RCPT').reply(550...)...
        """
        __tracebackhide__ = True
        watch.current.raise_verdict([self])

    def _cut(self, reason: str) -> None:
        """Cut every session and refuse new ones until the next `reset`, without a lock: time is up.

        Args:
            reason: recorded as why the sessions ended; "" lets new ones in again.
        """
        self._state.is_cut = reason
        if reason:
            for connection in tuple(self._state.connections):
                connection.cut(reason)

    def _release_after_fork(self) -> None:
        """In a forked child: the server is the parent's, and no longer this process's business."""
        listeners = self._listeners
        self._listener = None
        self._entrances = {}
        self._was_started = False
        self._lock = threading.RLock()
        for listener in listeners:
            listener.release_after_fork()

    @property
    def _listeners(self) -> tuple[Listener, ...]:
        """What takes connections for it: at its own address, and at its entrances."""
        if self._listener is None:
            return ()
        return (self._listener, *(listener for listener, _ in tuple(self._entrances.values())))

    def _require_listener(self) -> Listener:
        if self._listener is None:
            raise RuntimeError("the server does not run: use `with` or start()")
        return self._listener


def _checked_reply(reply: ReplySpec | None) -> Reply | None:
    from pytest_smtp4d.faults.reply import make_reply

    if reply is None:
        return None
    spoken = make_reply(reply)
    if spoken is None:
        raise SettingsError(f"drop_connections() says a reply such as (421, '4.3.2 …'), not {reply!r}")
    return spoken


_running: set[SMTPServer] = set()


def cut_everything(reason: str) -> None:
    """Cut every session of every server that runs (see `SMTPServer.cut`)."""
    for server in tuple(_running):
        server._cut(reason)


def _release_after_fork() -> None:
    for server in tuple(_running):
        server._release_after_fork()
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_after_fork)
