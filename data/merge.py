"""Sorted runs of events -> the order that merges them, in one pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.compiled import compiled

Ints = NDArray[np.int64]


def merge_order(lead_a: Ints, at_a: Ints, lead_b: Ints, at_b: Ints) -> Ints:
    """Order rows of a followed by rows of b by (lead, at): (n_a + n_b,); on ties a stands first."""
    order: Ints = _merge(lead_a, at_a, lead_b, at_b)
    return order


@compiled
def _merge(lead_a, at_a, lead_b, at_b):  # type: ignore[no-untyped-def]
    n, m = len(lead_a), len(lead_b)
    order = np.empty(n + m, np.int64)
    i, j = 0, 0
    for k in range(n + m):
        if j == m:
            first = True
        elif i == n:
            first = False
        elif lead_a[i] != lead_b[j]:
            first = lead_a[i] < lead_b[j]
        else:
            first = at_a[i] <= at_b[j]
        if first:
            order[k] = i
            i += 1
        else:
            order[k] = n + j
            j += 1
    return order
