from __future__ import annotations

import html
import json
import re

import pytest

from tests.plugin.compat.conftest import Together


def test_pytest_html_shows_transcript_and_mails(together: Together, pytester: pytest.Pytester) -> None:
    """Its page has the dialogue and each mail of every test, and the verdict as the failure."""
    pytest.importorskip("pytest_html")
    together("--html=page.html", "--self-contained-html", kept=("html", "metadata"))
    page = (pytester.path / "page.html").read_text(encoding="utf-8")
    blob = re.search(r'data-jsonblob="([^"]*)"', page)
    assert blob is not None
    tests = json.loads(html.unescape(blob[1]))["tests"]
    rows = {test.rpartition("::")[2]: rows for test, rows in tests.items()}
    names = {
        test: [extra["name"] for row in found for extra in row["extras"]] for test, found in rows.items()
    }
    assert names["test_arrives"] == ["SMTP report", "SMTP transcript", "mail 1.eml"]
    assert names["test_fails"] == ["SMTP report", "SMTP transcript", "mail 1.eml"]
    assert names["test_violates"] == ["SMTP report", "SMTP transcript"]
    assert "client violated SMTP" in str(rows["test_violates"])
