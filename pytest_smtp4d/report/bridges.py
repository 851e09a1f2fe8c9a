"""Gives other reporters what they can show.

pytest-html and Allure get the dialogue and the mails, JUnit XML the dialogue, GitHub the path of the page.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pytest_smtp4d.report.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pytest

__all__ = ["attach", "link_to", "write_junit", "write_step_summary"]

TRANSCRIPT = "SMTP transcript"
"""The title of the section that holds the dialogue, in pytest's reports and elsewhere."""

_MOST_MAILS = 20
"""How many mails of a test others are given."""

_FORBIDDEN_IN_XML = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF), "?")


def link_to(page: Path, test: str) -> str:
    """Return the address of a test in a page."""
    return f"{page.absolute().as_uri()}#test={quote(test, safe='')}"


def attach(
    config: pytest.Config,
    report: pytest.TestReport,
    transcript: str,
    mails: Sequence[tuple[str, bytes]],
    page: Path | None,
) -> None:
    """Give pytest-html and Allure, where they are at work, the dialogue and the mails of a test.

    Args:
        config: tells which plugins are at work.
        report: the last one of the test; pytest-html reads from it.
        transcript: the dialogue; "" for none.
        mails: subject and octets of each.
        page: where our own page will be, to link to; None for none.
    """
    given = mails[:_MOST_MAILS]
    if config.getoption("htmlpath", default=None):
        extras: list[Any] = getattr(report, "extras", [])
        report.extras = [*extras, *_html_extras(report.nodeid, transcript, given, page)]  # type: ignore[attr-defined]
    if config.getoption("allure_report_dir", default=None) and (allure := sys.modules.get("allure")):
        if transcript:
            allure.attach(transcript, name=TRANSCRIPT, attachment_type=allure.attachment_type.TEXT)
        for subject, octets in given:
            name = visible(subject) or "(no subject)"
            allure.attach(octets, name=name, attachment_type="message/rfc822", extension="eml")


def _html_extras(
    test: str, transcript: str, mails: Sequence[tuple[str, bytes]], page: Path | None
) -> list[dict[str, Any]]:
    from pytest_html import extras

    made: list[dict[str, Any]] = []
    if page is not None:
        made.append(extras.url(link_to(page, test), name="SMTP report"))
    if transcript:
        made.append(extras.text(transcript, name=TRANSCRIPT))
    for number, (_, octets) in enumerate(mails, 1):
        text = octets.decode("utf-8", "replace")
        name = f"mail {number}.eml"
        made.append(extras.extra(text, extras.FORMAT_TEXT, name, "message/rfc822", "eml"))
    return made


def write_junit(config: pytest.Config, report: pytest.TestReport, redact: Callable[[str], str]) -> None:
    """Give pytest's JUnit XML the dialogue of a failed test, as `system-out` of its test case."""
    from xml.etree import ElementTree as ET

    from _pytest.junitxml import xml_key

    xml = config.stash.get(xml_key, None)
    sections = [text for title, text in report.sections if title == TRANSCRIPT]
    if xml is None or not sections or not report.failed:
        return
    node = ET.Element("system-out")
    node.text = f"{TRANSCRIPT}\n" + redact("\n\n".join(sections)).translate(_FORBIDDEN_IN_XML)
    xml.node_reporter(report).append(node)


def write_step_summary(page: Path, counts: Mapping[str, int]) -> None:
    """Append the path of the page to the file that `$GITHUB_STEP_SUMMARY` names, if it names one."""
    target = os.environ.get("GITHUB_STEP_SUMMARY")
    if not target:
        return
    words = ", ".join(f"{count} {name}" for name, count in counts.items())
    shown = str(page).replace("`", "'")
    with Path(target).open("a", encoding="utf-8") as file:
        file.write(f"\n**SMTP report**: `{shown}` ({words})\n")
