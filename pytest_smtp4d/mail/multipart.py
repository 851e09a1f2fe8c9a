"""A tree of encoded parts and its octets.

RFC 2046 5.1. Parts are encoded before boundaries are chosen, so that none of them
holds one; the tree is walked with a list, never by recursion, so its depth is free.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_smtp4d.mail.header import HeaderStyle
from pytest_smtp4d.mail.parameter import parameter_field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    counter = itertools.count(1)
    boundary = f"=_{next(counter)}_{token}"
    header = _multipart_header(root, boundary)
    chunks: list[bytes] = []
    open_parts: list[tuple[Iterator[Leaf | Multipart], bytes]] = [
        (iter(root.children), boundary.encode("ascii"))
    ]
    while open_parts:
        children, delimiter = open_parts[-1]
        child = next(children, None)
        if child is None:
            open_parts.pop()
            chunks.append(b"\r\n--%b--" % delimiter)
            continue
        chunks.append(b"\r\n--%b\r\n" % delimiter)
        if isinstance(child, Leaf):
            chunks += (child.header, b"\r\n", child.body)
        else:
            boundary = f"=_{next(counter)}_{token}"
            chunks.append(_multipart_header(child, boundary))
            open_parts.append((iter(child.children), boundary.encode("ascii")))
    chunks[0] = chunks[0][
        2:
    ]  # the first delimiter begins the body: the empty line before it is there already
    return header, b"".join(chunks)


def _multipart_header(node: Multipart, boundary: str) -> bytes:
    """Write the fields of a multipart; its boundary is of our making and short."""
    if not node.parameters:
        return f'Content-Type: {node.type};\r\n boundary="{boundary}"\r\n'.encode("ascii") + node.header
    parameters = [*node.parameters, ("boundary", boundary)]
    return parameter_field("Content-Type", node.type, parameters, HeaderStyle(), node.type) + node.header


def _boundary_token(root: Multipart, unique: Callable[[], str]) -> str:
    """Return a token that no leaf holds; base64 and quoted-printable cannot hold the "=_" before it."""
    bodies: list[bytes] = []
    waiting: list[Leaf | Multipart] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Leaf):
            bodies.append(node.body)
        else:
            waiting += node.children
    token = unique()
    while any(f"_{token}".encode("ascii") in body for body in bodies):
        token += unique()  # longer each time: this ends even where `unique` repeats itself
    return token
