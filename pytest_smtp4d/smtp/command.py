"""Command lines: a verb and its argument as octets, or a refusal.

RFC 5321 4.1 (commands), 4.5.3.1.4 (512 octets), RFC 4954 4 (12288 octets for AUTH), RFC 3030 2 (BDAT).
The one thing to know: nothing with CR, LF or NUL in it ever becomes a command, so nothing can be smuggled.
"""

from __future__ import annotations

import base64
import re

from pytest_smtp4d.errors import LocalProtocolError

__all__ = [
    "MAX_AUTH_LINE",
    "MAX_LINE",
    "auth",
    "auth_response",
    "bdat",
    "command",
    "mail",
    "rcpt",
]

MAX_LINE = 512
"""Octets of a command line with its CRLF (RFC 5321 4.5.3.1.4)."""

MAX_AUTH_LINE = 12288
"""Octets of an AUTH command or response with its CRLF (RFC 4954 4)."""

# What extensions add to the limit of MAIL and RCPT: SIZE 26 (RFC 1870), 8BITMIME 17 (RFC 6152),
# SMTPUTF8 10 (RFC 6531), DSN 1020 and 500 (RFC 3461), AUTH 500 (RFC 4954).
_MAX_MAIL_LINE = MAX_LINE + 2073

_FORBIDDEN = re.compile("[\r\n\0]")


def command(verb: str, argument: str = "", *, limit: int = MAX_LINE) -> bytes:
    """Return a command line.

    Args:
        verb: such as "EHLO".
        argument: what stands behind it, without the blank between.
        limit: octets at most, CRLF included.

    Raises:
        LocalProtocolError: CR, LF or NUL in the argument, or a line over the limit.
    """
    forbidden = _FORBIDDEN.search(argument)
    if forbidden is not None:
        raise LocalProtocolError(
            f"{verb} cannot carry {argument!r}: {forbidden[0]!r} would end the command there"
        )
    line = f"{verb} {argument}".rstrip(" ").encode() + b"\r\n"
    if len(line) > limit:
        raise LocalProtocolError(f"{verb} with its argument has {len(line)} octets; {limit} are allowed")
    return line


def mail(mailbox: str, parameters: tuple[str, ...] = ()) -> bytes:
    """Return the MAIL command for a reverse-path ("" for the null one); raises as `command`."""
    return command("MAIL", " ".join((f"FROM:<{mailbox}>", *parameters)), limit=_MAX_MAIL_LINE)


def rcpt(mailbox: str, parameters: tuple[str, ...] = ()) -> bytes:
    """Return the RCPT command for a forward-path; raises as `command`."""
    return command("RCPT", " ".join((f"TO:<{mailbox}>", *parameters)), limit=_MAX_MAIL_LINE)


def auth(mechanism: str, initial_response: bytes | None = None) -> bytes:
    """Return the AUTH command; "=" stands for an empty initial response (RFC 4954 4); raises as `command`."""
    if initial_response is None:
        return command("AUTH", mechanism)
    encoded = base64.b64encode(initial_response).decode() or "="
    return command("AUTH", f"{mechanism} {encoded}", limit=MAX_AUTH_LINE)


def auth_response(response: bytes) -> bytes:
    """Return the line that answers a 334 challenge.

    Raises:
        LocalProtocolError: the line is over 12288 octets.
    """
    line = base64.b64encode(response) + b"\r\n"
    if len(line) > MAX_AUTH_LINE:
        raise LocalProtocolError(
            f"the AUTH response has {len(line)} octets; {MAX_AUTH_LINE} are allowed (RFC 4954)"
        )
    return line


def bdat(content: bytes) -> bytes:
    """Return content as its one and only BDAT chunk, command line included (RFC 3030 2)."""
    return b"BDAT %d LAST\r\n" % len(content) + content
