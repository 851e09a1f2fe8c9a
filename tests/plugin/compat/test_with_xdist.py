from __future__ import annotations

import pytest

from tests.plugin.compat.conftest import Together


@pytest.mark.parametrize("distribution", ["load", "loadscope", "worksteal"])
def test_workers_change_nothing(together: Together, distribution: str) -> None:
    """Each worker has its own servers; the controller has their verdicts and transcripts and one page."""
    pytest.importorskip("xdist")
    together("-n", "2", "--dist", distribution)
