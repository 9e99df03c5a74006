"""Columns in the order of time -> those that only name the period a row came in, set aside.

A month that was seen once tells the rows of that month from all others, and nothing of the months
to come: what it learns is how the level wandered. Two cycles are the least that can show a season.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.fit.encoders import Ints, TrainingColumns

MOST, FEWER = 60, 10
"""Values of a calendar at most; and so many times fewer stretches than in a column without time."""


def set_periods_aside(
    columns: TrainingColumns, times: NDArray[Any]
) -> tuple[TrainingColumns, tuple[str, ...]]:
    """Blank the columns that name periods of which fewer than two cycles were seen; name them."""
    order = np.argsort(times, kind="stable")
    numbers = [n for n, v in columns.numbers.items() if names_periods(v[order], ordered=True)]
    words = [
        name
        for name, codes in columns.codes.items()
        if names_periods(np.where(codes < 0, np.nan, codes)[order], ordered=False)
    ]
    if not numbers and not words:
        return columns, ()
    nothing: Ints = np.full(columns.n, -1, dtype=np.int64)
    blank = replace(
        columns,
        numbers=columns.numbers
        | {name: np.full_like(columns.numbers[name], np.nan) for name in numbers},
        codes=columns.codes | dict.fromkeys(words, nothing),
        levels=columns.levels | dict.fromkeys(words, ()),
    )
    return blank, (*numbers, *words)


def names_periods(values: NDArray[np.floating[Any]], *, ordered: bool) -> bool:
    """Tell whether values, in the order of time, come in stretches that hardly come again.

    The values of `ordered` ones rise from stretch to stretch, with at most one step back to the
    beginning of the cycle: a measure that stays the same for a while goes up and down.

    >>> months = np.repeat([10.0, 11.0, 12.0, 1.0, 2.0], 40)
    >>> names_periods(months, ordered=True)
    True
    >>> names_periods(np.tile(months, 2), ordered=True), names_periods(months[::7], ordered=False)
    (False, False)
    """
    known = values[~np.isnan(values)]
    found, codes = np.unique(known, return_inverse=True)
    if not 3 <= len(found) <= MOST:
        return False
    steps = np.diff(codes)
    stretches = 1 + int(np.count_nonzero(steps))
    shares = np.bincount(codes) / len(codes)
    mixed = 1 + len(codes) * float(1 - np.sum(shares**2))  # stretches, were there no order
    if stretches >= 2 * len(found) or stretches * FEWER > mixed:
        return False
    return not ordered or int(np.count_nonzero(steps < 0)) <= 1
