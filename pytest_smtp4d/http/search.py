"""Criteria of a query: which messages it asks for, and how the nearest of the others compares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_smtp4d.records.record import ReceivedMessage

__all__ = ["CRITERIA", "Search", "nearest_of"]

CRITERIA: Mapping[str, Callable[[ReceivedMessage], Sequence[str]]] = {
    "subject": lambda message: (message.subject,),
    "from": lambda message: tuple(map(str, message.from_)),
    "to": lambda message: tuple(map(str, message.to)),
    "rcptTo": lambda message: message.rcpt_to,
    "text": lambda message: (message.text_body or "", message.html_body or ""),
}
"""Each criterion, and the texts of a message in one of which it must be found."""


class Search(NamedTuple):
    """What messages must hold; without criteria every message is meant.

    Args:
        criteria: name -> the text to find, whatever its case.
    """

    criteria: Mapping[str, str]

    @classmethod
    def of(cls, query: Iterable[tuple[str, str]], others: Sequence[str] = ()) -> Search:
        """Read a query.

        Args:
            query: its parameters.
            others: parameters that are no criteria and are read elsewhere.

        Raises:
            SettingsError: an unknown, empty or repeated one.
        """
        criteria: dict[str, str] = {}
        for name, text in query:
            if name in others:
                continue
            if name not in CRITERIA:
                known = (*CRITERIA, *others)
                raise SettingsError(f"there is no {name!r}{nearest(name, known)}")
            if not text:
                raise SettingsError(f"{name} is empty: leave it out to mean every message")
            if name in criteria:
                raise SettingsError(f"{name} is given twice")
            criteria[name] = text
        return cls(criteria)

    def accepts(self, message: ReceivedMessage) -> bool:
        """Return whether a message holds it all."""
        return all(self._found(name, message) for name in self.criteria)

    def _found(self, name: str, message: ReceivedMessage) -> bool:
        wanted = self.criteria[name].casefold()
        return any(wanted in text.casefold() for text in CRITERIA[name](message))


def nearest_of(search: Search, messages: Sequence[tuple[int, ReceivedMessage]]) -> dict[str, Any] | None:
    """Return how the message that holds most of a search compares; None where there is none."""
    if not messages or not search.criteria:
        return None
    number, message = max(messages, key=lambda one: (_agreeing(search, one[1]), one[0]))
    return {
        "id": number,
        "criteria": [
            {
                "name": name,
                "expected": text,
                "received": "; ".join(CRITERIA[name](message))[:200],
                "agrees": search._found(name, message),  # noqa: SLF001 - of the same room
            }
            for name, text in search.criteria.items()
        ],
    }


def _agreeing(search: Search, message: ReceivedMessage) -> int:
    return sum(search._found(name, message) for name in search.criteria)  # noqa: SLF001 - as above
