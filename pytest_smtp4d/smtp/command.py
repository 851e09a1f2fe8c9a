"""Command lines: a verb and its argument as octets, or a refusal.

RFC 5321 4.1 (commands), 4.5.3.1.4 (512 octets), RFC 4954 4 (12288 octets for AUTH), RFC 3030 2 (BDAT).
The one thing to know: nothing with CR, LF or NUL in it ever becomes a command, so nothing can be smuggled.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import LocalProtocolError
from pytest_smtp4d.smtp.extension import EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "LIMITS",
    "MAX_LINE",
    "SYNTAX",
    "VERBS",
    "auth",
    "auth_response",
    "bdat",
    "command",
    "is_too_long",
    "mail",
    "rcpt",
]

MAX_LINE = 512
"""Octets of a command line with its CRLF (RFC 5321 4.5.3.1.4)."""

SYNTAX: Mapping[str, str] = {
    "HELO": "HELO hostname",
    "EHLO": "EHLO hostname",
    "STARTTLS": "STARTTLS",
    "AUTH": "AUTH mechanism [initial-response]",
    "MAIL": "MAIL FROM:<mailbox> [parameters]",
    "RCPT": "RCPT TO:<mailbox> [parameters]",
    "DATA": "DATA",
    "BDAT": "BDAT octets [LAST]",
    "RSET": "RSET",
    "NOOP": "NOOP [argument]",
    "VRFY": "VRFY address",
    "EXPN": "EXPN list",
    "HELP": "HELP [command]",
    "QUIT": "QUIT",
}
"""The verbs of SMTP, in the order of a session, each with its syntax."""

VERBS = frozenset(SYNTAX)


def _limit(verb: str) -> int:
    rows = (row for extension in EXTENSIONS.values() for row in extension.parameters)
    return MAX_LINE + sum(row.octets for row in rows if row.verb == verb)


LIMITS = {"MAIL": _limit("MAIL"), "RCPT": _limit("RCPT"), "AUTH": 12288}
"""Octets of the command lines that extensions make longer, CRLF included; the answers of AUTH are as long."""

_FORBIDDEN = re.compile("[\r\n\0]")


def is_too_long(verb: str, line: bytes) -> bool:
    """Return whether a command line, its CRLF included, is over its limit (RFC 5321 4.5.3.1.4)."""
    return len(line) > MAX_LINE and len(line) > LIMITS.get(verb, MAX_LINE)


def command(verb: str, argument: str = "") -> bytes:
    """Return a command line.

    Args:
        verb: such as "EHLO".
        argument: what stands behind it, without the blank between.

    Raises:
        LocalProtocolError: CR, LF or NUL in the argument, or a line over the limit.
    """
    forbidden = _FORBIDDEN.search(argument)
    if forbidden is not None:
        raise LocalProtocolError(
            f"{verb} cannot carry {argument!r}: {forbidden[0]!r} would end the command there"
        )
    line = f"{verb} {argument}".rstrip(" ").encode() + b"\r\n"
    if is_too_long(verb, line):
        limit = LIMITS.get(verb, MAX_LINE)
        raise LocalProtocolError(f"{verb} with its argument has {len(line)} octets; {limit} are allowed")
    return line


def mail(mailbox: str, parameters: tuple[str, ...] = ()) -> bytes:
    """Return the MAIL command for a reverse-path ("" for the null one); raises as `command`."""
    return command("MAIL", " ".join((f"FROM:<{mailbox}>", *parameters)))


def rcpt(mailbox: str, parameters: tuple[str, ...] = ()) -> bytes:
    """Return the RCPT command for a forward-path; raises as `command`."""
    return command("RCPT", " ".join((f"TO:<{mailbox}>", *parameters)))


def auth(mechanism: str, initial_response: bytes | None = None) -> bytes:
    """Return the AUTH command; "=" stands for an empty initial response (RFC 4954 4); raises as `command`."""
    if initial_response is None:
        return command("AUTH", mechanism)
    encoded = base64.b64encode(initial_response).decode() or "="
    return command("AUTH", f"{mechanism} {encoded}")


def auth_response(response: bytes) -> bytes:
    """Return the line that answers a 334 challenge.

    Raises:
        LocalProtocolError: the line is over 12288 octets.
    """
    line = base64.b64encode(response) + b"\r\n"
    if is_too_long("AUTH", line):
        raise LocalProtocolError(
            f"the AUTH response has {len(line)} octets; {LIMITS['AUTH']} are allowed (RFC 4954)"
        )
    return line


def bdat(content: bytes) -> bytes:
    """Return content as its one and only BDAT chunk, command line included (RFC 3030 2)."""
    return b"BDAT %d LAST\r\n" % len(content) + content
