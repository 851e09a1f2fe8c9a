"""MIME octets to a tree of parts, in one pass from front to back.

RFC 5322 2.2, RFC 2046 5.1. The one thing to know: the open boundaries are in a table, so each octet is looked
at a fixed number of times whatever the octets are, and no depth is too deep.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pytest_smtp4d.mail.parameter import is_media_type, read_parameters

__all__ = ["Part", "read_tree"]


# --- fields ---------------------------------------------------------------------------------------

# Where a header ends: an empty line, or a line that may be a delimiter.
_HEADER_STOP = re.compile(rb"^(?:\r?\n|--)", re.MULTILINE)
# A line with its continuations.
_LOGICAL_LINE = re.compile(rb"[^\n]*(?:\n[ \t][^\n]*)*\n?")
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_FIELD = re.compile(rb"([!-9;-~]{1,900})[ \t]*:")
_STRAY = re.compile(r"[\r\n\0]")
_LONGEST_DELIMITER = 1000  # octets of a line that may be a delimiter; RFC 2046 5.1.1 allows 74


def _read_fields(octets: bytes) -> tuple[list[tuple[str, str]], int]:
    """Return names and unfolded values of a header, and how many octets they are; no field ends it."""
    fields: list[tuple[str, str]] = []
    for match in _LOGICAL_LINE.finditer(octets):
        line = match[0]
        named = _FIELD.match(line)
        if named:
            value = _FOLD.sub(b"", line[named.end() :]).strip(b" \t\r\n")
            fields.append((named[1].decode("ascii"), _field_text(value)))
        elif line and (match.start() or not line.startswith((b"From ", b">From "))):  # of a mailbox file
            return fields, match.start()
    return fields, len(octets)


def _field_text(value: bytes) -> str:
    """Return a field's value as text: UTF-8 (RFC 6532), or else each octet as a character."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return _STRAY.sub(" ", text)


def read_tree(octets: bytes) -> Part:
    """Return the root of the tree of a message; any octets give one."""
    return _Reader(octets).read()


# --- parts ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Part:
    """A part of a message.

    Args:
        fields: names and values of its header, unfolded and not decoded, in order.
        type: the media type, in lower case; text/plain where none is given or it is malformed.
        parameters: those of Content-Type, decoded.
        start: where its content begins in the octets of the message.
        end: where that ends.
        children: the parts of a multipart; a multipart without any has content.
    """

    fields: list[tuple[str, str]] = field(default_factory=list)
    type: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    start: int = 0
    end: int = 0
    children: list[Part] = field(default_factory=list)

    def value_of(self, name: str) -> str:
        """Return the first field called `name` (lower case), or ""."""
        return next((value for field_name, value in self.fields if field_name.lower() == name), "")


class _Reader:
    """Reads a message front to back; boundaries of multiparts that are open are looked up in a table.

    A line is a delimiter when it is "--" and an open boundary, with "--" after it to close (RFC 2046
    5.1.1); one of an outer multipart also ends those inside it. So each octet is looked at a fixed number
    of times.
    """

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._open: list[tuple[Part, bytes]] = []
        self._depths: dict[bytes, list[int]] = {}

    def read(self) -> Part:
        """Return the root of the tree."""
        root = Part()
        current: Part | None = root
        position = 0
        while current is not None:
            delimiter = self._read_header(current, position)
            current, position = self._read_content(current, delimiter)
        while self._open:
            self._close_innermost(len(self._octets))
        return root

    def _read_header(self, part: Part, position: int) -> _Delimiter | None:
        """Read the fields of `part`; return the delimiter that cut its header short, if one did."""
        search = position
        while True:
            match = _HEADER_STOP.search(self._octets, search)
            cut = self._delimiter(match.start()) if match and match[0] == b"--" else None
            if not match or match[0] != b"--" or cut:
                break
            search = match.end()
        stop = match.start() if match else len(self._octets)
        part.fields, consumed = _read_fields(self._octets[position:stop])
        whole = position + consumed >= stop
        part.start = part.end = match.end() if match and whole and not cut else position + consumed
        default = (
            "message/rfc822" if self._open and self._open[-1][0].type == "multipart/digest" else "text/plain"
        )
        part.type, part.parameters = _read_type(part.value_of("content-type"), default)
        boundary = part.parameters.get("boundary", "").rstrip(" \t").encode("utf-8", "replace")
        if part.type.startswith("multipart/") and boundary:
            self._depths.setdefault(boundary, []).append(len(self._open))
            self._open.append((part, boundary))
        return cut

    def _read_content(self, part: Part, delimiter: _Delimiter | None) -> tuple[Part | None, int]:
        """Read to the delimiter that begins the next part; return that part, if any, and where it begins."""
        position = part.start
        inside: Part | None = part
        while True:
            delimiter = delimiter or self._next_delimiter(position)
            end = self._line_end_before(delimiter.start) if delimiter else len(self._octets)
            if inside is not None and not (self._open and self._open[-1][0] is inside):
                inside.end = max(inside.start, end)
            if delimiter is None:
                return None, len(self._octets)
            while len(self._open) > delimiter.depth + (0 if delimiter.closes else 1):
                self._close_innermost(end)
            if not delimiter.closes:
                child = Part()
                self._open[-1][0].children.append(child)
                return child, delimiter.end
            inside, position, delimiter = None, delimiter.end, None

    def _close_innermost(self, end: int) -> None:
        """End the innermost open multipart."""
        part, boundary = self._open.pop()
        part.end = max(part.start, end)
        depths = self._depths[boundary]
        depths.pop()
        if not depths:
            del self._depths[boundary]

    def _next_delimiter(self, position: int) -> _Delimiter | None:
        """Return the next line from `position` on that is a delimiter of an open multipart."""
        search = max(0, position - 1)
        while self._depths:
            found = self._octets.find(b"\n--", search)
            if found < 0:
                return None
            delimiter = self._delimiter(found + 1)
            if delimiter:
                return delimiter
            search = found + 3
        return None

    def _delimiter(self, start: int) -> _Delimiter | None:
        """Return the delimiter that the line at `start` is, if it is one."""
        line_end = self._octets.find(b"\n", start, start + _LONGEST_DELIMITER)
        end = len(self._octets) if line_end < 0 else line_end
        if end - start > _LONGEST_DELIMITER:
            return None
        line = self._octets[start + 2 : end].rstrip(b" \t\r")
        for boundary, closes in ((line, False), (line[:-2], True)):
            if boundary in self._depths and (not closes or line.endswith(b"--")):
                return _Delimiter(start, min(end + 1, len(self._octets)), self._depths[boundary][-1], closes)
        return None

    def _line_end_before(self, position: int) -> int:
        """Return where the line end before `position` begins: it belongs to the delimiter there."""
        return position - (
            2 if self._octets[max(0, position - 2) : position] == b"\r\n" else 1 if position else 0
        )


@dataclass(frozen=True, slots=True)
class _Delimiter:
    """A delimiter line: where it is, whose it is (an index of the open multiparts), and whether it closes."""

    start: int
    end: int
    depth: int
    closes: bool


def _read_type(value: str, default: str) -> tuple[str, dict[str, str]]:
    """Return the media type and the parameters of a Content-Type field; `default` where it is malformed."""
    media_type, parameters = read_parameters(value)
    return (media_type, parameters) if is_media_type(media_type) else (default, {})
