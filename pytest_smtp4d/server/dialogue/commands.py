"""The commands around a mail transaction: HELO, EHLO, STARTTLS, RSET, NOOP, VRFY, EXPN, HELP, QUIT.

RFC 5321 4.1.1.1, 4.1.1.5 to 4.1.1.10 (commands), RFC 3207 (STARTTLS).

A command that waits for nothing is a function that returns a `Plain`: what faults match, the server's own
reply, and what the command does when it takes effect. `dialogue` asks the faults and gives the reply.
STARTTLS and QUIT go on after their reply, so they are dialogues themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_smtp4d.faults.action import Accept, Send, Silence, Trickle
from pytest_smtp4d.server.dialogue import replies
from pytest_smtp4d.server.dialogue.answer import FaultTurn, answer, ask, paced
from pytest_smtp4d.server.dialogue.step import Dialogue, Flight, Handshake, Sleep

if TYPE_CHECKING:
    from pytest_smtp4d.faults.fault import Decision
    from pytest_smtp4d.server.dialogue.protocol import Commit, ServerProtocol
    from pytest_smtp4d.smtp.reply import Reply

__all__ = ["ehlo", "expn", "helo", "help_", "noop", "quit_", "rset", "start_tls", "starttls", "vrfy"]


if TYPE_CHECKING:
    Plain = tuple[str, Reply, Commit | None, tuple[str, ...]]
"""A command that waits for nothing. A bare tuple, for every command makes one:

* what faults match;
* what the server says of itself;
* what the command does when it takes effect (see `answer.answer_plainly`), None for nothing;
* the parameters of MAIL and RCPT, for faults.
"""


def helo(protocol: ServerProtocol, argument: str) -> Plain:
    """Greet a client of the HELO age (RFC 5321 4.1.1.1)."""
    own = protocol.refusal("HELO") or (replies.HELO_OK if argument else replies.HELO_NEEDS_NAME)
    return argument, own, lambda effective, _: _greet(protocol, argument, False, effective), ()


def ehlo(protocol: ServerProtocol, argument: str) -> Plain:
    """Greet a client and name the extensions (RFC 5321 4.1.1.1)."""
    if not protocol.settings.esmtp:
        own = replies.NO_ESMTP
    elif not argument:
        own = replies.EHLO_NEEDS_NAME
    else:
        own = protocol.refusal("EHLO") or protocol.offer.capabilities(protocol.record.tls)
    return argument, own, lambda effective, _: _greet(protocol, argument, True, effective), ()


def _greet(protocol: ServerProtocol, name: str, extended: bool, effective: bool) -> None:
    if effective:
        protocol.greeted, protocol.extended = True, extended
        protocol.session.client_name = name
        protocol.end_transaction()


def rset(protocol: ServerProtocol, argument: str) -> Plain:
    """Abandon the transaction (RFC 5321 4.1.1.5)."""
    own = protocol.refusal("RSET") or (replies.NO_ARGUMENT if argument else replies.OK)
    return "", own, lambda effective, _: protocol.end_transaction() if effective else None, ()


def noop(protocol: ServerProtocol, argument: str) -> Plain:
    """Do nothing (RFC 5321 4.1.1.9)."""
    return argument, protocol.refusal("NOOP") or replies.OK, None, ()


def vrfy(protocol: ServerProtocol, argument: str) -> Plain:
    """Say that addresses are not verified (RFC 5321 4.1.1.6, 7.3)."""
    own = replies.NOT_VERIFIED if argument else replies.VRFY_NEEDS_ADDRESS
    return argument, protocol.refusal("VRFY") or own, None, ()


def expn(protocol: ServerProtocol, argument: str) -> Plain:
    """Say that lists are not shown (RFC 5321 4.1.1.7, 7.3)."""
    return argument, protocol.refusal("EXPN") or replies.NO_EXPN, None, ()


def help_(protocol: ServerProtocol, argument: str) -> Plain:
    """List the commands that are served, or show the syntax of one (RFC 5321 4.1.1.8)."""
    return argument, protocol.refusal("HELP") or protocol.offer.help_on(argument), None, ()


def quit_(protocol: ServerProtocol, argument: str) -> Dialogue[None]:
    """Say goodbye and close (RFC 5321 4.1.1.10)."""
    protocol.has_quit = True
    leaves = False

    def commit(effective: bool, _: Reply | None) -> None:
        nonlocal leaves
        leaves = effective

    yield from answer(protocol, "", replies.NO_ARGUMENT if argument else replies.BYE, commit)
    if leaves:
        protocol.close("QUIT")


def starttls(protocol: ServerProtocol, argument: str) -> Dialogue[None]:
    """Upgrade the session (RFC 3207); what was said in clear text counts for nothing any more."""
    is_possible = not protocol.record.tls
    if protocol.record.tls:
        own = replies.TLS_ALREADY
    elif protocol.settings.tls != "starttls":
        own = replies.NO_STARTTLS
    elif (refusal := protocol.refusal("STARTTLS")) is not None:
        own = refusal
    elif not protocol.greeted:
        own = replies.EHLO_FIRST
    else:
        own = replies.NO_ARGUMENT if argument else replies.READY_FOR_TLS
    effective = yield from answer(protocol, "", own, (lambda *_: None) if is_possible else None)
    if not effective or protocol.closing is not None:
        return
    # What came behind STARTTLS in clear text nobody may execute.
    if protocol.waiting:
        protocol.record.early(protocol.take_all(), "RFC 3207 4.2")
    if (yield from start_tls(protocol)):
        protocol.forget_client()


def start_tls(protocol: ServerProtocol) -> Dialogue[bool]:
    """Wait for the first octets of a handshake, then do what the faults at TLS say, or the handshake.

    Returns:
        Whether there is TLS now.
    """
    protocol.record.stage = "TLS"
    octets = yield from protocol.octets()
    decision = yield from ask(protocol, "TLS")
    actions = () if decision is None else decision.actions
    is_accepted = any(isinstance(action, Accept) for action in actions)
    if decision is not None and not is_accepted:
        yield from _disturb(protocol, decision)
        if protocol.closing is None and any(isinstance(action, Send | Silence) for action in actions):
            while True:  # throw away what comes: there will be no handshake any more
                yield from protocol.octets()
    pace = next((action.octets_per_second for action in actions if isinstance(action, Trickle)), None)
    if protocol.closing is not None or not (yield from _handshake(protocol, octets, pace)):
        return False
    if decision is not None and is_accepted:
        yield from _disturb(protocol, decision)
    return protocol.closing is None


def _disturb(protocol: ServerProtocol, decision: Decision) -> Dialogue[None]:
    yield from FaultTurn(protocol, replies.OK, None, has_reply=False).carry_out(decision)


def _handshake(protocol: ServerProtocol, octets: bytes, pace: float | None) -> Dialogue[bool]:
    """Do the server's part of a handshake, writing so many octets a second where a pace is set."""
    while True:
        flight: Flight = yield Handshake(octets)
        for part in paced(flight.octets, pace):
            if isinstance(part, Sleep):
                yield part
            else:
                protocol.flights += part
        if flight.failure:
            protocol.close(flight.failure, notify=False)
            return False
        if flight.tls is not None:
            protocol.record.tls = True
            protocol.session.tls = flight.tls
            protocol.record.handshake(
                implicit=protocol.settings.tls == "implicit", must_be_refused=flight.must_be_refused
            )
            return True
        octets = yield from protocol.octets()
