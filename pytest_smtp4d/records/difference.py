"""Words for what was expected and what was received: where two texts differ, and what would have matched.

Everything here takes time that is bounded by a few hundred lines or characters, however long the texts are.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
import warnings
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from pytest_smtp4d.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["differences", "shown_value"]

_SHOWN_VALUE = 200
"""Characters of a value that are shown at most."""
_BEFORE = 40
"""Characters that are shown before the first difference of two long texts."""
_SHOWN_LINES = 20
_COMPARED_LINES = 200


def shown_value(value: object) -> str:
    """Return a value for a person: a pattern and a predicate as they were written, a long one cut."""
    text = _shown_whole(value)
    return text if len(text) <= _SHOWN_VALUE else f"{text[:_SHOWN_VALUE]}… ({len(text)} characters)"


def _shown_whole(value: object) -> str:
    if isinstance(value, AbstractSet):
        return f"{{{', '.join(sorted(map(_shown_whole, value)))}}}" if value else "set()"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_shown_whole, value))}]"
    return shown(value)


def differences(name: str, expected: object, actual: object) -> Iterator[str]:
    """Yield the lines that say how a criterion was missed.

    Args:
        name: of the criterion, "subject".
        expected: its value.
        actual: what the message holds.
    """
    if isinstance(expected, str) and isinstance(actual, str):
        yield from _texts(name, expected, actual)
    else:
        yield f"{name}: expected {shown_value(expected)}, received {shown_value(actual)}"
        yield from _lists(expected, actual)
    yield from _hint(expected, actual)


# --- texts ----------------------------------------------------------------------------------------


def _texts(name: str, expected: str, actual: str) -> Iterator[str]:
    if "\n" in expected.rstrip() + actual.rstrip():
        yield f"{name}: differs (- expected, + received)"
        yield from _lines(expected, actual)
    elif not _is_long(expected, actual):
        yield f"{name}: expected {shown(expected)}, received {shown(actual)}"
    else:
        at = _first_difference(expected, actual)
        lengths = f"{len(expected)} expected, {len(actual)} received"
        yield f"{name}: differs from character {at + 1} on ({lengths})"
        yield f"  expected {_around(expected, at)}"
        yield f"  received {_around(actual, at)}"


def _first_difference(first: str | Sequence[str], second: str | Sequence[str]) -> int:
    """Return the first index at which two sequences differ."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(first), len(second)))


def _around(text: str, at: int) -> str:
    """Return the piece of a text around an index, with marks where something is left out."""
    start = max(0, at - _BEFORE)
    end = start + _SHOWN_VALUE
    return f"{'…' if start else ''}{text[start:end]!r}{'…' if end < len(text) else ''}"


def _lines(expected: str, actual: str) -> Iterator[str]:
    """Yield the lines that differ, with one line around them, from the first difference on."""
    before, after = (text.splitlines() for text in (expected, actual))
    if before == after:
        # Only line ends differ, which splitting into lines has hidden.
        before, after = (text.splitlines(keepends=True) for text in (expected, actual))
    first = _first_difference(before, after)
    skipped = max(0, first - 1) if max(len(before), len(after)) > _COMPARED_LINES else 0
    if skipped:
        yield f"  (the first {skipped} lines agree)"
    window = slice(skipped, skipped + _COMPARED_LINES)
    # Without the names of files, which come first.
    found = list(difflib.unified_diff(before[window], after[window], n=1, lineterm=""))[2:]
    for line in found[:_SHOWN_LINES]:
        text = repr(line[1 : _SHOWN_VALUE + 1])[1:-1]
        yield f"  {line[:1]}{text}{'…' if len(line) > _SHOWN_VALUE + 1 else ''}"
    if len(found) > _SHOWN_LINES:
        yield f"  ({len(found) - _SHOWN_LINES} more lines)"
    if first < min(len(before), len(after)) and _is_long(before[first], after[first]):
        at = _first_difference(before[first], after[first])
        yield f"  line {first + 1} differs from character {at + 1} on"
        yield f"    expected {_around(before[first], at)}"
        yield f"    received {_around(after[first], at)}"


def _is_long(*texts: str) -> bool:
    return max(map(len, texts)) > _SHOWN_VALUE


# --- lists ----------------------------------------------------------------------------------------


def _lists(expected: object, actual: object) -> Iterator[str]:
    """Yield what is missing and what is too much, where the lists are too long to be seen whole."""
    if isinstance(expected, str) or not isinstance(expected, (Sequence, AbstractSet)):
        return
    if not isinstance(actual, (list, tuple)):
        return
    if max(len(_shown_whole(expected)), len(_shown_whole(actual))) <= _SHOWN_VALUE:
        return
    texts = [item for item in expected if isinstance(item, str)]
    known, received = set(texts), {item for item in actual if isinstance(item, str)}
    for title, items in (
        ("missing", [item for item in texts if item not in received]),
        (
            "not expected",
            [item for item in actual if item not in known] if len(texts) == len(expected) else [],
        ),
    ):
        if items:
            yield f"  {title}: {shown_value(items)}"


# --- what would have matched ----------------------------------------------------------------------

_LONGEST_PATTERN = 200
_SEARCHED = 2000


def _hint(expected: object, actual: object) -> Iterator[str]:
    """Yield how a text that was compared with `==` would have matched."""
    received = actual if isinstance(actual, (list, tuple)) else (actual,)
    texts = [item[:_SEARCHED] for item in received if isinstance(item, str)][:_SHOWN_LINES]
    if not isinstance(expected, str) or not expected or len(expected) > _LONGEST_PATTERN:
        return
    for text in texts:
        if text.casefold() == expected.casefold():
            yield f"  without case it would match: re.compile({_anchored(expected)!r}, re.IGNORECASE)"
        elif expected in text:
            pattern = re.escape(expected)
            yield f"  as a pattern it would match: re.compile({pattern!r}); a text is compared with =="
        elif re.search(r"[*?\[]", expected) and fnmatch.fnmatchcase(text, expected):
            pattern = _glob(expected)
            yield f"  as a shell pattern it would match: re.compile({pattern!r}); texts are compared with =="
        elif _is_found(expected, text):
            yield f"  as a pattern it would match: re.compile({expected!r}); a text is compared with =="
        else:
            continue
        return


def _anchored(text: str) -> str:
    return rf"^{re.escape(text)}$"


def _glob(pattern: str) -> str:
    """Return a shell pattern as a regular expression, as a person would write it."""
    if "[" in pattern:
        return fnmatch.translate(pattern)
    return "^" + re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".") + "$"


_REPEATS = re.compile(r"[*+{]")


def _is_found(pattern: str, text: str) -> bool:
    """Return whether a text, as a regular expression, is found in another.

    One with three repetitions or more is not tried: it may take ages.
    """
    if not re.search(r"[\\^$.|?*+()\[\]{}]", pattern) or len(_REPEATS.findall(pattern)) > 2:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.search(pattern, text[:_SHOWN_VALUE]) is not None
        except re.error:
            return False
