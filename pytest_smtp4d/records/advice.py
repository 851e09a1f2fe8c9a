"""What to do about a session in which no message was sent, and the cause of it in a few words.

RFC 8446 6.2 (TLS alerts), RFC 5321 4.2 and RFC 4954 6 (the replies that explain a failure).

What a client did not say has to be guessed from where it left: one that closes in a handshake or right after
it, without an alert, most likely does not trust the certificate (aiosmtplib and nodemailer leave so).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pytest_smtp4d.words import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_smtp4d.records.record import Command, Session

__all__ = ["advice", "cause", "summary"]


_SHOWN_COMMAND = 80


class _Hint(NamedTuple):
    """What happened, for a line with room for little, and what to do about it; both "" for nothing known."""

    cause: str
    advice: str


_TRUST = "give it `ca_file` or `client_context()`, or `smtp_trust`"
_NOT_TRUSTED = _Hint(
    "the client does not trust the certificate", f"the client does not trust the certificate: {_TRUST}"
)
_PERHAPS_NOT_TRUSTED = _Hint(
    "the client left TLS at once, most likely not trusting the certificate",
    "the client closed during or right after the handshake: most likely it does not trust the certificate: "
    + _TRUST,
)
_PERHAPS_NOT_TLS = _Hint(
    _PERHAPS_NOT_TRUSTED.cause,
    f"{_PERHAPS_NOT_TRUSTED.advice}; a client that begins without TLS needs tls='starttls' or tls='none'",
)

_OWN_TRUST = (
    ". Under interception its TLS context was made earlier, or has a CA of its own such as certifi's: make "
    "it during the test, or set `smtp4d_intercept` for the whole run, or add `ca_file` to it"
)
"""Why a client that was redirected, and needs no other trust than the default, does not trust."""

_ENDINGS: tuple[tuple[str, _Hint], ...] = (
    (r"unknown.ca\b", _NOT_TRUSTED),
    (
        r"certificate.expired",
        _Hint(
            "the client finds the certificate out of date",
            "the client finds the certificate out of date: see the setting `certificate`",
        ),
    ),
    (
        r"bad.certificate|certificate.unknown",
        _Hint(
            "the client refused the certificate",
            "the client refused the certificate: trust `ca_file`, and connect to a name that it holds",
        ),
    ),
    (
        r"certificate.required|did not return a certificate",
        _Hint(
            "the client has no certificate",
            "the server asks for a client certificate: use `client_context(identity=True)`",
        ),
    ),
    (
        r"protocol.version|unsupported.protocol|no.(shared|common)|handshake.failure",
        _Hint(
            "no common TLS version or cipher",
            "client and server share no TLS version or cipher: see the setting `tls_versions`",
        ),
    ),
    (
        r"callback.failed",
        _Hint(
            "TLS failed in a callback",
            "gevent's ssl does not call back from TLS in memory: use gevent.monkey.patch_all(ssl=False)",
        ),
    ),
    (
        r"wrong.version|http.request|not tls",
        _Hint(
            "plaintext where TLS was due",
            "the client spoke plaintext where TLS was due: see the setting `tls`",
        ),
    ),
    (
        r"closed in TLS.*sent nothing",
        _Hint(
            "the client did not begin with TLS",
            "the client waited for a greeting where TLS was due: begin with TLS, or set tls='starttls'",
        ),
    ),
    (
        r"TLS handshake where clear text was due",
        _Hint(
            "TLS where plaintext was due",
            "the client began with TLS where plaintext was due: set tls='implicit', or let it use STARTTLS",
        ),
    ),
)
"""How a session ended (any case, any mark between words) -> what to do about it."""


class _Replied(NamedTuple):
    code: int
    hint: _Hint


_LOGIN_REPLIES = (
    _Replied(
        535,
        _Hint(
            "535, the login was refused",
            "the login was refused: the settings `users` and `tokens` say who may log in",
        ),
    ),
    _Replied(
        538,
        _Hint(
            "538, AUTH was wanted without TLS",
            "the mechanism needs TLS first: let the client use STARTTLS, or set `auth_without_tls`",
        ),
    ),
    _Replied(
        504,
        _Hint(
            "504, a mechanism that is not on offer",
            "the client's mechanism is not on offer: see the setting `auth`",
        ),
    ),
)
"""What a server said to a client that has not logged in after all."""
_LOGIN_REQUIRED = _Replied(
    530,
    _Hint(
        "530, a login or TLS is required",
        "the server requires a login or TLS first: see `require_auth` and `require_tls`",
    ),
)
_NO_EHLO = _Hint(
    "the client left before EHLO",
    "no EHLO: the client left before it had said anything; see the setting `tls`",
)
_ONLY_EHLO = _Hint(
    "the client left after EHLO",
    "the client left after EHLO: if it wanted AUTH, that is on offer under TLS only: let it use STARTTLS, "
    "or set `auth_without_tls`",
)
_NOTHING = _Hint("", "")
# How a session ended that the client left, and not the server, a fault or a time-out.
_LEFT = re.compile(r"client closed|reset by the client|QUIT", re.IGNORECASE)


def advice(session: Session) -> str:
    """Return what to do about a session in which no message was sent; "" where nothing is known, or one was.

    Args:
        session: its `ended`, `commands`, `transactions`, `tls`, `user` and `target` are looked at.
    """
    hint = _hint(session)
    if session.target is not None and hint in (_NOT_TRUSTED, _PERHAPS_NOT_TRUSTED, _PERHAPS_NOT_TLS):
        return hint.advice + _OWN_TRUST
    return hint.advice


def cause(session: Session) -> str:
    """Return why no message was sent in a session, in a few words; "" where nothing is known, or one was."""
    return _hint(session).cause


def _hint(session: Session) -> _Hint:
    if any(transaction.message is not None for transaction in session.transactions):
        return _NOTHING
    ended = session.ended or ""
    for pattern, hint in _ENDINGS:
        if re.search(pattern, ended, re.IGNORECASE):
            return hint
    commands = session.commands
    verbs = [command.verb for command in commands]
    if re.search(r"closed in TLS|TLS.*\b(eof|unexpected)", ended, re.IGNORECASE):
        return _PERHAPS_NOT_TRUSTED if "STARTTLS" in verbs else _PERHAPS_NOT_TLS
    codes = [command.reply.code for command in commands if command.reply is not None]
    if session.user is None:
        for code, hint in _LOGIN_REPLIES:
            if code in codes:
                return hint
    if _last_code(commands) == _LOGIN_REQUIRED.code:
        return _LOGIN_REQUIRED.hint
    if session.transactions or not _LEFT.search(ended):
        return _NOTHING
    if session.tls is not None and verbs[-1:] in ([], ["STARTTLS"]):
        return _PERHAPS_NOT_TRUSTED
    if not {"EHLO", "HELO"} & set(verbs):
        return _NO_EHLO
    return _ONLY_EHLO if session.tls is None and _wanted_more_of_ehlo(session) else _NOTHING


def _last_code(commands: Sequence[Command]) -> int | None:
    """Return the code of the last reply, but for those to commands that a client says at its end."""
    for command in reversed(commands):
        if command.reply is not None and command.verb not in ("QUIT", "RSET", "NOOP"):
            return command.reply.code
    return None


def _wanted_more_of_ehlo(session: Session) -> bool:
    """Return whether a client left after an EHLO whose reply offers STARTTLS, and AUTH not yet."""
    commands = [command for command in session.commands if command.verb != "QUIT"]
    if [command.verb for command in commands] not in (["EHLO"], ["EHLO", "RSET"]):
        return False
    reply = commands[0].reply
    keywords = {line.partition(" ")[0].upper() for line in reply.lines[1:]} if reply is not None else set()
    return "STARTTLS" in keywords and "AUTH" not in keywords


def summary(session: Session) -> str:
    """Return in a line how a session ended, and the last thing that the client said but for its goodbye."""
    return f"{session.ended or 'still open'}; {_story(session)}"


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
