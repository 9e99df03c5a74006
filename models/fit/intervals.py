"""Cross-fitted margins and outcomes -> how far the calibrated probability may be off, by margin.

A bootstrap over clusters refits the calibration; at each of some margins the spread of its
log-odds, widened by the drift seen between periods, gives the interval: "of 100 leads like this,
6 to 11 convert". It speaks of leads with this score, not of one lead's yes or no.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.fit.calibration import fit_beta, fit_logistic
from models.fit.row_weights import rarer, weighted_quantile, weights_or_ones
from models.metrics import bootstrap_weights
from models.predictor import Calibration, Floats, IntervalOffsets, calibrated_log_odds

GRID = 33
REUSED = float(np.sqrt(2.0))
"""Cross-fitted margins and the calibration learn from the same outcomes: twice the variance."""
BENDING = 100
"""Of the rarer outcome; from here on the refits may bend (beta), below they are straight."""


def fit_intervals(
    margins: Floats,
    y: Floats,
    calibration: Calibration,
    *,
    groups: NDArray[Any] | None = None,
    row_weights: Floats | None = None,
    drift: float = 0.0,
    draws: int = 100,
    level: float = 0.9,
    seed: int = 0,
) -> IntervalOffsets:
    """Find the log-odds to add below and above at some margins.

    `drift` is the standard deviation, in log-odds, of the level between periods.
    """
    counted = weights_or_ones(row_weights, len(y))
    rare = rarer(y, counted)
    at = np.unique(weighted_quantile(margins, np.linspace(0.002, 0.998, GRID), counted))
    if rare < 1 or len(at) < 2:
        wide = _level_spread(y, counted)
        at = np.array([float(margins.min()) - 1, float(margins.max()) + 1])
        return _offsets(at, np.full(2, -wide), np.full(2, wide), level)

    def fit(rows: slice | NDArray[np.int64]) -> Calibration:
        curve = fit_beta if rare >= BENDING else fit_logistic
        return curve(margins[rows], y[rows], row_weights=counted[rows])

    central = calibrated_log_odds(fit(slice(None)), at)
    drawn = []
    for weight in bootstrap_weights(groups, len(y), draws, seed):
        rows = np.repeat(np.arange(len(y)), weight.astype(np.int64))
        if len(np.unique(y[rows])) < 2:
            continue
        drawn.append(calibrated_log_odds(fit(rows), at) - central)
    spread = np.array(drawn) * REUSED
    if drift > 0:
        noise = np.random.default_rng(seed).normal(0.0, drift, len(spread))
        spread = spread + noise[:, None]
    low, high = np.quantile(spread, [(1 - level) / 2, (1 + level) / 2], axis=0)
    gap = central - calibrated_log_odds(calibration, at)
    return _offsets(at, np.minimum(low + gap, low), np.maximum(high + gap, high), level)


def _level_spread(y: Floats, row_weights: Floats) -> float:
    """Give the 90 % half-width of the log-odds of a rate with a Jeffreys prior."""
    won = float(np.sum(row_weights * y))
    hits, misses = won + 0.5, float(row_weights.sum()) - won + 0.5
    return 1.645 * float(np.sqrt(1 / hits + 1 / misses))


def _offsets(at: Floats, low: Floats, high: Floats, level: float) -> IntervalOffsets:
    return IntervalOffsets(at, np.minimum(low, 0.0), np.maximum(high, 0.0), level)
