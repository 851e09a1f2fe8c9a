from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from pytest_smtp4d import SettingsError
from pytest_smtp4d.faults.injection import PAYLOADS, injection_of
from pytest_smtp4d.records.canary import CANARY, CANARY_FIELD


class Mark(NamedTuple):
    """A mark without pytest."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = {}


def test_a_marked_test_gets_every_payload_with_its_id() -> None:
    """Payloads and ids go together, in one order; without the marker there is nothing."""
    injection = injection_of([Mark("slow"), Mark("smtp_injection")], ["smtp_server", "payload"])
    assert injection is not None
    assert dict(zip(injection.ids, injection.payloads, strict=True)) == PAYLOADS
    assert injection_of([Mark("smtp_sweep")], []) is None


@pytest.mark.parametrize(
    ("mark", "arguments", "words"),
    [
        (
            Mark("smtp_injection"),
            ["smtp_server"],
            "smtp_injection: the test needs an argument `payload`, the text to put where users' input goes",
        ),
        (Mark("smtp_injection", ("CRLF",)), ["payload"], "smtp_injection takes nothing, not 'CRLF'"),
        (
            Mark("smtp_injection", (), {"kinds": ["CR"]}),
            ["payload"],
            "smtp_injection takes nothing, not kinds=['CR']",
        ),
    ],
)
def test_a_marker_that_cannot_act_is_refused(mark: Mark, arguments: list[str], words: str) -> None:
    """Without the argument, or with arguments of its own, it is an error in these words."""
    with pytest.raises(SettingsError) as error:
        injection_of([mark], arguments)
    assert str(error.value) == words


def test_the_kinds_of_payload_are_all_there() -> None:
    """CR, LF, CRLF, Unicode and encoded forms, ">" and parameters, dot lines."""
    texts = PAYLOADS.values()
    for piece in ("\r\n", "\n", "\r", "\x85", "\u2028", "\u560d\u560a", "%0D%0A", "=?utf-8?q?", "=?utf-8?b?",
                  "> ORCPT=", "\r\n.\r\n", "\n.\n", ">\r\nRCPT TO:<"):  # fmt: skip
        assert any(piece in text for text in texts), piece
    assert len(set(texts)) == len(PAYLOADS)


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_begins_innocently_and_holds_a_canary(name: str) -> None:
    """Its id can stand on a command line; what it begins with is what a user would type, not the canary."""
    text = PAYLOADS[name]
    assert name.replace("-", "").isalnum()
    assert name.isascii()
    if "-B-word" not in name:
        assert CANARY in text or CANARY_FIELD in text
        assert not text.startswith((CANARY, CANARY_FIELD))
