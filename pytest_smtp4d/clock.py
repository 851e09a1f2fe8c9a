"""The real clock: times that a test cannot freeze (freezegun, time-machine).

Everything in this package that waits, or that notes when something happened, takes the time from here.
What goes into a user's mail (its Date) does not: that is the application's time, which a test may freeze.

freezegun replaces `time.monotonic` and its like wherever a module holds them as an attribute, and a module
that is first imported while a clock is frozen gets the frozen functions. So this module is imported with the
package itself, when pytest starts, and keeps the functions in a tuple, which freezegun does not search.
time-machine changes the functions of C themselves, but leaves `time.perf_counter` alone; that is why the time
of day is counted from its value at import.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

__all__ = ["monotonic", "now_utc", "sleep"]

_REAL = (time.perf_counter, time.sleep)
_START = (datetime.now(timezone.utc), time.perf_counter())


def monotonic() -> float:
    """Return seconds on a clock that never goes back; only differences mean anything."""
    return _REAL[0]()


def sleep(seconds: float) -> None:
    """Suspend this thread for so many seconds."""
    _REAL[1](seconds)


def now_utc() -> datetime:
    """Return the time of day, in UTC.

    It is counted from when the package was imported, so a later change of the system's clock does not show.
    """
    began, at = _START
    return began + timedelta(seconds=_REAL[0]() - at)
