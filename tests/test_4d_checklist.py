"""The checklist of what 4D documents: every statement has a test, and the test names it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PAGE = (PROJECT / "docs" / "reference" / "4d.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([A-Z]\d+) \| .* \| (.*) \|$", PAGE, re.MULTILINE)
# The page of the transporter and what it includes; the Email object; attachments; the two MAIL Convert
# commands; log files; error handling; S/MIME.
COUNTS = {"S": 19, "I": 7, "E": 15, "A": 8, "T": 5, "F": 5, "L": 8, "R": 7, "C": 5}


def docstring_of(file: str, test: str) -> str:
    """Return a test's docstring, and that of its module: an example is one statement as a whole."""
    tree = ast.parse((PROJECT / file).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == test:
            return f"{ast.get_docstring(tree)}\n{ast.get_docstring(node)}"
    raise AssertionError(f"there is no {test} in {file}")


def test_no_statement_is_missing() -> None:
    """Each table counts from 1 to its last statement, each once."""
    expected = [f"{letter}{number}" for letter, count in COUNTS.items() for number in range(1, count + 1)]
    assert [name for name, _ in ROWS] == expected


@pytest.mark.parametrize(("name", "cell"), ROWS, ids=[name for name, _ in ROWS])
def test_a_statement_is_shown_by_a_test_that_names_it(name: str, cell: str) -> None:
    """The tests of a row exist, and each says which statement it shows."""
    tests = re.findall(r"`([\w/]+\.py)::(test_\w+)`", cell)
    assert tests
    for file, test in tests:
        assert re.search(rf"\b{name}\b", docstring_of(file, test)), f"{file}::{test} does not name {name}"
