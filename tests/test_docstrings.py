"""What a public name hovers as: a sentence, and for what users call an example that runs."""

from __future__ import annotations

import ast
import asyncio
import doctest
import inspect
import re
import ssl
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, is_typeddict

import pytest

import pytest_smtp4d
from pytest_smtp4d import MakeSMTPServer, MakeTransporter, SMTPServer, SMTPTransporter, plugin
from pytest_smtp4d.mail.email import _CHECKS
from pytest_smtp4d.server.certificates import CertificateAuthority

MADE_BY_US = frozenset(
    {
        *("Command", "ExpectedMessages", "Tls", "TranscriptLine", "Violation"),
        *("LocalProtocolError", "RemoteProtocolError", "SMTP4DError", "SMTPBlockedError"),
        *("CertificateAuthority.kept_in", "CertificateAuthority.server_context"),
    }
)
"""What a test reads or catches, and neither makes nor calls."""


class Documented(NamedTuple):
    """A public name, or a public member of one."""

    name: str
    value: Any

    @property
    def doc(self) -> str:
        """Its own docstring; "" where it has none, or inherits one from outside the package."""
        return inspect.cleandoc(self.value.__doc__ or "")

    @property
    def is_called(self) -> bool:
        """Whether users call it."""
        return (inspect.isfunction(self.value) or inspect.isclass(self.value)) and self.name not in MADE_BY_US


def documented() -> Iterator[Documented]:
    """Yield the public names that can have a docstring, each followed by its public members of our own."""
    for name in pytest_smtp4d.__all__:
        value = getattr(pytest_smtp4d, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            yield Documented(name, value)
        if not inspect.isclass(value) or is_typeddict(value) or issubclass(value, Enum):
            continue
        for home in value.__mro__:
            if not home.__module__.startswith("pytest_smtp4d."):
                continue
            for member, found in vars(home).items():
                is_public = not member.startswith("_") and f"{name}.{member}" not in MADE_BY_US
                bound = getattr(found, "__func__", found)  # of a class method
                if is_public and (inspect.isroutine(bound) or inspect.isdatadescriptor(bound)):
                    yield Documented(f"{name}.{member}", bound)


ALL = {entry.name: entry for entry in documented() if type(entry.value).__name__ != "member_descriptor"}
WITH_EXAMPLE = {name: entry for name, entry in ALL.items() if ">>>" in entry.doc}
every = pytest.mark.parametrize("entry", ALL.values(), ids=ALL)


@every
def test_a_public_name_is_described(entry: Documented) -> None:
    """Each begins with a sentence, and each that users call has an example."""
    first = entry.doc.partition("\n\n")[0]
    assert first.rstrip(":").endswith((".", "…")), entry.doc
    if entry.is_called:
        assert entry.name in WITH_EXAMPLE


@pytest.fixture
def names(
    smtp_server: SMTPServer,
    transporter: SMTPTransporter,
    make_smtp_server: MakeSMTPServer,
    make_transporter: MakeTransporter,
    smtp_ca: CertificateAuthority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, object]:
    """What an example may use: fixtures, public names, four modules, and a mail that has arrived."""
    monkeypatch.chdir(tmp_path)
    text = "Your code is 123456: https://shop.example/confirm?token=abc"
    transporter.send(
        {"from": "shop@example.com", "to": "bob@example.org", "subject": "Welcome", "textBody": text}
    ).raise_for_status()
    transporter.close()
    public = {name: getattr(pytest_smtp4d, name) for name in pytest_smtp4d.__all__}
    return {
        **public,
        "asyncio": asyncio,
        "re": re,
        "ssl": ssl,
        "Path": Path,
        "smtp_server": smtp_server,
        "transporter": transporter,
        "smtp_ca": smtp_ca,
        "make_smtp_server": make_smtp_server,
        "make_transporter": make_transporter,
    }


@pytest.mark.smtp_server(strict=False)
@pytest.mark.parametrize("entry", WITH_EXAMPLE.values(), ids=WITH_EXAMPLE)
def test_an_example_runs(entry: Documented, names: dict[str, object]) -> None:
    """What a docstring shows is what happens."""
    test = doctest.DocTestParser().get_doctest(entry.doc, dict(names), entry.name, None, 0)
    words: list[str] = []
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=words.append).failed == 0, (
        "".join(words)
    )


FIXTURES = {
    node.name: ast.get_docstring(node) or ""
    for node in ast.parse(Path(plugin.__file__).read_text(encoding="utf-8")).body
    if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    if any(ast.unparse(decorator).startswith("pytest.fixture") for decorator in node.decorator_list)
}


@pytest.mark.parametrize("fixture", FIXTURES)
def test_a_fixture_shows_an_example(fixture: str) -> None:
    """`pytest --fixtures` shows a docstring up to its first empty line: an example is in it."""
    shown = FIXTURES[fixture].partition("\n\n")[0]
    test = doctest.DocTestParser().get_doctest(
        shown, {"pytest": pytest, "SettingsDict": pytest_smtp4d.SettingsDict}, fixture, None, 0
    )
    assert len(test.examples) == 1
    assert fixture in test.examples[0].source
    assert doctest.DocTestRunner().run(test).failed == 0


def test_the_mail_object_names_its_keys() -> None:
    """`help(Email)`, and an editor, say what a mail can hold."""
    listed = re.findall(
        r"^    (\w+(?:, \w+)*): ", inspect.cleandoc(pytest_smtp4d.Email.__doc__ or ""), re.MULTILINE
    )
    assert [key for line in listed for key in line.split(", ")] == list(_CHECKS)
