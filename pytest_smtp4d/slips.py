"""Words for names that do not exist: those of other harnesses, and settings assigned instead of configured.

A mixin for the objects that tests hold. Type checkers do not see its methods, so a slip in annotated code
still shows there.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Slips", "meant_by"]


class Slips:
    """A mixin: an unknown name is an AttributeError that says what was meant, on reading and on assigning."""

    __slots__ = ()

    _meant: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What other harnesses call something -> how it is written here."""

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            """Raise AttributeError; called for names that do not exist only."""
            if hasattr(type(self), name):
                # A property of that name has just raised AttributeError: let its own words through.
                return object.__getattribute__(self, name)
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            if name.startswith("_"):
                raise AttributeError(message)
            raise AttributeError(message + meant_by(name, self._meant, dir(self)))

        def __setattr__(self, name, value):
            """Refuse to make an attribute that does not exist: it would have no effect."""
            if not name.startswith("_") and not hasattr(type(self), name) and name not in vars(self):
                raise AttributeError(self._refusal(name, value))
            super().__setattr__(name, value)

        def _refusal(self, name, value):
            """Return why a name cannot be assigned, and what to do instead."""
            hint = meant_by(name, self._meant, dir(self))
            return f"{type(self).__name__!r} object has no attribute {name!r} to assign{hint}"


def meant_by(name: str, meant: Mapping[str, str], members: list[str]) -> str:
    """Return a hint for an unknown name: what it is called here, or the nearest public member.

    Args:
        name: as it was written.
        meant: what other harnesses call something -> how it is written here.
        members: the names that exist.
    """
    if name in meant:
        return f": it is `{meant[name]}` here"
    return nearest(name, [member for member in members if not member.startswith("_")])
