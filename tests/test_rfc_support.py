"""The table of RFCs in the reference: what it says is shown by a test is shown by a test that exists."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reference" / "rfc-support.md"

ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| RFC, section", "| ---"))
]


@lru_cache
def names_in(path: Path) -> frozenset[str]:
    """Return the names of the tests in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}: {row[1]}"[:60])
def test_what_is_supported_is_shown(row: list[str]) -> None:
    """A row has five cells; where either side supports something, it names tests, and each of them exists."""
    assert len(row) == 5
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", row[4])
    unsupported = all(cell.startswith(("no", "–", "kept")) for cell in row[2:4])
    assert named or (unsupported and row[4] == "–")
    for file, test in named:
        assert test in names_in(TESTS / file), f"there is no {test} in tests/{file}"
