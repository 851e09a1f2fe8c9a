"""The shop's own ten tests. They know nothing of this plugin, need no mail server, and all pass."""

from __future__ import annotations

import logging

import pytest
import shop  # type: ignore[import-not-found] # it is beside this file, as its pytest.ini says


def test_a_subject_names_the_order() -> None:
    """The number is in it."""
    assert shop.confirm("ada@example.org", 42)["Subject"] == "Order 42"


def test_a_customer_is_thanked() -> None:
    """In the text."""
    assert "Thank you" in shop.confirm("ada@example.org", 1).get_content()


def test_a_confirmation_is_from_the_shop() -> None:
    """And from nobody else."""
    assert shop.confirm("ada@example.org", 1)["From"] == "shop@shop.example"


def test_a_dead_server_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """The order stands."""
    with caplog.at_level(logging.ERROR):
        shop.confirm("ada@example.org", 1)
    assert caplog.records == []


def test_a_visitor_can_write() -> None:
    """The subject arrives."""
    assert b"Subject: A question\r\n" in shop.contact("Bob", "A question", "Where is it?\n")


def test_a_visitor_can_be_answered() -> None:
    """His name stands in Reply-To."""
    assert b"Reply-To: Bob <visitor@example.net>" in shop.contact("Bob", "Hi", "Hi.\n")


def test_everybody_gets_the_news() -> None:
    """Whoever is on the list; some are twice."""
    assert shop.send_news(["ada@example.org", "bob@example.org", "ada@example.org"], "New!\n") == 3


def test_managers_get_figures() -> None:
    """In the text."""
    assert "42" in shop.report(["eve@example.org"], "42\n").get_content()


def test_managers_do_not_see_each_other() -> None:
    """None of them stands in To."""
    assert "eve" not in shop.report(["eve@example.org", "dan@example.org"], "42\n")["To"]


def test_a_cart_is_remembered() -> None:
    """In the subject."""
    assert shop.remind("ada@example.org")["Subject"] == "Your cart"
