"""Records a session raw, in one list, to be looked at later.

RFC 5321 4.1 (commands), 4.2 (replies), RFC 4954 4 (what a login carries).

The server writes down what happens with one `extend` for each thing, and makes nothing of it: transcript,
commands and violations are views, computed when somebody asks (see `transcript` and `record`). The list is
flat, `WIDTH` items for each entry, because a list of objects costs several times as much to make and the
garbage collector would visit every one of them.

What must not wait is done here, at once: secrets are masked before they are stored, so that no view can show
one. Where a line is masked, what the judge would have read from it is kept beside the mask.

Only the server's loop writes. Readers in other threads take `raw` once: its list only grows, and where a long
session forgets its middle, both are replaced together.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_smtp4d.records.masking import MASK, begins_login, redact
from pytest_smtp4d.smtp.command import VERBS, is_too_long

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_smtp4d.smtp.reply import Reply

__all__ = ["WIDTH", "Entry", "Forgotten", "Handshake", "MaskedLine", "Raw", "Recorder"]

WIDTH: Final = 6
"""Items of the list that one entry takes: those of `Entry`."""

KEPT: Final = 2000
"""Entries at the beginning and the end of a long session that are kept; at least half of them are lines."""

SHORTENED: Final = 2 * KEPT * WIDTH
"""Length of the list when the middle was forgotten."""

LIMIT: Final = 24 * KEPT * WIDTH
"""Length of the list from which on the middle is forgotten; far more than is kept, so that it is rare."""

OPEN_VERBS: Final = VERBS - {"AUTH"}
"""Verbs whose lines hold no secret."""

_HEADER_END = re.compile(rb"\A\r?\n|\r?\n\r?\n")
_KEPT_HEADER: Final = 4096
"""Octets of a header that are kept of a content that is forgotten."""

# The kinds of entry, and what `extra` holds.
COMMAND: Final = "command"
"""A command line; extra: whether it was sent before the reply to the one before, or a `MaskedLine`."""
RESPONSE: Final = "response"
"""The answer to a challenge, as a mask or "*"; extra: the mechanism."""
CREDENTIALS: Final = "credentials"
"""AUTH came with an initial response; extra: the mechanism. Not a line of its own."""
PARAMETERS: Final = "parameters"
"""The parameters of MAIL or RCPT, to be judged; octets: the line; extra: them. Not a line of its own."""
EARLY: Final = "early"
"""A command had to be the last before its reply and was not; octets: what followed; extra: the RFC."""
CONTENT: Final = "content"
"""Content up to its final dot; extra: the parameters of MAIL, or None where there is nothing to judge."""
CHUNK: Final = "chunk"
"""The octets of one BDAT."""
WHOLE: Final = "whole"
"""The content of all chunks, to be judged; extra: the parameters of MAIL, and whether lines are free."""
REPLY: Final = "reply"
"""A reply; extra: it. Without octets where a fault writes them at a speed of its own."""
SENT: Final = "sent"
"""Octets that the server wrote and that are no reply, or part of one."""
FAULT: Final = "fault"
"""A fault acted; extra: it, in words."""
TLS_BEGAN: Final = "tls"
"""A handshake is complete; extra: a `Handshake`."""
STRIPPED: Final = "stripped"
"""Somebody took STARTTLS out of what is on offer, as a sweep plays it."""
BROKEN: Final = "broken"
"""A fault broke the protocol: from here on no violation is fatal."""
LEFT: Final = "left"
"""The client ended the session; extra: whether it had sent QUIT."""
DUPLICATE: Final = "duplicate"
"""A message came again; extra: its Message-ID and the recipient, which the server as a whole has seen."""
GAP: Final = "gap"
"""Here the middle of a long session was forgotten; extra: how many entries."""


class Entry(NamedTuple):
    """One thing that happened.

    Args:
        kind: one of the kinds above.
        octets: as received or sent, with line ends; secrets masked.
        stage: what it belongs to, "RCPT".
        tls: whether it went through TLS.
        at: seconds since the session began.
        extra: what the kind needs.
    """

    kind: str
    octets: bytes
    stage: str
    tls: bool
    at: float
    extra: Any


class MaskedLine(NamedTuple):
    """What a line was before it was masked, as far as that is no secret.

    Args:
        verb: as it may be shown, upper case.
        argument: as it may be shown.
        is_pipelined: whether it was sent before the reply to the command before.
        has_bare_lf: whether it ended without CR.
        is_too_long: whether it was over the limit of its command.
    """

    verb: str
    argument: str
    is_pipelined: bool
    has_bare_lf: bool
    is_too_long: bool


class Handshake(NamedTuple):
    """What a judge wants to know of a handshake.

    Args:
        implicit: whether the session began with it.
        must_be_refused: why a careful client would not have gone on, or "".
    """

    implicit: bool
    must_be_refused: str = ""


class Forgotten(NamedTuple):
    """How much of a content is not kept, in the place of what the judge wanted of it.

    Args:
        lines: how many.
        octets: how many.
    """

    lines: int
    octets: int


class Raw:
    """The list of a session, and what was made of it so far.

    Args:
        entries: `WIDTH` items for each entry, in order.
        judged: what the judge had found, and how far it had read; opaque here.
    """

    __slots__ = ("entries", "judged")

    def __init__(self, entries: list[Any] | None = None, judged: Any = None) -> None:
        self.entries: list[Any] = [] if entries is None else entries
        self.judged: Any = judged

    def read(self, start: int = 0, end: int | None = None) -> Iterator[Entry]:
        """Yield the entries between two positions; without `end`, as many as there are now."""
        entries = self.entries[start:end]
        return map(Entry._make, zip(*[iter(entries)] * WIDTH, strict=False))


class Recorder:
    """Writes one session down; for the server alone.

    Args:
        login_began: whether an earlier record of the same session holds an AUTH: stray lines may be secrets.
        judged: what the judge knows from an earlier record of the same session; opaque here.
    """

    __slots__ = ("at", "login_began", "raw", "stage", "tls")

    def __init__(self, *, login_began: bool = False, judged: Any = None) -> None:
        self.raw: Raw = Raw(judged=judged)
        self.stage: str = "CONNECT"
        """What is in progress."""
        self.tls: bool = False
        """Whether octets go through TLS now."""
        self.at: float = 0.0
        """Seconds since the session began, as of the octets in hand."""
        self.login_began: bool = login_began

    def command(self, line: bytes, verb: str, argument: str, *, pipelined: bool) -> None:
        """Record a command line as received.

        Args:
            line: the octets with their line end.
            verb: upper case.
            argument: the rest of the line, without the blanks around it.
            pipelined: whether it was sent before the reply to the command before.
        """
        if verb in OPEN_VERBS:
            self.raw.entries.extend((COMMAND, line, self.stage, self.tls, self.at, pipelined))
            return
        shown = self.masked(line, verb in VERBS)
        if shown is line:
            self.raw.entries.extend((COMMAND, line, self.stage, self.tls, self.at, pipelined))
            return
        words = f"{verb} {argument}" if argument else verb
        shown_verb, _, shown_argument = (
            redact(words).partition(" ") if begins_login(words) else (MASK, "", "")
        )
        self._masked_line(shown, shown_verb, shown_argument, line, pipelined, is_too_long(verb, line))

    def overlong_line(self, *, pipelined: bool) -> None:
        """Record a line that was longer than any may be, and was not kept."""
        self._masked_line(b"(a line over the limit)\r\n", "", "", b"\r\n", pipelined, True)

    def _masked_line(
        self, shown: bytes, verb: str, argument: str, line: bytes, pipelined: bool, too_long: bool
    ) -> None:
        kept = MaskedLine(verb, argument, pipelined, line[-2:] != b"\r\n", too_long)
        self.raw.entries.extend((COMMAND, shown, self.stage, self.tls, self.at, kept))

    def masked(self, line: bytes, is_known: bool) -> bytes:
        """Return a line of the client as it may be stored; the very same octets where it holds no secret.

        Args:
            line: the octets.
            is_known: whether it begins with a verb of SMTP; after a login began, no other line is shown.
        """
        text = line.decode("latin-1")
        if begins_login(text):
            self.login_began = True
            shown = redact(text)
            return line if shown == text else shown.encode("latin-1")
        if self.login_began and not is_known:
            return MASK.encode()
        return line

    def response(self, line: bytes, mechanism: str) -> None:
        """Record the answer to a challenge: as a mask, unless it cancels the exchange."""
        shown = b"*" if line.strip() == b"*" else MASK.encode()
        self._add(RESPONSE, shown, mechanism)

    def credentials(self, mechanism: str) -> None:
        """Record that AUTH carried an initial response."""
        self._add(CREDENTIALS, b"", mechanism)

    def parameters(self, line: bytes, parameters: tuple[str, ...]) -> None:
        """Record the parameters of a MAIL or RCPT that can be judged."""
        self._add(PARAMETERS, line, parameters)

    def early(self, octets: bytes, rfc: str) -> None:
        """Record what came behind a command that had to be the last before its reply: its first line."""
        line = octets.partition(b"\n")[0].removesuffix(b"\r")
        verb = line.partition(b" ")[0].upper().decode("latin-1")
        self._add(EARLY, self.masked(line, verb in VERBS), rfc)

    def content(self, octets: bytes, parameters: tuple[str, ...] | None) -> None:
        """Record content that ended with a dot; b"" where it was too big to be kept."""
        self._add(CONTENT, octets, parameters)

    def chunk(self, octets: bytes) -> None:
        """Record the octets of one BDAT."""
        self._add(CHUNK, octets, None)

    def whole(self, octets: bytes, parameters: tuple[str, ...], *, binary: bool) -> None:
        """Record the content that all chunks make together, for the judge."""
        self._add(WHOLE, octets, (parameters, binary))

    def reply(self, reply: Reply) -> bytes:
        """Record a reply that is written now; return its octets."""
        octets = reply.octets
        self.raw.entries.extend((REPLY, octets, self.stage, self.tls, self.at, reply))
        return octets

    def announced_reply(self, reply: Reply) -> None:
        """Record a reply whose octets are written, and recorded, bit by bit."""
        self._add(REPLY, b"", reply)

    def sent(self, octets: bytes) -> None:
        """Record octets that are no reply, or part of one."""
        self._add(SENT, octets, None)

    def fault(self, words: str) -> None:
        """Record that a fault acted."""
        self._add(FAULT, b"", words)

    def handshake(self, *, implicit: bool, must_be_refused: str = "") -> None:
        """Record that TLS began."""
        self._add(TLS_BEGAN, b"", Handshake(implicit, must_be_refused))

    def stripped(self) -> None:
        """Record that TLS was taken out of what is on offer."""
        self._add(STRIPPED, b"", None)

    def broken(self) -> None:
        """Record that a fault broke the protocol."""
        self._add(BROKEN, b"", None)

    def duplicate(self, again: tuple[bytes, str]) -> None:
        """Record that a message came again: its Message-ID, and the recipient."""
        self._add(DUPLICATE, b"", again)

    def left(self, *, has_quit: bool) -> None:
        """Record that the client ended the session."""
        self._add(LEFT, b"", has_quit)

    def _add(self, kind: str, octets: bytes, extra: object) -> None:
        self.raw.entries.extend((kind, octets, self.stage, self.tls, self.at, extra))

    @property
    def is_long(self) -> bool:
        """Whether the session has grown so long that its middle should be forgotten."""
        return len(self.raw.entries) > LIMIT

    def forget_content(self, start: int) -> None:
        """Keep the header alone of the contents from a position on; they must have been judged before."""
        entries = self.raw.entries
        for at in range(start, len(entries), WIDTH):
            if entries[at] in (CONTENT, CHUNK, WHOLE):
                octets = entries[at + 1]
                end = _HEADER_END.search(octets, 0, _KEPT_HEADER)
                kept = octets[: end.end() if end else 0]
                lines = octets.count(b"\n", len(kept))
                entries[at + 1] = kept
                if octets:
                    entries[at + 5] = Forgotten(lines, len(octets) - len(kept))

    def forget_middle(self, judged: object) -> None:
        """Keep the beginning and the end of a long session.

        Args:
            judged: what the judge found up to here, its position being `SHORTENED`.
        """
        entries = self.raw.entries
        side = SHORTENED // 2
        forgotten = (len(entries) - SHORTENED) // WIDTH
        gap = side - WIDTH  # the last entry of the beginning gives its place to the gap
        forgotten += entries[gap + WIDTH - 1] if entries[gap] == GAP else 1
        marker = (GAP, b"", self.stage, self.tls, self.at, forgotten)
        self.raw = Raw([*entries[:gap], *marker, *entries[-side:]], judged)
