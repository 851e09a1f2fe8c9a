"""Decides whether the canary of an injection came through as something of its own.

RFC 5321 4.1.1 and 4.1.2 (commands and paths), RFC 5322 2.2 (fields), RFC 2045 3 (the fields of a part).

A canary is in its place where it is text: in the middle of a mailbox, of a field's value or of a body. The
octets on the wire decide: an encoded word that still is one is text, and one that a client has decoded into a
line of its own is a field.
"""

from __future__ import annotations

import re

from pytest_smtp4d.mail.tree import read_tree
from pytest_smtp4d.records.mime import parts_of

__all__ = ["CANARY", "CANARY_FIELD", "injected_command", "injected_field"]

CANARY = "smtp4d-canary@injected.example"
"""The mailbox that must never become a recipient, nor begin a parameter."""

CANARY_FIELD = "Smtp4d-Canary"
"""The field that no message may have, and the word that begins no command's argument."""

_MAILBOX = CANARY.lower()
_WORD = CANARY_FIELD.lower()
# "from:<path> parameters": the path ends at the first ">" that no quoted string holds.
_PATH = re.compile(r'(?:from|to):[ \t]*<?((?:"(?:[^"\\]|\\.)*"?|[^">])*)>?(.*)', re.DOTALL)
_PARAMETER = re.compile(rf"[=;:<]{re.escape(_MAILBOX)}")
_BARE_CR = re.compile(rb"\r(?!\n)")


def injected_command(verb: str, argument: str) -> str | None:
    """Return what the canary is in a command line.

    Args:
        verb: upper case.
        argument: the rest of the line.

    Returns:
        "a command", "a recipient" or "a parameter"; None where the line holds no canary, or as text.
    """
    argument = argument.lower()
    if _WORD not in f"{verb.lower()} {argument}":
        return None
    if verb in ("MAIL", "RCPT"):
        return _injected_path(verb, argument)
    if verb in ("EHLO", "HELO", "VRFY", "EXPN"):
        return "a command" if argument.lstrip(" \t<").startswith(_WORD) else None
    return None if verb == "AUTH" else "a command"


def _injected_path(verb: str, argument: str) -> str | None:
    match = _PATH.fullmatch(argument)
    if match is None:
        return "a command"
    path, parameters = match.groups()
    if path.strip(" \t") == _MAILBOX:
        return "a recipient" if verb == "RCPT" else "a command"
    return "a parameter" if _PARAMETER.search(parameters) else None


def injected_field(content: bytes) -> str | None:
    """Return what the canary is in a message: "a field"; None where it holds none, or as text.

    Args:
        content: the octets, transparency undone. A CR alone counts as a line end, as for some servers.
    """
    if f"{_WORD}:".encode() not in content.lower():
        return None
    names = (
        name.lower()
        for part in parts_of(read_tree(_BARE_CR.sub(b"\r\n", content)))
        for name, _ in part.header.fields
    )
    return "a field" if _WORD in names else None
