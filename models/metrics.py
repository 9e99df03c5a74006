"""Outcomes and probabilities -> figures with intervals: ranking, calibration, use, verdicts.

Intervals come from a bootstrap over clusters (accounts or leads), each cluster drawn whole, by
Poisson weights: a cluster counts 0, 1, 2, … times. Every metric therefore takes row weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm

Floats = NDArray[np.float64]
Metric = Callable[[Floats, Floats, Floats], float]
"""(y, p, weight of each row) -> figure."""

EPS = 1e-12
MANY_ROWS = 10_000
"""From here on the draws of a bootstrap are measured on rows gathered by near probabilities."""
KERNEL_BLOCK = 16_384
"""Kernel weights that are computed at a time, for several points where rows are few."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its standard error and its 95 % interval; NaN where it cannot be given."""

    value: float
    error: float
    low: float
    high: float


def log_losses(y: Floats, p: Floats) -> Floats:
    """Give the log loss of each row: (n,)."""
    q = np.clip(p, EPS, 1 - EPS)
    losses: Floats = -np.where(y > 0, np.log(q), np.log1p(-q))
    return losses


def log_loss(y: Floats, p: Floats, w: Floats) -> float:
    """Mean log loss."""
    return float(np.average(log_losses(y, p), weights=w))


def skill(y: Floats, p: Floats, w: Floats) -> float:
    """Log-loss skill against these rows' own base rate: 1 is perfect, 0 is the prior."""
    base = np.full(len(y), np.average(y, weights=w))
    return 1 - log_loss(y, p, w) / log_loss(y, base, w)


def brier(y: Floats, p: Floats, w: Floats) -> float:
    """Mean squared error of the probability."""
    return float(np.average((y - p) ** 2, weights=w))


def auc(y: Floats, p: Floats, w: Floats) -> float:
    """Area under the ROC curve; ties count half; NaN with one class."""
    values, place = np.unique(p, return_inverse=True)
    hits = np.bincount(place, weights=w * y, minlength=len(values))
    misses = np.bincount(place, weights=w * (1 - y), minlength=len(values))
    if hits.sum() <= 0 or misses.sum() <= 0:
        return float("nan")
    below = np.cumsum(misses) - misses
    return float(np.sum(hits * (below + misses / 2)) / (hits.sum() * misses.sum()))


def average_precision(y: Floats, p: Floats, w: Floats) -> float:
    """Mean precision at each conversion, ties taken together."""
    values, place = np.unique(-p, return_inverse=True)
    hits = np.bincount(place, weights=w * y, minlength=len(values))
    rows = np.bincount(place, weights=w, minlength=len(values))
    if hits.sum() <= 0:
        return float("nan")
    precision = np.cumsum(hits) / np.maximum(np.cumsum(rows), EPS)
    return float(np.sum(hits * precision) / hits.sum())


def precision_at(share: float) -> Metric:
    """Make the metric: conversion rate among the best `share` of rows; ties share the edge."""

    def precision(y: Floats, p: Floats, w: Floats) -> float:
        values, place = np.unique(-p, return_inverse=True)
        hits = np.bincount(place, weights=w * y, minlength=len(values))
        rows = np.bincount(place, weights=w, minlength=len(values))
        room = share * rows.sum()
        taken = np.clip((room - (np.cumsum(rows) - rows)) / np.maximum(rows, EPS), 0, 1)
        return float(np.sum(hits * taken) / max(room, EPS))

    return precision


def lift_at(share: float) -> Metric:
    """Make the metric: precision among the best `share` over the base rate."""
    precision = precision_at(share)

    def lift(y: Floats, p: Floats, w: Floats) -> float:
        base = float(np.average(y, weights=w))
        return precision(y, p, w) / base if base > 0 else float("nan")

    return lift


def slope(y: Floats, p: Floats, w: Floats) -> float:
    """Calibration slope: 1 is right, under 1 is too sure of itself."""
    z = logit(np.clip(p, EPS, 1 - EPS))
    if z.std() < 1e-9:
        return float("nan")
    design = np.column_stack([z, np.ones_like(z)])
    coef = np.array([1.0, 0.0])
    for _ in range(30):
        mu = expit(design @ coef)
        scale = w * mu * (1 - mu)
        hessian = design.T @ (scale[:, None] * design) + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, design.T @ (w * (y - mu)))
        coef += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-10:
            break
    return float(coef[0])


def intercept(y: Floats, p: Floats, w: Floats) -> float:
    """Calibration in the large, log-odds at slope one: above 0 where predictions are too low."""
    z = logit(np.clip(p, EPS, 1 - EPS))
    level = 0.0
    for _ in range(50):
        mu = expit(z + level)
        step = float(np.sum(w * (y - mu)) / max(float(np.sum(w * mu * (1 - mu))), 1e-9))
        level += float(np.clip(step, -1, 1))
        if abs(step) < 1e-10:
            break
    return level


def observed_over_expected(y: Floats, p: Floats, w: Floats) -> float:
    """Conversions observed for each conversion predicted."""
    return float(np.sum(w * y) / max(float(np.sum(w * p)), EPS))


def debiased_ece(y: Floats, p: Floats, w: Floats, *, bins: int = 15) -> float:
    """Debiased expected calibration error: root mean squared gap over equal-count bins.

    The gap's own sampling variance is taken off bin by bin (Kumar, Liang and Ma 2019), so that a
    perfect model is at zero on average, not at its noise.
    """
    order = np.argsort(p, kind="stable")
    mass = np.cumsum(w[order])
    cell = np.minimum((mass - w[order]) / max(mass[-1], EPS) * bins, bins - 1).astype(np.int64)
    rows = np.bincount(cell, weights=w[order], minlength=bins)
    rows_safe = np.maximum(rows, EPS)
    seen = np.bincount(cell, weights=(w * y)[order], minlength=bins) / rows_safe
    predicted = np.bincount(cell, weights=(w * p)[order], minlength=bins) / rows_safe
    noise = seen * (1 - seen) / np.maximum(rows - 1, 1)
    total = float(np.sum(rows * ((seen - predicted) ** 2 - noise)) / max(rows.sum(), EPS))
    return float(np.sqrt(max(total, 0.0)))


def ici(y: Floats, p: Floats, w: Floats) -> float:
    """Integrated calibration index (Austin and Steyerberg 2019), with a smooth in log-odds.

    The smooth is a Gaussian kernel regression on 200 quantiles of the log-odds.
    """
    z = logit(np.clip(p, EPS, 1 - EPS))
    if z.std() < 1e-9:
        return float(abs(np.average(y, weights=w) - np.average(p, weights=w)))
    at = np.unique(np.quantile(z, np.linspace(0.0025, 0.9975, 200)))
    width = max(1.06 * float(z.std()) * len(z) ** -0.2, 1e-3)
    smooth, many = np.empty(len(at)), max(1, KERNEL_BLOCK // len(z))
    for first in range(0, len(at), many):
        k = w * np.exp(-0.5 * ((z - at[first : first + many, None]) / width) ** 2)
        mass = np.maximum(k.sum(axis=1), EPS)
        smooth[first : first + many] = np.vecdot(k, y) / mass - np.vecdot(k, p) / mass
    return float(np.average(np.abs(np.interp(z, at, smooth)), weights=w))


METRICS: Mapping[str, Metric] = {
    "log_loss": log_loss,
    "skill": skill,
    "brier": brier,
    "auc": auc,
    "average_precision": average_precision,
    "lift_10": lift_at(0.1),
    "precision_10": precision_at(0.1),
    "slope": slope,
    "intercept": intercept,
    "observed_over_expected": observed_over_expected,
    "debiased_ece": debiased_ece,
    "ici": ici,
}


DISTANCES: Final = ("debiased_ece", "ici")
"""Distances from perfect calibration: the noise of a draw adds to that of the rows, so that all
draws lie further out than the figure, and tell only how far it may vary."""


def bootstrap_weights(
    clusters: NDArray[Any] | None, n: int, draws: int, seed: int
) -> Iterator[Floats]:
    """Draw Poisson weights for whole clusters: `draws` arrays of (n,), one after the other."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n) if clusters is None else pd.factorize(np.asarray(clusters))[0]
    many = int(codes.max()) + 1 if n else 0
    for _ in range(draws):
        yield rng.poisson(1.0, many).astype(np.float64)[codes]


@dataclass(frozen=True, slots=True)
class NearRows:
    """Many rows gathered into bins of near probabilities: what a draw needs of them.

    Two rows stand for each bin, one for each outcome; a draw says how many each counts.
    """

    y: Floats
    p: Floats
    cell: NDArray[np.int64]

    @classmethod
    def of(cls, y: Floats, p: Floats, bins: int = 2000) -> NearRows:
        """Gather rows into bins of as many rows each, by their mean probability."""
        cell = np.empty(len(p), np.int64)
        cell[np.argsort(p, kind="stable")] = np.arange(len(p)) * bins // len(p)
        mean = np.bincount(cell, p, bins) / np.bincount(cell, minlength=bins)
        return cls(np.repeat([0.0, 1.0], bins), np.tile(mean, 2), cell + bins * (y > 0))

    def counted(self, weight: Floats) -> Floats:
        """Add up the weights of the rows: (2 bins,)."""
        return np.bincount(self.cell, weight, len(self.y)).astype(np.float64)


def evaluate(
    y: NDArray[Any],
    p: Floats,
    groups: NDArray[Any] | None = None,
    *,
    draws: int = 200,
    seed: int = 0,
    metrics: Mapping[str, Metric] = METRICS,
) -> dict[str, Figure]:
    """Compute every metric with a 95 % interval from a bootstrap over `groups`.

    `draws` = 0 gives figures without intervals. From `MANY_ROWS` on, draws are measured on rows
    gathered by near probabilities (`NearRows`); the figures themselves always on all rows.
    """
    target, predicted = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    ones = np.ones(len(target))
    samples: dict[str, list[float]] = {name: [] for name in metrics}
    rows, promised = target, predicted
    near = NearRows.of(target, predicted) if len(target) >= MANY_ROWS else None
    if near is not None:
        rows, promised = near.y, near.p
    for drawn in bootstrap_weights(groups, len(target), draws, seed):
        weight = drawn if near is None else near.counted(drawn)
        kept = weight > 0
        if len(np.unique(rows[kept])) < 2:
            continue
        for name, metric in metrics.items():
            samples[name].append(metric(rows[kept], promised[kept], weight[kept]))
    return {
        name: _figure(metric(target, predicted, ones), samples[name], centred=name in DISTANCES)
        for name, metric in metrics.items()
    }


def _figure(value: float, samples: Sequence[float], *, centred: bool = False) -> Figure:
    """Give a figure the range of its draws; `centred` moves their squares onto its own."""
    known = np.array([s for s in samples if np.isfinite(s)])
    if len(known) < 10:
        return Figure(value, float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(known, [0.025, 0.975])
    if centred:
        moved = np.quantile(known**2, [0.025, 0.975]) - np.mean(known**2) + value**2
        low, high = np.sqrt(np.maximum(moved, 0.0))
    return Figure(value, float(known.std()), float(low), float(high))


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """The first model's figure minus the second's, with a 95 % interval.

    `verdict` is "level" within one standard error, else "better" or "worse".
    """

    difference: float
    error: float
    low: float
    high: float
    verdict: str


def compare(
    y: NDArray[Any],
    ours: Floats,
    theirs: Floats,
    groups: NDArray[Any] | None = None,
    *,
    metric: Metric = log_loss,
    draws: int = 500,
    seed: int = 0,
    lower_is_better: bool = True,
    row_weights: Floats | None = None,
) -> ModelComparison:
    """Compare two models on the same rows by a paired bootstrap over `groups`.

    `row_weights` (n,) say how often each row counts; None: once.
    """
    target = np.asarray(y, dtype=np.float64)
    counted = np.ones(len(target)) if row_weights is None else row_weights
    if metric is log_loss:  # of each row it is the same in every draw
        one, two = log_losses(target, ours), log_losses(target, theirs)

        def difference(w: Floats) -> float:
            return float(np.average(one, weights=w)) - float(np.average(two, weights=w))
    else:

        def difference(w: Floats) -> float:
            return metric(target, ours, w) - metric(target, theirs, w)

    gap = difference(counted)
    drawn = [
        difference(w * counted)
        for w in bootstrap_weights(groups, len(target), draws, seed)
        if w.any()  # of a few groups a draw may hold none
    ]
    figure = _figure(gap, drawn)
    better = -gap if lower_is_better else gap
    verdict = "level"
    if abs(gap) > figure.error:
        verdict = "better" if better > 0 else "worse"
    return ModelComparison(gap, figure.error, figure.low, figure.high, verdict)


def wilson(hits: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    """Bound a rate (Wilson 1927): the interval of the observed share.

    >>> tuple(round(x, 3) for x in wilson(3, 100))
    (0.01, 0.085)
    """
    if n <= 0:
        return 0.0, 1.0
    z = float(norm.ppf(0.5 + level / 2))
    rate, scale = hits / n, 1 + z**2 / n
    middle = (rate + z**2 / (2 * n)) / scale
    half = z * float(np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))) / scale
    return max(0.0, min(rate, middle - half)), min(1.0, max(rate, middle + half))


def to_frame(figures: Mapping[str, Figure]) -> pd.DataFrame:
    """Lay figures out as rows: metric, value, error, low, high."""
    return pd.DataFrame([{"metric": name, **asdict(fig)} for name, fig in figures.items()])
