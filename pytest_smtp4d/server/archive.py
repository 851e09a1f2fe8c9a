"""Keeps the newest messages and sessions of a server that runs for itself, and wakes who waits for them.

The server's loop puts in, threads of an API read. What is kept is bounded by number and by octets: the oldest
leave first, and are counted.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_smtp4d.records.recorder import WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_smtp4d.records.record import ReceivedMessage, Session, Transaction
    from pytest_smtp4d.server.follower import Story

__all__ = ["Archive", "Change", "KeptMessage", "KeptSession", "Subscription"]

SESSION_OCTETS = 64 << 20
"""Octets that the records of kept sessions may take, about."""

_ENTRY_OCTETS = 200
"""Octets that an entry of a session's record takes, about."""

Change = tuple[str, int]
"""What changed ("message", "session", "deleted", "reset", "faults"), and the id of it, 0 for none."""


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message, its id, and the id of its session."""

    number: int
    session: int
    message: ReceivedMessage


@dataclass(slots=True)
class KeptSession:
    """A session, what is known of it, and those of its transactions whose messages are kept."""

    session: Session
    story: Story
    transactions: list[Transaction] = field(default_factory=list)
    version: int = 0


class Subscription:
    """Changes that somebody waits for, a bounded number of them.

    Args:
        wake: called when there are any; from any thread.
    """

    LIMIT = 1000

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._changes: deque[Change] = deque(maxlen=self.LIMIT)
        self._lost = 0
        self._is_woken = False
        self._guard = threading.Lock()

    def put(self, change: Change) -> None:
        """Take a change; where too many wait, the oldest is lost."""
        with self._guard:
            self._lost += len(self._changes) == self.LIMIT
            self._changes.append(change)
            was_woken, self._is_woken = self._is_woken, True
        if not was_woken:
            self._wake()

    def take(self) -> tuple[list[Change], int]:
        """Return the changes since the last time, and how many were lost."""
        with self._guard:
            changes, lost = list(self._changes), self._lost
            self._changes.clear()
            self._lost, self._is_woken = 0, False
        return changes, lost


class Archive:
    """The newest messages and sessions; thread-safe.

    Args:
        count: messages and sessions that are kept.
        octets: octets of messages that are kept.
    """

    def __init__(self, count: int, octets: int) -> None:
        self.count = count
        self.octets = octets
        self.size: int = 0
        """Octets of the messages that are kept."""
        self.trimmed: int = 0
        """How many messages left because there was no room."""
        self.version: int = 0
        """Grows with every change of a session or a message."""
        self._messages: OrderedDict[int, KeptMessage] = OrderedDict()
        self._sessions: OrderedDict[int, KeptSession] = OrderedDict()
        self._subscriptions: set[Subscription] = set()
        self._guard = threading.RLock()

    # -- what the server does -------------------------------------------------------------------------------

    def put(self, number: int, message: ReceivedMessage, story: Story) -> None:
        """Keep a message under an id."""
        with self._guard:
            self._messages[number] = KeptMessage(number, story.number, message)
            self.size += len(message.content)
            while len(self._messages) > self.count or (self.size > self.octets and len(self._messages) > 1):
                self._drop(next(iter(self._messages)))
                self.trimmed += 1
        self.publish(("message", number))

    def touch(self, session: Session, story: Story, over: Sequence[Transaction] = ()) -> None:
        """Keep a session that began or went on, and the transactions of it that are over now."""
        with self._guard:
            kept = self._sessions.get(story.number)
            if kept is None:
                kept = self._sessions[story.number] = KeptSession(session, story)
            self.version += 1
            kept.version = self.version
            kept.transactions += over
            if len(kept.transactions) > self.count:
                del kept.transactions[: -self.count]

    def ended(self, story: Story) -> None:
        """Let sessions that ended go, the oldest first, where there are too many."""
        with self._guard:
            weight = sum(_weight(kept) for kept in self._sessions.values())
            for number, kept in list(self._sessions.items()):
                if len(self._sessions) <= self.count and weight <= SESSION_OCTETS:
                    break
                if kept.story.ended:
                    del self._sessions[number]
                    weight -= _weight(kept)
        self.publish(("session", story.number))

    def clear(self) -> None:
        """Forget everything, but for the numbers."""
        with self._guard:
            self._messages.clear()
            self._sessions.clear()
            self.size = 0
            self.version += 1
        self.publish(("reset", 0))

    def delete(self, numbers: list[int]) -> int:
        """Forget messages; return how many of them were there."""
        with self._guard:
            present = [number for number in numbers if number in self._messages]
            for number in present:
                self._drop(number)
        if present:
            self.publish(("deleted", 0))
        return len(present)

    def _drop(self, number: int) -> None:
        kept = self._messages.pop(number)
        self.size -= len(kept.message.content)
        session = self._sessions.get(kept.session)
        if session is not None:
            self.version += 1
            session.version = self.version
            session.transactions = [one for one in session.transactions if one.message is not kept.message]

    # -- reading --------------------------------------------------------------------------------------------

    def messages(self, after: int = 0) -> list[KeptMessage]:
        """Return the messages with an id above `after`, oldest first."""
        with self._guard:
            return [kept for number, kept in self._messages.items() if number > after]

    def message(self, number: int) -> KeptMessage | None:
        """Return a message, or None where it is not kept."""
        with self._guard:
            return self._messages.get(number)

    def sessions(self, version: int = 0) -> list[KeptSession]:
        """Return the sessions that changed after a version, oldest first."""
        with self._guard:
            return [kept for kept in self._sessions.values() if kept.version > version]

    def session(self, number: int) -> KeptSession | None:
        """Return a session, or None where it is not kept."""
        with self._guard:
            return self._sessions.get(number)

    # -- waiting --------------------------------------------------------------------------------------------

    def subscribe(self, subscription: Subscription) -> None:
        """Tell a subscription of every change from now on."""
        with self._guard:
            self._subscriptions.add(subscription)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Tell it no more."""
        with self._guard:
            self._subscriptions.discard(subscription)

    def publish(self, change: Change) -> None:
        """Tell every subscription of a change."""
        with self._guard:
            subscriptions = tuple(self._subscriptions)
        for subscription in subscriptions:
            subscription.put(change)


def _weight(kept: KeptSession) -> int:
    raw = kept.story.raw
    return 0 if raw is None else len(raw.entries) // WIDTH * _ENTRY_OCTETS
