"""The fuzz targets, without atheris: over their seeds, and over what hypothesis makes of them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.__main__ import TARGETS


def loaded(name: str) -> tuple[Callable[[bytes], None], list[bytes]]:
    """Return what a target does with octets, and its seeds."""
    module = importlib.import_module(f"tests.fuzz.{name}")
    return module.one_input, module.SEEDS


def test_every_target_is_named() -> None:
    """The runner and these tests know each file with a `one_input`."""
    files = [path for path in Path(__file__).parent.glob("*.py") if path.name != "test_fuzz.py"]
    assert {path.stem for path in files if "def one_input(" in path.read_text()} == {*TARGETS}


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    """A target takes its seeds, each of them cut short, and nothing at all."""
    one_input, seeds = loaded(name)
    for octets in [b"", *seeds, *(seed[: len(seed) // 2] for seed in seeds)]:
        one_input(octets)


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
def test_any_octets(name: str, data: st.DataObject) -> None:
    """A target takes any octets, and its seeds with any octets put in, taken out and mixed."""
    one_input, seeds = loaded(name)
    pieces = st.sampled_from(seeds).flatmap(_parts) | st.binary(max_size=40)
    one_input(b"".join(data.draw(st.lists(pieces, max_size=6))))


def _parts(seed: bytes) -> st.SearchStrategy[bytes]:
    ends = st.integers(0, len(seed))
    return st.tuples(ends, ends).map(lambda cut: seed[min(cut) : max(cut)])


def test_the_runner_names_its_targets() -> None:
    """Without a target it says which there are; without atheris, how to get it."""
    run = subprocess.run([sys.executable, "-m", "tests.fuzz"], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr == f"name a target: {', '.join(TARGETS)}\n"
