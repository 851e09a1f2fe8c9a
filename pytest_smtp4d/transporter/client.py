"""One connection of a transporter: opens it, sends and checks over it, keeps it, replaces it, leaves it.

RFC 5321 3.1 to 3.8; 4D: `keepAlive`, `connectionTimeOut`, `sendTimeOut`.
The one thing to know: nothing here waits; each method is work (see `waiting`) that a transporter runs.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from pytest_smtp4d.errors import Cause, MailError, Problem
from pytest_smtp4d.smtp import dialogue
from pytest_smtp4d.smtp.envelope import is_domain
from pytest_smtp4d.smtp.sasl import Secrets
from pytest_smtp4d.transporter.channel import Channel
from pytest_smtp4d.transporter.log import ExtendedLog, SessionLog, logs_for
from pytest_smtp4d.transporter.outgoing import Letter, write_letter
from pytest_smtp4d.transporter.status import FAILED_TO_SEND, Status
from pytest_smtp4d.transporter.waiting import Deadline, Work

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message

    from pytest_smtp4d.mail.smime import Signer
    from pytest_smtp4d.smtp.extension import Extensions
    from pytest_smtp4d.smtp.reply import Reply
    from pytest_smtp4d.transporter.options import Options

__all__ = ["Connection", "client_name"]

_GOODBYE = 2.0
"""Seconds that a close waits for the 221."""


@dataclass(frozen=True, slots=True)
class _Session:
    """A session that was opened, secured and logged in.

    Args:
        channel: its octets.
        extensions: what the server offers now.
        reply: the last reply of the opening, and `stage` what it answered.
    """

    channel: Channel
    extensions: Extensions
    reply: Reply
    stage: str


class Connection:
    """What a transporter does, over at most one session at a time.

    It knows the options and not the transporter, so that a transporter that nobody holds any more can go.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._session: _Session | None = None
        self._signer: Signer | None = None
        self._log: ExtendedLog | None = None  # kept, so that it tells only once that it cannot be written

    def farewell(self) -> None:
        """Write QUIT and close, without waiting for anything."""
        session, self._session = self._session, None
        if session is not None:
            session.channel.close(farewell=True)

    def sending(self, mail: Mapping[str, Any] | Message) -> Work[Status]:
        """Send a mail; raises `TypeError` where it is none."""
        deadline = Deadline.after(self._options.send_time_out, "sendTimeOut")
        try:
            letter = self._letter(mail)
            outcome = yield from self._delivered(letter, deadline)
            return Status.from_reply(
                outcome.reply, outcome.stage, success=outcome.is_accepted, refused=outcome.refused
            )
        except dialogue.Refused as refusal:
            return Status.from_reply(refusal.reply, refusal.stage, success=False)
        except Problem as problem:
            return Status.from_problem(problem, FAILED_TO_SEND)
        except MailError as error:  # of the letter as it is, or as a server without 8BITMIME needs it
            return Status.from_problem(Problem(Cause.MAIL_UNFIT, str(error)), FAILED_TO_SEND)
        finally:
            yield from self._settled(deadline)

    def checking(self) -> Work[Status]:
        """Ask a live session, or open one."""
        deadline = Deadline.after(self._options.send_time_out, "sendTimeOut")
        try:
            reply, stage = yield from self._checked(deadline)
            return Status.from_reply(reply, stage, success=True)
        except dialogue.Refused as refusal:
            return Status.from_reply(refusal.reply, refusal.stage, success=False)
        except Problem as problem:
            return Status.from_problem(problem)
        finally:
            yield from self._settled(deadline)

    def _letter(self, mail: Mapping[str, Any] | Message) -> Letter:
        options = self._options
        return write_letter(mail, options.header_charset, options.body_charset, self._loaded_signer())

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

    def _delivered(self, letter: Letter, deadline: Deadline) -> Work[dialogue.Outcome]:
        """Send a letter over the session there is, or over a new one; replace a dead one once."""
        session = self._live_session()
        if session is not None:
            try:
                outcome = yield from self._transacted(session, letter, deadline)
                if outcome.stage != "MAIL" or outcome.reply.code != 421:
                    return outcome
            except Problem as problem:
                if problem.cause is not Cause.CONNECTION_LOST or problem.stage != "MAIL":
                    raise
            self._dropped()
        session = yield from self._opened(deadline)
        return (yield from self._transacted(session, letter, deadline))

    def _transacted(self, session: _Session, letter: Letter, deadline: Deadline) -> Work[dialogue.Outcome]:
        extensions = session.extensions
        content = letter.content(eightbit="8BITMIME" in extensions)
        talk = dialogue.transaction(letter.envelope, content, extensions, utf8=letter.utf8)
        outcome = yield from session.channel.run(talk, deadline)
        if not outcome.is_accepted and not session.channel.broken:
            try:
                yield from session.channel.run(dialogue.reset(), deadline)
            except (Problem, dialogue.Refused):
                # The refusal is what counts; a session in doubt is not used again.
                session.channel.broken = True
        return outcome

    def _checked(self, deadline: Deadline) -> Work[tuple[Reply, str]]:
        session = self._live_session()
        if session is not None:
            try:
                return (yield from session.channel.run(dialogue.noop(), deadline)), "NOOP"
            except dialogue.Refused as refusal:
                if refusal.reply.code != 421:
                    raise
            except Problem as problem:
                if problem.cause is not Cause.CONNECTION_LOST:
                    raise
            self._dropped()
        session = yield from self._opened(deadline)
        return session.reply, session.stage

    # -- the session

    def _live_session(self) -> _Session | None:
        """Return the session of before, if it is ours, and alive as far as can be seen without asking."""
        session = self._session
        if session is None or (session.channel.is_mine and not session.channel.is_dead()):
            return session
        self._dropped()
        return None

    def _dropped(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.channel.close()

    def _opened(self, deadline: Deadline) -> Work[_Session]:
        """Connect, secure, say EHLO and log in; on the way out of a failure, say QUIT and close."""
        options = self._options
        if options.lonely_secret is not None:
            raise Problem(Cause.CREDENTIALS_UNFIT, f"{options.lonely_secret} is given without user", "AUTH")
        connecting = Deadline.after(options.connection_time_out, "connectionTimeOut")
        wall = min(connecting, deadline, key=lambda one: one.at)
        if self._log is None and options.log_file is not None:
            self._log = ExtendedLog(options.log_file)
        log = SessionLog(logs_for(self._log))
        channel = yield from Channel.connect(options.host, options.port, log, wall)
        try:
            session = yield from self._introduced(channel, wall, deadline)
        except (dialogue.Refused, Problem):
            yield from _left(channel, deadline)
            raise
        except BaseException:
            channel.close()
            raise
        self._session = session
        return session

    def _introduced(self, channel: Channel, wall: Deadline, deadline: Deadline) -> Work[_Session]:
        options = self._options
        name = client_name(channel.local_address)
        talk = dialogue.secure(
            name, implicit=options.tls_from_the_start, cleartext=options.accept_unsecure_connection
        )
        greeted = yield from channel.run(talk, wall, options.ssl_context)
        if greeted is None:
            greeted = yield from channel.run(dialogue.hello(name), deadline)
        reply, extensions = greeted
        if options.user is None:
            return _Session(channel, extensions, reply, "EHLO" if extensions.keywords else "HELO")
        secrets = Secrets(
            options.user, options.password, options.access_token_oauth2, options.host, options.port
        )
        talk_in = dialogue.login(extensions, secrets, options.authentication_mode, token_hex(18))
        return _Session(channel, extensions, (yield from channel.run(talk_in, deadline)), "AUTH")

    def _settled(self, deadline: Deadline) -> Work[None]:
        """After each call: a broken session is closed, and one that is not to be kept says QUIT."""
        session = self._session
        if session is not None and session.channel.broken:
            self._dropped()
        elif session is not None and not self._options.keep_alive:
            yield from self.closing(deadline)

    def closing(self, deadline: Deadline | None = None) -> Work[None]:
        """Say QUIT on the session there is, and close it."""
        session, self._session = self._session, None
        if session is not None:
            yield from _left(session.channel, deadline)


def _left(channel: Channel, deadline: Deadline | None) -> Work[None]:
    """Say QUIT where that still makes sense, wait a moment for the 221, and close."""
    goodbye = Deadline.after(_GOODBYE, "close")
    wall = goodbye if deadline is None else min(goodbye, deadline, key=lambda one: one.at)
    try:
        if channel.is_mine and not channel.broken and not channel.is_dead():
            with suppress(Problem):
                yield from channel.run(dialogue.quit_session(), wall)
    finally:
        channel.close()


def client_name(local_address: str) -> str:
    """Return what to say in EHLO: this host's full name if it has one, else its address (RFC 5321 4.1.4)."""
    name = socket.gethostname()
    if "." in name.strip(".") and is_domain(name):
        return name
    address = local_address.partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
