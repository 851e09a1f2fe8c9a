from __future__ import annotations

import datetime as dt
import sys
import time

import pytest

from pytest_smtp4d import clock


def test_a_frozen_clock_does_not_stop_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every function of `time` replaced, seconds still pass, and the time of day is the real one."""
    before, real = clock.monotonic(), dt.datetime.now(dt.timezone.utc)
    for name in ("time", "monotonic", "perf_counter", "sleep"):
        monkeypatch.setattr(time, name, lambda *_: 0.0)
    clock.sleep(0.001)
    assert clock.monotonic() - before >= 0.001
    assert abs(clock.now_utc() - real) < dt.timedelta(seconds=60)


def test_freezegun_does_not_find_ours() -> None:
    """What freezegun looks for in modules, it does not find here: our seconds go on."""
    freezegun = pytest.importorskip("freezegun")
    with freezegun.freeze_time("2031-01-01"):
        first = clock.monotonic()
        assert clock.monotonic() > first
        assert clock.now_utc().year < 2031
    assert type(clock.now_utc()) is dt.datetime


def test_time_machine_does_not_stop_ours() -> None:
    """time-machine changes C's functions in place; those that we use are not among them."""
    time_machine = pytest.importorskip("time_machine")
    with time_machine.travel("2031-01-01", tick=False):
        first = clock.monotonic()
        assert clock.monotonic() > first
        assert clock.now_utc().year < 2031


def test_the_clock_comes_with_the_package() -> None:
    """It is imported with the package itself, so a room that is imported under a freeze finds it real."""
    assert "_clock" in vars(sys.modules["pytest_smtp4d"])
