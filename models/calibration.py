"""Out-of-fold margins and outcomes -> a strictly increasing calibration, by a ladder of evidence.

Under 20 positives (or negatives) only the intercept moves; up to 500 a logistic line on the
margin; from 500 on logistic, beta (Kull, Silva Filho and Flach 2017) and, from 1,000 on, the mean
of isotonic and logistic compete by cross-fitted log loss, the simpler unless it loses by more
than one standard error. Nothing here reweighs classes or corrects a prior by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from models.candidates import error_of
from models.encoders import Floats, Ints
from models.folds import assign_folds, design_effect
from models.predictor import calibrate, calibrated_log_odds

Calibration = dict[str, Any]

FEW, MANY, ENOUGH = 20, 500, 1000
SLOPES = (0.3, 3.0)
SPREADS = (0.25, 1.0)
"""Prior spreads of slope and intercept: with little evidence the line stays near 1 and 0."""
TRUSTED, CERTAIN = (0.1, 0.1), (0.02, 0.02)
"""The same for cross-fitted margins of regularised forests, and of a Bayesian line."""
BINS = 1000
PULL = 10.0
"""Rows' worth of the logistic half in every block of the isotonic one."""


def fit_calibration(
    margins: Floats,
    y: Floats,
    *,
    seed: int = 0,
    spreads: tuple[float, float] = SPREADS,
    groups: Ints | None = None,
) -> Calibration:
    """Climb the ladder as far as the rarer outcome allows: the `calibration` part, JSON.

    `margins` are cross-fitted log-odds, (n,); `spreads` of the prior of slope and intercept; rows
    of one of `groups` share an outcome, and count for less. The key "why" says which rung was
    taken.
    """
    worth = 1 / design_effect(y, groups)
    rare = int(worth * min(y.sum(), len(y) - y.sum()))
    if rare < FEW:
        return fit_intercept(margins, y, spreads, worth) | {
            "why": f"evidence worth {rare} of the rarer outcome, under {FEW}: only the level was "
            "adjusted; the probabilities cannot be verified yet"
        }
    if rare < MANY:
        why = f"evidence worth {rare} of the rarer outcome: a logistic line"
        return fit_logistic(margins, y, spreads, worth) | {"why": why}
    fits: list[Callable[[Floats, Floats], Calibration]] = [fit_logistic, fit_beta]
    if rare >= ENOUGH:
        fits.append(fit_blend)
    return _choose(fits, margins, y, seed, groups)


def _choose(
    fits: list[Callable[[Floats, Floats], Calibration]],
    margins: Floats,
    y: Floats,
    seed: int,
    groups: Ints | None,
) -> Calibration:
    fold = assign_folds(y, groups, 5, seed)
    losses = np.empty((len(fits), len(y)))
    for i, fit in enumerate(fits):
        for k in range(5):
            rest, held = fold != k, fold == k
            p = calibrate(fit(margins[rest], y[rest]), margins[held])
            losses[i, held] = -np.log(np.where(y[held] > 0, p, 1 - p).clip(1e-12))
    best = int(np.argmin(losses.mean(axis=1)))
    for i in range(best + 1):
        extra = losses[i] - losses[best]
        if extra.mean() <= error_of(extra, groups=groups):
            best = i
            break
    named = ("logistic", "beta", "blend")
    figures = ", ".join(f"{n} {v:.5f}" for n, v in zip(named, losses.mean(axis=1), strict=False))
    return fits[best](margins, y) | {"why": f"cross-fitted log loss: {figures}"}


def fit_intercept(
    margins: Floats, y: Floats, spreads: tuple[float, float] = SPREADS, worth: float = 1.0
) -> Calibration:
    """Move the level only, pulled to zero by the prior; a row is `worth` so much of an outcome."""
    shift = _shift(margins, y, spread=spreads[1], worth=worth)
    return {"kind": "intercept", "intercept": shift}


def _shift(margins: Floats, y: Floats, *, spread: float, worth: float) -> float:
    shift = 0.0
    for _ in range(50):
        p = 1 / (1 + np.exp(-(margins + shift)))
        slope = worth * float(np.sum(p * (1 - p))) + 1 / spread**2
        step = (worth * float(np.sum(y - p)) - shift / spread**2) / slope
        shift += float(np.clip(step, -1, 1))
        if abs(step) < 1e-10:
            break
    return shift


def fit_logistic(
    margins: Floats, y: Floats, spreads: tuple[float, float] = SPREADS, worth: float = 1.0
) -> Calibration:
    """Fit slope and intercept by penalised maximum likelihood on smoothed targets (Platt 1999)."""
    hits, misses = worth * float(y.sum()), worth * float(len(y) - y.sum())
    high, low = (hits + 1) / (hits + 2), 1 / (misses + 2)
    margins, rate, rows = _compress(margins, y)
    rows = worth * rows
    target = rate * high + (1 - rate) * low

    def loss(w: Floats) -> tuple[float, Floats]:
        z = w[0] * margins + w[1]
        gap = rows * (1 / (1 + np.exp(-z)) - target)
        prior = 0.5 * ((w[0] - 1) / spreads[0]) ** 2 + 0.5 * (w[1] / spreads[1]) ** 2
        value = float(np.sum(rows * (np.logaddexp(0, z) - target * z))) + prior
        return value, np.array(
            [
                gap @ margins + (w[0] - 1) / spreads[0] ** 2,
                gap.sum() + w[1] / spreads[1] ** 2,
            ]
        )

    found = minimize(loss, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=[SLOPES, (-5, 5)])
    return {"kind": "logistic", "slope": float(found.x[0]), "intercept": float(found.x[1])}


def fit_beta(margins: Floats, y: Floats) -> Calibration:
    """Fit beta calibration: a ln s - b ln(1 - s) + c, with a and b kept positive."""
    margins, rate, rows = _compress(margins, y)
    left, right = -np.logaddexp(0, -margins), np.logaddexp(0, margins)

    def loss(w: Floats) -> tuple[float, Floats]:
        z = w[0] * left + w[1] * right + w[2]
        gap = rows * (1 / (1 + np.exp(-z)) - rate)
        value = float(np.sum(rows * (np.logaddexp(0, z) - rate * z)))
        return value, np.array([gap @ left, gap @ right, gap.sum()])

    bounds = [(0.1, 5.0), (0.1, 5.0), (-5.0, 5.0)]
    found = minimize(loss, [1.0, 1.0, 0.0], jac=True, method="L-BFGS-B", bounds=bounds)
    a, b, c = (float(x) for x in found.x)
    return {"kind": "beta", "a": a, "b": b, "c": c}


def _compress(margins: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Gather many rows into bins of near margins: (mean margin, rate, rows) of each bin.

    A curve of two or three parameters is the same on a thousand bins as on a million rows.
    """
    if len(y) <= 2 * BINS:
        return margins, y, np.ones(len(y))
    order = np.argsort(margins, kind="stable")
    starts = np.linspace(0, len(y), BINS, endpoint=False).astype(np.int64)
    rows = np.diff(np.append(starts, len(y))).astype(np.float64)
    mean = np.add.reduceat(margins[order], starts) / rows
    return mean, np.add.reduceat(y[order], starts) / rows, rows


def fit_blend(margins: Floats, y: Floats) -> Calibration:
    """Take the mean, in probability, of isotonic (straight lines between blocks) and logistic.

    Every block of the isotonic half is pulled to the logistic one by `PULL` rows: its outermost
    blocks are a handful of rows, and would promise 0 or 1.
    """
    first = fit_logistic(margins, y)
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit(margins, y).predict(margins)
    blocks = pd.DataFrame({"margin": margins, "line": calibrate(first, margins), "rate": fitted})
    block = blocks.groupby("rate").agg(
        n=("line", "size"), line=("line", "mean"), low=("margin", "min"), high=("margin", "max")
    )
    rate = (block["n"] * block.index + PULL * block["line"]) / (block["n"] + PULL)
    points = {
        "kind": "points",
        "margins": [float(v) for v in block[["low", "high"]].to_numpy().ravel()],
        "probabilities": [float(v) for v in np.repeat(np.maximum.accumulate(rate), 2)],
    }
    return {"kind": "blend", "weight": 0.5, "first": first, "second": points}


def refit_intercept(
    calibration: Calibration,
    margins: Floats,
    y: Floats,
    *,
    worth: float = 1.0,
    bound: float = 0.7,
    gate: float = 3.0,
) -> tuple[Calibration, dict[str, float]]:
    """Move the level to the newest mature cohort where it is off by more than `gate` errors.

    A row is `worth` so much of an outcome (models.folds.design_effect, inverse). The shift is
    shrunk by a prior of half a unit's spread and bounded. Returns the calibration
    and what was found: observed and expected conversions, z, the shift wanted and taken.
    """
    log_odds = calibrated_log_odds(calibration, margins)
    p = 1 / (1 + np.exp(-log_odds))
    expected, error = float(p.sum()), float(np.sqrt(np.sum(p * (1 - p)) / worth))
    z = (float(y.sum()) - expected) / max(error, 1e-9)
    wanted = _shift(log_odds, y, spread=0.5, worth=worth) if len(y) else 0.0
    taken = float(np.clip(wanted, -bound, bound)) if abs(z) > gate else 0.0
    found = {
        "rows": float(len(y)),
        "observed": float(y.sum()),
        "expected": expected,
        "z": z,
        "wanted": wanted,
        "taken": taken,
    }
    return (move(calibration, taken) if taken else calibration), found


def move(calibration: Calibration, shift: float) -> Calibration:
    """Add a shift in log-odds to a calibration; a blend keeps its logistic half alone."""
    kind = calibration["kind"]
    if kind == "identity":
        return {**calibration, "kind": "intercept", "intercept": shift}
    if kind == "blend":
        calibration = {**calibration["first"], "why": calibration.get("why", "")}
        kind = "logistic"
    key = "c" if kind == "beta" else "intercept"
    return {**calibration, key: float(calibration[key]) + shift}


def level_missed(margins: Floats, y: Floats, worth: float = 1.0) -> dict[str, float]:
    """Say by how much the level was missed: log-odds to add, its standard error, z."""
    p = 1 / (1 + np.exp(-margins))
    error = 1 / float(np.sqrt(max(worth * float(np.sum(p * (1 - p))), 1e-9)))
    shift = _shift(margins, y, spread=10.0, worth=worth)
    return {"rows": float(len(y)), "shift": shift, "error": error, "z": shift / error}


def spread_between(levels: list[dict[str, float]]) -> float:
    """Estimate the standard deviation of the level between periods, its own noise taken off."""
    if len(levels) < 2:
        return 0.0
    squares = [level["shift"] ** 2 - level["error"] ** 2 for level in levels]
    return float(np.sqrt(max(0.0, float(np.mean(squares)))))
