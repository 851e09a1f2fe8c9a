from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path
from typing import Literal, get_origin

import pytest

import pytest_smtp4d

SOURCE = Path(pytest_smtp4d.__file__).read_text(encoding="utf-8")


def names_for_type_checkers() -> dict[str, str]:
    """Return name -> room, from the imports under TYPE_CHECKING."""
    block = next(node for node in ast.parse(SOURCE).body if isinstance(node, ast.If))
    return {
        alias.name: (statement.module or "").removeprefix("pytest_smtp4d.")
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


@pytest.mark.parametrize("name", pytest_smtp4d.__all__)
def test_each_public_name_is_there(name: str) -> None:
    """Every name in __all__ can be imported, knows its own name, and lives where type checkers are told."""
    value = getattr(pytest_smtp4d, name)
    home = f"pytest_smtp4d.{names_for_type_checkers()[name]}"
    assert value is getattr(import_module(home), name)
    if get_origin(value) is not Literal:  # an alias, which does not know its name
        assert (value.__name__, value.__module__) == (name, home)
        assert value.__doc__


def test_the_three_lists_of_names_agree() -> None:
    """What is exported, what is found at run time and what type checkers see are the same names, sorted."""
    assert list(pytest_smtp4d.__all__) == sorted(pytest_smtp4d.__all__)
    assert list(pytest_smtp4d._HOMES) == pytest_smtp4d.__all__
    assert names_for_type_checkers() == pytest_smtp4d._HOMES


def test_the_api_reference_has_each_public_name_once() -> None:
    """What can be imported has its place in docs/reference/api, and so in the inventory."""
    pages = sorted((Path(__file__).parents[1] / "docs" / "reference" / "api").glob("*.md"))
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    named = re.findall(r"^\.\. auto\w+:: pytest_smtp4d\.(\w+)$", text, re.MULTILINE)
    assert sorted(named) == pytest_smtp4d.__all__


def test_dir_shows_the_public_names() -> None:
    """Completion in a shell offers them before they are imported."""
    assert set(pytest_smtp4d.__all__) <= set(dir(pytest_smtp4d))


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A typing slip is named, as for any module."""
    with pytest.raises(AttributeError, match="module 'pytest_smtp4d' has no attribute 'SMTPSever'"):
        _ = pytest_smtp4d.SMTPSever
