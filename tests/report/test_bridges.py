from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.report.conftest import Reported

SUITE = """
def test_passes(smtp_server, transporter):
    transporter.send({**MAIL, "subject": "in the test that passes"})

def test_fails(smtp_server, transporter):
    transporter.send({**MAIL, "subject": "in the test that fails"})
    assert False

def test_errs(smtp_server, transporter):
    smtp_server.on("VRFY").reply(250)
    transporter.send(MAIL)

def test_without_mail():
    assert False
"""


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_junit_xml_carries_the_transcript_of_failed_tests(
    reported: Reported, pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    """As `system-out` of the test case; passed tests, and those without a server, have none."""
    reported(SUITE, "--smtp4d-report=", "--junitxml=junit.xml", *arguments)
    cases = {case.get("name"): case for case in ET.parse(pytester.path / "junit.xml").iter("testcase")}
    out = {name: [node.text or "" for node in case.iter("system-out")] for name, case in cases.items()}
    assert out["test_passes"] == []
    assert out["test_without_mail"] == []
    (failed,) = out["test_fails"]
    assert failed.startswith("SMTP transcript\nsmtp://127.0.0.1:")
    assert "C: MAIL FROM:<ada@example.com>" in failed
    assert "C: RCPT TO:<bob@example.org>" in "".join(out["test_errs"])


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_pytest_html_links_to_the_mail_and_holds_it(
    reported: Reported, pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    """A link to the test in our page, the dialogue and each mail as `.eml`."""
    pytest.importorskip("pytest_html")
    reported(SUITE, "--html=html.html", "--self-contained-html", *arguments, kept=("html", "metadata"))
    page = (pytester.path / "html.html").read_text(encoding="utf-8")
    found = re.search(r'data-jsonblob="([^"]*)"', page)
    assert found is not None
    tests = json.loads(found[1].replace("&#34;", '"').replace("&amp;", "&").replace("&#39;", "'"))["tests"]
    extras = {test: [extra for row in rows for extra in row["extras"]] for test, rows in tests.items()}
    link, transcript, mail = extras["test_it.py::test_fails"]
    assert link["name"] == "SMTP report"
    assert link["content"] == f"{(pytester.path / 'out/mail.html').as_uri()}#test=test_it.py%3A%3Atest_fails"
    assert (transcript["name"], mail["name"]) == ("SMTP transcript", "mail 1.eml")
    assert "in the test that fails" in str(mail["content"]) or "in the test that fails" in str(
        base64.b64decode(mail["content"].partition(",")[2])
    )
    assert "test_it.py::test_without_mail" not in extras or not extras["test_it.py::test_without_mail"]


def test_allure_gets_transcript_and_mails(reported: Reported, pytester: pytest.Pytester) -> None:
    """Each test's result has the dialogue as text and its mails as `.eml`."""
    pytest.importorskip("allure_pytest")
    reported(SUITE, "--smtp4d-report=", "--alluredir=allure", kept=("allure_pytest",))
    folder = Path(pytester.path / "allure")
    results = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*-result.json")]
    attached = {result["name"]: result.get("attachments", []) for result in results}
    transcript, mail = attached["test_passes"]
    assert (transcript["name"], transcript["type"]) == ("SMTP transcript", "text/plain")
    assert (mail["name"], mail["type"]) == ("in the test that passes", "message/rfc822")
    assert mail["source"].endswith(".eml")
    assert b"Subject: in the test that passes" in (folder / mail["source"]).read_bytes()
    assert "C: MAIL FROM" in (folder / transcript["source"]).read_text(encoding="utf-8")
    assert not attached["test_without_mail"]


def test_the_path_is_in_githubs_summary(
    reported: Reported, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where `$GITHUB_STEP_SUMMARY` names a file, the path and the counts are appended to it."""
    summary = pytester.path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    reported(SUITE)
    assert summary.read_text(encoding="utf-8") == (
        f"before\n\n**SMTP report**: `{pytester.path / 'out' / 'mail.html'}` "
        "(3 tests, 2 failed, 3 mails, 0 refused, 0 violations, 1 unhit)\n"
    )
