"""The dialogue of a session, and the one place where secrets are masked.

RFC 5321 4.1 (commands), RFC 4954 4 (what a login carries).
The one thing to know: redaction happens when a line is appended, so a secret is never stored, and no log,
report, repr or failure text can leak it.

The server's loop appends while tests read from their own threads: entries are only ever appended, and every
read works on a copy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MASK", "VERBS", "Direction", "Transcript", "TranscriptLine", "begins_login", "escaped", "redact"]

MASK = "********"
"""What stands where a secret stood."""

VERBS = frozenset(
    ("HELO", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "VRFY", "EXPN",
     "HELP", "QUIT")
)  # fmt: skip
"""The verbs that SMTP knows; after a login began, an unknown one may be a stray answer to a challenge."""

# "AUTH" SP sasl-mech [SP initial-response]           RFC 4954 4
# sasl-mech = 1*20(UPPER-ALPHA / DIGIT / "-" / "_")   RFC 4422 3.1; in any case on the wire, but alone and in
# mixed case it may as well be a password whose mechanism was forgotten, and is masked like one.
_KNOWN = r"PLAIN|LOGIN|(?:CRAM|DIGEST)-MD5|XOAUTH2|OAUTHBEARER|SCRAM-SHA-\d+|GSSAPI|NTLM|EXTERNAL|ANONYMOUS"
_AUTH = re.compile(
    r"(\s*(?i:AUTH)\s+)"
    rf"((?:[A-Z0-9_-]{{1,20}}|[a-z0-9_-]{{1,20}}|(?i:{_KNOWN}))(?=\s*\Z)|[A-Za-z0-9_-]{{1,20}}(?=\s+\S))?"
    r"(.*)",
    re.DOTALL,
)
# A slip such as "AUTHPLAIN AG…", "AUTHENTICATE PLAIN AG…" or "AUTH=AG…" carries a secret all the same.
_NEARLY_AUTH = re.compile(r"(\s*(?i:AUTH)(?:(?:[A-Z]{1,16}|[a-z]{1,16})(?=\s|\Z))?)(.*)", re.DOTALL)


def begins_login(line: str) -> bool:
    """Return whether a command line is AUTH, or a slip of it: from there on, stray lines may be secrets."""
    return line.lstrip()[:4].upper() == "AUTH"


def redact(line: str) -> str:
    """Return a command line as it may be stored: of AUTH the verb, the mechanism and a mask."""
    match = _AUTH.fullmatch(line)
    if match is not None:
        if not match[3].strip():
            return line
        return f"{match[1]}{match[2]} {MASK}" if match[2] else f"{match[1]}{MASK}"
    slip = _NEARLY_AUTH.fullmatch(line)
    return line if slip is None or not slip[2].strip() else f"{slip[1]} {MASK}"


def escaped(octets: bytes) -> str:
    """Return octets as text: UTF-8 where it is that, whatever cannot be printed escaped."""
    text = octets.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


Direction = Literal["C", "S"]


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
    """

    direction: Direction
    octets: bytes
    stage: str
    tls: bool
    at: float
    is_content: bool = False

    def __str__(self) -> str:
        return f"{self.direction}: {escaped(self.octets)}"


class Transcript:
    """Both directions of one session, in order; live while the session runs."""

    __slots__ = ("_entries", "_login_began")

    def __init__(self) -> None:
        self._entries: list[tuple[Direction, bytes, str, bool, float, bool]] = []
        self._login_began = False

    def append(
        self,
        direction: Direction,
        octets: bytes,
        *,
        stage: str,
        tls: bool,
        at: float,
        secret: bool = False,
        is_content: bool = False,
    ) -> None:
        """Record octets (called by the server only).

        Args:
            direction: "C" or "S".
            octets: one line or several, with or without the last CRLF; or, with `is_content`, the content of
                a message, of which only the reference is kept.
            stage: what it belongs to.
            tls: whether it went through TLS.
            at: seconds since the session began.
            secret: it answers a challenge: a mask is stored instead.
            is_content: it is content, which `str()` elides after the message header.
        """
        if direction == "C" and not is_content:
            if secret or (self._login_began and stage == "UNKNOWN"):
                octets = MASK.encode()
            elif begins_login(line := octets.decode("latin-1")):
                self._login_began = True
                octets = redact(line).encode("latin-1")
        self._entries.append((direction, octets, stage, tls, at, is_content))

    def continued(self) -> Transcript:
        """Return an empty transcript for what follows, which knows whether a login began."""
        transcript = Transcript()
        transcript._login_began = self._login_began
        return transcript

    @property
    def lines(self) -> tuple[TranscriptLine, ...]:
        """The lines so far; a multi-line reply is several, the content of a message is one."""
        return tuple(self._split())

    def _split(self) -> Iterator[TranscriptLine]:
        for direction, octets, stage, tls, at, is_content in tuple(self._entries):
            if is_content:
                yield TranscriptLine(direction, octets, stage, tls, at, is_content)
                continue
            for line in octets.removesuffix(b"\r\n").split(b"\r\n"):
                yield TranscriptLine(direction, line, stage, tls, at)

    def render(self, content: bool = False) -> str:
        """Return the dialogue as text, one `C: …` or `S: …` a line.

        Args:
            content: show message content whole; otherwise it ends after the message header, with a line that
                says how many lines and octets were left out.
        """
        shown: list[str] = []
        for line in self._split():
            if line.is_content:
                shown.extend(_content_lines(line.octets, whole=content))
            else:
                shown.append(str(line))
        return "\n".join(shown)

    def __str__(self) -> str:
        return self.render()

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<Transcript, {len(self._entries)} entries>"


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
        lines = "1 line" if count == 1 else f"{count} lines"
        yield f"C: [{lines}, {len(body)} octets of content left out]"
