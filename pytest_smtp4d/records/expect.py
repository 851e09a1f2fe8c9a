"""What a test expects of a message: criteria -> rows of differences, and the words of a failure.

RFC 5321 4.2 and RFC 8446 6 (the replies and TLS alerts that a failure explains).
The one thing to know: a difference is data first and words last, and the words show what a person needs to
see why a message did not arrive: the nearest miss, what did arrive, what was refused, and who left before
MAIL.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.words import escaped, nearest, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_smtp4d.records.record import ReceivedMessage, Session, Transaction

__all__ = ["CRITERIA", "Comparison", "Expectation", "explain_excess", "explain_lack"]

CRITERIA = (
    "mail_from",
    "rcpt_to",
    "subject",
    "from_",
    "to",
    "cc",
    "bcc",
    "text_body",
    "html_body",
    "headers",
)
"""The criteria, each a view of `ReceivedMessage`; `headers` is a mapping of field names to what they hold."""

_LISTS = frozenset({"rcpt_to", "from_", "to", "cc", "bcc"})
_SHOWN_VALUE = 200
_SHOWN_COMMAND = 80
_SHOWN_ROWS = 20
_COMPARED_MESSAGES = 50
"""How many messages, the last ones, are candidates for the nearest miss."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One criterion held against one message.

    Args:
        name: "subject", "headers['X-Id']".
        expected: the text, list, pattern or predicate.
        actual: what the message holds; None where it has none.
        agrees: whether they match.
    """

    name: str
    expected: object
    actual: object
    agrees: bool


def _agrees(expected: object, actual: object) -> bool:
    """Return whether one value is as expected: `==`, a pattern that is found, a predicate that holds."""
    if isinstance(expected, re.Pattern):
        return isinstance(actual, str) and expected.search(actual) is not None
    if callable(expected):
        return bool(expected(actual))
    return bool(expected == actual)


def _agrees_with_any(expected: object, actual: Sequence[object]) -> bool:
    """Return whether a list is as expected: a list is the whole of it, anything else any item."""
    if isinstance(expected, (list, tuple)):
        return len(expected) == len(actual) and all(map(_agrees, expected, actual))
    if expected is None:
        return not actual
    return any(_agrees(expected, item) for item in actual)


class Expectation:
    """Criteria, checked when made.

    Args:
        criteria: of `CRITERIA`; a text compares with `==`, a compiled pattern is searched, a predicate is
            called with the value. For the list ones a text, pattern or predicate matches any item, a list the
            whole.

    Raises:
        SettingsError: an unknown criterion (the nearest is named), `headers` that is no mapping, a pattern of
            bytes.
    """

    __slots__ = ("_criteria",)

    def __init__(self, criteria: Mapping[str, object]) -> None:
        for name, expected in criteria.items():
            if name not in CRITERIA:
                raise SettingsError(f"unknown criterion {name!r}{nearest(name, CRITERIA)}")
            _check_expected(name, expected)
        self._criteria = dict(criteria)

    def accepts(self, message: ReceivedMessage) -> bool:
        """Return whether the message is as expected in everything."""
        return all(comparison.agrees for comparison in self.compare(message))

    def compare(self, message: ReceivedMessage) -> Iterator[Comparison]:
        """Hold each criterion against the message, in the order given."""
        for name, expected in self._criteria.items():
            if isinstance(expected, Mapping) and name == "headers":
                for field, value in expected.items():
                    actual = message.header(field)
                    agrees = _agrees_with_any(value, actual)
                    yield Comparison(f"headers[{field!r}]", value, actual, agrees)
            else:
                actual = getattr(message, name)
                agrees = _agrees_with_any(expected, actual) if name in _LISTS else _agrees(expected, actual)
                yield Comparison(name, expected, actual, agrees)

    def __bool__(self) -> bool:
        """Whether there is any criterion."""
        return bool(self._criteria)

    def __str__(self) -> str:
        """Return them as they were written, after " with "; "" where there is none."""
        criteria = ", ".join(f"{name}={_shown(expected)}" for name, expected in self._criteria.items())
        return criteria and f" with {criteria}"


def _check_expected(name: str, expected: object) -> None:
    if name == "headers":
        if not isinstance(expected, Mapping):
            raise SettingsError(f"headers is a mapping of field names to what they hold, not {expected!r}")
        for field, value in expected.items():
            if not isinstance(field, str):
                raise SettingsError(f"a field name of headers is a str, not {field!r}")
            _check_expected(f"headers[{field!r}]", value)
    for value in expected if isinstance(expected, (list, tuple)) else (expected,):
        pattern = value.pattern if isinstance(value, re.Pattern) else value
        if isinstance(pattern, (bytes, bytearray)):
            raise SettingsError(
                f"{name} is text, so it is compared with a str or a pattern of str, not {value!r}"
            )


# The words.


def explain_lack(
    expectation: Expectation,
    messages: Sequence[ReceivedMessage],
    sessions: Sequence[Session],
    *,
    wanted: int,
    timeout: float,
) -> str:
    """Return why too few messages are there, in words.

    Args:
        expectation: what they should have been.
        messages: all that arrived.
        sessions: all that the server had.
        wanted: how many should have matched.
        timeout: seconds that were waited.
    """
    matched = [message for message in messages if expectation.accepts(message)]
    count = "no message" if wanted == 1 else f"{len(matched)} of {wanted} messages"
    waited = f" within {timeout:g} s" if timeout else ""
    lines = [f"{count}{expectation} arrived{waited}"]
    if expectation:
        lines += _nearest_miss(expectation, messages)
    lines += _titled("arrived", _numbered(messages))
    lines += _titled("refused transactions", _refused(sessions))
    early = [session for session in sessions if not session.transactions]
    lines += _titled("sessions that ended before MAIL", _sessions(s for s in early if s.ended is not None))
    lines += _titled("sessions still open, before MAIL", _sessions(s for s in early if s.ended is None))
    if not sessions:
        lines.append("no client connected: give yours the server's host and port, or `client_options()`")
    return "\n".join(lines)


def explain_excess(expectation: Expectation, matches: Sequence[ReceivedMessage], *, wanted: int) -> str:
    """Return which messages are too many, in words.

    Args:
        expectation: what they all are.
        matches: those that match.
        wanted: how many should have matched, 0 or 1.
    """
    count = "1 message" if len(matches) == 1 else f"{len(matches)} messages"
    expected = "none was expected" if wanted == 0 else "one was expected"
    return "\n".join([f"{count}{expectation} arrived, {expected}", *_rows(_numbered(matches))])


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
        yield f"{number}. {_route(message)}, subject {_shown(message.subject)}"


def _route(envelope: ReceivedMessage | Transaction) -> str:
    route = f"from {envelope.mail_from or '<>'}"
    shown, more = envelope.rcpt_to[:3], len(envelope.rcpt_to) - 3
    if shown:
        route += f" to {', '.join(shown)}"
    return f"{route} and {more} more" if more > 0 else route


def _nearest_miss(expectation: Expectation, messages: Sequence[ReceivedMessage]) -> list[str]:
    recent = list(enumerate(messages, 1))[-_COMPARED_MESSAGES:]
    compared = [(number, list(expectation.compare(message))) for number, message in recent]
    misses = [(number, rows) for number, rows in compared if not all(row.agrees for row in rows)]
    if not misses:
        return []
    number, comparisons = max(misses, key=lambda miss: sum(map(_likeness, miss[1])))
    return [f"nearest, message {number}:", *(line for row in comparisons for line in _row(row))]


def _likeness(comparison: Comparison) -> float:
    """Return how near a criterion came, 0 to 1."""
    if comparison.agrees:
        return 1.0
    expected, actual = comparison.expected, comparison.actual
    items = actual if isinstance(actual, (list, tuple)) else (actual,)
    if not isinstance(expected, str):
        return 0.0
    ratios = [
        difflib.SequenceMatcher(None, expected[:_SHOWN_VALUE], item[:_SHOWN_VALUE]).ratio()
        for item in items
        if isinstance(item, str)
    ]
    return max(ratios, default=0.0) * 0.9


def _row(comparison: Comparison) -> Iterator[str]:
    name, expected, actual = comparison.name, comparison.expected, comparison.actual
    if comparison.agrees:
        yield f"  {name}: as expected"
    elif (
        isinstance(expected, str) and isinstance(actual, str) and "\n" in expected.rstrip() + actual.rstrip()
    ):
        yield f"  {name}: differs (- expected, + received)"
        yield from _text_difference(expected, actual)
    else:
        yield f"  {name}: expected {_shown(expected)}, received {_shown(actual)}"


def _text_difference(expected: str, actual: str) -> Iterator[str]:
    """Return the lines that differ, with one line around them."""
    before, after = ([repr(line)[1:-1] for line in text.splitlines()] for text in (expected, actual))
    if before == after:
        # Only line ends differ, which splitting into lines has hidden.
        before, after = ([repr(line)[1:-1] for line in text.splitlines(True)] for text in (expected, actual))
    lines = list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]  # without the names of files
    for line in lines[:_SHOWN_ROWS]:
        yield f"    {line[:_SHOWN_VALUE]}"
    if len(lines) > _SHOWN_ROWS:
        yield f"    ({len(lines) - _SHOWN_ROWS} more lines)"


def _shown(value: object) -> str:
    """Return a value for a person: a pattern and a predicate as they were written, a long one cut."""
    if isinstance(value, (list, tuple)):
        text = f"[{', '.join(map(_shown, value))}]"
    else:
        text = shown(value)
    return text if len(text) <= _SHOWN_VALUE else f"{text[:_SHOWN_VALUE]}… ({len(text)} characters)"


def _refused(sessions: Iterable[Session]) -> Iterator[str]:
    for session in sessions:
        for transaction in session.transactions:
            if transaction.message is None:
                yield f"{_route(transaction)}: {_outcome(transaction, session)}"
            elif transaction.refused:
                yield f"{_route(transaction)}: {_refusals(transaction)}, sent to the others"


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
        yield f"{session.peer[0]}:{session.peer[1]}: {session.ended or 'still open'}; {_story(session)}"
        if hint := advice(session):
            yield f"  {hint}"


def _story(session: Session) -> str:
    """Return the last thing that a client said, but for its goodbye, and what it was answered."""
    commands = [command for command in session.commands if command.verb != "QUIT"]
    if not commands:
        return "no command"
    last = commands[-1]
    said = escaped(f"{last.verb} {last.argument}".strip().encode("utf-8", "surrogateescape"))
    said = said if len(said) <= _SHOWN_COMMAND else f"{said[:_SHOWN_COMMAND]}…"
    answered = f"answered {last.reply.code} {last.reply.lines[0]}".rstrip() if last.reply else "not answered"
    return f"last command {said}, {answered}"


_ENDINGS: tuple[tuple[str, str], ...] = (
    (
        r"unknown.ca\b",
        "the client does not trust the certificate: give it `ca_file` or `client_context()`, or `smtp_trust`",
    ),
    (
        r"certificate.expired",
        "the client finds the certificate out of date: see the setting `certificate`",
    ),
    (
        r"bad.certificate|certificate.unknown",
        "the client refused the certificate: trust `ca_file`, and connect to a name that it holds",
    ),
    (
        r"certificate.required|did not return a certificate",
        "the server asks for a client certificate: use `client_context(identity=True)`",
    ),
    (
        r"protocol.version|unsupported.protocol|no.(shared|common)|handshake.failure",
        "client and server share no TLS version or cipher: see the setting `tls_versions`",
    ),
    (
        r"wrong.version|http.request|not tls",
        "the client spoke plaintext where TLS was due: see the setting `tls`",
    ),
    (
        r"TLS handshake where clear text was due",
        "the client began with TLS where plaintext was due: set tls='implicit', or let it use STARTTLS",
    ),
    (
        r"closed in TLS",
        "the handshake did not end: with tls='implicit' the client has to begin with TLS",
    ),
)
"""How a session ended (any case, any mark between words) -> what to do about it."""

_REPLIES: tuple[tuple[int, str], ...] = (
    (535, "the login was refused: the settings `users` and `tokens` say who may log in"),
    (538, "the mechanism needs TLS first: let the client use STARTTLS, or set `auth_without_tls`"),
    (530, "the server requires a login or TLS first: see `require_auth` and `require_tls`"),
    (504, "the client's mechanism is not on offer: see the setting `auth`"),
)


def advice(session: Session) -> str:
    """Return what to do about a session that ended before MAIL; "" where nothing is sure."""
    for pattern, hint in _ENDINGS:
        if re.search(pattern, session.ended or "", re.IGNORECASE):
            return hint
    commands = session.commands
    codes = {command.reply.code for command in commands if command.reply is not None}
    for code, hint in _REPLIES:
        if code in codes:
            return hint
    if session.ended is not None and not any(command.verb in ("EHLO", "HELO") for command in commands):
        return "no EHLO: the client left before it had said anything; see the setting `tls`"
    return ""
