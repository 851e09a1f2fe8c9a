from __future__ import annotations

import re
from pathlib import Path

from pytest_smtp4d.server.action import ACTIONS, ARGUMENTS, STAGE_ACTIONS, STAGES, ReplyWith
from pytest_smtp4d.server.fault import Rules
from pytest_smtp4d.server.sweep import DEFAULT_STAGES, KINDS, STAGE_KINDS, apply
from pytest_smtp4d.server.violation import COMMAND_LIMITS, MAXIMUM_COMMAND, MAXIMUM_LINE, VIOLATIONS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def table(*rows: tuple[str, ...]) -> str:
    """Write a table as Markdown; the first row is its head."""
    head, *body = rows
    lines = [head, ("---",) * len(head), *body]
    return (
        "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |").replace("|  |", "| |") for line in lines)
        .replace("| --- ", "|---")
        .replace("--- |", "---|")
    )


def shown(page: str, name: str) -> str:
    """Return the table that a page shows between its marks."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    (found,) = re.findall(rf"<!-- table: {name} -->\n(.*?)<!-- end of table -->", text, re.DOTALL)
    return str(found)


def test_the_table_of_actions_is_the_codes() -> None:
    """The reference shows for every stage what it can do, as the code has it."""
    columns = (*ACTIONS, "after_octets")
    rows = [(stage, *("✓" if name in STAGE_ACTIONS[stage] else "" for name in columns)) for stage in STAGES]
    assert shown("faults.md", "actions") == table(("Stage", *columns), *rows)


def test_the_table_of_stages_is_the_codes() -> None:
    """The reference names every stage and what its argument holds."""
    text = (REFERENCE / "faults.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([A-Z]+) \| [^|]+ \| ?([^|]*?) ?\|$", text, re.MULTILINE)
    assert dict(rows) == dict(ARGUMENTS)


def test_the_table_of_sweeps_is_the_codes() -> None:
    """The reference shows every point of the sweep, with the codes that refuse."""

    def cell(stage: str, kind: str) -> str:
        if kind not in STAGE_KINDS[stage]:
            return ""
        (action, *_) = apply(Rules(), stage, kind).actions
        return str(action.reply.code) if isinstance(action, ReplyWith) else "✓"

    rows = [
        (stage, *(cell(stage, kind) for kind in KINDS), "✓" if stage in DEFAULT_STAGES else "")
        for stage in STAGE_KINDS
    ]
    assert shown("faults.md", "sweep") == table(("Stage", *KINDS, "by default"), *rows)


def test_the_table_of_violations_is_the_codes() -> None:
    """The reference shows the closed list with its RFC sections and words."""
    rows = [
        (f"`{name}`", "yes" if rule.fatal else "no", rule.rfc, rule.meaning)
        for name, rule in VIOLATIONS.items()
    ]
    assert shown("violations.md", "violations") == table(
        ("Name", "Fatal", "RFC", "What the client did"), *rows
    )


def test_the_limits_are_the_codes() -> None:
    """The reference shows the lengths of lines that the judge allows."""
    text = (REFERENCE / "violations.md").read_text(encoding="utf-8")
    limits = dict(re.findall(r"^\| ([\w, ]+) \| (\d+) \|", text, re.MULTILINE))
    assert limits == {
        "content": str(MAXIMUM_LINE),
        "command": str(MAXIMUM_COMMAND),
        "MAIL": str(COMMAND_LIMITS["MAIL"]),
        "RCPT": str(COMMAND_LIMITS["RCPT"]),
        "AUTH, and answers to challenges": str(COMMAND_LIMITS["AUTH"]),
    }
