"""Log-odds and outcomes in the order of time -> the level at which the newest rows stand.

A base rate that wandered is no reason to follow it: whether what changed also lasted can be seen in
the past. Three ways to move compete by how well they tell the levels of twelve periods: each had
one of its own and none lasted; the level walked; it changed once, and stayed. Each way is a normal
prior of the levels; their shifts are averaged by the evidence for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.fit.calibration import FEW, compress, move
from models.fit.encoders import Ints
from models.fit.folds import design_effect
from models.fit.row_weights import rarer, weighted_mean
from models.predictor import Calibration, Floats, calibrated_log_odds

PERIODS: Final = 12
"""Periods of as many rows each: months of a year, quarters of three."""
WALKED, CHANGED = 0.06, 0.04
"""Beliefs before anything is seen; the rest is with levels that do not last."""
START: Final = 0.5
"""Spread of the first period's level around that of all rows; this and the next are log-odds."""
OWN: Final = (0.0, 0.1, 0.2, 0.4, 0.8)
"""Spreads of what each period has for itself."""
WALKS: Final = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Spreads of all steps of a walk together."""
CHANGES: Final = (0.5, 1.0)
"""Spreads of a change that came once, after the first quarter."""
LEAST: Final = 0.005
"""Log-odds: a smaller shift is not made."""

Block = tuple[Floats, Floats, Floats]
"""(log-odds, rate, worth) of the rows of a period, each (b,)."""


@dataclass(frozen=True, slots=True)
class CohortLevel:
    """The newest fifth: conversions seen and expected; that changes lasted, 0 to 1; the shift.

    `lasting` is None where the outcomes are too few to tell.
    """

    rows: float
    observed: float
    expected: float
    lasting: float | None
    taken: float


@dataclass(frozen=True, slots=True)
class _Ways:
    """Ways to move: covariances of what lasts, (k, p, p), own variances and beliefs, (k,)."""

    lasts: Floats
    own: Floats
    beliefs: Floats
    lasting: NDArray[np.bool_]


def follow_level(
    calibration: Calibration,
    margins: Floats,
    y: Floats,
    times: NDArray[Any],
    *,
    groups: Ints | None,
    row_weights: Floats,
) -> tuple[Calibration, CohortLevel]:
    """Move a calibration's level to where the newest rows are believed to stand.

    `margins` are cross-fitted log-odds, `times` the moments of the rows, both (n,). Where the
    outcomes are too few to calibrate at all, the level stays too.
    """
    log_odds = calibrated_log_odds(calibration, margins)
    order = np.argsort(times, kind="stable")
    share = np.cumsum(row_weights[order]) / row_weights.sum()
    period = np.empty(len(order), dtype=np.int64)
    period[order] = np.minimum((PERIODS * share).astype(np.int64), PERIODS - 1)
    worth = 1 / design_effect(y, groups, row_weights)
    taken, lasting = 0.0, None
    if worth * rarer(y, row_weights) >= FEW:
        shift, lasting = newest_level(log_odds, y, period, worth * row_weights)
        taken = shift if abs(shift) >= LEAST else 0.0
    newest = order[share > 0.8]
    weight = row_weights[newest]
    observed, expected = weight @ y[newest], weight @ expit(log_odds[newest])
    cohort = CohortLevel(float(weight.sum()), float(observed), float(expected), lasting, taken)
    return (move(calibration, taken) if taken else calibration), cohort


def newest_level(
    log_odds: Floats, y: Floats, period: NDArray[np.int64], worth: Floats
) -> tuple[float, float]:
    """Average the ways: the newest level over the mean of all, the belief that changes last.

    `period` (n,) counts from 0 to `PERIODS` - 1, `worth` (n,) says how much of an independent
    outcome each row is. The evidence for a way is Laplace's approximation of the outcomes'
    likelihood; its mode is found by Newton's steps (Rasmussen and Williams 2006, 3.4).
    """
    ways = _ways()
    blocks = [
        compress(log_odds[here], y[here], worth[here])
        for here in (period == i for i in range(PERIODS))
    ]
    unit = np.eye(PERIODS)
    both = ways.lasts + ways.own[:, None, None] * unit
    levels = np.zeros((len(both), PERIODS))
    for _ in range(50):
        slope, bend, _ = _likelihood(blocks, levels)
        wanted = np.linalg.solve(
            unit + bend[:, :, None] * both, (bend * levels + slope)[:, :, None]
        )
        step = np.clip((both @ wanted)[:, :, 0] - levels, -1.0, 1.0)
        levels = levels + step
        if np.abs(step).max() < 1e-8:
            break
    slope, bend, fits = _likelihood(blocks, levels)
    spread = np.linalg.slogdet(unit + bend[:, :, None] * both)[1]
    evidence = np.log(ways.beliefs) + fits - 0.5 * (np.sum(levels * slope, axis=1) + spread)
    weights = np.exp(evidence - evidence.max())
    above = ways.lasts[:, -1] - ways.lasts.mean(axis=1)
    newest = np.sum(above * slope, axis=1)
    return weighted_mean(newest, weights), weighted_mean(ways.lasting.astype(np.float64), weights)


def _likelihood(blocks: list[Block], levels: Floats) -> tuple[Floats, Floats, Floats]:
    """Give the log-likelihood's slope and bend at levels, (k, p), and itself, (k,)."""
    slope, bend, fits = np.zeros_like(levels), np.zeros_like(levels), np.zeros(len(levels))
    for i, (log_odds, rate, worth) in enumerate(blocks):
        z, rate = log_odds[:, None] + levels[:, i], rate[:, None]
        p = expit(z)
        slope[:, i], bend[:, i] = worth @ (rate - p), worth @ (p * (1 - p))
        fits += worth @ (rate * z - np.logaddexp(0.0, z))
    return slope, bend, fits


def _ways() -> _Ways:
    """List the ways to move: each kind's belief is dealt evenly to its members."""
    at = np.arange(PERIODS)
    still = [np.zeros((PERIODS, PERIODS))]
    walks = [size**2 / PERIODS * np.minimum.outer(at, at) for size in WALKS]
    once = [
        size**2 * np.outer(at >= t, at >= t)
        for t in range(PERIODS // 4, PERIODS)
        for size in CHANGES
    ]
    kinds = ((still, 1 - WALKED - CHANGED), (walks, WALKED), (once, CHANGED))
    lasts = START**2 + np.concatenate([each for each, _ in kinds])
    beliefs = np.concatenate([np.full(len(each), belief / len(each)) for each, belief in kinds])
    own = len(OWN)
    return _Ways(
        np.repeat(lasts, own, axis=0),
        np.tile(np.square(OWN), len(lasts)),
        np.repeat(beliefs / own, own),
        np.repeat(np.arange(len(lasts)) > 0, own),
    )
