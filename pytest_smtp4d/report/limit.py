"""Keeps a page below a size: what is dropped first, and how that is said.

Passed tests lose the source of their mails, then the attachments, then the bodies; only then do failed ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_smtp4d.report.document import is_failed
from pytest_smtp4d.report.page import render
from pytest_smtp4d.report.settings import DEFAULT_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_smtp4d.report.document import ReportDocument
    from pytest_smtp4d.report.mail import MailDocument

__all__ = ["render_within"]


def _drop_source(mail: MailDocument) -> int:
    """Drop the source; the attachments, slices of it, are kept. Return how many characters that saved."""
    source = mail["source"]
    if source is None:
        return 0
    saved = len(source)
    for attachment in mail["attachments"]:
        if not attachment["omitted"]:
            encoded = source[attachment["start"] : attachment["end"]]
            attachment["encoded"] = encoded
            saved -= len(encoded)
    mail["source"] = None
    mail["dropped"].append("source")
    return saved


def _drop_attachments(mail: MailDocument) -> int:
    saved = sum(len(attachment["encoded"] or "") for attachment in mail["attachments"])
    for attachment in mail["attachments"]:
        attachment["encoded"], attachment["omitted"] = None, True
    if saved:
        mail["dropped"].append("attachments")
    return saved


def _drop_bodies(mail: MailDocument) -> int:
    saved = sum(len(body or "") for body in (mail["text"], mail["html"], mail["visible"]))
    mail["text"] = mail["html"] = mail["visible"] = None
    if saved:
        mail["dropped"].append("bodies")
    return saved


_STEPS: tuple[tuple[str, Callable[[MailDocument], int]], ...] = (
    ("the source", _drop_source),
    ("the attachments", _drop_attachments),
    ("the bodies", _drop_bodies),
)


def render_within(report: ReportDocument, limit: int = DEFAULT_LIMIT) -> str:
    """Return the page of a report, at most so large; the report's notes say what was dropped.

    Args:
        report: changed where something is dropped.
        limit: octets of the page.
    """
    page = render(report)
    for of_whom, mails in _mails(report):
        for what, drop in _STEPS:
            waiting = sorted(mails, key=_weight)
            count = 0
            while waiting and (excess := len(page.encode()) - limit) > 0:
                count += _drop(drop, waiting, excess, len(page), sum(map(_weight, mails)))
                page = render(report)
            if count:
                report["run"]["notes"].append(
                    f"dropped for the size of the page: {what} of {count} {of_whom}"
                )
                page = render(report)
    if len(page.encode()) > limit:
        report["run"]["notes"].append(f"the page is larger than its limit of {limit} octets even so")
        page = render(report)
    return page


def _mails(report: ReportDocument) -> Iterator[tuple[str, list[MailDocument]]]:
    """Yield the mails of the tests that did not fail, then those of the others."""
    for failed, words in ((False, "mails of tests that did not fail"), (True, "mails of failed tests")):
        tests = [test for test in report["tests"] if is_failed(test) is failed]
        entries = [entry for test in tests for attempt in test["attempts"] for entry in attempt["entries"]]
        yield words, [entry["mail"] for entry in entries if entry["mail"] is not None]


def _weight(mail: MailDocument) -> int:
    """Return how many characters of a mail can be dropped."""
    kept = [mail["source"], mail["text"], mail["html"], mail["visible"]]
    kept += [attachment["encoded"] for attachment in mail["attachments"]]
    return sum(len(text or "") for text in kept)


def _drop(
    drop: Callable[[MailDocument], int], waiting: list[MailDocument], excess: int, size: int, weight: int
) -> int:
    """Drop from the largest mails, until what was saved should be enough; return from how many."""
    wanted = (excess * 1.1 + size / 100) * weight / size  # characters, from octets of the page
    saved = count = 0
    while waiting and saved < wanted:
        dropped = drop(waiting.pop())
        saved += dropped
        count += dropped > 0
    return count
