"""MIME octets to a tree of parts, in one pass from front to back.

RFC 5322 2.2, RFC 2046 5.1. The boundaries of the multiparts that are open stand in a table, so each octet is
looked at a fixed number of times whatever the octets are, and no depth is too deep.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pytest_smtp4d.mail.encoded_word import escape_words
from pytest_smtp4d.mail.parameter import is_media_type, read_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Header", "Part", "read_root_header", "read_tree"]


# --- fields ---------------------------------------------------------------------------------------

#   field = field-name ":" unstructured CRLF                              RFC 5322 2.2; blanks before ":" 4.5
_FIELD = re.compile(r"^([!-9;-~]{1,900})[ \t]*:[ \t]*(.*)", re.MULTILINE)
_FIELD_OCTETS = re.compile(rb"^[!-9;-~]{1,900}[ \t]*:.*(?:\n[ \t].*)*\n?", re.MULTILINE)
# How a header begins: a line of a mailbox file and lines that continue nothing may stand before a field.
_HEADER_START = re.compile(r"(?:>?From .*\n)?(?:[ \t].*\n)*[!-9;-~]{1,900}[ \t]*:")
# Where a header ends: an empty line, or a line that may be a delimiter.
_HEADER_END = re.compile(rb"\n(?:\r?\n|--)")
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_STRAY = re.compile(r"[\r\0]")


class Header(NamedTuple):
    """The header of a message or of a part; not to be changed, for short ones are kept.

    Args:
        fields: names and values, unfolded, in order; encoded words are not decoded, and an octet that is not
            UTF-8 is a lone surrogate.
        first: the first value of each name, by the name in lower case.
        plain: whether all of it is ASCII without encoded words.
    """

    fields: tuple[tuple[str, str], ...]
    first: dict[str, str]
    plain: bool

    def values_of(self, name: str) -> list[str]:
        """Return the values of all fields called `name` (lower case), in order."""
        if name not in self.first:
            return []
        return [value for field_name, value in self.fields if field_name.lower() == name]


_NO_HEADER = Header((), {}, plain=True)


def _read_header(octets: bytes, *, is_text: bool) -> Header:
    """Return the fields of a header; a line that is none is skipped, but for the first: that is text."""
    text = octets.decode("utf-8", "surrogateescape")
    lines = text.replace("\r\n", "\n") if "\r" in text else text
    if not _HEADER_START.match(lines):
        return _NO_HEADER
    if "\r" in lines or "\0" in lines:
        lines = _STRAY.sub(" ", lines)
    plain = text.isascii() and "=?" not in text
    if is_text and not plain:
        lines = escape_words(lines)
    if "\n " in lines or "\n\t" in lines:  # a NUL, of which there is none left, stands for the fold
        lines = lines.replace("\n ", "\0 ").replace("\n\t", "\0\t")
    fields = [
        (name, (value.replace("\0", "") if "\0" in value else value).strip(" \t"))
        for name, value in _FIELD.findall(lines)
    ]
    return Header(tuple(fields), {name.lower(): value for name, value in reversed(fields)}, plain)


_LONGEST_KEPT = 200
# Parts that say the same with the same few words stand in most messages of a mailer.
_read_short_header = lru_cache(maxsize=256)(_read_header)


def _end_of_fields(octets: bytes) -> int:
    """Return where the last field ends in a header without an empty line: what follows is the text."""
    return max((match.end() for match in _FIELD_OCTETS.finditer(octets)), default=0)


def read_root_header(octets: bytes) -> Header:
    """Return the header of a message, and read no further."""
    start = _start(octets)
    end = start if octets.startswith((b"\r\n", b"\n"), start) else _empty_line(octets)
    return _read_header(octets[start:end], is_text=False)


def _start(octets: bytes) -> int:
    """Return where a message begins: behind the byte order mark that an editor put before it."""
    return len(codecs.BOM_UTF8) if octets.startswith(codecs.BOM_UTF8) else 0


def _empty_line(octets: bytes) -> int:
    """Return where the first empty line behind a line begins, or else the end."""
    match = _EMPTY_LINE.search(octets)
    return match.start() + 1 if match else len(octets)


def read_tree(octets: bytes, *, is_text: bool = False) -> Part:
    """Return the root of the tree of a message; any octets give one.

    Args:
        octets: the message.
        is_text: whether it was given as text, so that a character in an encoded word stands for itself.
    """
    return _Reader(octets, is_text=is_text).read()


# --- parts ----------------------------------------------------------------------------------------

_LONGEST_DELIMITER = 1000  # octets of a line that may be a delimiter; RFC 2046 5.1.1 allows 74
_DASHED_LINE = re.compile(rb"^--([^\n]*)", re.MULTILINE)


_NO_PARAMETERS: Mapping[str, str] = MappingProxyType({})
_NO_PARTS: list[Part] = []  # of every part that is no multipart; never changed


@dataclass(slots=True)
class Part:
    """A part of a message.

    Args:
        header: its fields.
        type: the media type, in lower case; text/plain where none is given or it is malformed.
        parameters: those of Content-Type, decoded.
        start: where its content begins in the octets of the message.
        end: where that ends.
        children: the parts of a multipart; a multipart without any has content.
    """

    header: Header = _NO_HEADER
    type: str = "text/plain"
    parameters: Mapping[str, str] = field(default_factory=lambda: _NO_PARAMETERS)
    start: int = 0
    end: int = 0
    children: list[Part] = field(default_factory=lambda: _NO_PARTS)

    def value_of(self, name: str) -> str:
        """Return the first field called `name` (lower case), or ""."""
        return self.header.first.get(name, "")


class _Reader:
    """Reads a message front to back; boundaries of multiparts that are open are looked up in a table.

    The table says how deep each stands; of an outer one with the same boundary, that is kept beside.

    A line is a delimiter when it is "--" and an open boundary, with "--" after it to close (RFC 2046
    5.1.1); one of an outer multipart also ends those inside it. Words behind a boundary are let pass
    where the message has no line that is exactly that delimiter.
    So each octet is looked at a fixed number of times.
    """

    def __init__(self, octets: bytes, *, is_text: bool) -> None:
        self._octets = octets
        self._is_text = is_text
        self._open: list[Part] = []
        self._boundaries: list[bytes] = []
        self._shadowed: list[int | None] = []
        self._depths: dict[bytes, int] = {}
        self._dashed_lines: frozenset[bytes] | None = None

    def read(self) -> Part:
        """Return the root of the tree."""
        root = Part()
        current: Part | None = root
        position = _start(self._octets)
        while current is not None:
            delimiter = self.read_header(current, position)
            current, position = self._read_content(current, delimiter)
        while self._open:
            self._close_innermost(len(self._octets))
        return root

    def read_header(self, part: Part, position: int) -> _Delimiter | None:
        """Read the fields of `part`; return the delimiter that cut its header short, if one did."""
        octets = self._octets
        stop, content, cut = self._header_end(position)
        lines = octets[position:stop]
        read = _read_short_header if len(lines) <= _LONGEST_KEPT else _read_header
        part.header = read(lines, is_text=self._is_text) if lines else _NO_HEADER
        if not part.header.fields and stop > position:
            content = position
        elif content == stop and stop > position:
            content = position + _end_of_fields(octets[position:stop])
        part.start = part.end = content
        in_digest = self._open and self._open[-1].type == "multipart/digest"
        default = "message/rfc822" if in_digest else "text/plain"
        part.type, part.parameters = _read_type(part.value_of("content-type"), default)
        if part.type.startswith("multipart/"):
            boundary = part.parameters.get("boundary", "").rstrip(" \t").encode("utf-8", "replace")
            if boundary:
                part.children = []
                self._shadowed.append(self._depths.get(boundary))
                self._depths[boundary] = len(self._open)
                self._boundaries.append(boundary)
                self._open.append(part)
        return cut

    def _header_end(self, position: int) -> tuple[int, int, _Delimiter | None]:
        """Return where the lines of a header end, where its content begins, and the delimiter that is there.

        The two are the same where no empty line ends the header.
        """
        octets = self._octets
        if octets.startswith((b"\r\n", b"\n"), position):
            return position, position + (1 if octets[position] == 10 else 2), None
        search = max(0, position - 1)
        while match := _HEADER_END.search(octets, search):
            if octets[match.end() - 1] == 10:
                return match.start() + 1, match.end(), None
            cut = self._delimiter(match.start() + 1) if self._depths else None
            if cut:
                return cut.start, cut.start, cut
            search = match.end() - 1
        return len(octets), len(octets), None

    def _read_content(self, part: Part, delimiter: _Delimiter | None) -> tuple[Part | None, int]:
        """Read to the delimiter that begins the next part; return that part, if any, and where it begins."""
        position = part.start
        inside: Part | None = part
        while True:
            delimiter = delimiter or self._next_delimiter(position)
            end = self._line_end_before(delimiter.start) if delimiter else len(self._octets)
            if inside is not None and not (self._open and self._open[-1] is inside):
                inside.end = max(inside.start, end)
                if delimiter is None or delimiter.depth < len(self._open) - 1:
                    self._leave_out_nothing(inside)
            if delimiter is None:
                return None, len(self._octets)
            while len(self._open) > delimiter.depth + (0 if delimiter.closes else 1):
                self._close_innermost(end)
            if not delimiter.closes:
                child = Part()
                self._open[-1].children.append(child)
                return child, delimiter.end
            inside, position, delimiter = None, delimiter.end, None

    def _leave_out_nothing(self, last: Part) -> None:
        """Take out a last part that is nothing: its delimiter should have been the closing one."""
        siblings = self._open[-1].children if self._open else []
        if (
            len(siblings) > 1
            and not last.header.fields
            and not self._octets[last.start : last.end].strip(b" \t\r\n")
        ):
            siblings.pop()

    def _close_innermost(self, end: int) -> None:
        """End the innermost open multipart."""
        part, boundary, outer = self._open.pop(), self._boundaries.pop(), self._shadowed.pop()
        part.end = max(part.start, end)
        if outer is None:
            del self._depths[boundary]
        else:
            self._depths[boundary] = outer

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
        boundary, closes = line, False
        if line not in self._depths:
            boundary, closes = line[:-2], line.endswith(b"--")
            if not closes or boundary not in self._depths:
                boundary, closes = self._boundary_before_words(line)
        if not boundary:
            return None
        return _Delimiter(start, min(end + 1, len(self._octets)), self._depths[boundary], closes)

    def _boundary_before_words(self, line: bytes) -> tuple[bytes, bool]:
        """Return the open boundary that a line begins with, and whether it closes; no boundary for none."""
        word = line.partition(b" ")[0].partition(b"\t")[0]
        innermost = self._boundaries[-1]
        if word in self._depths:
            boundary, closes = word, False
        elif word.endswith(b"--") and word[:-2] in self._depths:
            boundary, closes = word[:-2], True
        elif line.startswith(innermost):
            boundary, closes = innermost, line.startswith(b"--", len(innermost))
        else:
            return b"", False
        if self._dashed_lines is None:
            self._dashed_lines = frozenset(
                found.rstrip(b" \t\r") for found in _DASHED_LINE.findall(self._octets)
            )
        exact = boundary in self._dashed_lines and (not closes or boundary + b"--" in self._dashed_lines)
        return (b"", False) if exact else (boundary, closes)

    def _line_end_before(self, position: int) -> int:
        """Return where the line end before `position` begins: it belongs to the delimiter there."""
        if self._octets.startswith(b"\r\n", position - 2) and position > 1:
            return position - 2
        return position - 1 if position else 0


class _Delimiter(NamedTuple):
    """A delimiter line: where it is, whose it is (an index of the open multiparts), and whether it closes."""

    start: int
    end: int
    depth: int
    closes: bool


def _read_type(value: str, default: str) -> tuple[str, Mapping[str, str]]:
    """Return the media type and the parameters of a Content-Type field; `default` where it is malformed."""
    if not value:
        return default, _NO_PARAMETERS
    media_type, parameters = read_parameters(value)
    return (media_type, parameters) if is_media_type(media_type) else (default, _NO_PARAMETERS)
