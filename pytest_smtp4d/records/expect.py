"""What a test expects of a message: criteria -> rows of differences, and the words of a failure.

RFC 5321 4.2 and RFC 8446 6 (the replies and TLS alerts that a failure explains).

A difference is data first and words last. The words show what a person needs to see why a message did not
arrive: the cause in the first line, then the nearest miss, what did arrive, what was refused, and who left
before MAIL.
"""

from __future__ import annotations

import difflib
import inspect
import numbers
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.records.advice import advice, cause, summary
from pytest_smtp4d.records.criteria import CRITERIA
from pytest_smtp4d.records.difference import differences, shown_value
from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_smtp4d.records.record import ReceivedMessage, Session, Transaction
    from pytest_smtp4d.smtp.reply import Reply

__all__ = [
    "CRITERIA",
    "Comparison",
    "Expectation",
    "Miss",
    "advice",
    "explain_excess",
    "explain_lack",
    "nearest_miss",
]

_LISTS = frozenset({"rcpt_to", "from_", "to", "cc", "bcc", "attachments"})
_EMPTY_IS_NONE = frozenset({"subject", "mail_from"})
"""Those that are "" where a message has none."""
_SHOWN_ROWS = 20
_COMPARED_MESSAGES = 50
"""How many messages, the last ones, are candidates for the nearest miss."""
_COMPARED_ITEMS = 20
_COMPARED_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Comparison:
    """One criterion held against one message.

    Args:
        name: "subject", "headers['X-Id']".
        expected: the text, list, set, pattern, predicate or object.
        actual: what the message holds; None where it has none.
        agrees: whether they match.
    """

    name: str
    expected: object
    actual: object
    agrees: bool


# --- agreeing -------------------------------------------------------------------------------------


def _agrees(expected: object, actual: object) -> bool:
    """Return whether one value is as expected: `==`, a pattern that is found, a predicate that holds."""
    if isinstance(expected, re.Pattern):
        return isinstance(actual, str) and expected.search(actual) is not None
    if callable(expected) and not isinstance(expected, type):
        return bool(expected(actual))
    return bool(expected == actual)


def _agrees_with_list(expected: object, actual: Sequence[object]) -> bool:
    """Return whether a list is as expected: a list or a set is the whole of it, anything else any item."""
    if isinstance(expected, AbstractSet):
        return len(expected) == len(actual) and _pair_up(list(expected), list(actual))
    if isinstance(expected, Sequence) and not isinstance(expected, str):
        return len(expected) == len(actual) and all(map(_agrees, expected, actual))
    if expected is None:
        return not actual
    if _is_compared(expected) and (expected == actual or expected == list(actual)):
        return True
    return any(_agrees(expected, item) for item in actual)


def _pair_up(expected: list[object], actual: list[object]) -> bool:
    """Return whether each expected item agrees with an item of its own."""
    left = list(actual)
    others = []
    for item in expected:
        if not isinstance(item, str):
            others.append(item)
        elif item in left:
            left.remove(item)
        else:
            return False
    taken: dict[int, int] = {}  # index of `left` -> index of `others`
    return all(_find_partner(index, others, left, taken, set()) for index in range(len(others)))


def _find_partner(
    index: int, others: list[object], left: list[object], taken: dict[int, int], tried: set[int]
) -> bool:
    """Give `others[index]` an item, moving those on that can have another (an augmenting path)."""
    for place, item in enumerate(left):
        if place in tried or not _agrees(others[index], item):
            continue
        tried.add(place)
        if place not in taken or _find_partner(taken[place], others, left, taken, tried):
            taken[place] = index
            return True
    return False


# --- what can be expected -------------------------------------------------------------------------


class Expectation:
    """Criteria, checked when made.

    Args:
        criteria: of `CRITERIA`. A text compares with `==`, a compiled pattern is searched, a predicate is
            called with the value, None means "has none", and an object of a class with its own `__eq__` is
            compared. For the list ones a text, pattern, predicate or object matches any item, a list or tuple
            the whole in order, a set the whole in any order.

    Raises:
        SettingsError: an unknown criterion (the nearest is named), or a value that could never match.
    """

    __slots__ = ("_criteria",)

    def __init__(self, criteria: Mapping[str, object]) -> None:
        for name, expected in criteria.items():
            if name not in CRITERIA:
                raise SettingsError(f"unknown criterion {name!r}{nearest(name, CRITERIA)}")
            if name == "headers":
                _check_headers(expected)
            else:
                _check_expected(name, expected, is_list=name in _LISTS)
        self._criteria = dict(criteria)

    def accepts(self, message: ReceivedMessage) -> bool:
        """Return whether the message is as expected in everything."""
        return all(comparison.agrees for comparison in self.compare(message))

    def compare(self, message: ReceivedMessage) -> Iterator[Comparison]:
        """Hold each criterion against the message, in the order given."""
        for name, expected in self._criteria.items():
            if isinstance(expected, Mapping):
                for field, value in expected.items():
                    actual = message.header(field)
                    agrees = _agrees_with_list(value, actual)
                    yield Comparison(f"headers[{field!r}]", value, actual, agrees)
            elif name in _LISTS:
                items = _actual_list(name, message)
                yield Comparison(name, expected, items, _agrees_with_list(expected, items))
            else:
                found = message.session.user if name == "user" else getattr(message, name)
                if expected is None and found == "" and name in _EMPTY_IS_NONE:
                    found = None
                yield Comparison(name, expected, found, _agrees(expected, found))

    def __bool__(self) -> bool:
        """Whether there is any criterion."""
        return bool(self._criteria)

    def __str__(self) -> str:
        """Return them as they were written, after " with "; "" where there is none."""
        criteria = ", ".join(f"{name}={shown_value(expected)}" for name, expected in self._criteria.items())
        return criteria and f" with {criteria}"


def _actual_list(name: str, message: ReceivedMessage) -> Sequence[object]:
    if name == "attachments":
        return [attachment.name for attachment in message.attachments]
    items: Sequence[object] = getattr(message, name)
    return items


def _is_compared(value: object) -> bool:
    """Return whether a value's own class says what it is equal to, and may say so of a text."""
    if isinstance(value, (numbers.Number, bytes, bytearray, memoryview, Mapping)):
        return False
    plain = type if isinstance(value, type) else object
    return type(value).__eq__ is not plain.__eq__


def _is_collection(value: object) -> TypeGuard[Sequence[object] | AbstractSet[object]]:
    return isinstance(value, (Sequence, AbstractSet)) and not isinstance(
        value, (bytes, bytearray, memoryview)
    )


def _check_headers(expected: object) -> None:
    if not isinstance(expected, Mapping):
        raise SettingsError(f"headers is a mapping of field names to what they hold, not {expected!r}")
    for field, value in expected.items():
        if not isinstance(field, str):
            raise SettingsError(f"a field name of headers is a str, not {field!r}")
        _check_expected(f"headers[{field!r}]", value, is_list=True)


def _check_expected(name: str, expected: object, *, is_list: bool) -> None:
    """Check the value of a criterion.

    Raises:
        SettingsError: it could never match, or always would.
    """
    if expected is None or isinstance(expected, str):
        return
    if _is_collection(expected):
        if not is_list:
            raise SettingsError(f"{name} is one text, so {shown_value(expected)} could never match: {_TAKES}")
        for item in expected:
            if item is None or (_is_collection(item) and not isinstance(item, str)):
                raise SettingsError(f"{name} lists texts, so {item!r} among them could never match: {_TAKES}")
            _check_expected(name, item, is_list=False)
        return
    pattern = expected.pattern if isinstance(expected, re.Pattern) else expected
    if isinstance(pattern, (bytes, bytearray, memoryview)):
        raise SettingsError(
            f"{name} is text, so it is compared with a str or a pattern of str, not {expected!r}"
        )
    if isinstance(expected, re.Pattern):
        return
    if inspect.iscoroutinefunction(expected):
        raise SettingsError(
            f"{name}: a predicate is called and not awaited: {shown_value(expected)} is async"
        )
    if _is_compared(expected) or (callable(expected) and not isinstance(expected, type)):
        return
    raise SettingsError(
        f"{name} could never match {shown_value(expected)} ({type(expected).__name__}): {_TAKES}"
    )


_TAKES = (
    "give a str, a compiled pattern, a predicate, None for none, and where there are several a list or a set"
)


# --- the words ------------------------------------------------------------------------------------


def explain_lack(
    expectation: Expectation,
    messages: Sequence[ReceivedMessage],
    sessions: Sequence[Session],
    *,
    wanted: int,
    timeout: float,
    during: str = "",
) -> str:
    """Return why too few messages are there, in words.

    Args:
        expectation: what they should have been.
        messages: all that arrived.
        sessions: all that the server had.
        wanted: how many should have matched.
        timeout: seconds that were waited.
        during: what went before the waiting, such as " in the block".
    """
    matched = [message for message in messages if expectation.accepts(message)]
    count = "no message" if wanted == 1 else f"{len(matched)} of {wanted} messages"
    waited = f" within {timeout:g} s" if timeout else " (looked once, did not wait: see `timeout`)"
    if during:
        waited = f"{during} or{waited} of its end" if timeout else during
    near = nearest_miss(expectation, messages) if expectation else None
    early = [session for session in sessions if not session.transactions]
    reason = (
        f"nearest subject {shown_value(near.subject)}" if near is not None else _cause(messages, sessions)
    )
    lines = [f"{reason}{': ' if reason else ''}{count}{expectation} arrived{waited}"]
    if near is not None:
        lines += [f"nearest, message {near.number}:", *(line for row in near.rows for line in _row(row))]
    lines += _titled("arrived", _numbered(messages))
    lines += _titled("refused transactions", _refused(sessions))
    lines += _titled("sessions that ended before MAIL", _sessions(s for s in early if s.ended is not None))
    lines += _titled("sessions still open, before MAIL", _sessions(s for s in early if s.ended is None))
    if not sessions and not messages:
        way = "give yours the server's host and port, or `client_options()`"
        lines.append(f"no client connected: {way}" if timeout else f"no client connected by then: {way}")
    return "\n".join(lines)


def _cause(messages: Sequence[ReceivedMessage], sessions: Sequence[Session]) -> str:
    """Return what went wrong last on a server, in a few words for pytest's summary; "" where nothing did."""
    if not sessions:
        return "" if messages else "nobody connected"
    ends = [(session, transaction) for session in sessions for transaction in session.transactions]
    refusals = (_refusal_of(transaction) for _, transaction in reversed(ends))
    early = [session for session in reversed(sessions) if not session.transactions]
    left = [*map(cause, early), "" if ends or messages else "no client came as far as MAIL"]
    unfinished = (
        f"transaction {_outcome(transaction, session)}"
        for session, transaction in reversed(ends)
        if transaction.message is None
    )
    return next(filter(None, (*refusals, *left, *unfinished)), "")


def _refusal_of(transaction: Transaction) -> str:
    """Return the reply that refused a transaction, or a recipient of it; "" where none did."""
    if transaction.reply is not None and not transaction.reply.is_positive:
        return f"refused with {_one_line(transaction.reply)}"
    if transaction.message is None and transaction.refused:
        mailbox, reply = next(iter(transaction.refused.items()))
        return f"{mailbox} refused with {_one_line(reply)}"
    return ""


def _one_line(reply: Reply) -> str:
    return f"{reply.code} {reply.lines[0]}".rstrip()


def explain_excess(
    expectation: Expectation, matches: Sequence[ReceivedMessage], *, wanted: int, test: str = ""
) -> str:
    """Return which messages are too many, in words.

    Args:
        expectation: what they all are.
        matches: those that match.
        wanted: how many should have matched.
        test: the test that runs; those that came in another one are counted, by its name.
    """
    count = "1 message" if len(matches) == 1 else f"{len(matches)} messages"
    expected = {0: "none was expected", 1: "one was expected"}.get(wanted, f"{wanted} were expected")
    earlier = Counter(message.test for message in matches if test and message.test != test)
    notes = [f"{number} of them came in {name or 'no test'}" for name, number in earlier.items()]
    if notes:
        notes.append("the server is shared: let its fixture say reset() or clear() first")
    return "\n".join([f"{count}{expectation} arrived, {expected}", *_rows(_numbered(matches)), *notes])


def _titled(title: str, rows: Iterable[str]) -> list[str]:
    shown = _rows(rows)
    return [f"{title}:", *shown] if shown else []


def _rows(rows: Iterable[str]) -> list[str]:
    """Return rows indented; of very many the last ones, which are the likeliest to matter."""
    all_rows = [f"  {row}" for row in rows]
    left_out = len(all_rows) - _SHOWN_ROWS
    return [f"  ({left_out} earlier left out)", *all_rows[left_out:]] if left_out > 0 else all_rows


def _numbered(messages: Iterable[ReceivedMessage]) -> Iterator[str]:
    for number, message in enumerate(messages, 1):
        yield f"{number}. {_route(message)}, subject {shown_value(message.subject)}"


def _route(envelope: ReceivedMessage | Transaction) -> str:
    route = f"from {envelope.mail_from or '<>'}"
    shown, more = envelope.rcpt_to[:3], len(envelope.rcpt_to) - 3
    if shown:
        route += f" to {', '.join(shown)}"
    return f"{route} and {more} more" if more > 0 else route


@dataclass(frozen=True, slots=True)
class Miss:
    """A message that is not as expected: its number from 1, its subject, and its rows."""

    number: int
    subject: str
    rows: Sequence[Comparison]


def nearest_miss(expectation: Expectation, messages: Sequence[ReceivedMessage]) -> Miss | None:
    """Return how the message compares that came nearest to what was expected; None where none arrived."""
    recent = list(enumerate(messages, 1))[-_COMPARED_MESSAGES:]
    compared = [
        Miss(number, message.subject, list(expectation.compare(message))) for number, message in recent
    ]
    misses = [miss for miss in compared if not all(row.agrees for row in miss.rows)]
    return max(misses, key=lambda miss: sum(map(_likeness, miss.rows)), default=None)


def _likeness(comparison: Comparison) -> float:
    """Return how near a criterion came, 0 to 1."""
    if comparison.agrees:
        return 1.0
    expected, actual = comparison.expected, comparison.actual
    items = actual if isinstance(actual, (list, tuple)) else (actual,)
    if not isinstance(expected, str):
        return 0.0
    matcher = difflib.SequenceMatcher(None, b=expected[:_COMPARED_CHARACTERS])
    ratios = []
    for item in items[:_COMPARED_ITEMS]:
        if isinstance(item, str):
            matcher.set_seq1(item[:_COMPARED_CHARACTERS])
            ratios.append(matcher.ratio())
    return max(ratios, default=0.0) * 0.9


def _row(comparison: Comparison) -> Iterator[str]:
    if comparison.agrees:
        yield f"  {comparison.name}: as expected"
    else:
        for line in differences(comparison.name, comparison.expected, comparison.actual):
            yield f"  {line}"


def _refused(sessions: Iterable[Session]) -> Iterator[str]:
    for session in sessions:
        for transaction in session.transactions:
            if transaction.message is None:
                yield f"{_route(transaction)}: {_outcome(transaction, session)}"
            elif transaction.refused:
                yield f"{_route(transaction)}: {_refusals(transaction)}, sent to the others"
        if session.transactions and (hint := advice(session)):
            yield f"  {hint}"


def _refusals(transaction: Transaction) -> str:
    return ", ".join(f"RCPT {mailbox} refused with {reply}" for mailbox, reply in transaction.refused.items())


def _outcome(transaction: Transaction, session: Session) -> str:
    is_last = transaction is session.transactions[-1]
    if transaction.reply is not None and not transaction.reply.is_positive:
        outcome = f"refused with {transaction.reply}"
    elif is_last and session.ended is None:
        outcome = "still open"
    else:
        outcome = f"abandoned ({session.ended if is_last else 'RSET'})"
    refusals = _refusals(transaction)
    return f"{refusals}, {outcome}" if refusals else outcome


def _sessions(sessions: Iterable[Session]) -> Iterator[str]:
    for session in sessions:
        yield f"{session.peer[0]}:{session.peer[1]}: {summary(session)}"
        if hint := advice(session):
            yield f"  {hint}"
