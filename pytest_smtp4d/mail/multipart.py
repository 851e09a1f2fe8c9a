"""A tree of encoded parts and its octets.

RFC 2046 5.1. Parts are encoded before boundaries are chosen, so that none of them
holds one; the tree is walked with a list, never by recursion, so its depth is free.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_smtp4d.mail.header import HeaderStyle
from pytest_smtp4d.mail.parameter import parameter_field

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Leaf", "Multipart", "write_body"]


@dataclass(slots=True)
class Leaf:
    """A part with content: its Content-… fields and its encoded body, without a line end after it."""

    header: bytes
    body: bytes


@dataclass(slots=True)
class Multipart:
    """A part made of parts.

    Args:
        type: the media type.
        parameters: those of Content-Type but the boundary.
        header: its other fields.
        children: its parts.
    """

    type: str
    parameters: list[tuple[str, str]] = field(default_factory=list)
    header: bytes = b""
    children: list[Leaf | Multipart] = field(default_factory=list)


def write_body(root: Leaf | Multipart, unique: Callable[[], str]) -> tuple[bytes, bytes]:
    """Return the Content-… fields of a tree and its body, which ends without a line end.

    Args:
        root: the tree.
        unique: gives a text that no other message has, of letters and digits; asked once, and again while a
            part happens to hold its answer.
    """
    if isinstance(root, Leaf):
        return root.header, root.body
    token = _boundary_token(root, unique)
    boundary = b"=_1_" + token
    chunks = [_multipart_header(root, boundary)]
    open_parts = [(iter(root.children), b"--" + boundary)]
    count = 1
    while open_parts:
        children, delimiter = open_parts[-1]
        for child in children:
            if isinstance(child, Leaf):
                chunks += (delimiter, b"\r\n", child.header, b"\r\n", child.body, b"\r\n")
                continue
            count += 1
            boundary = b"=_%d_%b" % (count, token)
            chunks += (delimiter, b"\r\n", _multipart_header(child, boundary), b"\r\n")
            open_parts.append((iter(child.children), b"--" + boundary))
            break
        else:
            chunks += (delimiter, b"--", b"\r\n")
            open_parts.pop()
    return chunks[0], b"".join(chunks[1:-1])


def _multipart_header(node: Multipart, boundary: bytes) -> bytes:
    """Write the fields of a multipart; its boundary is of our making and short."""
    if not node.parameters:
        media_type = node.type.encode("ascii")
        return b'Content-Type: %b;\r\n boundary="%b"\r\n%b' % (media_type, boundary, node.header)
    parameters = [*node.parameters, ("boundary", boundary.decode("ascii"))]
    return parameter_field("Content-Type", node.type, parameters, HeaderStyle(), node.type) + node.header


def _boundary_token(root: Multipart, unique: Callable[[], str]) -> bytes:
    """Return a token that no leaf holds; base64 and quoted-printable cannot hold the "=_" before it."""
    bodies: list[bytes] = []
    waiting: list[Leaf | Multipart] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Leaf):
            bodies.append(node.body)
        else:
            waiting += node.children
    token = unique().encode("ascii")
    while any(b"_" + token in body for body in bodies):
        token += unique().encode("ascii")  # longer each time: this ends even where `unique` repeats itself
    return token
