"""How a command is answered: with the server's own reply, or as a fault says; and whether it takes effect.

RFC 5321 3.1 (greeting), 3.8 (421), 4.2 (replies).

A command takes effect when its reply is 2yz or 3yz, and not otherwise. That is decided here and nowhere else:
`answer_plainly` where no fault is about the stage, and `answer` where one may be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_smtp4d.faults.action import Disconnect, PassThrough, ReplyWith
from pytest_smtp4d.faults.match import Event
from pytest_smtp4d.server.dialogue.step import Ask, Dialogue, Sleep
from pytest_smtp4d.smtp.command import VERBS
from pytest_smtp4d.words import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_smtp4d.faults.action import Action
    from pytest_smtp4d.faults.fault import Decision
    from pytest_smtp4d.server.dialogue.protocol import Commit, ServerProtocol
    from pytest_smtp4d.smtp.reply import Reply

__all__ = ["FaultTurn", "answer", "answer_plainly", "ask", "paced"]

_WRITES = 100
"""How often a second a fast trickle writes."""


def answer_plainly(protocol: ServerProtocol, own: Reply, commit: Commit | None) -> bool:
    """Answer with the server's own reply.

    Args:
        protocol: the session.
        own: the reply.
        commit: called before the reply is written, with whether the command takes effect and with the reply.
            None: the command cannot take effect, whatever it is answered.

    Returns:
        Whether it took effect.
    """
    if not protocol.offer.has_enhanced_codes:
        own = protocol.worded(own)
    effective = own.code < 400
    if commit is not None:
        commit(effective, own)
    protocol.say(own)
    if own.code == 421:
        protocol.close("421")
    return effective and commit is not None


def answer(
    protocol: ServerProtocol,
    argument: str,
    own: Reply,
    commit: Commit | None = None,
    *,
    stages: Sequence[str] = (),
    content: bytes | None = None,
    parameters: tuple[str, ...] = (),
) -> Dialogue[bool]:
    """Answer a command as the first fault says that matches, else with the server's own reply.

    Args:
        protocol: the session.
        argument: what faults match.
        own: what the server says of itself.
        commit: as in `answer_plainly`; the reply is None where the command gets none.
        stages: whose faults are asked, in this order; none: those of the stage in progress.
        content: for `Event`.
        parameters: for `Event`.

    Returns:
        Whether the command took effect.
    """
    protocol.told = None
    if protocol.mute:
        return False
    for stage in stages or (protocol.record.stage,):
        decision = yield from ask(protocol, stage, argument, content=content, parameters=parameters)
        if decision is not None:
            turn = FaultTurn(protocol, protocol.worded(own), commit)
            yield from turn.carry_out(decision)
            return turn.is_effective
    return answer_plainly(protocol, own, commit)


def ask(
    protocol: ServerProtocol,
    stage: str,
    argument: str = "",
    *,
    content: bytes | None = None,
    parameters: tuple[str, ...] = (),
    after_octets: int | None = None,
) -> Dialogue[Decision | None]:
    """Ask the rules of a stage what happens now; None where they say nothing."""
    if not protocol.host.rules.may_match(stage):
        return None
    line = protocol.record.masked(protocol.line.rstrip(b"\r\n"), protocol.verb in VERBS)
    event = Event(
        stage,
        argument,
        protocol.session,
        protocol.transaction,
        content,
        protocol.verb,
        escaped(line),
        parameters,
    )
    decision: Decision | None = yield Ask(event, after_octets)
    return decision


class FaultTurn:
    """One command in progress, as the actions of a fault work on it (see `faults.action.Turn`).

    Args:
        protocol: the session.
        own: what the server itself would have answered.
        commit: as in `answer_plainly`.
        has_reply: False where no reply is due: at a handshake, and in mid-content.
    """

    def __init__(
        self, protocol: ServerProtocol, own: Reply, commit: Commit | None, *, has_reply: bool = True
    ) -> None:
        self.own = own
        self.announced: Reply | None = own
        self.octets_per_second: float | None = None
        self.is_effective: bool = False
        """Whether the command took effect."""
        self._protocol = protocol
        self._commit = commit
        self._has_reply = has_reply
        self._is_decided = False
        self._aborts = False

    def carry_out(self, decision: Decision) -> Dialogue[None]:
        """Do what a fault says, action by action; where none of them answers, the server's own reply does."""
        protocol = self._protocol
        protocol.record.fault(str(decision.fault))
        if decision.error is not None:
            protocol.host.failed(decision.error, f"reply_with of a fault at {protocol.record.stage}")
        actions: Sequence[Action] = decision.actions
        if self._has_reply and not any(action.answers for action in actions):
            actions = (*actions, PassThrough())
        self._aborts = any(isinstance(action, Disconnect) and action.abort for action in actions)
        self.announced = next((self._reply_of(action) for action in actions if action.answers), None)
        for action in actions:
            if self._has_reply or not isinstance(action, PassThrough):
                yield from action.perform(self)
            if protocol.closing is not None:
                return

    def _reply_of(self, action: Action) -> Reply | None:
        if isinstance(action, ReplyWith):
            return action.reply
        return self.own if isinstance(action, PassThrough) else None

    def commit(self, effective: bool, reply: Reply | None) -> None:
        """Commit or discard the command; later calls are ignored."""
        if not self._is_decided:
            self._is_decided = True
            self.is_effective = effective and self._commit is not None
            if self._commit is not None:
                self._commit(effective, reply)

    def break_protocol(self) -> None:
        """Record that from here on the client cannot be blamed."""
        self._protocol.record.broken()

    def mute(self) -> None:
        """Say nothing more in this session."""
        self._protocol.mute = True

    def close(self, *, abort: bool) -> None:
        """Close the connection."""
        self._protocol.close(f"disconnected at {self._protocol.record.stage}", abort=abort, notify=False)

    def reply(self, reply: Reply) -> Dialogue[None]:
        """Give a reply; 421 closes after it (RFC 5321 3.8), with RST where the fault does so next."""
        self.commit(reply.is_positive, reply)
        if self.octets_per_second is None:
            self._protocol.say(reply)
        else:
            self._protocol.announce(reply)
            yield from self.write(reply.octets)
        if reply.code == 421:
            self._protocol.close("421", abort=self._aborts)

    def write(self, octets: bytes) -> Dialogue[None]:
        """Write octets, at the speed that is set."""
        for part in paced(octets, self.octets_per_second):
            if isinstance(part, Sleep):
                yield part
            else:
                self._protocol.write(part)

    def sleep(self, seconds: float) -> Dialogue[None]:
        """Wait."""
        yield Sleep(seconds)


def paced(octets: bytes, octets_per_second: float | None) -> Iterator[bytes | Sleep]:
    """Yield octets in the parts in which they are written, with the waits between them."""
    if octets_per_second is None:
        yield octets
        return
    step = max(1, round(octets_per_second / _WRITES))
    for start in range(0, len(octets), step):
        if start:
            yield Sleep(step / octets_per_second)
        yield octets[start : start + step]
