"""Weights of rows -> statistics in which a row of weight 2 counts as that row twice.

Where all weights are 1 every figure here is bit for bit the plain one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.predictor import Floats


def weights_or_ones(row_weights: Floats | None, n: int) -> Floats:
    """Give the weights of n rows: 1 each where none are given."""
    return np.ones(n) if row_weights is None else row_weights


def unless_ones(row_weights: Floats) -> Floats | None:
    """Give None where every row counts once: libraries then take their plain way."""
    return None if bool((row_weights == 1).all()) else row_weights


def rarer(y: Floats, row_weights: Floats) -> float:
    """Count the rarer outcome."""
    hits = float(np.sum(row_weights * y))
    return min(hits, float(row_weights.sum()) - hits)


def weighted_mean(values: Floats, row_weights: Floats) -> float:
    """Take the mean of values that count `row_weights` each."""
    return float(np.sum(row_weights * values) / np.sum(row_weights))


def weighted_spread(values: Floats, row_weights: Floats) -> float:
    """Take the standard deviation of values that count `row_weights` each."""
    gaps = values - weighted_mean(values, row_weights)
    return float(np.sqrt(weighted_mean(gaps**2, row_weights)))


def weighted_quantile(values: Floats, q: Sequence[float] | Floats, row_weights: Floats) -> Floats:
    """Take quantiles as of a list in which each value stands `row_weights` times.

    Between two values of that list it goes in a straight line, as `numpy.quantile` does. Weights
    under 1 on average count as 1 on average: shares of a row make no shorter list.

    >>> values, twice = np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.0])
    >>> weighted_quantile(values, [0.25, 0.5, 1.0], twice)
    array([1. , 1.5, 3. ])
    >>> np.quantile([1.0, 1.0, 2.0, 3.0], [0.25, 0.5, 1.0])
    array([1. , 1.5, 3. ])
    """
    if unless_ones(row_weights) is None:
        plain: Floats = np.quantile(values, q)
        return plain
    order = np.argsort(values, kind="stable")
    ordered, upto = values[order], np.cumsum(row_weights[order])
    upto = upto * max(1.0, len(upto) / upto[-1])
    place = np.asarray(q, dtype=np.float64) * (upto[-1] - 1)
    whole = np.floor(place)
    last = len(ordered) - 1
    low = np.minimum(np.searchsorted(upto, whole, side="right"), last)
    high = np.minimum(np.searchsorted(upto, whole + 1, side="right"), last)
    found: Floats = ordered[low] + (place - whole) * (ordered[high] - ordered[low])
    return found


def spread_evenly(values: Floats, row_weights: Floats) -> Floats:
    """Give values that are distributed as these with their weights, and count the same each."""
    if unless_ones(row_weights) is None:
        return values
    return weighted_quantile(values, np.linspace(0, 1, 1001), row_weights)
