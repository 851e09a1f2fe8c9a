"""Texts that try to break out of the place that a user's input has in a mail, each with a canary.

RFC 5321 2.3.8 (CRLF ends a command), 4.1.2 (">" ends a path), 4.5.2 (a dot alone ends content), RFC 5322 2.2
(CRLF ends a field), RFC 2047 (encoded words).

A payload begins as an ordinary input would ("ada@example.org", "Hello"), so that it reaches the place that is
tried, and goes on as the protocol would. Where it is refused, or arrives as text, the canary is in the middle
of something. Where it broke out, the canary is a command, a recipient or a field of its own, which
`pytest_smtp4d.records.canary` sees.

What only breaks out when something decodes it is here too: `EmailMessage` writes the field in
`=?utf-8?q?x=0ABcc:…?=` as a field of its own (CVE-2024-6923, mended in Python 3.13 and later versions of the
older ones).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.records.canary import CANARY, CANARY_FIELD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["PAYLOADS", "Injection", "injection_of"]

_LINE_ENDS: Mapping[str, str] = {
    "CRLF": "\r\n",
    "LF": "\n",
    "CR": "\r",
    # Line ends of `str.splitlines` and of Unicode, which are none in mail.
    "VT": "\x0b",
    "FF": "\x0c",
    "FS": "\x1c",
    "GS": "\x1d",
    "RS": "\x1e",
    "NEL": "\x85",
    "line-separator": "\u2028",
    "paragraph-separator": "\u2029",
    # Whose lower octets are CR and LF.
    "low-octets": "\u560d\u560a",
    "NUL-CRLF": "\0\r\n",
    # Forms that something on the way may decode.
    "percent-encoded": "%0D%0A",
    "backslashes": "\\r\\n",
    "HTML-entities": "&#13;&#10;",
    "quoted-printable": "=0D=0A",
}
_REAL_LINE_ENDS = ("CRLF", "LF", "CR", "low-octets", "percent-encoded")


_FIELD = f"{CANARY_FIELD}: sings"


def _payloads() -> Iterator[tuple[str, str]]:
    for name, end in _LINE_ENDS.items():
        yield f"field-after-{name}", f"Hello{end}{_FIELD}"
    yield "field-after-folded-CRLF", f"Hello\r\n \r\n{_FIELD}"
    yield "field-after-quoted-CRLF", f'report.pdf"\r\n{_FIELD}\r\nX-Rest: "'
    yield "field-after-address", f"ada@example.org\r\n{_FIELD}"
    yield "field-in-Q-word-LF", f"=?utf-8?q?Hello=0A{CANARY_FIELD}:_sings?="
    yield "field-in-Q-word-CRLF", f"=?utf-8?q?Hello=0D=0A{CANARY_FIELD}:_sings?="
    yield "field-in-B-word-CRLF", "=?utf-8?b?SGVsbG8NClNtdHA0ZC1DYW5hcnk6IHNpbmdz?="
    for name in _REAL_LINE_ENDS:
        yield f"command-after-{name}", f"ada@example.org>{_LINE_ENDS[name]}RCPT TO:<{CANARY}"
    yield "parameter", f"ada@example.org> NOTIFY=NEVER ORCPT=rfc822;{CANARY}"
    yield "parameter-unclosed", f"ada@example.org> ORCPT=rfc822;{CANARY} X=<"
    yield "parameter-quoted", f'"ada@example.org> ORCPT=rfc822;{CANARY}"@example.org'
    for name, before, end in (
        ("CRLF", "\r\n", "\r\n"),
        ("LF", "\n", "\n"),
        ("LF-CRLF", "\n", "\r\n"),
        ("CRLF-LF", "\r\n", "\n"),
        ("CR", "\r", "\r"),
    ):
        yield f"dot-line-{name}", f"Hello{before}.{end}NOOP {CANARY_FIELD}{end}"


PAYLOADS: Mapping[str, str] = dict(_payloads())
"""Readable id -> payload."""


class Mark(Protocol):
    """A mark as pytest makes it."""

    @property
    def name(self) -> str:
        """Its name, "smtp_injection"."""

    @property
    def args(self) -> tuple[Any, ...]:
        """What was given by position."""

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """What was given by name."""


class Injection(NamedTuple):
    """What a test with the marker `smtp_injection` is run with, in order."""

    payloads: tuple[str, ...]
    ids: tuple[str, ...]


def injection_of(marks: Iterable[Mark], argument_names: Iterable[str]) -> Injection | None:
    """Return the payloads of a test, or None for one without the marker.

    Args:
        marks: of the test.
        argument_names: of the test and its fixtures: "payload" has to be among them.

    Raises:
        SettingsError: the marker has arguments, or the test has no argument `payload`.
    """
    mark = next((mark for mark in marks if mark.name == "smtp_injection"), None)
    if mark is None:
        return None
    given = [*map(repr, mark.args), *(f"{name}={value!r}" for name, value in mark.kwargs.items())]
    if given:
        raise SettingsError(f"smtp_injection takes nothing, not {given[0]}")
    if "payload" not in argument_names:
        raise SettingsError(
            "smtp_injection: the test needs an argument `payload`, the text to put where users' input goes"
        )
    return Injection(tuple(PAYLOADS.values()), tuple(PAYLOADS))
