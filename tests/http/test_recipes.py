"""The recipes of the documentation, run as they stand there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.conftest import missing

PROJECT = Path(__file__).parents[2]
RECIPES = PROJECT / "docs" / "examples" / "other-languages"


def run(*command: str) -> str:
    """Run a recipe and return what it printed."""
    environment = {**os.environ, "PYTHON": sys.executable, "NODE_HOME": str(PROJECT / ".peers" / "x.js")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(os.name == "nt", reason="it is a shell script")
def test_the_shell_script_runs() -> None:
    """Start, send with verification, wait, a fault at run time, check, reset, stop."""
    if shutil.which("curl") is None:
        missing("curl", "apt-get install curl")
    assert run("sh", str(RECIPES / "mail.sh")) == "ok\n"


def test_the_node_test_runs() -> None:
    """The same, by node:test with nodemailer."""
    node = shutil.which("node")
    if node is None or not (PROJECT / ".peers/node_modules/nodemailer").is_dir():
        missing("nodemailer", "npm install --prefix .peers nodemailer@7")
    assert "fail 0" in run(str(node), "--test", str(RECIPES / "mail.test.mjs"))
