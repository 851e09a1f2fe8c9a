"""`python -m pytest_smtp4d serve`: the same server outside pytest, for any language (see `serving`)."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.server.fault_words import FAULT_HELP
from pytest_smtp4d.server.kinds import Accounts
from pytest_smtp4d.server.settings import DERIVED, KINDS, meanings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_smtp4d.server.documents import Document
    from pytest_smtp4d.server.serving import Serving

__all__ = ["main", "serve_parser"]

DEFAULT_PORT = 1025
HOUSEKEEPING = 1.0
"""Seconds between the moments at which what ended is forgotten."""

_OPTION_NAMES = {"users": "user", "tokens": "token", "names": "name"}
_MOST_PORTS = 65535


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pytest_smtp4d",
        description="A fake SMTP server that misbehaves on command.",
        epilog="Other commands, each with its own --help: judge, report.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve_parser(commands).set_defaults(run=_serve)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except (SettingsError, OSError) as error:
        parser.error(str(error))


def _version() -> str:
    from importlib.metadata import version

    return f"pytest-smtp4d {version('pytest-smtp4d')}"


# -- options -------------------------------------------------------------------------------------------------


def serve_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command `serve` and return its parser."""
    serve: argparse.ArgumentParser = commands.add_parser(
        "serve",
        help="run the server until SIGINT or SIGTERM",
        description="Run the server until SIGINT or SIGTERM.",
    )
    add_settings(serve)
    serve.add_argument("--fault", action="append", default=[], metavar="FAULT", help=FAULT_HELP)
    _add_output(serve)
    _add_http(serve)
    serve.add_argument("--version", action="version", version=_version())
    return serve


def _add_output(serve: argparse.ArgumentParser) -> None:
    group = serve.add_argument_group("output")
    group.add_argument(
        "--maildir", metavar="DIR", help="deliver messages into this Maildir (made when needed)"
    )
    group.add_argument(
        "--print",
        choices=("text", "json", "nothing"),
        help="what is printed: messages as text, events as JSON, one object a line, or nothing "
        "(default: text; nothing with --maildir)",
    )
    group.add_argument(
        "--print-content",
        action="store_true",
        help="with --print json: the octets of messages, too, as base64",
    )
    group.add_argument(
        "--ready-file",
        metavar="PATH",
        help="written when the server listens, removed before and after: JSON with host, port, url, http, "
        "caFile and pid",
    )
    group.add_argument(
        "--ca-dir", metavar="DIR", help="keep the certificate authority in this folder, and use it again"
    )
    group.add_argument("--ca-file", metavar="PATH", help="copy the CA's certificate (PEM) to this file")
    group.add_argument(
        "--until-stdin-closes", action="store_true", help="end when standard input does: with the parent"
    )


def _add_http(serve: argparse.ArgumentParser) -> None:
    group = serve.add_argument_group("live page and API", "need `pip install 'pytest-smtp4d[serve]'`")
    group.add_argument(
        "--http",
        metavar="[HOST:]PORT",
        type=_address,
        help="serve the live page and the API there (0: any free port)",
    )
    group.add_argument(
        "--keep", type=_positive, default=1000, help="messages that the API keeps (default: %(default)s)"
    )
    group.add_argument(
        "--keep-octets",
        type=_positive,
        default=256 << 20,
        help="octets of messages that the API keeps (default: %(default)s)",
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"it is a whole number, 1 or more, not {text}")
    return value


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > _MOST_PORTS:
        raise argparse.ArgumentTypeError(f"it is [HOST:]PORT such as 8025 or 127.0.0.1:0, not {text!r}")
    return host, int(port)


def add_settings(parser: argparse.ArgumentParser, without: Sequence[str] = ()) -> None:
    """Add an option for each setting.

    Args:
        parser: of a command.
        without: settings that it does not take.
    """
    from pytest_smtp4d.server.settings import ServerSettings

    group = parser.add_argument_group("settings")
    words = meanings()
    defaults = ServerSettings()
    for name, kind in KINDS.items():
        if name in without:
            continue
        option = f"--{_OPTION_NAMES.get(name, name).replace('_', '-')}"
        keywords = dict(kind.option())
        if name == "names":
            keywords["action"] = "extend"  # several options, and several names in each
        default = DEFAULT_PORT if name == "port" else DERIVED.get(name) or _shown(getattr(defaults, name))
        meaning = words.get(name, name).replace("; None: no limit", "").replace("; None: never", "")
        text = f"{meaning} (default: {default})".replace("%", "%%")
        group.add_argument(option, dest=name, default=None, help=text, **keywords)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    return str(value if value not in (None, {}) else "none")


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given."""
    settings: dict[str, Any] = {}
    for name, kind in KINDS.items():
        value = getattr(options, name, None)
        if value is not None:
            settings[name] = kind.from_options(name, value) if isinstance(kind, Accounts) else value
    return settings


# -- serving -------------------------------------------------------------------------------------------------


def _serve(options: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM, or the end of standard input where that was asked for."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    ready = Path(options.ready_file) if options.ready_file else None
    if ready is not None:
        ready.unlink(missing_ok=True)
    if options.until_stdin_closes:
        threading.Thread(target=_wait_for_stdin, args=(stop,), daemon=True).start()
    serving = _made(options)
    try:
        with serving.server, _http(serving, options) as http:
            if options.ca_file:
                shutil.copyfile(serving.server.ca_file, options.ca_file)
            place = _place(serving, options, http)
            _announce(serving, place)
            with _ready(ready, place):
                while not stop.wait(HOUSEKEEPING):
                    serving.keep_house()
    finally:
        serving.voice.close()
    return 0


def _wait_for_stdin(stop: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 65536):
            pass
    stop.set()


def _made(options: argparse.Namespace) -> Serving:
    from pytest_smtp4d.server.archive import Archive
    from pytest_smtp4d.server.certificates import CertificateAuthority, use_authority
    from pytest_smtp4d.server.maildir import Maildir
    from pytest_smtp4d.server.serving import Serving, Voice

    settings = {"port": DEFAULT_PORT, **settings_of(options)}
    if options.http is not None:
        _check_http(options)
    if options.ca_dir:
        use_authority(CertificateAuthority.kept_in(Path(options.ca_dir)))
    maildir = Maildir(options.maildir) if options.maildir else None
    form = options.print or ("nothing" if maildir else "text")
    archive = Archive(options.keep, options.keep_octets) if options.http is not None else None
    voice = Voice(form, with_content=options.print_content)
    try:
        return Serving(settings, options.fault, voice, maildir, archive)
    except SettingsError:
        voice.close()
        raise


def _check_http(options: argparse.Namespace) -> None:
    """See that the API can be served.

    Raises:
        SettingsError: what it needs is not installed, or others could reach it.
    """
    from pytest_smtp4d.server.settings import is_loopback

    host = options.http[0]
    if not is_loopback(host) and not options.allow_remote:
        raise SettingsError(
            f"--http {host!r} can be reached from other machines: use 127.0.0.1, or say --allow-remote"
        )
    try:
        import pytest_smtp4d.http.service  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn", "anyio"):
            raise
        raise SettingsError(
            f"--http needs {error.name}, which is not installed: pip install 'pytest-smtp4d[serve]'"
        ) from None


@contextlib.contextmanager
def _http(serving: Serving, options: argparse.Namespace) -> Iterator[str | None]:
    """Serve the API, where it is wanted; yield its base URL."""
    if options.http is None:
        yield None
        return
    from pytest_smtp4d.http.service import Service

    with Service(serving, *options.http) as service:
        yield service.url


def _place(serving: Serving, options: argparse.Namespace, http: str | None) -> Document:
    server = serving.server
    return {
        "host": server.host,
        "port": server.port,
        "url": server.url,
        "http": http,
        "caFile": str(Path(options.ca_file).absolute()) if options.ca_file else server.ca_file,
        "pid": os.getpid(),
    }


def _announce(serving: Serving, place: Document) -> None:
    serving.voice.event("listening", place)
    serving.voice.say(f"listening on {place['url']}")
    if serving.server.settings.tls != "none":
        serving.voice.say(f"clients may trust {place['caFile']}")
    if place["http"]:
        serving.voice.say(f"live page and API on {place['http']}")


@contextlib.contextmanager
def _ready(path: Path | None, place: Document) -> Iterator[None]:
    """Write the ready file, whole or not at all, and remove it in the end if it is still ours."""
    if path is None:
        yield
        return
    text = json.dumps(place)
    part = path.with_name(f".{path.name}.{place['pid']}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
        yield
    finally:
        part.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            if path.read_text(encoding="utf-8") == text:
                path.unlink()


if __name__ == "__main__":
    sys.exit(main())
