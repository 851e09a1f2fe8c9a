"""4D's own spelling of members: one mechanism for every object that 4D documents.

`transporter.checkConnection()` is `transporter.check_connection()`, `status.statusText` is `.status_text`.
No list of aliases. A camelCase name is turned into snake_case and looked up; type
checkers see neither method, so a typing slip in annotated code still shows.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FourDSpelling", "camel_case"]

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def _snake_case(name: str) -> str:
    """Return `statusText` as `status_text`; a name without humps comes back as it is."""
    return _HUMP.sub("_", name).lower()


class FourDSpelling:
    """A mixin: reading a public member also works in 4D's camelCase; assigning to that spelling never does.

    A frozen dataclass that takes it has no `slots=True`: up to CPython 3.13 the `__setattr__` written for
    both answers an unknown name with a TypeError about `super()`.
    """

    __slots__ = ()

    _slips: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Names that 4D's own documentation misspells, and the member that each of them means."""

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            """Return the member that 4D calls `name`.

            Raises:
                AttributeError: there is none; names the nearest member, in the spelling that was used.
            """
            if hasattr(type(self), name):
                # A property of that name has just raised AttributeError: let its own words through.
                return object.__getattribute__(self, name)
            member = _snake_case(name)
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            if name.startswith("_"):
                raise AttributeError(message)
            meant = self._slips.get(name)
            if meant:
                raise AttributeError(
                    f"{message} (did you mean {meant!r}, in 4D's spelling {camel_case(meant)!r}?)"
                )
            members = _public_members(self)
            if member != name and member in members and name[0].islower() and "_" not in name:
                return getattr(self, member)
            spelled = members if member == name else [camel_case(known) for known in members]
            raise AttributeError(message + nearest(name, spelled))

        def __setattr__(self, name, value):
            """Refuse to assign to 4D's spelling of a member, which would shadow the member.

            Raises:
                AttributeError: `name` is 4D's spelling of a member.
            """
            member = _snake_case(name)
            if member != name and member in _public_members(self):
                raise AttributeError(
                    f"{type(self).__name__}.{name} is 4D's way to read {member!r}: not assignable"
                )
            super().__setattr__(name, value)


def _public_members(thing: object) -> list[str]:
    """Return the names of the public members of `thing`, its class's and its own."""
    return [member for member in dir(thing) if not member.startswith("_")]


def camel_case(name: str) -> str:
    """Return `status_text` as `statusText`."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
