"""What the judge says: a line for each run, and what all of them come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_smtp4d.faults.sweep import KINDS, STAGE_KINDS, point_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_smtp4d.judge.trial import Run

__all__ = ["failure", "head", "line", "summary"]

UNDISTURBED = "undisturbed"
_STAGE = max(map(len, STAGE_KINDS))
_KIND = max(map(len, KINDS))
_FORM = f"{{:<{_STAGE}}}  {{:<{_KIND}}}  {{:>4}}  {{:<7}}  {{:>7}}  {{}}"


def head() -> str:
    """Return the line above the table."""
    return _FORM.format("stage", "kind", "exit", "arrived", "seconds", "verdict")


def line(run: Run) -> str:
    """Return one line of the table."""
    stage, kind = run.point or ("-", UNDISTURBED)
    status = "-" if run.exit_status is None else run.exit_status
    return _FORM.format(
        stage, kind, status, run.arrived, f"{run.seconds:.2f}", "; ".join(_words(run)) or "ok"
    )


def _words(run: Run) -> Iterator[str]:
    if run.hung:
        yield "hung, and was killed"
    if run.claimed_success:
        yield "claimed success, and nothing arrived"
    if run.sent_twice:
        yield "sent twice, after a 250 that it got"
    if run.violations:
        yield f"violated {', '.join(run.violations)}"
    if run.arrived == "twice" and not run.sent_twice:
        yield "note: sent again, as the 250 was lost"
    if run.exit_status and run.arrived != "none":
        yield "note: an error although the mail arrived"


def summary(runs: Sequence[Run], unreached: Sequence[tuple[str, str]]) -> str:
    """Return the lines below the table."""
    lines = []
    if unreached:
        lines.append(f"never reached, so not judged: {', '.join(_grouped(unreached))}")
    counts = {
        "hung": sum(run.hung for run in runs),
        "claimed success": sum(run.claimed_success for run in runs),
        "sent twice": sum(run.sent_twice for run in runs),
        "violated": sum(bool(run.violations) for run in runs),
    }
    at_fault = sum(run.is_at_fault for run in runs)
    said = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    runs_ = f"{len(runs)} run{'s' if len(runs) != 1 else ''}"
    lines.append(f"{runs_}, {at_fault} at fault: {said}" if at_fault else f"{runs_}, none at fault")
    return "\n".join(lines)


def _grouped(points: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield the stages of which all kinds are among the points, and the ids of the other points."""
    for stage in dict.fromkeys(stage for stage, _ in points):
        kinds = [kind for other, kind in points if other == stage]
        if len(kinds) == len(STAGE_KINDS[stage]):
            yield stage
        else:
            yield from (point_id(stage, kind) for kind in kinds)


def failure(run: Run, advice: str) -> str:
    """Return why nothing else runs: undisturbed, the program did not deliver exactly one mail."""
    count = "no mail" if not run.messages else f"{run.messages} mails"
    ending = "was killed at the limit" if run.hung else f"ended with status {run.exit_status}"
    transcript = run.transcript or "(it never connected)"
    told = f"{advice}\n" if advice else ""
    return (
        f"undisturbed, the program delivered {count} instead of one, and {ending}\n{told}"
        f"--- its output\n{run.output.rstrip() or '(nothing)'}\n--- its sessions\n{transcript}"
    )
