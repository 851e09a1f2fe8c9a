"""Criteria: what a test can ask of a message, by name, and what each can be held against.

`expect` does the comparing. `CRITERIA` is read off the typed dict, so a criterion stands in one place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol, TypeAlias, TypedDict

__all__ = ["CRITERIA", "Criteria", "Equal", "ListCriterion", "OptionalCriterion", "TextCriterion", "TextItem"]


class Equal(Protocol):
    """An object of dirty-equals, which says itself what it is equal to."""

    def equals(self, other: object, /) -> bool:
        """Whether it is equal to a value."""
        ...


# Each is one flat union: mypy knows the argument of a lambda only where the callable is a member itself.

TextItem: TypeAlias = str | re.Pattern[str] | Callable[[str], object] | Equal
"""What one text is held against: a text that is equal, a pattern that is found in it, or a predicate."""

TextCriterion: TypeAlias = str | re.Pattern[str] | Callable[[str], object] | Equal | None
"""The same for a text that a message always has; None: it is empty."""

OptionalCriterion: TypeAlias = str | re.Pattern[str] | Callable[[str | None], object] | Equal | None
"""The same for a text that a message may not have; None: it has none."""

ListCriterion: TypeAlias = (
    str
    | re.Pattern[str]
    | Callable[[str], object]
    | Equal
    | type[Equal]
    | Sequence[TextItem]
    | AbstractSet[TextItem]
    | None
)
"""What a list of texts is held against: any item of it, or the whole, in order (a list) or in any (a set)."""


class Criteria(TypedDict, total=False):
    """What a message is asked for, as keywords of `one`, `where`, `wait_for`, `none`, `expect` and `clear`.

    A text is equal, a compiled pattern is found, a predicate holds; None means that the message has none. For
    a list each of them matches any item, a list or tuple the whole in order, a set the whole in any order.

    For functions of one's own that pass them on: ``**criteria: Unpack[Criteria]``.

    Example:
        >>> def welcome(server: SMTPServer, **criteria) -> ReceivedMessage:
        ...     return server.messages.one(subject="Welcome", timeout=5, **criteria)
        >>> welcome(smtp_server, to="bob@example.org", attachments=None).subject
        'Welcome'
    """

    mail_from: TextCriterion
    rcpt_to: ListCriterion
    subject: TextCriterion
    from_: ListCriterion
    to: ListCriterion
    cc: ListCriterion
    bcc: ListCriterion
    text_body: OptionalCriterion
    html_body: OptionalCriterion
    headers: Mapping[str, ListCriterion]
    attachments: ListCriterion
    user: OptionalCriterion


CRITERIA = tuple(Criteria.__annotations__)
"""The criteria by name. Most are a view of `ReceivedMessage`; `headers` maps field names to what they hold,
`attachments` are names of files, `user` is who had logged in."""
