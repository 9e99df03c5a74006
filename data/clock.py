"""Text and timestamps -> int64 microseconds UTC, the only clock inside leadscore."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

Micros = NDArray[np.int64]

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
NEVER: Final = int(np.iinfo(np.int64).max)
"""The moment of what has not happened."""

_UNITS: Final = {"s": SECOND, "min": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d|w)")


def parse_duration(text: object) -> int:
    """Read "90d", "12h", "30min", "45s", "2w" into microseconds.

    >>> parse_duration("1d") == DAY
    True
    """
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    found = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"is no duration: {text!r}; write 90d, 12h, 30min, 45s or 2w")
    return round(float(found[1]) * _UNITS[found[2]])
