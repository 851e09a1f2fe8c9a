"""What the tests of the dialogue share."""

from __future__ import annotations

import pytest

from pytest_smtp4d.smtp import sasl


@pytest.fixture(autouse=True)
def _hash_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SCRAM hash a password once where it would do so 4096 times: only the time differs."""
    monkeypatch.setattr(sasl, "_ITERATIONS", 1)
