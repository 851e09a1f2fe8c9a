"""One client of a server: it opens a session, sends and checks over it, keeps it, replaces it and leaves it.

RFC 5321 3.1 to 3.8; 4D: `keepAlive`, `connectionTimeOut`, `sendTimeOut`. Nothing here waits; each method is
work (see `waiting`) that a transporter runs.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_smtp4d.errors import Cause, MailError, Problem
from pytest_smtp4d.mail.mailbox import ascii_domain
from pytest_smtp4d.smtp import dialogue
from pytest_smtp4d.smtp.envelope import is_domain
from pytest_smtp4d.smtp.extension import Extensions
from pytest_smtp4d.smtp.sasl import Secrets
from pytest_smtp4d.transporter.channel import Channel
from pytest_smtp4d.transporter.connect import Connecting
from pytest_smtp4d.transporter.log import ExtendedLog, SessionLog, logs_for
from pytest_smtp4d.transporter.outgoing import OutgoingMessage, is_large, outgoing_message
from pytest_smtp4d.transporter.status import FAILED_TO_SEND, Status
from pytest_smtp4d.transporter.waiting import Compute, Deadline, DeadlineOver, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import Message

    from pytest_smtp4d.mail.smime import Signer
    from pytest_smtp4d.smtp.reply import Reply
    from pytest_smtp4d.transporter.options import Options

__all__ = ["Client", "client_name"]

_GOODBYE = 2.0
"""Seconds that a close waits for the 221."""

_T = TypeVar("_T")


class Client:
    """What a transporter does, over at most one session at a time.

    It knows the options and not the transporter, so that a transporter that nobody holds any more can go.

    `_at_rest` is True between calls only. It is cleared before the first step of a call and set after the
    last, so whatever ends a call early leaves it cleared, and the next call closes what it finds.

    Args:
        options: the transporter's.
        in_loop: whether an event loop runs the work, which is not to be held up by composing.
    """

    def __init__(self, options: Options, *, in_loop: bool = False) -> None:
        self._options = options
        self._in_loop = in_loop
        self._connecting: Connecting | None = None  # to be closed, as the channel
        self._channel: Channel | None = None
        self._extensions = Extensions()
        self._at_rest = True
        self._knows_bdat = True
        self._signer: Signer | None = None
        self._log: ExtendedLog | None = None  # kept, so that it says only once that it cannot be written
        self.leaves: bool = False
        """True when the session is to be closed at the end of the call that is under way."""

    # -- what a transporter asks for

    def sending(self, mail: Mapping[str, Any] | Message) -> Work[Status]:
        """Send a mail; raises `TypeError` where it is none."""
        deadline = Deadline.after(self._options.send_time_out, "sendTimeOut")
        try:
            if self._in_loop and is_large(mail):
                message = yield from self._computed(lambda: self._message(mail), deadline)
            else:
                message = self._message(mail)
        except Problem as problem:
            return Status._from_problem(problem, FAILED_TO_SEND)
        except MailError as error:
            return Status._from_problem(Problem(Cause.MAIL_UNFIT, str(error)), FAILED_TO_SEND)
        try:
            status = yield from self._sent(message, deadline)
            if self._is_to_leave():
                yield from self._leave(deadline)
        except BaseException:
            self._drop()
            raise
        self._at_rest = True
        return status

    def checking(self) -> Work[Status]:
        """Ask a live session, or open one."""
        deadline = Deadline.after(self._options.send_time_out, "sendTimeOut")
        try:
            status = yield from self._checked(deadline)
            if self._is_to_leave():
                yield from self._leave(deadline)
        except BaseException:
            self._drop()
            raise
        self._at_rest = True
        return status

    def closing(self) -> Work[None]:
        """Say QUIT on the session there is, and close it."""
        try:
            if self._begin() is not None:
                yield from self._leave(None)
        finally:
            self._drop()

    def farewell(self) -> None:
        """Write QUIT and close, without waiting; in mid-call only close."""
        at_rest, self._at_rest = self._at_rest, False
        if self._channel is not None:
            self._channel.close(farewell=at_rest)
        elif self._connecting is not None:
            self._connecting.close()

    # -- the session between calls

    def _begin(self) -> Channel | None:
        """Return the channel of the call before if it is alive as far as can be seen; else close it."""
        if not self._at_rest:
            self._drop()
        self._at_rest = False
        channel = self._channel
        if channel is not None and not (channel.is_mine and not channel.is_dead()):
            self._drop()
        return self._channel

    def _is_to_leave(self) -> bool:
        """Return whether the session is to be left at the end of a call; close one in doubt."""
        channel, leaves = self._channel, self.leaves
        self.leaves = False
        if channel is not None and channel.in_doubt:
            self._drop()
        return leaves or not self._options.keep_alive

    def _drop(self) -> None:
        """Close what there is, without a word."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._connecting is not None:
            self._connecting.close()
            self._connecting = None

    def _leave(self, deadline: Deadline | None) -> Work[None]:
        """Say QUIT where that still makes sense, wait a moment for the 221, and close."""
        goodbye = Deadline.after(_GOODBYE, "close")
        channel = self._channel
        if channel is not None and channel.is_mine and not channel.in_doubt and not channel.is_dead():
            until = goodbye if deadline is None else min(goodbye, deadline, key=lambda one: one.at)
            with suppress(Problem):
                yield from channel.run(dialogue.quit_session(), until)
        self._drop()

    # -- composing

    def _message(self, mail: Mapping[str, Any] | Message) -> OutgoingMessage:
        options = self._options
        return outgoing_message(mail, options.header_charset, options.body_charset, self._loaded_signer())

    def _computed(self, compose: Callable[[], _T], deadline: Deadline) -> Work[_T]:
        """Compose what is large: not in an event loop."""
        try:
            composed: _T = yield Compute(compose, deadline, within_deadline=False)
        except DeadlineOver:
            raise Problem(Cause.SEND_TIMED_OUT, f"the mail was not composed in time, {deadline}") from None
        return composed

    def _loaded_signer(self) -> Signer | None:
        options = self._options
        if self._signer is None and (options.certificate is not None or options.certificate_name is not None):
            from pytest_smtp4d.mail.smime import Signer

            try:
                self._signer = Signer.load(
                    certificate=options.certificate,
                    certificate_name=options.certificate_name,
                    password=options.certificate_password,
                )
            except MailError as error:
                raise Problem(Cause.SIGNING_FAILED, str(error)) from error
        return self._signer

    # -- sending and checking

    def _sent(self, message: OutgoingMessage, deadline: Deadline) -> Work[Status]:
        try:
            outcome = yield from self._delivered(message, deadline)
            return Status._from_reply(
                outcome.reply, outcome.stage, success=outcome.is_accepted, refused=outcome.refused
            )
        except dialogue.Refused as refusal:
            return Status._from_reply(refusal.reply, refusal.stage, success=False)
        except Problem as problem:
            return Status._from_problem(problem, FAILED_TO_SEND)
        except MailError as error:  # of the mail as a server without 8BITMIME needs it
            return Status._from_problem(Problem(Cause.MAIL_UNFIT, str(error)), FAILED_TO_SEND)

    def _delivered(self, message: OutgoingMessage, deadline: Deadline) -> Work[dialogue.Outcome]:
        """Send over the session there is, or over a new one; replace a dead one once."""
        channel = self._begin()
        if channel is not None:
            try:
                outcome = yield from self._transaction(channel, message, deadline)
                if outcome.needs_data:
                    outcome = yield from self._by_data(channel, message, deadline)
                if outcome.stage != "MAIL" or outcome.reply.code != 421:
                    return outcome
            except Problem as problem:
                if problem.cause is not Cause.CONNECTION_LOST or problem.stage != "MAIL":
                    raise
        channel, _, _ = yield from self._opened(deadline)
        outcome = yield from self._transaction(channel, message, deadline)
        if outcome.needs_data:
            outcome = yield from self._by_data(channel, message, deadline)
        return outcome

    def _by_data(
        self, channel: Channel, message: OutgoingMessage, deadline: Deadline
    ) -> Work[dialogue.Outcome]:
        """Send once more, where a server that offers CHUNKING does not know BDAT."""
        self._knows_bdat = False
        if channel.in_doubt:
            channel, _, _ = yield from self._opened(deadline)
        return (yield from self._transaction(channel, message, deadline))

    def _transaction(
        self, channel: Channel, message: OutgoingMessage, deadline: Deadline
    ) -> Work[dialogue.Outcome]:
        extensions = self._extensions if self._knows_bdat else self._extensions.without("CHUNKING")
        content = message.octets
        if "8BITMIME" not in extensions and message.is_8bit:
            content = yield from self._computed(message.sevenbit, deadline)
        talk = dialogue.transaction(message.envelope, content, extensions, utf8=message.utf8)
        outcome = yield from channel.run(talk, deadline)
        if not outcome.is_accepted and not channel.in_doubt:
            try:
                yield from channel.run(dialogue.reset(), deadline)
            except (Problem, dialogue.Refused):
                channel.in_doubt = True  # the refusal is what counts
        return outcome

    def _checked(self, deadline: Deadline) -> Work[Status]:
        try:
            reply, stage = yield from self._answered(deadline)
            return Status._from_reply(reply, stage, success=True)
        except dialogue.Refused as refusal:
            return Status._from_reply(refusal.reply, refusal.stage, success=False)
        except Problem as problem:
            return Status._from_problem(problem)

    def _answered(self, deadline: Deadline) -> Work[tuple[Reply, str]]:
        channel = self._begin()
        if channel is not None:
            try:
                return (yield from channel.run(dialogue.noop(), deadline)), "NOOP"
            except dialogue.Refused as refusal:
                if refusal.reply.code != 421:
                    raise
            except Problem as problem:
                if problem.cause is not Cause.CONNECTION_LOST:
                    raise
        _, reply, stage = yield from self._opened(deadline)
        return reply, stage

    # -- opening a session

    def _opened(self, deadline: Deadline) -> Work[tuple[Channel, Reply, str]]:
        """Connect, secure, say EHLO and log in; return the last reply of these, and what it answered.

        On the way out of a failure, say QUIT and close. What session there was is closed first.
        """
        self._drop()
        options = self._options
        if options.secret_without_user is not None:
            raise Problem(
                Cause.CREDENTIALS_UNFIT, f"{options.secret_without_user} is given without user", "AUTH"
            )
        connecting = Deadline.after(options.connection_time_out, "connectionTimeOut")
        first = min(connecting, deadline, key=lambda one: one.at)
        channel = yield from self._connected(first)
        try:
            reply, stage = yield from self._introduced(channel, first, deadline)
        except (dialogue.Refused, Problem):
            yield from self._leave(deadline)
            raise
        return channel, reply, stage

    def _connected(self, deadline: Deadline) -> Work[Channel]:
        options = self._options
        self._connecting = Connecting(options.host, options.port)
        ready = yield from self._connecting.connect(deadline)
        if self._log is None and options.log_file is not None:
            self._log = ExtendedLog(options.log_file)
        log = SessionLog(logs_for(self._log))
        # Looked up, asked for and verified in one spelling.
        self._channel = channel = Channel(ready, ascii_domain(options.host), log)
        log.event(f"Session started: host {options.host}, port {options.port}")
        return channel

    def _introduced(self, channel: Channel, first: Deadline, deadline: Deadline) -> Work[tuple[Reply, str]]:
        options = self._options
        name = client_name(channel.local_address)
        talk = dialogue.secure(
            name, implicit=options.tls_from_the_start, cleartext=options.accept_unsecure_connection
        )
        greeted = yield from channel.run(talk, first, options.ssl_context)
        if greeted is None:
            greeted = yield from channel.run(dialogue.hello(name), deadline)
        reply, self._extensions = greeted
        if options.user is None:
            return reply, "EHLO" if self._extensions.keywords else "HELO"
        secrets = Secrets(
            options.user, options.password, options.access_token_oauth2, options.host, options.port
        )
        login = dialogue.login(self._extensions, secrets, options.authentication_mode, token_hex(18))
        return (yield from channel.run(login, deadline)), "AUTH"


def client_name(local_address: str) -> str:
    """Return what to say in EHLO: this host's full name if it has one, else its address (RFC 5321 4.1.4)."""
    name = socket.gethostname()
    if "." in name.strip(".") and name.isascii() and is_domain(name):
        return name
    address = local_address.partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
