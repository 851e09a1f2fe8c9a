"""Where a benchmark runs: environments that are made for it, and programs that are there already.

`ours` holds the project (editable, so that it is always what stands here) and aiosmtplib; `peers` holds what
servers and fixtures are compared with. With `against`, a third holds another commit of the project. They are
kept in `.benchmarks` and can be removed at any time.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORK = Path(__file__).parent / "work"
FOLDER = ROOT / ".benchmarks"

PEERS = ("aiosmtpd", "smtpdfix", "pytest")
CLIENTS = ("aiosmtplib",)
SHOWN = ("pytest-smtp4d", "aiosmtpd", "aiosmtplib", "smtpdfix", "pytest")
"""Packages whose versions the table says."""


def child_environment(**more: str) -> dict[str, str]:
    """Return the environment of a measured process: nothing of a pytest around it, and bytecode is kept."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COVERAGE"))}
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONWARNINGS"):
        ours.pop(name, None)
    return ours | more


def find_program(name: str) -> str | None:
    """Return the path of a program, looked for where daemons are, too."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")


@dataclass
class Environments:
    """The interpreters and programs that are measured.

    Args:
        is_here: everything is what this interpreter has; nothing is installed.
        against: a commit to compare with, as git names it; "" for none.
    """

    is_here: bool
    against: str = ""
    wrong: dict[str, str] = field(default_factory=dict)
    """What could not be installed -> why."""

    def python(self, name: str) -> str:
        """Return the interpreter of an environment: "ours", "peers" or "before"."""
        return sys.executable if self.is_here else str(FOLDER / name / "bin" / "python")

    def why_no_package(self, package: str) -> str:
        """Return why a package of the peers cannot be measured, or ""."""
        if not self.is_here:
            return self.wrong.get(package, "")
        return "" if find_spec(package) else "not installed here"

    @cached_property
    def node_modules(self) -> Path | None:
        """Where Node's smtp-server is, or None."""
        folders = (FOLDER / "node", ROOT / ".peers")
        return next((f / "node_modules" for f in folders if (f / "node_modules/smtp-server").is_dir()), None)

    @property
    def why_no_node(self) -> str:
        """Why Node cannot be measured, or ""."""
        if find_program("node") is None:
            return "node is not installed"
        return "" if self.node_modules else self.wrong.get("smtp-server", "smtp-server is not installed")

    # -- making them ----------------------------------------------------------------------------------------

    def make(self) -> None:
        """Install what is not there; note what cannot be installed, and go on."""
        if self.is_here:
            return
        _install("ours", "--editable", str(ROOT), *CLIENTS)
        for package in PEERS:
            with self._noting(package):
                _install("peers", package)
        with self._noting("smtp-server"):
            if self.node_modules is None:
                npm = find_program("npm") or "npm"
                run([npm, "install", "--no-audit", "--no-fund", "--prefix", FOLDER / "node", "smtp-server@3"])
                vars(self).pop("node_modules")
        if self.against:
            with tempfile.TemporaryDirectory() as folder, open_commit(self.against) as archive:
                archive.extractall(folder, filter="data")
                _install("before", "--force-reinstall", folder, *CLIENTS)

    @contextlib.contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, subprocess.CalledProcessError) as error:
            words = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1:]
            self.wrong[what] = f"cannot be installed ({' '.join(words)})"

    # -- what they are --------------------------------------------------------------------------------------

    def versions(self) -> Mapping[str, str]:
        """Return what is compared -> its version."""
        program = (
            "import sys, json, importlib.metadata as m;"
            "print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
        )
        found: dict[str, str] = {}
        for name in ("peers", "ours"):
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                found |= json.loads(run([self.python(name), "-c", program]))
        shown = {"Python": ".".join(map(str, sys.version_info[:3]))}
        shown |= {name: found[name] for name in SHOWN if name in found}
        if not self.why_no_node and self.node_modules:
            package = json.loads((self.node_modules / "smtp-server/package.json").read_text())
            shown |= {"Node": run(["node", "--version"]).strip(), "smtp-server": package["version"]}
        if postconf := find_program("postconf"):
            with contextlib.suppress(subprocess.CalledProcessError):
                shown["Postfix"] = run([postconf, "-dh", "mail_version"]).strip()
        return shown


def run(words: Sequence[str | Path]) -> str:
    """Run a program in the project's folder and return what it prints.

    Raises:
        OSError: it is not there.
        subprocess.CalledProcessError: it failed; all that it said is on standard error.
    """
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=child_environment())
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise subprocess.CalledProcessError(done.returncode, words, stderr=done.stderr)
    return done.stdout


@contextlib.contextmanager
def open_commit(commit: str) -> Iterator[tarfile.TarFile]:
    """Open the files of a commit."""
    with tempfile.TemporaryFile() as file:
        subprocess.run(["git", "archive", commit], cwd=ROOT, stdout=file, check=True)
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            yield archive


def commit() -> str:
    """Return the commit that stands here, and whether files were changed since."""
    try:
        return run(["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude", "*"]).strip()
    except (OSError, subprocess.CalledProcessError):
        return "no commit"


def _install(environment: str, *what: str) -> None:
    folder = FOLDER / environment
    python = folder / "bin" / "python"
    if not python.exists():
        run([sys.executable, "-m", "venv", folder])
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what])
