"""Write the tables of the reference from the code: `python docs/tables.py`.

A page holds a table between two comments, `<!-- table: NAME -->` and `<!-- end -->`; what stands between
them is replaced by what the function of that NAME here returns. The test suite fails when a page is behind.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

DOCS = Path(__file__).resolve().parent
_TABLE = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rows(head: tuple[str, ...], lines: Iterable[tuple[object, ...]]) -> str:
    """Return a Markdown table."""
    text = [head, tuple("---" for _ in head), *lines]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in text
    )


def rooms() -> str:
    """Every file of the package, and the first sentence of its docstring."""
    import ast

    def sentence(path: Path) -> str:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        return " ".join(text.partition("\n\n")[0].split()).replace("<", "\\<")

    package = DOCS.parent / "pytest_smtp4d"
    files = sorted(package.rglob("*.py"), key=lambda path: (path.parent.parts, path.name))
    return rows(
        ("file", "what it is for"),
        (
            (f"`{path.relative_to(package).as_posix()}`", sentence(path))
            for path in files
            if path.name != "__init__.py" or path.parent != package
        ),
    )


def error_codes() -> str:
    """4D's error stack: our codes."""
    from pytest_smtp4d.errors import Cause

    return rows(
        ("errCode", "componentSignature", "cause", "what to check"),
        ((cause.code, cause.signature, cause.name, cause.advice) for cause in Cause),
    )


def server_options() -> str:
    """What a transporter is made from."""
    from dataclasses import MISSING, fields
    from enum import Enum

    from pytest_smtp4d.transporter.options import Options, spelled_as_4d

    def default(value: object) -> str:
        if value is MISSING:
            return "required"
        return f"`{str(value) if isinstance(value, Enum) else repr(value)}`"

    return rows(
        ("key", "keyword", "type", "default"),
        (
            (
                f"`{spelled_as_4d(option.name)}`",
                f"`{option.name}`",
                f"`{option.type}`",
                default(option.default),
            )
            for option in fields(Options)
        ),
    )


def settings() -> str:
    """What a fake server is set to: the meanings are those of the class's docstring."""
    from pytest_smtp4d.server.settings import DERIVED, NAMES, ServerSettings, meanings

    words = meanings()
    plain = ServerSettings()
    rules = {**DERIVED, "extensions": "all but the last three", "users": "`{}`", "tokens": "`{}`"}
    return rows(
        ("setting", "default", "what it does"),
        ((f"`{name}`", rules.get(name, f"`{getattr(plain, name)!r}`"), words[name]) for name in NAMES),
    )


def setting_values() -> str:
    """The settings that are names of something, and the names."""
    from pytest_smtp4d.records.violation import VIOLATIONS
    from pytest_smtp4d.server import settings
    from pytest_smtp4d.smtp.sasl import SERVER_MECHANISMS

    names = {
        "tls": settings.TLS_MODES,
        "certificate": settings.CERTIFICATES,
        "client_certificate": settings.CLIENT_CERTIFICATES,
        "tls_versions": settings.TLS_VERSIONS,
        "auth": SERVER_MECHANISMS,
        "extensions": settings.EXTENSIONS,
        "ignore_violations": tuple(VIOLATIONS),
    }
    return rows(
        ("setting", "names"),
        ((f"`{name}`", ", ".join(f"`{one}`" for one in known)) for name, known in names.items()),
    )


def fixtures() -> str:
    """Fixtures, read off the plugin's source: pytest has no public way to list them without a run."""
    import ast

    import pytest_smtp4d.plugin

    def lines() -> Iterator[tuple[object, ...]]:
        source = Path(pytest_smtp4d.plugin.__file__).read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                for decorator in map(ast.unparse, node.decorator_list):
                    if decorator.startswith("pytest.fixture"):
                        scope = "session" if "session" in decorator else "function"
                        yield f"`{node.name}`", scope, (ast.get_docstring(node) or "").partition("\n")[0]

    def need(line: tuple[object, ...]) -> tuple[object, ...]:
        return line[1], line[0] not in ("`smtp_server`", "`transporter`"), line[0]

    return rows(("fixture", "scope", "what it is"), sorted(lines(), key=need))


def markers() -> str:
    """Markers, as `pytest --markers` shows them."""
    from pytest_smtp4d.options import MARKERS

    parted = ((name, *meaning.partition(": ")) for name, meaning in MARKERS.items())
    return rows(
        ("marker", "what it does"), ((f"`{name}{signature}`", what) for name, signature, _, what in parted)
    )


def ini_settings() -> str:
    """Settings that are ini values, and how these are written."""
    from pytest_smtp4d.server.settings import KINDS

    return rows(
        ("ini", "a value is written"),
        ((f"`smtp4d_{name}`", kind.written) for name, kind in KINDS.items()),
    )


def fault_stages() -> str:
    """Where a fault can be put."""
    from pytest_smtp4d.faults.stage import STAGES

    return rows(
        ("stage", "when", "argument"), ((name, row.when, row.argument) for name, row in STAGES.items())
    )


def fault_actions() -> str:
    """Which stage can do what."""
    from pytest_smtp4d.faults.action import ACTIONS
    from pytest_smtp4d.faults.fault import actions_of
    from pytest_smtp4d.faults.stage import STAGES

    def cells(stage: str) -> Iterator[str]:
        able = actions_of(stage)
        yield from ("✓" if name in able else "" for name in ACTIONS)
        yield "✓" if STAGES[stage].has_content else ""

    return rows(("stage", *ACTIONS, "after_octets"), ((stage, *cells(stage)) for stage in STAGES))


def sweep() -> str:
    """Which stage can have which kind of fault, with the codes that refuse."""
    from pytest_smtp4d.faults.action import ReplyWith
    from pytest_smtp4d.faults.rules import Rules
    from pytest_smtp4d.faults.sweep import DEFAULT_STAGES, KINDS, SETTINGS_OF_KIND, STAGE_KINDS, apply

    def cell(stage: str, kind: str) -> object:
        if kind not in STAGE_KINDS[stage]:
            return ""
        if kind in SETTINGS_OF_KIND:
            return ", ".join(f"`{name}={value!r}`" for name, value in SETTINGS_OF_KIND[kind].items())
        action = apply(Rules(), stage, kind)._actions[0]
        return action.reply.code if isinstance(action, ReplyWith) else "✓"

    return rows(
        ("stage", *KINDS, "by default"),
        (
            (stage, *(cell(stage, kind) for kind in KINDS), "✓" if stage in DEFAULT_STAGES else "")
            for stage in STAGE_KINDS
        ),
    )


def violations() -> str:
    """The closed list of what a client can do against the RFCs."""
    from pytest_smtp4d.records.violation import VIOLATIONS

    return rows(
        ("name", "fatal", "RFC", "what the client did"),
        (
            (f"`{name}`", "yes" if row.fatal else "no", row.rfc, row.meaning)
            for name, row in VIOLATIONS.items()
        ),
    )


def line_limits() -> str:
    """How long a line may be."""
    from pytest_smtp4d.records.violation import MAXIMUM_LINE
    from pytest_smtp4d.smtp.command import LIMITS, MAX_LINE

    limits = {"content": MAXIMUM_LINE, "command": MAX_LINE, **LIMITS}
    return rows(("line", "octets with CRLF"), limits.items())


def message_views() -> str:
    """What `ReceivedMessage` parses on first use."""
    import inspect
    from functools import cached_property

    from pytest_smtp4d.records.record import ReceivedMessage

    def lines() -> Iterator[tuple[object, ...]]:
        for name, member in vars(ReceivedMessage).items():
            if name.startswith("_"):
                continue
            if isinstance(member, cached_property):
                yield f"`{name}`", _first_line(member.func)
            elif inspect.isfunction(member):
                parameters = [*inspect.signature(member).parameters.values()][1:]
                shown = (str(parameter.replace(annotation=parameter.empty)) for parameter in parameters)
                yield f"`{name}({', '.join(shown)})`", _first_line(member)

    return rows(("member", "what it is"), lines())


def _first_line(documented: object) -> str:
    """Return what a docstring says first, as a noun."""
    text = (documented.__doc__ or "").partition("\n")[0].removeprefix("Return ").rstrip(".")
    return text[:1].lower() + text[1:]


def failure() -> str:
    """What a failed `one()` says."""
    from datetime import datetime, timezone

    from pytest_smtp4d.records.expect import Expectation, explain_lack
    from pytest_smtp4d.records.record import ReceivedMessage, Session, Transaction
    from pytest_smtp4d.records.recorder import Recorder
    from pytest_smtp4d.smtp.reply import Reply

    def stored(session: Session, recipient: str, subject: str) -> ReceivedMessage:
        content = f"To: {recipient}\r\nSubject: {subject}\r\n\r\nHello\r\n".encode()
        moment = datetime.now(timezone.utc)
        message = ReceivedMessage("shop@example.com", [recipient], (), {}, content, moment, session)
        session._begin(Transaction("shop@example.com", [recipient], message=message))
        return message

    recorders = [Recorder() for _ in range(3)]
    sessions = [
        Session(("127.0.0.1", port), recorder)
        for port, recorder in zip((41234, 41235, 41236), recorders, strict=True)
    ]
    messages = [
        stored(sessions[0], "bob@example.org", "Invoice"),
        stored(sessions[0], "ada@example.org", "Hello"),
    ]
    refused = Transaction("shop@example.com")
    refused._refuse_recipient("nobody@example.org", Reply(550, "5.1.1 No such user"))
    sessions[0]._begin(refused)
    recorders[1].command(b"STARTTLS\r\n", "STARTTLS", "", pipelined=False)
    recorders[1].reply(Reply(220, "2.0.0 Ready to start TLS"))
    sessions[1]._end("TLS alert: unknown ca")
    recorders[2].command(b"AUTH PLAIN secret\r\n", "AUTH", "PLAIN secret", pipelined=False)
    recorders[2].reply(Reply(535, "5.7.8 Authentication credentials invalid"))
    sessions[2]._end("QUIT")
    expectation = Expectation({"subject": "Hello!", "to": "ada@example.org"})
    text = explain_lack(expectation, messages, sessions, wanted=1, timeout=5.0)
    return f"```text\n{text}\n```"


def media_types() -> str:
    """What the extension of an attachment's name says of its type."""
    from pytest_smtp4d.mail.attachment import MEDIA_TYPES

    extensions: dict[str, list[str]] = {}
    for extension, media_type in MEDIA_TYPES.items():
        extensions.setdefault(media_type, []).append(f"`{extension}`")
    lines = [(", ".join(names), f"`{media_type}`") for media_type, names in extensions.items()]
    return rows(("extension", "type"), [*lines, ("any other, or none", "`application/octet-stream`")])


@cache
def readme_failure() -> str:
    """What pytest says of the test on README's first page that fails."""
    import subprocess
    import sys

    options = ["-p", "no:randomly", "-p", "no:cacheprovider", "--tb=short", "-q"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_invoice.py"],
        cwd=DOCS / "examples" / "first-page",
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "SMTP4D"))},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if "1 failed, 1 passed" not in run.stdout:
        raise RuntimeError(f"one test of the first page should pass, and one fail:\n{run.stdout}{run.stderr}")
    told = run.stdout.partition("\nE   ")[2].partition("\n(QUIT)")[0]
    told = re.sub(r"\n/.*smtplib.*\n", "\n", f"E   {told}")
    told = re.sub(r"(?<=C: ehlo ).*", "[127.0.0.1]", told)
    told = re.sub(r" with 127\.0\.0\.1:\d+|(?<=127\.0\.0\.1):\d+", "", told)
    lines = [line if len(line) <= 100 else f"{line[:96].rpartition(' ')[0]} …" for line in told.splitlines()]
    return "\n".join(["```text", *(line for line in lines if line), "```"])


def serve_options() -> str:
    """Options of `serve`, from its argument parser."""
    import argparse

    from pytest_smtp4d.server.serve import serve_parser

    commands = argparse.ArgumentParser(prog="x").add_subparsers()
    serve = serve_parser(commands)

    def written(action: argparse.Action) -> str:
        value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else None)
        if value is None and action.nargs != 0:
            value = action.dest.upper()
        return f"{', '.join(action.option_strings)} {value or ''}".strip()

    def meaning(action: argparse.Action) -> str:
        text = (action.help or "") % {"default": action.default, "prog": "serve"}
        return text.replace("<", "\\<")

    return rows(
        ("option", "what it does"),
        ((f"`{written(action)}`", meaning(action)) for action in serve._actions if action.dest != "help"),
    )


def http_routes() -> str:
    """Routes of the API, from its OpenAPI document."""
    from pytest_smtp4d.http.api import description

    def lines() -> Iterator[tuple[object, ...]]:
        for path, methods in description()["paths"].items():
            for method, operation in methods.items():
                query = [f"`{one['name']}`" for one in operation["parameters"] if one["in"] == "query"]
                body = operation.get("requestBody", {}).get("description", "")
                yield f"`{method.upper()} {path}`", operation["summary"], ", ".join(query), body

    return rows(("request", "what it does", "query", "body"), lines())


TABLES: dict[str, Callable[[], str]] = {
    "error-codes": error_codes,
    "failure": failure,
    "fault-actions": fault_actions,
    "fault-stages": fault_stages,
    "fixtures": fixtures,
    "http-routes": http_routes,
    "ini-settings": ini_settings,
    "line-limits": line_limits,
    "markers": markers,
    "media-types": media_types,
    "message-views": message_views,
    "readme-failure": readme_failure,
    "rooms": rooms,
    "serve-options": serve_options,
    "server-options": server_options,
    "setting-values": setting_values,
    "settings": settings,
    "sweep": sweep,
    "violations": violations,
}


def pages() -> Iterator[tuple[Path, str, str]]:
    """Yield each page that holds a table: its path, its text as it is, and as it should be."""
    for path in [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        fresh = _TABLE.sub(lambda match: f"{match[1]}{TABLES[match[2]]()}\n{match[3]}", text)
        if _TABLE.search(text):
            yield path, text, fresh


def main() -> None:
    """Bring every page up to the code."""
    for path, text, fresh in pages():
        if text != fresh:
            path.write_text(fresh, encoding="utf-8")
            print(f"wrote {path.relative_to(DOCS.parent)}")  # noqa: T201 - a script


if __name__ == "__main__":
    main()
