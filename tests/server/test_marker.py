from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from pytest_smtp4d import SettingsError, SMTPServer
from pytest_smtp4d.faults.rules import Rules
from pytest_smtp4d.server.marker import check, declare_faults, settings_of, sweep_of


class Mark(NamedTuple):
    """A mark without pytest."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = {}


def test_settings_merge_and_the_closest_wins() -> None:
    """Marks come closest first; other marks are nobody's business."""
    marks = [
        Mark("smtp_server", kwargs={"tls": "none"}),
        Mark("slow"),
        Mark("smtp_server", kwargs={"tls": "implicit", "esmtp": False}),
    ]
    assert settings_of(marks) == {"tls": "none", "esmtp": False}
    assert settings_of([]) == {}


def test_faults_are_declared_in_order_with_their_origin() -> None:
    """The closest is asked first; each knows the test that it stands at."""
    rules = Rules()
    marks = [
        Mark("smtp_fault", ("MAIL",), {"reply": 451}),
        Mark("smtp_fault", ("MAIL", "a@*"), {"silence": True}),
    ]
    faults = declare_faults(marks, rules, "test_it.py:7")
    assert rules.faults == tuple(faults)
    assert [fault.origin for fault in faults] == ["test_it.py:7"] * 2


def test_a_sweep_is_the_undisturbed_point_and_the_grid() -> None:
    """Ids are readable; the closest mark decides; without one there is none."""
    sweep = sweep_of(
        [Mark("smtp_sweep", kwargs={"stages": ["TLS"], "kinds": ["silence"]}), Mark("smtp_sweep")]
    )
    assert sweep is not None
    assert (sweep.points, sweep.ids) == ((None, ("TLS", "silence")), ["undisturbed", "TLS-silence"])
    server = SMTPServer()
    disturbance = sweep.disturb(server, ("TLS", "silence"))
    assert [fault._is_optional for fault in server._rules.faults] == [True]
    assert (disturbance.stage, disturbance.is_reached, server.active_fault) == (
        "TLS",
        False,
        ("TLS", "silence"),
    )
    disturbance.undo()
    assert (server._rules.faults, server.active_fault) == ((), None)
    assert sweep_of([Mark("smtp_server")]) is None


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        (Mark("smtp_server", ("none",)), "smtp_server: settings are given by name, not 'none'"),
        (Mark("smtp_server", (), {"tsl": "none"}), "there is no setting 'tsl' (did you mean 'tls'?)"),
        (Mark("smtp_fault"), "smtp_fault: missing 1 required positional argument: 'stage'"),
        (Mark("smtp_fault", ("MAIL", "*", "RCPT"), {}), "smtp_fault: takes from 2 to 3 positional arguments"),
        (Mark("smtp_fault", ("MIAL",), {"reply": 550}), "unknown stage 'MIAL' (did you mean 'MAIL'?)"),
        (
            Mark("smtp_sweep", ("MAIL",)),
            "smtp_sweep: stages, kinds, occurrence are given by name, not 'MAIL'",
        ),
        (
            Mark("smtp_sweep", (), {"stage": ()}),
            "smtp_sweep has no argument 'stage' (did you mean 'stages'?)",
        ),
        (Mark("smtp_sweep", (), {"occurrence": 0}), "occurrence is"),
    ],
)
def test_what_cannot_act_is_refused_in_words(mark: Mark, words: str) -> None:
    """Each slip names the value and the way out."""
    with pytest.raises(SettingsError, match=re.escape(words)):
        check([mark])
