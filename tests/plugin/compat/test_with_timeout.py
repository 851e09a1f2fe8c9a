from __future__ import annotations

import pytest

from tests.plugin.compat.conftest import Together


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_a_time_out_that_does_not_strike_changes_nothing(together: Together, method: str) -> None:
    """With either of its methods (tests/plugin/test_timeout.py: when it strikes)."""
    together("--timeout=60", f"--timeout-method={method}")


def test_without_pytest_timeout_there_is_no_limit(together: Together) -> None:
    """The plugin works where its partner is switched off."""
    together("-p", "no:timeout")
