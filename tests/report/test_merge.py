from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_smtp4d.report.merge import main, merged
from pytest_smtp4d.report.page import read_page, render
from tests.report.records import content, failure, message, record, report


def shard(*tests: str) -> str:
    """Return the page of a run in which these tests sent a mail each; those named "bad" failed."""
    records = {test: [record(message(content(test)))] for test in tests}
    return render(report(records, {test: failure() for test in tests if "bad" in test}))


def test_pages_become_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All tests are there, in the order of the pages; an id that several hold gets its shard's name."""
    for name, tests in (("linux", ("test_a", "test_bad")), ("windows", ("test_a", "test_c"))):
        (tmp_path / f"{name}.html").write_text(shard(*tests), encoding="utf-8")
    output = tmp_path / "new" / "all.html"

    assert (
        main(["merge", str(tmp_path / "linux.html"), str(tmp_path / "windows.html"), "-o", str(output)]) == 0
    )
    assert capsys.readouterr().out == f"{output}\n"
    whole = read_page(output.read_text(encoding="utf-8"))
    assert [test["id"] for test in whole["tests"]] == [
        "test_a [linux]",
        "test_bad",
        "test_a [windows]",
        "test_c",
    ]
    assert whole["run"]["outcomes"] == {"passed": 3, "failed": 1}
    assert whole["run"]["seconds"] == 3.0
    assert whole["run"]["notes"] == ["merged from linux, windows"]
    assert [one["name"] for one in whole["run"]["shards"]] == ["linux", "windows"]


def test_the_command_line_leads_there(tmp_path: Path) -> None:
    """`python -m pytest_smtp4d report merge` is the command."""
    (tmp_path / "a.html").write_text(shard("test_a"), encoding="utf-8")
    command = [sys.executable, "-m", "pytest_smtp4d", "report", "merge", "a.html", "-o", "all.html"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'all.html'}\n")


def test_shards_of_the_same_file_name_are_told_apart(tmp_path: Path) -> None:
    """As artefacts of several jobs are: the folder becomes part of the name."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mail.html").write_text(shard("test_a"), encoding="utf-8")
    pages = [str(tmp_path / name / "mail.html") for name in ("one", "two")]
    assert main(["merge", *pages, "-o", str(tmp_path / "all.html")]) == 0
    whole = read_page((tmp_path / "all.html").read_text(encoding="utf-8"))
    assert [test["id"] for test in whole["tests"]] == ["test_a [one/mail]", "test_a [two/mail]"]


def test_a_merged_page_can_be_merged_again() -> None:
    """What was merged is a page like any other."""
    first = merged([("a", read_page(shard("test_a"))), ("b", read_page(shard("test_a")))])
    again = merged([("ab", read_page(render(first))), ("c", read_page(shard("test_a")))])
    assert [test["id"] for test in again["tests"]] == ["test_a [a]", "test_a [b]", "test_a"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("missing.html", None, "No such file"),
        ("other.html", "<html>", "no report of pytest-smtp4d"),
        ("binary.html", b"\xff\xfe", "can't decode"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str | bytes | None, words: str
) -> None:
    """Status 2 and a sentence with the path; nothing is written."""
    if text is not None:
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(SystemExit) as ended:
        main(["merge", str(tmp_path / name), "-o", str(tmp_path / "all.html")])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert str(tmp_path / name) in error
    assert words in error
    assert not (tmp_path / "all.html").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An output below a file ends with status 2 and names it."""
    (tmp_path / "a.html").write_text(shard("test_a"), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["merge", str(tmp_path / "a.html"), "-o", str(tmp_path / "a.html" / "b.html")])
    assert ended.value.code == 2
    assert "b.html" in capsys.readouterr().err
