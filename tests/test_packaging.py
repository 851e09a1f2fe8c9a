from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
WORKFLOWS = ROOT / ".github" / "workflows"


@pytest.fixture(scope="module")
def pyproject() -> Any:
    """Return what pyproject.toml holds."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_python_is_named_everywhere(pyproject: Any) -> None:
    """Classifiers, tox and tests/run.py name the same Pythons, the oldest of which is required."""
    classifiers = re.findall(r"Python :: (3\.\d+)", "\n".join(pyproject["project"]["classifiers"]))
    assert pyproject["tool"]["tox"]["env_list"] == [*classifiers, *(f"{one}-oldest" for one in classifiers)]
    script = runpy.run_path(str(ROOT / "tests" / "run.py"))
    assert classifiers == [f"3.{minor}" for minor in range(script["OLDEST"][1], script["NEWEST"][1] + 1)]
    assert pyproject["project"]["requires-python"] == f">={classifiers[0]}"


@pytest.mark.skipif(not WORKFLOWS.exists(), reason="a source distribution has no workflows")
def test_the_workflow_runs_what_tox_runs(pyproject: Any) -> None:
    """On each system, every Python with both sets of dependencies."""
    text = (WORKFLOWS / "test.yml").read_text(encoding="utf-8")
    pythons, dependencies = (
        re.findall(r'"([^"]*)"', line)
        for line in re.findall(r"^ +(?:python|dependencies): \[(.*)\]$", text, re.MULTILINE)
    )
    assert [f"{python}{which}" for which in dependencies for python in pythons] == pyproject["tool"]["tox"][
        "env_list"
    ]
    assert "system: [ubuntu-latest, macos-latest, windows-latest]" in text


def test_the_oldest_versions_are_the_bounds(pyproject: Any) -> None:
    """What `-oldest` installs is, package by package, the lower bound that pyproject.toml states."""
    lines = (ROOT / ".ci" / "oldest.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    bounds = dict(bound.split(">=") for bound in pyproject["project"]["dependencies"])
    assert pinned.keys() == bounds.keys()
    for name, bound in bounds.items():
        assert re.sub(r"(\.0)+$", "", pinned[name]) == re.sub(r"(\.0)+$", "", bound), name
