"""What a client did against the RFCs: the closed list, and the judge who follows one session.

RFC 5321 (2.3.8, 4.1.1.11, 4.1.4, 4.5.3.1), RFC 2920 3.1, RFC 3207 4.2, RFC 6152 3, RFC 4954 4.
A client is judged by what it had been *told*: the replies that it received, not what the server did behind
them; and a command that was sent before the reply to the one before is judged as of when it was sent. The
judge reads the record of a session when somebody asks for its violations, and remembers how far it has read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from pytest_smtp4d.records import recorder
from pytest_smtp4d.records.canary import CANARY_FIELD, injected_command, injected_field
from pytest_smtp4d.records.lint import FLAWS, FlawName, lint
from pytest_smtp4d.records.masking import MASK, begins_login
from pytest_smtp4d.smtp.command import VERBS, is_too_long
from pytest_smtp4d.smtp.extension import Extensions, owner_of
from pytest_smtp4d.words import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_smtp4d.mail.tree import Part
    from pytest_smtp4d.records.recorder import Entry, Raw
    from pytest_smtp4d.smtp.reply import Reply

__all__ = ["VIOLATIONS", "Judge", "Judged", "Violation", "ViolationName", "judge", "words_of"]

ViolationName = Literal[
    "bare-lf",
    "line-too-long",
    "out-of-order",
    "pipelining-not-offered",
    "parameter-not-offered",
    "8bit-not-offered",
    "no-ehlo-after-starttls",
    "cleartext-credentials",
    "certificate-not-verified",
    "injection",
    "body-parameter-missing",
    "no-quit",
    "duplicate-message",
    FlawName,  # flattened (PEP 586)
]
"""What a client does wrong in the dialogue, and what is wrong with a message (`lint.FlawName`)."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Something a client did that an RFC forbids.

    Args:
        name: of the closed list, `VIOLATIONS`.
        line: the transcript line that shows it, or words for what is missing.
        rfc: the section that says so, "RFC 5321 4.1.4".
        fatal: whether it fails a test under `strict`.
    """

    name: ViolationName
    line: str
    rfc: str
    fatal: bool

    def __str__(self) -> str:
        return f"{self.name} ({self.rfc}): {self.line}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the closed list: the RFC section, whether it is fatal, and a sentence for a person."""

    rfc: str
    fatal: bool
    meaning: str


VIOLATIONS: dict[ViolationName, Rule] = {
    "bare-lf": Rule(
        "RFC 5321 2.3.8", True, "a line ended with LF alone; lines end with CRLF and with nothing else"
    ),
    "line-too-long": Rule(
        "RFC 5321 4.5.3.1",
        True,
        "a command line or a line of content was longer than the limit (1000 octets)",
    ),
    "out-of-order": Rule("RFC 5321 4.1.4", True, "a command came where the dialogue does not allow it"),
    "pipelining-not-offered": Rule(
        "RFC 2920 3.1",
        True,
        "a command was sent before the reply to the one before, and PIPELINING was not on offer",
    ),
    "parameter-not-offered": Rule(
        "RFC 5321 4.1.1.11", True, "a parameter of MAIL or RCPT belongs to an extension that was not on offer"
    ),
    "8bit-not-offered": Rule(
        "RFC 6152 3", True, "content held octets above 127, and 8BITMIME was not on offer"
    ),
    "no-ehlo-after-starttls": Rule(
        "RFC 3207 4.2", True, "the client went on after the TLS handshake without a new EHLO"
    ),
    "cleartext-credentials": Rule(
        "RFC 4954 4", True, "a password or token was sent without TLS although TLS was on offer"
    ),
    "certificate-not-verified": Rule(
        "RFC 8314 5.2",
        True,
        "the client went on, with AUTH or MAIL, after a handshake that a careful client refuses",
    ),
    "injection": Rule(
        "RFC 5321 4.1.2",
        True,
        "a canary of an injection came through as a command, a recipient, a parameter or a field of its own",
    ),
    "body-parameter-missing": Rule(
        "RFC 6152 3", False, "content held octets above 127, and MAIL had no BODY=8BITMIME"
    ),
    "no-quit": Rule("RFC 5321 4.1.1.10", False, "the client closed the connection without QUIT"),
    "duplicate-message": Rule(
        "RFC 5322 3.6.4",
        False,
        "the same Message-ID came to the same recipient again, although the first had been answered 250",
    ),
    **{name: Rule(flaw.rfc, False, flaw.meaning) for name, flaw in FLAWS.items()},
}
"""The closed list, in the order of the documentation."""


def flaws_of(
    content: bytes, mail_options: Sequence[str] = (), tree: Part | None = None
) -> tuple[Violation, ...]:
    """Return what is wrong with a message itself.

    Args:
        content: the octets.
        mail_options: the parameters of MAIL, as received.
        tree: its parts, where somebody has read them already.
    """
    options = {option.upper() for option in mail_options}
    found = lint(content, utf8="SMTPUTF8" in options, binary="BODY=BINARYMIME" in options, tree=tree)
    return tuple(Violation(flaw.name, flaw.line, flaw.rfc, VIOLATIONS[flaw.name].fatal) for flaw in found)


def _violation(name: ViolationName, line: str, rfc: str | None = None) -> Violation:
    rule = VIOLATIONS[name]
    return Violation(name, line, rfc or rule.rfc, rule.fatal)


def _shown(line: bytes) -> str:
    """Return a line for a person: escaped, cut where it is long."""
    text = escaped(line.removesuffix(b"\r\n"))
    return text if len(text) <= 100 else f"{text[:97]}..."


_BARE_LF = re.compile(rb"(?<!\r)\n")
_EIGHT_BIT = re.compile(rb"[\x80-\xff]")
MAXIMUM_LINE = 1000
"""Octets of a line of content with its CRLF (RFC 5321 4.5.3.1.6)."""


def _bare_lf(content: bytes) -> int:
    """Return where the first LF without CR is, or -1."""
    if content.count(b"\n") == content.count(b"\r\n"):
        return -1
    match = _BARE_LF.search(content)
    assert match is not None
    return match.start()


def _long_line(content: bytes) -> int:
    """Return where the first line of over 1000 octets starts, or -1; hops from LF to LF."""
    start = 0
    while len(content) - start > MAXIMUM_LINE:
        end = content.rfind(b"\n", start, start + MAXIMUM_LINE)
        if end < 0:
            return start
        start = end + 1
    return -1


def _eight_bit(content: bytes) -> int:
    """Return where the first octet above 127 is, or -1."""
    if content.isascii():
        return -1
    match = _EIGHT_BIT.search(content)
    assert match is not None
    return match.start()


_CANARY = CANARY_FIELD.lower().encode()
_NEEDS_GREETING = frozenset({"MAIL", "RCPT", "DATA", "BDAT", "AUTH", "STARTTLS"})
_PASSWORD_MECHANISMS = frozenset({"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"})


class Judge:
    """Follows one session and says what the client did wrong.

    `hear` takes the entries of a session's record one by one. The methods below it judge one thing each:
    `command` a line that has arrived, `replied` follows a reply, `content` judges the end of data,
    `tls_started` follows a handshake, and `closed` judges the end.
    """

    __slots__ = (
        "_greeted",
        "_logged_in",
        "_login_began",
        "_mail",
        "_mail_tried",
        "_offered",
        "_rcpt",
        "_rcpt_tried",
        "_stripped",
        "_tls",
        "_unverified",
        "_upgraded",
        "is_lenient",
    )

    def __init__(self, *, tls: bool = False) -> None:
        self._tls = tls
        self._upgraded = False
        self._login_began = False
        self._unverified = ""
        self._stripped = False
        self.is_lenient: bool = False
        """Whether a fault broke the protocol: from here on nothing is fatal."""
        self._forget()

    def copy(self) -> Judge:
        """Return a judge who knows the same."""
        other = Judge.__new__(Judge)
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        return other

    def hear(self, entry: Entry) -> tuple[Violation, ...]:
        """Take the next entry of a record; after a fault that broke the protocol nothing is fatal."""
        hear = self._HEAR.get(entry.kind)
        found = hear(self, entry) if hear is not None else ()
        if found and self.is_lenient:
            return tuple(
                replace(violation, fatal=False) if violation.fatal else violation for violation in found
            )
        return found

    def _hear_command(self, entry: Entry) -> tuple[Violation, ...]:
        found = self._hear_line(entry)
        if self._unverified and entry.stage in ("AUTH", "MAIL"):
            why, self._unverified = self._unverified, ""
            found += (_violation("certificate-not-verified", f"{_shown(entry.octets)} ({why})"),)
        if _CANARY in entry.octets.lower() and (what := injected_command(*words_of(entry))):
            found += (_violation("injection", f"{_shown(entry.octets)} ({what} of its own)"),)
        return found

    def _hear_line(self, entry: Entry) -> tuple[Violation, ...]:
        line, octets = entry.extra, entry.octets
        if isinstance(line, bool):
            # What is stored as it came begins with the verb that is its stage, or with none that SMTP knows.
            has_bare_lf = octets[-2:] != b"\r\n"
            return self._judge_line(entry.stage, octets, line, has_bare_lf, is_too_long(entry.stage, octets))
        self._login_began = self._login_began or begins_login(line.verb or line.argument)
        return self._judge_line(line.verb, octets, line.is_pipelined, line.has_bare_lf, line.is_too_long)

    def _hear_reply(self, entry: Entry) -> tuple[Violation, ...]:
        offered: Iterable[str] = ()
        if entry.stage == "EHLO":
            offered = Extensions.from_reply(entry.extra).keywords
        self.replied(entry.stage, entry.extra, offered)
        return ()

    def _hear_content(self, entry: Entry) -> tuple[Violation, ...]:
        return self.content(entry.octets, entry.extra) if entry.extra is not None else ()

    def _hear_whole(self, entry: Entry) -> tuple[Violation, ...]:
        parameters, binary = entry.extra
        return self.content(entry.octets, parameters, binary=binary)

    def _hear_response(self, entry: Entry) -> tuple[Violation, ...]:
        return () if entry.octets == b"*" else self.credentials(entry.extra)

    def _hear_tls(self, entry: Entry) -> tuple[Violation, ...]:
        self._unverified = entry.extra.must_be_refused
        if entry.extra.implicit:
            self._tls = True
        else:
            self.tls_started()
        return ()

    def _hear_duplicate(self, entry: Entry) -> tuple[Violation, ...]:
        identifier, recipient = entry.extra
        shown = escaped(identifier)
        return (_violation("duplicate-message", f"Message-ID: {shown} to {recipient} again"),)

    def _hear_stripped(self, _: Entry) -> tuple[Violation, ...]:
        self._stripped = True
        return ()

    def _hear_broken(self, _: Entry) -> tuple[Violation, ...]:
        self.is_lenient = True
        return ()

    def _forget(self) -> None:
        """Before EHLO, and again after STARTTLS (RFC 3207 4.2): nothing is known of the server."""
        self._offered: frozenset[str] = frozenset()
        self._greeted = False
        self._logged_in = False
        self._end_transaction()

    def _end_transaction(self) -> None:
        self._mail = self._mail_tried = self._rcpt = self._rcpt_tried = False

    def tls_started(self) -> None:
        """A STARTTLS handshake is complete."""
        self._tls = self._upgraded = True
        self._forget()

    _HEAR: ClassVar[Mapping[str, Callable[[Judge, Entry], tuple[Violation, ...]]]] = {
        recorder.COMMAND: _hear_command,
        recorder.REPLY: _hear_reply,
        recorder.PARAMETERS: lambda self, entry: self.parameters(entry.extra, entry.octets),
        recorder.CONTENT: _hear_content,
        recorder.WHOLE: _hear_whole,
        recorder.EARLY: lambda self, entry: self.early(entry.octets, entry.extra),
        recorder.RESPONSE: _hear_response,
        recorder.CREDENTIALS: lambda self, entry: self.credentials(entry.extra),
        recorder.TLS_BEGAN: _hear_tls,
        recorder.STRIPPED: _hear_stripped,
        recorder.BROKEN: _hear_broken,
        recorder.LEFT: lambda self, entry: self.closed(quit_sent=entry.extra),
        recorder.DUPLICATE: _hear_duplicate,
    }
    """What is made of each kind of entry; the other kinds tell nothing of the client."""

    def command(self, verb: str, argument: str, line: bytes, *, pipelined: bool) -> tuple[Violation, ...]:
        """Judge a command line.

        Args:
            verb: upper case.
            argument: the rest of the line.
            line: the octets as received, with their line end.
            pipelined: it was in the buffer before the reply to the command before had been sent.
        """
        # What is no verb, after a login began, may be an answer to a challenge that was never given.
        self._login_began = self._login_began or begins_login(verb or argument)
        shown = line if verb in VERBS or not self._login_began else MASK.encode()
        return self._judge_line(verb, shown, pipelined, line[-2:] != b"\r\n", is_too_long(verb, line))

    def _judge_line(
        self, verb: str, shown: bytes, pipelined: bool, bare_lf: bool, too_long: bool
    ) -> tuple[Violation, ...]:
        found: list[tuple[ViolationName, str | None]] = []
        if bare_lf:
            found.append(("bare-lf", None))
        if too_long:
            found.append(("line-too-long", "RFC 5321 4.5.3.1.4"))
        if pipelined and "PIPELINING" not in self._offered and verb != "QUIT":
            found.append(("pipelining-not-offered", None))
        if verb in _NEEDS_GREETING:
            if not self._greeted:
                found.append(("no-ehlo-after-starttls" if self._upgraded else "out-of-order", None))
            elif self._misplaced(verb, pipelined):
                found.append(("out-of-order", None))
        return tuple(_violation(name, _shown(shown), rfc) for name, rfc in found) if found else ()

    def _misplaced(self, verb: str, pipelined: bool) -> bool:
        # What was sent before the refusal could be known is legal: RCPT behind a refused MAIL, DATA behind
        # refused RCPTs (RFC 2920 3.1). Where PIPELINING is on offer nobody can tell: a group of commands may
        # arrive in pieces (one write each, Nagle's algorithm), and the refusal be written in between.
        is_unread = pipelined or "PIPELINING" in self._offered
        if verb == "RCPT":
            return not (self._mail or (is_unread and self._mail_tried))
        if verb in ("DATA", "BDAT"):
            return not (self._rcpt or (is_unread and self._rcpt_tried))
        if verb == "MAIL":
            return self._mail
        if verb == "AUTH":
            return self._logged_in or self._mail
        return self._tls  # STARTTLS under TLS

    def parameters(self, parameters: Iterable[str], line: bytes) -> tuple[Violation, ...]:
        """Judge the parameters of MAIL or RCPT (as received, "SIZE=120")."""
        return tuple(
            _violation("parameter-not-offered", _shown(line))
            for parameter in parameters
            if owner_of(parameter)[0] not in self._offered
        )

    def early(self, octets: bytes, rfc: str) -> tuple[Violation, ...]:
        """Judge what was sent behind a command that had to be the last before its reply: DATA, STARTTLS.

        Args:
            octets: what had arrived behind it; b"" for nothing.
            rfc: the section that says so.
        """
        if not octets:
            return ()
        return (_violation("out-of-order", _shown(octets.partition(b"\n")[0].removesuffix(b"\r")), rfc),)

    def credentials(self, mechanism: str) -> tuple[Violation, ...]:
        """Judge a response to this mechanism, in AUTH itself or as the answer to a challenge."""
        mechanism = mechanism.upper()
        was_on_offer = "STARTTLS" in self._offered or self._stripped
        if self._tls or not was_on_offer or mechanism not in _PASSWORD_MECHANISMS:
            return ()
        return (_violation("cleartext-credentials", f"AUTH {mechanism} {MASK}"),)

    def replied(self, verb: str, reply: Reply, offered: Iterable[str] = ()) -> None:
        """Follow a reply that was sent.

        Args:
            verb: of the command; "CONTENT" for the reply to the end of data.
            reply: what the client was told.
            offered: for EHLO, the keywords of the reply, upper case.
        """
        positive = reply.is_positive
        if verb == "RCPT":
            self._rcpt_tried = True
            self._rcpt = self._rcpt or positive
        elif verb == "MAIL":
            self._mail_tried = True
            self._mail = self._mail or positive
        elif verb == "CONTENT":
            self._end_transaction()
        elif verb in ("EHLO", "HELO"):
            if positive:
                self._offered = frozenset(offered)
                self._greeted = True
                self._end_transaction()
        elif verb == "RSET" and positive:
            self._end_transaction()
        elif verb == "AUTH" and reply.code == 235:
            self._logged_in = True

    def content(
        self, content: bytes, parameters: Iterable[str] = (), *, binary: bool = False
    ) -> tuple[Violation, ...]:
        """Judge message content.

        Args:
            content: the octets.
            parameters: of MAIL, as received.
            binary: it came by BDAT with BODY=BINARYMIME: lines are free (RFC 3030 3).
        """
        found: list[Violation] = []
        if _CANARY in content.lower() and (what := injected_field(content)):
            found.append(_violation("injection", f"{CANARY_FIELD} ({what} of its own)", "RFC 5322 2.2"))
        if not binary:
            if (at := _bare_lf(content)) >= 0:
                found.append(_violation("bare-lf", _line_at(content, at)))
            if (at := _long_line(content)) >= 0:
                found.append(_violation("line-too-long", _line_at(content, at), "RFC 5321 4.5.3.1.6"))
        if (at := _eight_bit(content)) >= 0:
            declared = {parameter.upper() for parameter in parameters}
            if "8BITMIME" not in self._offered:
                found.append(_violation("8bit-not-offered", _line_at(content, at)))
            elif not declared & {"BODY=8BITMIME", "BODY=BINARYMIME"}:
                found.append(_violation("body-parameter-missing", _line_at(content, at)))
        return tuple(found)

    def closed(self, *, quit_sent: bool) -> tuple[Violation, ...]:
        """Judge how the client left; call it only where the client ended the session."""
        if quit_sent or not self._greeted:
            return ()
        return (_violation("no-quit", "(connection closed)"),)


class Judged(NamedTuple):
    """What a judge made of a record.

    Args:
        position: how far it has read.
        judge: what it knows there.
        violations: what it found, in order.
        lenient_from: how many of them came before a fault broke the protocol; None where none did.
    """

    position: int
    judge: Judge
    violations: tuple[Violation, ...]
    lenient_from: int | None = None


def judge(raw: Raw) -> Judged:
    """Read on in a record from where it was judged last.

    Nothing is changed, so that several threads may ask at once.
    """
    known: Judged = raw.judged or Judged(0, Judge(), ())
    end = len(raw.entries)
    if known.position == end:
        return known
    reader = known.judge.copy()
    found = list(known.violations)
    lenient_from = known.lenient_from
    for entry in raw.read(known.position, end):
        if entry.kind == recorder.REPLY and entry.stage != "EHLO":
            reader.replied(entry.stage, entry.extra)  # half of all entries, and nothing to be found in them
            continue
        found += reader.hear(entry)
        if lenient_from is None and reader.is_lenient:
            lenient_from = len(found)
    return Judged(end, reader, tuple(found), lenient_from)


def words_of(entry: Entry) -> tuple[str, str]:
    """Return verb and argument of a recorded command line."""
    if not isinstance(entry.extra, bool):
        return entry.extra.verb, entry.extra.argument
    verb, _, argument = entry.octets.rstrip(b"\r\n").decode("utf-8", "surrogateescape").partition(" ")
    return verb.upper(), argument.strip()


def _line_at(content: bytes, at: int) -> str:
    """Return the line of content around an offset, escaped and cut."""
    start = content.rfind(b"\n", 0, at) + 1
    end = content.find(b"\n", at) + 1 or len(content)
    return _shown(content[start : min(end, start + 200)])
