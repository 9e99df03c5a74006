"""Out-of-fold margins and outcomes -> a strictly increasing calibration, as rich as they allow.

The lowest rung is none. Under 20 positives (or negatives) there is no other; up to 500 a logistic
line that its prior holds near none; from 500 on none, a temperature, the line, beta (Kull, Silva
Filho and Flach 2017) and, from 1,000 on, the mean of isotonic and logistic compete by cross-fitted
log loss, the simpler unless it loses by more than one standard error. Where rows lie in time, none
stays that loses on rows ahead of its fit. Nothing here reweighs classes or corrects a prior by
itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from models.fit.candidates import error_of, row_losses
from models.fit.encoders import Ints
from models.fit.folds import assign_folds, design_effect
from models.fit.row_weights import rarer, weighted_mean, weights_or_ones
from models.note import Note
from models.predictor import (
    BetaCalibration,
    BlendCalibration,
    Calibration,
    CalibrationPoints,
    Floats,
    IdentityCalibration,
    InterceptCalibration,
    LogisticCalibration,
    calibrate,
    calibrated_log_odds,
)

FEW, MANY, ENOUGH = 20, 500, 1000
SLOPES = (0.3, 3.0)
SPREADS = (0.25, 1.0)
"""Prior spreads of slope and intercept: with little evidence the line stays near 1 and 0."""
TRUSTED, CERTAIN = (0.1, 0.1), (0.02, 0.02)
"""The same for cross-fitted margins of regularised forests, and of a Bayesian line."""
BINS = 1000
BLOCK_PRIOR_ROWS = 10.0
"""Rows' worth of the logistic half in every block of the isotonic one."""

FitCurve = Callable[[Floats, Floats, Floats], Calibration]
"""(margins, outcomes, row weights) -> a calibration."""


def fit_calibration(
    margins: Floats,
    y: Floats,
    *,
    seed: int = 0,
    spreads: tuple[float, float] = SPREADS,
    groups: Ints | None = None,
    row_weights: Floats | None = None,
) -> Calibration:
    """Fit the richest kind of calibration that the rarer outcome allows; `why` says which and why.

    `margins` are cross-fitted log-odds, (n,); `spreads` of the prior of slope and intercept; rows
    of one of `groups` share an outcome, and count for less; `row_weights` (n,) say how often each
    row counts.
    """
    counted = weights_or_ones(row_weights, len(y))
    worth = 1 / design_effect(y, groups, counted)
    rare = int(worth * rarer(y, counted))
    if rare < FEW:
        why = Note(
            "evidence worth {rare} of the rarer outcome, under {few}: nothing was adjusted; the "
            "probabilities cannot be verified yet",
            rare=rare,
            few=FEW,
        )
        return IdentityCalibration(why)
    if rare < MANY:
        why = Note("evidence worth {rare} of the rarer outcome: a logistic line", rare=rare)
        return replace(fit_logistic(margins, y, spreads, worth, counted), why=why)
    fits: list[FitCurve] = [_fit_none, _fit_temperature, _fit_line, fit_beta]
    if rare >= ENOUGH:
        fits.append(fit_blend)
    return _choose(fits, margins, y, seed, groups, counted)


def _choose(
    fits: list[FitCurve],
    margins: Floats,
    y: Floats,
    seed: int,
    groups: Ints | None,
    row_weights: Floats,
) -> Calibration:
    fold = assign_folds(y, groups, 5, seed)
    losses = np.empty((len(fits), len(y)))
    for i, fit in enumerate(fits):
        for k in range(5):
            rest, held = fold != k, fold == k
            p = calibrate(fit(margins[rest], y[rest], row_weights[rest]), margins[held])
            losses[i, held] = -np.log(np.where(y[held] > 0, p, 1 - p).clip(1e-12))
    means = np.array([weighted_mean(each, row_weights) for each in losses])
    best = int(np.argmin(means))
    for i in range(best + 1):
        extra = losses[i] - losses[best]
        error = error_of(extra, groups=groups, row_weights=row_weights)
        if weighted_mean(extra, row_weights) <= error:
            best = i
            break
    named = ("none", "temperature", "logistic", "beta", "blend")
    figures = ", ".join(f"{n} {v:.5f}" for n, v in zip(named, means, strict=False))
    return replace(
        fits[best](margins, y, row_weights),
        why=Note("cross-fitted log loss: {figures}", figures=figures),
    )


def kept_ahead(
    calibration: Calibration, margins: Floats, y: Floats, row_weights: Floats
) -> Calibration:
    """Keep a calibration unless it raises the log loss of rows ahead of their fit, (m,).

    Cross-fitted rows lie among those that were learned from. Where what was learned fades with
    time they ask for a steeper curve than the rows to come.
    """
    change = row_losses(y, calibrated_log_odds(calibration, margins)) - row_losses(y, margins)
    lost = weighted_mean(change, row_weights)
    if lost <= 0:
        return calibration
    said = Note(
        "on rows ahead of its fit it raised the log loss by {lost:.5f}: nothing was adjusted",
        lost=lost,
    )
    why = calibration.why
    return IdentityCalibration(Note("{why}; {more}", why=why, more=said) if why else said)


def _shift(
    margins: Floats, y: Floats, row_weights: Floats, *, spread: float, worth: float
) -> float:
    shift = 0.0
    for _ in range(50):
        p = 1 / (1 + np.exp(-(margins + shift)))
        slope = worth * float(np.sum(row_weights * (p * (1 - p)))) + 1 / spread**2
        step = (worth * float(np.sum(row_weights * (y - p))) - shift / spread**2) / slope
        shift += float(np.clip(step, -1, 1))
        if abs(step) < 1e-10:
            break
    return shift


def _fit_none(margins: Floats, y: Floats, row_weights: Floats) -> IdentityCalibration:  # noqa: ARG001
    return IdentityCalibration("")


def _fit_temperature(margins: Floats, y: Floats, row_weights: Floats) -> LogisticCalibration:
    """Fit the slope alone, by maximum likelihood."""
    margins, rate, rows = compress(margins, y, row_weights)

    def loss(slope: float) -> float:
        z = slope * margins
        return float(np.sum(rows * (np.logaddexp(0, z) - rate * z)))

    best = minimize_scalar(loss, bounds=SLOPES, method="bounded", options={"xatol": 1e-8})
    return LogisticCalibration(float(best.x), 0.0)


def _fit_line(margins: Floats, y: Floats, row_weights: Floats) -> LogisticCalibration:
    return fit_logistic(margins, y, row_weights=row_weights)


def fit_logistic(
    margins: Floats,
    y: Floats,
    spreads: tuple[float, float] = SPREADS,
    worth: float = 1.0,
    row_weights: Floats | None = None,
) -> LogisticCalibration:
    """Fit slope and intercept by penalised maximum likelihood on smoothed targets (Platt 1999)."""
    counted = weights_or_ones(row_weights, len(y))
    won = float(np.sum(counted * y))
    hits, misses = worth * won, worth * (float(counted.sum()) - won)
    high, low = (hits + 1) / (hits + 2), 1 / (misses + 2)
    margins, rate, rows = compress(margins, y, counted)
    rows = worth * rows
    target = rate * high + (1 - rate) * low

    def loss(w: Floats) -> tuple[float, Floats]:
        z = w[0] * margins + w[1]
        gap = rows * (1 / (1 + np.exp(-z)) - target)
        prior = 0.5 * ((w[0] - 1) / spreads[0]) ** 2 + 0.5 * (w[1] / spreads[1]) ** 2
        value = float(np.sum(rows * (np.logaddexp(0, z) - target * z))) + prior
        return value, np.array(
            [gap @ margins + (w[0] - 1) / spreads[0] ** 2, gap.sum() + w[1] / spreads[1] ** 2]
        )

    best = minimize(loss, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=[SLOPES, (-5, 5)])
    return LogisticCalibration(float(best.x[0]), float(best.x[1]))


def fit_beta(margins: Floats, y: Floats, row_weights: Floats | None = None) -> BetaCalibration:
    """Fit beta calibration: a ln s - b ln(1 - s) + c, with a and b kept positive."""
    margins, rate, rows = compress(margins, y, weights_or_ones(row_weights, len(y)))
    left, right = -np.logaddexp(0, -margins), np.logaddexp(0, margins)

    def loss(w: Floats) -> tuple[float, Floats]:
        z = w[0] * left + w[1] * right + w[2]
        gap = rows * (1 / (1 + np.exp(-z)) - rate)
        value = float(np.sum(rows * (np.logaddexp(0, z) - rate * z)))
        return value, np.array([gap @ left, gap @ right, gap.sum()])

    bounds = [(0.1, 5.0), (0.1, 5.0), (-5.0, 5.0)]
    best = minimize(loss, [1.0, 1.0, 0.0], jac=True, method="L-BFGS-B", bounds=bounds)
    a, b, c = (float(x) for x in best.x)
    return BetaCalibration(a, b, c)


def compress(margins: Floats, y: Floats, row_weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Gather many rows into bins of near margins: (mean margin, rate, rows) of each bin.

    A curve of two or three parameters is the same on a thousand bins as on a million rows.
    """
    if len(y) <= 2 * BINS:
        return margins, y, row_weights
    order = np.argsort(margins, kind="stable")
    starts = np.linspace(0, len(y), BINS, endpoint=False).astype(np.int64)
    counted = row_weights[order]
    rows = np.add.reduceat(counted, starts)
    mean = np.add.reduceat(counted * margins[order], starts) / rows
    return mean, np.add.reduceat(counted * y[order], starts) / rows, rows


def fit_blend(margins: Floats, y: Floats, row_weights: Floats | None = None) -> BlendCalibration:
    """Take the mean, in probability, of isotonic (straight lines between blocks) and logistic.

    Every block of the isotonic half is pulled to the logistic one by `BLOCK_PRIOR_ROWS` rows: its
    outermost blocks are a handful of rows, and would promise 0 or 1.
    """
    counted = weights_or_ones(row_weights, len(y))
    first = fit_logistic(margins, y, row_weights=counted)
    isotonic = IsotonicRegression(y_min=0.0, y_max=1.0).fit(margins, y, counted)
    line = calibrate(first, margins)
    blocks = pd.DataFrame({"margin": margins, "rate": isotonic.predict(margins)})
    block = (
        blocks.assign(n=counted, line=counted * line)
        .groupby("rate")
        .agg(n=("n", "sum"), line=("line", "sum"), low=("margin", "min"), high=("margin", "max"))
    )
    rate = (block["n"] * block.index + BLOCK_PRIOR_ROWS * (block["line"] / block["n"])) / (
        block["n"] + BLOCK_PRIOR_ROWS
    )
    edges = block[["low", "high"]].to_numpy(np.float64).ravel()
    heights = np.repeat(np.maximum.accumulate(rate.to_numpy(np.float64)), 2)
    return BlendCalibration(0.5, first, CalibrationPoints(edges, heights))


def move(calibration: Calibration, shift: float) -> Calibration:
    """Add a shift in log-odds to a calibration; a blend's halves are both moved."""
    match calibration:
        case IdentityCalibration(why=why):
            return InterceptCalibration(shift, why)
        case InterceptCalibration(intercept=intercept) | LogisticCalibration(intercept=intercept):
            return replace(calibration, intercept=intercept + shift)
        case BetaCalibration(c=c):
            return replace(calibration, c=c + shift)
        case BlendCalibration(first=first, second=second):
            moved = expit(logit(second.probabilities) + shift)
            return replace(
                calibration,
                first=replace(first, intercept=first.intercept + shift),
                second=replace(second, probabilities=moved),
            )


def shrink(calibration: Calibration, share: float, level: float) -> Calibration:
    """Leave a share of what a calibration says over a level of log-odds; a blend keeps its line."""
    rest = (1 - share) * level
    match calibration:
        case IdentityCalibration(why=why):
            return LogisticCalibration(share, rest, why)
        case InterceptCalibration(intercept=intercept, why=why):
            return LogisticCalibration(share, share * intercept + rest, why)
        case LogisticCalibration(slope=slope, intercept=intercept):
            return replace(calibration, slope=share * slope, intercept=share * intercept + rest)
        case BetaCalibration(a=a, b=b, c=c):
            return replace(calibration, a=share * a, b=share * b, c=share * c + rest)
        case BlendCalibration(first=first, why=why):
            return shrink(replace(first, why=why), share, level)


@dataclass(frozen=True, slots=True)
class LevelMiss:
    """By how much the level of some rows was missed: log-odds to add, its standard error, z."""

    rows: float
    shift: float
    error: float
    z: float


def level_missed(
    margins: Floats, y: Floats, worth: float = 1.0, row_weights: Floats | None = None
) -> LevelMiss:
    """Estimate by how much the level was missed; a row is `worth` so much of an outcome."""
    counted = weights_or_ones(row_weights, len(y))
    p = 1 / (1 + np.exp(-margins))
    error = 1 / float(np.sqrt(max(worth * float(np.sum(counted * (p * (1 - p)))), 1e-9)))
    shift = _shift(margins, y, counted, spread=10.0, worth=worth)
    return LevelMiss(float(counted.sum()), shift, error, shift / error)


def spread_between(levels: Sequence[LevelMiss]) -> float:
    """Estimate the standard deviation of the level between periods, its own noise taken off."""
    if len(levels) < 2:
        return 0.0
    squares = [level.shift**2 - level.error**2 for level in levels]
    return float(np.sqrt(max(0.0, float(np.mean(squares)))))
