"""Event codes -> how many leads show each, in one pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.compiled import compiled


def leads_by_code(
    offsets: NDArray[np.int64],
    at: NDArray[np.int64],
    code: NDArray[np.int16],
    n_codes: int,
    ends: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Count the leads that show each code before their own end: (n_codes,)."""
    counted: NDArray[np.int64] = _count(offsets, at, code, n_codes, ends)
    return counted


@compiled
def _count(offsets, at, code, n_codes, ends):  # type: ignore[no-untyped-def]
    leads = np.zeros(n_codes, np.int64)
    seen = np.full(n_codes, -1, np.int64)
    for i in range(len(offsets) - 1):
        for e in range(offsets[i], offsets[i + 1]):
            c = code[e]
            if c >= 0 and seen[c] != i and at[e] < ends[i]:
                seen[c] = i
                leads[c] += 1
    return leads
