"""Masks secrets in command lines: the one place where that is decided.

RFC 4954 4 (what a login carries), RFC 4422 3.1 (names of mechanisms).
"""

from __future__ import annotations

import re

__all__ = ["MASK", "begins_login", "redact"]

MASK = "********"
"""What stands where a secret stood."""

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
