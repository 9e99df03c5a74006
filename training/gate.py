"""The promotion gate: a challenger becomes champion where that lowers the expected log loss.

No test of significance: with the outcomes of a small company a test finds the better of two models
in one month of five, and a model that is left alone grows old. What a retrain usually brings (a
little) and what it brings where the data broke (a lot of harm) are known beforehand and stand in a
prior; the rows that the champion has not seen say which of the two this is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from scipy.stats import norm

from models.metrics import EPS, Floats, log_losses

Z95: Final = 1.96


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One condition: the figure measured, the bar required, and whether it was passed."""

    name: str
    figure: str
    bar: str
    passed: bool


@dataclass(frozen=True, slots=True)
class GateDecision:
    """Whether to promote, and every check behind that decision."""

    promote: bool
    checks: tuple[GateCheck, ...]

    @property
    def sentence(self) -> str:
        """Describe the decision in one line."""
        if self == FIRST:
            return "there was no champion before"
        shown = self.checks if self.promote else [c for c in self.checks if not c.passed]
        return "; ".join(f"{c.name}: {c.figure} (asked: {c.bar})" for c in shown)


FIRST: Final = GateDecision(
    True, (GateCheck("champion before", "there was none", "a model or a stand-in", True),)
)
NOTHING_NEW: Final = GateDecision(
    False,
    (
        GateCheck(
            "rows that the champion has not seen", "0", "at least 1; wait for outcomes", False
        ),
    ),
)
RULE_AS_STATED: Final = GateDecision(
    True,
    (
        GateCheck(
            "a rule in place of what stood in before",
            "as the project file and the outcomes say now",
            "no row yet to judge it by, or an edited project file",
            True,
        ),
    ),
)
REFUSED: Final = GateDecision(False, ())


@dataclass(frozen=True, slots=True)
class RetrainPrior:
    """What a retrain does to the log loss before any row is looked at, as a share of that loss.

    With n conversions in the rows compared, a sound retrain changes it by
    -`gain` / sqrt(n) ± `spread` / sqrt(n); a broken one, of which there are `broken` in all, by
    `harm` ± `harm_spread`. `drift` is the standard deviation by which rows of some months ago
    differ from the leads of today, whatever their number. The numbers were fixed once on simulated
    companies (benchmarks/retrain_lab.py: a table of what retrains do, and how little halving or
    doubling any of the numbers costs).
    """

    broken: float = 0.15
    gain: float = 0.035
    spread: float = 0.055
    harm: float = 0.10
    harm_spread: float = 0.15
    drift: float = 0.003


PRIOR: Final = RetrainPrior()


@dataclass(frozen=True, slots=True)
class PairedLoss:
    """The challenger's log loss minus the champion's, as a share of the champion's.

    `error` is its standard error over groups, `conversions` the groups that converted.
    """

    change: float
    error: float
    conversions: int

    def expected(self, prior: RetrainPrior = PRIOR) -> float:
        """Compute the posterior mean of the change: below 0 the challenger is to be preferred."""
        root = np.sqrt(max(self.conversions, 1))
        means = np.array([-prior.gain / root, prior.harm])
        spreads = np.array([prior.spread / root, prior.harm_spread])
        noise = self.error**2 + prior.drift**2
        total = spreads**2 + noise
        weights = np.log([1 - prior.broken, prior.broken])
        weights += norm.logpdf(self.change, means, np.sqrt(total))
        weights = np.exp(weights - weights.max())
        posterior = (means * noise + self.change * spreads**2) / total
        return float(weights @ posterior / weights.sum())


def compare_losses(
    y: NDArray[Any], champion: Floats, challenger: Floats, groups: NDArray[Any]
) -> PairedLoss:
    """Compare two models' probabilities on the same rows; `groups` share an outcome.

    The error is the larger of what the outcomes show and of what the probabilities allow: where
    hardly any row converted, the outcomes alone would show none.
    """
    target = np.asarray(y, dtype=np.float64)
    before = log_losses(target, champion)
    difference = log_losses(target, challenger) - before
    change = float(difference.sum() / before.sum())
    code = np.unique(groups, return_inverse=True)[1]
    by_group = np.bincount(code, difference - change * before)
    n = len(by_group)
    shown = n / max(n - 1, 1) * np.sum(by_group**2)
    p = (champion + challenger) / 2
    apart = np.abs(
        logit(np.clip(champion, EPS, 1 - EPS)) - logit(np.clip(challenger, EPS, 1 - EPS))
    )
    allowed = np.sum(np.bincount(code, np.sqrt(p * (1 - p)) * apart) ** 2)
    error = float(np.sqrt(max(shown, allowed)) / before.sum())
    return PairedLoss(change, error, int(np.sum(np.bincount(code, target) > 0)))


@dataclass(frozen=True, slots=True)
class Movers:
    """What became of rows that the challenger puts into another band than the champion does.

    `surplus` is by how much more the rows moved up converted, beyond what the champion promised,
    than the rows moved down did; `low` to `high` is its 95 % interval. NaN where no row was moved
    one of the two ways.
    """

    up: int
    down: int
    surplus: float
    low: float
    high: float

    @property
    def contradict(self) -> bool:
        """Tell whether those moved down did better than those moved up, beyond chance."""
        return self.high < 0


def compare_movers(
    y: NDArray[Any], champion: Floats, moved: NDArray[Any], groups: NDArray[Any]
) -> Movers:
    """Judge the rows whose band changes (`moved` above 0: up, below: down) by their outcomes.

    Observed minus promised, since those moved down stood higher to begin with. The variance is
    the larger of what outcomes show and of what the promises allow: without a conversion among a
    few movers the outcomes alone would show none.
    """
    up, down = moved > 0, moved < 0
    n_up, n_down = int(up.sum()), int(down.sum())
    if not n_up or not n_down:
        return Movers(n_up, n_down, *[float("nan")] * 3)
    surplus = np.asarray(y, dtype=np.float64) - champion
    mean_up, mean_down = float(surplus[up].mean()), float(surplus[down].mean())
    weight = up / n_up - down / n_down
    code = np.unique(groups, return_inverse=True)[1]
    centred = surplus - np.where(up, mean_up, mean_down)
    shown = np.sum(np.bincount(code, weight * centred) ** 2)
    allowed = np.sum(np.bincount(code, np.abs(weight) * np.sqrt(champion * (1 - champion))) ** 2)
    half = Z95 * float(np.sqrt(max(shown, allowed)))
    gap = mean_up - mean_down
    return Movers(n_up, n_down, gap, gap - half, gap + half)


def judge(
    y: NDArray[Any],
    champion: Floats,
    challenger: Floats,
    *,
    moved: NDArray[Any],
    groups: NDArray[Any],
    prior: RetrainPrior = PRIOR,
) -> GateDecision:
    """Decide on rows (n,) that neither model learned from.

    `champion` and `challenger` are probabilities; `moved` is by how many bands the challenger puts
    a row higher; `groups` are accounts or leads, whose rows share an outcome.
    """
    losses = compare_losses(y, champion, challenger, groups)
    expected = losses.expected(prior)
    movers = compare_movers(y, champion, moved, groups)
    checks = (
        GateCheck(
            "expected change of log loss",
            f"{expected:+.2%} (measured {losses.change:+.2%} ± {losses.error:.2%} "
            f"on {losses.conversions:,} conversions)",
            "below 0",
            expected < 0,
        ),
        _movers_check(movers),
    )
    return GateDecision(all(check.passed for check in checks), checks)


def _movers_check(movers: Movers) -> GateCheck:
    if movers.low != movers.low:
        figure = f"{movers.up:,} rows up, {movers.down:,} down: nothing to compare"
    else:
        figure = (
            f"{movers.surplus:+.1%} ({movers.low:+.1%} to {movers.high:+.1%}) more conversions "
            f"beyond promise among {movers.up:,} moved up than among {movers.down:,} moved down"
        )
    bar = "not shown to be below 0"
    return GateCheck("rows that change band", figure, bar, not movers.contradict)
