"""Parts and their sum, rounded so that what is shown adds up, wherever it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from models.explain.points import whole_points

TENTHS: Final = 1
"""Decimals of a number of opportunities that is a part of a sum, or the sum of parts."""
WHOLE: Final = 0
"""Decimals of money that is a part of a sum, or the sum of parts."""


def add_up(parts: Sequence[float], total: float, decimals: int) -> tuple[float, ...]:
    """Round parts so that they add up to the rounded total: by largest remainder, as points are.

    Each part is less than one last digit away from what it was; a part of 0 stays 0.

    >>> add_up([12.34, 4.94, 3.34], 20.62, 1)
    (12.4, 4.9, 3.3)
    """
    if not parts:
        return ()
    unit = 10.0**decimals
    whole = whole_points(np.array([parts], np.float64) * unit, np.array([round(total * unit)]))
    return tuple(round(int(each) / unit, decimals) for each in whole[0])
