"""What a watch keeps of sessions that a server forgot: what they are judged by, and how the last ones went.

A test that clears its server again and again must not grow by that, and is judged by all it did all the same.
So of a session that was cleared its violations are kept, a number of each name, and of the last sessions the
beginning and the end of the dialogue without contents.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_smtp4d.records.record import Session
    from pytest_smtp4d.records.violation import Violation

__all__ = ["ClearedSessions"]

_OF_EACH_NAME = 100
"""How many violations of one name are kept: more tell nobody more."""


class ClearedSessions:
    """The sessions of one server that were cleared during a test.

    Args:
        shown: how many sessions a transcript shows at most.
    """

    def __init__(self, shown: int) -> None:
        self.sessions: deque[Session] = deque(maxlen=shown)
        """The last ones, shortened."""
        self.left_out = 0
        """How many came before them."""
        self.violations: list[Violation] = []
        """What clients can be blamed for and were not told yet."""
        self.flaws: list[Violation] = []
        """What is wrong with messages, where the settings said that it matters."""
        self._counts: Counter[str] = Counter()

    def take(self, session: Session, violations: Iterable[Violation], flaws: Iterable[Violation]) -> None:
        """Keep what is needed of a session.

        Args:
            session: one that is not written any more.
            violations: those of it that are still to be judged.
            flaws: those of its messages.
        """
        if len(self.sessions) == self.sessions.maxlen:
            self.left_out += 1
        self.sessions.append(session._shortened())
        self.violations += filter(self._is_new, violations)
        self.flaws += filter(self._is_new, flaws)

    def _is_new(self, violation: Violation) -> bool:
        self._counts[violation.name] += 1
        return self._counts[violation.name] <= _OF_EACH_NAME
