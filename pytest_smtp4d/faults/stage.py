"""Where a fault can be put: the stages of a session.

RFC 5321 4.1 (commands), 4.3.2 (which replies belong to which command).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["STAGES", "Stage", "StageName"]

StageName = Literal[
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
    "EXPN",
    "HELP",
    "QUIT",
    "UNKNOWN",
]
"""A stage of a session, for type checkers; `STAGES` says what each is."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a fault can be put.

    Args:
        when: what has just happened there.
        argument: what an event's argument holds; "" where it holds nothing.
        has_reply: whether a reply is due there; a handshake is answered with records.
        has_content: whether octets of content can be counted there.
    """

    when: str
    argument: str = ""
    has_reply: bool = True
    has_content: bool = False


STAGES: Mapping[str, Stage] = {
    "CONNECT": Stage("the greeting is due (with implicit TLS, after the handshake)", "the peer's host"),
    "HELO": Stage("HELO arrived", "the client's name"),
    "EHLO": Stage("EHLO arrived", "the client's name"),
    "STARTTLS": Stage("STARTTLS arrived"),
    "TLS": Stage("the first octets of a handshake arrived", has_reply=False),
    "AUTH": Stage("AUTH arrived, and each answer to a challenge", "the mechanism"),
    "MAIL": Stage("MAIL arrived", "the mailbox"),
    "RCPT": Stage("RCPT arrived", "the mailbox"),
    "DATA": Stage("DATA arrived"),
    "CONTENT": Stage("the final dot arrived, or the chunk of BDAT LAST", has_content=True),
    "BDAT": Stage(
        "a chunk of BDAT arrived; those at the last one come before those at CONTENT", has_content=True
    ),
    "RSET": Stage("RSET arrived"),
    "NOOP": Stage("NOOP arrived", "the argument"),
    "VRFY": Stage("VRFY arrived", "the argument"),
    "EXPN": Stage("EXPN arrived", "the argument"),
    "HELP": Stage("HELP arrived", "the argument"),
    "QUIT": Stage("QUIT arrived"),
    "UNKNOWN": Stage("a verb arrived that is none of these", "the verb"),
}
"""Where a fault can be put, in the order of a session; "*" is all of them."""
