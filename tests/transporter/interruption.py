"""Exceptions that strike a call at a chosen line or instruction, and the proof that no mail went astray."""

from __future__ import annotations

import gc
import itertools
import os
import random
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest_smtp4d
from pytest_smtp4d import Email

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from pytest_smtp4d import SMTPServer, SMTPTransporter, Status

PACKAGE = str(Path(pytest_smtp4d.__file__).parent)


class Interrupt(Exception):  # noqa: N818 - what interrupts
    """What a signal handler of the user's raises."""


class Strike:
    """A trace function that raises at the n-th line, or instruction, of this package in this thread.

    Args:
        at: which one, from 1.
        opcodes: count instructions, not lines.
        rooms: the folders and files to count in; all that is not named goes by untouched.
        kind: what is raised.
    """

    def __init__(
        self, at: int, *, opcodes: bool, rooms: tuple[str, ...], kind: type[BaseException] = Interrupt
    ) -> None:
        self._kind = kind
        self.count = 0
        self.at = at
        self._event = "opcode" if opcodes else "line"
        self._rooms = tuple(f"{PACKAGE}/{room}" for room in rooms)

    def call(self, function: Callable[[], object]) -> BaseException | None:
        """Call a function; return what struck it, with its traceback and all frames, or None."""
        before = sys.gettrace()
        gc.disable()  # what is collected within the call would be struck in its place
        sys.settrace(self._enter)
        try:
            function()
        except self._kind as interrupt:
            return interrupt
        finally:
            sys.settrace(before)
            gc.enable()
        return None

    def _enter(self, frame: FrameType, event: str, argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(self._rooms):
            return None
        frame.f_trace_opcodes = self._event == "opcode"
        return self._step

    def _step(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == self._event:
            self.count += 1
            if self.count == self.at:
                raise self._kind(f"{frame.f_code.co_filename}:{frame.f_lineno}")
        return self._step


class Post:
    """Numbered mails, each to a recipient of its own, and what must hold of them in the end."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.accepted: set[str] = set()

    def mail(self) -> Email:
        """Return a new mail: its number is in its recipient, its subject and its text."""
        number = f"n{next(self._numbers):06}"
        return {
            "from": "sender@example.com",
            "to": f"{number}@example.org",
            "subject": f"Subject {number}",
            "textBody": f"begin {number}\r\nthe words of {number}\r\nend {number}",
        }

    def took(self, mail: Email, status: Status) -> None:
        """Keep what a status says of a mail."""
        if status.success:
            self.accepted.add(str(mail["to"]))

    def check(self, server: SMTPServer) -> None:
        """Each message that arrived is one whole mail, for its own recipient; each success is one of them."""
        arrived = set()
        for message in server.messages:
            (recipient,) = message.rcpt_to
            number = recipient.partition("@")[0]
            text = message.content.decode()
            assert set(re.findall(r"n\d{6}", text)) == {number}
            assert text.endswith(f"begin {number}\r\nthe words of {number}\r\nend {number}\r\n")
            assert recipient not in arrived, "arrived twice"
            arrived.add(recipient)
        assert self.accepted <= arrived


def _is_measured(frame: FrameType | None) -> bool:
    """Return whether coverage is at work: a strike there would leave its own lock held for ever."""
    while frame is not None and not frame.f_code.co_filename.startswith(PACKAGE):
        if f"{os.sep}coverage{os.sep}" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def send_under_signals(transporter: SMTPTransporter, post: Post, count: int) -> int:
    """Send so many mails while a timer's signals interrupt some; return how many were interrupted."""
    armed = False

    def strike(number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0002, 0.012))
        if armed and not _is_measured(frame):
            raise Interrupt

    interrupted = 0
    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    try:
        for _ in range(count):
            mail = post.mail()
            try:
                armed = True
                status = transporter.send(mail)
                armed = False
                post.took(mail, status)
            except Interrupt:
                armed = False
                interrupted += 1
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return interrupted
