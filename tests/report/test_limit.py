from __future__ import annotations

import random

from pytest_smtp4d.report.document import ReportDocument
from pytest_smtp4d.report.limit import render_within
from pytest_smtp4d.report.mail import MailDocument
from pytest_smtp4d.report.page import read_page, render
from tests.report.records import content, failure, message, record, report


def noise(octets: int, seed: int) -> str:
    """Return text that cannot be compressed well."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    chosen = random.Random(seed)
    return "\n".join("".join(chosen.choices(letters, k=60)) for _ in range(octets // 60))


def large() -> ReportDocument:
    """Return a report of a passed and a failed test: two mails each, of 40 kB with 20 kB attached."""

    def mail(seed: int) -> bytes:
        attached = noise(20_000, seed + 100).encode()
        return content(f"mail {seed}", noise(40_000, seed), None, (("a.bin", "image/png", attached, None),))

    records = [record(message(mail(2 * test)), message(mail(2 * test + 1))) for test in range(2)]
    return report({"test_ok": [records[0]], "test_bad": [records[1]]}, {"test_bad": failure()})


def mails(page: str) -> list[MailDocument]:
    """Return the mails of a page."""
    tests = read_page(page)["tests"]
    found = [entry["mail"] for test in tests for attempt in test["attempts"] for entry in attempt["entries"]]
    return [mail for mail in found if mail is not None]


def test_a_page_below_its_limit_is_whole() -> None:
    """Nothing is dropped, and nothing is said."""
    whole = large()
    size = len(render(whole).encode())
    page = render_within(whole, size)
    assert len(page.encode()) == size
    assert not read_page(page)["run"]["notes"]


def test_passed_tests_lose_their_sources_first() -> None:
    """The attachment, a slice of the source, is kept; the failed test keeps all; the page says so."""
    whole = large()
    limit = len(render(whole).encode()) - 300
    page = render_within(whole, limit)
    ok, other, *bad = mails(page)
    assert len(page.encode()) <= limit
    dropped = ok if ok["source"] is None else other
    assert dropped["text"] is not None
    assert dropped["attachments"][0]["encoded"] is not None
    assert dropped["dropped"] == ["source"]
    assert all(mail["source"] is not None for mail in bad)
    assert "the source of" in read_page(page)["run"]["notes"][0]


def test_then_attachments_then_bodies_then_the_failed_ones() -> None:
    """Below what the passed tests' mails take, they have lost everything, and the failed ones nothing."""
    whole = large()
    size, empty = len(render(whole).encode()), len(render(report({})).encode())
    limit = empty + (size - empty) * 55 // 100
    page = render_within(whole, limit)
    ok, other, *bad = mails(page)
    for mail in (ok, other):
        assert mail["dropped"] == ["source", "attachments", "bodies"]
        assert mail["text"] is None
        assert mail["attachments"][0]["omitted"]
    assert all(mail["source"] is not None for mail in bad)
    assert len(page.encode()) <= limit


def test_a_limit_that_cannot_be_kept_is_said() -> None:
    """Everything is dropped; subjects are still there, and the page says that it is too large."""
    page = render_within(large(), 1000)
    assert "larger than its limit of 1000 octets even so" in read_page(page)["run"]["notes"][-1]
    assert [mail["subject"] for mail in mails(page)] == ["mail 0", "mail 1", "mail 2", "mail 3"]
    assert all(mail["text"] is None for mail in mails(page))
