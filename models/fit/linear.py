"""Columns -> a regularised logistic regression: the linear part of an artifact.

Each column has a penalty of its own, found by empirical Bayes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.fit.empirical_bayes import Groups, base_log_odds, fit_dense
from models.fit.encoders import Ints, TrainingColumns
from models.fit.row_weights import unless_ones
from models.fit.rule_points import Rule, RulePoints, make_rule
from models.fit.terms import Draft, NumberDraft, dense_terms, places_of, plan_terms, term_matrix
from models.predictor import ColumnReader, Floats, LinearPart, Term

PENALTIES: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
DENSE = 700
"""Columns up to which penalties are found by empirical Bayes, and Newton's method is quick."""
ALL_COLUMNS = "every column"


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
                del begun  # and the design that it holds
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


def _signs(columns: TrainingColumns, drafts: Sequence[Draft], places: Sequence[slice]) -> Floats:
    """Give the certain direction of each column of a design, 0 where there is none."""
    certain = {feature.name: feature.monotone for feature in columns.features}
    signs = np.zeros(max((place.stop for place in places), default=0))
    for draft, place in zip(drafts, places, strict=True):
        if isinstance(draft, NumberDraft):
            signs[place.start] = certain.get(draft.source, 0)
    return signs


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
