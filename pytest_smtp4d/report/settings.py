"""What the options and the ini file ask for, and whether it can be written."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.server import ini

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pytest

__all__ = ["DEFAULT_LIMIT", "LARGEST_ATTACHMENT", "Settings", "check_places", "compiled"]

DEFAULT_LIMIT = 25_000_000
"""Octets of a page."""

LARGEST_ATTACHMENT = 1 << 20
"""Octets of an attachment that a page holds; of larger ones it says what they are, unless it holds all."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the options and the ini file ask for, checked."""

    page: Path | None
    export: Path | None
    only_failed: bool
    limit: int
    largest: int | None
    patterns: tuple[re.Pattern[str], ...]

    @classmethod
    def of(cls, config: pytest.Config) -> Settings:
        """Read the options.

        Raises:
            SettingsError: a value that cannot be.
        """
        tests = _choice(config, "report_tests", ("all", "failed"))
        attachments = _choice(config, "report_attachments", ("small", "all"))
        export = config.getoption("smtp4d_export")
        return cls(
            page=_page(config),
            export=config.invocation_params.dir / export if export else None,
            only_failed=tests == "failed",
            limit=_limit(config),
            largest=None if attachments == "all" else LARGEST_ATTACHMENT,
            patterns=compiled(_lines(config, "report_redact")),
        )


def _page(config: pytest.Config) -> Path | None:
    """Return where the page goes: an option is relative to the current folder, an ini to its own."""
    option = config.getoption("smtp4d_report")
    if option is not None:
        return config.invocation_params.dir / option if option else None
    value = ini.value(config, "report")
    if value in (None, ""):
        return None
    if not isinstance(value, str):
        raise SettingsError(f"ini: smtp4d_report is {value!r}: give the path of a page")
    folder = config.inipath.parent if config.inipath else config.rootpath
    return folder / value


def _choice(config: pytest.Config, name: str, values: tuple[str, ...]) -> str:
    value = ini.value(config, name)
    if value in (None, ""):
        return values[0]
    if value not in values:
        raise SettingsError(f"ini: smtp4d_{name} is {value!r}: give one of {', '.join(values)}")
    return str(value)


def _lines(config: pytest.Config, name: str) -> list[str]:
    value = ini.value(config, name)
    if value in (None, ""):
        return []
    lines = value.splitlines() if isinstance(value, str) else value
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise SettingsError(f"ini: smtp4d_{name} is {value!r}: give regular expressions, one a line")
    return lines


def _limit(config: pytest.Config) -> int:
    value = ini.value(config, "report_limit")
    if value in (None, ""):
        return DEFAULT_LIMIT
    limit = 0
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        with suppress(ValueError):
            limit = int(value)
    if limit <= 0:
        words = f"give a number of octets, such as {DEFAULT_LIMIT}"
        raise SettingsError(f"ini: smtp4d_report_limit is {value!r}: {words}")
    return limit


def compiled(lines: Iterable[str]) -> tuple[re.Pattern[str], ...]:
    """Compile patterns, one a line.

    Raises:
        SettingsError: a line is no regular expression.
    """
    return tuple(_compiled(line) for line in filter(None, map(str.strip, lines)))


def _compiled(line: str) -> re.Pattern[str]:
    try:
        return re.compile(line)
    except re.error as error:
        words = f"smtp4d_report_redact: {line!r} is no regular expression ({error})"
        raise SettingsError(words) from None


def check_places(settings: Settings) -> None:
    """See that what is asked for can be written, before any test.

    Raises:
        SettingsError: it cannot.
    """
    from pytest_smtp4d.report.export import ExportError, prepare
    from pytest_smtp4d.report.file import check_place

    if settings.page is not None:
        try:
            check_place(settings.page)
        except OSError as error:
            raise SettingsError(f"--smtp4d-report={settings.page} cannot be written: {error}") from None
    if settings.export is not None:
        try:
            prepare(settings.export)
        except (OSError, ExportError) as error:
            raise SettingsError(f"--smtp4d-export={settings.export} cannot be written: {error}") from None
