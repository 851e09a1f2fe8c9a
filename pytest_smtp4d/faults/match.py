"""Decides whether a fault applies to an event.

RFC 5321 4.1.1 (what the argument of a command is), 2.4 (case). A shell pattern ignores case, as domains,
mechanisms and the world's mailboxes do; a compiled pattern decides for itself.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.faults.stage import STAGES
from pytest_smtp4d.words import shown

if TYPE_CHECKING:
    from pytest_smtp4d.records.record import Session, Transaction

__all__ = ["Event", "Match", "matcher"]


@dataclass(frozen=True, slots=True)
class Event:
    """What a rule is asked about.

    Args:
        stage: one of `STAGES`.
        argument: MAIL, RCPT: the mailbox without brackets or parameters; AUTH: the mechanism; HELO, EHLO,
            VRFY, EXPN, HELP, NOOP: the argument; CONNECT: the peer's host; UNKNOWN: the verb; others: "".
        session: the session so far.
        transaction: the open transaction, or None.
        content: the octets of the message (CONTENT, BDAT), else None.
        verb: of the command line, upper case; "" where there is none.
        line: the command line without its CRLF, secrets masked.
        parameters: of MAIL and RCPT, as received.

    Example:
        >>> def is_large(event: Event) -> bool:
        ...     return event.content is not None and len(event.content) > 1_000_000
        >>> fault = smtp_server.on("CONTENT", is_large).reply(552, "5.3.4 Message too big")
    """

    stage: str
    argument: str = ""
    session: Session | None = None
    transaction: Transaction | None = None
    content: bytes | None = None
    verb: str = ""
    line: str = ""
    parameters: tuple[str, ...] = ()


Match = str | re.Pattern[str] | Callable[[Event], object] | None


def matcher(stage: str, match: object) -> Callable[[Event], object] | None:
    """Return the test of an event.

    Args:
        stage: where it is asked.
        match: a shell pattern (case ignored, the whole argument), a compiled pattern (searched), a predicate,
            or None, which is everything.

    Raises:
        SettingsError: none of these, or a pattern that could never match at this stage.
    """
    if match is None:
        return None
    if callable(match):
        return match
    if isinstance(match, str):
        literal = match.casefold()
        search = re.compile(fnmatch.translate(literal)).match

        def matches(event: Event) -> bool:
            # As it stands first: "postmaster@[127.0.0.1]" would be a set of characters.
            argument = event.argument.casefold()
            return argument == literal or search(argument) is not None

    elif isinstance(match, re.Pattern) and isinstance(match.pattern, str):

        def matches(event: Event) -> bool:
            return match.search(event.argument) is not None

    else:
        raise SettingsError(
            f"match is a shell pattern, a compiled pattern of text or a predicate of Event, not {match!r}"
        )
    if stage != "*" and not STAGES[stage].argument and not matches(Event(stage)):
        raise SettingsError(
            f"{stage} has no argument, so {shown(match)} would never match; "
            "a predicate of Event sees the session, the transaction and the content"
        )
    return matches
