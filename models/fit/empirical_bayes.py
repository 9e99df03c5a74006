"""A design and outcomes -> weights by Newton's method, penalties by empirical Bayes.

MacKay 1992: the weights of a group of columns without information are pulled to zero.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from models.fit.design_rows import Matrix, gathered, gram, times
from models.fit.rule_points import SCALE, SPREAD, UNJUDGED
from models.predictor import Floats

Groups = list[tuple[str, list[int]]]
"""Columns that share a penalty, by name."""
START, ROUNDS, RIDGES = 10.0, 20, (0.3, 1e4)
PRIOR_COLUMNS, PRIOR_POWER = 2.0, 0.005
"""Hyperprior of a penalty, in columns and in power: most columns carry no information."""


@dataclass(frozen=True, slots=True)
class DenseFit:
    """Weights of a design's columns, of a rule where there is one, and of the level, the last.

    `rule` (n,) is its log-odds about their mean, None without one.
    """

    design: Matrix
    row_weights: Floats
    groups: Groups
    weight: Floats
    ridge: dict[str, float]
    rule: Floats | None

    @property
    def scale(self) -> float:
        """How much the rule counts; 0 without one."""
        return 0.0 if self.rule is None else float(UNJUDGED + self.weight[-2])

    def variances(self) -> Floats:
        """Give the variance of each weight (Laplace), of rows that count 1: (columns,)."""
        spread = _spread_out(self.ridge, self.groups)
        margin = _offset(self.rule) + times(self.design, self.weight)
        factor = _factor(_curvature(self.design, margin, self.row_weights), spread)
        return np.asarray(np.diag(cho_solve(factor, np.eye(len(spread)))))


def fit_dense(
    lay: Callable[[Sequence[Floats]], Matrix],
    y: Floats,
    row_weights: Floats,
    groups: Groups,
    known: Mapping[str, float] | None,
    worth: float,
    rule: Floats | None = None,
    signs: Floats | None = None,
) -> DenseFit:
    """Solve by Newton; penalties by expectation-maximisation unless known.

    `lay` lays out the columns of `groups`, then those that it is given.

    `signs` (columns,) are 1 or -1 where a weight may not be of the other sign: those that would be
    are held at zero, and the others solved again.

    The likelihood of a row counts `worth`; penalties are those of rows that count 1. A `rule`, its
    log-odds about their mean, is one more column, which counts at `UNJUDGED` before any outcome:
    its scale has a normal prior around that, so its penalty is held.
    """
    penalties = {name: (known or {}).get(name, START) for name, _ in groups}
    more, held = [], []
    if rule is not None:
        last = max((max(place) for _, place in groups), default=-1)
        groups, more, held = [*groups, (SCALE, [last + 1])], [rule], [SCALE]
        penalties[SCALE] = (known or {}).get(SCALE, 1 / SPREAD**2 / worth)
    design = lay([*more, np.ones(len(y))])
    weight, offset, curvature = np.zeros(design.shape[1]), _offset(rule), None
    weight[-1] = base_log_odds(y, row_weights)
    if not known:
        weight, penalties, curvature = _find_penalties(
            design, y, row_weights, groups, weight, penalties, worth, offset=offset, held=held
        )
    ridge = _spread_out(penalties, groups)
    weight = newton(design, y, row_weights, ridge, weight, offset=offset, curvature=curvature)
    if signs is not None:
        weight = _signed(design, y, row_weights, ridge, weight, offset, signs)
    return DenseFit(design, row_weights, groups, weight, penalties, rule)


def newton(
    design: Matrix,
    y: Floats,
    row_weights: Floats,
    ridge: Floats,
    weight: Floats,
    *,
    offset: Floats | float = 0.0,
    most: int = 50,
    curvature: Floats | None = None,
) -> Floats:
    """Minimise logistic loss + ridge / 2 @ weight^2 from a start, halving steps: the weights.

    `row_weights` (n,) say how often the loss of each row counts, `offset` what its margin holds
    already, `curvature` the loss's Hessian at the start where it is known.
    """

    def cost(w: Floats, z: Floats) -> float:
        return float(np.sum(row_weights * (np.logaddexp(0, z) - y * z)) + 0.5 * ridge @ w**2)

    margin = offset + times(design, weight)
    now = cost(weight, margin)
    for _ in range(most):
        p = 1 / (1 + np.exp(-margin))
        gradient = gathered(design, row_weights * (p - y)) + ridge * weight
        if curvature is None:
            curvature = _curvature(design, margin, row_weights)
        step, curvature = cho_solve(_factor(curvature, ridge), gradient), None
        size = 1.0
        while size > 1e-4:
            trial = weight - size * step
            ahead = offset + times(design, trial)
            then = cost(trial, ahead)
            if then <= now:
                break
            size /= 2
        gained, now = now - then, min(now, then)
        if size > 1e-4:
            weight, margin = trial, ahead
        if gained < 1e-6 * max(1.0, now * 1e-3):
            break
    return weight


def base_log_odds(y: Floats, row_weights: Floats) -> float:
    """Give the log-odds of the base rate, half a case of each outcome added."""
    rate = (np.sum(row_weights * y) + 0.5) / (row_weights.sum() + 1.0)
    return float(np.log(rate / (1 - rate)))


def _signed(
    design: Matrix,
    y: Floats,
    row_weights: Floats,
    ridge: Floats,
    weight: Floats,
    offset: Floats | float,
    signs: Floats,
) -> Floats:
    """Hold weights of the wrong sign at zero and solve for the others until none has it."""
    free = np.ones(len(weight), np.bool_)
    while True:
        wrong = np.flatnonzero((weight[: len(signs)] * signs < 0) & free[: len(signs)])
        if not len(wrong):
            return weight
        free[wrong] = False
        solved = np.where(free, weight, 0.0)
        solved[free] = newton(
            design[:, free], y, row_weights, ridge[free], solved[free], offset=offset
        )
        weight = solved


def _offset(rule: Floats | None) -> Floats | float:
    return 0.0 if rule is None else UNJUDGED * rule


def _find_penalties(
    design: Matrix,
    y: Floats,
    row_weights: Floats,
    groups: Groups,
    weight: Floats,
    penalties: dict[str, float],
    worth: float,
    *,
    offset: Floats | float = 0.0,
    held: Collection[str] = (),
) -> tuple[Floats, dict[str, float], Floats]:
    """Alternate a Newton step and an update of the penalties: both on their way, the curvature.

    One step a round is enough: weights and penalties settle together, at half the price. The
    penalties of the groups `held` stay what they are.
    """
    least, most = RIDGES
    curvature = _curvature(design, offset + times(design, weight), row_weights)
    for _ in range(ROUNDS):
        ridge = _spread_out(penalties, groups)
        weight = newton(
            design, y, row_weights, ridge, weight, offset=offset, most=1, curvature=curvature
        )
        curvature = _curvature(design, offset + times(design, weight), row_weights)
        factor = _factor(curvature, ridge)
        variance = np.diag(cho_solve(factor, np.eye(len(ridge)))) / worth
        power, before = weight**2 + variance, penalties
        penalties = {name: before[name] for name in held}
        for name, place in groups:
            if name in held:
                continue
            prior = (len(place) + PRIOR_COLUMNS) / (float(power[place].sum()) + PRIOR_POWER)
            penalties[name] = min(max(prior, least), most) / worth
        if all(abs(np.log(penalties[name] / before[name])) < 0.05 for name in penalties):
            break
    return weight, penalties, curvature


def _spread_out(penalties: Mapping[str, float], groups: Groups) -> Floats:
    """Give each column its group's penalty, the intercept next to none: (columns + 1,)."""
    last = max((max(place) for _, place in groups), default=-1)
    ridge = np.full(last + 2, 1e-9)
    for name, place in groups:
        ridge[place] = penalties[name]
    return ridge


def _curvature(design: Matrix, margin: Floats, row_weights: Floats) -> Floats:
    """Give the Hessian of the logistic loss at a margin: (columns, columns)."""
    p = 1 / (1 + np.exp(-margin))
    return gram(design, row_weights * np.maximum(p * (1 - p), 1e-9))


def _factor(curvature: Floats, ridge: Floats) -> tuple[Floats, bool]:
    """Factorise the Hessian of logistic loss + ridge / 2 @ weight^2 (Cholesky)."""
    hessian = curvature.copy()
    hessian[np.diag_indices_from(hessian)] += ridge
    factor: tuple[Floats, bool] = cho_factor(hessian)
    return factor
