"""Columns -> the terms of a linear part, without coefficients yet, and their design matrix.

Numbers are clipped, where heavy-tailed taken as log(1 + x), and scaled; where `bends` is given
they also get piecewise-linear pieces between quantiles, which are number terms with tighter
clips. Missing values have a coefficient of their own. Every level of a category has one too, so
that the penalty pulls rare levels to the base rate.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from models.fit.design_rows import MANY_ROWS, Matrix
from models.fit.encoders import TrainingColumns
from models.fit.row_weights import weighted_mean, weighted_quantile, weighted_spread
from models.predictor import NEW, Floats, LevelsTerm, NumberTerm, Term, signed_log


@dataclass(frozen=True, slots=True)
class NumberDraft:
    """A number term that waits for its coefficients; with `gaps` missing values have one too."""

    term: NumberTerm
    gaps: bool

    @property
    def source(self) -> str:
        """The column that the term reads."""
        return self.term.source

    @property
    def width(self) -> int:
        """How many columns the term lays out."""
        return 1 + self.gaps

    def fill(self, columns: TrainingColumns, out: Any) -> None:
        """Write the columns: scaled values, and where they are missing, into (n, width)."""
        scaled = self.term.scaled(columns.number(self.source))
        missing = np.isnan(scaled)
        out[:, 0] = np.where(missing, 0.0, scaled)
        if self.gaps:
            out[:, 1] = missing

    def block(self, columns: TrainingColumns) -> Any:
        """Lay the columns out as a sparse matrix: (n, width)."""
        out = np.empty((len(columns), self.width))
        self.fill(columns, out)
        return sp.csr_matrix(out)

    def finish(self, coef: Floats, columns: TrainingColumns) -> Term:
        """Put the coefficients in, and the term's mean over the training rows."""
        missing = float(coef[1]) if self.gaps else 0.0
        term = replace(self.term, coef=float(coef[0]), missing=missing)
        return replace(term, mean=weighted_mean(term.values(columns), columns.weights))


@dataclass(frozen=True, slots=True)
class LevelsDraft:
    """A category term that waits for a coefficient of each kept level, of others, of missing."""

    source: str
    kept: tuple[str, ...]

    @property
    def width(self) -> int:
        """How many columns the term lays out."""
        return len(self.kept) + 2

    def fill(self, columns: TrainingColumns, out: Any) -> None:
        """Write a column for each kept level, one for others, one for missing, into (n, width)."""
        out[:] = 0.0
        out[np.arange(len(columns)), self._slots(columns)] = 1.0

    def block(self, columns: TrainingColumns) -> Any:
        """Lay the columns out as a sparse matrix: (n, width)."""
        at = np.arange(len(columns)), self._slots(columns)
        return sp.csr_matrix((np.ones(len(columns)), at), shape=(len(columns), self.width))

    def _slots(self, columns: TrainingColumns) -> Any:
        """Find the column of each row: (n,)."""
        codes, levels = columns.category(self.source)
        place = {level: position for position, level in enumerate(self.kept)}
        other = len(place)
        return np.array([*(place.get(level, other) for level in levels), other, other + 1])[codes]

    def finish(self, coef: Floats, columns: TrainingColumns) -> Term:
        """Put the coefficients in, and the term's mean over the training rows."""
        coefs = {level: float(c) for level, c in zip(self.kept, coef, strict=False)}
        term = LevelsTerm(self.source, coefs, float(coef[-2]), float(coef[-1]), mean=0.0)
        return replace(term, mean=weighted_mean(term.values(columns), columns.weights))


Draft = NumberDraft | LevelsDraft


def plan_terms(columns: TrainingColumns, *, bends: int = 0, least: int = 3) -> list[Draft]:
    """Lay out terms from training rows without coefficients; constant columns give none."""
    drafts: list[Draft] = []
    for name in columns.numbers:
        drafts += _plan_number(name, columns.number(name), columns.weights, bends)
    for name, codes in columns.codes.items():
        known = codes >= 0
        counts = np.bincount(
            codes[known], weights=columns.weights[known], minlength=len(columns.levels[name])
        )
        # where new levels keep arriving, those show what unseen ones do; the rare ones themselves
        few = 1 if (codes == NEW).any() else least
        kept = [level for level, n in zip(columns.levels[name], counts, strict=True) if n >= few]
        if kept and (len(kept) > 1 or counts.max() < columns.weights.sum()):
            drafts.append(LevelsDraft(name, tuple(kept)))
    return drafts


def _plan_number(name: str, values: Floats, row_weights: Floats, bends: int) -> list[NumberDraft]:
    known, counted = values[~np.isnan(values)], row_weights[~np.isnan(values)]
    if not len(known):
        return []
    bounds = weighted_quantile(known, [0.002, 0.998], counted)
    if bounds[0] == bounds[1]:
        bounds = np.array([known.min(), known.max()])
    if bounds[0] == bounds[1] and len(known) == len(values):
        return []
    transform: Literal["identity", "log1p"] = "identity"
    if _heavy_tail(np.clip(known, *bounds), counted):
        transform, known, bounds = "log1p", signed_log(known), signed_log(bounds)
    low, high = (float(x) for x in bounds)
    line = _number_term(name, known, counted, low, high, transform, 1.0)
    drafts = [NumberDraft(line, gaps=len(known) < len(values))]
    inner = np.empty(0)
    if bends:
        inner = weighted_quantile(known, np.linspace(0, 1, bends + 2)[1:-1], counted)
    edges = sorted({low, *(float(x) for x in inner if low < x < high), high})
    if len(edges) > 2:
        pieces = [
            _number_term(name, known, counted, a, b, transform, 2.0)
            for a, b in itertools.pairwise(edges)
        ]
        drafts += [NumberDraft(piece, gaps=False) for piece in pieces]
    return drafts


def _number_term(
    name: str,
    known: Floats,
    row_weights: Floats,
    low: float,
    high: float,
    transform: Literal["identity", "log1p"],
    stiffness: float,
) -> NumberTerm:
    clipped = np.clip(known, low, high)
    spread = weighted_spread(clipped, row_weights)
    return NumberTerm(
        name,
        center=weighted_mean(clipped, row_weights),
        scale=(spread if spread > 1e-12 else 1.0) * stiffness,
        coef=0.0,
        missing=0.0,
        mean=0.0,
        low=low,
        high=high,
        transform=transform,
    )


def _heavy_tail(values: Floats, row_weights: Floats) -> bool:
    """Non-negative with skewness over two: counts, amounts, seconds."""
    spread = weighted_spread(values, row_weights)
    if values.min() < 0 or spread < 1e-12:
        return False
    cubes = (values - weighted_mean(values, row_weights)) ** 3
    return weighted_mean(cubes, row_weights) > 2 * spread**3


def places_of(drafts: Sequence[Draft]) -> list[slice]:
    """Say where each term's columns are, when they are laid out side by side."""
    ends = np.cumsum([0, *(draft.width for draft in drafts)]).tolist()
    return [slice(a, b) for a, b in itertools.pairwise(ends)]


def term_matrix(
    columns: TrainingColumns, drafts: Sequence[Draft]
) -> tuple[sp.csr_matrix, list[slice]]:
    """Lay the terms out as (n, width) columns; a slice says where each term's columns are."""
    places, n = places_of(drafts), len(columns)
    if not drafts:
        return sp.csr_matrix((n, 0)), places
    begins = np.zeros(n + 1, np.int64)
    for draft in drafts:
        begins[1:] += np.diff(draft.block(columns).indptr)
    begins = np.cumsum(begins)
    values, where = np.empty(begins[-1]), np.empty(begins[-1], np.int32)
    filled = begins[:-1].copy()
    for draft, place in zip(drafts, places, strict=True):  # one at a time: all are as large again
        block = draft.block(columns)
        held = np.diff(block.indptr)
        at = np.repeat(filled - block.indptr[:-1], held) + np.arange(block.nnz)
        values[at], where[at] = block.data, block.indices + place.start
        filled += held
    return sp.csr_matrix((values, where, begins), shape=(n, places[-1].stop)), places


def dense_terms(
    columns: TrainingColumns, drafts: Sequence[Draft], more: Sequence[Floats]
) -> Matrix:
    """Lay the terms out, then `more` columns, as a dense matrix; float32 where rows are many.

    Where `more` has more rows than there are, these are of a lead like the mean of all.
    """
    places, n = places_of(drafts), len(columns)
    width = places[-1].stop if places else 0
    many, rows = n >= MANY_ROWS, len(more[0]) if more else n
    out = np.empty((rows, width + len(more)), np.float32 if many else np.float64)
    for draft, place in zip(drafts, places, strict=True):
        draft.fill(columns, out[:n, place])
    if rows > n:
        out[n:, :width] = out[:n, :width].mean(axis=0, dtype=np.float64)
    for i, each in enumerate(more):
        out[:, width + i] = each
    return out
