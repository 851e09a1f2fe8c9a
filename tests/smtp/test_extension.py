"""What EHLO offers (RFC 5321 4.1.1.1)."""

from __future__ import annotations

import pytest

from pytest_smtp4d.smtp.extension import Extensions
from pytest_smtp4d.smtp.reply import Reply


def test_keywords_are_read_in_any_case() -> None:
    """The first line greets; the others are keywords with parameters."""
    extensions = Extensions.from_reply(
        Reply(
            250, "mx.example.com PIPELINING\npipelining\nSIZE 1000\nAuth Plain LOGIN\nAUTH=LOGIN cram-md5\n"
        )
    )
    assert "PIPELINING" in extensions
    assert "MX.EXAMPLE.COM" not in extensions
    assert extensions.size == 1000
    assert extensions.mechanisms == ("PLAIN", "LOGIN", "CRAM-MD5")


@pytest.mark.parametrize(
    ("line", "size"), [("SIZE", None), ("SIZE 0", None), ("SIZE 10", 10), ("SIZE ten", None), ("X", None)]
)
def test_a_size_is_a_limit_only_when_it_is_a_number_above_0(line: str, size: int | None) -> None:
    """RFC 1870 4: without a number, or with 0, there is no fixed limit."""
    assert Extensions.from_reply(Reply(250, f"mx\n{line}")).size == size


def test_nothing_is_offered_by_helo() -> None:
    """A server of the HELO age offers nothing."""
    assert Extensions().mechanisms == ()
    assert "SIZE" not in Extensions.from_reply(Reply(250, "mx.example.com"))


@pytest.mark.parametrize("size", ["9" * 21, "9" * 5000, "\u0661", "-1", "1e3", "x"])
def test_a_size_that_is_no_number_of_20_digits_limits_nothing(size: str) -> None:
    """RFC 1870 3: 1*20DIGIT; a server may say anything."""
    assert Extensions.from_reply(Reply(250, f"mx\nSIZE {size}")).size is None


def test_an_offer_without_one_keyword() -> None:
    """All the others stay."""
    offer = Extensions({"CHUNKING": "", "SIZE": "10"})
    assert offer.without("CHUNKING") == Extensions({"SIZE": "10"})
