"""A server that runs for itself: where its messages go, and what is said of what happens.

Everything here may run for weeks. Messages go into a Maildir, to standard output and into the archive of an
API before their client hears 250; of each session a line on standard error says how it went. Output is
written by threads of its own (see `output`), so no reader can hold the server up.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

from pytest_smtp4d.server import watch
from pytest_smtp4d.server.documents import json_text, message_document, session_row
from pytest_smtp4d.server.fault_words import parse_fault
from pytest_smtp4d.server.follower import Follower
from pytest_smtp4d.server.output import Output
from pytest_smtp4d.server.server import SMTPServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_smtp4d.records.record import ReceivedMessage, Session, Transaction
    from pytest_smtp4d.server.archive import Archive
    from pytest_smtp4d.server.documents import Document
    from pytest_smtp4d.server.follower import Story
    from pytest_smtp4d.server.maildir import Maildir
    from pytest_smtp4d.server.state import Observer

__all__ = ["Relay", "Serving", "Voice"]

PATIENCE = 1.0
"""Seconds that a reader of output is given at the end to take some more of it."""


class Relay(SMTPServer):
    """A server that hands its messages on and keeps none; greylisting goes by the wall clock."""

    def relay_to(self, serving: Serving, observer: Observer) -> None:
        """Hand messages, and what happens, to whoever serves."""
        began = time.monotonic()
        self._state.deliver = serving.take
        self._state.observer = observer
        self._state.wall_clock = lambda: time.monotonic() - began

    def forget_ended(self) -> None:
        """Forget transactions, and the sessions that ended."""
        self._state.forget_ended()


class Voice:
    """What a server says: events or messages on standard output, lines for a person on standard error.

    Args:
        form: how messages are printed, "text", "json" or "nothing".
        with_content: whether JSON holds the octets of messages.
        out: the descriptor of standard output.
        err: the descriptor of standard error.
    """

    def __init__(self, form: str, *, with_content: bool = False, out: int = 1, err: int = 2) -> None:
        self._form = form
        self._with_content = with_content
        self._err = Output(err, "stderr", lambda count: f"stderr was not read: {count} lines are lost\n")
        self._out = Output(out, "stdout", self._lost, self.say)

    @property
    def lost(self) -> int:
        """How many items of standard output its reader never saw."""
        return self._out.lost

    def say(self, line: str) -> None:
        """Write a line for a person."""
        self._err.line(line)

    def event(self, kind: str, document: Document) -> None:
        """Print an event, where events are printed."""
        if self._form == "json":
            self._out.line(json_text({"event": kind, **document}))

    def message(self, number: int, story: Story, message: ReceivedMessage) -> None:
        """Print a message in its form, which the writing thread makes."""
        if self._form == "text":
            self._out.put(len(message.content), lambda: _as_text(message))
        elif self._form == "json":
            self._out.put(len(message.content), lambda: self._as_json(number, story, message))

    def close(self) -> None:
        """Write what waits, as long as somebody reads."""
        if lost := self._out.close(PATIENCE):
            self.say(f"stdout was not read to its end: {lost} items are lost")
        self._err.close(PATIENCE)

    def _as_json(self, number: int, story: Story, message: ReceivedMessage) -> str:
        try:
            document = message_document(number, story.number, message, content=self._with_content)
        except Exception as error:  # noqa: BLE001 - a mail that cannot be read is told, and the next one printed
            words = f"message {number} cannot be read: {type(error).__name__}: {error}"
            self.say(f"error: {words}")
            document = {"id": number, "error": words}
        return json_text({"event": "message", **document}) + "\n"

    def _lost(self, count: int) -> str:
        words = f"{count} items are lost here: the output was not read"
        if self._form == "json":
            return json_text({"event": "error", "error": words, "lost": count}) + "\n"
        return f"--- {words}\n"


def _as_text(message: ReceivedMessage) -> str:
    recipients = ", ".join(f"<{recipient}>" for recipient in message.rcpt_to)
    head = f"--- from <{message.mail_from}> to {recipients}, {len(message.content)} octets"
    body = message.content.decode("utf-8", "replace").replace("\r\n", "\n")
    return f"{head}\n{body}" + ("" if body.endswith("\n") else "\n")


class Serving:
    """Serves: hands messages on, tells what happens, and resets.

    Args:
        settings: of the server.
        faults: in the words of the command line; a reset declares them again.
        voice: what is said.
        maildir: where messages go, too; None: nowhere.
        archive: what keeps messages and sessions for an API; None: nothing does.

    Raises:
        SettingsError: a setting or a fault that cannot be.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        faults: Sequence[str],
        voice: Voice,
        maildir: Maildir | None = None,
        archive: Archive | None = None,
    ) -> None:
        self.server: Relay = Relay(**settings)
        self.voice = voice
        self.archive = archive
        self._faults = tuple(faults)
        self._maildir = maildir
        self._numbers = itertools.count(1)
        self.follower: Follower = Follower(self, lambda: self.server.settings, self.server.ca_file)
        self.server.relay_to(self, self.follower)
        self._declare()

    def _declare(self) -> None:
        for words in self._faults:
            parse_fault(self.server._rules, words)

    def reset(self) -> None:
        """Be as at the start: no messages or sessions, the settings and the faults of the start."""
        self.server.reset()
        self._declare()
        self.follower.take_problems()
        if self.archive is not None:
            self.archive.clear()

    def keep_house(self) -> None:
        """Forget what nobody will ask for; called every now and then."""
        self.server.forget_ended()
        watch.resume(None)

    def problems(self) -> list[str]:
        """Return the strict verdict in words, each problem once: unhit faults, violations, errors."""
        self.server._settle()
        unhit = [f"fault never hit: {fault}" for fault in self.server._rules.unhit()]
        problems = unhit + self.follower.take_problems()
        return problems if self.server.settings.strict else []

    # -- what the server tells, in its loop -----------------------------------------------------------------

    def take(self, message: ReceivedMessage) -> None:
        """Hand a message on before its client hears 250."""
        story = self.follower.story(message.session)
        if self._maildir is not None:
            self._maildir.deliver(message)
        number = next(self._numbers)
        if self.archive is not None:
            self.archive.put(number, message, story)
        self.voice.message(number, story, message)

    def say(self, line: str) -> None:
        """Take a line for a person."""
        self.voice.say(line)

    def began(self, session: Session, story: Story) -> None:
        """Take a session that began."""
        if self.archive is not None:
            self.archive.touch(session, story)

    def progressed(self, session: Session, story: Story, over: Sequence[Transaction]) -> None:
        """Take the transactions of a session that are over now."""
        if self.archive is not None:
            self.archive.touch(session, story, over)

    def ended(self, session: Session, story: Story) -> None:
        """Take a session that ended."""
        self.voice.event("session", session_row(session, story))
        if self.archive is not None:
            self.archive.ended(story)

    def failed(self, words: str) -> None:
        """Take an error of the server's own."""
        self.voice.event("error", {"error": words})
