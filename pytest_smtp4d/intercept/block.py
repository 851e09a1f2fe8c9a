"""Mail that must not leave: what is refused, and the record of what was tried.

The error is a `ConnectionRefusedError`, so that a client cleans up and its caller behaves as with a server
that is dead. A caller may swallow it: what was tried is recorded as well, and fails the test.
"""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_smtp4d.errors import SettingsError, SMTPBlockedError
from pytest_smtp4d.intercept.place import users_place
from pytest_smtp4d.intercept.target import PORTS, Allowed

if TYPE_CHECKING:
    from pytest_smtp4d.intercept.target import Target

__all__ = ["Attempt", "Block", "Mode", "Refusals", "current", "error_for", "mode_of", "set_current"]

WAYS_OUT = (
    "use the fixture smtp_server, redirect it with smtp_intercept, or let it through with "
    "@pytest.mark.smtp_block(False) or the ini smtp4d_block_allow"
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A connection that was refused, or is warned of.

    Args:
        target: the host and port that were asked for.
        place: "file:line" of the user's code; None where it cannot be seen.
        reason: why, such as "blocked by smtp4d_block".
        advice: the ways out.
    """

    target: Target
    place: str | None
    reason: str
    advice: str

    def __str__(self) -> str:
        return f"mail to {self.target} {self.reason}, tried {self.where}: {self.advice}"

    @property
    def where(self) -> str:
        """The place in words."""
        return f"at {self.place}" if self.place else "by a thread or a task whose caller cannot be seen"


class Refusals:
    """What was tried and refused in this process since somebody last looked; thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._attempts: dict[Attempt, None] = {}

    def add(self, target: Target, reason: str, advice: str) -> Attempt:
        """Record what was tried just now; the same line that tries again is one entry."""
        attempt = Attempt(target, users_place(), reason, advice)
        with self._guard:
            self._attempts[attempt] = None
        return attempt

    def take(self) -> list[Attempt]:
        """Return what was tried, oldest first, and forget it."""
        with self._guard:
            attempts, self._attempts = self._attempts, {}
        return list(attempts)


def error_for(attempt: Attempt) -> SMTPBlockedError:
    """Return the error that a client gets."""
    return SMTPBlockedError(errno.ECONNREFUSED, f"{os.strerror(errno.ECONNREFUSED)}: {attempt}")


class Block:
    """Refuses connections to the ports of mail, outside loopback.

    Args:
        refusals: where they are recorded.
        allowed: hosts that are let through.
        warns: True: nothing is refused, only recorded.
    """

    REASON = "is blocked by smtp4d_block"

    def __init__(self, refusals: Refusals, allowed: Allowed, *, warns: bool) -> None:
        self.refusals = refusals
        self.allowed = allowed
        self.warns = warns
        self._noted: dict[Target, Target] = {}
        self.is_lifted = False
        """True while a test runs that may send mail."""

    def covers(self, target: Target) -> bool:
        """Return whether a connection to this target is refused."""
        return target.port in PORTS and not self.is_lifted and not self.allowed.allows(target)

    def note(self, target: Target, addresses: list[str]) -> None:
        """Note the addresses that a name was resolved to."""
        self._noted.update({target._replace(host=address): target for address in addresses})

    def noted(self, target: Target) -> Target:
        """Return what an address was resolved from, where that was noted."""
        return self._noted.get(target, target)

    def attempt(self, target: Target) -> Attempt:
        """Record an attempt and return it."""
        reason = "would be blocked by smtp4d_block" if self.warns else self.REASON
        return self.refusals.add(target, reason, WAYS_OUT)


_current: Block | None = None


def current() -> Block | None:
    """Return the block that is on; None: it is off."""
    return _current


def set_current(block: Block | None) -> Block | None:
    """Switch to a block, or off; return the one before."""
    global _current
    before, _current = _current, block
    return before


Mode = Literal["true", "false", "warn"]


def mode_of(value: object) -> Mode:
    """Return what an ini `smtp4d_block` says.

    Raises:
        SettingsError: it says something else.
    """
    text = str(value).strip().lower() if isinstance(value, (str, bool)) else None
    if text in ("true", "1", "yes", "on"):
        return "true"
    if text in ("false", "0", "no", "off", ""):
        return "false"
    if text == "warn":
        return "warn"
    raise SettingsError(f"smtp4d_block is {value!r}: write true, false or warn")
