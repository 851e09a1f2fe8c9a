"""What the whole suite shares: Ctrl-C as in a terminal, and the profiles of hypothesis."""

from __future__ import annotations

import signal
from contextlib import suppress

import pytest

from tests import profiles

# A shell starts what runs in its background with SIGINT ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know the setting in pyproject.toml that pytest-asyncio 0.23 lacks, the last one for pytest 8.0."""
    with suppress(ValueError):  # it is declared already
        parser.addini("asyncio_default_fixture_loop_scope", "of pytest-asyncio 0.24 and newer", default=None)


profiles.register()
