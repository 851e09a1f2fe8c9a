"""The tables of the reference say what the code says."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest


def load_tables() -> Any:
    """Return `docs/tables.py` as a module."""
    spec = spec_from_file_location("tables", Path(__file__).parent.parent / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tables = load_tables()


@pytest.mark.parametrize(
    ("path", "text", "fresh"), list(tables.pages()), ids=lambda value: getattr(value, "stem", "")
)
def test_a_page_is_not_behind_the_code(path: Path, text: str, fresh: str) -> None:
    """`python docs/tables.py` brings a page up to the code."""
    assert text == fresh, f"{path.name}: run `python docs/tables.py`"


@pytest.mark.parametrize("name", tables.TABLES)
def test_every_table_is_in_a_page(name: str) -> None:
    """A table that nobody sees is of no use."""
    assert any(f"<!-- table: {name} -->" in text for _, text, _ in tables.pages())
