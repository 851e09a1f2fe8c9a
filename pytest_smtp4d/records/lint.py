"""Reads the octets of one message and says what is wrong with them.

RFC 5322 3.6 (the header), RFC 6532 (UTF-8 in it), RFC 2045 and 2046 (MIME), RFC 2369 and 8058 (mailing
lists), RFC 6047 (invitations), RFC 5321 2.3.8 (line ends).

A rule is a generator over the message. It reports what an RFC forbids a client to send, even where readers
forgive it, and nothing that an RFC allows. One flaw is one finding: a field is read by one rule, and of the
same mistake in many places the first is shown. Every rule takes linear time, whatever the octets are.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from pytest_smtp4d.mail.parameter import is_media_type, read_parameters
from pytest_smtp4d.mail.tree import Part, read_tree
from pytest_smtp4d.records.grammar import (
    is_address_list,
    is_date,
    is_mailbox,
    is_message_id,
    is_message_id_list,
    unsubscribe_uris,
)
from pytest_smtp4d.records.mime import parts_of
from pytest_smtp4d.words import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["FLAWS", "Finding", "Flaw", "FlawName", "lint"]

FlawName = Literal[
    "bare-cr",
    "nul",
    "missing-field",
    "duplicate-field",
    "invalid-date",
    "invalid-message-id",
    "invalid-address",
    "8bit-header",
    "bcc-disclosed",
    "invalid-mime",
    "invalid-list-unsubscribe",
    "calendar-method-mismatch",
]


class Flaw(NamedTuple):
    """One row of the list: the RFC section, and a sentence for a person."""

    rfc: str
    meaning: str


FLAWS: Mapping[FlawName, Flaw] = {
    "bare-cr": Flaw("RFC 5321 2.3.8", "content held a CR without LF; the two come together and never alone"),
    "nul": Flaw("RFC 5322 3.5", "content held an octet of value 0"),
    "missing-field": Flaw("RFC 5322 3.6", "the header has no From or no Date"),
    "duplicate-field": Flaw("RFC 5322 3.6", "the header has a field twice that may stand there once"),
    "invalid-date": Flaw("RFC 5322 3.3", "a date is not written as the RFC says, or there is no such day"),
    "invalid-message-id": Flaw(
        "RFC 5322 3.6.4", "Message-ID, In-Reply-To or References is not made of identifiers, <left@right>"
    ),
    "invalid-address": Flaw("RFC 5322 3.4", "a field of addresses holds something else"),
    "8bit-header": Flaw("RFC 5322 2.2", "a header holds octets above 127, and MAIL had no SMTPUTF8"),
    "bcc-disclosed": Flaw("RFC 5322 3.6.3", "the message shows to everybody who got it whom Bcc was to hide"),
    "invalid-mime": Flaw(
        "RFC 2045 5.1", "a media type, a boundary or a transfer encoding is not what it says it is"
    ),
    "invalid-list-unsubscribe": Flaw(
        "RFC 2369 2", "List-Unsubscribe or List-Unsubscribe-Post is nothing that a mail program can use"
    ),
    "calendar-method-mismatch": Flaw(
        "RFC 6047 2.4", "the media type of an invitation names another method than the invitation itself"
    ),
}
"""What can be wrong with a message, in the order of the findings."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a message.

    Args:
        name: of `FLAWS`.
        line: the line that shows it, escaped and cut to 100 characters, or words for what is missing.
        rfc: the section that forbids it, "RFC 5322 3.6".
    """

    name: FlawName
    line: str
    rfc: str


def lint(
    content: bytes, *, utf8: bool = False, binary: bool = False, tree: Part | None = None
) -> tuple[Finding, ...]:
    """Return what is wrong with a message, in the order of `FLAWS`.

    Args:
        content: the octets, transparency undone.
        utf8: MAIL had the parameter SMTPUTF8: UTF-8 may stand in the header (RFC 6532).
        binary: MAIL had BODY=BINARYMIME: any octet may stand anywhere in the body (RFC 3030 3).
        tree: its parts, where somebody has read them already.
    """
    message = _Message(content, tree or read_tree(content), utf8=utf8, binary=binary)
    return tuple(finding for rule in _RULES for finding in rule(message))


# --- reading --------------------------------------------------------------------------------------

_SHOWN = 100


class _Message:
    """What the rules read."""

    def __init__(self, content: bytes, root: Part, *, utf8: bool, binary: bool) -> None:
        self.content = content
        self.utf8 = utf8
        self.binary = binary
        self.root = root

    def named(self, *names: str) -> Iterator[tuple[str, str]]:
        """Yield name and unfolded value of the header's fields with one of these names (lower case)."""
        return ((name, value) for name, value in self.root.header.fields if name.lower() in names)


def _finding(name: FlawName, line: str, rfc: str = "") -> Finding:
    shown = escaped(line[: 10 * _SHOWN].encode("utf-8", "replace"))
    shown = shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}..."
    return Finding(name, shown, rfc or FLAWS[name].rfc)


def _line_at(content: bytes, at: int) -> str:
    """Return the line around an offset, of a very long one what is near."""
    start = max(content.rfind(b"\n", max(0, at - _SHOWN), at) + 1, at - _SHOWN)
    end = content.find(b"\n", at, at + _SHOWN)
    line = content[start : end if end >= 0 else at + _SHOWN]
    return line.removesuffix(b"\r").decode("utf-8", "replace")


# --- octets ---------------------------------------------------------------------------------------

_BARE_CR = re.compile(rb"\r(?!\n)")


def _octets(message: _Message) -> Iterator[Finding]:
    if message.binary:
        return
    content = message.content
    if content.count(b"\r") != content.count(b"\r\n") and (found := _BARE_CR.search(content)):
        yield _finding("bare-cr", _line_at(content, found.start()))
    if (at := content.find(b"\0")) >= 0:
        yield _finding("nul", _line_at(content, at))


def _eight_bit_header(message: _Message) -> Iterator[Finding]:
    if message.utf8 or message.content.isascii():
        return
    fields = (item for part in parts_of(message.root) for item in part.header.fields)
    name, value = next((item for item in fields if not item[1].isascii()), ("", ""))
    if name:
        yield _finding("8bit-header", f"{name}: {value}")


# --- the header -----------------------------------------------------------------------------------

_ADDRESSES = ("from", "reply-to", "to", "cc", "resent-from", "resent-to", "resent-cc")
_ONE_ADDRESS = ("sender", "resent-sender")
# How often a field may stand in a header: once.
_ONCE: Mapping[str, str] = {
    **dict.fromkeys(
        ("date", "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references",
         "subject"),
        "RFC 5322 3.6",
    ),
    **dict.fromkeys(
        ("mime-version", "content-type", "content-transfer-encoding", "content-id", "content-description"),
        "RFC 2045 3",
    ),
    **dict.fromkeys(
        ("list-id", "list-help", "list-subscribe", "list-unsubscribe", "list-post", "list-owner",
         "list-archive", "list-unsubscribe-post"),
        "RFC 2369 3",
    ),
}  # fmt: skip


def _missing(message: _Message) -> Iterator[Finding]:
    for name in ("From", "Date"):
        if next(message.named(name.lower()), None) is None:
            yield _finding("missing-field", f"(no {name})")


def _duplicates(message: _Message) -> Iterator[Finding]:
    counts: dict[str, int] = {}
    for name, value in message.root.header.fields:
        lower = name.lower()
        counts[lower] = counts.get(lower, 0) + 1
        if counts[lower] == 2 and lower in _ONCE:
            yield _finding("duplicate-field", f"{name}: {value}", _ONCE[lower])


def _dates(message: _Message) -> Iterator[Finding]:
    yield from _malformed(message, "invalid-date", ("date", "resent-date"), is_date)


def _message_ids(message: _Message) -> Iterator[Finding]:
    own, others = ("message-id", "resent-message-id"), ("in-reply-to", "references")
    yield from _malformed(message, "invalid-message-id", own, is_message_id)
    yield from _malformed(message, "invalid-message-id", others, is_message_id_list)


def _addresses(message: _Message) -> Iterator[Finding]:
    yield from _malformed(message, "invalid-address", _ADDRESSES, is_address_list)
    yield from _malformed(message, "invalid-address", _ONE_ADDRESS, is_mailbox)


def _malformed(
    message: _Message, flaw: FlawName, names: tuple[str, ...], is_fine: Callable[[str], bool]
) -> Iterator[Finding]:
    """Yield the first field of each name that is not as it should be."""
    seen: set[str] = set()
    for name, value in message.named(*names):
        if name.lower() not in seen and not is_fine(value):
            seen.add(name.lower())
            yield _finding(flaw, f"{name}: {value}")


def _bcc(message: _Message) -> Iterator[Finding]:
    for name, value in message.named("bcc", "resent-bcc"):
        if value:  # an empty one names nobody (RFC 5322 3.6.3)
            yield _finding("bcc-disclosed", f"{name}: {value}")
            return


# --- MIME -----------------------------------------------------------------------------------------

_IDENTITY = frozenset({"", "7bit", "8bit", "binary"})
_ENCODINGS = _IDENTITY | {"base64", "quoted-printable"}
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_BAD_QUOTED_PRINTABLE = re.compile(rb"=(?![0-9A-F]{2}|[ \t]*\r?\n|[ \t]*\Z)", re.IGNORECASE)
_BLANKS = b" \t\r\n"


def _mime(message: _Message) -> Iterator[Finding]:
    """Yield the first mistake against each section."""
    seen: set[str] = set()
    for part in parts_of(message.root):
        for flaw in (_type_flaw(part, message.content), _encoding_flaw(part, message.content)):
            if flaw is not None and flaw[1] not in seen:
                seen.add(flaw[1])
                yield _finding("invalid-mime", *flaw)


def _type_flaw(part: Part, content: bytes) -> tuple[str, str] | None:
    """Return what is wrong with the media type of a part and its boundary, and the RFC section."""
    value = part.value_of("content-type")
    if value and not is_media_type(read_parameters(value)[0]):
        return f"Content-Type: {value}", "RFC 2045 5.1"
    if not part.type.startswith("multipart/"):
        return None
    boundary = part.parameters.get("boundary", "").rstrip(" \t")
    if not boundary:
        return f"(no boundary) Content-Type: {value}", "RFC 2046 5.1.1"
    if not part.children:
        return f"(no part) Content-Type: {value}", "RFC 2046 5.1.1"
    closing = f"--{boundary}--".encode("utf-8", "replace")
    after = content[part.end : part.end + len(closing) + 2]
    if not after.removeprefix(b"\r").removeprefix(b"\n").startswith(closing):
        return f"(no line --{boundary}-- at the end) Content-Type: {value}", "RFC 2046 5.1.1"
    return None


def _encoding_flaw(part: Part, content: bytes) -> tuple[str, str] | None:
    """Return what is wrong with the transfer encoding of a part, and the RFC section."""
    value = part.value_of("content-transfer-encoding")
    encoding = read_parameters(value)[0]
    line = f"Content-Transfer-Encoding: {value}"
    if encoding not in _ENCODINGS:
        return line, "RFC 2045 6.1"
    if part.children and encoding not in _IDENTITY:
        return f"(of a multipart) {line}", "RFC 2045 6.4"
    octets = content[part.start : part.end] if not part.children else b""
    if encoding == "base64" and not _is_base64(octets):
        return f"(the part is none) {line}", "RFC 2045 6.8"
    if encoding == "quoted-printable" and _BAD_QUOTED_PRINTABLE.search(octets):
        return f"(the part is none) {line}", "RFC 2045 6.7"
    return None


def _is_base64(octets: bytes) -> bool:
    letters = octets.translate(None, _BLANKS)
    return len(letters) % 4 == 0 and _BASE64.fullmatch(letters) is not None


# --- lists and calendars --------------------------------------------------------------------------


def _list_unsubscribe(message: _Message) -> Iterator[Finding]:
    flaw: FlawName = "invalid-list-unsubscribe"
    name, value = next(message.named("list-unsubscribe"), ("List-Unsubscribe", None))
    uris = [] if value is None else unsubscribe_uris(value)
    if uris is None:
        yield _finding(flaw, f"{name}: {value}")
    for post_name, post in message.named("list-unsubscribe-post"):
        if post != "List-Unsubscribe=One-Click":
            yield _finding(flaw, f"{post_name}: {post}", "RFC 8058 3.1")
        elif uris is not None and not any(uri.lower().startswith("https://") for uri in uris):
            yield _finding(flaw, f"{name}: {value or '(none)'}, {post_name}: {post}", "RFC 8058 3.1")
        return


_METHOD = re.compile(rb"^METHOD(?:;[^:\r\n]*)?:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


def _calendar(message: _Message) -> Iterator[Finding]:
    for part in parts_of(message.root):
        if part.type != "text/calendar":
            continue
        found = _METHOD.search(_decoded(part, message.content))
        method = found[1].decode("utf-8", "replace").strip(" \t") if found else ""
        named = part.parameters.get("method", "")
        # A file that is only attached may keep its method to itself (RFC 5545 8.1).
        attached = read_parameters(part.value_of("content-disposition"))[0] == "attachment"
        if method.lower() != named.lower() and (named or not attached):
            line = f"Content-Type: {part.value_of('content-type')} (METHOD:{method or ' is missing'})"
            yield _finding("calendar-method-mismatch", line)
            return


def _decoded(part: Part, content: bytes) -> bytes:
    """Return the octets of a part, its transfer encoding undone as far as that goes."""
    octets = content[part.start : part.end]
    encoding = read_parameters(part.value_of("content-transfer-encoding"))[0]
    if encoding == "quoted-printable":
        return binascii.a2b_qp(octets)
    if encoding != "base64":
        return octets
    try:
        return binascii.a2b_base64(octets)
    except binascii.Error:
        return b""


_RULES: tuple[Callable[[_Message], Iterator[Finding]], ...] = (
    _octets,
    _missing,
    _duplicates,
    _dates,
    _message_ids,
    _addresses,
    _eight_bit_header,
    _bcc,
    _mime,
    _list_unsubscribe,
    _calendar,
)
