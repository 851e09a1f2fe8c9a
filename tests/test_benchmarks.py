"""The benchmarks, small: that all of them work. How fast anything is fails no test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import page
from tests.benchmarks.__main__ import EVERY_ROW, arguments, main
from tests.benchmarks.measure import Line, Missing, Rounds, Row

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="they read /proc")


@linux
@pytest.mark.parametrize("row", EVERY_ROW, ids=lambda row: row.name)
def test_a_row_can_be_measured(row: Row) -> None:
    """Each row runs, and yields a line for each peer, with figures or the reason why there are none."""
    lines = list(Rounds(1, 0, is_small=True).measure(row))
    assert {line.peer for line in lines} == set(row.others)
    assert all(line.missing or (line.ours > 0 and line.theirs > 0) for line in lines if line.unit != "ms")
    assert all(len(line.cells) == len(lines[0].cells) for line in lines)


@linux
def test_the_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """`python3 -m tests.benchmarks` prints versions, the commit and a table, and changes no page."""
    before = page.PAGE.read_bytes()
    assert main(["--small", "--only", "compose-ascii"]) == 0
    printed = capsys.readouterr().out
    assert "Python 3." in printed
    assert "| composed: text, HTML, attachment (ascii) | mails/s |" in printed
    assert page.PAGE.read_bytes() == before


def test_ratios_are_taken_pair_by_pair() -> None:
    """A machine that becomes slower from round to round does not change a ratio; the order alternates."""
    order: list[str] = []
    speed = [1.0, 0.5, 0.25]

    def sampler(name: str, figure: float) -> dict[str, float]:
        order.append(name)
        return {"mails/s": figure * speed[(len(order) - 1) // 2]}

    row = Row(
        "row",
        "title",
        lambda: sampler("ours", 300),
        {"them": lambda: sampler("them", 100), "nobody": Missing("is not there")},
        {("mails/s", "them"): "≥ 3"},
        rounds=3,
    )
    rounds = Rounds(5, 0, is_small=False)
    measured, missing = rounds.measure(row)
    assert measured == Line("title", "mails/s", "them", 150, 50, (3.0, 3.0, 3.0), "≥ 3")
    assert measured.cells == ("title", "mails/s", "150", "them 50", "**3**", "3–3", "≥ 3")
    assert missing.cells[3] == "nobody: is not there"
    assert order == ["ours", "them", "them", "ours", "ours", "them"]


def test_a_page_is_written_between_its_marks(tmp_path: Path) -> None:
    """What stands around the marks stays; a page without marks is an error that names it."""
    file = tmp_path / "performance.md"
    file.write_text(
        "# Head\n\n<!-- benchmarks -->\nold\n<!-- end of benchmarks -->\n\nEnd\n", encoding="utf-8"
    )
    page.write("\nnew\n\n", file)
    assert file.read_text(encoding="utf-8") == (
        "# Head\n\n<!-- benchmarks -->\n\nnew\n\n<!-- end of benchmarks -->\n\nEnd\n"
    )
    file.write_text("# Head\n", encoding="utf-8")
    with pytest.raises(ValueError, match="needs one place between"):
        page.write("new", file)


@pytest.mark.parametrize(
    "words", [["--write", "--small"], ["--write", "--only", "start"], ["--only", "nothing"]]
)
def test_what_cannot_be_asked_for(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A table is written whole or not at all; an unknown row is named, and so are those that there are."""
    with pytest.raises(SystemExit):
        arguments(words)
    assert "--write" in capsys.readouterr().err


def test_the_page_has_its_marks() -> None:
    """The page that the command writes is there."""
    assert page._BETWEEN.search(page.PAGE.read_text(encoding="utf-8"))


def test_the_scripts_are_of_no_package() -> None:
    """A script runs by its path in any environment: it imports nothing of the tests."""
    scripts = sorted((Path(__file__).parent / "benchmarks" / "work").glob("*.py"))
    assert scripts
    assert [file.name for file in scripts if "from tests" in file.read_text(encoding="utf-8")] == []


def test_a_peer_that_fails_is_a_line() -> None:
    """It does not end an hour's run; it is an error where all is small, and where ours fails."""

    def broken() -> dict[str, float]:
        raise subprocess.CalledProcessError(1, ["peer"])

    def works() -> dict[str, float]:
        return {"s": 1.0}

    row = Row("row", "title", works, {"them": broken, "others": works}, {})
    failed, measured = Rounds(2, 0, is_small=False).measure(row)
    assert failed.missing == "failed (Command '['peer']' returned non-zero exit status 1.)"
    assert (measured.peer, measured.ratios) == ("others", (1.0, 1.0))
    for rounds, wrong in (
        (Rounds(2, 0, is_small=True), row),
        (Rounds(2, 0, is_small=False), Row("row", "title", broken, {"others": works}, {})),
    ):
        with pytest.raises(subprocess.CalledProcessError):
            list(rounds.measure(wrong))
