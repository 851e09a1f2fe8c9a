"""Runs what is measured, each in a process of its own: servers, clients, and pytest.

Servers run on one processor and what is measured against them on another, where there are two.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.environments import WORK, Environments, child_environment, find_program

_CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
SERVER_CPU, CLIENT_CPU = _CPUS[0], _CPUS[-1]


class Talking:
    """A process that is talked to line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def ask(self, question: str = "") -> str:
        """Write a line, if there is one, and return the next that comes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if question:
            self._process.stdin.write(question + "\n")
            self._process.stdin.flush()
        return self._process.stdout.readline()


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs as a process.

    Args:
        port: on 127.0.0.1.
        process: it; None where it tells nothing.
    """

    port: int
    process: Talking | None

    def check(self, sent: int) -> None:
        """Raise ValueError unless it has so many messages: what was not captured was not measured."""
        if self.process is not None and (found := int(self.process.ask("count"))) != sent:
            raise ValueError(f"{sent} messages were sent, and the server has {found}")

    def memory(self, which: str) -> float:
        """Return MiB: "VmRSS" what is held now, "VmHWM" the most that was."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith(which + ":"))
        return int(line.split()[1]) / 1024


@dataclass(frozen=True, slots=True)
class Processes:
    """Starts them.

    Args:
        environments: what there is to measure.
    """

    environments: Environments

    def work(self, environment: str, script: str, *arguments: object) -> float:
        """Run a script of the folder `work` in an environment, and return the number that it prints."""
        words = [self.environments.python(environment), str(WORK / script), *map(str, arguments)]
        return float(output(words, CLIENT_CPU).split()[-1])

    @contextlib.contextmanager
    def server(self, kind: str) -> Iterator[Running]:
        """Run a server: "ours", "debug", "before", "aiosmtpd", "node" or "smtp-sink"."""
        if kind == "smtp-sink":
            with _sink() as running:
                yield running
            return
        more = {}
        if kind == "node":
            words = [find_program("node") or "node", str(WORK / "server.js")]
            more = {"NODE_PATH": str(self.environments.node_modules)}
        else:
            environment = {"aiosmtpd": "peers", "before": "before"}.get(kind, "ours")
            role = "ours" if kind == "before" else kind
            words = [self.environments.python(environment), str(WORK / "server.py"), role]
        with talking(words, SERVER_CPU, more) as process:
            port = process.ask()
            if not port:
                raise ValueError(f"the server {kind} did not start")
            yield Running(int(port), process)

    def pytest(
        self,
        environment: str,
        plugins: tuple[str, ...],
        source: str,
        variables: Mapping[str, str] | None = None,
    ) -> tuple[float, float]:
        """Run pytest on a file of tests.

        Args:
            environment: "ours" or "peers".
            plugins: that are measured, by their modules; none: ours is blocked.
            source: the file.
            variables: of the environment.

        Returns:
            Seconds, and seconds of the processor.
        """
        with tempfile.TemporaryDirectory(prefix="smtp4d-benchmark-") as name:
            (Path(name) / "test_it.py").write_text(source)
            words = [self.environments.python(environment), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
            more = dict(variables or {})
            if self.environments.is_here:  # only what is measured, of all that may be installed
                more["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
                words += [word for plugin in plugins for word in ("-p", plugin)]
            elif not plugins:
                words += ["-p", "no:smtp4d"]
            used, began = _used(), time.perf_counter()
            output([*words, "test_it.py"], CLIENT_CPU, name, more)
            return time.perf_counter() - began, _used() - used


def _used() -> float:
    """Return the seconds of the processor, user and system, of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def talking(words: Sequence[str], cpu: int, more: Mapping[str, str] | None = None) -> Iterator[Talking]:
    """Run a program to talk to; it ends when its standard input does."""
    with subprocess.Popen(
        _pinned(words, cpu),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=child_environment(**(more or {})),
    ) as process:
        try:
            yield Talking(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def output(
    words: Sequence[str], cpu: int, folder: str | None = None, more: Mapping[str, str] | None = None
) -> str:
    """Run a program and return what it prints.

    Raises:
        subprocess.CalledProcessError: it failed; all that it said is on standard error.
    """
    pinned, environment = _pinned(words, cpu), child_environment(**(more or {}))
    done = subprocess.run(pinned, capture_output=True, text=True, cwd=folder, env=environment)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise subprocess.CalledProcessError(done.returncode, pinned)
    return done.stdout


def _pinned(words: Sequence[str], cpu: int) -> list[str]:
    """Return the words that run a program on one processor, where there are two."""
    taskset = [] if SERVER_CPU == CLIENT_CPU or not find_program("taskset") else ["taskset", "-c", str(cpu)]
    return [*taskset, *words]


@contextlib.contextmanager
def _sink() -> Iterator[Running]:
    """Run Postfix's smtp-sink, which takes everything and keeps nothing."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    words = [find_program("smtp-sink") or "smtp-sink", *user, f"127.0.0.1:{port}", "100"]
    with subprocess.Popen(_pinned(words, SERVER_CPU), text=True) as process:
        try:
            while True:
                with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port)):
                    break
                if process.poll() is not None:
                    raise ValueError("smtp-sink did not start")
            yield Running(port, None)
        finally:
            process.terminate()
