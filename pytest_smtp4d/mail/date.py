"""Dates of messages that were received.

RFC 5322 3.3 and 4.3. A date is read as a whole: words that are not understood, the zone above all, make it
unknown, because a wrong moment is worse than none.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from pytest_smtp4d.mail.structured import without_comments

__all__ = ["read_date"]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAME = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.? ?,? ?)?"
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_TIME = r"(\d{1,2}) ?: ?(\d{1,2})(?: ?: ?(\d{1,2})(?:[.,]\d+)?)?(?: ?([ap])\.?m\.?)?"
# zone = ("+" / "-") 4DIGIT / obs-zone; "GMT" may stand before an offset, and a name behind it
_ZONE = r"(?: ?(?:gmt|utc|ut)? ?([+-])(\d{1,2}):?(\d\d)?(?: [a-z]+)?| ?([a-z]{1,4}))?"
# date-time = [day-name ","] day month year hour ":" minute [":" second] zone          RFC 5322 3.3 and 4.3
_DATE = re.compile(rf"{_DAY_NAME}(\d{{1,2}})[ -]{_MONTH}[ -](\d{{2,4}}),? {_TIME}{_ZONE}", re.ASCII)
# as C's asctime() writes it, with or without a zone before the year
_ASCTIME = re.compile(rf"{_DAY_NAME}{_MONTH} (\d{{1,2}}),? {_TIME}{_ZONE} (\d{{4}})", re.ASCII)

# Offsets in hours of the zones that mailers name: RFC 5322 4.3, and European ones that mean one thing.
_ZONES = {
    "": 0,
    "gmt": 0,
    "ut": 0,
    "utc": 0,
    "z": 0,
    "edt": -4,
    "est": -5,
    "cdt": -5,
    "cst": -6,
    "mdt": -6,
    "mst": -7,
    "pdt": -7,
    "pst": -8,
    "wet": 0,
    "west": 1,
    "cet": 1,
    "cest": 2,
    "met": 1,
    "mest": 2,
    "eet": 2,
    "eest": 3,
}


def read_date(value: str) -> str | None:
    """Return the moment of a Date field as ISO 8601 text in UTC (4D: `sendAt`); None where it names none.

    A date without any zone is taken as UTC.
    """
    text = " ".join(without_comments(value).lower().replace(",", ", ").split())
    if match := _DATE.fullmatch(text):
        day, month, year, *rest = match.groups()
    elif match := _ASCTIME.fullmatch(text):
        month, day, *rest, year = match.groups()
    else:
        return None
    hour, minute, second, half, *zone = rest
    offset = _offset(*zone)
    hours = _hour(int(hour), half)
    if offset is None or hours is None:
        return None
    try:
        whole_second = min(int(second or 0), 59)  # a leap second has no place in Python's clock
        when = (_year(year), _MONTHS.index(month) + 1, int(day), hours, int(minute), whole_second)
        moment = datetime(*when, tzinfo=timezone.utc) - offset
    except (ValueError, OverflowError):
        return None
    return (
        f"{moment.replace(tzinfo=None).isoformat()}Z"
        if moment.year >= 1900 and int(second or 0) <= 60
        else None
    )


def _year(text: str) -> int:
    """Return a year of two, three or four digits (RFC 5322 4.3)."""
    year = int(text)
    if len(text) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(text) == 3 else year


def _hour(hour: int, half: str | None) -> int | None:
    """Return an hour of the day; of a clock of twelve hours where `half` says "a" or "p"."""
    if half is None:
        return hour
    return hour % 12 + (12 if half == "p" else 0) if 1 <= hour <= 12 else None


def _offset(sign: str | None, hours: str | None, minutes: str | None, name: str | None) -> timedelta | None:
    """Return the offset of a zone; None for one that is not understood.

    Of three digits the first is the hour: "-600" is six hours.
    """
    if sign is None or hours is None:
        hour = _ZONES.get(name or "")
        return None if hour is None else timedelta(hours=hour)
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    if offset >= timedelta(days=1) or int(minutes or 0) > 59:
        return None
    return -offset if sign == "-" else offset
