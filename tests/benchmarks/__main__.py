"""Measures how fast the project is beside its peers: `python3 -m tests.benchmarks` (see `--help`)."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence

from tests.benchmarks import page
from tests.benchmarks.environments import Environments, commit
from tests.benchmarks.measure import Line, Rounds
from tests.benchmarks.rows import Rows

EVERY_ROW = Rows(Environments(is_here=True), is_small=True).all()
NAMES = tuple(row.name for row in EVERY_ROW)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", metavar="ROW", default=NAMES, choices=NAMES, help=f"of {', '.join(NAMES)}"
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="for each row (default: 5)")
    parser.add_argument(
        "--retries", type=int, default=2, metavar="N", help="for a sample that others disturb (default: 2)"
    )
    parser.add_argument("--against", default="", metavar="COMMIT", help="compare with this commit, too")
    parser.add_argument(
        "--small", action="store_true", help="one round of little, with what is installed here, in seconds"
    )
    parser.add_argument("--write", action="store_true", help=f"write the table into {page.PAGE.name}")
    options = parser.parse_args(words)
    if options.write and (options.small or set(options.only) != set(NAMES)):
        parser.error("--write is for the whole table: it goes without --small and --only")
    return options


def main(words: Sequence[str]) -> int:
    """Measure, and print the table."""
    if not sys.platform.startswith("linux"):
        sys.exit("The benchmarks read /proc and pin processes to processors: run them on Linux.")
    options = arguments(words)
    environments = Environments(is_here=options.small, against=options.against)
    environments.make()
    rounds = Rounds(options.rounds, 0 if options.small else options.retries, options.small)
    lines: list[Line] = []
    for row in Rows(environments, options.small).all():
        if row.name not in options.only:
            continue
        for line in rounds.measure(row):
            lines.append(line)
            print(" | ".join(line.cells), flush=True)  # noqa: T201
    how = (
        f"{options.rounds} rounds on {os.cpu_count()} processors, {platform.system()} {platform.machine()}; "
        f"{rounds.disturbed} of {rounds.taken} samples disturbed by other processes."
    )
    words_of_page = page.text(lines, environments.versions(), commit(), how)
    print(words_of_page)  # noqa: T201
    if options.write:
        page.write(words_of_page)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
