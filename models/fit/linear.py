"""Columns -> a regularised logistic regression: the linear part of an artifact.

Each column has a penalty of its own, found by empirical Bayes (MacKay 1992): the weights
of a column without information are pulled to zero.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.fit.design_rows import Matrix, gathered, gram, times
from models.fit.encoders import Ints, TrainingColumns
from models.fit.row_weights import unless_ones
from models.fit.rule_points import SCALE, SPREAD, UNJUDGED, Rule, RulePoints, make_rule
from models.fit.terms import (
    Draft,
    NumberDraft,
    dense_terms,
    places_of,
    plan_terms,
    term_matrix,
)
from models.predictor import ColumnReader, Floats, LinearPart, Term

PENALTIES: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
DENSE = 700
"""Columns up to which penalties are found by empirical Bayes, and Newton's method is quick."""
Groups = list[tuple[str, list[int]]]
"""Columns that share a penalty, by name."""
ALL_COLUMNS = "every column"
START, ROUNDS, RIDGES = 10.0, 20, (0.3, 1e4)
PRIOR_COLUMNS, PRIOR_POWER = 2.0, 0.005
"""Hyperprior of a penalty, in columns and in power: most columns carry no information."""


@dataclass(frozen=True, slots=True)
class LinearFit:
    """The linear part as the artifact stores it, and the penalty of each group of columns."""

    part: LinearPart
    ridge: Mapping[str, float]

    def margin(self, columns: ColumnReader) -> Floats:
        """Add the terms up: (n,) log-odds."""
        total = np.full(len(columns), self.part.intercept)
        for term in self.part.terms:
            total += term.values(columns)
        return total


def fit_linear(
    columns: TrainingColumns,
    y: Floats,
    fold: Ints,
    *,
    bends: int = 0,
    ridge: Mapping[str, float] | None = None,
    worth: float = 1.0,
    rule: RulePoints | None = None,
) -> LinearFit:
    """Fit on all rows; penalties are found unless given.

    With a `rule` the line begins from a fifth of it: how much the rule counts is learned with the
    rest. A rule that outcomes turn round, and one beside more than `DENSE` columns, is left out.

    By empirical Bayes up to `DENSE` columns, else one penalty for all by the given folds. Where
    rows repeat an outcome (`worth` independent outcomes to a row), they are evidence for its root:
    a row's features are new, its outcome is not. Measured on 12 worlds of five snapshots to a
    lead, counting rows is too sure of itself (slope .86 out of fold), counting leads too shy
    (1.18), the geometric mean of both right (1.03).
    """
    drafts = plan_terms(columns, bends=bends)
    places = places_of(drafts)
    if not places:
        return LinearFit(LinearPart(base_log_odds(y, columns.weights), ()), {})
    with threadpool_limits(1):
        if places[-1].stop <= DENSE:
            groups, evidence = penalty_groups(drafts, places), float(np.sqrt(worth))
            signs = _signs(columns, drafts, places)
            lay, counted = partial(dense_terms, columns, drafts), columns.weights
            if rule is not None:
                made = make_rule(rule, columns)
                values, middle = made.centred(columns)
                begun = fit_dense(lay, y, counted, groups, ridge, evidence, values, signs)
                if begun.scale >= 0:
                    learned = finish_terms(begun.weight, drafts, places, columns)
                    line = join(made, begun.scale, middle, float(begun.weight[-1]), learned)
                    return LinearFit(line, begun.ridge)
            found = fit_dense(lay, y, counted, groups, ridge, evidence, signs=signs)
            weight, ridge = found.weight, found.ridge
        else:
            matrix, counted = term_matrix(columns, drafts)[0], columns.weights
            c = 1 / ridge[ALL_COLUMNS] if ridge else _choose_penalty(matrix, y, counted, fold)
            weight, ridge = _solve_sparse(matrix, y, counted, [c])[0], {ALL_COLUMNS: 1 / c}
    terms = finish_terms(weight, drafts, places, columns)
    return LinearFit(LinearPart(float(weight[-1]), tuple(terms)), ridge)


def fit_without_each(
    columns: TrainingColumns,
    y: Floats,
    fold: Ints,
    ridge: Mapping[str, float],
    *,
    bends: int = 0,
    rule: RulePoints | None = None,
) -> Floats:
    """Give all rows the margin of each fit that left a fold out: (folds, n) log-odds.

    Folds are numbered from 0; row k holds the fit that did not see fold k.
    """
    margins = []
    for k in range(int(fold.max()) + 1):
        rest = np.flatnonzero(fold != k)
        seen = columns.take(rest)
        part = fit_linear(seen, y[rest], fold[rest], bends=bends, ridge=ridge, rule=rule)
        margins.append(part.margin(columns))
    return np.array(margins)


def penalty_groups(drafts: Sequence[Draft], places: Sequence[slice]) -> Groups:
    """Name the columns that share a penalty: a number's slope, its bends, a category's levels."""
    groups: dict[str, list[int]] = {}
    for draft, place in zip(drafts, places, strict=True):
        name = draft.source
        if isinstance(draft, NumberDraft) and name in groups:
            name += " bends"
        groups.setdefault(name, []).extend(range(place.start, place.stop))
    return list(groups.items())


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


def finish_terms(
    weight: Floats, drafts: Sequence[Draft], places: Sequence[slice], columns: TrainingColumns
) -> list[Term]:
    """Turn the weights of a design's columns into terms."""
    return [d.finish(weight[p], columns) for d, p in zip(drafts, places, strict=True)]


def join(
    rule: Rule, scale: float, middle: float, level: float, learned: Sequence[Term] = ()
) -> LinearPart:
    """Add up a level, `scale` times a rule about its `middle`, and learned terms."""
    scaled = tuple(term.times(scale) for term in rule.terms) if scale else ()
    return LinearPart(float(level - scale * middle), (*scaled, *learned))


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


def _signs(columns: TrainingColumns, drafts: Sequence[Draft], places: Sequence[slice]) -> Floats:
    """Give the certain direction of each column of a design, 0 where there is none."""
    certain = {feature.name: feature.monotone for feature in columns.features}
    signs = np.zeros(max((place.stop for place in places), default=0))
    for draft, place in zip(drafts, places, strict=True):
        if isinstance(draft, NumberDraft):
            signs[place.start] = certain.get(draft.source, 0)
    return signs


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


def _choose_penalty(matrix: sp.csr_matrix, y: Floats, row_weights: Floats, fold: Ints) -> float:
    """Pick the penalty with the least cross-validated log loss; ties go to the stronger one."""
    ordered = sorted(PENALTIES)
    losses = np.zeros(len(ordered))
    for k in np.unique(fold):
        held, rest = fold == k, fold != k
        if y[rest].min() == y[rest].max():
            continue
        solved = _solve_sparse(matrix[rest], y[rest], row_weights[rest], ordered)
        for i, weight in enumerate(solved):
            margin = matrix[held] @ weight[:-1] + weight[-1]
            lost = np.logaddexp(0, margin) - y[held] * margin
            losses[i] += float(np.sum(row_weights[held] * lost))
    return float(ordered[int(np.argmin(losses))])


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


def _solve_sparse(
    matrix: sp.csr_matrix, y: Floats, row_weights: Floats, penalties: Sequence[float]
) -> list[Floats]:
    """Solve for each penalty in turn, warm from the one before; the intercept is last."""
    model = LogisticRegression(C=1.0, max_iter=400, tol=1e-5, warm_start=True)
    weights = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for c in penalties:
            model.set_params(C=c).fit(matrix, y, unless_ones(row_weights))
            weights.append(np.append(model.coef_[0], model.intercept_[0]))
    return weights


def base_log_odds(y: Floats, row_weights: Floats) -> float:
    """Give the log-odds of the base rate, half a case of each outcome added."""
    rate = (np.sum(row_weights * y) + 0.5) / (row_weights.sum() + 1.0)
    return float(np.log(rate / (1 - rate)))
