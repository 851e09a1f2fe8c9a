"""What goes wrong, where, for whom and how often: one fault, its actions and its counters.

RFC 5321 4.2 (replies), 3.8 (421), 4.3.2 (which replies belong to which command).
A command takes effect when its reply is 2yz or 3yz and not otherwise; `send`, `silence` and `disconnect`
leave it without effect unless `accept()` comes first.

A fault says and counts; `rules` asks one after the other, and the server carries out the actions. A fault is
made by the test's thread while sessions run in the server's loop: counters move under a lock.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_smtp4d.checks import check_count, check_octets, check_positive
from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.faults.action import (
    ACTIONS,
    Accept,
    Action,
    Delay,
    Disconnect,
    PassThrough,
    ReplyFrom,
    ReplyWith,
    Send,
    Silence,
    Trickle,
)
from pytest_smtp4d.faults.match import Event, Match, matcher
from pytest_smtp4d.faults.reply import ReplySpec, make_reply
from pytest_smtp4d.faults.stage import STAGES
from pytest_smtp4d.smtp.reply import Reply
from pytest_smtp4d.words import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Decision", "Fault"]

_REPLIES = (ReplyWith, PassThrough, ReplyFrom)


def actions_of(stage: str) -> tuple[str, ...]:
    """Return the names of the actions that a stage ("*": any stage) can have, in the order of the table."""
    has_reply = stage == "*" or STAGES[stage].has_reply
    return tuple(name for name in ACTIONS if has_reply or name not in ("reply", "replies", "reply_with"))


class Decision(NamedTuple):
    """What a fault does about an event.

    Args:
        fault: which one acts.
        actions: what to carry out, in order.
        error: what the user's function raised, where it did.
    """

    fault: Fault
    actions: tuple[Action, ...]
    error: Exception | None = None


class Fault:
    """One rule and its actions, as `on()` returns it; every action returns the fault, so they chain.

    Until an action is chained, a fault does nothing, and counts as never hit.

    Args:
        stage: one of `STAGES`, or "*".
        match: a shell pattern (case ignored), a compiled pattern (searched), or a predicate of `Event`.
        times: how often it acts, then it steps aside; None: always.
        after: how many events that match are let through first.
        origin: file:line of the declaration, for messages.

    Raises:
        SettingsError: an unknown stage, `times` or `after` that cannot be, a match that is none.

    Example:
        >>> fault = smtp_server.on("CONTENT", times=1).delay(0.01).reply(451, "4.3.0 Try later")
        >>> fault.hits
        0
    """

    def __init__(
        self, stage: str, match: Match = None, *, times: int | None = None, after: int = 0, origin: str = ""
    ) -> None:
        if not isinstance(stage, str):
            raise SettingsError(f"a stage is one of {', '.join(STAGES)} or '*', not {stage!r}")
        if stage != "*" and stage not in STAGES:
            raise SettingsError(f"unknown stage {stage!r}{nearest(stage, (*STAGES, '*'))}")
        if times is not None:
            check_count("times", times, 1, "how often the fault acts, or None for always")
        check_count("after", after, 0, "how many matching events are let through first")
        self.stage = stage
        self.match = match
        self.times = times
        self.after = after
        self.origin = origin
        self.hits: int = 0
        """How often it acted; counted when an action starts."""
        self._actions: tuple[Action, ...] = ()
        """What it does, in order; with `replies([...])` the first of them stands for all."""
        self._is_optional = False
        self._replies: tuple[Action, ...] = ()
        self._seen = 0
        self._stages = frozenset(STAGES) if stage == "*" else frozenset({stage})
        self._matches = matcher(stage, match)
        self._lock = threading.Lock()

    # Actions: what each can follow is checked where it is declared.

    def reply(self, code: int, text: str | None = None) -> Fault:
        """Answer with this reply.

        Args:
            code: 200 to 599; 421 closes after the reply.
            text: newlines make a multi-line reply; None: the usual words for the code.

        Raises:
            SettingsError: a code or text that no reply can have, or no place for it in the chain.

        Example:
            >>> fault = smtp_server.on("RCPT", "nobody@*").reply(550, "5.1.1 No such user")
        """
        self._check("reply")
        return self._chain(_reply_action(make_reply(code if text is None else (code, text))))

    def replies(self, replies: Sequence[ReplySpec]) -> Fault:
        """Answer with these replies over successive hits, then step aside.

        Args:
            replies: each a code, (code, text), a `Reply`, or "ok" to answer as if there were no fault.

        Raises:
            SettingsError: an empty list, an item that is no reply, fewer items than `times`.

        Example:
            >>> fault = smtp_server.on("MAIL").replies([(451, "4.3.0 Try later"), 452, "ok"])
        """
        self._check("replies")
        if not isinstance(replies, (list, tuple)) or not replies:
            raise SettingsError(f"replies() takes a list of at least one reply, not {replies!r}")
        if self.times is not None and self.times > len(replies):
            raise SettingsError(
                f"times={self.times}, but replies() has {len(replies)}: leave times out or add replies"
            )
        self._replies = tuple(_reply_action(make_reply(item)) for item in replies)
        return self._chain(self._replies[0])

    def reply_with(self, function: Callable[[Event], ReplySpec | None]) -> Fault:
        """Answer with what a function returns.

        Args:
            function: called with the `Event` in a thread of its own; returns a code, (code, text), a `Reply`,
                or None for the server's own reply. While it runs only that session waits. If it raises, or
                returns something else, the reply is 451 4.3.0 and the test fails.

        Raises:
            SettingsError: it cannot be called, or there is no place for it in the chain.

        Example:
            >>> def quota(event):
            ...     return (552, "5.2.2 Mailbox full") if event.argument.startswith("full") else None
            >>> fault = smtp_server.on("RCPT").reply_with(quota)
        """
        self._check("reply_with")
        if not callable(function):
            raise SettingsError(f"reply_with() takes a function of an Event, not {function!r}")
        return self._chain(ReplyFrom(function))

    def pass_through(self) -> Fault:
        """Answer as if there were no fault, and ask no further rule: the head of an allow list.

        Raises:
            SettingsError: there is no place for it in the chain.

        Example:
            >>> known = smtp_server.on("RCPT", "*@valid.example").pass_through()
            >>> others = smtp_server.on("RCPT").reply(550, "5.1.1 No such user")
        """
        self._check("pass_through")
        return self._chain(PassThrough())

    def delay(self, seconds: float) -> Fault:
        """Wait this many seconds, then go on with the next action, or answer as usual.

        Example:
            >>> fault = smtp_server.on("DATA").delay(0.01).reply(354)
        """
        self._check("delay")
        return self._chain(Delay(check_positive("delay", seconds, "seconds")))

    def accept(self) -> Fault:
        """Let the command take effect although its own reply is not sent, or says otherwise.

        Example:
            >>> fault = smtp_server.on("CONTENT").accept().disconnect()  # stored, and the 250 is lost
        """
        self._check("accept")
        if self._has(Accept) or self._answers:
            raise SettingsError("accept() comes once, and before reply, send, silence and disconnect")
        return self._chain(Accept())

    def disconnect(self, abort: bool = False, after_octets: int | None = None) -> Fault:
        """Close the connection.

        Args:
            abort: RST instead of FIN.
            after_octets: in mid-content, when this many octets of it have arrived (CONTENT and BDAT only).

        Raises:
            SettingsError: `after_octets` where there is no content, or no place for it in the chain.

        Example:
            >>> fault = smtp_server.on("MAIL").disconnect()
            >>> midway = smtp_server.on("CONTENT").disconnect(after_octets=1000)
        """
        self._check("disconnect")
        if not isinstance(abort, bool):
            raise SettingsError(f"disconnect(abort=…) is True or False, not {abort!r}")
        if after_octets is not None:
            self._check_after_octets(after_octets)
        elif self._has(Trickle) and not self._has(*_REPLIES, Send) and self.stage != "TLS":
            raise SettingsError("trickle() then disconnect() writes nothing: chain reply() or send() between")
        return self._chain(Disconnect(abort, after_octets))

    def silence(self) -> Fault:
        """Answer nothing at all; the connection stays open.

        Example:
            >>> fault = smtp_server.on("EHLO").silence()
            >>> with make_transporter(send_time_out=0.05) as patient:
            ...     patient.check_connection().command
            'EHLO'
        """
        self._check("silence")
        if self._has(*_REPLIES, Send, Trickle):
            raise SettingsError("silence() answers nothing, so it cannot follow reply, send or trickle")
        if self.stage == "QUIT" and self._has(Accept):
            raise SettingsError("QUIT takes effect by closing, so accept() contradicts silence()")
        return self._chain(Silence())

    def send(self, octets: bytes) -> Fault:
        r"""Write these octets, as they are, instead of a reply (after `reply()`: behind it).

        Example:
            >>> fault = smtp_server.on("EHLO").send(b"garbage\xff\r\n")
        """
        self._check("send")
        return self._chain(Send(check_octets(octets)))

    def trickle(self, octets_per_second: float) -> Fault:
        """Write the answer, whichever it is, at this speed.

        Example:
            >>> fault = smtp_server.on("EHLO").trickle(10_000)
        """
        self._check("trickle")
        if self._has(Trickle):
            raise SettingsError("trickle() comes once: it is the speed of the whole answer")
        action = Trickle(check_positive("trickle", octets_per_second, "octets per second"))
        # It holds for the whole answer, so it goes before it, wherever in the chain it was named.
        answers = [index for index, other in enumerate(self._actions) if other.answers]
        return self._chain(action, before=answers[0] if answers else None)

    def optional(self) -> Fault:
        """Do not fail the test when this fault is never hit.

        Example:
            >>> fault = smtp_server.on("VRFY").reply(252).optional()
        """
        self._is_optional = True
        return self

    def _chain_all(self, actions: Mapping[str, object]) -> None:
        """Chain actions given as keywords, in the one order in which they make sense."""
        for name in actions:
            if name not in ACTIONS:
                known = (*ACTIONS, "times", "after", "optional")
                raise SettingsError(f"unknown option {name!r} of a fault{nearest(name, known)}")
        for name, kind in ACTIONS.items():
            if name not in actions:
                continue
            arguments = kind.arguments(actions[name])
            if isinstance(arguments, dict):
                getattr(self, name)(**arguments)
            elif arguments is not None:
                getattr(self, name)(*arguments)
        if not self._actions:
            raise SettingsError(
                f"the fault on {self.stage!r} has no action; give it one of {', '.join(ACTIONS)}"
            )

    def _has(self, *kinds: type[Any]) -> bool:
        return any(isinstance(action, kinds) for action in self._actions)

    @property
    def _answers(self) -> bool:
        return any(action.answers for action in self._actions)

    def _check(self, name: str) -> None:
        able = actions_of(self.stage)
        if name not in able:
            known = ", ".join(able)
            raise SettingsError(f"{self.stage} has no reply, so it cannot have {name}(); it can have {known}")
        if self._has(Disconnect, Silence):
            ended = "disconnect" if self._has(Disconnect) else "silence"
            raise SettingsError(f"{name}() after {ended}() would never happen; {ended}() comes last")
        if name in ("reply", "replies", "reply_with", "pass_through"):
            if self._has(*_REPLIES):
                raise SettingsError(
                    f"{name}() after a reply: one command has one reply; replies([...]) answers in turn, "
                    "send(b'...') writes any octets"
                )
            if self._has(Send):
                raise SettingsError(f"{name}() after send(): put all the octets into send()")

    def _check_after_octets(self, after_octets: object) -> None:
        if self.stage == "*" or not STAGES[self.stage].has_content:
            raise SettingsError(
                f"after_octets counts content: CONTENT and BDAT have it, {self.stage!r} has not"
            )
        check_count("after_octets", after_octets, 0, "how many octets of content arrive before the close")
        if any(not isinstance(action, Delay | ReplyWith) for action in self._actions):
            raise SettingsError(
                "disconnect(after_octets=…) acts in mid-content: only delay() and a refusing reply() "
                "can precede it"
            )
        if any(isinstance(action, ReplyWith) and action.reply.is_positive for action in self._actions):
            raise SettingsError("a reply in mid-content refuses the message: its code is 421, 4yz or 5yz")

    def _chain(self, action: Action, before: int | None = None) -> Fault:
        position = len(self._actions) if before is None else before
        self._actions = (*self._actions[:position], action, *self._actions[position:])
        if self.stage == "*" and isinstance(action, _REPLIES):
            self._stages = frozenset(name for name, stage in STAGES.items() if stage.has_reply)
        return self

    # The decision.

    @property
    def _after_octets(self) -> int | None:
        """The octets of content after which it acts; None: it acts where a reply is due."""
        last = self._actions[-1] if self._actions else None
        return last.after_octets if isinstance(last, Disconnect) else None

    @property
    def _runs_users_code(self) -> bool:
        """Whether asking it, or answering by it, runs the user's code."""
        return callable(self.match) or self._has(ReplyFrom)

    @property
    def _is_used_up(self) -> bool:
        """Whether it has acted as often as it can."""
        limit = self.times if self.times is not None else len(self._replies)
        return limit > 0 and self.hits >= limit

    @property
    def _is_unhit(self) -> bool:
        """Whether it should have acted and never did."""
        return not self.hits and not self._is_optional

    def _decide(self, event: Event, after_octets: int | None) -> Decision | None:
        """Return what it does about an event; None: it lets it through.

        Asked without a lock, for a predicate may take long; claimed under one, for another session may be
        faster.
        """
        if not self._concerns(event, after_octets) or (actions := self._claim()) is None:
            return None
        return Decision(self, *_answered(actions, event))

    def _concerns(self, event: Event, after_octets: int | None = None) -> bool:
        """Return whether it would act on the event; runs the predicate, and raises what that raises."""
        return (
            event.stage in self._stages
            and bool(self._actions)
            and self._after_octets == after_octets
            and not self._is_used_up
            and (self._matches is None or bool(self._matches(event)))
        )

    def _claim(self) -> tuple[Action, ...] | None:
        """Count an event that it concerns; return the actions of this hit, None where it lets it through."""
        with self._lock:
            self._seen += 1
            if self._seen <= self.after or self._is_used_up:
                return None
            said = self._replies[self.hits] if self._replies else None
            self.hits += 1
        if said is None:
            return self._actions
        return tuple(said if isinstance(action, _REPLIES) else action for action in self._actions)

    def __str__(self) -> str:
        match = "" if self.match is None else f", {shown(self.match)}"
        times = "" if self.times is None else f", times={self.times}"
        after = f", after={self.after}" if self.after else ""
        chain = "".join(f".{self._shown(action)}" for action in self._actions)
        origin = f" at {self.origin}" if self.origin else ""
        inert = "" if chain else ", which has no action"
        return f"on({self.stage!r}{match}{times}{after}){chain}{origin}{inert}"

    def _shown(self, action: Action) -> str:
        if self._replies and isinstance(action, _REPLIES):
            return f"replies([{', '.join(map(_shown_reply, self._replies))}])"
        return str(action)

    def __repr__(self) -> str:
        return f"<Fault {self}, {self.hits} hits>"


def _answered(actions: tuple[Action, ...], event: Event) -> tuple[tuple[Action, ...], Exception | None]:
    """Call the user's function where there is one, and put its reply in its place."""
    chosen: list[Action] = []
    error = None
    for action in actions:
        if isinstance(action, ReplyFrom):
            try:
                reply = None if (said := action.function(event)) is None else make_reply(said)
            except Exception as raised:  # noqa: BLE001 - told in the verdict
                error, reply = raised, Reply(451, "4.3.0 The test's own function failed")
            chosen.append(_reply_action(reply))
        else:
            chosen.append(action)
    return tuple(chosen), error


def _reply_action(reply: Reply | None) -> Action:
    return PassThrough() if reply is None else ReplyWith(reply)


def _shown_reply(action: Action) -> str:
    return f"{action.reply.code}" if isinstance(action, ReplyWith) else "'ok'"
