"""Runs a program once, in a process group of its own, with a limit on its time and its output.

The program reads a file and writes into a pipe that is never left unread, so that it cannot block on either.
What it leaves running in its process group is killed when the run ends. A program that hands its mail to a
process in the background is given time for it: as long as somebody talks to the server, and a moment more.

Signals are only noted while a program runs. The loop looks at them, so that no process can be left behind
between its start and the place where it is remembered.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_smtp4d.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

__all__ = ["Outcome", "Stopped", "Stopping", "run"]

GRACE = 1.0
"""Seconds that a process in the background is given to connect, after the program itself has ended."""

OUTPUT_LIMIT = 64 << 10
"""Octets of output that are kept: the last ones."""

PAUSE = 0.02
"""Seconds between two looks at a program that says nothing."""

_NOTHING = Path(os.devnull)
_CHUNK = 64 << 10
_LAST_READS = 16


class Stopped(BaseException):
    """A signal asks the judge itself to end."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class Stopping:
    """Takes the signals that end a process, and raises `Stopped` once no program runs any more."""

    def __init__(self) -> None:
        self.number = 0
        self._is_held = False

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Take SIGINT, SIGTERM and SIGHUP; one that is ignored stays so."""
        numbers = [
            number
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            if signal.getsignal(number) is not signal.SIG_IGN
        ]
        before = [(number, signal.signal(number, self._take)) for number in numbers]
        try:
            yield
        finally:
            for number, action in before:
                signal.signal(number, action)

    def _take(self, number: int, _: FrameType | None) -> None:
        self.number = number
        if not self._is_held:
            raise Stopped(number)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Only note a signal that comes meanwhile, and raise it at the end."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self.number:
            raise Stopped(self.number)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended.

    Args:
        exit_status: as a shell gives it, 128 and the signal's number where a signal ended it; None where
            it had to be killed.
        seconds: how long it took.
        hung: whether it, or what it left in the background, had to be killed at the limit.
        output: standard output and standard error, as they came: the last `OUTPUT_LIMIT` octets.
    """

    exit_status: int | None
    seconds: float
    hung: bool
    output: str


@dataclass(slots=True)
class _Output:
    """What a program writes: read whenever there is something, of which the end is kept."""

    descriptor: int
    is_open: bool = True
    octets: bytearray = field(default_factory=bytearray)
    left_out: int = 0
    skips_line: bool = False

    def read(self) -> bool:
        """Read once; return whether there was anything."""
        try:
            octets = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return False
        self.is_open = bool(octets)
        self.octets += octets
        if self.skips_line:
            self._leave_out(0)
        if (excess := len(self.octets) - OUTPUT_LIMIT) > 0:
            self._leave_out(excess - 1)
        return self.is_open

    def _leave_out(self, octets: int) -> None:
        """Leave out so many octets and the rest of their line: half a secret could not be masked."""
        end = self.octets.find(b"\n", octets) + 1
        self.skips_line = not end
        end = end or len(self.octets)
        del self.octets[:end]
        self.left_out += end

    def text(self) -> str:
        """Return what was kept, and how much was not."""
        text = self.octets.decode("utf-8", "replace")
        return f"[{self.left_out} octets left out]\n{text}" if self.left_out else text


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    stdin: Path | None,
    limit: float,
    *,
    is_busy: Callable[[bool], bool],
    stopping: Stopping,
) -> Outcome:
    """Run a program and return how it ended; nothing of its process group is left.

    Args:
        command: the program and its arguments.
        environment: what it gets.
        stdin: the file that it reads; None: an empty one.
        limit: seconds after which it is killed.
        is_busy: returns whether mail is still under way; it is told whether the program ended with status 0.
        stopping: the signals that end the judge.

    Raises:
        SettingsError: the program cannot be started.
        Stopped: a signal came.
    """
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, reading)
        stack.enter_context(stopping.held())
        try:
            source = stack.enter_context((stdin or _NOTHING).open("rb"))
            began = time.monotonic()
            process = _started(command, environment, source.fileno(), writing)
        finally:
            os.close(writing)
        output = _Output(reading)
        try:
            hung = _wait(process, output, began + limit, is_busy, stopping)
            status = process.poll()
        finally:
            _kill(process)
        seconds = time.monotonic() - began
        for _ in range(_LAST_READS):  # a process that left the group may write for ever
            if not (output.is_open and output.read()):
                break
    return Outcome(_as_a_shell_says(status), seconds, hung, output.text())


def _started(
    command: Sequence[str], environment: Mapping[str, str], source: int, sink: int
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command, env=environment, stdin=source, stdout=sink, stderr=sink, start_new_session=True
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SettingsError(f"{command[0]!r} cannot be started: {why}") from None


def _wait(
    process: subprocess.Popen[bytes],
    output: _Output,
    deadline: float,
    is_busy: Callable[[bool], bool],
    stopping: Stopping,
) -> bool:
    """Wait until a program and its mail are done, or somebody stops the judge; return whether it hangs."""
    quiet_since = 0.0
    while not stopping.number:
        now = time.monotonic()
        if process.poll() is not None:
            if not is_busy(process.returncode == 0) and not _is_alive(process.pid):
                return False
            if not quiet_since or is_busy(False):
                quiet_since = now
            if now >= quiet_since + GRACE:
                return False
        if now >= deadline:
            return True
        if output.is_open:
            select.select([output.descriptor], [], [], min(PAUSE, deadline - now))
            output.read()
        else:
            time.sleep(min(PAUSE, deadline - now))
    return False


def _is_alive(group: int) -> bool:
    """Return whether a process group has any process left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and everything in its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _as_a_shell_says(status: int | None) -> int | None:
    return status if status is None or status >= 0 else 128 - status
