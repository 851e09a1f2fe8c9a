"""Checks of what a test hands in: whole numbers, numbers above 0, octets."""

from __future__ import annotations

from pytest_smtp4d.errors import SettingsError

__all__ = ["check_count", "check_octets", "check_positive"]


def check_count(name: str, value: object, least: int, meaning: str) -> None:
    """Check a whole number; `SettingsError` names it, what it means and the least it can be."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SettingsError(f"{name} is {meaning}: a whole number, {least} or more, not {value!r}")


def check_positive(name: str, value: object, unit: str) -> float:
    """Check and return a number above 0; `SettingsError` names the action and the unit."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise SettingsError(f"{name}() takes {unit}, a number above 0, not {value!r}")
    return value


def check_octets(value: object) -> bytes:
    """Check and return the octets to send, at least one."""
    if not isinstance(value, (bytes, bytearray)) or not value:
        raise SettingsError(f"send() takes octets (bytes, at least one), not {value!r}")
    return bytes(value)
