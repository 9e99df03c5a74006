"""Columns -> a regularised logistic regression, written as the `linear` terms of an artifact.

Numbers are clipped, where heavy-tailed taken as log(1 + x), and scaled; where `bends` is given
they also get piecewise-linear pieces between quantiles, which are number terms with tighter
clips. Missing values have a coefficient of their own. Every level of a category has one too, so
that the penalty pulls rare levels to the base rate. Each column has a penalty of its own, found
by empirical Bayes (MacKay 1992): a column that says nothing is pulled to nothing.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.encoders import NEW, Columns, Floats, Ints

Term = dict[str, Any]
PENALTIES: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
DENSE = 700
"""Columns up to which penalties are found by empirical Bayes, and Newton's method is quick."""
EVERY = "every column"
START, ROUNDS, RIDGES = 10.0, 20, (0.3, 1e4)
DOUBT = (2.0, 0.005)
"""Hyperprior of a penalty, in columns and in power: many columns that say nothing are the rule."""


@dataclass(frozen=True, slots=True)
class LinearFit:
    """Terms as the artifact stores them, the intercept, and the penalty of each group of them."""

    intercept: float
    terms: tuple[Term, ...]
    ridge: Mapping[str, float]

    def margin(self, columns: Columns) -> Floats:
        """Add the terms up: (n,) log-odds. The predictor does the same from a frame."""
        total = np.full(columns.n, self.intercept)
        for term in self.terms:
            total += term_values(columns, term)
        return total

    def to_parts(self) -> dict[str, Any]:
        """Write the `linear` part of the artifact."""
        return {"intercept": self.intercept, "terms": list(self.terms)}


def term_values(columns: Columns, term: Term) -> Floats:
    """Evaluate one fitted term: (n,) log-odds."""
    source = term["source"]
    if term["kind"] == "levels":
        table = [term["coefs"].get(level, term["other"]) for level in columns.levels[source]]
        known = np.array([*table, term["other"], term["missing"]], dtype=np.float64)
        return known[columns.codes[source]]
    values = columns.numbers[source]
    shaped = shape_numbers(values, term)
    found: Floats = np.where(np.isnan(values), term["missing"], term["coef"] * shaped)
    return found


def shape_numbers(values: Floats, term: Term) -> Floats:
    """Transform, clip (bounds are on the transformed scale), center and scale; NaN stays NaN."""
    shaped = np.clip(_transform(values, term["transform"]), term["low"], term["high"])
    scaled: Floats = (shaped - term["center"]) / term["scale"]
    return scaled


def _transform(values: Floats, transform: str) -> Floats:
    return np.sign(values) * np.log1p(np.abs(values)) if transform == "log1p" else values


def plan_terms(columns: Columns, *, bends: int = 0, least: int = 3) -> list[Term]:
    """Lay out terms from training rows without coefficients; constant columns give none."""
    terms: list[Term] = []
    for name, values in columns.numbers.items():
        terms += _plan_number(name, values, bends)
    for name, codes in columns.codes.items():
        counts = np.bincount(codes[codes >= 0], minlength=len(columns.levels[name]))
        # where new levels keep arriving, those tell of the unseen; the rare stand for themselves
        few = 1 if (codes == NEW).any() else least
        kept = [level for level, n in zip(columns.levels[name], counts, strict=True) if n >= few]
        if kept and (len(kept) > 1 or counts.max() < len(codes)):
            terms.append({"source": name, "kind": "levels", "kept": kept})
    return terms


def _plan_number(name: str, values: Floats, bends: int) -> list[Term]:
    known = values[~np.isnan(values)]
    if not len(known):
        return []
    bounds = np.quantile(known, [0.002, 0.998])
    if bounds[0] == bounds[1]:
        bounds = np.array([known.min(), known.max()])
    if bounds[0] == bounds[1] and len(known) == len(values):
        return []
    transform = "log1p" if _heavy_tail(np.clip(known, *bounds)) else "identity"
    known = _transform(known, transform)
    low, high = (float(x) for x in _transform(bounds, transform))
    terms = [_number_term(name, known, low, high, transform, 1.0)]
    terms[0]["gaps"] = len(known) < len(values)
    inner = np.quantile(known, np.linspace(0, 1, bends + 2)[1:-1]) if bends else np.empty(0)
    edges = sorted({low, *(float(x) for x in inner if low < x < high), high})
    if len(edges) > 2:
        pieces = itertools.pairwise(edges)
        terms += [_number_term(name, known, a, b, transform, 2.0) for a, b in pieces]
    return terms


def _number_term(
    name: str, known: Floats, low: float, high: float, transform: str, stiffness: float
) -> Term:
    shaped = np.clip(known, low, high)
    spread = float(shaped.std())
    return {
        "source": name,
        "kind": "number",
        "center": float(shaped.mean()),
        "scale": (spread if spread > 1e-12 else 1.0) * stiffness,
        "low": low,
        "high": high,
        "transform": transform,
        "gaps": False,
    }


def _heavy_tail(values: Floats) -> bool:
    """Non-negative with skewness over two: counts, amounts, seconds."""
    spread = values.std()
    if values.min() < 0 or spread < 1e-12:
        return False
    return bool(np.mean((values - values.mean()) ** 3) > 2 * spread**3)


def term_matrix(columns: Columns, terms: Sequence[Term]) -> tuple[sp.csr_matrix, list[slice]]:
    """Lay the terms out as (n, width) columns; a slice says where each term's columns are.

    A number has one column, its first term a second one where values are missing; a category has
    one for each kept level, then one for the others, then one for missing.
    """
    blocks: list[Any] = []
    places: list[slice] = []
    at = 0
    for term in terms:
        block = _term_block(columns, term)
        blocks.append(block)
        places.append(slice(at, at + block.shape[1]))
        at += block.shape[1]
    if not blocks:
        return sp.csr_matrix((columns.n, 0)), places
    return sp.hstack(blocks, format="csr"), places


def _term_block(columns: Columns, term: Term) -> Any:
    source = term["source"]
    if term["kind"] == "number":
        shaped = shape_numbers(columns.numbers[source], term)
        lost = np.isnan(shaped)
        found = np.where(lost, 0.0, shaped)
        return sp.csr_matrix(np.column_stack([found, lost] if term["gaps"] else [found]))
    place = {level: position for position, level in enumerate(term["kept"])}
    other = len(place)
    table = [place.get(level, other) for level in columns.levels[source]]
    slots = np.array([*table, other, other + 1])[columns.codes[source]]
    shape = (columns.n, other + 2)
    return sp.csr_matrix((np.ones(columns.n), (np.arange(columns.n), slots)), shape=shape)


def fit_linear(
    columns: Columns,
    y: Floats,
    fold: Ints,
    *,
    bends: int = 0,
    ridge: Mapping[str, float] | None = None,
    worth: float = 1.0,
) -> LinearFit:
    """Fit on all rows; penalties are found unless given.

    By empirical Bayes up to `DENSE` columns, else one penalty for all by the given folds. Where
    rows repeat an outcome (`worth` independent outcomes to a row), they are evidence for its root:
    a row's features are new, its outcome is not. Measured on 12 worlds of five snapshots to a
    lead, counting rows is too sure of itself (slope .86 out of fold), counting leads too shy
    (1.18), the geometric mean of both right (1.03).
    """
    terms = plan_terms(columns, bends=bends)
    matrix, places = term_matrix(columns, terms)
    if matrix.shape[1] == 0:
        return LinearFit(_log_odds(y), (), {})
    with threadpool_limits(1):
        if matrix.shape[1] <= DENSE:
            groups = _groups(terms, places)
            weight, ridge = _fit_dense(matrix.toarray(), y, groups, ridge, float(np.sqrt(worth)))
        else:
            c = 1 / ridge[EVERY] if ridge else _choose_penalty(matrix, y, fold)
            weight, ridge = _solve_sparse(matrix, y, [c])[0], {EVERY: 1 / c}
    fitted = [_finish(t, weight[p], columns) for t, p in zip(terms, places, strict=True)]
    return LinearFit(float(weight[-1]), tuple(fitted), ridge)


def fit_without_each(
    columns: Columns, y: Floats, fold: Ints, ridge: Mapping[str, float], *, bends: int = 0
) -> Floats:
    """Give all rows the margin of each fit that left a fold out: (folds, n) log-odds.

    Folds are numbered from 0; row k holds the fit that did not see fold k.
    """
    margins = []
    for k in range(int(fold.max()) + 1):
        rest = np.flatnonzero(fold != k)
        part = fit_linear(columns.take(rest), y[rest], fold[rest], bends=bends, ridge=ridge)
        margins.append(part.margin(columns))
    return np.array(margins)


def _groups(terms: Sequence[Term], places: Sequence[slice]) -> list[tuple[str, list[int]]]:
    """Name the columns that share a penalty: a number's slope, its bends, a category's levels."""
    found: dict[str, list[int]] = {}
    for term, place in zip(terms, places, strict=True):
        name = str(term["source"])
        if term["kind"] == "number" and name in found:
            name += " bends"
        found.setdefault(name, []).extend(range(place.start, place.stop))
    return list(found.items())


def _fit_dense(
    matrix: Floats,
    y: Floats,
    groups: Sequence[tuple[str, list[int]]],
    known: Mapping[str, float] | None,
    worth: float,
) -> tuple[Floats, dict[str, float]]:
    """Solve by Newton; penalties by expectation-maximisation unless known: weights, penalties.

    The likelihood of a row counts `worth`; penalties are those of rows that count 1.
    """
    design = np.column_stack([matrix, np.ones(len(y))])
    weight = np.zeros(design.shape[1])
    weight[-1] = _log_odds(y)
    found = {name: (known or {}).get(name, START) for name, _ in groups}
    if not known:
        weight, found = _find_penalties(design, y, groups, weight, found, worth)
    return newton(design, y, _spread_out(found, groups), weight), found


def _find_penalties(
    design: Floats,
    y: Floats,
    groups: Sequence[tuple[str, list[int]]],
    weight: Floats,
    found: dict[str, float],
    worth: float,
) -> tuple[Floats, dict[str, float]]:
    """Alternate a Newton step and an update of the penalties: weights on their way, penalties.

    One step a round is enough: weights and penalties settle together, at half the price.
    """
    for _ in range(ROUNDS):
        ridge = _spread_out(found, groups)
        weight = newton(design, y, ridge, weight, most=1)
        factor = _factor(design, design @ weight, ridge)
        variance = np.diag(cho_solve(factor, np.eye(len(ridge)))) / worth
        past = found
        found = {}
        for name, place in groups:
            power = float(np.sum(weight[place] ** 2 + variance[place]))
            prior = float(np.clip((len(place) + DOUBT[0]) / (power + DOUBT[1]), *RIDGES))
            found[name] = prior / worth
        if all(abs(np.log(found[name] / past[name])) < 0.05 for name in found):
            break
    return weight, found


def _spread_out(penalties: Mapping[str, float], groups: Sequence[tuple[str, list[int]]]) -> Floats:
    """Give each column its group's penalty, the intercept next to none: (columns + 1,)."""
    last = max((max(place) for _, place in groups), default=-1)
    ridge = np.full(last + 2, 1e-9)
    for name, place in groups:
        ridge[place] = penalties[name]
    return ridge


def _factor(design: Floats, margin: Floats, ridge: Floats) -> tuple[Floats, bool]:
    """Factorise the Hessian of logistic loss + ridge / 2 @ weight^2 at a margin (Cholesky)."""
    p = 1 / (1 + np.exp(-margin))
    root = design * np.sqrt(np.maximum(p * (1 - p), 1e-9))[:, None]
    hessian = root.T @ root
    hessian[np.diag_indices_from(hessian)] += ridge
    factor: tuple[Floats, bool] = cho_factor(hessian)
    return factor


def _choose_penalty(matrix: sp.csr_matrix, y: Floats, fold: Ints) -> float:
    """Pick the penalty with the least cross-validated log loss; ties go to the stronger one."""
    ordered = sorted(PENALTIES)
    losses = np.zeros(len(ordered))
    for k in np.unique(fold):
        held, rest = fold == k, fold != k
        if y[rest].min() == y[rest].max():
            continue
        for i, weight in enumerate(_solve_sparse(matrix[rest], y[rest], ordered)):
            margin = matrix[held] @ weight[:-1] + weight[-1]
            losses[i] += float(np.sum(np.logaddexp(0, margin) - y[held] * margin))
    return float(ordered[int(np.argmin(losses))])


def newton(design: Floats, y: Floats, ridge: Floats, weight: Floats, *, most: int = 50) -> Floats:
    """Minimise logistic loss + ridge / 2 @ weight^2 from a start, halving steps: the weights."""

    def cost(w: Floats, z: Floats) -> float:
        return float(np.sum(np.logaddexp(0, z) - y * z) + 0.5 * ridge @ w**2)

    margin = design @ weight
    now = cost(weight, margin)
    for _ in range(most):
        p = 1 / (1 + np.exp(-margin))
        gradient = design.T @ (p - y) + ridge * weight
        step = cho_solve(_factor(design, margin, ridge), gradient)
        size = 1.0
        while size > 1e-4:
            trial = weight - size * step
            ahead = design @ trial
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


def _solve_sparse(matrix: sp.csr_matrix, y: Floats, penalties: Sequence[float]) -> list[Floats]:
    """Solve for each penalty in turn, warm from the one before; the intercept is last."""
    model = LogisticRegression(C=1.0, max_iter=400, tol=1e-5, warm_start=True)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for c in penalties:
            model.set_params(C=c).fit(matrix, y)
            found.append(np.append(model.coef_[0], model.intercept_[0]))
    return found


def _finish(term: Term, coef: Floats, columns: Columns) -> Term:
    """Put the coefficients into a term, and its mean over the training rows."""
    if term["kind"] == "number":
        done = {**term, "coef": float(coef[0]), "missing": float(coef[1]) if term["gaps"] else 0.0}
        del done["gaps"]
    else:
        kept = {level: float(c) for level, c in zip(term["kept"], coef, strict=False)}
        done = {"source": term["source"], "kind": "levels", "coefs": kept}
        done |= {"other": float(coef[-2]), "missing": float(coef[-1])}
    done["mean"] = 0.0
    done["mean"] = float(term_values(columns, done).mean())
    return done


def _log_odds(y: Floats) -> float:
    rate = (y.sum() + 0.5) / (len(y) + 1.0)
    return float(np.log(rate / (1 - rate)))
