"""What a conftest.py would say: the shop talks to the fixture. Nothing else is edited."""

from __future__ import annotations

import pytest
import shop  # type: ignore[import-not-found] # it is beside this file, as its pytest.ini says

from pytest_smtp4d import SMTPServer


@pytest.fixture(autouse=True)
def shop_server(smtp_server: SMTPServer, monkeypatch: pytest.MonkeyPatch) -> SMTPServer:
    """The server of each test, in place of the hard-coded one."""
    monkeypatch.setattr(shop, "SERVER", smtp_server.address)
    monkeypatch.setattr(shop, "TIMEOUT", 0.5)
    return smtp_server
