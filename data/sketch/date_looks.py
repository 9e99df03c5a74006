"""Texts or numbers -> the date_format in which they are dates, if they are."""

from __future__ import annotations

import re
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.clock import read_times
from data.sketch.vocabulary import DATE_NAME, speaks_of

_DAYS: Final = (
    *("%d-%m-%Y", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d"),
    *("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y"),
    *("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y"),
)
_TIMES: Final = (
    *("", " %H:%M:%S", " %H:%M", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", " %H:%M:%S.%f"),
    *(" %Hh%M", " à %H:%M", " à %Hh%M"),
)
_DATE: Final = (
    r"\s*(\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}[- ][A-Za-z]{3,9}[- ]\d{2,4}"
    r"|[A-Za-z]{3,9} \d{1,2}, \d{4})"
)
_SERIAL: Final = (20_000.0, 60_000.0)  # 1954 to 2064
_EPOCHS: Final = (("epoch_s", 1.0), ("epoch_ms", 1e3), ("epoch_us", 1e6))
_EPOCH_RANGE: Final = (631_152_000.0, 2_524_608_000.0)  # 1990 to 2050, in seconds


def date_format_of(sample: pa.Array) -> tuple[str | None, bool] | None:
    """Find in which format texts are dates: (None for ISO, ambiguous); None where they are not.

    It is ambiguous where day and month may be exchanged in every text.
    """
    if not re.match(_DATE, str(sample[0].as_py())):
        return None
    column = pa.chunked_array([sample])
    if not read_times(column).bad.any():
        return None, False
    some = sample[:20].to_pandas()
    fitting = []
    for day in _DAYS:
        exact = [day + time for time in _TIMES if _fits_one(some, day + time)]
        fitting += [
            form for form in exact[:1] if not read_times(column, date_format=form).bad.any()
        ]
    if not fitting:
        return None
    return fitting[0], month_first(fitting[0]) in fitting


def same_form(first: str | None, second: str | None) -> bool:
    """Tell whether one date_format reads both: with or without a time, and ISO beside any.

    >>> same_form("%d/%m/%Y", "%d/%m/%Y %H:%M"), same_form("%d/%m/%Y", "%m/%d/%Y")
    (True, False)
    """
    if first is None or second is None:
        return True
    days = [next((d for d in _DAYS if form.startswith(d)), form) for form in (first, second)]
    return days[0] == days[1]


def _fits_one(texts: pd.Series[str], written: str) -> bool:
    """Tell whether a format is that of any of some texts, to the letter."""
    return bool(pd.to_datetime(texts, format=written, errors="coerce").notna().any())


def month_first(written: str) -> str | None:
    """Exchange day and month in a format that begins with the day; None for any other."""
    swapped = re.sub(r"^%d([-/.])%m", r"%m\1%d", written)
    return None if swapped == written else swapped


def number_format_of(values: pa.Array, name: str) -> str | None:
    """Find whether numbers count days or seconds: "excel", "epoch_s", … or "%Y%m%d"; else None.

    The numbers alone do not say so: the column's name must speak of time.
    """
    if not speaks_of(name, DATE_NAME):
        return None
    try:
        numbers = pc.cast(values, pa.float64())
    except pa.ArrowInvalid:
        return None
    low, high = float(pc.min(numbers).as_py()), float(pc.max(numbers).as_py())
    if _SERIAL[0] <= low and high <= _SERIAL[1]:
        return "excel"
    for unit, per_second in _EPOCHS:
        if _EPOCH_RANGE[0] * per_second <= low and high <= _EPOCH_RANGE[1] * per_second:
            return unit
    if low >= 19_000_101 and high <= 21_001_231:
        days = pa.chunked_array([numbers.cast(pa.int64()).cast(pa.string())])
        return None if read_times(days, date_format="%Y%m%d").bad.any() else "%Y%m%d"
    return None
