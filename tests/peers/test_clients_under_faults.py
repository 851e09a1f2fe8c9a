"""The table of what clients do under faults is true: the sweep is run again."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from pytest_smtp4d.faults import sweep


def load() -> Any:
    """Return `docs/clients.py` as a module."""
    spec = spec_from_file_location("clients", Path(__file__).parents[2] / "docs" / "clients.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


clients = load()
WRITTEN = clients.written()


@pytest.mark.parametrize("client", clients.CLIENTS)
@pytest.mark.parametrize(
    ("stage", "kind"), sweep.grid(), ids=[sweep.point_id(*point) for point in sweep.grid()]
)
def test_the_page_says_what_the_client_does(client: str, stage: str, kind: str) -> None:
    """`python docs/clients.py` writes the page anew."""
    assert clients.outcome(client, stage, kind) == WRITTEN[sweep.point_id(stage, kind), client]


def test_the_page_has_a_row_for_each_point() -> None:
    """No row is missing, and none is left over."""
    assert {point for point, _ in WRITTEN} == {sweep.point_id(*point) for point in sweep.grid()}


def test_the_transporter_never_claims_what_is_not_so() -> None:
    """Sent is sent; and only a lost 250 leaves a message behind an error."""
    lies = {
        point: said for (point, client), said in WRITTEN.items() if client == "transporter" and "**" in said
    }
    assert lies == {"CONTENT-disconnect-after": "0 at CONTENT, **and it arrived**"}
