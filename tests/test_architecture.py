"""Imports point down only: every import of the package is read with `ast` and held against the floors."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import pytest_smtp4d

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = "pytest_smtp4d"
ROOT = Path(pytest_smtp4d.__file__).parent

# Top to bottom. A room may import from floors below it, and from its own floor within one package.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("", "__main__", "plugin"),
    ("transporter.transporter", "server.runner", "server.commandline"),
    (
        "transporter.session",
        "transporter.channel",
        "transporter.log",
        "transporter.waiting",
        "server.command_loop",
        "server.commands",
        "server.dialogue",
        "server.exchange",
        "server.listener",
        "server.login",
        "server.loop",
        "server.smtpd",
        "server.state",
        "server.transaction",
    ),
    (
        "transporter.options",
        "transporter.status",
        "transporter.error_stack",
        "transporter.letter",
        "server.certificates",
        "server.inbox",
        "server.marker",
        "server.watch",
    ),
    ("expect",),
    ("server.parameters", "server.settings", "server.sweep"),
    (
        "server.action",
        "server.fault",
        "server.match",
        "server.record",
        "server.rules",
        "server.transcript",
        "server.view",
        "server.violation",
    ),
    ("smtp.dialogue",),
    ("smtp.sasl", "smtp.command", "smtp.extension"),
    ("smtp.envelope", "smtp.wire", "mail.*", "server.content", "tls"),
    ("spelling",),
    ("errors",),
    ("smtp.reply",),
)

# No I/O, no clock, no threads: values in, values out.
PURE = (
    "errors",
    "spelling",
    "mail.*",
    "smtp.*",
    "expect",
    "server.action",
    "server.content",
    "server.marker",
    "server.parameters",
    "server.transcript",
    "server.view",
    "server.record",
    "server.fault",
    "server.match",
    "server.rules",
    "server.violation",
    "server.sweep",
)
IMPURE = frozenset({"asyncio", "socket", "ssl", "threading", "time", "aiosmtpd", "pytest", "trustme"})
EXCEPTIONS = {
    ("server.fault", "threading"): "sessions claim a fault while a test reads it: a lock around counters",
    ("server.rules", "threading"): "a test adds faults while the server asks them: a lock around the list",
}

# What only one room knows of.
SOLE_IMPORTER = {
    "aiosmtpd": "server.smtpd",
    "trustme": "server.certificates",
    "pytest": "plugin",
    "pytest_timeout": "plugin",
}


class Import(NamedTuple):
    """One imported module: its dotted name, its line, and whether only type checkers see it."""

    name: str
    line: int
    for_types: bool


def imports_of(source: str) -> Iterator[Import]:
    """Yield every import of a module, at any depth, `from x import y` as x.y too: y may be a module."""

    def walk(node: ast.AST, for_types: bool) -> Iterator[Import]:
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for statement in node.body:
                yield from walk(statement, True)
            for statement in node.orelse:
                yield from walk(statement, for_types)
            return
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, for_types) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            yield Import(prefix, node.lineno, for_types)
            yield from (Import(f"{prefix}.{alias.name}", node.lineno, for_types) for alias in node.names)
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith(("import_module", "__import__"))
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield Import(str(node.args[0].value), node.lineno, for_types)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, for_types)

    yield from walk(ast.parse(source), False)


def matches(room: str, pattern: str) -> bool:
    """Return whether a room is the one named, or inside the package `name.*`."""
    return room == pattern or (pattern.endswith(".*") and room.startswith(pattern[:-1]))


def height(room: str) -> int | None:
    """Return the floor of a room, the ground being 0; None where the table does not know it."""
    named = [i for i, floor in enumerate(reversed(FLOORS)) if room in floor]
    wild = [i for i, floor in enumerate(reversed(FLOORS)) if any(matches(room, p) for p in floor)]
    return next(iter(named or wild), None)


def flaws(sources: Mapping[str, str]) -> list[str]:
    """Return what is wrong with a package, given as room -> source; its `__init__` is the room ""."""
    packages = {room.rpartition(".")[0] for room in sources if "." in room}
    found: list[str] = []
    graph: dict[str, set[str]] = {}
    for room, source in sorted(sources.items()):
        inside = room in packages and room != ""
        if inside and [
            node for node in ast.parse(source).body if not isinstance(node, ast.Expr | ast.ImportFrom)
        ]:
            found.append(f"{room}/__init__.py: a package's __init__ holds a docstring and nothing else")
        if not inside and height(room) is None:
            found.append(f"{room}: has no floor; give it one in FLOORS")
        for wanted in imports_of(source):
            where = f"{room or '__init__'}:{wanted.line}"
            if wanted.name.startswith("."):
                found.append(f"{where}: relative import of {wanted.name}")
                continue
            found.extend(f"{where}: {flaw}" for flaw in _foreign(room, wanted))
            target = wanted.name.removeprefix(PACKAGE + ".")
            if wanted.name == PACKAGE or target not in sources or target in packages or wanted.for_types:
                continue
            graph.setdefault(room, set()).add(target)
            found.extend(f"{where}: {flaw}" for flaw in _upward(room, target))
    found.extend(_cycles(graph))
    return list(dict.fromkeys(found))


def _foreign(room: str, wanted: Import) -> Iterator[str]:
    top = wanted.name.partition(".")[0]
    if top == PACKAGE:
        return
    sole = SOLE_IMPORTER.get(top)
    if sole not in (None, room):
        yield f"imports {top}, which only {sole} knows"
    if wanted.for_types or (room, top) in EXCEPTIONS:
        return
    if top in IMPURE and any(matches(room, pattern) for pattern in PURE):
        yield f"imports {top} in a pure room"


def _upward(room: str, target: str) -> Iterator[str]:
    here, there = height(room), height(target)
    if here is None or there is None:
        return
    same_package = room.partition(".")[0] == target.partition(".")[0]
    if there > here or (there == here and not same_package):
        yield f"imports {target}, which is not below it"
    if {room.partition(".")[0], target.partition(".")[0]} == {"mail", "smtp"}:
        yield f"imports {target}: mail and smtp know nothing of each other"


def _cycles(graph: Mapping[str, set[str]]) -> Iterator[str]:
    done: set[str] = set()

    def visit(room: str, path: tuple[str, ...]) -> Iterator[str]:
        if room in path:
            yield f"imports go in a circle: {' -> '.join((*path[path.index(room) :], room))}"
            return
        if room in done:
            return
        for target in sorted(graph.get(room, ())):
            yield from visit(target, (*path, room))
        done.add(room)

    for room in sorted(graph):
        yield from visit(room, ())


def package_sources() -> dict[str, str]:
    """Return room -> source of the package itself."""
    sources: dict[str, str] = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        room = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        sources[room] = path.read_text(encoding="utf-8")
    return sources


def test_the_package_keeps_its_architecture() -> None:
    """Imports point down, pure rooms do no I/O, and each foreign package has the one room that knows it."""
    assert flaws(package_sources()) == []


def test_every_room_of_the_table_of_sole_importers_exists() -> None:
    """The rooms that alone may import a package are there and do import it: the rule is about something."""
    sources = package_sources()
    for package, room in SOLE_IMPORTER.items():
        assert package in {wanted.name.partition(".")[0] for wanted in imports_of(sources[room])}


@pytest.mark.parametrize(
    ("sources", "flaw"),
    [
        pytest.param(
            {"errors": "import pytest_smtp4d.plugin", "plugin": ""},
            "errors:1: imports plugin, which is not below it",
            id="up",
        ),
        pytest.param(
            {"smtp.wire": "def f():\n    from pytest_smtp4d.smtp.sasl import x", "smtp.sasl": ""},
            "smtp.wire:2: imports smtp.sasl, which is not below it",
            id="up-inside-a-function",
        ),
        pytest.param(
            {"expect": "from pytest_smtp4d.server import runner", "server.runner": ""},
            "expect:1: imports server.runner, which is not below it",
            id="up-as-a-name-of-its-package",
        ),
        pytest.param(
            {
                "errors": "from importlib import import_module\nimport_module('pytest_smtp4d.plugin')",
                "plugin": "",
            },
            "errors:2: imports plugin, which is not below it",
            id="up-by-importlib",
        ),
        pytest.param(
            {"transporter.channel": "import pytest_smtp4d.server.smtpd", "server.smtpd": ""},
            "transporter.channel:1: imports server.smtpd, which is not below it",
            id="sideways",
        ),
        pytest.param(
            {"smtp.sasl": "from pytest_smtp4d.mail.address import f", "mail.address": ""},
            "smtp.sasl:1: imports mail.address: mail and smtp know nothing of each other",
            id="mail-and-smtp",
        ),
        pytest.param(
            {"mail.a": "import pytest_smtp4d.mail.b", "mail.b": "import pytest_smtp4d.mail.a"},
            "imports go in a circle: mail.a -> mail.b -> mail.a",
            id="circle",
        ),
        pytest.param({"mail.a": "import time"}, "mail.a:1: imports time in a pure room", id="clock"),
        pytest.param(
            {"expect": "import asyncio.events"}, "expect:1: imports asyncio in a pure room", id="io"
        ),
        pytest.param(
            {"server.violation": "from threading import Lock"},
            "server.violation:1: imports threading in a pure room",
            id="threads",
        ),
        pytest.param(
            {"server.runner": "from aiosmtpd.smtp import SMTP"},
            "server.runner:1: imports aiosmtpd, which only server.smtpd knows",
            id="aiosmtpd",
        ),
        pytest.param(
            {"plugin": "if x:\n    import trustme"},
            "plugin:2: imports trustme, which only server.certificates knows",
            id="trustme",
        ),
        pytest.param(
            {"expect": "from __future__ import annotations\nif TYPE_CHECKING:\n    import pytest"},
            "expect:3: imports pytest, which only plugin knows",
            id="pytest-even-for-types",
        ),
        pytest.param({"surprise": ""}, "surprise: has no floor; give it one in FLOORS", id="unknown-room"),
        pytest.param({"errors": "from . import plugin"}, "errors:1: relative import of .", id="relative"),
        pytest.param(
            {"mail": "x = 1", "mail.a": ""},
            "mail/__init__.py: a package's __init__ holds a docstring and nothing else",
            id="logic-in-init",
        ),
    ],
)
def test_the_reader_sees_each_kind_of_flaw(sources: dict[str, str], flaw: str) -> None:
    """The check above can fail: a package with this flaw is refused, in these words."""
    assert flaw in flaws(sources)


def test_the_reader_lets_the_allowed_pass() -> None:
    """Down, within a package, for types only, and the exceptions with a reason are no flaws."""
    sources = {
        "plugin": "import pytest\ndef f():\n    from pytest_smtp4d.server.server import SMTPServer",
        "server.runner": "import asyncio\nfrom pytest_smtp4d.server import smtpd",
        "server.smtpd": "import aiosmtpd.smtp\nfrom pytest_smtp4d.smtp.reply import Reply",
        "server.fault": "import threading\nif TYPE_CHECKING:\n    import pytest_smtp4d.server.server",
        "server": '"""A room."""\nfrom __future__ import annotations',
        "smtp.reply": "import re",
        "mail.compose": "import pytest_smtp4d.mail.address",
        "mail.address": "from pytest_smtp4d.errors import MailError",
        "errors": "",
    }
    assert flaws(sources) == []
