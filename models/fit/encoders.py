"""A feature frame -> columns that a learner can fit on, and the encoders that go into the artifact.

Numbers pass as they are. Category strings become stable codes; smoothed target encodings and
counts, of columns or of several jointly, are cross-fitted for training rows: the value that a row
trains on never saw that row's own fold. At scoring one map over all training rows is applied by
`models.predictor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import InputError
from features.frame import Catalogue, Feature
from features.templates import TEMPLATES
from models.fit.design_rows import MANY_ROWS, Matrix
from models.fit.row_weights import weighted_quantile, weights_or_ones
from models.predictor import (
    CodeEncoder,
    CrossedEncoder,
    Encoder,
    FeatureColumn,
    Floats,
    LearnedEncoder,
    NumberEncoder,
    category_keys,
)

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TrainingColumns:
    """Raw columns of a frame: numbers (float32 where the frame's are), codes and level names.

    Code -1 is missing, -2 (`NEW`) a level that was new when the row came (see `arrivals`). Terms
    and encoders read them as they read a frame (models.predictor.ColumnReader). `row_weights` (n,)
    say how often each row counts; None: once.
    """

    features: tuple[Feature, ...]
    numbers: dict[str, NDArray[np.floating[Any]]]
    codes: dict[str, Ints]
    levels: dict[str, tuple[str, ...]]
    n: int
    row_weights: Floats | None = None

    @property
    def weights(self) -> Floats:
        """Say how often each row counts: (n,)."""
        return weights_or_ones(self.row_weights, self.n)

    def __len__(self) -> int:
        """Count the rows."""
        return self.n

    def number(self, name: str) -> Floats:
        """Give a number column in float64, (n,); missing is NaN."""
        return self.numbers[name].astype(np.float64, copy=False)

    def category(self, name: str) -> tuple[Ints, Sequence[str]]:
        """Give a category column: codes (n,), and its levels."""
        return self.codes[name], self.levels[name]

    def take(self, rows: Ints) -> TrainingColumns:
        """Pick rows; levels stay, so that codes mean the same."""
        return TrainingColumns(
            self.features,
            {name: values[rows] for name, values in self.numbers.items()},
            {name: values[rows] for name, values in self.codes.items()},
            self.levels,
            len(rows),
            None if self.row_weights is None else self.row_weights[rows],
        )


def describe(frame: pd.DataFrame, catalogue: Catalogue | None = None) -> tuple[Feature, ...]:
    """Say what each column of the frame is: from the catalogue, else from its dtype."""
    known = {feature.name: feature for feature in catalogue.features} if catalogue else {}
    described = []
    for name in frame.columns:
        feature = known.get(str(name))
        described.append(feature if feature else _plain_feature(str(name), frame[name]))
    return tuple(described)


def _plain_feature(name: str, values: pd.Series[Any]) -> Feature:
    number = pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)
    return Feature(
        name=name,
        kind="number" if number else "category",
        family="fit",
        factor=name,
        label=name,
        template="attribute",
        params={"label": name, "column": name},
    )


def read_columns(
    frame: pd.DataFrame, features: Sequence[Feature], row_weights: Floats | None = None
) -> TrainingColumns:
    """Read a frame into numbers and codes; infinities are refused, missing values pass.

    Levels are the sorted strings of the values that occur.
    """
    numbers: dict[str, NDArray[np.floating[Any]]] = {}
    codes: dict[str, Ints] = {}
    levels: dict[str, tuple[str, ...]] = {}
    for feature in features:
        column = frame[feature.name]
        if feature.kind == "number":
            numbers[feature.name] = _read_numbers(column, feature.name)
        else:
            codes[feature.name], levels[feature.name] = _read_codes(column)
    return TrainingColumns(tuple(features), numbers, codes, levels, len(frame), row_weights)


def _read_numbers(column: pd.Series[Any], name: str) -> NDArray[np.floating[Any]]:
    """Read float32 as it stands, without a copy, and all else as float64."""
    if column.dtype == np.float32:
        values: NDArray[np.floating[Any]] = column.to_numpy()
    else:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        raise InputError("is infinite", row=row, column=name, cure="leave it empty instead")
    return values


def _read_codes(column: pd.Series[Any]) -> tuple[Ints, tuple[str, ...]]:
    raw, values = pd.factorize(column.astype(object), use_na_sentinel=True)
    names = [str(value) for value in values]
    levels = tuple(sorted({names[code] for code in np.unique(raw[raw >= 0])}))
    place = {level: position for position, level in enumerate(levels)}
    table = np.array([place.get(name, -1) for name in names] + [-1], dtype=np.int64)
    return table[raw], levels


def plain_encoders(
    columns: TrainingColumns, *, least: int = 3, most: int = 1000
) -> list[NumberEncoder | CodeEncoder]:
    """List an encoder for each number column, then for each category, in frame order.

    A category's levels are those of at least `least` rows, the `most` commonest. Where a number is
    never missing in these rows but may be later, its median will stand for it.
    """
    may_miss = {f.name for f in columns.features if TEMPLATES[f.template].missing}
    encoders: list[NumberEncoder | CodeEncoder] = [
        NumberEncoder(name, name, _median(columns, name) if name in may_miss else None)
        for name in columns.numbers
    ]
    for name, codes in columns.codes.items():
        known = codes >= 0
        counts = np.bincount(
            codes[known], weights=columns.weights[known], minlength=len(columns.levels[name])
        )
        common = np.argsort(-counts, kind="stable")[:most]
        kept = sorted(columns.levels[name][i] for i in common if counts[i] >= least)
        encoders.append(CodeEncoder(name, name, tuple(kept)))
    return encoders


def _median(columns: TrainingColumns, name: str) -> float | None:
    """Find what stands for a missing value; None where the rows show what missing values mean."""
    values = columns.number(name)
    if not len(values) or np.isnan(values).any():
        return None
    return float(weighted_quantile(values, [0.5], columns.weights)[0])


@dataclass(frozen=True, slots=True)
class TargetTable:
    """Smoothed log-odds for each key: pulled to the base rate by `weight` rows' worth of it."""

    values: Floats  # (n_keys + 2,), the last two are for new and for missing
    counts: Floats
    default: float


def fit_target(
    keys: Ints, y: Floats, n_keys: int, weight: float, row_weights: Floats
) -> TargetTable:
    """Fit smoothed target log-odds on rows (Micci-Barreca 2001); unseen keys get the base rate."""
    base = (np.sum(row_weights * y) + 0.5) / (row_weights.sum() + 1.0)
    slots = np.where(keys < 0, keys + n_keys + 2, keys)
    counts = np.bincount(slots, weights=row_weights, minlength=n_keys + 2).astype(np.float64)
    hits = np.bincount(slots, weights=row_weights * y, minlength=n_keys + 2)
    counts[n_keys] = hits[n_keys] = 0.0  # what is new has no history
    rate = (hits + weight * base) / (counts + weight)
    return TargetTable(np.log(rate / (1 - rate)), counts, float(np.log(base / (1 - base))))


def cross_fit_target(
    keys: Ints,
    y: Floats,
    n_keys: int,
    weight: float,
    fold: Ints,
    row_weights: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Encode training rows, each by a table that did not see its fold: (log-odds, counts)."""
    counted = weights_or_ones(row_weights, len(y))
    values, counts = np.empty(len(y)), np.empty(len(y))
    for k in np.unique(fold):
        held = fold == k
        rest = counted[~held]
        table = fit_target(keys[~held], y[~held], n_keys, weight, rest)
        share = counted.sum() / (rest.sum() or 1.0)
        values[held] = table.values[keys[held]]
        counts[held] = table.counts[keys[held]] * share
    return values, counts


def target_encoders(
    columns: TrainingColumns, y: Floats, sources: Sequence[str], weight: float
) -> list[LearnedEncoder]:
    """Write the target and the count encoder of columns taken jointly, fitted on all these rows."""
    codes, keys = category_keys(columns, sources)
    table = fit_target(codes, y, len(keys), weight, columns.weights)
    label = " x ".join(sources)
    seen = table.counts[:-2] > 0
    rates = {key: float(v) for key, v, s in zip(keys, table.values, seen, strict=False) if s}
    counts = {key: float(v) for key, v, s in zip(keys, table.counts, seen, strict=False) if s}
    missing = float(table.values[-1]) if table.counts[-1] > 0 else table.default
    read = tuple(sources)
    return [
        LearnedEncoder(f"rate of {label}", "target", read, rates, table.default, missing),
        LearnedEncoder(
            f"count of {label}", "count", read, counts, 0.0, missing=float(table.counts[-1])
        ),
    ]


def feature_columns(features: Sequence[Feature]) -> tuple[FeatureColumn, ...]:
    """Describe features as the artifact stores them."""
    return tuple(FeatureColumn(**asdict(feature)) for feature in features)


@dataclass(frozen=True, slots=True)
class TargetCodes:
    """The keys of target encodings: `codes` (n, encodings), so many `sizes`, pulled by `weight`."""

    codes: Ints
    sizes: tuple[int, ...]
    weight: float


def encode_rows(
    matrix: Matrix,
    y: Floats,
    row_weights: Floats | None,
    inner: Ints,
    targets: TargetCodes,
    rows: Ints,
    held: Ints,
    *,
    held_only: bool = False,
) -> tuple[Matrix, Matrix]:
    """Encode training rows (cross-fitted) and held-out rows (fitted on the training rows).

    Rows are those of the matrix, then the rate and the count of each target encoding; of training
    rows there are none where only the held-out ones are asked for.
    """
    if held_only:
        left: list[Matrix] = [matrix[:0]]
    else:
        left = [matrix[rows]]
    right: list[Matrix] = [matrix[held]]
    known, counted = y[rows], weights_or_ones(row_weights, len(y))[rows]
    for codes, size in zip(targets.codes.T, targets.sizes, strict=True):
        if not held_only:
            fitted = cross_fit_target(
                codes[rows], known, size, targets.weight, inner[rows], counted
            )
            left += [part[:, None] for part in fitted]
        table = fit_target(codes[rows], known, size, targets.weight, counted)
        right += [table.values[codes[held]][:, None], table.counts[codes[held]][:, None]]
    if len(right) == 1:
        return left[0], right[0]
    narrow = matrix.dtype if len(y) >= MANY_ROWS else np.float64
    return (
        left[0] if held_only else np.hstack([part.astype(narrow, copy=False) for part in left]),
        np.hstack([part.astype(narrow, copy=False) for part in right]),
    )


@dataclass(frozen=True, slots=True)
class Design:
    """The forest's design matrix: plain encoders once, target encoders fitted for each member.

    `inner` deals rows into the folds of the cross-fitted target encodings, group by group. The
    matrix is float32 where all numbers are.
    """

    columns: TrainingColumns
    y: Floats
    inner: Ints
    plain: tuple[NumberEncoder | CodeEncoder | CrossedEncoder, ...]
    matrix: Matrix
    targets: tuple[tuple[str, ...], ...]
    target_codes: TargetCodes

    @classmethod
    def make(
        cls,
        columns: TrainingColumns,
        y: Floats,
        inner: Ints,
        *,
        targets: Sequence[tuple[str, ...]] = (),
        weight: float = 20.0,
        made: Sequence[CrossedEncoder] | None = None,
    ) -> Design:
        """Lay out the columns; with what is `made` of them, categories have no codes of their own.

        Rates say more of them then, and leave trees their splits for what is made.
        """
        plain: list[NumberEncoder | CodeEncoder | CrossedEncoder] = [*plain_encoders(columns)]
        if made is not None:
            plain = [*(each for each in plain if isinstance(each, NumberEncoder)), *made]
        narrow = all(values.dtype == np.float32 for values in columns.numbers.values())
        matrix = np.empty((len(columns), len(plain)), np.float32 if narrow else np.float64)
        for j, encoder in enumerate(plain):  # row by row in memory: folds pick rows
            matrix[:, j] = encoder.encode(columns)
        keyed = [category_keys(columns, sources) for sources in targets]
        codes = np.empty((len(columns), len(keyed)), np.int64)
        for j, (of_rows, _) in enumerate(keyed):
            codes[:, j] = of_rows
        keys = TargetCodes(codes, tuple(len(names) for _, names in keyed), weight)
        return cls(columns, y, inner, tuple(plain), matrix, tuple(targets), keys)

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the code columns."""
        return tuple(i for i, encoder in enumerate(self.plain) if isinstance(encoder, CodeEncoder))

    @property
    def monotone(self) -> tuple[int, ...]:
        """Directions that the catalogue calls certain, 0 for all other columns."""
        sign = {feature.name: feature.monotone for feature in self.columns.features}
        known = [sign[e.name] if isinstance(e, NumberEncoder) else 0 for e in self.plain]
        return (*known, *(0 for _ in range(2 * len(self.targets))))

    def matrix_of(self, rows: Ints, held: Ints) -> tuple[Matrix, Matrix]:
        """Encode training rows (cross-fitted) and held-out rows (fitted on the training rows)."""
        weights = self.columns.weights
        return encode_rows(self.matrix, self.y, weights, self.inner, self.target_codes, rows, held)

    def encoders(self) -> list[Encoder]:
        """Write the encoders of the artifact, target maps fitted on all training rows."""
        encoders: list[Encoder] = list(self.plain)
        for sources in self.targets:
            encoders += target_encoders(self.columns, self.y, sources, self.target_codes.weight)
        return encoders
