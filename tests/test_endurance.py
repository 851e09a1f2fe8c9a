from __future__ import annotations

import subprocess
import sys

from tests import endurance


def test_nothing_is_left_behind() -> None:
    """Some hundred messages, sessions and servers: as many threads, descriptors and objects as before.

    In a process of its own, as outside pytest; inside, what a test did is kept until its verdict.
    """
    counts = ["--messages", "300", "--sessions", "250", "--servers", "150"]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.endurance", *counts],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, ""), run.stdout + run.stderr
    assert run.stdout.count("leaked: nothing") == len(endurance.LOADS)


def test_a_leak_is_found() -> None:
    """What keeps something for each round is told by its name."""
    before = endurance.Footing(1, 10, {"a": 5, "b": 1}, 0)
    after = endurance.Footing(2, 13, {"a": 5, "b": 102, "c": 101}, 10)
    assert after.leaks_since(before) == ["1 threads", "3 descriptors", "101 x b", "101 x c"]
    assert before.leaks_since(after) == []
