"""An expected count, its variance by chance and the common shock -> a range for the count.

Counts of conversions vary more than their probabilities say, because leads share months,
campaigns and markets: O ~ mean E * G, with a shock G common to all of them, E[G] = 1, and
standard deviation tau. Past forecasts show how large tau is; the range includes the uncertainty
about it (a posterior over tau, not a point estimate).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

LEVEL: Final = 0.9
"""How often a range should hold the count."""
_TAUS: Final = np.concatenate(([0.0], np.geomspace(0.02, 1.5, 24)))
PRIOR_SCALE: Final = 0.25
"""Scale of the prior of tau: how far a month may be off where there are no past forecasts."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(11)


@dataclass(frozen=True, slots=True)
class CountRange:
    """An expected number and the range that should cover what happens."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Shock:
    """The posterior of tau on a grid: how much a whole month may be above or below forecast."""

    tau: Floats
    weight: Floats
    n_past: int

    @property
    def typical(self) -> float:
        """The posterior mean of tau."""
        return float(self.tau @ self.weight)


NO_SHOCK: Final = Shock(np.zeros(1), np.ones(1), 0)


def learn_shock(
    expected: Floats,
    variance: Floats,
    observed: Floats,
    weight: Floats | float = 1.0,
    *,
    prior_scale: float = PRIOR_SCALE,
) -> Shock:
    """Learn tau from past forecasts, all (k,): expected, chance variance, what happened.

    `weight` is under 1 where the windows of past forecasts overlap. The prior is half-Cauchy
    (Gelman 2006): without any past forecast the range is wide.
    """
    tau = _TAUS[:, None]
    weights = np.broadcast_to(np.asarray(weight, dtype=np.float64), np.shape(expected))
    spread = np.sqrt(np.maximum(variance + (tau * expected) ** 2, 1e-9))
    log_likelihood = (weights * stats.norm.logpdf(observed, expected, spread)).sum(axis=1)
    log_prior = -np.log1p((_TAUS / prior_scale) ** 2) + np.log(np.gradient(_TAUS))
    log_posterior = log_likelihood + log_prior
    posterior = np.exp(log_posterior - log_posterior.max())
    return Shock(_TAUS, posterior / posterior.sum(), len(expected))


def cover_count(expected: float, variance: float, shock: Shock = NO_SHOCK) -> CountRange:
    """Find the whole numbers between which the count falls with probability LEVEL.

    `variance` is chance alone: sum p (1 - p), plus the Poisson part of leads yet to come.
    """
    if expected <= 0:
        return CountRange(0.0, 0.0, 0.0)
    tail = (1 - LEVEL) / 2
    return CountRange(
        float(expected),
        min(_quantile(tail, expected, variance, shock), float(np.floor(expected))),
        _quantile(1 - tail, expected, variance, shock),
    )


def _quantile(share: float, expected: float, variance: float, shock: Shock) -> float:
    """Find the smallest whole number that the count does not exceed with probability `share`."""
    low, high = -1.0, np.ceil(4 * expected + 30)  # below `low` never enough, at `high` always
    while high - low > 1:
        grid = np.unique(np.linspace(low, high, 34).round()[1:-1])
        enough = _mixture(grid, expected, variance, shock) > share
        first = int(np.argmax(enough)) if enough.any() else len(grid)
        low, high = (
            float(grid[first - 1]) if first else low,
            float(grid[first]) if first < len(grid) else high,
        )
    return float(high)


def _mixture(grid: Floats, expected: float, variance: float, shock: Shock) -> Floats:
    """Average the count's distribution function over tau and over the shock itself."""
    used = shock.weight > 1e-3
    tau, weight = shock.tau[used], shock.weight[used] / shock.weight[used].sum()
    log_sd = np.sqrt(np.log1p(tau**2))
    factor = np.exp(log_sd[:, None] * _NODES - log_sd[:, None] ** 2 / 2)  # lognormal, mean 1
    chance = weight[:, None] * (_WEIGHTS / _WEIGHTS.sum())
    mean, var = (expected * factor).ravel(), (variance * factor).ravel()
    return np.maximum.accumulate(chance.ravel() @ _count_cdf(grid, mean, var))


def _count_cdf(grid: Floats, mean: Floats, variance: Floats) -> Floats:
    """Approximate a Poisson binomial (k, g): normal with continuity and skewness corrections.

    Its skewness is at most that of the Poisson; interpolated between the two by variance / mean
    (Volkova 1996).
    """
    sd = np.sqrt(np.maximum(variance, 1e-9))[:, None]
    x = (grid[None, :] + 0.5 - mean[:, None]) / sd
    ratio = np.clip(variance / np.maximum(mean, 1e-9), 0, 1)
    skew = ((2 * ratio - 1).clip(0) / np.maximum(sd[:, 0], 1e-9))[:, None]
    value = stats.norm.cdf(x) + skew * (1 - x**2) * stats.norm.pdf(x) / 6
    return np.asarray(np.clip(value, 0, 1))
