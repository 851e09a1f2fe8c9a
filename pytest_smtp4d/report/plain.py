"""The plain list of a page: what can be read where no script may run, as under Jenkins' default policy."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from pytest_smtp4d.report.outcome import FAILED
from pytest_smtp4d.report.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_smtp4d.report.document import AttemptDocument, EntryDocument, ReportDocument, TestDocument

__all__ = ["plain_list"]

_TEXT_OF_FAILED = 2048
_TEXT_OF_OTHERS = 200
"""Characters of a mail's text."""


def _html(text: str, *, lines: bool = False) -> str:
    return html.escape(visible(text, lines=lines), quote=False)


def plain_list(report: ReportDocument) -> str:
    """Return the HTML of all tests and mails: ids, failures, subjects, addresses, links, attachment names."""
    if not report["tests"]:
        return "<p>No mail was sent in this run.</p>"
    return "\n".join(_test(test) for test in report["tests"])


def _test(test: TestDocument) -> str:
    count = len(test["attempts"])
    parts: list[str] = []
    for number, attempt in enumerate(test["attempts"], 1):
        of = f", attempt {number} of {count}" if count > 1 else ""
        parts.append(f"<h2>{_html(test['id'])}: {_html(attempt['outcome'])}{of}</h2>")
        parts += [f"<pre>{_html(failure['words'], lines=True)}</pre>" for failure in attempt["failures"]]
        parts += [_entry(entry, attempt) for entry in attempt["entries"]]
    return "\n".join(parts)


def _entry(entry: EntryDocument, attempt: AttemptDocument) -> str:
    return f"<h3>{_html(entry['title'] or '(no subject)')}</h3>" + "".join(_rows(entry, attempt))


def _rows(entry: EntryDocument, attempt: AttemptDocument) -> Iterator[str]:
    mail = entry["mail"]
    if entry["kind"] in ("mail", "transaction"):
        recipients = ", ".join(entry["rcptTo"]) or "nobody"
        yield f"<p>envelope: {_html(entry['mailFrom'] or '<>')} to {_html(recipients)}"
        for mailbox, reply in entry["refused"]:
            yield f"<br>refused: {_html(mailbox)}: {_html(reply)}"
        if entry["blind"]:
            yield f"<br>blind: {_html(', '.join(entry['blind']))}"
        for name, addresses in (mail or {"addresses": {}})["addresses"].items():
            yield f"<br>{name}: {_html(', '.join(addresses))}"
        yield "</p>"
    if mail is None:
        return
    if mail["attachments"]:
        names = ", ".join(attachment["name"] or attachment["type"] for attachment in mail["attachments"])
        yield f"<p>attachments: {_html(names)}</p>"
    targets = dict.fromkeys(link["target"] for link in mail["links"])
    if targets:
        yield "<pre>" + "\n".join(map(_html, targets)) + "</pre>"
    limit = _TEXT_OF_FAILED if attempt["outcome"] in FAILED else _TEXT_OF_OTHERS
    text = mail["text"] if mail["text"] is not None else mail["visible"] or ""
    if mail["unreadable"]:
        text = f"(cannot be read: {mail['unreadable']})"
    if text.strip():
        more = "…" if len(text) > limit else ""
        yield f"<pre>{_html(text[:limit].strip(), lines=True)}{more}</pre>"
