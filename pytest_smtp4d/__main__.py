"""`python -m pytest_smtp4d`: the command line (`server.serve`, `judge.verdict`, `report.merge`)."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; return the exit status."""
    if sys.argv[1:2] == ["report"]:
        from pytest_smtp4d.report.merge import main as report

        return report(sys.argv[2:])
    if sys.argv[1:2] == ["judge"]:
        from pytest_smtp4d.judge.verdict import main as judge

        return judge(sys.argv[2:])
    from pytest_smtp4d.server.serve import main as serve

    return serve()


if __name__ == "__main__":
    sys.exit(main())
