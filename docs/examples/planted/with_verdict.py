"""Two tests more, without an assertion: what fails them is the verdict."""

from __future__ import annotations

import pytest
import shop  # type: ignore[import-not-found] # it is beside this file, as its pytest.ini says

from pytest_smtp4d import SMTPServer


@pytest.mark.smtp_sweep(stages=["TLS"])
def test_tls(smtp_server: SMTPServer) -> None:
    """Whatever happens to TLS."""
    shop.confirm("ada@example.org", 1)


@pytest.mark.smtp_injection
def test_a_form(smtp_server: SMTPServer, payload: str) -> None:
    """Whatever a visitor types."""
    shop.contact(payload, payload, "Hi.\n")
