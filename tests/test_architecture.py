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

# Top to bottom: a room may import what stands below it and nothing else, so no floor holds two rooms.
ROOMS: tuple[str, ...] = (
    "",
    # Beside the packages.
    "plugin",
    "failure",
    "testrun",
    "options",
    "factories",
    "collection",
    "__main__",
    # The package judge.
    "judge.verdict",
    "judge.table",
    "judge.trial",
    "judge.program",
    # The package server.
    "server.serve",
    # The package intercept.
    "intercept.hooks",
    "intercept.patch",
    "intercept.django_settings",
    # The package http.
    "http.service",
    "http.api",
    "http.search",
    "http.page",
    "http.gate",
    # The package server.
    "server.serving",
    "server.marker",
    "server.disturbance",
    "server.server",
    "server.listener",
    "server.connection",
    "server.entrance",
    "server.state",
    # The package intercept.
    "intercept.outgoing",
    "intercept.interception",
    "intercept.watching",
    "intercept.trust",
    "intercept.marks",
    "intercept.block",
    "intercept.target",
    "intercept.run_settings",
    "intercept.reserved",
    "intercept.place",
    # The package server.dialogue.
    "server.dialogue.dialogue",
    "server.dialogue.transaction",
    "server.dialogue.login",
    "server.dialogue.commands",
    "server.dialogue.answer",
    "server.dialogue.protocol",
    "server.dialogue.step",
    "server.dialogue.offer",
    "server.dialogue.replies",
    "server.dialogue.content",
    # The package report.
    "report.merge",
    "report.hooks",
    "report.limit",
    "report.page",
    "report.plain",
    "report.pack",
    "report.document",
    "report.mail",
    "report.settings",
    "report.export",
    "report.bridges",
    "report.visible",
    "report.redact",
    "report.outcome",
    "report.links",
    "report.file",
    # The package server.
    "server.documents",
    "server.archive",
    "server.follower",
    "server.watch",
    "server.transport",
    "server.cleared",
    "server.ini",
    "server.certificates",
    "server.settings",
    "server.keywords",
    "server.output",
    "server.maildir",
    "server.loop",
    "server.event_loop",
    "server.selector",
    "server.kinds",
    "server.inbox",
    "server.fault_words",
    "server.arrivals",
    # The package faults.
    "faults.sweep",
    "faults.rules",
    "faults.fault",
    "faults.match",
    "faults.stage",
    "faults.action",
    "faults.reply",
    "faults.injection",
    # The package transporter.
    "transporter.transporter",
    "transporter.event_loop",
    "transporter.client",
    "transporter.connect",
    "transporter.channel",
    "transporter.waiting",
    "transporter.trust",
    "transporter.status",
    "transporter.outgoing",
    "transporter.options",
    "transporter.log",
    "transporter.error_stack",
    # The package records.
    "records.expect",
    "records.criteria",
    "records.advice",
    "records.record",
    "records.violation",
    "records.view",
    "records.transcript",
    "records.snapshot",
    "records.recorder",
    "records.lint",
    "records.canary",
    "records.mime",
    "records.masking",
    "records.html",
    "records.grammar",
    "records.duplicate",
    "records.difference",
    # The package smtp.
    "smtp.dialogue",
    "smtp.wire",
    "smtp.sasl",
    "smtp.command",
    "smtp.secret",
    "smtp.extension",
    "smtp.reply",
    "smtp.envelope",
    # The package mail.
    "mail.incoming",
    "mail.parse",
    "mail.tree",
    "mail.transfer_encoding",
    "mail.compose",
    "mail.structure",
    "mail.multipart",
    "mail.field",
    "mail.email",
    "mail.attachment",
    "mail.parameter",
    "mail.message",
    "mail.header",
    "mail.encoded_word",
    "mail.date",
    "mail.address",
    "mail.address_list",
    "mail.structured",
    "mail.smime",
    "mail.scheme",
    "mail.mailbox",
    "mail.charset",
    "mail.iso2022_jp",
    "mail.charset_label",
    # Beside the packages.
    "spelling",
    "slips",
    "words",
    "tls",
    "timeout",
    "checks",
    "errors",
    "clock",
)

# What a package's rooms may import outside it. Rooms beside the packages may import whatever is below them.
MAY_IMPORT: Mapping[str, frozenset[str]] = {
    "faults": frozenset({"checks", "errors", "records", "smtp", "words"}),
    "http": frozenset(
        {
            "errors",
            "faults",
            "records",
            "report",
            "server.archive",
            "server.certificates",
            "server.documents",
            "server.serving",
            "server.settings",
            "words",
        }
    ),
    "intercept": frozenset({"errors", "server.certificates", "server.entrance", "server.server", "words"}),
    "judge": frozenset(
        {
            "errors",
            "faults",
            "records",
            "server.disturbance",
            "server.server",
            "server.settings",
            "server.watch",
        }
    ),
    "mail": frozenset({"errors", "spelling", "words"}),
    "records": frozenset({"errors", "mail", "slips", "smtp", "words"}),
    "report": frozenset({"errors", "mail", "records", "server.ini", "server.watch", "words"}),
    "server": frozenset(
        {
            "checks",
            "clock",
            "errors",
            "faults",
            "http",
            "records",
            "server.dialogue",
            "slips",
            "smtp",
            "tls",
            "words",
        }
    ),
    "server.dialogue": frozenset({"faults", "records", "server.settings", "smtp", "words"}),
    "smtp": frozenset({"errors"}),
    "transporter": frozenset({"clock", "errors", "mail", "smtp", "spelling", "tls", "words"}),
}

# No I/O, no clock, no threads: values in, values out.
PURE = (
    "errors",
    "faults.*",
    "mail.*",
    "records.*",
    "report.document",
    "report.limit",
    "report.links",
    "report.mail",
    "report.pack",
    "report.page",
    "report.plain",
    "report.redact",
    "report.visible",
    "server.dialogue.*",
    "server.kinds",
    "server.marker",
    "server.settings",
    "smtp.*",
    "spelling",
    "slips",
    "words",
)
IMPURE = frozenset(
    {
        "aiosmtpd",
        "asyncio",
        "concurrent",
        "multiprocessing",
        "pytest",
        "select",
        "selectors",
        "signal",
        "socket",
        "ssl",
        "subprocess",
        "threading",
        "time",
        "trustme",
        f"{PACKAGE}.clock",
        f"{PACKAGE}.tls",
    }
)
EXCEPTIONS = {
    ("faults.fault", "threading"): "sessions claim a fault while a test reads it: a lock around counters",
    ("faults.rules", "threading"): "a test adds faults while the server asks them: a lock around the list",
}

# What only some rooms know of when they run.
IMPORTERS = {
    "aiosmtpd": {"server.connection"},
    "trustme": {"server.certificates"},
    "pytest": {"plugin", "failure", "intercept.hooks", "intercept.run_settings", "report.hooks"},
    "_pytest": {"failure", "report.bridges"},
    "pytest_timeout": {"timeout"},
    "starlette": {"http.api", "http.gate"},
    "uvicorn": {"http.service"},
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
    """Return how high a room stands, the ground being 0; None where the table does not know it."""
    return len(ROOMS) - 1 - ROOMS.index(room) if room in ROOMS else None


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
            found.append(f"{room}: has no place; give it one in ROOMS")
        for wanted in imports_of(source):
            where = f"{room or '__init__'}:{wanted.line}"
            if wanted.name.startswith("."):
                found.append(f"{where}: relative import of {wanted.name}")
                continue
            found.extend(f"{where}: {flaw}" for flaw in _foreign(room, wanted))
            target = wanted.name.removeprefix(PACKAGE + ".")
            if wanted.name == PACKAGE or target not in sources or target in packages or target == room:
                continue
            graph.setdefault(room, set()).add(target)
            found.extend(f"{where}: {flaw}" for flaw in _wrong_way(room, target))
    found.extend(_cycles(graph))
    return list(dict.fromkeys(found))


def _foreign(room: str, wanted: Import) -> Iterator[str]:
    top = wanted.name.partition(".")[0]
    allowed = IMPORTERS.get(top)
    if allowed is not None and room not in allowed and not wanted.for_types:
        yield f"imports {top}, which only {', '.join(sorted(allowed))} knows"
    impure = wanted.name if top == PACKAGE else top
    if wanted.for_types or (room, impure) in EXCEPTIONS:
        return
    if impure in IMPURE and any(matches(room, pattern) for pattern in PURE):
        yield f"imports {impure} in a pure room"


def _wrong_way(room: str, target: str) -> Iterator[str]:
    here, there = height(room), height(target)
    if here is None or there is None:
        return
    if there >= here:
        yield f"imports {target}, which is not below it"
    package, foreign = room.rpartition(".")[0], target.rpartition(".")[0]
    if package and package != foreign and not {foreign, target} & MAY_IMPORT.get(package, frozenset()):
        yield f"imports {target}: {package} knows nothing of it"


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


def test_every_entry_of_the_tables_is_about_something() -> None:
    """What the tables name exists, and is imported where they say: no rule outlives its reason."""
    sources = package_sources()
    packages = {room.rpartition(".")[0] for room in sources if "." in room}
    assert [room for room in ROOMS if room not in sources] == []
    assert sorted(set(MAY_IMPORT) ^ packages) == []
    for package, rooms in IMPORTERS.items():
        for room in rooms:
            assert package in {wanted.name.partition(".")[0] for wanted in imports_of(sources[room])}
    for package, allowed in MAY_IMPORT.items():
        own = [room for room in sources if room.rpartition(".")[0] == package]
        names = {
            wanted.name.removeprefix(f"{PACKAGE}.") for room in own for wanted in imports_of(sources[room])
        }
        assert sorted(target for target in allowed if not names & {*_inside(target, sources)}) == []


def _inside(target: str, sources: Mapping[str, str]) -> Iterator[str]:
    yield from (room for room in sources if room == target or room.rpartition(".")[0] == target)


@pytest.mark.parametrize(
    ("sources", "flaw"),
    [
        pytest.param(
            {"errors": "import pytest_smtp4d.plugin", "plugin": ""},
            "errors:1: imports plugin, which is not below it",
            id="up",
        ),
        pytest.param(
            {"smtp.reply": "def f():\n    from pytest_smtp4d.smtp.sasl import x", "smtp.sasl": ""},
            "smtp.reply:2: imports smtp.sasl, which is not below it",
            id="up-inside-a-function",
        ),
        pytest.param(
            {
                "smtp.reply": "if TYPE_CHECKING:\n    from pytest_smtp4d.smtp.sasl import x",
                "smtp.sasl": "",
            },
            "smtp.reply:2: imports smtp.sasl, which is not below it",
            id="up-for-types",
        ),
        pytest.param(
            {"records.expect": "from pytest_smtp4d.server import server", "server.server": ""},
            "records.expect:1: imports server.server, which is not below it",
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
            {"server.server": "import pytest_smtp4d.transporter.channel", "transporter.channel": ""},
            "server.server:1: imports transporter.channel: server knows nothing of it",
            id="sideways",
        ),
        pytest.param(
            {"smtp.sasl": "from pytest_smtp4d.mail.address import f", "mail.address": ""},
            "smtp.sasl:1: imports mail.address: smtp knows nothing of it",
            id="mail-and-smtp",
        ),
        pytest.param(
            {
                "mail.a": "import pytest_smtp4d.mail.b",
                "mail.b": "if TYPE_CHECKING:\n    import pytest_smtp4d.mail.a",
            },
            "imports go in a circle: mail.a -> mail.b -> mail.a",
            id="circle",
        ),
        pytest.param({"mail.date": "import time"}, "mail.date:1: imports time in a pure room", id="clock"),
        pytest.param(
            {"server.dialogue.answer": "from pytest_smtp4d import clock", "clock": ""},
            "server.dialogue.answer:1: imports pytest_smtp4d.clock in a pure room",
            id="our-clock",
        ),
        pytest.param(
            {"records.expect": "import asyncio.events"},
            "records.expect:1: imports asyncio in a pure room",
            id="io",
        ),
        pytest.param(
            {"records.violation": "from threading import Lock"},
            "records.violation:1: imports threading in a pure room",
            id="threads",
        ),
        pytest.param(
            {"server.server": "from aiosmtpd.smtp import SMTP"},
            "server.server:1: imports aiosmtpd, which only server.connection knows",
            id="aiosmtpd",
        ),
        pytest.param(
            {"plugin": "if x:\n    import trustme"},
            "plugin:2: imports trustme, which only server.certificates knows",
            id="trustme",
        ),
        pytest.param({"surprise": ""}, "surprise: has no place; give it one in ROOMS", id="unknown-room"),
        pytest.param({"errors": "from . import plugin"}, "errors:1: relative import of .", id="relative"),
        pytest.param(
            {"mail": "x = 1", "mail.address": ""},
            "mail/__init__.py: a package's __init__ holds a docstring and nothing else",
            id="logic-in-init",
        ),
    ],
)
def test_the_reader_sees_each_kind_of_flaw(sources: dict[str, str], flaw: str) -> None:
    """The check above can fail: a package with this flaw is refused, in these words."""
    assert flaw in flaws(sources)


def test_the_reader_lets_the_allowed_pass() -> None:
    """Down, in a package and out of it, pytest for types only, and the exceptions are no flaws."""
    sources = {
        "plugin": "import pytest\ndef f():\n    from pytest_smtp4d.server.server import SMTPServer",
        "server.server": "import asyncio\nfrom pytest_smtp4d.server import connection",
        "server.connection": "import aiosmtpd.smtp\nfrom pytest_smtp4d.smtp.reply import Reply",
        "faults.fault": "import threading\nif TYPE_CHECKING:\n    import pytest_smtp4d.records.record",
        "records.record": "if TYPE_CHECKING:\n    import pytest",
        "server": '"""A room."""\nfrom __future__ import annotations',
        "smtp.reply": "import re",
        "mail.compose": "import pytest_smtp4d.mail.address",
        "mail.address": "from pytest_smtp4d.errors import MailError",
        "errors": "",
    }
    assert flaws(sources) == []
