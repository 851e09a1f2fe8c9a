"""Several pages become one: `python -m pytest_smtp4d report merge A.html B.html -o ALL.html`."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_smtp4d.report.document import FORMAT
from pytest_smtp4d.report.file import write_page
from pytest_smtp4d.report.limit import render_within
from pytest_smtp4d.report.page import PageError, read_page
from pytest_smtp4d.report.settings import DEFAULT_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_smtp4d.report.document import ReportDocument, RunDocument, TestDocument

__all__ = ["main", "merged"]


def merged(shards: Sequence[tuple[str, ReportDocument]]) -> ReportDocument:
    """Return one report of several runs; the id of a test that several hold gets its shard's name.

    Args:
        shards: each with its name, in order.
    """
    holders = Counter(test["id"] for _, report in shards for test in report["tests"])
    tests: list[TestDocument] = [
        {
            "id": f"{test['id']} [{name}]" if holders[test["id"]] > 1 else test["id"],
            "attempts": test["attempts"],
        }
        for name, report in shards
        for test in report["tests"]
    ]
    return {"format": FORMAT, "run": _run(shards), "tests": tests}


def _run(shards: Sequence[tuple[str, ReportDocument]]) -> RunDocument:
    runs = [report["run"] for _, report in shards]
    outcomes: Counter[str] = Counter()
    for run in runs:
        outcomes.update(run["outcomes"])

    def common(values: list[str]) -> str:
        return ", ".join(dict.fromkeys(values))

    seeds = common([run["seed"] for run in runs if run["seed"] is not None])
    return {
        "name": common([run["name"] for run in runs]),
        "startedAt": min(run["startedAt"] for run in runs),
        "seconds": sum(run["seconds"] for run in runs),
        "python": common([run["python"] for run in runs]),
        "platform": common([run["platform"] for run in runs]),
        "version": runs[0]["version"],
        "seed": seeds or None,
        "outcomes": dict(outcomes),
        "notes": [f"merged from {', '.join(name for name, _ in shards)}"],
        "shards": [{**run, "name": name} for (name, _), run in zip(shards, runs, strict=True)],
    }


def _names(paths: Sequence[Path]) -> list[str]:
    """Return a name for each shard: the shortest end of its path that no other has."""
    for length in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.with_suffix("").parts[-length:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{path.stem} {number}" for number, path in enumerate(paths, 1)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_smtp4d report", description="Work with the pages of --smtp4d-report."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    merge = commands.add_parser(
        "merge", help="make one page of several", description="Make one page of several."
    )
    merge.add_argument("pages", nargs="+", metavar="PAGE.html", type=Path, help="pages of --smtp4d-report")
    merge.add_argument(
        "-o", "--output", required=True, metavar="PATH.html", type=Path, help="the page to write"
    )
    merge.add_argument(
        "--limit", type=int, default=DEFAULT_LIMIT, metavar="OCTETS", help="octets of the page (%(default)s)"
    )
    return parser


@contextmanager
def _explained(parser: argparse.ArgumentParser, path: Path) -> Iterator[None]:
    """End with status 2 and a sentence where a page cannot be read or written."""
    try:
        yield
    except (OSError, UnicodeDecodeError, PageError) as error:
        parser.error(f"{path}: {error}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `report …`; return the exit status: 0, or 2 where a page cannot be read or written."""
    parser = _parser()
    options = parser.parse_args(arguments)
    shards: list[tuple[str, ReportDocument]] = []
    for name, path in zip(_names(options.pages), options.pages, strict=True):
        with _explained(parser, path):
            shards.append((name, read_page(path.read_text(encoding="utf-8"))))
    with _explained(parser, options.output):
        written = write_page(options.output, render_within(merged(shards), options.limit))
    sys.stdout.write(f"{written}\n")
    return 0
