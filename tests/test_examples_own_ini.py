"""The examples that are suites of their own: coroutines, the first page, and what a CI runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a suite as its developers do."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_the_coroutines_pass() -> None:
    """Under pytest-asyncio in auto mode, and under anyio on both of its loops."""
    for module in ("pytest_asyncio", "aiosmtplib", "trio"):
        pytest.importorskip(module)
    result = run_pytest(EXAMPLES / "asynchronous", "-q")
    assert "9 passed" in result.stdout, result.stdout
    assert result.returncode == 0


def test_the_shop_in_the_picture() -> None:
    """Its page has what it should show: one failure, a mail found, and refusals."""
    result = run_pytest(EXAMPLES / "picture", "-q")
    assert "1 failed, 3 passed" in result.stdout, result.stdout
    assert "nearest subject 'Your new pasword'" in result.stdout


@pytest.mark.parametrize("name", ["github", "gitlab"])
def test_what_a_ci_is_told_to_run(name: str, tmp_path: Path) -> None:
    """The command in a snippet of CI runs, and writes the files that the snippet keeps."""
    pytest.importorskip("xdist")
    snippet = (EXAMPLES / "ci" / f"{name}.yml").read_text(encoding="utf-8")
    (line,) = re.findall(r"- (?:run: )?python -m pytest (.*)", snippet)
    suite = (EXAMPLES / "first-page" / "test_invoice.py").read_text(encoding="utf-8")
    (tmp_path / "test_invoice.py").write_text(suite, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")

    result = run_pytest(tmp_path, *shlex.split(line.replace("-n auto", "-n 2")))
    assert result.returncode == 1  # one of the two tests fails on purpose
    kept = set(re.findall(r"out/\w+\.\w+", snippet))
    assert {str(path.relative_to(tmp_path)) for path in (tmp_path / "out").iterdir()} == kept
    assert "451 4.3.0 Try later" in (tmp_path / "out" / "junit.xml").read_text(encoding="utf-8")
    assert "Invoice" in (tmp_path / "out" / "mail.html").read_text(encoding="utf-8")


def test_the_server_of_the_compose_file_starts(tmp_path: Path) -> None:
    """Its options are those of `serve`, which listens with them on ports of the system's choice."""
    pytest.importorskip("uvicorn")
    compose = (EXAMPLES / "ci" / "compose.yml").read_text(encoding="utf-8")
    (words,) = re.findall(r"pytest_smtp4d serve\s+(.*?)\"", compose, re.DOTALL)
    free = words.replace("1025", "0").replace("8025", "0").replace("/ca", str(tmp_path))
    command = [sys.executable, "-m", "pytest_smtp4d", "serve", *shlex.split(free), "--until-stdin-closes"]
    result = subprocess.run(command, input="", capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert "0.0.0.0" in result.stdout + result.stderr
    assert (tmp_path / "ca.pem").exists()
