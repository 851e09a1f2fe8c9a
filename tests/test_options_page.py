"""docs/reference/options.md has every option and ini value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "reference" / "options.md").read_text(encoding="utf-8")


def test_every_option_is_on_the_page(pytester: pytest.Pytester) -> None:
    """What `pytest --help` names, the page names in a table."""
    told = pytester.runpytest_subprocess("--help").stdout.str()
    names = set(re.findall(r"^ +((?:--)?smtp4d[_-][a-z_-]+)", told, re.MULTILINE))
    assert {"--smtp4d-transcript", "smtp4d_timeout", "smtp4d_tls"} <= names
    assert names - set(re.findall(r"^\| `([^`]+)`", PAGE, re.MULTILINE)) == set()
