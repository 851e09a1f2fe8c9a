"""What the whole suite shares: Ctrl-C as in a terminal, and hypothesis for machines of any speed."""

from __future__ import annotations

import signal
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, settings

# A shell starts what runs in its background with SIGINT ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know the setting in pyproject.toml that pytest-asyncio 0.23 lacks, the last one for pytest 8.0."""
    with suppress(ValueError):  # it is declared already
        parser.addini("asyncio_default_fixture_loop_scope", "of pytest-asyncio 0.24 and newer", default=None)


# No deadline: a loaded machine is not a failure; and no example database in the checkout.
settings.register_profile(
    "suite",
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("suite")
