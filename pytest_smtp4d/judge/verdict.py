"""`python -m pytest_smtp4d judge`: any program that sends mail, under every fault of the sweep."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.faults.sweep import DEFAULT_STAGES, KINDS, grid
from pytest_smtp4d.judge import table
from pytest_smtp4d.judge.program import Stopped, Stopping
from pytest_smtp4d.judge.trial import Case, Run, document, try_once, unreachable
from pytest_smtp4d.server.settings import TLS_MODES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]

USAGE = "python -m pytest_smtp4d judge [options] -- COMMAND [ARGUMENT ...]"
DESCRIPTION = """\
Run a program that sends one mail: once undisturbed, and once under every fault of the sweep. In its
arguments, {host} {port} {ca} {user} {password} stand for those of the server; SSL_CERT_FILE and
NODE_EXTRA_CA_CERTS name the authority that it can trust. A login is demanded only where the arguments name
{user}. Standard input is read once and given to every run.
"""
EPILOG = """\
exit status: 0 when no run was at fault; 1 when one hung, claimed success, sent twice after a 250 that it
got, or violated SMTP or TLS; 2 when the program did not deliver exactly one mail undisturbed, or cannot be
started.
"""
AT_FAULT, NOT_JUDGED = 1, 2


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit status.

    Args:
        arguments: those behind `judge`.
    """
    parser = _parser()
    own, command = _parted(arguments)
    options = parser.parse_args(own)
    stopping = Stopping()
    try:
        with stopping.installed():
            points = grid(options.stages, options.kinds)
            _check(command)
            with _stdin() as stdin:
                case = Case(command, options.tls, options.limit, secrets.token_hex(12), stdin)
                return (_as_json if options.json else _as_table)(case, points, stopping)
    except SettingsError as error:
        parser.error(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes standard output when it ends
        return 128 + signal.SIGPIPE
    except Stopped as stopped:
        sys.stderr.write(f"{stopped}\n")
        return 128 + stopped.number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_smtp4d judge",
        usage=USAGE,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--stages", type=_names, metavar="STAGE,…", help=f"which stages (default: {','.join(DEFAULT_STAGES)})"
    )
    parser.add_argument(
        "--kinds", type=_names, metavar="KIND,…", help=f"which kinds of fault (default: {','.join(KINDS)})"
    )
    parser.add_argument(
        "--tls", choices=TLS_MODES, default="starttls", help="what the server offers (default: %(default)s)"
    )
    parser.add_argument(
        "--limit",
        type=_seconds,
        default=20.0,
        metavar="SECONDS",
        help="after which a run is killed (default: %(default)g)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    return parser


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"it is a number of seconds above 0, not {text!r}")
    return seconds


def _parted(arguments: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return the judge's own options, and the command behind the first `--`."""
    if "--" not in arguments:
        return list(arguments), ()
    place = list(arguments).index("--")
    return list(arguments[:place]), tuple(arguments[place + 1 :])


def _check(command: Sequence[str]) -> None:
    if not hasattr(os, "killpg"):
        raise SettingsError("judge needs process groups, which this system does not have")
    if not command:
        raise SettingsError(f"there is no command: write it behind `--`, as in {USAGE}")


@contextlib.contextmanager
def _stdin() -> Iterator[Path | None]:
    """Yield a file that holds what standard input holds; None for a terminal, and where there is none."""
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="smtp4d-judge-") as folder:
        path = Path(folder) / "stdin"
        with path.open("wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        yield path


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _runs(
    case: Case, points: Sequence[tuple[str, str]], stopping: Stopping, unreached: list[tuple[str, str]]
) -> Iterator[Run]:
    """Yield the runs, the undisturbed one first; it is the only one unless it delivers exactly one mail.

    Args:
        case: what is judged.
        points: of the sweep.
        stopping: the signals that end the judge.
        unreached: takes the points to which the program never came.
    """
    undisturbed = try_once(case, None, stopping)
    yield undisturbed
    if undisturbed.messages != 1:
        return
    out_of_reach = unreachable(undisturbed, points)
    for point in points:
        run = try_once(case, point, stopping) if point not in out_of_reach else None
        if run is not None and run.is_reached:
            yield run
        else:
            unreached.append(point)


def _advice(case: Case) -> str:
    """Return what the command lacks to find the server, or ""."""
    if any("{port}" in argument for argument in case.command):
        return ""
    return "each run has a server of its own: write {host} and {port} where the program takes host and port"


def _as_table(case: Case, points: Sequence[tuple[str, str]], stopping: Stopping) -> int:
    unreached: list[tuple[str, str]] = []
    runs: list[Run] = []
    for run in _runs(case, points, stopping, unreached):
        if not runs:
            if run.messages != 1:
                sys.stderr.write(table.failure(run, _advice(case)) + "\n")
                return NOT_JUDGED
            _say(table.head())
        _say(table.line(run))
        runs.append(run)
    _say(table.summary(runs, unreached))
    return AT_FAULT if any(run.is_at_fault for run in runs) else 0


def _as_json(case: Case, points: Sequence[tuple[str, str]], stopping: Stopping) -> int:
    unreached: list[tuple[str, str]] = []
    runs = list(_runs(case, points, stopping, unreached))
    answer: dict[str, object] = {"runs": [document(run) for run in runs]}
    if runs[0].messages != 1:
        status = NOT_JUDGED
        answer |= {
            "error": table.failure(runs[0], _advice(case)).partition("\n---")[0],
            "output": runs[0].output,
            "transcript": runs[0].transcript,
        }
    else:
        status = AT_FAULT if any(run.is_at_fault for run in runs) else 0
        answer["unreached"] = [{"stage": stage, "kind": kind} for stage, kind in unreached]
    _say(json.dumps(answer, indent=2))
    return status
