"""Writes the table of the benchmarks into the page that explains them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.environments import ROOT
from tests.benchmarks.measure import HEAD, Line

PAGE = ROOT / "docs" / "explanation" / "performance.md"
_BETWEEN = re.compile(r"(<!-- benchmarks -->\n).*?(<!-- end of benchmarks -->)", re.DOTALL)


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a Markdown table."""
    rows = [HEAD, ("---", "---", "--:", "---", "--:", "--:", "---"), *(line.cells for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def text(lines: Sequence[Line], versions: Mapping[str, str], commit: str, how: str) -> str:
    """Return what stands between the marks.

    Args:
        lines: of the table.
        versions: what was compared -> its version.
        commit: what was measured.
        how: rounds, machine, in words.
    """
    with_what = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"\nCommit {commit}; {with_what}. {how}\n\n{table(lines)}\n"


def write(words: str, page: Path = PAGE) -> None:
    """Put a text between the marks of a page.

    Raises:
        ValueError: the page has no marks.
    """
    old = page.read_text(encoding="utf-8")
    new, count = _BETWEEN.subn(lambda match: match[1] + words + match[2], old)
    if count != 1:
        raise ValueError(f"{page} needs one place between <!-- benchmarks --> and <!-- end of benchmarks -->")
    page.write_text(new, encoding="utf-8")
