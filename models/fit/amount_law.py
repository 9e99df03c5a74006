"""What customers paid -> the law of single amounts, as draws that hold its own uncertainty.

Sums of amounts hang on the few large ones: a bootstrap of 200 amounts with a heavy tail covers a
sum in 3 of 4 cases where it promises 9 of 10. So logarithms of amounts follow a normal plus an
exponential (Reed and Jorgensen 2004): lognormal where the exponential is nought, Pareto where the
normal is narrow. Where amounts fit neither, as price lists do, they are drawn again as they were
(Rubin 1981, the Bayesian bootstrap).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import special, stats

from models.amount_model import AmountLaw
from models.predictor import Floats

DRAWS: Final = 400
FEW: Final = 20
"""Amounts below which a law is not judged, and only the lognormal is fitted."""
_MOST: Final = 2_000
_WALKERS, _STEPS, _SETTLED = 32, 110, 60
_TAIL_SCALE: Final = 0.6
"""Scale of the half-normal prior of the tail: 1 would be the first tail without a mean."""
_ODD: Final = 1.1
"""Kolmogorov's distance times root n from which amounts follow neither law."""


def fit_law(amounts: Floats, *, seed: int) -> AmountLaw:
    """Fit positive amounts divided by their expectations, (n,) from n = 2."""
    rng = np.random.default_rng(seed)
    logs = np.log(amounts)
    few = logs if len(logs) <= _MOST else rng.choice(logs, _MOST, replace=False)
    centre, spread = _normal_posterior(few, rng)
    tail = np.zeros(DRAWS)
    if len(few) >= FEW:
        walked = _walk(few, rng)
        best = walked[np.argmax(_log_likelihood(few, walked))]
        gain = (
            _log_likelihood(few, best[None])[0]
            - stats.norm.logpdf(few, few.mean(), max(few.std(), 1e-9)).sum()
        )
        heavy = rng.random(DRAWS) < special.expit(gain - 0.5 * np.log(len(few)))
        if _distance(few, best, heavy=heavy.mean() > 0.5) > _ODD:
            kept = (
                np.quantile(amounts, np.linspace(0, 1, 2 * _MOST))
                if len(few) < len(logs)
                else amounts
            )
            return AmountLaw((), (), (), tuple(map(float, np.sort(kept))), len(amounts))
        drawn = walked[rng.integers(len(walked), size=DRAWS)]
        centre = np.where(heavy, drawn[:, 0], centre)
        spread = np.where(heavy, np.exp(drawn[:, 1]), spread)
        tail = np.where(heavy, np.exp(drawn[:, 2]), tail)
    return AmountLaw(_plain(centre), _plain(spread), _plain(tail), (), len(amounts))


def _plain(draws: Floats) -> tuple[float, ...]:
    return tuple(float(each) for each in np.round(draws, 6))


def _normal_posterior(logs: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw mean and deviation of a normal: the posterior under Jeffreys' prior."""
    n = len(logs)
    power = max(float(((logs - logs.mean()) ** 2).sum()), 1e-12)
    spread = np.sqrt(power / rng.chisquare(max(n - 1, 1), DRAWS))
    return logs.mean() + spread / np.sqrt(n) * rng.standard_normal(DRAWS), spread


def _log_likelihood(logs: Floats, law: Floats) -> Floats:
    """Sum the log density of normal plus exponential: `law` (k, 3) centre, log spread, log tail."""
    centre, spread, tail = law[:, :1], np.exp(law[:, 1:2]), np.exp(law[:, 2:])
    z = (logs[None, :] - centre) / spread
    u = spread / tail - z
    far = u < -25  # there erfcx overflows; it is 2 exp(u^2 / 2)
    inner = np.log(np.maximum(special.erfcx(np.where(far, 0.0, u) / np.sqrt(2)), 1e-300))
    inner = np.where(far, np.log(2) + u**2 / 2, inner)
    total: Floats = (inner - z**2 / 2 - np.log(2 * tail)).sum(axis=1)
    return total


def _log_posterior(logs: Floats, law: Floats, deviation: float) -> Floats:
    spread, tail = np.exp(law[:, 1]), np.exp(law[:, 2])
    prior = law[:, 2] - (tail / _TAIL_SCALE) ** 2 / 2 + law[:, 1] - spread / (2 * deviation)
    inside = (tail <= 1) & (spread >= 0.01 * deviation)
    total: Floats = np.where(inside, _log_likelihood(logs, law) + prior, -1e12)
    return total


def _walk(logs: Floats, rng: np.random.Generator) -> Floats:
    """Draw from the posterior by stretch moves (Goodman and Weare 2010): (draws, 3)."""
    deviation = max(float(logs.std()), 1e-6)
    skew = float(np.clip(((logs - logs.mean()) ** 3).mean() / deviation**3, 0.02, 1.8))
    tail = min(deviation * (skew / 2) ** (1 / 3), 0.9)
    spread = max(np.sqrt(max(deviation**2 - tail**2, 0.0)), 0.1 * deviation)
    start = np.array([logs.mean() - tail, np.log(spread), np.log(tail)])
    scale = np.array([deviation, 1.0, 1.0]) / np.sqrt(len(logs))
    at = start + scale * rng.standard_normal((_WALKERS, 3))
    at[:, 2] = np.minimum(at[:, 2], -1e-3)
    height = _log_posterior(logs, at, deviation)
    half, kept = _WALKERS // 2, []
    for step in range(_STEPS):
        for mine, others in ((slice(half), slice(half, None)), (slice(half, None), slice(half))):
            stretch = (rng.random(half) + 1) ** 2 / 2
            anchor = at[others][rng.integers(half, size=half)]
            trial = anchor + stretch[:, None] * (at[mine] - anchor)
            then = _log_posterior(logs, trial, deviation)
            taken = np.log(rng.random(half)) < 2 * np.log(stretch) + then - height[mine]
            at[mine] = np.where(taken[:, None], trial, at[mine])
            height[mine] = np.where(taken, then, height[mine])
        if step >= _SETTLED:
            kept.append(at.copy())
    return np.concatenate(kept)


def _distance(logs: Floats, law: Floats, *, heavy: bool) -> float:
    """Measure Kolmogorov's distance from the fitted law, times root n."""
    x, n = np.sort(logs), len(logs)
    if heavy:
        spread, tail = np.exp(law[1]), np.exp(law[2])
        share = stats.exponnorm.cdf(x, tail / spread, law[0], spread)
    else:
        share = stats.norm.cdf(x, x.mean(), max(x.std(), 1e-9))
    steps = np.arange(n + 1) / n
    return float(np.sqrt(n) * max((share - steps[:-1]).max(), (steps[1:] - share).max()))
