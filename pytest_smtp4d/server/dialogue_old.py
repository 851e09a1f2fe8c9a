"""How a command is answered: the server's own reply, or what the faults say, and whether it takes effect.

RFC 5321 3.1 (greeting), 3.8 (421), 4.1.4 (order), 4.2 (replies), RFC 3207 4 (530), RFC 2034 (enhanced codes).
The one thing to know: a command takes effect when its reply is 2yz or 3yz and not otherwise; that is decided
in `answer`, and nowhere else.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_smtp4d.faults.action import (
    Accept,
    Delay,
    Disconnect,
    PassThrough,
    ReplyWith,
    Send,
    Silence,
    Trickle,
)
from pytest_smtp4d.faults.fault import STAGES, Event
from pytest_smtp4d.records.violation import Judge
from pytest_smtp4d.server.command_loop import TOO_LONG, CommandLoop
from pytest_smtp4d.server.smtpd import HOSTNAME
from pytest_smtp4d.smtp.command import is_too_long
from pytest_smtp4d.smtp.reply import Reply
from pytest_smtp4d.smtp.wire import encode_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_smtp4d.faults.action import Action
    from pytest_smtp4d.faults.fault import Fault
    from pytest_smtp4d.records.record import Transaction

    Settle = Callable[[bool, Reply | None], None]
    Decision = tuple[Fault, tuple[Action, ...]]

__all__ = ["Dialogue"]

# Allowed before TLS where it is required (RFC 3207 4).
_BEFORE_TLS = frozenset({"NOOP", "EHLO", "STARTTLS", "QUIT"})

TLS_REQUIRED = Reply(530, "5.7.0 Must issue a STARTTLS command first")
NOT_RECOGNISED = Reply(500, "5.5.1 Command not recognized")
LINE_TOO_LONG = Reply(500, "5.5.2 Line too long")
NO_SERVICE = Reply(503, "5.5.1 No SMTP service here")
NO_NUL = Reply(500, "5.5.2 A command line cannot hold NUL")

_STAGES = frozenset(STAGES)
_TICKS = 100
"""How often a second a fast trickle writes."""


@lru_cache(256)
def without_enhanced_code(reply: Reply) -> Reply:
    """Return the reply as a server words it that does not offer ENHANCEDSTATUSCODES."""
    if reply.enhanced_code is None:
        return reply
    return Reply(reply.code, "\n".join(line.partition(" ")[2] for line in reply.lines))


@dataclass(slots=True)
class _Act:
    """A fault at work on one command.

    Args:
        natural: what the server itself would have answered.
        settle: what to call, once, with whether the command takes effect and the reply it gets; None where it
            cannot take effect.
    """

    natural: Reply
    settle: Settle | None
    taken: bool = False
    settled: bool = False
    pace: float | None = None

    def decide(self, taken: bool, reply: Reply | None) -> None:
        """Let the command take effect, or not; what was decided first stays."""
        if not self.settled:
            self.settled = True
            self.taken = taken and self.settle is not None
            if self.settle is not None:
                self.settle(taken, reply)


class Dialogue(CommandLoop):
    """A session's dialogue, command by command."""

    transaction: Transaction | None = None
    """The open transaction."""
    refused = False
    """The greeting was a refusal: there is no service but QUIT (RFC 5321 3.1)."""

    mute = False
    """A fault silenced the session: what comes is recorded, has no effect and gets no reply."""

    # -- the beginning --------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Do the handshake where TLS is implicit, then greet."""
        if self.settings.tls == "implicit" and not await self.start_tls():
            return
        self.stage = "CONNECT"
        await self.answer("CONNECT", self.record.peer[0], self._greeting(), self._settle_greeting)

    def _greeting(self) -> Reply:
        return Reply(220, f"{HOSTNAME} {'ESMTP' if self.settings.esmtp else 'SMTP'} pytest-smtp4d")

    def _settle_greeting(self, taken: bool, reply: Reply | None) -> None:
        self.refused = not taken and reply is not None

    async def start_tls(self) -> bool:
        """Wait for the first octets of a handshake, then do what the faults at TLS say, or the handshake.

        Returns:
            Whether there is TLS now.
        """
        self.stage = "TLS"
        octets = await self.octets()
        decision = await self.decide(Event("TLS", session=self.record))
        actions = () if decision is None else decision[1]
        act = _Act(Reply(220), None)
        accepted = any(isinstance(action, Accept) for action in actions)
        if not accepted:
            await self._act(actions, act, answers=False)
            if not self.is_closing and any(isinstance(action, Send | Silence) for action in actions):
                await self._deaf()
        pace = next((action.octets_per_second for action in actions if isinstance(action, Trickle)), None)

        async def send(flight: bytes) -> None:
            await self._paced(flight, pace, self.write_unrecorded)

        if self.is_closing or not await self.handshake(octets, send):
            return False
        if self.settings.tls == "implicit":
            self.judge = Judge(tls=True)
        else:
            self.judge.tls_started()
        if accepted:
            await self._act(actions, act, answers=False)
        return not self.is_closing

    async def _deaf(self) -> None:
        """Throw away what comes, until the client leaves: there will be no handshake any more."""
        while True:
            await self.octets()

    # -- one command ----------------------------------------------------------------------------------------

    async def command(self, line: bytes, pipelined: bool) -> None:
        """Record a line, judge it, and do what it says."""
        text = "" if line is TOO_LONG else line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
        verb, _, argument = text.partition(" ")
        verb = verb.upper()
        argument = argument.strip()
        self.stage = verb if verb in COMMANDS else "UNKNOWN"
        self.told = None
        shown = b"(a line over the limit)" if line is TOO_LONG else line
        self.record.transcript.append("C", shown, stage=self.stage, tls=self.under_tls, at=self.now())
        self._index = self.record.record_command(verb, argument)
        self.violate(self.judge.command(verb, argument, line, pipelined=pipelined))
        self.line_octets = line
        if self.mute:
            return
        if is_too_long(verb, line):
            await self.answer(self.stage, "", LINE_TOO_LONG)
        elif "\0" in text:
            await self.answer(self.stage, "", NO_NUL)
        elif verb in COMMANDS:
            await getattr(self, f"smtp_{verb}")(argument)
        elif verb == "EXPN":
            await self.smtp_EXPN(argument)  # aiosmtpd's own
        else:
            await self.answer("UNKNOWN", "", self.barred(verb) or NOT_RECOGNISED)

    line_octets = b""
    """The command line in progress, for judges of its parameters."""

    def barred(self, verb: str) -> Reply | None:
        """Return why no command like this can be served in this session, or None."""
        if self.refused and verb != "QUIT":
            return NO_SERVICE
        if self.settings.require_tls and not self.under_tls and verb not in _BEFORE_TLS:
            return TLS_REQUIRED
        return None

    async def push(self, status: str | bytes) -> None:
        """Answer in aiosmtpd's form, code and text in one: what it implements itself comes through here."""
        text = status.decode() if isinstance(status, bytes) else status
        code = int(text[:3])
        enhanced = f"{code // 100}.5.1 " if code >= 400 else "2.0.0 "
        await self.answer(self.stage, "", self.barred("") or Reply(code, enhanced + text[4:]))

    # -- the reply, and what comes of it --------------------------------------------------------------------

    def worded(self, reply: Reply) -> Reply:
        """Return one of the server's own replies without enhanced code where those are not on offer."""
        if self.settings.esmtp and "ENHANCEDSTATUSCODES" in self.settings.extensions:
            return reply
        return without_enhanced_code(reply)

    async def answer(
        self,
        stage: str,
        argument: str,
        natural: Reply,
        settle: Settle | None = None,
        content: bytes | None = None,
        asked_first: str = "",
    ) -> bool:
        """Answer a command: as the first fault says that matches, else with `natural`.

        Args:
            stage: whose faults are asked.
            argument: what they match.
            natural: what the server says of itself.
            settle: called before the reply is written with whether the command takes effect, and with the
                reply (None where it gets none). No `settle`: it cannot take effect, whatever it is answered.
            content: for `Event`.
            asked_first: another stage that is reached at once, whose faults come first.

        Returns:
            Whether the command took effect.
        """
        if self.mute:
            return False
        natural = self.worded(natural)
        for reached in (asked_first, stage) if asked_first else (stage,):
            if not self.state.rules.may_match(reached):
                continue
            decision = await self.decide(Event(reached, argument, self.record, self.transaction, content))
            if decision is not None:
                act = _Act(natural, settle)
                await self._act(decision[1], act)
                return act.taken
        taken = natural.is_positive
        if settle is not None:
            settle(taken, natural)
        self.say(natural)
        return taken and settle is not None

    async def decide(self, event: Event, after_octets: int | None = None) -> Decision | None:
        """Ask the faults; a predicate, which is the user's code, runs in a thread of its own."""
        rules = self.state.rules
        if not rules.has_predicate(event.stage):
            return rules.decide(event, after_octets)
        answered: asyncio.Future[Decision | None] = self.loop.create_future()

        def deliver(decision: Decision | None) -> None:
            if not answered.done():
                answered.set_result(decision)

        def ask() -> None:
            decision = None
            try:
                decision = rules.decide(event, after_octets)
            except BaseException as error:  # noqa: BLE001 - kept until the verdict
                self.state.failed(error, f"predicate of a fault at {event.stage}")
            if not self.loop.is_closed():
                self.loop.call_soon_threadsafe(deliver, decision)

        threading.Thread(target=ask, name=f"smtp4d {event.stage} predicate", daemon=True).start()
        return await answered

    async def interrupt(self, actions: Sequence[Action]) -> bool:
        """Do what a fault says in mid-content, which has no answer; False when it closed the session."""
        await self._act(actions, _Act(Reply(250), None), answers=False)
        return not self.is_closing

    async def _act(self, actions: Sequence[Action], act: _Act, *, answers: bool = True) -> None:
        """Do what a fault says, action by action; where none of them answers, the server's own reply does.

        Args:
            actions: in the order of execution.
            act: what they work on.
            answers: False at a stage that has no reply.
        """
        answered = False
        for action in actions:
            if isinstance(action, Delay):
                await asyncio.sleep(action.seconds)
            elif isinstance(action, Trickle):
                act.pace = action.octets_per_second
                self.record.broken = True
            elif isinstance(action, Accept):
                act.decide(True, _reply_among(actions, act.natural))
            else:
                answered = True
                await self._answer_with(action, act)
            if self.is_closing:
                return
        if not answered and answers:
            await self._answer_with(PassThrough(), act)

    async def _answer_with(self, action: Action, act: _Act) -> None:
        if isinstance(action, ReplyWith | PassThrough):
            reply = action.reply if isinstance(action, ReplyWith) else act.natural
            act.decide(reply.is_positive, reply)
            self.note(reply)
            await self._paced(encode_reply(reply), act.pace, self.write)
            if reply.code == 421:
                self.hang_up("421")
            return
        act.decide(False, None)
        if isinstance(action, Send):
            self.record.broken = True
            await self._paced(action.octets, act.pace, self.write)
        elif isinstance(action, Silence):
            self.record.broken = self.mute = True
        elif isinstance(action, Disconnect):
            self.hang_up(f"disconnected at {self.stage}", abort=action.abort, notify=False)

    async def _paced(self, octets: bytes, pace: float | None, write: Callable[[bytes], None]) -> None:
        """Write octets, at so many a second where a pace is set."""
        if pace is None:
            write(octets)
            return
        step = max(1, round(pace / _TICKS))
        for start in range(0, len(octets), step):
            if start:
                await asyncio.sleep(step / pace)
            write(octets[start : start + step])
            self.flush()


def _reply_among(actions: Sequence[Action], natural: Reply) -> Reply | None:
    """Return the reply that the actions will give; the server's own where they give no answer."""
    for action in actions:
        if isinstance(action, ReplyWith):
            return action.reply
        if isinstance(action, Send | Silence | Disconnect):
            return None
    return natural


COMMANDS = _STAGES - {"CONNECT", "TLS", "CONTENT", "UNKNOWN"}
"""The verbs that have a stage of their own."""
