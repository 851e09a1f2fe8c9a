"""The snippets of the docs: with all imports, and with everything that they need."""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sphinx", reason="Sphinx is not installed")
pytest.importorskip("docutils", reason="docutils is not installed")

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FIXTURES = {"smtp_server", "transporter", "make_smtp_server", "make_transporter"}
"""What a few lines of code on a page may use without saying where it comes from: a test's arguments."""


def load_snippet() -> Any:
    """Return `docs/snippet.py` as a module."""
    spec = spec_from_file_location("snippet", DOCS / "snippet.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


excerpt = load_snippet().excerpt


def snippets_of(page: Path) -> Iterator[str]:
    """Yield what the page's directives show, one after the other."""
    shown: dict[Path, set[str]] = {}
    text = page.read_text(encoding="utf-8")
    for name, names in re.findall(r"```\{example\} (\S+)\n(?::show: (.*)\n)?```", text):
        path = (page.parent / name).resolve()
        yield excerpt(path.read_text(encoding="utf-8"), names.split(), shown.setdefault(path, set()))


def defined_by(code: str) -> set[str]:
    """Return the global names that code defines."""
    names = symtable.symtable(code, "snippet", "exec").get_symbols()
    return {name.get_name() for name in names if name.is_assigned() or name.is_imported()}


def needed_by(code: str) -> set[str]:
    """Return the global names that code refers to, in functions and annotations, too."""

    def walk(table: symtable.SymbolTable) -> Iterator[str]:
        is_module = table.get_type() == "module"
        for name in table.get_symbols():
            if name.is_referenced() and (is_module or name.is_global()):
                yield name.get_name()
        for child in table.get_children():
            yield from walk(child)

    return set(walk(symtable.symtable(code, "snippet", "exec")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_page_shows_what_its_snippets_need(page: Path) -> None:
    """Each snippet imports what it uses, and helpers stand in it or above it on the page."""
    above: set[str] = set()
    for code in snippets_of(page):
        known = above | defined_by(code) | set(dir(builtins)) | {"__name__", "__file__"}
        assert needed_by(code) - known == set()
        imports = "\n".join(
            ast.unparse(n) for n in ast.parse(code).body if isinstance(n, ast.Import | ast.ImportFrom)
        )
        above |= defined_by(code) - defined_by(imports)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_the_short_code_on_a_page_imports_what_it_uses(page: Path) -> None:
    """A few lines that a page writes itself may use a test's fixtures, and else what they import."""
    for code in re.findall(
        r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    ):
        lone = re.sub(
            r"(?m)^(@.*?)(  #.*)?\n(?=@|\Z|\n)", r"\1\ndef test(): ...\n", code
        )  # a decorator alone
        assert needed_by(lone) - defined_by(lone) - set(dir(builtins)) - FIXTURES == set()


def test_what_is_shown_is_what_runs() -> None:
    """Imports apart, every line of a snippet is a line of its file; checkers' comments are left out."""
    for page in PAGES:
        for name, names in re.findall(
            r"```\{example\} (\S+)\n(?::show: (.*)\n)?```", page.read_text(encoding="utf-8")
        ):
            source = (page.parent / name).read_text(encoding="utf-8")
            code = excerpt(source, names.split(), set())
            lines = {re.sub(r"  # (type: ignore|noqa).*", "", line) for line in source.splitlines()}
            body = ast.parse(code).body
            first = next(n for n in body if not isinstance(n, ast.Import | ast.ImportFrom))
            assert set(code.splitlines()[first.lineno :]) <= lines | {""}


@pytest.mark.parametrize("path", sorted((DOCS / "examples").rglob("test_*.py")), ids=lambda path: path.stem)
def test_an_example_has_a_reader(path: Path) -> None:
    """Every file of examples is shown on a page, or belongs to one that is told of elsewhere."""
    shown = any(path.relative_to(DOCS).as_posix() in page.read_text(encoding="utf-8") for page in PAGES)
    assert shown or path.stem.startswith("test_4d_") or path.parent.name in ("audited", "picture", "planted")
