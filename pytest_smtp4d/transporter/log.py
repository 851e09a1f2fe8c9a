"""4D's log files: the extended one of a transporter, and the regular one of the whole program.

4D: `server.logFile`, `SET DATABASE PARAMETER(SMTP Log; n)`.
A line has five columns, tab-separated: sequence number, date-time, process id, thread id, text. Control
characters in the text are escaped, secrets are masked before they get here, and a log that cannot be written
never fails a send. Only their owner can read the files: they hold mail.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_smtp4d.smtp.reply import Reply

__all__ = ["ExtendedLog", "Log", "RegularLog", "SessionLog", "logs_for", "smtp_log"]

LOGS_FOLDER = "Logs"
REGULAR_LIMIT = 10_000_000
"""Octets after which the regular log goes on in a file with the next number."""

_sequence = itertools.count(1)  # one for all logs of the process, as in 4D
_writing = threading.RLock()


class Log(Protocol):
    """Where the lines of a session go."""

    shows_content: bool

    def write(self, lines: Iterable[str]) -> None:
        """Append lines; each gets the first four columns."""


def _columns(line: str) -> str:
    # 4D's columns show local time, and no zone.
    now = datetime.now().isoformat(timespec="milliseconds")  # noqa: DTZ005
    text = line.translate(_ESCAPED)
    return f"{next(_sequence)}\t{now}\t{os.getpid()}\t{threading.get_native_id()}\t{text}\n"


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


# C0 but for the tab, DEL and C1: a terminal that shows a log must not obey what a server or a mail says.
_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(9), *range(10, 32), *range(127, 160))}


class _File:
    """A file that lines are appended to. Logs the first write error; never raises one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._failed = False

    def append(self, lines: Iterable[str]) -> int:
        """Append lines in one write and return the size of the file afterwards, in octets."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _writing, open(self.path, "ab", opener=_for_the_owner) as file:
                file.write("".join(map(_columns, lines)).encode("utf-8", "backslashreplace"))
                return file.tell()
        except OSError as error:
            if error.errno is None:  # not the system's: what a signal handler raised
                raise
            if not self._failed:
                self._failed = True
                logging.getLogger("pytest_smtp4d").warning(
                    "the SMTP log %s cannot be written (%s); mail is sent all the same", self.path, error
                )
            return 0


class ExtendedLog:
    """The log of one transporter: everything, with the full MIME of all mail, without limit.

    Args:
        path: absolute, or relative to the folder `Logs` in the current one; made when needed.
    """

    shows_content = True

    def __init__(self, path: str | Path) -> None:
        self._file = _File(Path(LOGS_FOLDER, path).absolute())  # an absolute path stands for itself

    def write(self, lines: Iterable[str]) -> None:
        """Append lines."""
        self._file.append(lines)


class RegularLog:
    """The log of all transporters: of a mail only its header, in files of 10 MB, numbered upwards.

    Args:
        number: that of the first file, 1 or more.
    """

    shows_content = False

    def __init__(self, number: int) -> None:
        self._number = number
        self._file = self._open()

    def _open(self) -> _File:
        return _File(Path(LOGS_FOLDER, f"4DSMTPLog_{self._number}.txt").absolute())

    @property
    def path(self) -> Path:
        """The file that is being written."""
        return self._file.path

    def write(self, lines: Iterable[str]) -> None:
        """Append lines, and go on in the next file when this one is full; a file of that name is replaced."""
        with _writing:  # or two threads would both go on, and one replace what the other has written
            if self._file.append(lines) >= REGULAR_LIMIT:
                self._number += 1
                self._file = self._open()
                with suppress(OSError):  # the next write reports one that cannot be replaced
                    self._file.path.unlink(missing_ok=True)


_regular: RegularLog | None = None


def smtp_log(number: int | None = None) -> Path | None:
    """Switch the regular log of this process on or off, or tell its file (4D: selector `SMTP Log`).

    Args:
        number: 0 for off; 1 or more for on, and the number of the first file, `Logs/4DSMTPLog_<number>.txt`;
            None changes nothing (4D: `Get 4D file(SMTP log file)`).

    Returns:
        the file that is written now, which has a higher number once the first is full; None while the log is
        off.

    Raises:
        ValueError: a negative number, or something else than a whole one.

    Example:
        >>> smtp_log(1).name
        '4DSMTPLog_1.txt'
        >>> smtp_log(0)
    """
    global _regular  # noqa: PLW0603 - a switch of the process, as in 4D
    given: object = number
    if given is not None:
        if isinstance(given, bool) or not isinstance(given, int) or given < 0:
            raise ValueError(f"smtp_log takes 0 (off) or the number of the first file, not {number!r}")
        _regular = RegularLog(given) if given else None
    log = _regular
    return log.path if log is not None else None


def logs_for(own: ExtendedLog | None) -> tuple[Log, ...]:
    """Return the logs that a session writes: the transporter's own, and the regular one while it is on."""
    logs: tuple[Log | None, ...] = (own, _regular)
    return tuple(log for log in logs if log is not None)


class SessionLog:
    """Writes one session to the active logs."""

    def __init__(self, logs: tuple[Log, ...]) -> None:
        self._logs = logs

    @property
    def is_on(self) -> bool:
        """True when there is a log to write to."""
        return bool(self._logs)

    def event(self, text: str) -> None:
        """Write that a session began or ended, or that TLS is on."""
        for log in self._logs:
            log.write([text])

    def sent(self, octets: bytes, *, is_content: bool) -> None:
        """Write what the client sent."""
        if not octets:
            return
        header = octets.partition(b"\r\n\r\n")[0] if is_content else octets
        for log in self._logs:
            log.write(_lines("C > ", octets if log.shows_content else header))

    def sent_secret(self, shown: str) -> None:
        """Write that the client sent octets that hold a secret, and `shown` for them."""
        self.event(f"C > {shown}")

    def received(self, reply: Reply) -> None:
        """Write what the server answered."""
        for log in self._logs:
            log.write(f"S < {reply.code} {line}" for line in reply.lines)


def _lines(prefix: str, octets: bytes) -> list[str]:
    text = octets.decode("utf-8", "backslashreplace")
    return [prefix + line for line in text.removesuffix("\r\n").split("\r\n")]


def _after_fork() -> None:
    global _writing  # noqa: PLW0603 - a thread that does not exist in the child may hold it
    _writing = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
