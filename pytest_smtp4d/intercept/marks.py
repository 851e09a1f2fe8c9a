"""What the markers `smtp_intercept` and `smtp_block` of a test say, as values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.intercept.target import PORTS, HostPattern, checked_ports
from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Mark", "blocks", "redirected"]


class Mark(Protocol):
    """A mark as pytest makes it."""

    @property
    def name(self) -> str:
        """Its name, "smtp_intercept"."""

    @property
    def args(self) -> tuple[Any, ...]:
        """What was given by position."""

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """What was given by name."""


def redirected(marks: Iterable[Mark]) -> tuple[frozenset[int], tuple[HostPattern, ...]]:
    """Return the ports and the hosts of the `smtp_intercept` markers, which come closest first.

    Raises:
        SettingsError: an unknown argument, a port that is none, a pattern that no host can match.
    """
    given: dict[str, Any] = {}
    for mark in marks:
        if mark.name != "smtp_intercept":
            continue
        if mark.args:
            raise SettingsError(f"smtp_intercept: ports and hosts are given by name, not {mark.args[0]!r}")
        for name in mark.kwargs:
            if name not in ("ports", "hosts"):
                raise SettingsError(
                    f"smtp_intercept has no argument {name!r}{nearest(name, ('ports', 'hosts'))}"
                )
        given = {**mark.kwargs, **given}
    ports = checked_ports("smtp_intercept: ports", given.get("ports", PORTS))
    return ports, _patterns(given["hosts"]) if "hosts" in given else ()


def _patterns(hosts: object) -> tuple[HostPattern, ...]:
    several = (hosts,) if isinstance(hosts, str) else hosts
    if not isinstance(several, tuple | list | set | frozenset) or not several:
        raise SettingsError(f"smtp_intercept: hosts is a list of patterns such as ['smtp.*'], not {hosts!r}")
    return tuple(HostPattern("smtp_intercept: hosts", pattern) for pattern in several)


def blocks(marks: Iterable[Mark]) -> bool:
    """Return whether the block holds for a test: the closest `smtp_block` marker says so, or there is none.

    Raises:
        SettingsError: a marker that is neither `smtp_block(False)` nor `smtp_block(True)`.
    """
    said = [mark for mark in marks if mark.name == "smtp_block"]
    for mark in said:
        if mark.kwargs or len(mark.args) != 1 or not isinstance(mark.args[0], bool):
            given = [*map(repr, mark.args), *(f"{name}={value!r}" for name, value in mark.kwargs.items())]
            raise SettingsError(f"smtp_block takes True or False, not ({', '.join(given)})")
    return bool(said[0].args[0]) if said else True
