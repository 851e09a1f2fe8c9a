from __future__ import annotations

import json

import pytest

from tests.plugin.compat.conftest import Together


def test_allure_has_transcript_mails_and_verdict(together: Together, pytester: pytest.Pytester) -> None:
    """Each test's result has the dialogue and its mails attached; a verdict is its failure."""
    pytest.importorskip("allure_pytest")
    together("--alluredir=allure", kept=("allure_pytest",))
    results = [
        json.loads(path.read_text("utf-8")) for path in (pytester.path / "allure").glob("*-result.json")
    ]
    tests = {result["name"]: result for result in results}
    attached = {name: [one["name"] for one in test.get("attachments", [])] for name, test in tests.items()}
    assert attached["test_arrives"] == ["SMTP transcript", "Arrives"]
    assert attached["test_fails"][:2] == ["SMTP transcript", "Fails"]
    assert {name: test["status"] for name, test in tests.items()} == {
        "test_arrives": "passed",
        "test_fails": "failed",
        "test_violates": "failed",
        "test_never_hits": "failed",
    }
    assert "client violated SMTP" in tests["test_violates"]["statusDetails"]["message"]
