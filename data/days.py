"""Days on which something is done: days of the month and weekdays, written in a project file."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

WEEKDAYS: Final = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)
DAILY: Final = "daily"
_WORDS: Final = {"monthly": ("1",), "never": ()}
_LONGEST: Final = 31
"""Days within which every day of a month comes."""


def parse_days(value: object) -> tuple[str, ...]:
    """Read "monday", 15, "monthly", "daily", "never", or a list of such.

    >>> parse_days([15, "Monday"]), parse_days("monthly"), parse_days("never")
    (('15', 'monday'), ('1',), ())
    """
    given = value if isinstance(value, list | tuple) else [value]
    days: list[str] = []
    for each in given:
        word = str(each).strip().lower()
        if word in _WORDS:
            days += _WORDS[word]
        elif word in (*WEEKDAYS, DAILY) or (word.isdecimal() and 1 <= int(word) <= _LONGEST):
            days.append(str(int(word)) if word.isdecimal() else word)
        else:
            raise ValueError(
                f"is no day: {each!r}; write 1 to 31, monday to sunday, daily, monthly or never"
            )
    return tuple(dict.fromkeys(days))


def falls_on(days: Sequence[str], day: date) -> bool:
    """Tell whether a day is one of these; the last day of a shorter month stands for 29 to 31.

    >>> falls_on(("31",), date(2026, 2, 28)), falls_on(("monday",), date(2026, 11, 3))
    (True, False)
    """
    last = monthrange(day.year, day.month)[1]
    of_month = {str(min(int(each), last)) for each in days if each.isdecimal()}
    return DAILY in days or str(day.day) in of_month or WEEKDAYS[day.weekday()] in days


def due(days: Sequence[str], day: date, *, done: date) -> bool:
    """Tell whether one of these days came after `done`, up to and with `day`.

    >>> due(("1",), date(2026, 11, 3), done=date(2026, 10, 20))
    True
    >>> due(("1",), date(2026, 11, 3), done=date(2026, 11, 1))
    False
    """
    passed = min((day - done).days, _LONGEST)
    return any(falls_on(days, day - timedelta(days=back)) for back in range(passed))
