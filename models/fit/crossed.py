"""Columns and what the line leaves of the outcomes -> columns made of several, for a forest.

Of numbers: products, differences and ratios of two. Of categories: the rates of each, of pairs and
of triples, cross-fitted as all target encodings are. What is made must say more of what the line
leaves than its sources do: a score test by cells (Rao 1948), on margins of rows that the line did
not see. A number relative to the mean of its category was tried and gained on no set.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from typing import Any, Final

import numpy as np

from models.fit.design_rows import BLOCK
from models.fit.encoders import Ints, TrainingColumns
from models.fit.pairs import MOST_COLUMNS
from models.fit.row_weights import weighted_quantile
from models.fit.terms import NumberDraft, plan_terms
from models.predictor import (
    CrossedEncoder,
    Floats,
    NumberScale,
    category_keys,
    sigmoid,
)

LEAST_Z: Final = 2.5
PIECES: Final = 10
"""Cells of a number: so many of as many rows, and one of the missing."""
PRODUCTS, OF_A_PAIR, MOST_NUMBERS = 40, 2, 12
"""Pairs of numbers that are looked at, columns made of one, and of all."""
MOST_PAIRS, MOST_TRIPLES = 8, 4
KINDS: Final = (("product", "{} x {}"), ("difference", "{} - {}"), ("ratio", "{} / {}"))


@dataclass(frozen=True, slots=True)
class Crossing:
    """What is made: columns from numbers, and the categories whose joint rates are taken."""

    made: tuple[CrossedEncoder, ...]
    targets: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> list[str]:
        """Name what is made of more than one column."""
        joint = [" x ".join(sources) for sources in self.targets if len(sources) > 1]
        return [*(encoder.name for encoder in self.made), *joint]


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a line leaves of each outcome, (n,), and the variance that it expects there."""

    residual: Floats
    variance: Floats
    worth: float

    @classmethod
    def of(cls, y: Floats, line: Floats, row_weights: Floats, worth: float) -> Leftover:
        """Take outcomes and margins; rows are `worth` so many independent outcomes each."""
        p = sigmoid(line)
        variance = row_weights * p * (1 - p)
        residual = row_weights * (y - p)
        return cls(residual - variance * (residual.sum() / variance.sum()), variance, worth)

    def beyond_chance(self, cells: Ints) -> tuple[float, int]:
        """Say by how much the cells' chi-square exceeds what chance gives, and their number."""
        variance = np.bincount(cells, weights=self.variance)
        residual = np.bincount(cells, weights=self.residual)[variance > 0]
        variance = variance[variance > 0]
        return self.worth * float(np.sum(residual**2 / variance)) - len(variance), len(variance)

    def z(self, cells: Ints, *known: float) -> float:
        """Say how much more the cells tell than their sources do, in standard errors of chance."""
        gain, k = self.beyond_chance(cells)
        return (gain - sum(max(0.0, each) for each in known)) / float(np.sqrt(2 * k))


def find_crossing(
    columns: TrainingColumns, y: Floats, line: Floats, *, worth: float, apart: Collection[str]
) -> Crossing | None:
    """Screen what can be made; `line` (n,) are its margins of rows it did not see.

    Columns in `apart` are combined with none. None where nothing is worth making.
    """
    left = Leftover.of(y, line, columns.weights, worth)
    made = tuple(_crossed_numbers(columns, left, _scales(columns, apart)))
    singles = [(name,) for name in columns.codes if len(columns.levels[name]) > 1]
    joint = _joint(columns, left, [name for (name,) in singles if name not in apart])
    return Crossing(made, (*singles, *joint)) if made or joint else None


def _scales(columns: TrainingColumns, apart: Collection[str]) -> dict[str, NumberScale]:
    """Scale the numbers that vary as the line does."""
    terms = [draft.term for draft in plan_terms(columns) if isinstance(draft, NumberDraft)]
    return {
        term.source: NumberScale(term.center, term.scale, term.low, term.high, term.transform)
        for term in terms
        if term.source not in apart
    }


def _crossed_numbers(
    columns: TrainingColumns, left: Leftover, scales: dict[str, NumberScale]
) -> list[CrossedEncoder]:
    """Make columns of pairs of numbers; the pairs by how their product moves with what is left."""
    if len(scales) < 2:
        return []
    names, slope = list(scales), _slopes(columns, left, scales)
    order = sorted(combinations(range(len(names)), 2), key=lambda pair: (-slope[pair], pair))

    @cache
    def alone(name: str) -> float:
        return left.beyond_chance(cells_of(columns.number(name), columns.weights))[0]

    found: list[tuple[float, CrossedEncoder]] = []
    for a, b in order[:PRODUCTS]:
        first, second = names[a], names[b]
        known = alone(first), alone(second)
        of_pair = [
            (left.z(cells_of(each.encode(columns), columns.weights), *known), each)
            for each in _made_of(first, second, scales)
        ]
        found += sorted(of_pair, key=_strongest)[:OF_A_PAIR]
    best = sorted(found, key=_strongest)[:MOST_NUMBERS]
    return [_with_stand_in(each, columns) for z, each in best if z > LEAST_Z]


def _slopes(columns: TrainingColumns, left: Leftover, scales: dict[str, NumberScale]) -> Floats:
    """Measure how the product of two numbers moves with what is left, in errors of chance: (k, k).

    In float64, some thousand rows at a time.
    """
    slope, variance = np.zeros((2, len(scales), len(scales)))
    for first in range(0, columns.n, BLOCK):
        rows = slice(first, first + BLOCK)
        scaled = np.column_stack(
            [
                np.nan_to_num(scale.scaled(columns.numbers[name][rows].astype(np.float64)))
                for name, scale in scales.items()
            ]
        )
        slope += (scaled * left.residual[rows, None]).T @ scaled
        variance += (scaled**2 * left.variance[rows, None]).T @ scaled**2
    return np.abs(slope) / np.sqrt(variance + 1e-9)


def _strongest(found: tuple[float, CrossedEncoder]) -> tuple[float, str]:
    return -found[0], found[1].name


def _with_stand_in(encoder: CrossedEncoder, columns: TrainingColumns) -> CrossedEncoder:
    """Where none of these rows lacks a value, let their median stand for a later one."""
    values = encoder.encode(columns)
    return encoder if np.isnan(values).any() else replace(encoder, missing=float(np.median(values)))


def _made_of(a: str, b: str, scales: dict[str, NumberScale]) -> list[CrossedEncoder]:
    """List the columns that two numbers can make."""
    return [
        CrossedEncoder(words.format(x, y), kind, (x, y), (scales[x], scales[y]))  # type: ignore[arg-type]
        for kind, words in KINDS
        for x, y in (((a, b), (b, a)) if kind == "ratio" else ((a, b),))
    ]


def _joint(columns: TrainingColumns, left: Leftover, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Find pairs, then triples around them, that say more than any part of theirs."""
    names = list(names)[:MOST_COLUMNS]

    @cache
    def z(sources: tuple[str, ...]) -> float:
        return left.z(category_keys(columns, sources)[0] + 2)

    pairs = _beyond_their_parts(combinations(names, 2), z, MOST_PAIRS)
    around = {
        tuple(sorted({*pair, name}, key=names.index))
        for pair in pairs
        for name in names
        if name not in pair
    }
    return [*pairs, *_beyond_their_parts(sorted(around), z, MOST_TRIPLES)]


def _beyond_their_parts(
    candidates: Any, z: Callable[[tuple[str, ...]], float], most: int
) -> list[tuple[str, ...]]:
    """Take those that say more than they do without one of their columns, the most first."""
    kept = [
        each
        for each in candidates
        if z(each) > max(LEAST_Z, *(z(part) for part in combinations(each, len(each) - 1)))
    ]
    return sorted(kept, key=lambda each: (-z(each), each))[:most]


def cells_of(values: Floats, row_weights: Floats) -> Ints:
    """Cut a number into cells of about as many rows, the missing into one of their own: (n,)."""
    cells, known = np.full(len(values), PIECES, np.int64), ~np.isnan(values)
    if known.any():
        share = np.linspace(0, 1, PIECES + 1)[1:-1]
        cuts = np.unique(weighted_quantile(values[known], share, row_weights[known]))
        cells[known] = np.searchsorted(cuts, values[known], side="right")
    return cells
