"""What a fault does: one class for each action, and the table of their names.

RFC 5321 4.2 (replies), 3.8 (421).

An action is a value that knows how to carry itself out on a `Turn`, which is what the server gives it: one
command in progress. `fault` chains actions and counts them. A new action is a class here, its row in
`ACTIONS`, and the method of `Fault` that chains it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.faults.reply import make_reply
from pytest_smtp4d.words import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_smtp4d.smtp.reply import Reply

__all__ = [
    "ACTIONS",
    "Accept",
    "Action",
    "ActionKind",
    "Delay",
    "Disconnect",
    "PassThrough",
    "ReplyFrom",
    "ReplyWith",
    "Send",
    "Silence",
    "Trickle",
    "Turn",
]

Doing = Generator[Any, Any, None]
"""Carries something out; yields what has to be waited for."""


class Turn(Protocol):
    """One command in progress, as an action meets it."""

    own: Reply
    """What the server itself would answer."""
    announced: Reply | None
    """What the fault will answer; None where that is no reply."""
    octets_per_second: float | None
    """The speed of what is written; None: at once."""

    def commit(self, effective: bool, reply: Reply | None) -> None:
        """Let the command take effect, or not; what was decided first stays."""

    def break_protocol(self) -> None:
        """Say that from here on the client cannot be blamed."""

    def mute(self) -> None:
        """Say nothing more in this session."""

    def close(self, *, abort: bool) -> None:
        """Close the connection, by RST where `abort` is on."""

    def reply(self, reply: Reply) -> Doing:
        """Give a reply; the command takes effect when it is 2yz or 3yz, unless that was decided before."""

    def write(self, octets: bytes) -> Doing:
        """Write octets as they are."""

    def sleep(self, seconds: float) -> Doing:
        """Wait."""


@dataclass(frozen=True, slots=True)
class ReplyWith:
    """Answer with this reply; the command takes effect when it is 2yz or 3yz."""

    reply: Reply
    answers: ClassVar[bool] = True

    def perform(self, turn: Turn) -> Doing:
        """Give the reply."""
        yield from turn.reply(self.reply)

    def __str__(self) -> str:
        return f"reply({self.reply.code}, {self.reply.text!r})"


@dataclass(frozen=True, slots=True)
class PassThrough:
    """Answer as if there were no fault ("ok" in `replies`)."""

    answers: ClassVar[bool] = True

    def perform(self, turn: Turn) -> Doing:
        """Give the server's own reply."""
        yield from turn.reply(turn.own)

    def __str__(self) -> str:
        return "pass_through()"


@dataclass(frozen=True, slots=True)
class ReplyFrom:
    """Answer with what a function of the user says; `rules` calls it before the server carries it out."""

    function: Callable[[Any], object]
    answers: ClassVar[bool] = True

    def perform(self, turn: Turn) -> Doing:
        """Give the server's own reply, where nobody called the function."""
        yield from turn.reply(turn.own)

    def __str__(self) -> str:
        return f"reply_with({shown(self.function)})"


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait this many seconds before going on."""

    seconds: float
    answers: ClassVar[bool] = False

    def perform(self, turn: Turn) -> Doing:
        """Wait."""
        yield from turn.sleep(self.seconds)

    def __str__(self) -> str:
        return f"delay({self.seconds})"


@dataclass(frozen=True, slots=True)
class Accept:
    """Let the command take effect, whatever the client is told."""

    answers: ClassVar[bool] = False

    def perform(self, turn: Turn) -> Doing:
        """Commit."""
        turn.commit(True, turn.announced)
        yield from ()

    def __str__(self) -> str:
        return "accept()"


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection.

    Args:
        abort: RST instead of FIN.
        after_octets: in mid-content, when this many octets of it have arrived; None: where the reply is due.
    """

    abort: bool = False
    after_octets: int | None = None
    answers: ClassVar[bool] = True

    def perform(self, turn: Turn) -> Doing:
        """Close."""
        turn.commit(False, None)
        turn.close(abort=self.abort)
        yield from ()

    def __str__(self) -> str:
        abort = "abort=True" if self.abort else ""
        octets = "" if self.after_octets is None else f"after_octets={self.after_octets}"
        return f"disconnect({', '.join(filter(None, (abort, octets)))})"


@dataclass(frozen=True, slots=True)
class Silence:
    """Answer nothing at all and keep the connection open."""

    answers: ClassVar[bool] = True

    def perform(self, turn: Turn) -> Doing:
        """Fall silent."""
        turn.commit(False, None)
        turn.break_protocol()
        turn.mute()
        yield from ()

    def __str__(self) -> str:
        return "silence()"


@dataclass(frozen=True, slots=True)
class Send:
    """Write these octets instead of a reply."""

    octets: bytes
    answers: ClassVar[bool] = True

    def perform(self, turn: Turn) -> Doing:
        """Write the octets."""
        turn.commit(False, None)
        turn.break_protocol()
        yield from turn.write(self.octets)

    def __str__(self) -> str:
        return f"send({self.octets[:40]!r}{'…' if len(self.octets) > 40 else ''})"


@dataclass(frozen=True, slots=True)
class Trickle:
    """Write what follows at this many octets per second."""

    octets_per_second: float
    answers: ClassVar[bool] = False

    def perform(self, turn: Turn) -> Doing:
        """Set the speed."""
        turn.octets_per_second = self.octets_per_second
        turn.break_protocol()
        yield from ()

    def __str__(self) -> str:
        return f"trickle({self.octets_per_second})"


Action = ReplyWith | ReplyFrom | PassThrough | Delay | Accept | Disconnect | Silence | Send | Trickle

# How an action is written as a keyword of the marker, and as a word of a command line.


@dataclass(frozen=True, slots=True)
class ActionKind:
    """One row of the table of actions.

    Args:
        arguments: from the value of the marker's keyword to the arguments of the method of `Fault`; None: the
            action is not wanted. Raises `SettingsError` for what it cannot be.
        read: from a text of a command line to the value of the keyword. Raises `ValueError`.
        is_flag: whether the word alone says all on a command line.
        meaning: what it does, for the documentation.
    """

    arguments: Callable[[Any], tuple[Any, ...] | dict[str, Any] | None]
    read: Callable[[str], object] | None
    meaning: str
    is_flag: bool = False


def _one(value: object) -> tuple[object]:
    return (value,)


def _flag_of(name: str) -> Callable[[object], tuple[()] | None]:
    def arguments(value: object) -> tuple[()] | None:
        if not isinstance(value, bool):
            raise SettingsError(f"{name} is True or False, not {value!r}")
        return () if value else None

    return arguments


def _reply_arguments(value: object) -> tuple[int, str]:
    reply = make_reply(value)
    if reply is None:
        raise SettingsError("reply is a code, (code, text) or a Reply; replies=['ok', …] passes through")
    return reply.code, reply.text


def _disconnect_arguments(value: object) -> dict[str, Any] | tuple[()] | None:
    if not isinstance(value, dict):
        return _flag_of("disconnect")(value)
    unknown = [key for key in value if key not in ("abort", "after_octets")]
    if unknown:
        hint = nearest(str(unknown[0]), ("abort", "after_octets"))
        raise SettingsError(f"unknown argument {unknown[0]!r} of disconnect{hint}")
    return value


def _read_flag(text: str) -> bool:
    if text:
        raise ValueError("it takes no value")
    return True


def _read_reply(text: str) -> tuple[int, str]:
    code, _, words = text.partition(" ")
    return int(code), words.replace("\\n", "\n")


def _read_replies(text: str) -> list[tuple[int, str] | str]:
    return ["ok" if item == "ok" else _read_reply(item) for item in text.split("|")]


def _read_disconnect(text: str) -> object:
    if text in ("", "fin"):
        return True
    return {"abort": True} if text == "abort" else {"after_octets": int(text)}


def _read_octets(text: str) -> bytes:
    return text.encode().decode("unicode_escape").encode("latin-1")


ACTIONS: Mapping[str, ActionKind] = {
    "delay": ActionKind(_one, float, "wait so many seconds first"),
    "accept": ActionKind(
        _flag_of("accept"), _read_flag, "let the command take effect, whatever the client is told", True
    ),
    "trickle": ActionKind(_one, float, "write the answer at so many octets a second"),
    "reply": ActionKind(_reply_arguments, _read_reply, "answer with this reply"),
    "replies": ActionKind(_one, _read_replies, 'answer with these in turn; "ok" passes through'),
    "reply_with": ActionKind(_one, None, "answer with what a function of the event returns"),
    "pass_through": ActionKind(
        _flag_of("pass_through"), _read_flag, "answer as usual, and ask no further rule", True
    ),
    "send": ActionKind(_one, _read_octets, "write these octets instead of a reply"),
    "silence": ActionKind(_flag_of("silence"), _read_flag, "answer nothing, and keep the connection", True),
    "disconnect": ActionKind(_disconnect_arguments, _read_disconnect, "close the connection", True),
}
"""The actions by the name of their method; as keywords they are carried out in this order."""
