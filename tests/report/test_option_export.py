from __future__ import annotations

import mailbox
from pathlib import Path

import pytest

from tests.report.conftest import Reported, quiet

SUITE = """
@pytest.mark.parametrize("number", range(4))
def test_it(smtp_server, transporter, number):
    transporter.send({**MAIL, "subject": f"mail {number}", "bcc": "eve@example.net", "textBody": "geheim1"})
"""


def mails(folder: Path) -> list[mailbox.MaildirMessage]:
    """Return the mails of a Maildir, by subject."""
    return sorted(mailbox.Maildir(str(folder), create=False), key=lambda mail: str(mail["Subject"]))


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_all_mail_of_the_run_is_in_the_maildir(
    reported: Reported, pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    """Each mail once, with its envelope and the id of its test; the folder is said."""
    result = reported(SUITE, "--smtp4d-report=", "--smtp4d-export=out/mails", *arguments, status=0)
    found = mails(pytester.path / "out" / "mails")
    assert [mail["Subject"] for mail in found] == [f"mail {n}" for n in range(4)]
    assert [mail["X-Smtp4d-Test"] for mail in found] == [f"test_it.py::test_it[{n}]" for n in range(4)]
    assert found[0]["Return-Path"] == "<ada@example.com>"
    assert found[0].get_all("Delivered-To") == ["bob@example.org", "eve@example.net"]
    assert found[0].get_payload() == "geheim1\n"
    assert any("SMTP mails: " in line for line in result.outlines)


def test_the_mails_of_an_earlier_run_are_replaced(reported: Reported, pytester: pytest.Pytester) -> None:
    """A second run leaves its own mails only."""
    for _ in range(2):
        reported(SUITE, "--smtp4d-export=mails", status=0)
    assert len(mails(pytester.path / "mails")) == 4


def test_exported_mails_are_redacted(reported: Reported, pytester: pytest.Pytester) -> None:
    """`smtp4d_report_redact` holds for them too."""
    pytester.makeini("[pytest]\nsmtp4d_report_redact = geheim\\d")
    reported(SUITE, "--smtp4d-export=mails", status=0)
    assert mails(pytester.path / "mails")[0].get_payload() == "[redacted]\n"


def test_what_is_not_ours_is_not_removed(reported: Reported, pytester: pytest.Pytester) -> None:
    """A folder with something else, a Maildir with other mail, and a file are usage errors; all stay."""
    (pytester.path / "home").mkdir()
    (pytester.path / "home" / "letter.txt").write_text("Dear Bob", encoding="utf-8")
    inbox = mailbox.Maildir(str(pytester.path / "inbox"), create=True)
    inbox.add(b"Subject: mine\n\nbody")
    (pytester.path / "file").write_text("", encoding="utf-8")
    for place, words in (
        ("home", "is no Maildir of an earlier run"),
        ("inbox", "holds mail that no run has exported"),
        ("file", "cannot be written"),
    ):
        result = pytester.runpytest_subprocess(*quiet(), f"--smtp4d-export={place}")
        assert result.ret == 4
        assert words in result.stderr.str()
    assert len(inbox) == 1
    assert (pytester.path / "home" / "letter.txt").exists()
