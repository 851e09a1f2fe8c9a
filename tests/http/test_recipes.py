"""The recipes of the documentation, run as they stand there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.http.container import BASE, podman_in
from tests.peers.conftest import PROJECT, missing

RECIPES = PROJECT / "docs" / "examples" / "other-languages"
PHPMAILER = Path("/usr/share/php/libphp-phpmailer/autoload.php")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the programs are looked for as on Unix")


class Recipe(NamedTuple):
    """A program that tests what sends mail.

    Args:
        command: the program and its arguments.
        shown: what it prints when all went well.
        packages: what must be installed for it.
        needs: files that must be there, too.
        folder: where it is run.
        environment: variables that it reads.
    """

    command: tuple[str, ...]
    shown: str
    packages: str
    needs: tuple[Path, ...] = ()
    folder: Path = RECIPES
    environment: tuple[tuple[str, str], ...] = ()

    def run(self, python: str, scratch: Path) -> subprocess.CompletedProcess[str]:
        """Run it with a Python that starts the server; skip where it cannot be run."""
        program = shutil.which(self.command[0])
        if program is None or not all(path.exists() for path in self.needs):
            missing(f"what {self.command[0]} needs for the recipe", self.packages)
        assert program is not None
        environment = {
            **os.environ,
            **dict(self.environment),
            "PYTHON": python,
            "TMPDIR": str(scratch),
            "GOCACHE": str(PROJECT / ".peers" / "go"),
        }
        return subprocess.run(
            [program, *self.command[1:]],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


NODEMAILER = PROJECT / ".peers" / "node_modules" / "nodemailer"
SHELL = Recipe(("sh", "mail.sh"), "ok\n", "apt-get install curl")
NODE = Recipe(
    ("node", "--test", "mail.test.mjs"),
    "fail 0",
    "npm install --prefix .peers nodemailer@7",
    needs=(NODEMAILER,),
    environment=(("NODE_HOME", str(PROJECT / ".peers" / "x.js")),),
)
PHP = Recipe(
    ("phpunit", "--do-not-cache-result", "MailTest.php"),
    "OK (2 tests",
    "apt-get install phpunit libphp-phpmailer",
    needs=(PHPMAILER,),
    environment=(("AUTOLOAD", str(PHPMAILER)),),
)
RUBY = Recipe(("ruby", "mail_test.rb"), "2 runs, ", "apt-get install ruby ruby-minitest")
GO = Recipe(
    ("go", "test", "-v", "-count=1", "./..."),
    "--- PASS: TestARefusalReachesTheCaller",
    "apt-get install golang-go",
    folder=RECIPES / "go",
    environment=(("GOFLAGS", "-mod=mod"), ("GOTOOLCHAIN", "local")),
)
QUICK = [pytest.param(SHELL, id="shell"), pytest.param(NODE, id="node")]
SLOW = [
    pytest.param(recipe, id=name, marks=pytest.mark.slow)
    for name, recipe in (("php", PHP), ("ruby", RUBY), ("go", GO))
]


@pytest.mark.parametrize("recipe", [*QUICK, *SLOW])
def test_a_recipe_runs(recipe: Recipe, tmp_path: Path) -> None:
    """Start, send with verification, wait, a fault at run time, check, reset, stop; and nothing is left."""
    done = recipe.run(sys.executable, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert recipe.shown in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("recipe", [*QUICK, *SLOW])
def test_a_recipe_verifies_whom_it_sends_to(recipe: Recipe, tmp_path: Path) -> None:
    """It fails when the same server shows a certificate that nobody should trust."""
    for certificate, succeeds in (("trusted", True), ("self_signed", False)):
        python = tmp_path / certificate
        extra = f'case "$*" in *" serve "*) set -- "$@" --certificate {certificate};; esac'
        python.write_text(f'#!/bin/sh\n{extra}\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        done = recipe.run(str(python), tmp_path)
        assert (done.returncode == 0) is succeeds, done.stdout + done.stderr


@pytest.mark.slow
def test_the_container_runs(tmp_path: Path) -> None:
    """Build, start, send with verification, wait, a fault at run time, reset, stop with status 0."""
    podman = podman_in(tmp_path)
    done = podman.run("sh", str(RECIPES / "container" / "mail.sh"), ENGINE="podman", BASE=BASE)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stdout + done.stderr
