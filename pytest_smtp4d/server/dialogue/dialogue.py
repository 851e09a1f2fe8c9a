"""A server's side of a whole session, as one generator: `converse`.

RFC 5321 3.1 (greeting), 4.1 (commands), 4.5.3.1 (limits), RFC 2920 (pipelining).

It reads what has arrived from its `ServerProtocol`, leaves what is to be written there, and yields a `Step`
where it cannot go on alone. It knows no socket, no TLS library, no thread and no clock; `server.connection`
drives it. When it returns, or has set `protocol.closing`, the session is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_smtp4d.server.dialogue import commands, login, replies, transaction
from pytest_smtp4d.server.dialogue.answer import answer, answer_plainly
from pytest_smtp4d.server.dialogue.protocol import TOO_LONG, ServerProtocol
from pytest_smtp4d.server.dialogue.step import DONE, MORE, Dialogue
from pytest_smtp4d.smtp.command import MAX_LINE, is_too_long

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_smtp4d.server.dialogue.commands import Plain
    from pytest_smtp4d.smtp.reply import Reply

__all__ = ["COMMANDS", "GROUP", "converse"]

GROUP = 250
"""Pipelined commands that are answered before their replies leave."""

TLS_HANDSHAKE = b"\x16\x03"
"""How a TLS record of a handshake begins (RFC 8446 5.1)."""

COMMANDS: Mapping[str, Callable[[ServerProtocol, str], Plain | Dialogue[None]]] = {
    "HELO": commands.helo,
    "EHLO": commands.ehlo,
    "STARTTLS": commands.starttls,
    "AUTH": login.auth,
    "MAIL": transaction.mail,
    "RCPT": transaction.rcpt,
    "DATA": transaction.data,
    "BDAT": transaction.bdat,
    "RSET": commands.rset,
    "NOOP": commands.noop,
    "VRFY": commands.vrfy,
    "EXPN": commands.expn,
    "HELP": commands.help_,
    "QUIT": commands.quit_,
}
"""The one table of commands: verb -> what it does with its argument."""


def converse(protocol: ServerProtocol) -> Dialogue[None]:
    """Hold the server's side of a session, from the greeting to its end."""
    if protocol.settings.tls == "implicit" and not (yield from commands.start_tls(protocol)):
        return
    yield from _greet(protocol)
    protocol.busy = False
    if protocol.closing is None and not protocol.record.tls:
        yield from _expect_clear_text(protocol)
    answered = 0
    while protocol.closing is None:
        protocol.busy = False
        line = protocol.take_line()
        if line is None:
            answered = 0
            yield MORE
            continue
        verb, argument = protocol.begin_command(line)
        if not protocol.mute:
            try:
                rest = _command(protocol, line, verb, argument)
                if rest is not None:
                    yield from rest
                if protocol.expects_content and protocol.closing is None:
                    yield from transaction.content(protocol)
            except Exception as error:  # noqa: BLE001 - kept for the verdict; the session goes on
                protocol.host.failed(error, f"the server at {protocol.record.stage}")
                protocol.say(protocol.worded(replies.INTERNAL_ERROR))
        answered += 1
        # The reply to content leaves at once: what is pipelined behind it can take its time.
        is_due = answered >= GROUP or protocol.record.stage == "CONTENT"
        if is_due and protocol.position < len(protocol.input):  # else it waits for octets anyway
            answered = 0
            yield DONE


def _greet(protocol: ServerProtocol) -> Dialogue[None]:
    def commit(effective: bool, reply: Reply | None) -> None:
        if not effective and reply is not None:
            protocol.refuse_service()

    protocol.record.stage = "CONNECT"
    if protocol.host.is_stripped:
        protocol.record.stripped()
    own = replies.GREETING if protocol.settings.esmtp else replies.GREETING_WITHOUT_ESMTP
    if protocol.host.is_full:
        own = replies.TOO_MANY_CONNECTIONS
    yield from answer(protocol, protocol.session.peer[0], own, commit)


def _expect_clear_text(protocol: ServerProtocol) -> Dialogue[None]:
    """Close where the client begins with TLS although clear text is due."""
    while len(begin := protocol.input[protocol.position :][:2]) < 2 and TLS_HANDSHAKE.startswith(begin):
        yield MORE
    if begin == TLS_HANDSHAKE:
        protocol.close("TLS handshake where clear text was due: use STARTTLS")


def _command(protocol: ServerProtocol, line: bytes, verb: str, argument: str) -> Dialogue[object] | None:
    """Do what a line says: answer it now, or return the dialogue that does."""
    if len(line) > MAX_LINE and (line is TOO_LONG or is_too_long(verb, line)):
        return answer(protocol, "", replies.LINE_TOO_LONG)
    if b"\0" in line:
        return answer(protocol, "", replies.NO_NUL)
    command = COMMANDS.get(verb)
    if command is None:
        return answer(protocol, verb, protocol.refusal(verb) or replies.NOT_RECOGNISED)
    result = command(protocol, argument)
    if not isinstance(result, tuple):
        return result
    matched, own, commit, parameters = result
    if protocol.host.rules.may_match(verb):
        return answer(protocol, matched, own, commit, parameters=parameters)
    answer_plainly(protocol, own, commit)
    return None
