"""What a fault does: the stages, the actions as values, and which stage can do what.

RFC 5321 4.2 (replies), 4.3.2 (which replies belong to which command), 3.8 (421).
The one thing to know: an action is only a value; `fault` chains and counts them, the server carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.smtp.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ACTIONS",
    "DEFAULT_TEXTS",
    "STAGES",
    "STAGE_ACTIONS",
    "Accept",
    "Action",
    "Delay",
    "Disconnect",
    "PassThrough",
    "ReplySpec",
    "ReplyWith",
    "Send",
    "Silence",
    "Stage",
    "Trickle",
    "check_count",
    "check_octets",
    "check_positive",
    "make_reply",
]


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a fault can be put.

    Args:
        when: what has just happened there.
        argument: what an event's argument holds; "" where it holds nothing.
    """

    when: str
    argument: str = ""


STAGES: Mapping[str, Stage] = {
    "CONNECT": Stage("the greeting is due (with implicit TLS, after the handshake)", "the peer's host"),
    "HELO": Stage("HELO arrived", "the client's name"),
    "EHLO": Stage("EHLO arrived", "the client's name"),
    "STARTTLS": Stage("STARTTLS arrived"),
    "TLS": Stage("the first octets of a handshake arrived"),
    "AUTH": Stage("AUTH arrived, and each answer to a challenge", "the mechanism"),
    "MAIL": Stage("MAIL arrived", "the mailbox"),
    "RCPT": Stage("RCPT arrived", "the mailbox"),
    "DATA": Stage("DATA arrived"),
    "CONTENT": Stage("the final dot arrived, or the chunk of BDAT LAST"),
    "BDAT": Stage("a chunk of BDAT arrived; those at the last one come before those at CONTENT"),
    "RSET": Stage("RSET arrived"),
    "NOOP": Stage("NOOP arrived", "the argument"),
    "VRFY": Stage("VRFY arrived", "the argument"),
    "HELP": Stage("HELP arrived", "the argument"),
    "QUIT": Stage("QUIT arrived"),
    "UNKNOWN": Stage("a verb arrived that is none of these"),
}
"""Where a fault can be put, in the order of a session; "*" is all of them."""

ACTIONS = ("reply", "replies", "delay", "accept", "disconnect", "silence", "send", "trickle")
"""The names of the actions, in the order of the documentation."""


def _actions_of(stage: str) -> frozenset[str]:
    actions = set(ACTIONS)
    if stage == "TLS":
        actions -= {"reply", "replies"}  # a handshake is answered with records, not with a reply
    if stage in ("CONTENT", "BDAT"):
        actions.add("after_octets")  # only content has octets to count
    return frozenset(actions)


STAGE_ACTIONS: Mapping[str, frozenset[str]] = {stage: _actions_of(stage) for stage in STAGES}
"""Stage -> the actions it can have; "after_octets" is `disconnect(after_octets=…)`."""


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
    """Close the connection.

    Args:
        abort: RST instead of FIN.
        after_octets: in mid-content, when this many octets of it have arrived; None: where the reply is due.
    """

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


Action = ReplyWith | PassThrough | Delay | Accept | Disconnect | Silence | Send | Trickle
ReplySpec = Literal["ok"] | int | tuple[int, str] | Reply
"""A reply as `replies([...])` takes it."""

DEFAULT_TEXTS: Mapping[int, str] = {
    220: "Ready",
    221: "2.0.0 Bye",
    235: "2.7.0 Authentication successful",
    250: "2.0.0 OK",
    251: "2.1.5 User not local; will forward",
    252: "2.5.0 Cannot verify the user, but will take the message",
    354: "Start mail input; end with <CRLF>.<CRLF>",
    421: "4.3.2 Service not available, closing the connection",
    432: "4.7.12 A password transition is needed",
    450: "4.2.0 Mailbox unavailable",
    451: "4.3.0 Local error in processing",
    452: "4.3.1 Insufficient system storage",
    454: "4.7.0 Temporary authentication failure",
    455: "4.5.4 Parameters not accepted for now",
    500: "5.5.2 Command not recognized",
    501: "5.5.4 Syntax error in parameters",
    502: "5.5.1 Command not implemented",
    503: "5.5.1 Bad sequence of commands",
    504: "5.5.4 Command parameter not implemented",
    530: "5.7.0 Authentication required",
    534: "5.7.9 Authentication mechanism is too weak",
    535: "5.7.8 Authentication credentials invalid",
    538: "5.7.11 Encryption required for this mechanism",
    550: "5.1.1 No such user",
    551: "5.1.6 User not local",
    552: "5.3.4 Message too big",
    553: "5.1.3 Mailbox name not allowed",
    554: "5.0.0 Transaction failed",
    555: "5.5.4 Parameters not recognized",
}
"""The text of a reply that is given as a code alone."""


def make_reply(spec: object) -> ReplyWith | PassThrough:
    """Return the action for a reply in any of its forms.

    Args:
        spec: "ok" (pass through), a code, (code, text), or a `Reply`.

    Raises:
        SettingsError: another form, a code outside 200-599, text with CR or NUL.
    """
    if isinstance(spec, str) and spec == "ok":
        return PassThrough()
    if isinstance(spec, Reply):
        return ReplyWith(Reply(_check_code(spec.code), _check_text(spec.text)))
    if isinstance(spec, (tuple, list)) and len(spec) == 2:
        return ReplyWith(Reply(_check_code(spec[0]), _check_text(spec[1])))
    if isinstance(spec, int) and not isinstance(spec, bool):
        code = _check_code(spec)
        return ReplyWith(Reply(code, DEFAULT_TEXTS.get(code, "")))
    raise SettingsError(f"a reply is a code, (code, text), a Reply or 'ok', not {spec!r}")


def _check_code(code: object) -> int:
    if isinstance(code, bool) or not isinstance(code, int):
        raise SettingsError(f"a reply code is a number from 200 to 599, not {code!r}")
    if not 200 <= code <= 599:
        raise SettingsError(f"reply code {code} is outside 200-599; send(b'...') writes what is no reply")
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


def check_count(name: str, value: object, least: int, meaning: str) -> None:
    """Check a whole number; `SettingsError` names it, what it means and the least it can be."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SettingsError(f"{name} is {meaning}: a whole number, {least} or more, not {value!r}")


def check_positive(name: str, value: object, unit: str) -> float:
    """Check and return a number above 0; `SettingsError` names the action and the unit."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise SettingsError(f"{name}() takes {unit}, a number above 0, not {value!r}")
    return value


def check_octets(value: object) -> bytes:
    """Check and return the octets to send, at least one."""
    if not isinstance(value, (bytes, bytearray)) or not value:
        raise SettingsError(f"send() takes octets (bytes, at least one), not {value!r}")
    return bytes(value)
