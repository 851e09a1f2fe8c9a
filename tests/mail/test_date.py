from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_smtp4d.mail.date import read_date


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("Sun, 13 Sep 2020 16:11:53 +0200", "2020-09-13T14:11:53Z"),
        ("13 Sep 2020 16:11 -0130 (comment)", "2020-09-13T17:41:00Z"),
        ("Sun, 13 Sep 20 16:11:53 GMT", "2020-09-13T16:11:53Z"),
        ("Mon, 13 Sep 99 16:11:53 EST", "1999-09-13T21:11:53Z"),
        ("Mon, 13 Sep 120 16:11:53 UT", "2020-09-13T16:11:53Z"),
        ("Sun, 13 September 2020 16:11:60", "2020-09-13T16:11:59Z"),
        ("Sunday, 13-Sep-20 16:11:53 Z", "2020-09-13T16:11:53Z"),
        ("sun,13 sep 2020 16:11:53 +0000", "2020-09-13T16:11:53Z"),
        ("Sun Sep 13 16:11:53 2020", "2020-09-13T16:11:53Z"),
        ("Sun Sep 13 16:11:53 PDT 2020", "2020-09-13T23:11:53Z"),
        ("Sun, 31 Feb 2020 16:11:53 +0000", None),
        ("13 Foo 2020 16:11:53 +0000", None),
        ("13 Sep 2020 16:11:61 +0000", None),
        ("1 Jan 1800 00:00:00 +0000", None),
        ("31 Dec 9999 23:59:59 -2359", None),
        ("", None),
        ("x" * 1000, None),
    ],
)
def test_dates_are_read(value: str, moment: str | None) -> None:
    """Dates are read as they are found, obsolete years and zones too; what is none gives None."""
    assert read_date(value) == moment


@pytest.mark.parametrize(
    "value",
    [
        "Mon (a), (b) 21 (c) Aug (d) 1995 (e) 13 (f) : (g) 30 (h) : (i) 57 (j) +0200 (k)",
        "Mon, 21 Aug 1995 13:30:57(so (they (say)))+0200",
        "Mon, 21 Aug 1995 13:30:57 (a \\) in it) +0200",
        "Mon,\t \t 21" + " " * 5000 + "Aug 1995    13:30:57" + "\t" * 5000 + "(x)" * 500 + " +0200",
    ],
)
def test_comments_and_blanks_stand_anywhere(value: str) -> None:
    """Between the tokens of a date there may be any number of comments and blanks (RFC 5322 3.3, 4.3)."""
    assert read_date(value) == "1995-08-21T11:30:57Z"


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("+02:00", "11:30:57"),
        ("GMT+0200", "11:30:57"),
        ("UTC+02:00", "11:30:57"),
        ("UTC", "13:30:57"),
        ("+0200 CEST", "11:30:57"),
        ("+02", "11:30:57"),
        ("-600", "19:30:57"),
        ("-0600", "19:30:57"),
        ("CEST", "11:30:57"),
        ("pm", None),
        ("+2500", None),
        ("+0260", None),
        ("+02000", None),
        ("+02:00:00", None),
        ("XYZ", None),
        ("A", None),
        ("Europe/Zurich", None),
        ("+0200 +0300", None),
        ("trailing words", None),
    ],
)
def test_a_zone_is_understood_or_there_is_no_moment(zone: str, moment: str | None) -> None:
    """A wrong moment is worse than none: a zone that is not understood is not UTC."""
    expected = moment and f"1995-08-21T{moment}Z"
    assert read_date(f"Mon, 21 Aug 1995 13:30:57 {zone}") == expected


@pytest.mark.parametrize(
    ("clock", "moment"),
    [
        ("1:30:57 PM", "13:30:57"),
        ("1:30:57 a.m.", "01:30:57"),
        ("12:00 AM", "00:00:00"),
        ("12:00pm", "12:00:00"),
        ("13:00 PM", None),
        ("0:30 PM", None),
        ("13.30", None),
        ("24:00", None),
        ("13:60", None),
    ],
)
def test_a_clock_of_twelve_hours(clock: str, moment: str | None) -> None:
    """AM and PM count; an hour that such a clock has not makes no moment."""
    assert read_date(f"21 Aug 1995 {clock} +0000") == (moment and f"1995-08-21T{moment}Z")


@given(st.text(max_size=200))
def test_any_text_is_a_moment_or_none(text: str) -> None:
    """Nothing raises."""
    assert read_date(text) is None or read_date(text)
