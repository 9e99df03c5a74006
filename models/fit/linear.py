"""Columns -> a regularised logistic regression: the linear part of an artifact.

Each column has a penalty of its own, found by empirical Bayes (MacKay 1992): the weights
of a column without information are pulled to zero.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.fit.encoders import Ints, TrainingColumns
from models.fit.row_weights import unless_ones, weighted_mean
from models.fit.rule_points import SCALE, SPREAD, UNJUDGED, Rule, RulePoints, make_rule
from models.fit.terms import Draft, NumberDraft, plan_terms, term_matrix
from models.predictor import ColumnReader, Floats, LinearPart, Term

PENALTIES: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
DENSE = 700
"""Columns up to which penalties are found by empirical Bayes, and Newton's method is quick."""
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
    matrix, places = term_matrix(columns, drafts)
    if matrix.shape[1] == 0:
        return LinearFit(LinearPart(base_log_odds(y, columns.weights), ()), {})
    with threadpool_limits(1):
        if matrix.shape[1] <= DENSE:
            groups = penalty_groups(drafts, places)
            evidence = float(np.sqrt(worth))
            if rule is not None:
                begun = _fit_from_rule(rule, columns, y, matrix, groups, ridge, evidence)
                if begun is None:
                    return fit_linear(columns, y, fold, bends=bends, ridge=ridge, worth=worth)
                terms = [
                    d.finish(begun.weight[p], columns) for d, p in zip(drafts, places, strict=True)
                ]
                return LinearFit(begun.joined(terms), begun.ridge)
            weight, ridge = _fit_dense(
                matrix.toarray(), y, columns.weights, groups, ridge, evidence
            )
        else:
            counted = columns.weights
            c = 1 / ridge[ALL_COLUMNS] if ridge else _choose_penalty(matrix, y, counted, fold)
            weight, ridge = _solve_sparse(matrix, y, counted, [c])[0], {ALL_COLUMNS: 1 / c}
    terms = [d.finish(weight[p], columns) for d, p in zip(drafts, places, strict=True)]
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


def penalty_groups(drafts: Sequence[Draft], places: Sequence[slice]) -> list[tuple[str, list[int]]]:
    """Name the columns that share a penalty: a number's slope, its bends, a category's levels."""
    groups: dict[str, list[int]] = {}
    for draft, place in zip(drafts, places, strict=True):
        name = draft.source
        if isinstance(draft, NumberDraft) and name in groups:
            name += " bends"
        groups.setdefault(name, []).extend(range(place.start, place.stop))
    return list(groups.items())


@dataclass(frozen=True, slots=True)
class _FromRule:
    """A line that began from a rule: weights of its columns, its level, and the rule's scale."""

    rule: Rule
    middle: float
    scale: float
    weight: Floats
    ridge: dict[str, float]

    def joined(self, learned: Sequence[Term]) -> LinearPart:
        """Join the scaled rule and what was learned beside it."""
        level = float(self.weight[-1]) - self.scale * self.middle
        return LinearPart(level, (*(t.times(self.scale) for t in self.rule.terms), *learned))


def _fit_from_rule(
    points: RulePoints,
    columns: TrainingColumns,
    y: Floats,
    matrix: sp.csr_matrix,
    groups: list[tuple[str, list[int]]],
    known: Mapping[str, float] | None,
    worth: float,
) -> _FromRule | None:
    """Solve with the rule as a column that counts at `UNJUDGED`; None where it ends below 0.

    The rule's scale has a normal prior; its penalty is held, those of the others are found.
    """
    rule = make_rule(points, columns)
    values = rule.values(columns)
    middle = weighted_mean(values, columns.weights)
    values -= middle
    width = matrix.shape[1]
    design = np.column_stack([matrix.toarray(), values, np.ones(len(y))])
    groups = [*groups, (SCALE, [width])]
    penalties = {name: (known or {}).get(name, START) for name, _ in groups}
    penalties[SCALE] = (known or {}).get(SCALE, 1 / SPREAD**2 / worth)
    offset, weight = UNJUDGED * values, np.zeros(width + 2)
    weight[-1] = base_log_odds(y, columns.weights)
    if not known:
        weight, penalties = find_penalties(
            design,
            y,
            columns.weights,
            groups,
            weight,
            penalties,
            worth,
            offset=offset,
            held=(SCALE,),
        )
    ridge = spread_out(penalties, groups)
    weight = newton(design, y, columns.weights, ridge, weight, offset=offset)
    scale = float(UNJUDGED + weight[width])
    return None if scale < 0 else _FromRule(rule, middle, scale, weight, penalties)


def _fit_dense(
    matrix: Floats,
    y: Floats,
    row_weights: Floats,
    groups: Sequence[tuple[str, list[int]]],
    known: Mapping[str, float] | None,
    worth: float,
) -> tuple[Floats, dict[str, float]]:
    """Solve by Newton; penalties by expectation-maximisation unless known: weights, penalties.

    The likelihood of a row counts `worth`; penalties are those of rows that count 1.
    """
    design = np.column_stack([matrix, np.ones(len(y))])
    weight = np.zeros(design.shape[1])
    weight[-1] = base_log_odds(y, row_weights)
    penalties = {name: (known or {}).get(name, START) for name, _ in groups}
    if not known:
        weight, penalties = find_penalties(design, y, row_weights, groups, weight, penalties, worth)
    return newton(design, y, row_weights, spread_out(penalties, groups), weight), penalties


def find_penalties(
    design: Floats,
    y: Floats,
    row_weights: Floats,
    groups: Sequence[tuple[str, list[int]]],
    weight: Floats,
    penalties: dict[str, float],
    worth: float,
    *,
    offset: Floats | float = 0.0,
    held: Collection[str] = (),
) -> tuple[Floats, dict[str, float]]:
    """Alternate a Newton step and an update of the penalties: weights on their way, penalties.

    One step a round is enough: weights and penalties settle together, at half the price. The
    penalties of the groups `held` stay what they are.
    """
    for _ in range(ROUNDS):
        ridge = spread_out(penalties, groups)
        weight = newton(design, y, row_weights, ridge, weight, offset=offset, most=1)
        factor = factorise(design, offset + design @ weight, row_weights, ridge)
        variance = np.diag(cho_solve(factor, np.eye(len(ridge)))) / worth
        before = penalties
        penalties = {name: before[name] for name in held}
        for name, place in groups:
            if name in held:
                continue
            power = float(np.sum(weight[place] ** 2 + variance[place]))
            prior = float(np.clip((len(place) + PRIOR_COLUMNS) / (power + PRIOR_POWER), *RIDGES))
            penalties[name] = prior / worth
        if all(abs(np.log(penalties[name] / before[name])) < 0.05 for name in penalties):
            break
    return weight, penalties


def spread_out(penalties: Mapping[str, float], groups: Sequence[tuple[str, list[int]]]) -> Floats:
    """Give each column its group's penalty, the intercept next to none: (columns + 1,)."""
    last = max((max(place) for _, place in groups), default=-1)
    ridge = np.full(last + 2, 1e-9)
    for name, place in groups:
        ridge[place] = penalties[name]
    return ridge


def factorise(
    design: Floats, margin: Floats, row_weights: Floats, ridge: Floats
) -> tuple[Floats, bool]:
    """Factorise the Hessian of logistic loss + ridge / 2 @ weight^2 at a margin (Cholesky)."""
    p = 1 / (1 + np.exp(-margin))
    root = design * np.sqrt(row_weights * np.maximum(p * (1 - p), 1e-9))[:, None]
    hessian = root.T @ root
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
    design: Floats,
    y: Floats,
    row_weights: Floats,
    ridge: Floats,
    weight: Floats,
    *,
    offset: Floats | float = 0.0,
    most: int = 50,
) -> Floats:
    """Minimise logistic loss + ridge / 2 @ weight^2 from a start, halving steps: the weights.

    `row_weights` (n,) say how often the loss of each row counts, `offset` what its margin holds
    already.
    """

    def cost(w: Floats, z: Floats) -> float:
        return float(np.sum(row_weights * (np.logaddexp(0, z) - y * z)) + 0.5 * ridge @ w**2)

    margin = offset + design @ weight
    now = cost(weight, margin)
    for _ in range(most):
        p = 1 / (1 + np.exp(-margin))
        gradient = design.T @ (row_weights * (p - y)) + ridge * weight
        step = cho_solve(factorise(design, margin, row_weights, ridge), gradient)
        size = 1.0
        while size > 1e-4:
            trial = weight - size * step
            ahead = offset + design @ trial
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
