"""Words for messages: the nearest known name, and values and octets as a person reads them."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["escaped", "nearest", "shown"]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint to append to an error about an unknown name.

    Args:
        word: the unknown name.
        known: the names that exist.

    Returns:
        ``" (did you mean 'x'?)"`` where one is close, else ``" (known: 'a', 'b', …)"``.
    """
    names = sorted(known)
    folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    if close:
        return f" (did you mean {folded[close[0]]!r}?)"
    return f" (known: {', '.join(repr(name) for name in names)})"


def shown(value: object) -> str:
    """Return a pattern or a predicate for a message as it was written, any other value by its repr."""
    if isinstance(value, re.Pattern):
        return f"re.compile({value.pattern!r})"
    if callable(value):  # without the function that a test's own function stands in
        return str(getattr(value, "__qualname__", repr(value))).rpartition("<locals>.")[2]
    return repr(value)


def escaped(octets: bytes) -> str:
    """Return octets as text: UTF-8 where it is that, whatever cannot be printed escaped."""
    text = octets.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
