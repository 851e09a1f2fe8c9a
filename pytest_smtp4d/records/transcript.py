"""The dialogue of a session as lines of text, made from its record when somebody reads it.

RFC 5321 4.1 (commands), 4.2 (replies). Secrets are masked where they are recorded (see `recorder`), so no
view can show one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_smtp4d.records import recorder as record
from pytest_smtp4d.words import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_smtp4d.records.recorder import Entry, Recorder

__all__ = ["Direction", "Transcript", "TranscriptLine"]

Direction = Literal["C", "S"]

LINE_WIDTH = 200
"""Characters of a line of a brief transcript."""

FIRST_LINES, LAST_LINES = 30, 20
"""Lines of a session that a brief transcript shows."""

HOW_TO_SEE_ALL = "--smtp4d-transcript=full"

_FROM_CLIENT = frozenset({record.COMMAND, record.RESPONSE})
_CONTENT = frozenset({record.CONTENT, record.CHUNK})
_FROM_SERVER = frozenset({record.REPLY, record.SENT})


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """One line of the dialogue, or the content of one message.

    Args:
        direction: "C" (from the client) or "S" (from the server).
        octets: the line without its CRLF; where there was a secret, the mask.
        stage: what it belongs to, "RCPT".
        tls: True where it went through TLS.
        at: seconds since the session began.
        is_content: True for message content, which `str(transcript)` elides.
        fault: the fault that wrote the line, as it was declared; "" where the server spoke for itself.
        left_out: how many lines a long session has forgotten here; such a line has no octets.
    """

    direction: Direction
    octets: bytes
    stage: str
    tls: bool
    at: float
    is_content: bool = False
    fault: str = ""
    left_out: int = 0

    def __str__(self) -> str:
        if self.left_out:
            return f"[{self.left_out} lines of a long session left out]"
        return f"{self.direction}: {escaped(self.octets)}"


class Transcript:
    """Both directions of one session, in order; live while the session runs.

    Args:
        recorder: who writes the session down.

    Example:
        >>> print(smtp_server.sessions[0].transcript)
        S: 220 ...
        C: EHLO ...
    """

    __slots__ = ("_recorder",)

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    @property
    def lines(self) -> tuple[TranscriptLine, ...]:
        """The lines so far; a multi-line reply is several, the content of a message is one."""
        return tuple(self._lines())

    def _lines(self) -> Iterator[TranscriptLine]:
        fault = ""
        for entry in self._recorder.raw.read():
            if entry.kind == record.FAULT:
                fault = entry.extra
                continue
            if entry.kind in _FROM_CLIENT:
                fault = ""
            yield from _lines_of(entry, fault)

    def render(self, content: bool = False) -> str:
        """Return the dialogue as text, one `C: …` or `S: …` a line.

        Args:
            content: show message content whole; otherwise it ends after the message header, with a line that
                says how many lines and octets were left out.

        Example:
            >>> "123456" in smtp_server.sessions[0].transcript.render(content=True)
            True
        """
        shown: list[str] = []
        for line in self._lines():
            if line.is_content:
                shown.extend(_content_lines(line.octets, whole=content))
            else:
                shown.append(str(line))
        return "\n".join(shown)

    def brief(self) -> str:
        """Return the dialogue as a failed test shows it.

        EHLO's reply is one line, a line has 200 characters at most; of a long session the first 30 and the
        last 20 lines are shown; what is left out is a line with a number.

        Example:
            >>> print(smtp_server.sessions[0].transcript.brief())
            S: 220 ...
            C: EHLO ...
            S: 250 ... | PIPELINING | ...
        """
        lines = [_cut(line) for line in self._joined()]
        if len(lines) <= FIRST_LINES + LAST_LINES + 1:
            return "\n".join(lines)
        left_out = f"[{len(lines) - FIRST_LINES - LAST_LINES} lines left out; {HOW_TO_SEE_ALL} shows them]"
        return "\n".join([*lines[:FIRST_LINES], left_out, *lines[-LAST_LINES:]])

    def _joined(self) -> Iterator[str]:
        """Yield the lines of `render`, a reply to EHLO as one."""
        keywords: list[str] = []
        for line in self._lines():
            text = line.octets.decode("utf-8", "backslashreplace")
            if line.direction == "S" and line.stage == "EHLO" and text[:4] == "250-":
                keywords.append(escaped(text[4:].encode()))
                continue
            if keywords and line.direction == "S" and line.stage == "EHLO":
                yield f"S: 250 {' | '.join(keywords)} | {escaped(text[4:].encode())}"
            elif line.is_content:
                yield from _content_lines(line.octets, whole=False)
            else:
                yield from (f"S: 250-{keyword}" for keyword in keywords)
                yield str(line)
            keywords = []
        yield from (f"S: 250-{keyword}" for keyword in keywords)

    def __str__(self) -> str:
        return self.render()

    def __len__(self) -> int:
        return sum(1 for _ in self._lines())

    def __repr__(self) -> str:
        return f"<Transcript, {len(self)} lines>"


def _lines_of(entry: Entry, fault: str) -> Iterator[TranscriptLine]:
    kind, octets, stage, tls, at, extra = entry
    if kind in _CONTENT:
        if octets:
            yield TranscriptLine("C", octets, stage, tls, at, is_content=True)
        if isinstance(extra, record.Forgotten) and extra.octets:
            yield TranscriptLine("C", _left_out(extra.lines, extra.octets).encode(), stage, tls, at)
        if kind == record.CONTENT:
            yield TranscriptLine("C", b".", stage, tls, at)
    elif kind == record.GAP:
        yield TranscriptLine("S", b"", stage, tls, at, left_out=extra)
    elif octets and (kind in _FROM_CLIENT or kind in _FROM_SERVER):
        direction: Direction = "C" if kind in _FROM_CLIENT else "S"
        for line in octets.removesuffix(b"\r\n").split(b"\r\n"):
            yield TranscriptLine(direction, line, stage, tls, at, fault=fault if direction == "S" else "")


def _cut(line: str) -> str:
    return line if len(line) <= LINE_WIDTH else f"{line[:LINE_WIDTH]}… ({len(line)} characters)"


_HEADER_END = re.compile(rb"\A\r?\n|\r?\n\r?\n")
_SHOWN_HEADER = 4096
"""Octets of a header that are shown at most: a hostile one can be megabytes."""


def _content_lines(content: bytes, *, whole: bool) -> Iterator[str]:
    shown, body = content, b""
    if not whole and content:
        end = _HEADER_END.search(content)
        split = min(end.end() if end else 0, _SHOWN_HEADER)
        shown, body = content[:split], content[split:]
    if shown:
        for line in shown.removesuffix(b"\n").removesuffix(b"\r").split(b"\n"):
            yield "C: " + escaped(line.removesuffix(b"\r"))
    if body:
        count = body.count(b"\n") + (not body.endswith(b"\n"))
        yield f"C: {_left_out(count, len(body))}"


def _left_out(lines: int, octets: int) -> str:
    return f"[{'1 line' if lines == 1 else f'{lines} lines'}, {octets} octets of content left out]"
