"""What the markers of a test say: settings, faults and a sweep, as values.

A mark is anything with `name`, `args` and `kwargs`, so this room knows nothing of
pytest; marks come closest to the test first, as pytest lists them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.faults.rules import Rules
from pytest_smtp4d.server.settings import ServerSettings
from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_smtp4d.faults.fault import Fault
    from pytest_smtp4d.server.disturbance import Sweep

__all__ = ["Mark", "check", "declare_faults", "settings_of", "sweep_of"]


class Mark(Protocol):
    """A mark as pytest makes it."""

    @property
    def name(self) -> str:
        """Its name, "smtp_server"."""

    @property
    def args(self) -> tuple[Any, ...]:
        """What was given by position."""

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """What was given by name."""


def settings_of(marks: Iterable[Mark]) -> dict[str, Any]:
    """Return the merged settings of the `smtp_server` markers; the closest wins.

    Raises:
        SettingsError: something was given by position.
    """
    settings: dict[str, Any] = {}
    for mark in marks:
        if mark.name != "smtp_server":
            continue
        if mark.args:
            raise SettingsError(f"smtp_server: settings are given by name, not {mark.args[0]!r}")
        settings = {**mark.kwargs, **settings}
    return settings


def declare_faults(marks: Iterable[Mark], rules: Rules, origin: str) -> list[Fault]:
    """Declare the faults of the `smtp_fault` markers; the closest is asked first.

    Args:
        marks: of the test.
        rules: of its server.
        origin: file:line of the test.

    Raises:
        SettingsError: a fault that cannot be.
    """
    faults: list[Fault] = []
    for mark in marks:
        if mark.name != "smtp_fault":
            continue
        try:
            faults.append(rules.declare(*mark.args, **{"origin": origin, **mark.kwargs}))
        except TypeError as error:  # the signature's own words, which name declare()
            raise SettingsError(f"smtp_fault: {str(error).rpartition('() ')[2]}") from None
    return faults


def sweep_of(marks: Iterable[Mark]) -> Sweep | None:
    """Return the grid that the closest `smtp_sweep` marker lays out, or None without one.

    Raises:
        SettingsError: an unknown argument, stage or kind, an occurrence below 1.
    """
    mark = next((mark for mark in marks if mark.name == "smtp_sweep"), None)
    if mark is None:
        return None
    from pytest_smtp4d.faults.sweep import grid
    from pytest_smtp4d.server.disturbance import Sweep

    known = ("stages", "kinds", "occurrence")
    if mark.args:
        raise SettingsError(f"smtp_sweep: {', '.join(known)} are given by name, not {mark.args[0]!r}")
    for name in mark.kwargs:
        if name not in known:
            raise SettingsError(f"smtp_sweep has no argument {name!r}{nearest(name, known)}")
    occurrence = mark.kwargs.get("occurrence", 1)
    points = grid(mark.kwargs.get("stages"), mark.kwargs.get("kinds"), occurrence)
    return Sweep((None, *points), occurrence)


def check(marks: Sequence[Mark]) -> None:
    """Raise SettingsError for markers that could not act, with the nearest known name."""
    ServerSettings.from_mapping(settings_of(marks))
    declare_faults(marks, Rules(), "")
    sweep_of(marks)
