"""The plugin's options, ini values and markers, as `pytest --help` and `--markers` show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_smtp4d.server import ini

if TYPE_CHECKING:
    import pytest

__all__ = ["MARKERS", "declare"]

MARKERS = {
    "smtp_server": "(**settings): settings of this test's smtp_server; markers merge, the closest wins.",
    "smtp_fault": "(stage, match=None, **actions): a fault on smtp_server, as its on() declares it.",
    "smtp_sweep": "(stages=None, kinds=None, occurrence=1): run plainly, then with a fault at each stage.",
    "smtp_injection": "(): run with each payload that tries to break out of the place of a user's input.",
    "smtp_intercept": "(ports=None, hosts=None): all mail of this process goes to smtp_server.",
    "smtp_block": "(blocks): False lets this test send mail where the run blocks it (smtp4d_block).",
}


def declare(parser: pytest.Parser) -> None:
    """Declare the group `smtp4d` and the ini values."""
    group = parser.getgroup("smtp4d", "SMTP server and transporter")
    group.addoption(
        "--smtp4d-transcript",
        choices=("failed", "full", "all", "off"),
        default="failed",
        help="show the SMTP transcript of failed tests (default), the same uncut, of all tests, or never",
    )
    group.addoption(
        "--smtp4d-report",
        metavar="PATH.html",
        default=None,
        help="write one page of all mail of the run, by test (ini: smtp4d_report)",
    )
    group.addoption("--smtp4d-export", metavar="DIR", help="write all mail of the run into a Maildir")
    group.addoption(
        "--smtp4d-intercept",
        action="store_true",
        help="send all mail of every test, whatever host it names, to a server of the run, and judge it",
    )
    group.addoption(
        "--smtp4d-block",
        action="store_true",
        help="refuse every connection to a mail server outside this machine, and fail the test that tried",
    )
    for name, meaning in ini.MEANINGS.items():
        parser.addini(ini.PREFIX + name, meaning, default=None)
    for name in ini.SETTINGS:
        parser.addini(ini.PREFIX + name, f"default of the setting `{name}` of every server", default=None)
