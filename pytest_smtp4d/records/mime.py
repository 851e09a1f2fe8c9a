"""Views of a message whose parts are nested deeper than Python can follow.

RFC 2046 5.1. The parser of `email` calls itself for each part inside another, and ends with a RecursionError
at some hundred; such a message is put together from our own tree, part by part. `repr` and `==` of dicts do
the same; the tree of a mail object is made flat below the hundredth level, where Postfix stops, too
(`mime_nesting_limit`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_smtp4d.mail.tree import read_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

    from pytest_smtp4d.mail.email import EmailBodyPart
    from pytest_smtp4d.mail.tree import Part

__all__ = ["flat_below", "mime_of", "parts_of"]

DEEPEST = 100
"""How many multiparts inside each other are kept as they are in a mail object that was received."""


def mime_of(content: bytes) -> EmailMessage:
    """Return the message that octets are, by `email.policy.default`.

    Args:
        content: any octets.

    Returns:
        What `email.message_from_bytes` returns. Where its parser would recurse too deep: the same parts with
        the same fields and octets, without preambles, and an attached message (message/rfc822) as its text.
    """
    from email import message_from_bytes, policy

    try:
        return message_from_bytes(content, policy=policy.default)
    except RecursionError:
        return _built(read_tree(content), content)


def _built(root: Part, content: bytes) -> EmailMessage:
    """Return the message of a tree, without recursion."""
    whole = _own_part(root, content)
    waiting = [(root, whole)]
    while waiting:
        part, message = waiting.pop()
        for child in part.children:
            own = _own_part(child, content)
            message.attach(own)
            waiting.append((child, own))
    return whole


def _own_part(part: Part, content: bytes) -> EmailMessage:
    """Return the message of one part: its fields, and its octets where it has no parts."""
    from email import policy
    from email.message import EmailMessage

    message = EmailMessage(policy.default)
    for name, value in part.header.fields:
        message.set_raw(name, value)  # as parsers do: with the policy's checks a field could raise
    if not part.children:
        message.set_payload(content[part.start : part.end].decode("ascii", "surrogateescape"))
    return message


def parts_of(root: Part) -> Iterator[Part]:
    """Yield all parts of a tree in the order of the octets, the whole first."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += reversed(part.children)


def flat_below(structure: EmailBodyPart, depth: int = DEEPEST) -> EmailBodyPart:
    """Return a `bodyStructure` that is nested at most so deep; the given one where it is not deeper.

    Args:
        structure: of a mail object.
        depth: levels that are kept, 1 or more. A multipart at the last one has all leaves below it as its
            parts, in order, so no part is lost.
    """
    if not _is_deeper(structure, depth):
        return structure
    root = structure.copy()
    level = [root]
    for _ in range(depth - 1):
        below: list[EmailBodyPart] = []
        for part in level:
            if part.get("subParts"):
                part["subParts"] = [child.copy() for child in part["subParts"]]
                below += part["subParts"]
        level = below
    for part in level:
        if part.get("subParts"):
            part["subParts"] = _leaves(part)
    return root


def _is_deeper(structure: EmailBodyPart, depth: int) -> bool:
    level = [structure]
    for _ in range(depth + 1):
        level = [child for part in level for child in part.get("subParts") or ()]
    return bool(level)


def _leaves(part: EmailBodyPart) -> list[EmailBodyPart]:
    leaves: list[EmailBodyPart] = []
    waiting = [part]
    while waiting:
        innermost = waiting.pop()
        children = innermost.get("subParts")
        if children:
            waiting += reversed(children)
        else:
            leaves.append(innermost)
    return leaves
