"""The command lines of the how-to on judging, run as they stand there."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.conftest import PROJECT, Foreign, missing

SCRIPTS = PROJECT / "docs" / "examples" / "judge"
REQUIRED = ("curl", "swaks", "nodemailer")
OTHERS = ("msmtp", "git-send-email", "s-nail", "phpmailer")
PHPMAILER = Path("/usr/share/php/libphp-phpmailer/autoload.php")

Judge = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Run a script of the how-to, in which `python` is the one that runs the tests."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    environment = {
        "NODE_PATH": str(PROJECT / ".peers" / "node_modules"),
        "AUTOLOAD": str(PHPMAILER),
        **os.environ,
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
    }

    def run(script: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", f"{script}.sh", *options],
            cwd=SCRIPTS,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
        )

    return run


def find(program: str, foreign: Foreign) -> None:
    """Skip the test where a program is missing; fail it where it must be there."""
    if program == "nodemailer":
        foreign("node")
        if not (PROJECT / ".peers" / "node_modules" / program).is_dir() and "NODE_PATH" not in os.environ:
            missing(program, "npm install --prefix .peers nodemailer")
    elif program in REQUIRED:
        foreign(program)
    elif not _is_there(program):
        pytest.skip(f"{program} is not installed")


def _is_there(program: str) -> bool:
    if program == "phpmailer":
        return shutil.which("php") is not None and ("AUTOLOAD" in os.environ or PHPMAILER.exists())
    if program == "git-send-email":
        result = subprocess.run(["git", "--exec-path"], capture_output=True, text=True)
        return (Path(result.stdout.strip()) / program).exists()
    return shutil.which(program) is not None


@pytest.mark.parametrize("program", [*REQUIRED, *OTHERS])
def test_the_command_line_of_the_how_to(program: str, foreign: Foreign, judge: Judge) -> None:
    """The program logs in and delivers, refuses an impostor, and reports a mail of which the 250 was lost."""
    find(program, foreign)
    chosen = ("--stages", "TLS,CONTENT", "--kinds", "impostor,refuse-for-good,disconnect-after")
    result = judge(program, "--json", *chosen)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    answer = json.loads(result.stdout)
    assert answer["unreached"] == []
    runs = {f"{run['stage']}-{run['kind']}": (run["arrived"], run["violations"]) for run in answer["runs"]}
    assert runs == {
        "None-None": ("once", []),
        "TLS-disconnect-after": ("none", []),
        "TLS-impostor": ("none", []),
        "CONTENT-refuse-for-good": ("none", []),
        "CONTENT-disconnect-after": ("once", []),
    }


def test_every_command_line_is_tested() -> None:
    """No script of the how-to is left out."""
    assert sorted(path.stem for path in SCRIPTS.glob("*.sh")) == sorted((*REQUIRED, *OTHERS))


def without_seconds(line: str) -> list[str]:
    """Return the columns of a line of the table, but not how long the run took."""
    words = line.split()
    return [*words[:4], *words[5:]]


def test_what_the_how_to_shows(foreign: Foreign, judge: Judge) -> None:
    """What judge prints for curl is what the page shows, the seconds aside."""
    find("curl", foreign)
    shown = [without_seconds(line) for line in (SCRIPTS / "curl.txt").read_text().splitlines()[:-1]]
    result = judge("curl", "--stages", "STARTTLS,TLS,RCPT", "--kinds", "stripped,expired,refuse-for-good")
    head, *lines, last = result.stdout.splitlines()
    assert without_seconds(head) == shown[0]
    assert len(lines) == 5
    for line in lines:
        assert without_seconds(line) in shown
    assert last == "5 runs, none at fault"
