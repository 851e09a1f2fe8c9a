"""`python -m pytest_smtp4d serve`: the same server outside pytest, for suites in any language.

The one thing to know: a message is printed or in the Maildir before the client hears 250, and nothing is kept
in memory, so the server may run for weeks.
"""

from __future__ import annotations

import argparse
import base64
import json
import mailbox
import shlex
import shutil
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.faults.action import ACTIONS
from pytest_smtp4d.server import watch
from pytest_smtp4d.server.kinds import Accounts
from pytest_smtp4d.server.server import SMTPServer
from pytest_smtp4d.server.settings import KINDS, meanings
from pytest_smtp4d.words import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_smtp4d.records.record import ReceivedMessage

__all__ = ["main", "parse_fault"]

DEFAULT_PORT = 1025
HOUSEKEEPING = 1.0
"""Seconds between the moments at which finished sessions are forgotten."""

FAULT_HELP = (
    "a fault, such as \"RCPT nobody@* reply='550 5.1.1 No such user'\" or "
    '"CONTENT times=2 delay=1 disconnect"; repeat for several'
)

# Of no use without a test that could fail.
_OMITTED = frozenset({"strict", "ignore_violations", "fatal_violations"})
_OPTION_NAMES = {"users": "user", "tokens": "token", "names": "name"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    sink = _Maildir(options.maildir) if options.maildir else _Printer(options.print)
    try:
        server = _Relay(sink.take, **_settings(options))
        for words in options.fault or ():
            parse_fault(server, words)
        with server:
            _run(server, options.ca_file)
    except (SettingsError, OSError) as error:
        parser.error(str(error))
    return 0


class _Relay(SMTPServer):
    """A server that hands its messages on and keeps none."""

    def __init__(self, take: Callable[[ReceivedMessage], None], **settings: Any) -> None:
        super().__init__(**settings)
        self._state.deliver = take


def _run(server: SMTPServer, ca_file: str | None) -> None:
    """Say where the server is, then wait for SIGINT or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if ca_file:
        shutil.copyfile(server.ca_file, ca_file)
    _say(f"listening on {server.url}")
    if server.settings.tls != "none":
        _say(f"clients may trust {ca_file or server.ca_file}")
    while not stop.wait(HOUSEKEEPING):
        server.clear()
        watch.begin()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - it is a command line


# -- options -------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_smtp4d", description="A fake SMTP server that misbehaves on command."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve", help="run the server until SIGINT or SIGTERM", description="Run the server."
    )
    _add_settings(serve)
    serve.add_argument("--fault", action="append", metavar="FAULT", help=FAULT_HELP)
    output = serve.add_mutually_exclusive_group()
    output.add_argument(
        "--maildir", metavar="PATH", help="deliver messages into this Maildir (made when needed)"
    )
    output.add_argument(
        "--print",
        choices=("text", "json", "nothing"),
        default="text",
        help="how messages are printed: as text (default), a JSON object a line, or not at all",
    )
    serve.add_argument("--ca-file", metavar="PATH", help="copy the CA's certificate (PEM) to this file")
    return parser


def _add_settings(serve: argparse.ArgumentParser) -> None:
    group = serve.add_argument_group("settings", "what is not given has the default of the reference")
    words = meanings()
    for name, kind in KINDS.items():
        if name not in _OMITTED:
            option = f"--{_OPTION_NAMES.get(name, name).replace('_', '-')}"
            group.add_argument(option, dest=name, default=None, help=words.get(name), **kind.option())


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name, kind in KINDS.items():
        value = getattr(options, name, None)
        if value is not None:
            settings[name] = kind.from_options(name, value) if isinstance(kind, Accounts) else value
    settings.setdefault("port", DEFAULT_PORT)
    return settings


# -- faults --------------------------------------------------------------------------------------------------


def parse_fault(server: SMTPServer, words: str) -> None:
    r"""Declare a fault from one argument: `STAGE [MATCH] [times=N] [after=N] ACTION…`, quoted as in a shell.

    Actions are those of the marker `smtp_fault`: `reply='550 5.1.1 No such user'`, `replies='451 Later|ok'`,
    `delay=0.5`, `accept`, `disconnect`, `disconnect=abort`, `disconnect=4096` (octets of content), `silence`,
    `send='garbage\r\n'` (escapes as in Python), `trickle=5`.

    Raises:
        SettingsError: what cannot be a fault.
    """
    try:
        stage, *rest = shlex.split(words)
    except ValueError as error:
        raise SettingsError(f"--fault {words!r}: {error}") from None
    known = (*_COUNTS, *(name for name, kind in ACTIONS.items() if kind.read is not None))
    flags = [name for name, kind in ACTIONS.items() if kind.is_flag]
    match = rest.pop(0) if rest and "=" not in rest[0] and rest[0] not in flags else None
    options: dict[str, Any] = {}
    for word in rest:
        name, equals, value = word.partition("=")
        if not equals and name not in flags:
            raise SettingsError(f"--fault {words!r}: {name!r} says nothing{nearest(name, known)}")
        read = _reader(name)
        if read is None:
            raise SettingsError(f"--fault {words!r}: there is no {name!r}{nearest(name, known)}")
        try:
            options[name] = read(value)
        except ValueError as error:
            raise SettingsError(f"--fault {words!r}: {name} cannot be {value!r} ({error})") from None
    server.rules.declare(stage, match, origin="--fault", **options)


_COUNTS: dict[str, Callable[[str], object]] = {"times": int, "after": int}


def _reader(name: str) -> Callable[[str], object] | None:
    """Return what reads the value of a word of a fault, or None where there is no such word."""
    if name in _COUNTS:
        return _COUNTS[name]
    return ACTIONS[name].read if name in ACTIONS else None


# -- where messages go ---------------------------------------------------------------------------------------


class _Maildir:
    """A Maildir; the envelope stands in Return-Path and Delivered-To, as at final delivery (RFC 5321 4.4)."""

    def __init__(self, path: str) -> None:
        self._maildir = mailbox.Maildir(path, create=True)

    def take(self, message: ReceivedMessage) -> None:
        """Deliver a message."""
        trace = [f"Return-Path: <{message.mail_from}>", *(f"Delivered-To: {to}" for to in message.rcpt_to)]
        head = "".join(f"{line}\r\n" for line in trace).encode("utf-8", "surrogateescape")
        octets = head + message.content
        self._maildir.add(octets.replace(b"\r\n", b"\n"))


class _Printer:
    """Standard output.

    Args:
        form: "text", "json" or "nothing".
    """

    def __init__(self, form: str) -> None:
        self._form = form

    def take(self, message: ReceivedMessage) -> None:
        """Print a message."""
        if self._form == "text":
            recipients = ", ".join(f"<{recipient}>" for recipient in message.rcpt_to)
            head = f"--- from <{message.mail_from}> to {recipients}, {len(message.content)} octets"
            body = message.content.decode("utf-8", "replace").replace("\r\n", "\n")
            self._write(f"{head}\n{body}" + ("" if body.endswith("\n") else "\n"))
        elif self._form == "json":
            self._write(json.dumps(_as_document(message)) + "\n")

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
        sys.stdout.buffer.flush()


def _as_document(message: ReceivedMessage) -> dict[str, object]:
    """Return a message as what JSON can say: the envelope, the session, the content as base64."""
    tls = message.session.tls
    return {
        "mailFrom": message.mail_from,
        "rcptTo": list(message.rcpt_to),
        "mailOptions": list(message.mail_options),
        "rcptOptions": {recipient: list(options) for recipient, options in message.rcpt_options.items()},
        "receivedAt": message.received_at.isoformat(),
        "clientName": message.session.client_name,
        "user": message.session.user,
        "tls": tls.version if tls else None,
        "content": base64.b64encode(message.content).decode("ascii"),
    }
