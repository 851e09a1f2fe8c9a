"""A fault written as the words of one command-line argument, quoted as in a shell."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.faults.action import ACTIONS
from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_smtp4d.faults.fault import Fault
    from pytest_smtp4d.faults.rules import Rules

__all__ = ["FAULT_HELP", "parse_fault"]

FAULT_HELP = (
    "a fault, such as \"RCPT nobody@* reply='550 5.1.1 No such user'\" or "
    '"CONTENT times=2 delay=1 disconnect"; repeat for several'
)

_COUNTS: dict[str, Callable[[str], object]] = {"times": int, "after": int}


def parse_fault(rules: Rules, words: str) -> Fault:
    r"""Declare a fault from one argument: `STAGE [MATCH] [times=N] [after=N] ACTION…`, quoted as in a shell.

    Actions are those of the marker `smtp_fault`: `reply='550 5.1.1 No such user'`, `replies='451 Later|ok'`,
    `delay=0.5`, `accept`, `disconnect`, `disconnect=abort`, `disconnect=4096` (octets of content), `silence`,
    `send='garbage\r\n'` (escapes as in Python), `trickle=5`.

    Raises:
        SettingsError: what cannot be a fault.
    """
    try:
        stage, *rest = shlex.split(words)
    except ValueError as error:
        raise SettingsError(f"--fault {words!r}: {error}") from None
    known = (*_COUNTS, *(name for name, kind in ACTIONS.items() if kind.read is not None))
    flags = [name for name, kind in ACTIONS.items() if kind.is_flag]
    match = rest.pop(0) if rest and "=" not in rest[0] and rest[0] not in flags else None
    options: dict[str, Any] = {}
    for word in rest:
        name, equals, value = word.partition("=")
        if not equals and name not in flags:
            raise SettingsError(f"--fault {words!r}: {name!r} says nothing{nearest(name, known)}")
        read = _reader(name)
        if read is None:
            raise SettingsError(f"--fault {words!r}: there is no {name!r}{nearest(name, known)}")
        try:
            options[name] = read(value)
        except ValueError as error:
            raise SettingsError(f"--fault {words!r}: {name} cannot be {value!r} ({error})") from None
    return rules.declare(stage, match, origin="--fault", **options)


def _reader(name: str) -> Callable[[str], object] | None:
    """Return what reads the value of a word of a fault, or None where there is no such word."""
    if name in _COUNTS:
        return _COUNTS[name]
    return ACTIONS[name].read if name in ACTIONS else None
