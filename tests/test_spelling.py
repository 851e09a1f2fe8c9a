"""4D's spelling of members (`pytest_smtp4d.spelling`)."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_smtp4d.spelling import FourDSpelling


@dataclass(frozen=True)
class Verdict(FourDSpelling):
    """A frozen value, as a status is; see `FourDSpelling` on slots."""

    success: bool
    status_text: str = "Ready"

    def as_object(self) -> dict[str, Any]:
        """Return the document."""
        return {"success": self.success, "statusText": self.status_text}


class Line(FourDSpelling):
    """An ordinary class with a dictionary, as a transporter is."""

    def __init__(self) -> None:
        self._send_time_out = 100

    @property
    def send_time_out(self) -> int:
        """Seconds."""
        return self._send_time_out

    @property
    def password(self) -> str:
        """Never readable."""
        raise AttributeError("a password can be given, not read back")


def read(thing: object, name: str) -> Any:
    """Read a member as dynamic code does."""
    return getattr(thing, name)


@pytest.mark.parametrize(
    ("thing", "camel", "value"),
    [(Verdict(True), "statusText", "Ready"), (Line(), "sendTimeOut", 100)],
)
def test_reads_in_both_spellings(thing: object, camel: str, value: object) -> None:
    """A member answers to 4D's spelling whether its class has slots, fields or properties."""
    assert read(thing, camel) == value


def test_methods_answer_too() -> None:
    """A 4D function is called in 4D's spelling."""
    assert read(Verdict(False), "asObject")() == {"success": False, "statusText": "Ready"}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("status_Text", "'Verdict' object has no attribute 'status_Text' (did you mean 'statusText'?)"),
        ("StatusText", "'Verdict' object has no attribute 'StatusText' (did you mean 'statusText'?)"),
        ("statusTxt", "'Verdict' object has no attribute 'statusTxt' (did you mean 'statusText'?)"),
        ("status_txt", "'Verdict' object has no attribute 'status_txt' (did you mean 'status_text'?)"),
        ("zzz", "'Verdict' object has no attribute 'zzz' (known: 'as_object', 'status_text', 'success')"),
        ("__zzz__", "'Verdict' object has no attribute '__zzz__'"),
        ("_Status_text", "'Verdict' object has no attribute '_Status_text'"),
    ],
)
def test_unknown_member_names_the_nearest(name: str, hint: str) -> None:
    """A slip is told in the spelling that was used."""
    with pytest.raises(AttributeError) as caught:
        read(Verdict(True), name)
    assert str(caught.value) == hint


def test_a_property_keeps_its_own_words() -> None:
    """A property that refuses to be read is not taken for a missing one."""
    with pytest.raises(AttributeError, match="a password can be given, not read back"):
        read(Line(), "password")


@pytest.mark.parametrize("thing", [Verdict(True), Line()])
def test_reading_only(thing: object) -> None:
    """4D's spelling cannot be assigned to, so it can never shadow the member."""
    name = "statusText" if isinstance(thing, Verdict) else "sendTimeOut"
    with pytest.raises(AttributeError):
        setattr(thing, name, 5)
    assert read(thing, name) != 5


def test_other_attributes_are_left_alone() -> None:
    """A class of its own may still keep what it likes."""
    line = Line()
    setattr(line, "note", "x")  # noqa: B010 - as dynamic code does
    assert read(line, "note") == "x"


def test_values_copy_and_pickle() -> None:
    """Looking for protocol methods on a half-made object does not recurse."""
    verdict = Verdict(True)
    assert copy.deepcopy(verdict) == verdict
    assert pickle.loads(pickle.dumps(verdict)) == verdict
