from __future__ import annotations

import pytest

from pytest_smtp4d.mail.date import read_date


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("Sun, 13 Sep 2020 16:11:53 +0200", "2020-09-13T14:11:53Z"),
        ("13 Sep 2020 16:11 -0130 (comment)", "2020-09-13T17:41:00Z"),
        ("Sun, 13 Sep 20 16:11:53 GMT", "2020-09-13T16:11:53Z"),
        ("Mon, 13 Sep 99 16:11:53 EST", "1999-09-13T21:11:53Z"),
        ("Sun, 13 September 2020 16:11:60", "2020-09-13T16:11:59Z"),
        ("Sunday, 13-Sep-20 16:11:53 Z", "2020-09-13T16:11:53Z"),
        ("Sun, 31 Feb 2020 16:11:53 +0000", None),
        ("13 Foo 2020 16:11:53 +0000", None),
        ("1 Jan 1800 00:00:00 +0000", None),
        ("31 Dec 9999 23:59:59 -2359", None),
        ("", None),
        ("x" * 1000, None),
    ],
)
def test_dates_are_read(value: str, moment: str | None) -> None:
    """Dates are read as they are found, obsolete years and zones too; what is none gives None."""
    assert read_date(value) == moment
