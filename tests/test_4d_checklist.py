"""The checklist of what 4D documents: every statement has a test, and the test names it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PAGE = (PROJECT / "docs" / "reference" / "4d.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([SI]\d+) \| .* \| (.*) \|$", PAGE, re.MULTILINE)


def docstring_of(file: str, test: str) -> str:
    """Return a test's docstring, and that of its module: an example is one statement as a whole."""
    tree = ast.parse((PROJECT / file).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == test:
            return f"{ast.get_docstring(tree)}\n{ast.get_docstring(node)}"
    raise AssertionError(f"there is no {test} in {file}")


def test_no_statement_is_missing() -> None:
    """S1 to S19 and I1 to I7, each once."""
    expected = [f"S{number}" for number in range(1, 20)] + [f"I{number}" for number in range(1, 8)]
    assert [name for name, _ in ROWS] == expected


@pytest.mark.parametrize(("name", "cell"), ROWS, ids=[name for name, _ in ROWS])
def test_a_statement_is_shown_by_a_test_that_names_it(name: str, cell: str) -> None:
    """The tests of a row exist, and each says which statement it shows."""
    tests = re.findall(r"`([\w/]+\.py)::(test_\w+)`", cell)
    assert tests
    for file, test in tests:
        assert re.search(rf"\b{name}\b", docstring_of(file, test)), f"{file}::{test} does not name {name}"
