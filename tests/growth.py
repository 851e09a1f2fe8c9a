"""How a function's work grows with its input: a ratio of processor times, for machines of any speed."""

from __future__ import annotations

import time
from collections.abc import Callable

TIMES = 8
"""How many times longer the longer input is."""

LINEAR = 3 * TIMES
"""The ratio that is taken for linear: what looks again and again at the rest needs `TIMES` ** 2."""

_TRIES = 3


def growth(function: Callable[[str], object], piece: str, size: int = 10_000) -> float:
    """Return how many times longer a function takes for a text of so many characters `TIMES` over.

    The least of some tries: what else the machine does makes a try longer, and never shorter.
    """
    short, long = (piece * (length // len(piece)) for length in (size, size * TIMES))
    quickest, ratio = float("inf"), float("inf")
    for _ in range(_TRIES):
        quickest = min(quickest, _seconds(function, short))
        ratio = min(ratio, _seconds(function, long) / quickest)
        if ratio <= LINEAR:
            break
    return ratio


def _seconds(function: Callable[[str], object], text: str) -> float:
    began = time.thread_time()
    function(text)
    return max(time.thread_time() - began, 0.0005)  # below that, the clock is too coarse
