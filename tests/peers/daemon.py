"""What running somebody else's daemon takes: ports, folders, and waiting for what it does.

Nothing here is left to chance; a port is ours before the daemon is told of it.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest

_T = TypeVar("_T")


def need_root(what: str) -> None:
    """Skip the test where we are not root; a daemon that changes its user cannot be had then."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip(f"{what} has to be started by root")


@contextmanager
def reserved_ports(names: tuple[str, ...], address: str = "127.0.0.1") -> Iterator[dict[str, int]]:
    """Give each name a port that nobody else is given while the context lasts.

    A bound socket that never listens keeps the port from others; a server that sets SO_REUSEADDR, and all of
    ours do, may bind and listen beside it.
    """
    with ExitStack() as sockets:
        ports = {}
        for name in names:
            sock = sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, 0))
            ports[name] = sock.getsockname()[1]
        yield ports


@contextmanager
def open_folder(prefix: str) -> Iterator[Path]:
    """Make a folder that daemons under other users may enter (pytest's own are closed to them)."""
    with TemporaryDirectory(prefix=prefix) as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


def wait_until(condition: Callable[[], _T | None], what: str, seconds: float = 15.0) -> _T:
    """Return what the condition gives as soon as it gives something true.

    A foreign process tells nobody when it is done: this one loop looks, every few milliseconds.

    Raises:
        AssertionError: `seconds` passed; names `what` was waited for.
    """
    end = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"waited {seconds:g} s in vain for {what}"
        pause.wait(0.005)


def answers(port: int, address: str = "127.0.0.1") -> bool:
    """True when something listens on that port."""
    with socket.socket() as sock:
        return sock.connect_ex((address, port)) == 0


@dataclass(frozen=True, slots=True)
class LogTail:
    """A log file from one octet on."""

    path: Path
    start: int

    def wait_for(self, pattern: str, count: int = 1) -> list[str]:
        """Wait until the pattern was found that often, and return everything that it finds."""

        def found() -> list[str] | None:
            matches = [match[0] for match in re.finditer(pattern, self.text())]
            return matches if len(matches) >= count else None

        return wait_until(found, f"{count} x {pattern!r} in {self.path.name}")

    def wait_for_quiet(self, began: str, ended: str) -> None:
        """Wait until as many sessions have ended as began: what is logged from now on is of new ones."""
        wait_until(
            lambda: len(re.findall(began, self.text())) == len(re.findall(ended, self.text())),
            f"the end of all sessions in {self.path.name}",
        )

    def text(self) -> str:
        """Return what has been logged by now."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read().decode()
