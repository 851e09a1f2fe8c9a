"""The shop's own tests. They know nothing of this plugin, and all pass."""

from __future__ import annotations

import logging

import pytest
import shop  # type: ignore[import-not-found] # it is beside this file, as its pytest.ini says


def test_an_order_is_confirmed(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever happens to the mail, the order stands."""
    with caplog.at_level(logging.ERROR):
        shop.confirm_order("ada@example.org")
    assert caplog.records == []


def test_a_password_is_reset(caplog: pytest.LogCaptureFixture) -> None:
    """No error is logged."""
    with caplog.at_level(logging.ERROR):
        shop.reset_password("ada@example.org")
    assert caplog.records == []


def test_a_newsletter_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    """No error is logged."""
    with caplog.at_level(logging.ERROR):
        shop.send_newsletter("ada@example.org")
    assert caplog.records == []
