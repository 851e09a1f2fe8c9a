"""Text and octets that do not show themselves: passwords, tokens, and what carries them.

A failing test may print the local variables of every frame (`pytest --showlocals`), by their `repr`. These
types are `str` and `bytes` in every other way. What is derived from them (a slice, an encoding) is plain
again: wrap it before it is given a name.

Both are made by the constructors of their base classes, in C, so that there is no frame of ours in which
the plain value has a name.
"""

from __future__ import annotations

__all__ = ["SecretOctets", "SecretText"]

_SHOWN = "'********'"


class SecretText(str):
    """Text whose repr is a mask."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _SHOWN


class SecretOctets(bytes):
    """Octets whose repr is a mask."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"b{_SHOWN}"
