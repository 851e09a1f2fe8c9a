from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_smtp4d.errors import SettingsError
from pytest_smtp4d.faults.action import Accept, Disconnect, PassThrough, ReplyWith, Send, Silence
from pytest_smtp4d.faults.match import Event
from pytest_smtp4d.faults.rules import Rules
from pytest_smtp4d.faults.sweep import (
    DEFAULT_STAGES,
    GARBAGE,
    KINDS,
    SETTINGS_OF_KIND,
    STAGE_KINDS,
    apply,
    grid,
    point_id,
)


def test_the_grid_is_every_stage_with_every_kind_it_can_have() -> None:
    """The default grid has each point once, stage by stage; a handshake is not refused by a reply."""
    points = grid()
    assert len(points) == len(set(points)) == 61
    assert list(dict.fromkeys(stage for stage, _ in points)) == list(DEFAULT_STAGES)
    faults = [kind for kind in KINDS if kind not in SETTINGS_OF_KIND]
    assert [kind for stage, kind in points if stage == "RCPT"] == faults
    assert [kind for stage, kind in points if stage == "STARTTLS"] == [*faults, "stripped"]
    assert [kind for stage, kind in points if stage == "TLS"] == [
        "disconnect-before",
        "disconnect-after",
        "silence",
        "garbage",
        "impostor",
        "wrong-host",
        "expired",
    ]
    assert ("QUIT", "disconnect-after") not in points


def test_a_grid_can_be_narrowed() -> None:
    """`stages` and `kinds` choose, in the order in which the test names the stages."""
    assert grid(["RCPT", "NOOP"], ["silence"]) == [("RCPT", "silence"), ("NOOP", "silence")]
    assert grid(kinds=("refuse-for-good",))[0] == ("CONNECT", "refuse-for-good")
    assert grid(["TLS", "TLS"], ["silence", "refuse-for-now"]) == [("TLS", "silence")]


def test_ids_are_readable() -> None:
    """A point is known by stage and kind, and no two by the same."""
    assert point_id("RCPT", "disconnect-before") == "RCPT-disconnect-before"
    assert len({point_id(*point) for point in grid(STAGE_KINDS)}) == len(grid(STAGE_KINDS))


@pytest.mark.parametrize(
    ("stage", "kind", "actions", "times"),
    [
        ("CONTENT", "disconnect-before", (Disconnect(),), 1),
        ("CONTENT", "disconnect-after", (Accept(), Disconnect()), 1),
        ("BDAT", "disconnect-after", (Accept(), Disconnect()), 1),
        ("TLS", "disconnect-after", (Accept(), Disconnect()), 1),
        ("RCPT", "disconnect-after", (PassThrough(), Disconnect()), 1),
        ("CONNECT", "disconnect-after", (PassThrough(), Disconnect()), 1),
        ("AUTH", "silence", (Silence(),), 1),
        ("TLS", "garbage", (Send(GARBAGE),), 1),
    ],
)
def test_a_point_is_a_fault(stage: str, kind: str, actions: tuple[Any, ...], times: int | None) -> None:
    """Each point adds one optional fault; what takes effect is known by the stage."""
    rules = Rules()
    fault = apply(rules, stage, kind)
    assert (fault._actions, fault.times, fault._is_optional) == (actions, times, True)
    assert rules.faults == (fault,)
    assert fault.origin == f"sweep {stage}-{kind}"


FAULTS = [point for point in grid(STAGE_KINDS) if point[1] not in SETTINGS_OF_KIND]


@pytest.mark.parametrize("point", FAULTS, ids=lambda point: point_id(*point))
def test_every_point_acts_on_its_stage(point: tuple[str, str]) -> None:
    """Every point of the whole table can be declared and acts; for now is once, for good is always."""
    rules = Rules()
    fault = apply(rules, *point)
    decisions = [rules.decide(Event(point[0])) for _ in range(3)]
    first = decisions[0]
    assert first is not None
    assert fault.hits == (3 if point[1] == "refuse-for-good" else 1)
    if point[1].startswith("refuse"):
        (reply,) = first[1]
        assert isinstance(reply, ReplyWith)
        assert reply.reply.is_transient is (point[1] == "refuse-for-now")
        assert reply.reply.is_permanent is (point[1] == "refuse-for-good")
        assert reply.reply.enhanced_code is not None


def test_an_occurrence_is_the_nth_time() -> None:
    """The n-th arrival at the stage is disturbed, those before it are not."""
    rules = Rules()
    fault = apply(rules, "MAIL", "disconnect-before", occurrence=3)
    assert [rules.decide(Event("MAIL")) is not None for _ in range(4)] == [False, False, True, False]
    assert fault.hits == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: grid(["RCTP"]), "unknown stage 'RCTP' of a sweep (did you mean 'RCPT'?)"),
        (lambda: grid(kinds=["silense"]), "unknown kind 'silense' of a sweep (did you mean 'silence'?)"),
        (lambda: grid("RCPT"), "stages is a list of names, not 'RCPT'"),
        (lambda: grid(kinds="silence"), "kinds is a list of names, not 'silence'"),
        (lambda: grid(["TLS"], ["refuse-for-now"]), "nothing to sweep: none of TLS can have refuse-for-now"),
        (lambda: grid([]), f"nothing to sweep: none of no stages can have {', '.join(KINDS)}"),
        (
            lambda: apply(Rules(), "QUIT", "disconnect-after"),
            "nothing to sweep: none of QUIT can have disconnect-after",
        ),
        (
            lambda: apply(Rules(), "QUIT", "silence", occurrence=0),
            "occurrence is which arrival at the stage is disturbed: a whole number, 1 or more, not 0",
        ),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(make: Callable[[], object], words: str) -> None:
    """Unknown stages and kinds name the nearest; a grid without points says why."""
    with pytest.raises(SettingsError) as error:
        make()
    assert str(error.value) == words


def test_kinds_that_are_settings_go_with_whole_sessions() -> None:
    """They are no faults, and which arrival at a stage is disturbed cannot be chosen for them."""
    assert not SETTINGS_OF_KIND.keys() & {kind for _, kind in grid(occurrence=2)}
    with pytest.raises(SettingsError, match="impostor holds for whole sessions"):
        grid(["TLS"], ["impostor"], occurrence=2)
    with pytest.raises(SettingsError, match="stripped is no fault"):
        apply(Rules(), "STARTTLS", "stripped")
