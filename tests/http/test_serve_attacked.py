"""The command `serve --http`, as a process: what its surroundings do to it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.server.test_serve import deliver, wait_for

SERVE = [sys.executable, "-m", "pytest_smtp4d", "serve", "--port", "0", "--http", "0", "--tls", "none"]


class Running(NamedTuple):
    """A process that serves, and what its ready file says."""

    process: subprocess.Popen[bytes]
    place: dict[str, Any]
    ready: Path

    def ask(self, path: str) -> socket.socket:
        """Open a request to the API."""
        client = socket.create_connection(("127.0.0.1", int(self.place["http"].rpartition(":")[2])), 20)
        client.sendall(f"GET /api/v1{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return client

    def stop(self) -> bytes:
        """End it by SIGTERM and return what it said on standard error."""
        self.process.terminate()
        assert self.process.stderr is not None
        said = self.process.stderr.read()
        assert self.process.wait(20) == 0, said
        return said


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[Running]:
    """Run the command with a ready file."""
    ready = folder / "ready"
    command = [*SERVE, "--ready-file", str(ready), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def place() -> Any:
        assert process.poll() is None
        found = json.loads(ready.read_bytes())
        return found if found["pid"] == process.pid else None

    try:
        yield Running(process, wait_for(place), ready)
    finally:
        process.kill()
        process.wait(10)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def test_sigterm_ends_sessions_streams_and_polls(tmp_path: Path) -> None:
    """Twenty sessions, event streams that nobody reads, and long polls: status 0 all the same."""
    with serving(tmp_path) as running, ExitStack() as stack:
        for number in range(20):
            client = stack.enter_context(
                contextlib.closing(smtplib.SMTP("127.0.0.1", running.place["port"], timeout=20))
            )
            if number % 2:
                client.ehlo()
                client.mail("ada@example.com")
        for path in ("/events", "/messages?wait=300") * 5:
            stack.enter_context(running.ask(path))
        deliver(running.place["port"])
        running.stop()
        assert not running.ready.exists()


def test_a_killed_parent_ends_it(tmp_path: Path) -> None:
    """With `--until-stdin-closes` nothing is left of it, the ready file included."""
    ready = tmp_path / "ready"
    command = [*SERVE, "--ready-file", str(ready), "--until-stdin-closes"]
    script = "import subprocess, sys; subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE).wait()"
    parent = subprocess.Popen([sys.executable, "-c", script, *command], stderr=subprocess.DEVNULL)
    place = wait_for(lambda: json.loads(ready.read_bytes()))
    parent.send_signal(signal.SIGKILL)
    parent.wait(10)
    wait_for(lambda: not ready.exists())

    def is_gone() -> bool:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", place["port"]), 5).close()
            return False
        return True

    assert wait_for(is_gone)


def test_a_ready_file_of_a_crash_misleads_nobody(tmp_path: Path) -> None:
    """What a killed server left is replaced by the next one, and removed in the end."""
    with serving(tmp_path) as first:
        first.process.kill()
        first.process.wait(10)
        assert first.ready.exists()
        with serving(tmp_path) as second:
            assert second.place["pid"] != first.place["pid"]
            deliver(second.place["port"])
            second.stop()
            assert list(tmp_path.iterdir()) == []


def test_a_reader_that_leaves_ends_the_output_alone(tmp_path: Path) -> None:
    """Mail is taken as before, and standard error says why nothing is printed."""
    with serving(tmp_path, "--print", "json") as running:
        assert running.process.stdout is not None
        running.process.stdout.close()
        for _ in range(3):
            deliver(running.place["port"])
        with running.ask("/messages?wait=5&count=3") as client:
            assert b" 200 " in client.recv(100)
        assert b"stdout cannot be written any more" in running.stop()


@pytest.mark.skipif(os.name == "nt", reason="a folder that is in use cannot be removed there")
def test_a_maildir_that_is_spoiled_is_said_and_made_again(tmp_path: Path) -> None:
    """Parts of it may go; while a file is in its place mail is refused with 451, which is told."""
    folder = tmp_path / "mail"
    with serving(tmp_path, "--maildir", str(folder)) as running:
        port = running.place["port"]
        for part in ("tmp", "new", "cur"):
            shutil.rmtree(folder / part)
            deliver(port)
        shutil.rmtree(folder)
        folder.write_text("in the way")
        with pytest.raises(smtplib.SMTPDataError, match="451"):
            deliver(port)
        folder.unlink()
        deliver(port)
        assert len(list((folder / "new").iterdir())) == 1
        assert str(folder).encode() in running.stop()
