"""A company whose true probabilities are known, trained anew every month, sometimes on bad data.

Leads arrive month by month; each is seen twice (a day old, two weeks old) and both rows share its
outcome. What decides a conversion drifts slowly. A label is known three months after its row
(label delay), so that a model trained today learns from what was, is tested on the newest fifth of
what is mature, and is used on leads that arrive now. A row of training whose label window reaches
into the test is left out, as in `data.splits.purged_cut`.

Three ways to break a challenger, all in the rows that it learns from and not in the newest:
`leak` (a column that is filled in months after a conversion), `unit` (older rows of one column
were imported in another unit) and `half` (the extract ends in the middle). A column that shows the
outcome in the newest rows too looks like a gain to any comparison on outcomes: to find it is the
work of the leak audit (benchmarks.leaks), which stands before the gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
Fault = Literal["leak", "unit", "half"]
FAULTS: Final[tuple[Fault, ...]] = ("leak", "unit", "half")

HISTORY: Final = 12
"""Months of mature leads at the first training: they hold the conversions that name the size."""
RETRAINS: Final = 12
DELAY: Final = 3
"""Months until a label is known."""
TEST_SHARE: Final = 0.2
NUMBERS: Final = 10
LIVE_LEADS: Final = 3000
MOVES: Final = 0.7
"""Standard deviation, in log-odds, of what a lead's second row says beyond the first."""
FILLED_FROM: Final = 5.0
FILLED_MONTHS: Final = 2.0
"""Months after an outcome from which on the leaking column is filled in, and the mean beyond."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in order of time: `x` (n, columns), true probability, outcome, lead, month."""

    x: Floats
    p: Floats
    y: Floats
    lead: NDArray[np.int64]
    month: NDArray[np.int64]
    filled: Floats  # months after its row at which the leaking column shows the outcome

    def take(self, which: NDArray[np.generic]) -> Rows:
        """Keep some rows."""
        return Rows(
            self.x[which],
            self.p[which],
            self.y[which],
            self.lead[which],
            self.month[which],
            self.filled[which],
        )


@dataclass(frozen=True, slots=True)
class Year:
    """A year of retraining: models 0 to 12 on the rows that each was, or would be, judged on.

    For every month m: `y[m]`, `groups[m]` of the test rows, and `test[m]` (models, rows), the
    probabilities that the models known by then promise there; `truth` (models, months) is the true
    log loss on the leads that arrive in that month. Model m is row m; `twin[m]` is the row of the
    one that was fitted on broken data instead, where that month has one.
    """

    y: tuple[Floats, ...]
    groups: tuple[NDArray[np.int64], ...]
    test: tuple[Floats, ...]
    truth: Floats
    twin: dict[int, int]


@dataclass(frozen=True, slots=True)
class Line:
    """A ridge logistic regression on standardised numbers and their squares."""

    center: Floats
    scale: Floats
    coef: Floats

    def predict(self, x: Floats) -> Floats:
        """Give probabilities, (n,)."""
        p: Floats = expit(_design(x, self.center, self.scale) @ self.coef)
        return np.clip(p, 1e-5, 1 - 1e-5)


def make_year(conversions: int, base: float, faults: Mapping[int, Fault], seed: int) -> Year:
    """Simulate a company with so many conversions in its first year, and fit all its models.

    `faults` says in which months (from 1) the data may also come broken, and how.
    """
    rng = np.random.default_rng([seed, conversions, round(1000 * base)])
    months = HISTORY + RETRAINS + DELAY + 1
    weights = _weights(rng, months)
    level = _level(rng, weights, base)
    rows = _leads(rng, rng.poisson(conversions / HISTORY / base, months), weights, level)
    twin = {month: 1 + RETRAINS + i for i, month in enumerate(sorted(faults))}
    lines: dict[int, Line] = {}
    y, groups, test = [], [], []
    truth = np.full((1 + RETRAINS + len(twin), 1 + RETRAINS), np.nan)
    for m in range(1 + RETRAINS):
        known = rows.take(rows.month < HISTORY + m)
        begins = known.month[int((1 - TEST_SHARE) * len(known.month))]
        newest = known.take(known.month >= begins)
        learned = known.take(known.month < begins - DELAY)
        today = HISTORY + m + DELAY
        lines[m] = _fit(rng, learned, today, None)
        if m in twin:
            lines[twin[m]] = _fit(rng, learned, today, faults[m])
        shown = _with_leak(newest, today)
        live = _leads(rng, np.array([0] * today + [LIVE_LEADS]), weights, level)
        x_live = np.column_stack([live.x, np.zeros(len(live.y))])  # nothing is filled in yet
        p = np.full((len(truth), len(newest.y)), np.nan)
        for i, line in lines.items():
            p[i] = line.predict(shown)
            truth[i, m] = _expected_loss(live.p, line.predict(x_live))
        y.append(newest.y)
        groups.append(newest.lead)
        test.append(p)
    return Year(tuple(y), tuple(groups), tuple(test), truth, twin)


def _expected_loss(p: Floats, q: Floats) -> float:
    return float(-np.mean(p * np.log(q) + (1 - p) * np.log1p(-q)))


def _weights(rng: np.random.Generator, months: int) -> Floats:
    """Draw what each column is worth, month by month: a random walk, (months, 2 NUMBERS)."""
    start = np.r_[np.geomspace(0.9, 0.05, NUMBERS), 0.25, -0.25, np.zeros(NUMBERS - 2)]
    start *= rng.choice([-1.0, 1.0], len(start))
    steps = rng.normal(0, 0.04, (months, len(start))) * (np.abs(start) > 0)
    steps[0] = 0
    walk: Floats = start + np.cumsum(steps, axis=0)
    return walk


def _level(rng: np.random.Generator, weights: Floats, base: float) -> Floats:
    """Find the intercept with which the base rate is right in the first month; it drifts after."""
    x = rng.normal(size=(20_000, NUMBERS))
    tops = _terms(x) @ weights[0] + MOVES * rng.normal(size=len(x))
    low, high = -12.0, 6.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(tops + middle).mean() < base else (low, middle)
    drift = np.r_[0.0, rng.normal(0, 0.05, len(weights) - 1)]
    level: Floats = (low + high) / 2 + np.cumsum(drift)
    return level


def _terms(x: Floats) -> Floats:
    return np.column_stack([x, (x**2 - 1) / np.sqrt(2)])


def _leads(
    rng: np.random.Generator, counts: NDArray[np.int64], weights: Floats, level: Floats
) -> Rows:
    """Draw the leads of each month, two rows each, the second one knowing more."""
    month = np.repeat(np.arange(len(counts)), counts)
    n = len(month)
    x = rng.normal(size=(n, NUMBERS))
    first = np.einsum("ij,ij->i", _terms(x), weights[month]) + level[month]
    more = rng.normal(size=n)
    p_second = expit(first + MOVES * more)
    nodes, mass = np.polynomial.hermite_e.hermegauss(15)
    p_first = expit(first[:, None] + MOVES * nodes) @ (mass / mass.sum())
    y = (rng.random(n) < p_second).astype(np.float64)
    filled = FILLED_FROM + rng.exponential(FILLED_MONTHS, n)
    columns = [
        np.column_stack([x, np.zeros(n), np.zeros(n)]),
        np.column_stack([x, more, np.ones(n)]),
    ]
    order = np.argsort(np.tile(month, 2), kind="stable")
    lead = np.arange(n)
    return Rows(
        np.concatenate(columns)[order],
        np.r_[p_first, p_second][order],
        np.tile(y, 2)[order],
        np.tile(lead, 2)[order],
        np.tile(month, 2)[order],
        np.tile(filled, 2)[order],
    )


def _with_leak(rows: Rows, today: int) -> Floats:
    """Add the leaking column as it looks today: filled in for old conversions, not for new ones."""
    shows = (rows.y == 1) & (rows.filled < today - rows.month - DELAY)
    return np.column_stack([rows.x, shows.astype(np.float64)])


def _fit(rng: np.random.Generator, rows: Rows, today: int, fault: Fault | None) -> Line:
    """Fit on these rows, broken as `fault` says; a sound model does not have the leaking column."""
    x = _with_leak(rows, today)
    y = rows.y
    if fault != "leak":
        x[:, -1] = 0.0
    if fault == "unit":
        first = rng.uniform(0.3, 0.7)  # the share of the rows that came by another import
        x[: int(first * len(x)), 0] += 4.0
    if fault == "half":
        x, y = x[: len(x) // 2], y[: len(y) // 2]
    return _fit_line(x, y)


def _fit_line(x: Floats, y: Floats, penalty: float = 4.0) -> Line:
    center, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = 1.0
    design = _design(x, center, scale)
    ridge = np.full(design.shape[1], penalty)
    ridge[0] = 1e-3
    rate = (y.sum() + 0.5) / (len(y) + 1)
    coef = np.zeros(design.shape[1])
    coef[0] = np.log(rate / (1 - rate))
    for _ in range(25):
        mu = expit(design @ coef)
        weight = mu * (1 - mu)
        gradient = design.T @ (y - mu) - ridge * coef
        hessian = (design * weight[:, None]).T @ design + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        coef += np.clip(step, -1.5, 1.5)
        if np.abs(step).max() < 1e-6:
            break
    return Line(center, scale, coef)


def _design(x: Floats, center: Floats, scale: Floats) -> Floats:
    z = np.clip((x - center) / scale, -5, 5)
    squares = (z[:, :NUMBERS] ** 2 - 1) / np.sqrt(2)
    return np.column_stack([np.ones(len(z)), z, squares])
