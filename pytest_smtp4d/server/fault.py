"""What goes wrong, where, for whom and how often: rules, their counters, and the decision.

RFC 5321 4.2 (replies), 3.8 (421), 4.3.2 (which replies belong to which command).
The one thing to know: a command takes effect when its reply is 2yz or 3yz and not otherwise; `send`, `silence` and
`disconnect` leave it without effect unless `accept()` comes first.

This room decides and counts; what an action does on the wire is the server's business. Rules are added by the test's
thread while sessions run in the server's loop, so the counters are kept under a lock, and what is asked is a snapshot.
"""

from __future__ import annotations

import fnmatch
import os
import re
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Union

from pytest_smtp4d.errors import SettingsError, nearest
from pytest_smtp4d.smtp.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_smtp4d.server.record import Session, Transaction

__all__ = [
    "STAGES",
    "Accept",
    "Action",
    "Delay",
    "Disconnect",
    "Event",
    "Fault",
    "PassThrough",
    "ReplyWith",
    "Rules",
    "Send",
    "Silence",
    "Stage",
    "Trickle",
    "fault_from_marker",
]

Stage = Literal[
    "CONNECT",
    "HELO",
    "EHLO",
    "STARTTLS",
    "TLS",
    "AUTH",
    "MAIL",
    "RCPT",
    "DATA",
    "CONTENT",
    "BDAT",
    "RSET",
    "NOOP",
    "VRFY",
    "HELP",
    "QUIT",
    "UNKNOWN",
]

STAGES: tuple[str, ...] = (
    "CONNECT",
    "HELO",
    "EHLO",
    "STARTTLS",
    "TLS",
    "AUTH",
    "MAIL",
    "RCPT",
    "DATA",
    "CONTENT",
    "BDAT",
    "RSET",
    "NOOP",
    "VRFY",
    "HELP",
    "QUIT",
    "UNKNOWN",
)
"""Where a fault can be put; "*" is all of them."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a rule is asked about.

    Args:
        stage: one of `STAGES`.
        argument: MAIL, RCPT: the mailbox without brackets or parameters; AUTH: the mechanism; HELO, EHLO, VRFY, HELP,
            NOOP: the argument; CONNECT: the peer's host; others: "".
        session: the session so far.
        transaction: the open transaction, or None.
        content: the octets of the message (CONTENT, BDAT), else None.
    """

    stage: str
    argument: str = ""
    session: Session | None = None
    transaction: Transaction | None = None
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class ReplyWith:
    """Answer with this reply; the command takes effect when it is 2yz or 3yz."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class PassThrough:
    """Answer as if there were no fault ("ok" in `replies`)."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait this many seconds before going on."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Accept:
    """Let the command take effect, whatever the client is told."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection: FIN, or RST when `abort`; with `after_octets`, when that many octets of content came."""

    abort: bool = False
    after_octets: int | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Answer nothing at all and keep the connection open."""


@dataclass(frozen=True, slots=True)
class Send:
    """Write these octets instead of a reply."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Trickle:
    """Write what follows at this many octets per second."""

    octets_per_second: float


Action = Union[ReplyWith, PassThrough, Delay, Accept, Disconnect, Silence, Send, Trickle]
Match = Union[str, "re.Pattern[str]", "Callable[[Event], object]", None]
ReplySpec = Union[Literal["ok"], int, "tuple[int, str]", Reply]

# What each stage can do. A TLS handshake has no reply; only content has octets to count.
ACTIONS = ("reply", "replies", "delay", "accept", "disconnect", "silence", "send", "trickle")
"""The names of the actions, in the order of the documentation."""

STAGE_ACTIONS: Mapping[str, frozenset[str]] = {
    stage: frozenset(ACTIONS) - ({"reply", "replies"} if stage == "TLS" else frozenset())
    | ({"after_octets"} if stage in ("CONTENT", "BDAT") else frozenset())
    for stage in STAGES
}
"""Stage -> the actions it can have ("after_octets" is `disconnect(after_octets=…)`)."""

_ANSWERS = (ReplyWith, PassThrough, Send, Silence, Disconnect)


def _check_code(code: object) -> int:
    if isinstance(code, bool) or not isinstance(code, int):
        raise SettingsError(f"a reply code is a number from 200 to 599, not {code!r}")
    if not 200 <= code <= 599:
        raise SettingsError(
            f"reply code {code} is outside 200-599; use send(b'...') for a reply that is none"
        )
    return code


def _check_text(text: object) -> str:
    if not isinstance(text, str):
        raise SettingsError(f"the text of a reply is a str, not {text!r}")
    if "\r" in text or "\0" in text:
        raise SettingsError(
            f"the text of a reply cannot hold CR or NUL: {text!r}; newlines make a multi-line reply, "
            "and send(b'...') writes any octets"
        )
    return text


def _make_reply(spec: object) -> ReplyWith | PassThrough:
    """Return the action for one item of `replies([...])`."""
    if isinstance(spec, str):
        if spec == "ok":
            return PassThrough()
        raise SettingsError(f"a reply is 'ok', a code, (code, text) or a Reply, not {spec!r}")
    if isinstance(spec, Reply):
        return ReplyWith(Reply(_check_code(spec.code), _check_text(spec.text)))
    if isinstance(spec, tuple):
        if len(spec) != 2:
            raise SettingsError(f"a reply is 'ok', a code, (code, text) or a Reply, not {spec!r}")
        return ReplyWith(Reply(_check_code(spec[0]), _check_text(spec[1])))
    return ReplyWith(Reply(_check_code(spec), DEFAULT_TEXTS.get(_check_code(spec), "")))


DEFAULT_TEXTS: Mapping[int, str] = {
    220: "Ready",
    221: "2.0.0 Bye",
    235: "2.7.0 Authentication successful",
    250: "2.0.0 OK",
    251: "2.1.5 User not local; will forward",
    252: "2.5.0 Cannot VRFY user",
    354: "Start mail input; end with <CRLF>.<CRLF>",
    421: "4.3.2 Service not available, closing transmission channel",
    432: "4.7.12 A password transition is needed",
    450: "4.2.0 Mailbox unavailable",
    451: "4.3.0 Local error in processing",
    452: "4.3.1 Insufficient system storage",
    454: "4.7.0 Temporary authentication failure",
    455: "4.5.4 Server unable to accommodate parameters",
    500: "5.5.2 Syntax error, command unrecognized",
    501: "5.5.4 Syntax error in parameters or arguments",
    502: "5.5.1 Command not implemented",
    503: "5.5.1 Bad sequence of commands",
    504: "5.5.4 Command parameter not implemented",
    530: "5.7.0 Authentication required",
    534: "5.7.9 Authentication mechanism is too weak",
    535: "5.7.8 Authentication credentials invalid",
    538: "5.7.11 Encryption required for requested authentication mechanism",
    550: "5.1.1 Mailbox unavailable",
    551: "5.1.6 User not local",
    552: "5.3.4 Message size exceeds limit",
    553: "5.1.3 Mailbox name not allowed",
    554: "5.0.0 Transaction failed",
    555: "5.5.4 MAIL FROM/RCPT TO parameters not recognized or not implemented",
}
"""The text of a reply that is given as a code alone."""


class Fault:
    """One rule and its actions, as `on()` returns it; every action returns the fault, so they chain.

    Until an action is chained, a fault does nothing. `hits` counts when an action starts.
    """

    def __init__(
        self,
        rules: Rules,
        stage: str,
        match: Match = None,
        *,
        times: int | None = None,
        after: int = 0,
        origin: str = "",
    ) -> None:
        self.stage = stage
        """The stage, or "*"."""
        self.match = match
        self.times = times
        self.after = after
        self.origin = origin
        """file:line of the declaration."""
        self.hits = 0
        """How often it acted."""
        self.is_optional = False
        self.actions: tuple[Action, ...] = ()
        self._script: tuple[ReplyWith | PassThrough, ...] = ()
        self._rules = rules
        self._seen = 0
        self._stages = frozenset(STAGES) if stage == "*" else frozenset({stage})
        self._matches = _matcher(match)

    # -- actions --------------------------------------------------------------------------------------------------

    def reply(self, code: int, text: str | None = None) -> Fault:
        """Answer with this reply.

        Args:
            code: 200 to 599.
            text: newlines make a multi-line reply; None: the usual words for the code.

        Raises:
            SettingsError: code or text that no reply can have, or no place for it in the chain.
        """
        if text is None:
            text = DEFAULT_TEXTS.get(_check_code(code), "")
        action = ReplyWith(Reply(_check_code(code), _check_text(text)))
        self._check_answer("reply")
        return self._chain(action)

    def replies(self, replies: Sequence[ReplySpec]) -> Fault:
        """Answer with these replies over successive hits, then step aside.

        Args:
            replies: each a code, (code, text), a `Reply`, or "ok" to pass through.
        """
        if isinstance(replies, (str, bytes, Reply)) or not hasattr(replies, "__iter__"):
            raise SettingsError(f"replies() takes a list, not {replies!r}")
        script = tuple(_make_reply(item) for item in replies)
        if not script:
            raise SettingsError("replies([]) says nothing; give it at least one reply")
        if self.times is not None and self.times > len(script):
            raise SettingsError(
                f"times={self.times}, but replies() has {len(script)}; leave times out or add replies"
            )
        self._check_answer("replies")
        self._script = script
        return self._chain(script[0])

    def delay(self, seconds: float) -> Fault:
        """Wait, then go on with the next action, or answer as usual."""
        _check_positive("delay", seconds, "seconds")
        self._check_open("delay")
        return self._chain(Delay(seconds))

    def accept(self) -> Fault:
        """Let the command take effect although its own reply is not sent (or says otherwise)."""
        self._check_open("accept")
        if any(isinstance(action, (*_ANSWERS, Accept)) for action in self.actions):
            raise SettingsError("accept() comes once, and before reply, send, silence and disconnect")
        return self._chain(Accept())

    def disconnect(self, abort: bool = False, after_octets: int | None = None) -> Fault:
        """Close the connection.

        Args:
            abort: RST instead of FIN.
            after_octets: in mid-content, when this many octets of it have arrived (CONTENT and BDAT only).
        """
        self._check_open("disconnect")
        if after_octets is not None:
            self._check_after_octets(after_octets)
        elif any(isinstance(action, Trickle) for action in self.actions) and not self._has(
            ReplyWith, PassThrough, Send
        ):
            raise SettingsError(
                "trickle() before disconnect() has nothing to write; chain reply() or send() between"
            )
        return self._chain(Disconnect(bool(abort), after_octets))

    def silence(self) -> Fault:
        """Answer nothing at all; the connection stays open."""
        self._check_open("silence")
        if self._has(ReplyWith, PassThrough, Send, Trickle):
            raise SettingsError("silence() answers nothing, so it cannot follow reply(), send() or trickle()")
        return self._chain(Silence())

    def send(self, octets: bytes) -> Fault:
        """Write these octets, as they are, instead of a reply (after `reply()`: beside it)."""
        if not isinstance(octets, (bytes, bytearray)):
            raise SettingsError(f"send() takes bytes, not {octets!r}")
        if not octets:
            raise SettingsError("send(b'') writes nothing; silence() is the action that answers nothing")
        self._check_open("send")
        return self._chain(Send(bytes(octets)))

    def trickle(self, octets_per_second: float) -> Fault:
        """Write the answer at this speed."""
        _check_positive("trickle", octets_per_second, "octets per second")
        self._check_open("trickle")
        if self._has(Trickle):
            raise SettingsError("trickle() comes once")
        # The speed holds for the whole answer, wherever in the chain it was named.
        action = Trickle(octets_per_second)
        first = next((i for i, a in enumerate(self.actions) if isinstance(a, _ANSWERS)), len(self.actions))
        return self._chain(action, at=first)

    def optional(self) -> Fault:
        """Do not fail the test when this fault is never hit."""
        self.is_optional = True
        return self

    # -- grammar of a chain ---------------------------------------------------------------------------------------

    def _has(self, *kinds: type[Any]) -> bool:
        return any(isinstance(action, kinds) for action in self.actions)

    def _check_open(self, name: str) -> None:
        if self.stage != "*" and name not in STAGE_ACTIONS[self.stage]:
            raise SettingsError(
                f"{self.stage} cannot {name}: it has no reply; it can "
                f"{', '.join(action for action in ACTIONS if action in STAGE_ACTIONS[self.stage])}"
            )
        if self._has(Disconnect):
            raise SettingsError(f"{name}() after disconnect() would never happen")
        if self._has(Silence):
            raise SettingsError(f"{name}() after silence() would never happen; delay() waits and goes on")

    def _check_answer(self, name: str) -> None:
        self._check_open(name)
        if self._has(ReplyWith, PassThrough):
            raise SettingsError(
                f"{name}() after a reply: one command has one reply; replies([...]) answers in turn, "
                "send(b'...') writes any octets"
            )
        if self._has(Send):
            raise SettingsError(f"{name}() after send(): put all the octets into send()")

    def _check_after_octets(self, after_octets: object) -> None:
        if self.stage not in ("CONTENT", "BDAT"):
            raise SettingsError(
                f"after_octets counts content: only CONTENT and BDAT have it, not {self.stage!r}"
            )
        if isinstance(after_octets, bool) or not isinstance(after_octets, int) or after_octets < 0:
            raise SettingsError(f"after_octets is a number of octets, 0 or more, not {after_octets!r}")
        if any(not isinstance(action, Delay) for action in self.actions):
            raise SettingsError(
                "disconnect(after_octets=…) cuts in mid-content: only delay() can come before it"
            )

    def _chain(self, action: Action, at: int | None = None) -> Fault:
        position = len(self.actions) if at is None else at
        self.actions = (*self.actions[:position], action, *self.actions[position:])
        if self.stage == "*" and isinstance(action, (ReplyWith, PassThrough)):
            self._stages = frozenset(stage for stage in STAGES if "reply" in STAGE_ACTIONS[stage])
        return self

    # -- the decision ---------------------------------------------------------------------------------------------

    @property
    def after_octets(self) -> int | None:
        """The octets of content after which it cuts in, or None."""
        last = self.actions[-1] if self.actions else None
        return last.after_octets if isinstance(last, Disconnect) else None

    @property
    def limit(self) -> int | None:
        """How often it can act at most; None: always."""
        if self._script:
            return min(len(self._script), self.times or len(self._script))
        return self.times

    @property
    def is_used_up(self) -> bool:
        """Whether it has acted as often as it can."""
        limit = self.limit
        return limit is not None and self.hits >= limit

    @property
    def has_predicate(self) -> bool:
        """Whether asking it runs the user's code."""
        return callable(self.match)

    def _answers_to(self, event: Event, after_octets: int | None) -> bool:
        return (
            event.stage in self._stages
            and bool(self.actions)
            and self.after_octets == after_octets
            and not self.is_used_up
            and (self._matches is None or bool(self._matches(event)))
        )

    def _claim(self) -> tuple[Action, ...] | None:
        """Count an event that matches; return what to do, or None where it is skipped. Under the rules' lock."""
        if self.is_used_up:
            return None
        self._seen += 1
        if self._seen <= self.after:
            return None
        self.hits += 1
        if not self._script:
            return self.actions
        said = self._script[self.hits - 1]
        return tuple(
            said if isinstance(action, (ReplyWith, PassThrough)) else action for action in self.actions
        )

    def __str__(self) -> str:
        match = "" if self.match is None else f", {_shown_match(self.match)}"
        times = "" if self.times is None else f", times={self.times}"
        after = f", after={self.after}" if self.after else ""
        return f"on({self.stage!r}{match}{times}{after})"

    def __repr__(self) -> str:
        return f"<Fault {self} hits={self.hits}>"


def _shown_match(match: Match) -> str:
    if isinstance(match, re.Pattern):
        return f"re.compile({match.pattern!r})"
    if callable(match):
        return str(getattr(match, "__qualname__", repr(match)))
    return repr(match)


def _check_positive(name: str, value: object, unit: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise SettingsError(f"{name}() takes {unit}, a number above 0, not {value!r}")


def _matcher(match: Match) -> Callable[[Event], object] | None:
    """Return the test of an event; a shell pattern ignores case, a compiled one searches and decides for itself."""
    if match is None:
        return None
    if isinstance(match, str):
        literal = match.casefold()
        pattern = re.compile(fnmatch.translate(literal))
        # The literal comes first: "postmaster@[127.0.0.1]" would be a set of characters.
        return lambda event: event.argument.casefold() == literal or pattern.match(event.argument.casefold())
    if isinstance(match, re.Pattern):
        if not isinstance(match.pattern, str):
            raise SettingsError(f"match is a pattern of text, not of bytes: {match!r}")
        return lambda event: match.search(event.argument)
    if callable(match):
        return match
    raise SettingsError(
        f"match is a shell pattern, a compiled pattern or a predicate of Event, not {match!r}"
    )


class Rules:
    """The faults of one server, in the order they were added; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: tuple[Fault, ...] = ()
        self._by_stage: dict[str, tuple[Fault, ...]] = {}

    def add(
        self,
        stage: str,
        match: Match = None,
        *,
        times: int | None = None,
        after: int = 0,
        origin: str | None = None,
    ) -> Fault:
        """Add a rule; it is inert until an action is chained to it.

        Args:
            stage: one of `STAGES`, or "*".
            match: a shell pattern (case ignored), a compiled pattern (searched), or a predicate of `Event`.
            times: how often it acts, then it steps aside; None: always.
            after: how many events that match are let through first.
            origin: file:line of the declaration; None: the caller's outside this package.

        Raises:
            SettingsError: an unknown stage, `times` or `after` that cannot be, a match that is none.
        """
        if stage != "*" and stage not in STAGES:
            raise SettingsError(f"unknown stage {stage!r}{nearest(str(stage), (*STAGES, '*'))}")
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            raise SettingsError(
                f"times is how often the fault acts, 1 or more, or None for always, not {times!r}"
            )
        if isinstance(after, bool) or not isinstance(after, int) or after < 0:
            raise SettingsError(
                f"after is how many matching events are let through first, 0 or more, not {after!r}"
            )
        fault = Fault(
            self, stage, match, times=times, after=after, origin=_caller() if origin is None else origin
        )
        with self._lock:
            self._set((*self._faults, fault))
        return fault

    def _set(self, faults: tuple[Fault, ...]) -> None:
        self._faults = faults
        stages = {stage for fault in faults for stage in (STAGES if fault.stage == "*" else (fault.stage,))}
        self._by_stage = {
            stage: tuple(fault for fault in faults if fault.stage in (stage, "*")) for stage in stages
        }

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All of them, in order."""
        return self._faults

    def may_match(self, stage: str) -> bool:
        """Return whether any rule is about this stage; one look-up, for the fast path."""
        return stage in self._by_stage

    def has_predicate(self, stage: str) -> bool:
        """Return whether `decide` for this stage may run the user's code (then not in the loop's thread)."""
        return any(fault.has_predicate for fault in self._by_stage.get(stage, ()))

    def thresholds(self, stage: str) -> tuple[int, ...]:
        """Return the octets of content at which a rule of this stage wants to cut in, ascending."""
        return tuple(
            sorted(
                {
                    fault.after_octets
                    for fault in self._by_stage.get(stage, ())
                    if fault.after_octets is not None and not fault.is_used_up
                }
            )
        )

    def decide(
        self, event: Event, after_octets: int | None = None
    ) -> tuple[Fault, tuple[Action, ...]] | None:
        """Ask the rules in order; the first that matches acts, and its hit is counted.

        Args:
            event: what happened.
            after_octets: in mid-content, the threshold just reached (one of `thresholds`); None: at the end.

        Returns:
            The fault and its actions in order of execution, or None.

        Raises:
            Exception: whatever a predicate raises.
        """
        for fault in self._by_stage.get(event.stage, ()):
            if fault._answers_to(event, after_octets):  # the predicate runs without the lock
                with self._lock:
                    actions = fault._claim()
                if actions is not None:
                    return fault, actions
        return None

    def unhit(self) -> list[Fault]:
        """Return the faults that never acted and are not optional, in order."""
        return [fault for fault in self._faults if not fault.hits and not fault.is_optional]

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._set(())


def _caller() -> str:
    """Return file:line of the nearest frame outside this package."""
    inside = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.abspath(frame.f_code.co_filename).startswith(inside):
        frame = frame.f_back
    return f"{_short(frame.f_code.co_filename)}:{frame.f_lineno}"


def _short(path: str) -> str:
    """Return the path relative to the current folder where it is below it, else its name."""
    here = os.getcwd() + os.sep
    return path[len(here) :] if path.startswith(here) else os.path.basename(path)


def fault_from_marker(
    rules: Rules,
    arguments: Iterable[object],
    options: Mapping[str, object],
    *,
    origin: str = "@pytest.mark.smtp_fault",
) -> Fault:
    """Add the fault that `@pytest.mark.smtp_fault(stage, match, reply=(550, "…"), …)` declares."""
    raise NotImplementedError
