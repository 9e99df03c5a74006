"""The apply side of a model, whole and alone: feature frame -> margin, probability, score, reasons.

This file imports nothing of ours. A copy of it travels in every artifact, beside LightGBM texts
and JSON, so that a program that knows nothing of leadscore can load several versions at once.
The fitting side imports it too: what is learned and what is applied cannot drift apart.

Sections below: frame, encoders, linear part, calibration and card, the parts of a model and their
JSON, LightGBM text, look-up tables, kernels, the scorer, the artifact folder. Encoders, terms and
calibrations are closed sets of frozen classes, built when a model is loaded, never for a row.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property, update_wrapper
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Int32s = NDArray[np.int32]
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint32]

LOG = logging.getLogger("leadscore.predictor")
FORMAT = 1
PAIR = "\u001f"  # joins the values of a joint encoding
INSTALLED = __name__.endswith("models.predictor")  # else a copy, inside an artifact


class PredictorError(ValueError):
    """The artifact or the frame is not what the model needs; one line that names it."""


# --- what comes out ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scores:
    """One value per row: margin in log-odds, probability with interval, score 0..100, band."""

    margin: Floats
    probability: Floats
    low: Floats
    high: Floats
    score_exact: Floats  # before clipping and rounding
    score: Ints  # what is shown
    band: NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Contributions:
    """Log-odds: values is (n, len(names)); margin = base + values.sum(axis=1)."""

    names: tuple[str, ...]
    values: Floats
    base: float
    margin: Floats


# --- frame ---------------------------------------------------------------------------------------

MISSING, NEW = -1, -2
"""Codes of a category that name no level: no value, and a level that was not there before."""


class ColumnReader(Protocol):
    """What the parts of a model read: named columns of numbers and of coded categories."""

    def __len__(self) -> int:
        """Count the rows."""

    def number(self, name: str) -> Floats:
        """Read a number column, (n,) float64; missing is NaN."""

    def category(self, name: str) -> tuple[Ints, Sequence[str]]:
        """Read a category column: codes (n,), and the levels that codes from 0 on stand for."""


@dataclass(frozen=True, slots=True)
class Rows:
    """One row or a few, without pandas, whose columns cost more than scoring them.

    `numbers` is (n, len(number_at)), a float array, NaN where missing; `words` holds n texts, None
    where missing, by category feature. `number_at` is the column of each number feature. Scores and
    contributions are the same bits as those of a frame with these values.
    """

    numbers: NDArray[Any]
    number_at: Mapping[str, int]
    words: Mapping[str, Sequence[str | None]]
    fingerprint: str | None = None

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.numbers)

    def number(self, name: str) -> Floats:
        """Read a number column, (n,) float64; missing is NaN."""
        return self.numbers[:, self.number_at[name]].astype(np.float64)

    def category(self, name: str) -> tuple[Ints, Sequence[str]]:
        """Code a category column in the order in which its values come."""
        words = self.words[name]
        levels = list(dict.fromkeys(word for word in words if word is not None))
        place: dict[str | None, int] = {None: MISSING, **{key: i for i, key in enumerate(levels)}}
        return np.array([place[word] for word in words], np.int64), levels


@dataclass(frozen=True, slots=True)
class PandasColumns:
    """The columns of a pandas frame."""

    frame: pd.DataFrame

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.frame)

    def number(self, name: str) -> Floats:
        """Read a number column, (n,) float64; missing is NaN."""
        return self.frame[name].to_numpy(dtype=np.float64, na_value=np.nan)

    def category(self, name: str) -> tuple[Ints, Sequence[str]]:
        """Take the codes of a Categorical, or code a column of texts."""
        column = self.frame[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            values = cast("pd.Categorical", column.array)
            return values.codes.astype(np.int64), [str(level) for level in values.categories]
        codes, levels = pd.factorize(column, use_na_sentinel=True)
        return np.asarray(codes, np.int64), [str(level) for level in levels]


Frame = pd.DataFrame | Rows


def columns_of(frame: pd.DataFrame | ColumnReader) -> ColumnReader:
    """Read a pandas frame by column; what is read by column already stays as it is."""
    return PandasColumns(frame) if isinstance(frame, pd.DataFrame) else frame


def check_frame(frame: Frame, features: Sequence[FeatureColumn]) -> None:
    """Refuse a frame that lacks a column or has one of the wrong kind; extra columns are ignored.

    Raises PredictorError that names every missing column, or the first one of the wrong kind.
    """
    if isinstance(frame, Rows):
        _check_rows(frame, features)
        return
    names = [feature.name for feature in features]
    wanted = set(names)
    duplicated = frame.columns[frame.columns.duplicated()]
    twice = [str(name) for name in duplicated if name in wanted]
    if twice:
        raise PredictorError(f"columns given twice: {', '.join(twice)}")
    _refuse_missing([name for name in names if name not in frame.columns], len(names))
    for feature in features:
        dtype = frame[feature.name].dtype
        numeric = pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)
        if feature.kind == "number" and not numeric:
            raise PredictorError(f"column {feature.name}: expected numbers, found {dtype}")
        if feature.kind == "category" and not _holds_words(dtype):
            raise PredictorError(f"column {feature.name}: expected categories, found {dtype}")


def _check_rows(rows: Rows, features: Sequence[FeatureColumn]) -> None:
    given = {"number": rows.number_at, "category": rows.words}
    missing = [feature.name for feature in features if feature.name not in given[feature.kind]]
    _refuse_missing(missing, len(features))
    categories = [feature.name for feature in features if feature.kind == "category"]
    if any(len(rows.words[name]) != len(rows) for name in categories):
        raise PredictorError("the category columns have another number of rows than the numbers")


def _refuse_missing(missing: Sequence[str], wanted: int) -> None:
    if missing:
        raise PredictorError(
            f"{len(missing)} of the {wanted} columns that the model needs are missing: "
            + ", ".join(missing[:12])
        )


def _holds_words(dtype: Any) -> bool:
    categorical = isinstance(dtype, pd.CategoricalDtype)
    return categorical or pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype)


def category_keys(columns: ColumnReader, sources: Sequence[str]) -> tuple[Ints, Sequence[str]]:
    """Code one category column, or several jointly: (codes (n,), keys).

    The key of a pair is `a + U+001F + b`, that of three has two such marks; it is missing where any
    value is, else new where any value is.
    """
    if isinstance(columns, _ReadOnce):
        return columns.joint(tuple(sources))
    if len(sources) == 1:
        return columns.category(sources[0])
    rest = category_keys(columns, sources[:-1])
    return _joint_keys(*rest, *columns.category(sources[-1]))


@dataclass(frozen=True, slots=True)
class _ReadOnce:
    """Columns that are read, coded and joined once, however many encoders ask for them."""

    columns: ColumnReader
    numbers: dict[str, Floats] = field(default_factory=dict)
    keys: dict[tuple[str, ...], tuple[Ints, Sequence[str]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns)

    def number(self, name: str) -> Floats:
        if name not in self.numbers:
            self.numbers[name] = self.columns.number(name)
        return self.numbers[name]

    def category(self, name: str) -> tuple[Ints, Sequence[str]]:
        return self.joint((name,))

    def joint(self, sources: tuple[str, ...]) -> tuple[Ints, Sequence[str]]:
        if sources not in self.keys:
            *rest, last = sources
            self.keys[sources] = (
                _joint_keys(*self.joint(tuple(rest)), *self.category(last))
                if rest
                else self.columns.category(last)
            )
        return self.keys[sources]


def _joint_keys(
    codes: Ints, keys: Sequence[str], second: Ints, second_keys: Sequence[str]
) -> tuple[Ints, Sequence[str]]:
    width = max(len(second_keys), 1)
    without = (codes == MISSING) | (second == MISSING)
    joint = np.where((codes < 0) | (second < 0), NEW, codes * width + second)
    joint = np.where(without, MISSING, joint)
    values, inverse = np.unique(joint, return_inverse=True)
    known = values >= 0
    pairs = [keys[v // width] + PAIR + second_keys[v % width] for v in values[known].tolist()]
    place = inverse - np.count_nonzero(~known)
    return np.where(joint < 0, joint, place).astype(np.int64), pairs


def _look_up(
    columns: ColumnReader,
    sources: Sequence[str],
    values: Mapping[str, float],
    *,
    unseen: float,
    missing: float,
) -> Floats:
    """Take the value of each row's level or joint key, (n,); `unseen` where training had none."""
    codes, keys = category_keys(columns, sources)
    table = np.array([*(values.get(key, unseen) for key in keys), unseen, missing], np.float64)
    return table[codes]


# --- encoders ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NumberEncoder:
    """A design column that is a number column as it stands.

    `missing` stands for a missing value where training had none: a tree would read it as 0.
    """

    name: str
    source: str
    missing: float | None = None
    kind: ClassVar = "number"

    @property
    def sources(self) -> tuple[str, ...]:
        """Name the frame columns from which the design column is made."""
        return (self.source,)

    def encode(self, columns: ColumnReader) -> Floats:
        """Make the design column, (n,)."""
        values = columns.number(self.source)
        return values if self.missing is None else np.where(np.isnan(values), self.missing, values)


@dataclass(frozen=True, slots=True)
class CodeEncoder:
    """A category as its position in `levels`, len(levels) where unseen, NaN where missing."""

    name: str
    source: str
    levels: tuple[str, ...]
    kind: ClassVar = "codes"
    _position: dict[str, float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        position = {level: float(i) for i, level in enumerate(self.levels)}
        object.__setattr__(self, "_position", position)

    @property
    def sources(self) -> tuple[str, ...]:
        """Name the frame columns from which the design column is made."""
        return (self.source,)

    def encode(self, columns: ColumnReader) -> Floats:
        """Make the design column, (n,)."""
        unseen = float(len(self._position))
        return _look_up(columns, self.sources, self._position, unseen=unseen, missing=np.nan)


@dataclass(frozen=True, slots=True)
class LearnedEncoder:
    """A category, or several jointly, as smoothed log-odds among the training rows, or their count.

    `default` is the value where training never saw the level or the combination.
    """

    name: str
    kind: Literal["target", "count"]
    sources: tuple[str, ...]
    values: Mapping[str, float]
    default: float
    missing: float

    def encode(self, columns: ColumnReader) -> Floats:
        """Make the design column, (n,)."""
        return _look_up(
            columns, self.sources, self.values, unseen=self.default, missing=self.missing
        )


@dataclass(frozen=True, slots=True)
class NumberScale:
    """(clip(transform(x), low, high) - center) / scale: numbers that can be set against others."""

    center: float
    scale: float
    low: float
    high: float
    transform: Literal["identity", "log1p"] = "identity"

    def scaled(self, x: Floats) -> Floats:
        """Transform, clip, center and scale a column, (n,); NaN stays NaN."""
        z = signed_log(x) if self.transform == "log1p" else x
        return cast("Floats", _scale(z, self.low, self.high, self.center, self.scale))


@dataclass(frozen=True, slots=True)
class CrossedEncoder:
    """Two number columns as one: product or difference of both scaled, or ratio as they stand.

    `missing` stands for a missing value where training had none: a tree would read it as 0.
    """

    name: str
    kind: Literal["product", "difference", "ratio"]
    sources: tuple[str, ...]
    scales: tuple[NumberScale, ...]
    missing: float | None = None

    def encode(self, columns: ColumnReader) -> Floats:
        """Make the design column, (n,), in the precision of float32."""
        first, second = (columns.number(source) for source in self.sources)
        if self.kind == "ratio":
            return _rounded(first / np.where(second == 0, np.nan, second), self.missing)
        first, second = (
            scale.scaled(x) for scale, x in zip(self.scales, (first, second), strict=True)
        )
        made = first * second if self.kind == "product" else first - second
        return _rounded(made, self.missing)


def _rounded(made: Floats, missing: float | None) -> Floats:
    """Round to float32, as trees of many rows learn from; what is missing may have a stand-in."""
    with np.errstate(over="ignore"):
        narrow = made.astype(np.float32).astype(np.float64)
    kept = np.where(np.isinf(narrow), np.nan, narrow)
    return kept if missing is None else np.where(np.isnan(kept), missing, kept)


Encoder = NumberEncoder | CodeEncoder | LearnedEncoder | CrossedEncoder


def design_matrix(frame: pd.DataFrame | ColumnReader, encoders: Sequence[Encoder]) -> Floats:
    """Encode every design column: (n, n_columns) float64, columns contiguous."""
    columns = _ReadOnce(columns_of(frame))
    matrix = np.empty((len(columns), len(encoders)), np.float64, order="F")
    for j, encoder in enumerate(encoders):
        matrix[:, j] = encoder.encode(columns)
    return matrix


# --- numeric loops -------------------------------------------------------------------------------

WORTH_LOADING = 1_000_000  # steps that take about as long uncompiled as loading the compiler does
MANY = WORTH_LOADING // 10  # steps at once: more of the kind are to come


class _LoopState(threading.local):
    """Whether this thread is inside a loop that runs as it stands."""

    uncompiled = False


_LOOP = _LoopState()


class _Loop:
    """A function that numba compiles when it is first called.

    Loading the compiler takes a second, one row without it a few milliseconds, and the bits are the
    same: it is the same Python function. Only the installed package keeps the machine code: a copy
    inside an artifact must not write beside itself.
    """

    steps_uncompiled: ClassVar[int] = 0  # in this process

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)
        self._function = function

    def __call__(self, *values: Any) -> Any:
        """Run the machine code; the function itself inside a loop that runs as it stands."""
        return self._function(*values) if _LOOP.uncompiled else self.machine_code(*values)

    def for_steps(self, steps: int) -> Callable[..., Any]:
        """Choose how to run: as it stands where so few steps don't pay for the compiler."""
        if _compiler_pays(steps):
            return cast("Callable[..., Any]", self.machine_code)
        _Loop.steps_uncompiled += steps
        return self.as_it_stands

    def as_it_stands(self, *values: Any) -> Any:
        """Run the function uncompiled, and the loops that it calls; numbers wrap as compiled."""
        before, _LOOP.uncompiled = _LOOP.uncompiled, True
        try:
            with np.errstate(all="ignore"):
                return self._function(*values)
        finally:
            _LOOP.uncompiled = before

    @cached_property
    def machine_code(self) -> Any:
        """Load the compiler; the machine code is read, or made, when this is called."""
        import numba

        if INSTALLED:
            try:
                return numba.njit(nogil=True, cache=True, error_model="numpy")(self._function)
            except RuntimeError:  # no place for a cache
                LOG.info("no folder for compiled code; compiling anew")
        return numba.njit(nogil=True, error_model="numpy")(self._function)

    @property
    def _numba_type_(self) -> Any:
        """Tell the compiler, where another loop calls this one, what stands here."""
        return self.machine_code._numba_type_


def _compiler_pays(steps: int) -> bool:
    """Tell whether numba is there, or so many steps are to do that loading it costs less."""
    done = _Loop.steps_uncompiled
    return "numba" in sys.modules or steps > MANY or done + steps > WORTH_LOADING


# --- linear part ---------------------------------------------------------------------------------


def signed_log(x: Any) -> Any:
    """Transform heavy tails: sign(x) * log(1 + |x|)."""
    return np.sign(x) * np.log1p(np.abs(x))


def _scale(x: Any, low: Any, high: Any, center: Any, scale: Any) -> Any:
    """Clip, center and scale what may have been transformed; NaN stays NaN."""
    return (np.minimum(np.maximum(x, low), high) - center) / scale


@dataclass(frozen=True, slots=True)
class NumberTerm:
    """coef * (clip(transform(x), low, high) - center) / scale, and `missing` where x is missing.

    In log-odds; `mean` is that over the training rows.
    """

    source: str
    center: float
    scale: float
    coef: float
    missing: float
    mean: float
    low: float = -math.inf
    high: float = math.inf
    transform: Literal["identity", "log1p"] = "identity"
    kind: ClassVar = "number"

    def scaled(self, x: Floats) -> Floats:
        """Transform, clip, center and scale a column, (n,); NaN stays NaN."""
        z = signed_log(x) if self.transform == "log1p" else x
        return cast("Floats", _scale(z, self.low, self.high, self.center, self.scale))

    def values(self, columns: ColumnReader) -> Floats:
        """Evaluate the term, (n,) log-odds."""
        x = columns.number(self.source)
        return np.where(np.isnan(x), self.missing, self.coef * self.scaled(x))

    def times(self, weight: float) -> NumberTerm:
        """Give the term this weight in a blend."""
        return replace(
            self, coef=self.coef * weight, missing=self.missing * weight, mean=self.mean * weight
        )


@dataclass(frozen=True, slots=True)
class LevelsTerm:
    """coefs[level], `other` where it has none, `missing` where there is no value; log-odds."""

    source: str
    coefs: Mapping[str, float]
    other: float
    missing: float
    mean: float
    kind: ClassVar = "levels"

    def values(self, columns: ColumnReader) -> Floats:
        """Evaluate the term, (n,) log-odds."""
        return _look_up(
            columns, (self.source,), self.coefs, unseen=self.other, missing=self.missing
        )

    def times(self, weight: float) -> LevelsTerm:
        """Give the term this weight in a blend."""
        return replace(
            self,
            coefs={level: coef * weight for level, coef in self.coefs.items()},
            other=self.other * weight,
            missing=self.missing * weight,
            mean=self.mean * weight,
        )


Term = NumberTerm | LevelsTerm


@dataclass(frozen=True, slots=True)
class LinearPart:
    """The regularised line: log-odds of the intercept and of every term."""

    intercept: float = 0.0
    terms: tuple[Term, ...] = ()

    def times(self, weight: float) -> LinearPart:
        """Give the line this weight in a blend."""
        return LinearPart(self.intercept * weight, tuple(term.times(weight) for term in self.terms))


class SourceTerms:
    """All terms of the linear part that read one column, summed in one pass over it."""

    def __init__(self, source: str, terms: Sequence[Term]) -> None:
        self.source = source
        self.mean = sum(term.mean for term in terms)
        self.levels = [term for term in terms if isinstance(term, LevelsTerm)]
        lines = [term for term in terms if isinstance(term, NumberTerm)]
        if lines and self.levels:
            raise PredictorError(f"{source!r} is read both as a number and as a category")
        fields = [
            (t.transform == "log1p", t.low, t.high, t.center, t.scale, t.coef, t.missing)
            for t in lines
        ]
        self.numbers = np.array(fields, np.float64).reshape(-1, 7)

    def values(self, columns: ColumnReader) -> Floats:
        """Sum the terms, (n,) log-odds."""
        if not self.levels:
            x = columns.number(self.source)
            sum_numbers = _sum_numbers.for_steps(16 * x.size * len(self.numbers))
            return cast("Floats", sum_numbers(x, self.numbers))
        total = np.zeros(len(columns))
        for term in self.levels:
            total += term.values(columns)
        return total


_scale_value = _Loop(_scale)


@_Loop
def _signed_log(x: float) -> Any:
    """Transform one value inside a loop. Not the bits of `signed_log`: numpy's log1p is its own."""
    return np.sign(x) * math.log1p(abs(x))


@_Loop
def _sum_numbers(x: Any, terms: Any) -> Any:
    """Sum number terms (rows of: log1p, low, high, center, scale, coef, missing) over a column."""
    total = np.zeros(len(x))
    for i in range(len(x)):
        value = x[i]
        log = _signed_log(value)
        for t in range(len(terms)):
            if np.isnan(value):
                total[i] += terms[t, 6]
                continue
            z = log if terms[t, 0] != 0.0 else value
            scaled = _scale_value(z, terms[t, 1], terms[t, 2], terms[t, 3], terms[t, 4])
            total[i] += terms[t, 5] * scaled
    return total


def _terms_by_source(terms: Iterable[Term]) -> list[SourceTerms]:
    """Group the terms of the linear part by the column that they read, in first-seen order."""
    by_source: dict[str, list[Term]] = {}
    for term in terms:
        by_source.setdefault(term.source, []).append(term)
    return [SourceTerms(source, group) for source, group in by_source.items()]


# --- calibration and score card ------------------------------------------------------------------


def sigmoid(x: Floats) -> Floats:
    """Turn log-odds into a probability without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1.0 + e)


def logit(p: Floats | float) -> Floats:
    """Turn a probability into log-odds; 0 and 1 are moved in by 1e-15."""
    q = np.clip(np.asarray(p, np.float64), 1e-15, 1 - 1e-15)
    return np.log(q) - np.log1p(-q)


@dataclass(frozen=True, slots=True)
class IdentityCalibration:
    """The margin is the calibrated log-odds. `why` says how a calibration was chosen."""

    why: str | None = None
    kind: ClassVar = "identity"


@dataclass(frozen=True, slots=True)
class InterceptCalibration:
    """The margin, moved."""

    intercept: float
    why: str | None = None
    kind: ClassVar = "intercept"


@dataclass(frozen=True, slots=True)
class LogisticCalibration:
    """A straight line of the margin."""

    slope: float
    intercept: float
    why: str | None = None
    kind: ClassVar = "logistic"


@dataclass(frozen=True, slots=True)
class BetaCalibration:
    """Log-odds a ln s - b ln(1 - s) + c, s = sigmoid(margin) (Kull, Silva Filho, Flach 2017)."""

    a: float
    b: float
    c: float
    why: str | None = None
    kind: ClassVar = "beta"


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationPoints:
    """Straight lines between (margin, probability), flat outside; only inside a blend."""

    margins: Floats
    probabilities: Floats
    kind: ClassVar = "points"


@dataclass(frozen=True, slots=True)
class BlendCalibration:
    """weight * first + (1 - weight) * second, in probability."""

    weight: float
    first: LogisticCalibration
    second: CalibrationPoints
    why: str | None = None
    kind: ClassVar = "blend"


StraightCalibration = IdentityCalibration | InterceptCalibration | LogisticCalibration
Calibration = StraightCalibration | BetaCalibration | BlendCalibration


def calibrated_log_odds(calibration: Calibration, margin: Floats) -> Floats:
    """Map margins to calibrated log-odds, strictly increasing."""
    m = np.asarray(margin, np.float64)
    match calibration:
        case IdentityCalibration():
            return m
        case InterceptCalibration(intercept=intercept):
            return m + intercept
        case LogisticCalibration(slope=slope, intercept=intercept):
            return slope * m + intercept
        case BetaCalibration(a=a, b=b, c=c):
            return -a * np.logaddexp(0.0, -m) + b * np.logaddexp(0.0, m) + c
        case BlendCalibration():
            return logit(calibrate(calibration, m))


def calibrate(calibration: Calibration, margin: Floats) -> Floats:
    """Map margins to probabilities."""
    if not isinstance(calibration, BlendCalibration):
        return sigmoid(calibrated_log_odds(calibration, margin))
    m = np.asarray(margin, np.float64)
    points, weight = calibration.second, calibration.weight
    line = np.asarray(np.interp(m, points.margins, points.probabilities), np.float64)
    return weight * calibrate(calibration.first, m) + (1.0 - weight) * line


def straight_slope(calibration: Calibration) -> float | None:
    """Give the slope of a calibration that is a straight line, None where it bends."""
    match calibration:
        case IdentityCalibration() | InterceptCalibration():
            return 1.0
        case LogisticCalibration(slope=slope):
            return slope
        case BetaCalibration() | BlendCalibration():
            return None


@dataclass(frozen=True, slots=True)
class ScoreCard:
    """How log-odds become points: an anchor, points that double the odds, the bands' least scores.

    A score under the lowest band is in `below`, "D" where none is stated.
    """

    points_to_double: float
    anchor_score: float
    anchor_probability: float
    bands: Mapping[str, float]
    below: str | None = None

    @property
    def lowest(self) -> str:
        """Name the band under all cuts."""
        return "D" if self.below is None else self.below


def card_exact(card: ScoreCard, log_odds: Floats) -> Floats:
    """Place calibrated log-odds on the score card, before clipping and rounding."""
    anchor = float(logit(card.anchor_probability))
    per_unit = card.points_to_double / math.log(2.0)
    return card.anchor_score + per_unit * (np.asarray(log_odds, np.float64) - anchor)


def shown_score(exact: Floats) -> Ints:
    """Clip to 0..100 and round half up."""
    return np.floor(np.clip(exact, 0.0, 100.0) + 0.5).astype(np.int64)


def bands_of(card: ScoreCard, score: Ints) -> NDArray[np.object_]:
    """Name the band of each shown score."""
    band = np.full(len(score), card.lowest, object)
    for name, least in sorted(card.bands.items(), key=lambda item: float(item[1])):
        band[score >= float(least)] = name
    return band


@dataclass(frozen=True, slots=True, eq=False)
class IntervalOffsets:
    """Log-odds to add below and above at some margins, straight lines between; `level` covers."""

    at: Floats
    low: Floats
    high: Floats
    level: float | None = None
    kind: ClassVar = "offsets"


def interval(
    offsets: IntervalOffsets | None, margin: Floats, log_odds: Floats
) -> tuple[Floats, Floats]:
    """Bound the probability of each row; without offsets both bounds are the probability itself."""
    if offsets is None:
        p = sigmoid(log_odds)
        return p, p.copy()
    low = np.minimum(np.interp(margin, offsets.at, offsets.low), 0.0)
    high = np.maximum(np.interp(margin, offsets.at, offsets.high), 0.0)
    return sigmoid(log_odds + low), sigmoid(log_odds + high)


# --- the parts of a model, and their JSON --------------------------------------------------------

Json = Mapping[str, Any]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """One column of the feature frame: its name, its meaning, the factor that it belongs to.

    `template` names the sentence that says it in words, with `params`.
    """

    name: str
    kind: Literal["number", "category"]
    family: str
    factor: str
    label: str
    template: str
    params: Mapping[str, str | int | float]
    unit: str = ""
    monotone: int = 0


@dataclass(frozen=True, slots=True)
class ForestPart:
    """How many LightGBM texts there are, and the weight of every leaf value."""

    count: int
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What was stated about a model; None where nothing was.

    `sensitive` and `identity` name what reasons never show, `changeable` what sales can bring
    about, `fingerprint` the feature catalogue, `clipped_share` training leads outside 0..100.
    """

    learner: str | None = None
    rows: int | None = None
    sensitive: tuple[str, ...] | None = None
    identity: tuple[str, ...] | None = None
    changeable: tuple[str, ...] | None = None
    clipped_share: float | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class ModelParts:
    """Everything of a model but its trees: what parts.json holds.

    `grid` are the cuts of fit and engagement, in points.
    """

    features: tuple[FeatureColumn, ...]
    encoders: tuple[Encoder, ...]
    linear: LinearPart | None
    forest: ForestPart | None
    calibration: Calibration
    card: ScoreCard
    intervals: IntervalOffsets | None = None
    offset: float = 0.0
    grid: Mapping[str, Sequence[float]] | None = None
    meta: ModelFacts = ModelFacts()

    def to_json(self) -> dict[str, Any]:
        """Write what `from_json` reads."""
        return {
            "features": _dump(self.features),
            "encoders": _dump(self.encoders),
            "linear": _dump(self.linear),
            "forest": _dump(self.forest),
            "offset": self.offset,
            "calibration": _dump(self.calibration),
            "card": _dump(self.card),
            "intervals": {} if self.intervals is None else _dump(self.intervals),
            "reference": {} if self.grid is None else {"grid": _dump(self.grid)},
            "meta": _dump(self.meta),
        }

    @classmethod
    def from_json(cls, raw: Json) -> ModelParts:
        """Read parts.json; PredictorError, KeyError or TypeError where something is not there."""
        linear, forest, intervals = raw.get("linear"), raw.get("forest"), raw.get("intervals") or {}
        has_intervals = intervals.get("kind") == IntervalOffsets.kind
        return cls(
            features=tuple(FeatureColumn(**feature) for feature in raw["features"]),
            encoders=tuple(read_encoder(encoder) for encoder in raw["encoders"]),
            linear=_read(LinearPart, linear) if linear else None,
            forest=ForestPart(**forest) if forest else None,
            calibration=read_calibration(raw["calibration"]),
            card=ScoreCard(**raw["card"]),
            intervals=_read(IntervalOffsets, intervals) if has_intervals else None,
            offset=float(raw.get("offset", 0.0)),
            grid=(raw.get("reference") or {}).get("grid"),
            meta=_read(ModelFacts, raw.get("meta") or {}),
        )


def _dump(value: Any) -> Any:
    """Write a value of this file as JSON: what is None or private is left out, arrays are lists."""
    if is_dataclass(value):
        names = [each.name for each in fields(value) if not each.name.startswith("_")]
        given = {name: getattr(value, name, None) for name in ("kind", *names)}
        return {name: _dump(part) for name, part in given.items() if part is not None}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: _dump(part) for key, part in value.items()}
    return [_dump(part) for part in value] if isinstance(value, tuple) else value


_ENCODERS: Mapping[str, type[Encoder]] = {
    **{made.kind: made for made in (NumberEncoder, CodeEncoder)},
    **dict.fromkeys(("target", "count"), LearnedEncoder),
    **dict.fromkeys(("product", "difference", "ratio"), CrossedEncoder),
}
_TERMS: Mapping[str, type[Term]] = {made.kind: made for made in (NumberTerm, LevelsTerm)}
_CALIBRATIONS: Mapping[str, type[Calibration]] = {
    made.kind: made
    for made in (IdentityCalibration, InterceptCalibration, LogisticCalibration, BetaCalibration)
}


def read_encoder(raw: Json) -> Encoder:
    """Read the encoder of a design column."""
    if raw["kind"] not in _ENCODERS:
        raise PredictorError(f"unknown encoder kind {raw['kind']!r} of {raw.get('name')!r}")
    return _read(_ENCODERS[raw["kind"]], raw)


def read_term(raw: Json) -> Term:
    """Read a term of the linear part."""
    if raw["kind"] not in _TERMS:
        raise PredictorError(f"unknown term kind {raw['kind']!r} of {raw.get('source')!r}")
    return _read(_TERMS[raw["kind"]], raw)


def read_calibration(raw: Json) -> Calibration:
    """Read a calibration; without a kind it is none."""
    kind = raw.get("kind", "identity")
    if kind == "blend":
        first, second = read_calibration(raw["first"]), raw["second"]
        if not isinstance(first, LogisticCalibration) or second["kind"] != "points":
            raise PredictorError("a blend is of a logistic line and points")
        points = _read(CalibrationPoints, second)
        return BlendCalibration(float(raw["weight"]), first, points, raw.get("why"))
    if kind not in _CALIBRATIONS:
        raise PredictorError(f"unknown calibration kind {kind!r}")
    return _read(_CALIBRATIONS[kind], raw)


_FROM_JSON: Mapping[str, Callable[[Any], Any]] = {
    "float": float,
    "float | None": float,
    "Floats": lambda values: np.array(values, np.float64),
    "Mapping[str, float]": lambda values: {key: float(value) for key, value in values.items()},
    "tuple[str, ...]": tuple,
    "tuple[str, ...] | None": tuple,
    "tuple[Term, ...]": lambda terms: tuple(read_term(term) for term in terms),
    "tuple[NumberScale, ...]": lambda scales: tuple(_read(NumberScale, each) for each in scales),
}
"""How the value of a field is read, by the declared type; others are taken as they are."""


def _read(made: type[Value], raw: Json) -> Value:
    """Read what `_dump` wrote of an instance; KeyError where a field is missing.

    What is absent or null takes the default of its field; keys that are no field are ignored.
    """
    given = {}
    for each in fields(cast("Any", made)):
        if each.init and (each.default is NO_DEFAULT or raw.get(each.name) is not None):
            value = raw[each.name]
            convert = _FROM_JSON.get(str(each.type))
            given[each.name] = convert(value) if convert else value
    return made(**given)


# --- LightGBM text -------------------------------------------------------------------------------

GOES_LEFT, MISSING_LEFT, ZERO_RIGHT, ZERO_LEFT, IN_SET = range(5)  # kinds of decision


class Forest(NamedTuple):
    """All trees of several LightGBM texts as flat arrays, in order.

    Tree t owns nodes node_at[t]:node_at[t+1] and leaves leaf_at[t]:leaf_at[t+1]; `left`, `right`
    are local: node j >= 0, leaf ~j < 0. `kind` is a decision above; `threshold` compares with
    `<=`. A categorical node owns `set_bits` bits from word `set_at` (a zero word ends them).
    Leaf values carry weight and averaging. Counts are training rows, the cover of TreeSHAP.
    """

    node_at: Ints
    leaf_at: Ints
    feature: Int32s
    threshold: Floats
    kind: NDArray[np.int8]
    left: Int32s
    right: Int32s
    node_count: Floats
    set_at: Ints
    set_bits: Ints
    words: Words
    leaf_value: Floats
    leaf_count: Floats
    n_columns: int

    @property
    def n_trees(self) -> int:
        """Count the trees."""
        return len(self.node_at) - 1


class _Trees(NamedTuple):
    """The trees of one text, as Forest holds all of them; `set_at` counts from their own words."""

    nodes: Ints  # of each tree
    feature: Int32s
    threshold: Floats
    kind: NDArray[np.int8]
    left: Int32s
    right: Int32s
    node_count: Floats
    set_at: Ints
    set_bits: Ints
    words: Words
    leaf_value: Floats
    leaf_count: Floats


Fields = list[dict[str, str]]
"""The lines of each tree, by their names."""


def read_forest(texts: Sequence[str], weight: float = 1.0) -> Forest:
    """Read LightGBM texts as one forest, every leaf value times `weight`.

    A text in averaged (random forest) mode counts with the mean of its trees. Raises PredictorError
    on truncated or inconsistent text, linear trees and several classes: nothing is guessed.
    """
    parts: list[_Trees] = []
    n_columns = 0
    for number, text in enumerate(texts):
        header, blocks = _split_text(text, number)
        columns = int(header.get("max_feature_idx", "-1")) + 1
        if int(header.get("num_class", "1")) != 1 or columns < 1:
            raise PredictorError(f"forest {number}: expected one class and at least one column")
        n_columns = max(n_columns, columns)
        scale = weight / len(blocks) if "average_output" in header and blocks else weight
        if blocks:
            parts.append(_read_trees(blocks, scale, columns, number))
    return _join_trees(parts, n_columns)


def _split_text(text: str, number: int) -> tuple[dict[str, str], list[str]]:
    """Cut one text into its header and its trees; refuse what is no whole model."""
    if not text.startswith("tree\n") or "\nend of trees" not in text:
        raise PredictorError(f"forest {number}: not a whole LightGBM text model")
    body = text[: text.index("\nend of trees")]
    first, *blocks = body.split("\nTree=")
    header = dict(line.partition("=")[::2] for line in first.splitlines())
    if len(header.get("tree_sizes", "").split()) != len(blocks):
        raise PredictorError(f"forest {number}: the header promises another number of trees")
    return header, blocks


_DAMAGED = (KeyError, ValueError, IndexError, OverflowError)


def _read_trees(blocks: list[str], scale: float, columns: int, number: int) -> _Trees:
    """Parse the trees of a text at once; where one is damaged, one by one, to name the first."""
    try:
        return _parse_trees(blocks, scale, columns)
    except _DAMAGED:
        pass
    for index, block in enumerate(blocks):
        try:
            _parse_trees([block], scale, columns)
        except _DAMAGED as error:
            place = f"forest {number}, tree {index}"
            if isinstance(error, PredictorError):
                raise PredictorError(f"{place}: {error}") from None
            raise PredictorError(f"{place}: damaged LightGBM text ({error})") from None
    raise PredictorError(f"forest {number}: damaged LightGBM text")


def _parse_trees(blocks: list[str], scale: float, columns: int) -> _Trees:
    """Parse trees into flat arrays; indices are checked, so that every walk ends at a leaf."""
    trees: Fields = [
        dict(line.partition("=")[::2] for line in block.splitlines() if "=" in line)
        for block in blocks
    ]
    if any(tree.get("is_linear", "0") != "0" for tree in trees):
        raise PredictorError("linear_tree models have no exact contributions")
    leaves = np.array([int(tree["num_leaves"]) for tree in trees], np.int64)
    if bool((leaves < 1).any()):
        raise PredictorError("a tree without leaves")
    values = _numbers(trees, "leaf_value", np.float64, leaves) * scale
    if not np.isfinite(values).all():
        raise PredictorError("a leaf value is not finite")
    split = [tree for tree, n in zip(trees, leaves.tolist(), strict=True) if n > 1]
    nodes, inner = leaves - 1, leaves[leaves > 1] - 1
    feature = _numbers(split, "split_feature", np.int32, inner)
    bits = _numbers(split, "decision_type", np.int32, inner)
    left = _numbers(split, "left_child", np.int32, inner)
    right = _numbers(split, "right_child", np.int32, inner)
    _check_shape(left, right, inner)
    if bool(((feature < 0) | (feature >= columns)).any()):
        raise PredictorError("a split on a column that the model does not have")
    threshold = _numbers(split, "threshold", np.float64, inner)
    set_at, set_bits, words = _sets(split, bits, threshold, inner)
    counts = np.ones(len(values))
    counts[np.repeat(leaves > 1, leaves)] = _numbers(split, "leaf_count", np.float64, inner + 1)
    return _Trees(
        nodes,
        feature,
        threshold,
        _decisions(bits, threshold),
        left,
        right,
        _numbers(split, "internal_count", np.float64, inner),
        set_at,
        set_bits,
        words,
        values,
        counts,
    )


def _numbers(trees: Fields, name: str, dtype: Any, lengths: Ints) -> NDArray[Any]:
    """Read the numbers of one line of all trees, so many of each."""
    words = [tree[name].split() for tree in trees]
    for i, (found, wanted) in enumerate(zip(map(len, words), lengths.tolist(), strict=True)):
        if found != wanted:
            raise ValueError(f"expected {wanted} values, found {found} in tree {i}")
    read = float if dtype is np.float64 else int
    values = np.array([read(word) for part in words for word in part], np.dtype(read))
    if values.dtype != dtype and len(values) and np.abs(values).max() > np.iinfo(dtype).max:
        raise OverflowError(f"{name} holds a number that is too large")
    return values.astype(dtype)


def _check_shape(left: Int32s, right: Int32s, nodes: Ints) -> None:
    """Every node but the root has one parent before it, every leaf has one: a tree, no cycles."""
    tree = np.repeat(np.arange(len(nodes)), nodes)
    first, total = _starts(nodes)[:-1], int(nodes.sum())
    parent = np.arange(total) - first[tree]
    seen = np.zeros(2 * total + len(nodes), np.int64)  # nodes of all trees, then leaves of all
    for child in (left.astype(np.int64), right.astype(np.int64)):
        within = np.where(
            child < 0, ~child <= nodes[tree], (child > parent) & (child < nodes[tree])
        )
        if not within.all():
            raise PredictorError("the nodes are no tree")
        at = np.where(child < 0, total + first[tree] + tree + ~child, first[tree] + child)
        seen += np.bincount(at, minlength=len(seen))
    seen[first] += 1  # a root has no parent
    if bool((seen != 1).any()):
        raise PredictorError("the nodes are no tree")


def _decisions(bits: Int32s, threshold: Floats) -> NDArray[np.int8]:
    """Turn decision_type bits (categorical 1, default left 2, missing type << 2) into kinds.

    Missing type None reads NaN as 0, so NaN goes where 0 goes; type NaN sends it to the default
    side; type Zero sends NaN and everything within 1e-35 of zero there.
    """
    default_left = (bits & 2) != 0
    missing = (bits >> 2) & 3
    nan_left = np.where(missing == 2, default_left, threshold >= 0)
    kind = np.where(nan_left, MISSING_LEFT, GOES_LEFT)
    kind = np.where(missing == 1, np.where(default_left, ZERO_LEFT, ZERO_RIGHT), kind)
    return np.where((bits & 1) != 0, IN_SET, kind).astype(np.int8)


def _sets(trees: Fields, bits: Int32s, threshold: Floats, nodes: Ints) -> tuple[Ints, Ints, Words]:
    """Lay out the bit sets of categorical nodes, each followed by one word of zeros.

    A node without a set stands where the words of its tree begin.
    """
    tree = np.repeat(np.arange(len(nodes)), nodes)
    asks = (bits & 1) != 0
    chosen, n_bits = np.flatnonzero(asks), np.zeros(len(bits), np.int64)
    with_sets = np.unique(tree[chosen])
    own = [trees[i] for i in with_sets.tolist()]
    n_sets = np.zeros(len(nodes), np.int64)
    n_sets[with_sets] = [int(each["num_cat"]) for each in own]
    index = threshold[chosen].astype(np.int64)
    if bool(((index < 0) | (index >= n_sets[tree[chosen]])).any()):
        raise ValueError("an unknown category set")
    edges = _numbers(own, "cat_boundaries", np.int64, n_sets[with_sets] + 1)
    edge_at = _starts(n_sets[with_sets] + 1)
    if bool((edges[edge_at[:-1]] != 0).any()) or bool(
        (np.delete(np.diff(edges), edge_at[1:-1] - 1) < 0).any()
    ):
        raise ValueError("cat_boundaries do not rise")
    used = edges[edge_at[1:] - 1]
    given = _numbers(own, "cat_threshold", np.int64, used).astype(np.uint32)
    place = np.searchsorted(with_sets, tree[chosen])
    low = edges[edge_at[place] + index]
    length = edges[edge_at[place] + index + 1] - low
    n_bits[chosen] = 32 * length
    starts = _starts(length + 1)
    words = np.zeros(int(starts[-1]), np.uint32)
    within = np.arange(int(length.sum())) - np.repeat(_starts(length)[:-1], length)
    source = np.repeat(_starts(used)[place] + low, length) + within
    words[np.repeat(starts[:-1], length) + within] = given[source]
    before = np.searchsorted(chosen, _starts(nodes)[:-1])  # sets of the trees before
    at = starts[before][tree]
    at[chosen] = starts[:-1]
    return at, n_bits, words


def _join_trees(parts: list[_Trees], n_columns: int) -> Forest:
    own = parts or [_parse_trees(["num_leaves=1\nleaf_value=0"], 1.0, 1)]
    joined = _Trees(*map(np.concatenate, zip(*own, strict=True)))
    words_at = _starts([len(part.words) for part in own])
    set_at = joined.set_at + np.repeat(words_at[:-1], [len(part.feature) for part in own])
    words = np.append(joined.words, np.uint32(0))
    trees = joined._replace(set_at=set_at, words=words)
    return Forest(_starts(trees.nodes), _starts(trees.nodes + 1), *trees[1:], n_columns)


def _starts(lengths: Any) -> Ints:
    """Find where each of n runs of these lengths begins, and the last one ends: (n + 1,)."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


# --- look-up tables ------------------------------------------------------------------------------

WHOLE_BITS = 8  # decisions in the key of a subtree's table
PATH_BITS = 12  # distinct columns on the path of a leaf that gets a table of its own
MOST_CELLS = 1 << 26  # 512 MB of tables
BLOCK = 2048  # rows that are explained together, measured: 512 is a third slower
FEW = 40  # rows under which setting up a block costs more than it saves
CHUNK_GROUPS = 256  # keys of a chunk and block: 1 MB
LINE = 8  # doubles in a cache line; a single row reads whole lines
NEAR = 256  # lines that a single row fetches before it adds them up: they fit the first cache
OCTET = 8  # key bits that a single row puts together without asking how many there are
MOST_WORDS = 64  # a category set of more than 2,048 codes is looked into by itself


class PathTooLongError(PredictorError):
    """A tree is too deep for tables; LightGBM's own pred_contrib answers instead."""


class KeyGroups(NamedTuple):
    """The groups of leaves that share a key, and what the key of each is put together from.

    Tree t owns groups group_at[t]:group_at[t+1]; group g reads decision rows
    rows[row_at[g]:row_at[g+1]] (low bit first), owns slots[slot_at[g]:slot_at[g+1]]: targets, the
    last being the margin, and leaves[leaf_from[g]:leaf_from[g+1]]. From cell_at[g] on lies one
    column of 2^bits cells for each slot. Where `joint`, rows beyond a tree's nodes are
    conjunctions: pieces joint_node (global node), joint_left (wanted side), joint_at delimits one,
    joint_of[t] delimits those of tree t.
    """

    group_at: Ints
    row_at: Ints
    rows: Int32s
    slot_at: Ints
    slots: Int32s
    cell_at: Ints
    leaf_from: Ints
    leaves: Int32s
    joint: NDArray[np.bool_]
    joint_of: Ints
    joint_at: Ints
    joint_node: Int32s
    joint_left: Bytes


class ByTarget(NamedTuple):
    """The look-ups of a block of rows, by target within a chunk of trees.

    Chunk c holds trees chunk_at[c]:chunk_at[c+1]; entry_at[c, target] delimits its look-ups for a
    target: the column entry_cell, the group entry_key counted within the chunk.
    """

    chunk_at: Ints
    entry_at: Ints
    entry_cell: Ints
    entry_key: Int32s


class LookUpTables(NamedTuple):
    """What each leaf can contribute, summed by subtree: columns of `cells` indexed by decisions.

    `by_target` is the order in which a block reads them; `by_column` and `by_line` hold the same
    decisions and cells as single rows read them.
    """

    groups: KeyGroups
    cells: Floats
    by_target: ByTarget
    by_column: ByColumn
    by_line: ByLine
    base: float
    n_targets: int
    most_rows: int


class ByColumn(NamedTuple):
    """The conditions of a forest in the order in which one row decides them: column after column.

    Nodes with the same test share a condition: an ensemble repeats most of its tests many times.
    Places 0..n_conditions-1 hold those that compare, those that look into a set, the others;
    conjunctions follow, then one that never holds. Column c compares at places
    compare_at[c]:compare_at[c+1] and looks into sets at set_at[c]:set_at[c+1] (counted from the
    first set place): word w of those sets lies from word_at[c] + w * (their number) on, n_words[c]
    words each. bit_at[octet_at[g]:octet_at[g+1]] are the places of the key bits of group g, filled
    up to whole octets with the last place; `joint_place` is that of each piece of joint_node.
    """

    compare_at: Ints
    threshold: Floats
    nan_left: Bytes
    set_at: Ints
    word_at: Ints
    n_words: Ints
    words: Words
    odd: Ints  # global nodes
    octet_at: Ints
    bit_at: Int32s
    joint_place: Int32s


class ByLine(NamedTuple):
    """The cells of a forest as one row reads them: the cells of a key fill whole cache lines.

    Key k of group g owns doubles from line_at[g] + k * (place_at[g+1] - place_at[g]) on: the margin
    first, then the other slots, zeros up to the end of a line. places[place_at[g]:place_at[g+1]]
    are their targets; the zeros go to one of LINE spare sums. Without targets it is the margin
    alone.
    """

    lines: Floats
    line_at: Ints
    place_at: Ints
    places: Int32s


class LeafPaths(NamedTuple):
    """The path of every leaf, from the leaf up, side by side: (depth, leaves) but where said.

    One row asks of the tables only what holds for it, so it is summed from the paths, leaf by leaf
    in the order of the tables: the same bits. Leaves are sorted by `group` (leaves,), as those of
    `KeyGroups`. The first `length` (leaves,) rows of `column` are the distinct columns of a path;
    `z` is the share of training rows that go on along it at the nodes of a column. Step k stands at
    node[k], -1 beyond the root, goes left there where left[k], and asks column number place[k].
    """

    group: Ints
    value: Floats
    length: Ints
    column: Ints
    z: Floats
    node: Ints
    left: NDArray[np.bool_]
    place: Ints
    base: float


@dataclass(slots=True)
class _Group:
    """Leaves of one tree that share a key; `nodes` is a bit mask of local nodes, 0 if `joint`."""

    leaves: list[int]
    nodes: int
    joint: bool = False


def _group_leaves(left: list[int], right: list[int], bits: int) -> list[_Group]:
    """Cut a tree into the largest subtrees whose decisions, path included, fit into `bits`."""
    n = len(left)
    inside, leaves = [0] * n, [[0]] * n
    for node in range(n - 1, -1, -1):  # children come after their parents
        mask, below = 1 << node, []
        for child in (left[node], right[node]):
            if child >= 0:
                mask |= inside[child]
                below += leaves[child]
            else:
                below = [*below, ~child]
        inside[node], leaves[node] = mask, below
    groups: list[_Group] = []
    stack = [(0, 0)] if n else [(~0, 0)]
    while stack:
        node, path = stack.pop()
        if node < 0:
            groups.append(_Group([~node], path, path.bit_count() > bits))
        elif (path | inside[node]).bit_count() <= bits:
            groups.append(_Group(leaves[node], path | inside[node]))
        else:
            stack += [(right[node], path | 1 << node), (left[node], path | 1 << node)]
    return _merge_groups(groups, bits)


def _merge_groups(groups: list[_Group], bits: int) -> list[_Group]:
    """Put groups together while their decisions still fit one key: fewer look-ups."""
    merged: list[_Group] = []
    for group in groups:
        for other in merged:
            if not (group.joint or other.joint) and (other.nodes | group.nodes).bit_count() <= bits:
                other.nodes |= group.nodes
                other.leaves = other.leaves + group.leaves
                break
        else:
            merged.append(group)
    return merged


def build_tables(
    forest: Forest, targets: Int32s, shares: Floats, n_targets: int, bits: int = 0
) -> LookUpTables:
    """Make the look-up tables of a forest for contributions to `n_targets` targets.

    Column c gives shares[c, s] of its contribution to targets[c, s]; a share of 0 is nothing.
    Raises PathTooLongError where a path has too many columns or the tables grow too large.
    """
    groups, most_rows = _plan_groups(forest, targets, shares, n_targets, bits)
    cells = np.zeros(int(groups.cell_at[-1]), np.float64)
    base = _fill_tables(forest, groups, targets, shares, n_targets, cells)
    return LookUpTables(
        groups,
        cells,
        _order_entries(groups, n_targets),
        _order_conditions(forest, groups),
        _order_cells(groups, cells, n_targets),
        float(base),
        n_targets,
        most_rows,
    )


def _plan_groups(
    forest: Forest, targets: Int32s, shares: Floats, n_targets: int, bits: int = 0
) -> tuple[KeyGroups, int]:
    """Cut every tree into groups of leaves; also give the most decision rows of a tree."""
    if n_targets and bool((forest.node_count <= 0).any()):
        raise PredictorError("a node without training rows has no cover, so no contributions")
    plan = _Plan(bits or WHOLE_BITS)
    reach = [
        [int(t) for t, share in zip(row, part, strict=True) if share != 0.0]
        for row, part in zip(targets.tolist(), shares.tolist(), strict=True)
    ]
    for tree in range(forest.n_trees):
        plan.add_tree(forest, tree, reach, n_targets)
    return plan.flatten(), plan.most_rows


def _order_entries(groups: KeyGroups, n_targets: int) -> ByTarget:
    """Sort the look-ups by (chunk, target, group): a target's sums stay in the nearest cache.

    A chunk is a run of trees whose keys, one per group and row of a block, fit the second cache.
    """
    group_at, n_groups = groups.group_at, len(groups.row_at) - 1
    chunk_of_tree = group_at[:-1] // CHUNK_GROUPS
    starts = np.flatnonzero(np.diff(chunk_of_tree, prepend=-1))
    chunk_at = np.append(starts, len(group_at) - 1).astype(np.int64)
    n_chunks = len(starts)
    first_group = group_at[chunk_at]
    width = np.diff(groups.slot_at)
    group = np.repeat(np.arange(n_groups), width)
    chunk = np.searchsorted(first_group, group, "right") - 1
    column = np.arange(len(group)) - np.repeat(groups.slot_at[:-1], width)
    cell = groups.cell_at[group] + (column << np.diff(groups.row_at)[group])
    rank = chunk * (n_targets + 1) + groups.slots
    order = np.argsort(rank, kind="stable")
    count = np.bincount(rank, minlength=n_chunks * (n_targets + 1))
    return ByTarget(
        chunk_at,
        _starts(count),
        cell[order].astype(np.int64),
        (group - first_group[chunk])[order].astype(np.int32),
    )


def _order_cells(groups: KeyGroups, cells: Floats, n_targets: int) -> ByLine:
    """Lay the slots of each key side by side, in as few cache lines as hold them."""
    width = np.diff(groups.slot_at)
    wide = -(-width // LINE) * LINE if n_targets else width
    place_at, line_at = _starts(wide), _starts(wide << np.diff(groups.row_at))
    places = (np.arange(place_at[-1]) % LINE + n_targets + 1).astype(np.int32)
    within = np.arange(len(groups.slots)) - np.repeat(groups.slot_at[:-1], width)
    turned = (within + 1) % np.repeat(width, width)  # the margin, last of the slots, comes first
    places[np.repeat(place_at[:-1], width) + turned] = groups.slots
    lines = _aligned_zeros(int(line_at[-1]))
    _turn_cells(groups.row_at, groups.slot_at, groups.cell_at, line_at, wide, cells, lines)
    return ByLine(lines, line_at, place_at, places)


def _aligned_zeros(n: int) -> Floats:
    """Make n zeros that begin where a cache line begins."""
    room = np.zeros(n + LINE)
    skip = -(room.ctypes.data // room.itemsize) % LINE
    return room[skip : skip + n]


def _order_conditions(forest: Forest, groups: KeyGroups) -> ByColumn:
    """Lay the conditions out column by column, so that one row decides them without branches."""
    asking, condition = _distinct_conditions(forest)
    wide = forest.set_bits[asking] > 32 * MOST_WORDS
    by_value = forest.kind[asking] < ZERO_RIGHT
    by_set = (forest.kind[asking] == IN_SET) & ~wide
    parts = [np.flatnonzero(chosen) for chosen in (by_value, by_set, ~by_value & ~by_set)]
    nodes = [asking[part] for part in parts]
    starts = [
        np.searchsorted(forest.feature[part], np.arange(forest.n_columns + 1)).astype(np.int64)
        for part in nodes[:2]
    ]
    place = np.empty(len(asking), np.int64)
    place[np.concatenate(parts)] = np.arange(len(asking))
    place = place[condition]
    sets = _turn_sets(forest, nodes[1], starts[1])
    bits = _bit_places(forest, groups, place, len(asking))
    nan_left = (forest.kind[nodes[0]] == MISSING_LEFT).astype(np.uint8)
    compares = (starts[0], forest.threshold[nodes[0]], nan_left)
    joint_place = place[groups.joint_node].astype(np.int32)
    return ByColumn(*compares, starts[1], *sets, nodes[2], *bits, joint_place)


def _distinct_conditions(forest: Forest) -> tuple[Ints, Ints]:
    """Find one node for each condition, by column, and the condition of each node."""
    value, sets = forest.threshold.copy(), dict[bytes, int]()
    for node in np.flatnonzero(forest.kind == IN_SET).tolist():
        at = int(forest.set_at[node])
        inside = forest.words[at : at + int(forest.set_bits[node]) // 32].tobytes()
        value[node] = sets.setdefault(inside, len(sets))
    order = np.lexsort((value, forest.kind, forest.feature))
    asked = np.stack([forest.feature[order], forest.kind[order], value[order]])
    fresh = np.concatenate([[True], (asked[:, 1:] != asked[:, :-1]).any(axis=0)])[: len(order)]
    condition = np.empty(len(order), np.int64)
    condition[order] = np.cumsum(fresh) - 1
    return order[fresh], condition


def _turn_sets(forest: Forest, nodes: Ints, starts: Ints) -> tuple[Ints, Ints, Words]:
    """Put the same word of all sets of a column side by side, short sets filled with zeros."""
    own = forest.set_bits[nodes] // 32
    column = forest.feature[nodes]
    n_words = np.zeros(forest.n_columns, np.int64)
    np.maximum.at(n_words, column, own)
    count = np.diff(starts)
    word_at = _starts(n_words * count)
    words = np.zeros(int(word_at[-1]), np.uint32)
    word = np.arange(int(own.sum())) - np.repeat(np.cumsum(own) - own, own)
    within = np.arange(len(nodes)) - starts[column]
    to = np.repeat(word_at[column] + within, own) + word * np.repeat(count[column], own)
    words[to] = forest.words[np.repeat(forest.set_at[nodes], own) + word]
    return word_at, n_words, words


def _bit_places(
    forest: Forest, groups: KeyGroups, place: Ints, n_conditions: int
) -> tuple[Ints, Int32s]:
    """Find the place of each key bit, the condition of a node or a conjunction: whole octets."""
    bits = np.diff(groups.row_at)
    group_of = np.repeat(np.arange(len(bits)), bits)
    tree_of = np.repeat(np.arange(forest.n_trees), np.diff(groups.group_at))[group_of]
    row = groups.rows.astype(np.int64)
    nodes = np.diff(forest.node_at)[tree_of]
    joint = row >= nodes
    at_place = np.empty(len(row), np.int64)
    at_place[~joint] = place[forest.node_at[tree_of[~joint]] + row[~joint]]
    at_place[joint] = n_conditions + groups.joint_of[tree_of[joint]] + row[joint] - nodes[joint]
    octet_at = _starts(np.maximum(-(-bits // OCTET), 1) * OCTET)
    bit_at = np.full(int(octet_at[-1]), n_conditions + len(groups.joint_at) - 1, np.int32)
    bit_at[np.arange(len(row)) - np.repeat(groups.row_at[:-1] - octet_at[:-1], bits)] = at_place
    return octet_at, bit_at


class _Plan:
    """Lists that grow tree by tree and become the arrays of LookUpTables."""

    def __init__(self, bits: int) -> None:
        self.bits, self.most_rows = bits, 1
        self.group_at, self.row_at, self.slot_at, self.cell_at = [0], [0], [0], [0]
        self.leaf_from, self.joint_of, self.joint_at = [0], [0], [0]
        self.rows: list[int] = []
        self.slots: list[int] = []
        self.leaves: list[int] = []
        self.joint: list[bool] = []
        self.joint_node: list[int] = []
        self.joint_left: list[int] = []

    def add_tree(self, forest: Forest, tree: int, reach: list[list[int]], margin: int) -> None:
        """Cut one tree into groups and lay out their keys, slots and cells."""
        a, b = int(forest.node_at[tree]), int(forest.node_at[tree + 1])
        left, right = forest.left[a:b].tolist(), forest.right[a:b].tolist()
        feature = forest.feature[a:b].tolist()
        used = b - a
        for group in _group_leaves(left, right, self.bits):
            if group.joint:
                columns, rows = self._join_path(group.leaves[0], left, right, feature, a, used)
                used += len(rows)
            else:
                rows = [node for node in range(b - a) if group.nodes >> node & 1]
                columns = [feature[node] for node in rows]
            slots = list(dict.fromkeys(t for column in columns for t in reach[column]))
            self._append(group, rows, [*slots, margin])
        self.group_at.append(len(self.joint))
        self.joint_of.append(len(self.joint_at) - 1)
        self.most_rows = max(self.most_rows, used)

    def _append(self, group: _Group, rows: list[int], slots: list[int]) -> None:
        self.rows += rows
        self.slots += slots
        self.leaves += group.leaves
        self.joint.append(group.joint)
        self.row_at.append(len(self.rows))
        self.slot_at.append(len(self.slots))
        self.leaf_from.append(len(self.leaves))
        self.cell_at.append(self.cell_at[-1] + (len(slots) << len(rows)))
        if self.cell_at[-1] > MOST_CELLS:
            raise PathTooLongError("the look-up tables of this forest would exceed 512 MB")

    def _join_path(
        self, leaf: int, left: list[int], right: list[int], feature: list[int], at: int, used: int
    ) -> tuple[list[int], list[int]]:
        """Make one bit for each column on the path of a deep leaf: do its conditions hold?"""
        parent = {child: (node, 1) for node, child in enumerate(left)}
        parent |= {child: (node, 0) for node, child in enumerate(right)}
        pieces: dict[int, list[tuple[int, int]]] = {}
        child = ~leaf
        while child in parent:
            node, side = parent[child]
            pieces.setdefault(feature[node], []).append((node, side))
            child = node
        if len(pieces) > PATH_BITS:
            raise PathTooLongError(f"a path of {len(pieces)} columns, {PATH_BITS} fit")
        for conditions in pieces.values():
            self.joint_node += [at + node for node, _ in conditions]
            self.joint_left += [side for _, side in conditions]
            self.joint_at.append(len(self.joint_node))
        return list(pieces), list(range(used, used + len(pieces)))

    def flatten(self) -> KeyGroups:
        """Turn the lists into arrays."""
        other = {"joint": np.bool_, "joint_left": np.uint8}
        other |= dict.fromkeys(("rows", "slots", "leaves", "joint_node"), np.int32)
        return KeyGroups(
            *(
                np.array(getattr(self, name), other.get(name, np.int64))
                for name in KeyGroups._fields
            )
        )


# --- kernels -------------------------------------------------------------------------------------

# Numba recognises a named tuple by the name of its class. Copies of this file in one process, two
# versions of a model, would share the names, and every call of the second would look the type up
# anew (2 ms). The installed package keeps the plain names, under which its machine code is cached.
if not INSTALLED:
    for _value in list(globals().values()):
        if hasattr(_value, "_fields"):
            _value.__name__ += f"_{id(_value)}"


@_Loop
def _subset_shares(d: int) -> Floats:
    """Weigh subsets of d - 1 columns by their size s: s! (d - s - 1)! / d!, (d,)."""
    share = np.empty(d)
    share[0] = 1.0 / d
    for s in range(1, d):
        share[s] = share[s - 1] * s / (d - s)
    return share


@_Loop
def _leaf_parts(d, z, o, value, share, poly, out):  # type: ignore[no-untyped-def]
    """Fill out[i]: what a leaf gives to column i, o[j] being 1 where the conditions on j hold.

    value (o_i - z_i) sum over subsets S of the others of |S|! (d - |S| - 1)! / d! times the product
    of o over S and z outside (Lundberg et al. 2020, path-dependent TreeSHAP). Uncompiled, `value`
    may be an array, a value for each of many leaves: z, o, poly and out then have a row of as many.
    """
    for i in range(d):
        poly[0] = 1.0
        size = 0
        for j in range(d):
            if j != i:
                poly[size + 1] = poly[size] * o[j]
                for s in range(size, 0, -1):
                    poly[s] = poly[s] * z[j] + poly[s - 1] * o[j]
                poly[0] *= z[j]
                size += 1
        total = poly[0] * share[0]
        for s in range(1, size + 1):
            total = total + poly[s] * share[s]
        out[i] = value * (o[i] - z[i]) * total


@_Loop
def _leaf_table(d: int, z: Floats, value: float, out: Floats) -> None:
    """Fill out[pattern, i]: what a leaf gives to column i when the pattern of conditions holds."""
    share, poly, o = _subset_shares(d), np.empty(d + 1), np.empty(d)
    for pattern in range(1 << d):
        for i in range(d):
            o[i] = float((pattern >> i) & 1)
        _leaf_parts(d, z, o, value, share, poly, out[pattern])


@_Loop
def _fill_tables(forest, groups, targets, shares, n_targets, cells):  # type: ignore[no-untyped-def]
    """Add every leaf's table into the cells of its group; return the expected margin."""
    base = 0.0
    most = 1
    for t in range(len(forest.node_at) - 1):
        most = max(most, forest.node_at[t + 1] - forest.node_at[t])
    node_parent, leaf_parent = np.empty(most, np.int64), np.empty(most + 1, np.int64)
    bit = np.empty(most, np.int64)
    column, wanted = np.empty(most, np.int64), np.empty(most, np.int64)
    mask, z = np.empty(most, np.int64), np.empty(most)
    slot_of = np.full(n_targets + 1, -1, np.int64)
    for t in range(len(forest.node_at) - 1):
        a, n = forest.node_at[t], forest.node_at[t + 1] - forest.node_at[t]
        for node in range(n):
            for child in (forest.left[a + node], forest.right[a + node]):
                if child >= 0:
                    node_parent[child] = node
                else:
                    leaf_parent[-child - 1] = node
        for g in range(groups.group_at[t], groups.group_at[t + 1]):
            n_bits = groups.row_at[g + 1] - groups.row_at[g]
            n_slots = groups.slot_at[g + 1] - groups.slot_at[g]
            for s in range(n_slots):
                slot_of[groups.slots[groups.slot_at[g] + s]] = s
            if not groups.joint[g]:
                for k in range(n_bits):
                    bit[groups.rows[groups.row_at[g] + k]] = k
            for index in range(groups.leaf_from[g], groups.leaf_from[g + 1]):
                leaf = groups.leaves[index]
                value = forest.leaf_value[forest.leaf_at[t] + leaf]
                d = 0
                child, below = -leaf - 1, forest.leaf_count[forest.leaf_at[t] + leaf]
                node = leaf_parent[leaf] if n > 0 else -1
                while node >= 0:
                    here = forest.node_count[a + node]
                    i = 0
                    while i < d and column[i] != forest.feature[a + node]:
                        i += 1
                    if i == d:
                        column[d], z[d], mask[d], wanted[d] = forest.feature[a + node], 1.0, 0, 0
                        if groups.joint[g]:
                            mask[d] = wanted[d] = 1 << d
                        d += 1
                    z[i] *= below / here
                    if not groups.joint[g]:
                        mask[i] |= 1 << bit[node]
                        if forest.left[a + node] == child:
                            wanted[i] |= 1 << bit[node]
                    child, below = node, here
                    node = node_parent[node] if node > 0 else -1
                reached = value
                for i in range(d):
                    reached *= z[i]
                base += reached
                table = np.empty((1 << d, max(d, 1)))
                if d > 0 and n_targets > 0:
                    _leaf_table(d, z, value, table)
                for key in range(1 << n_bits):
                    at = groups.cell_at[g] + key
                    pattern = 0
                    for i in range(d):
                        if key & mask[i] == wanted[i]:
                            pattern |= 1 << i
                    for i in range(d):
                        for s in range(shares.shape[1]):
                            if shares[column[i], s] != 0.0:
                                slot = slot_of[targets[column[i], s]]
                                part = table[pattern, i] * shares[column[i], s]
                                cells[at + (slot << n_bits)] += part
                    if pattern == (1 << d) - 1:
                        cells[at + ((n_slots - 1) << n_bits)] += value
    return base


@_Loop
def _turn_cells(row_at, slot_at, cell_at, line_at, wide, cells, lines):  # type: ignore[no-untyped-def]
    """Copy the cells so that the slots of one key lie side by side, the last one first."""
    for g in range(len(wide)):
        size, width = 1 << (row_at[g + 1] - row_at[g]), slot_at[g + 1] - slot_at[g]
        for s in range(width):
            to = line_at[g] + (s + 1) % width
            for key in range(size):
                lines[to + key * wide[g]] = cells[cell_at[g] + s * size + key]


@_Loop
def _decide(x, code, kind, threshold, words, set_at, set_bits, out):  # type: ignore[no-untyped-def]
    """Write whether each row goes left at one node; no branch inside the loops: they vectorise."""
    if kind == 0:
        for r in range(len(out)):
            out[r] = np.uint8(x[r] <= threshold)
    elif kind == 1:
        for r in range(len(out)):
            out[r] = np.uint8(not (x[r] > threshold))
    elif kind == 4 and set_bits <= 64:
        word = np.uint64(words[set_at])
        if set_bits > 32:
            word |= np.uint64(words[set_at + 1]) << np.uint64(32)
        for r in range(len(out)):
            wide = np.uint64(code[r])
            inside = np.uint64(wide < np.uint64(64))
            out[r] = np.uint8((word >> (wide & np.uint64(63))) & inside)
    elif kind == 4:
        last = np.uint32(set_bits)
        own = words[set_at : set_at + set_bits // 32 + 1]
        for r in range(len(out)):
            c = code[r] if code[r] < last else last
            out[r] = np.uint8((own[c >> np.uint32(5)] >> (c & np.uint32(31))) & np.uint32(1))
    else:
        zero_left = kind == 3
        for r in range(len(out)):
            v = x[r]
            zero = not (abs(v) > 1.0000000180025095e-35)  # NaN too
            out[r] = np.uint8((zero & zero_left) | ((not zero) & (v <= threshold)))


@_Loop
def _code(v: float) -> Any:
    """Read a category as LightGBM does: cut to a whole number, -1 for NaN and what is negative."""
    return np.int64(v) if (v > -1.0) & (v < 2147483648.0) else np.int64(-1)


@_Loop
def _add_bits(bits, shift, key):  # type: ignore[no-untyped-def]
    """Put one decision into the keys of a block."""
    for r in range(len(key)):
        key[r] += np.uint16(np.uint16(bits[r]) << np.uint16(shift))


@_Loop
def _join_bits(bits, side, row):  # type: ignore[no-untyped-def]
    """And one condition into a conjunction."""
    for r in range(len(row)):
        row[r] &= np.uint8(bits[r] == side)


@_Loop
def _add_four(cells, c0, c1, c2, c3, k0, k1, k2, k3, sums):  # type: ignore[no-untyped-def]
    """Add four columns of cells to the sums of a block, in order, for one load and store."""
    for r in range(len(sums)):
        total = sums[r] + cells[np.uint64(c0) + np.uint64(k0[r])]
        total += cells[np.uint64(c1) + np.uint64(k1[r])]
        total += cells[np.uint64(c2) + np.uint64(k2[r])]
        sums[r] = total + cells[np.uint64(c3) + np.uint64(k3[r])]


@_Loop
def _add_one(cells, column, key, sums):  # type: ignore[no-untyped-def]
    """Add one column of cells to the sums of a block."""
    for r in range(len(sums)):
        sums[r] += cells[np.uint64(column) + np.uint64(key[r])]


@_Loop
def _sum_entries(cells, by_target, start, stop, keys, w, sums):  # type: ignore[no-untyped-def]
    """Add the look-ups from start to stop, all of one target, to the sums of a block."""
    entry_cell, entry_key = by_target.entry_cell, by_target.entry_key
    e = start
    while e + 4 <= stop:
        _add_four(
            cells,
            entry_cell[e],
            entry_cell[e + 1],
            entry_cell[e + 2],
            entry_cell[e + 3],
            keys[entry_key[e], :w],
            keys[entry_key[e + 1], :w],
            keys[entry_key[e + 2], :w],
            keys[entry_key[e + 3], :w],
            sums,
        )
        e += 4
    while e < stop:
        _add_one(cells, entry_cell[e], keys[entry_key[e], :w], sums)
        e += 1


@_Loop
def _explain_rows(X, start, stop, block, forest, by_set, tables, values, margin):  # type: ignore[no-untyped-def]
    """Explain rows start..stop, a block at a time: X is (columns, rows), values (rows, targets)."""
    groups, by_target, n_targets = tables.groups, tables.by_target, tables.n_targets
    x = np.zeros((len(X), block))
    sums = np.zeros((n_targets + 1, block))
    left = np.empty((tables.most_rows, block), np.uint8)
    codes = np.zeros((by_set.max() + 1, block), np.uint32)
    most = 1
    for c in range(len(by_target.chunk_at) - 1):
        first_tree, next_tree = by_target.chunk_at[c], by_target.chunk_at[c + 1]
        most = max(most, groups.group_at[next_tree] - groups.group_at[first_tree])
    keys = np.empty((most, block), np.uint16)
    for first in range(start, stop, block):
        n = min(block, stop - first)
        w = (n + 63) // 64 * 64
        sums[:] = 0.0
        for c in range(len(X)):
            x[c, :n] = X[c, first : first + n]
            if by_set[c] >= 0:
                for r in range(n):
                    codes[by_set[c], r] = np.uint32(_code(x[c, r]) & 0xFFFFFFFF)
        for chunk in range(len(by_target.chunk_at) - 1):
            first_group = groups.group_at[by_target.chunk_at[chunk]]
            for t in range(by_target.chunk_at[chunk], by_target.chunk_at[chunk + 1]):
                a, b = forest.node_at[t], forest.node_at[t + 1]
                for node in range(a, b):
                    c = forest.feature[node]
                    code, out = codes[max(by_set[c], 0), :w], left[node - a, :w]
                    kind, threshold = forest.kind[node], forest.threshold[node]
                    set_at, bits = forest.set_at[node], forest.set_bits[node]
                    _decide(x[c, :w], code, kind, threshold, forest.words, set_at, bits, out)
                for j in range(groups.joint_of[t], groups.joint_of[t + 1]):
                    row = left[b - a + j - groups.joint_of[t], :w]
                    row[:] = 1
                    for piece in range(groups.joint_at[j], groups.joint_at[j + 1]):
                        _join_bits(
                            left[groups.joint_node[piece] - a, :w], groups.joint_left[piece], row
                        )
                for g in range(groups.group_at[t], groups.group_at[t + 1]):
                    key = keys[g - first_group, :w]
                    key[:] = 0
                    for k in range(groups.row_at[g + 1] - groups.row_at[g]):
                        _add_bits(left[groups.rows[groups.row_at[g] + k], :w], k, key)
            for target in range(n_targets + 1):
                e = chunk * (n_targets + 1) + target
                a, b = by_target.entry_at[e], by_target.entry_at[e + 1]
                _sum_entries(tables.cells, by_target, a, b, keys, w, sums[target, :w])
        for r in range(n):
            margin[first + r] = sums[n_targets, r]
            for target in range(n_targets):
                values[first + r, target] = sums[target, r]


@_Loop
def _goes_left(v, kind, threshold, words, set_at, set_bits):  # type: ignore[no-untyped-def]
    """Decide one node for one value."""
    if kind == 0:
        return v <= threshold
    if kind == 1:
        return not (v > threshold)
    if kind == 4:
        c = _code(v)
        if c < 0 or c >= set_bits:
            return False
        return (words[set_at + (c >> 5)] >> np.uint32(c & 31)) & np.uint32(1) == 1
    if not (abs(v) > 1.0000000180025095e-35):  # NaN too
        return kind == 3
    return v <= threshold


@_Loop
def _decide_row(x, by_column, left):  # type: ignore[no-untyped-def]
    """Decide every node of one row, column by column; the loops over nodes vectorise."""
    first_set = len(by_column.threshold)
    for c in range(len(by_column.compare_at) - 1):
        v = x[c]
        a, b = by_column.compare_at[c], by_column.compare_at[c + 1]
        if np.isnan(v):
            left[a:b] = by_column.nan_left[a:b]
        else:
            for i in range(a, b):
                left[i] = np.uint8(v <= by_column.threshold[i])
        n = by_column.set_at[c + 1] - by_column.set_at[c]
        if n == 0:
            continue
        out = left[first_set + by_column.set_at[c] : first_set + by_column.set_at[c + 1]]
        code = _code(v)
        if code < 0 or code >> 5 >= by_column.n_words[c]:
            out[:] = 0
            continue
        at, shift = by_column.word_at[c] + (code >> 5) * n, np.uint32(code & 31)
        side = by_column.words[at : at + n]
        for i in range(n):
            out[i] = np.uint8((side[i] >> shift) & np.uint32(1))


@_Loop
def _explain_few(  # type: ignore[no-untyped-def]
    X, forest, by_column, by_line, joint_at, joint_left, n_targets, values, margin
):
    """Explain a few rows, (n, columns), one by one; sums are added in the order of the block."""
    first_odd, n_joints = len(by_column.threshold) + by_column.set_at[-1], len(joint_at) - 1
    n_conditions, n_groups = first_odd + len(by_column.odd), len(by_line.line_at) - 1
    left = np.zeros(n_conditions + n_joints + 1, np.uint8)
    sums, start_of = np.empty(n_targets + 1 + LINE), np.empty(NEAR, np.uint64)
    for r in range(len(X)):
        x = X[r]
        sums[:] = 0.0
        _decide_row(x, by_column, left)
        for k in range(len(by_column.odd)):
            i = by_column.odd[k]
            kind, threshold, v = forest.kind[i], forest.threshold[i], x[forest.feature[i]]
            set_at, bits = forest.set_at[i], forest.set_bits[i]
            left[first_odd + k] = _goes_left(v, kind, threshold, forest.words, set_at, bits)
        for j in range(n_joints):
            hold = np.uint8(1)
            for piece in range(joint_at[j], joint_at[j + 1]):
                hold &= np.uint8(left[by_column.joint_place[piece]] == joint_left[piece])
            left[n_conditions + j] = hold
        total = 0.0
        for first in range(0, n_groups, NEAR):
            stop = min(first + NEAR, n_groups)
            _find_lines(left, by_column, by_line, first, stop, start_of)
            for i in range(stop - first):  # nothing else here: many lines come at once
                total += by_line.lines[start_of[i]]
            if n_targets > 0:
                _add_lines(by_line, start_of, first, stop, sums)
        margin[r] = total
        values[r] = sums[:n_targets]


@_Loop
def _find_lines(left, by_column, by_line, first, stop, start_of):  # type: ignore[no-untyped-def]
    """Put the keys of some groups together and find where their cells begin."""
    for g in range(first, stop):
        key, bits = np.int64(0), np.uint64(by_column.octet_at[g])
        for k in range(OCTET):  # a loop of known length: no jump that the processor can miss
            key |= np.int64(left[np.uint64(by_column.bit_at[bits + np.uint64(k)])]) << k
        for k in range(OCTET, by_column.octet_at[g + 1] - by_column.octet_at[g]):
            key |= np.int64(left[np.uint64(by_column.bit_at[bits + np.uint64(k)])]) << k
        start_of[g - first] = by_line.line_at[g] + key * (
            by_line.place_at[g + 1] - by_line.place_at[g]
        )


@_Loop
def _add_lines(by_line, start_of, first, stop, sums):  # type: ignore[no-untyped-def]
    """Add the slots of some groups to the sums of their targets; the margin is left out."""
    for g in range(first, stop):
        at, place = start_of[g - first], np.uint64(by_line.place_at[g])
        for s in range(1, LINE):  # of known length, as above
            step = np.uint64(s)
            sums[np.uint64(by_line.places[place + step])] += by_line.lines[at + step]
        for s in range(LINE, by_line.place_at[g + 1] - by_line.place_at[g]):
            step = np.uint64(s)
            sums[np.uint64(by_line.places[place + step])] += by_line.lines[at + step]


@_Loop
def _walk_rows(X, start, stop, forest, margin):  # type: ignore[no-untyped-def]
    """Walk each tree for its margin: the same sums in the same order, at any depth."""
    for r in range(start, stop):
        total = 0.0
        for t in range(len(forest.node_at) - 1):
            a = forest.node_at[t]
            node = 0 if forest.node_at[t + 1] > a else -1
            while node >= 0:
                i = a + node
                kind, threshold, v = forest.kind[i], forest.threshold[i], X[forest.feature[i], r]
                set_at, bits = forest.set_at[i], forest.set_bits[i]
                goes = _goes_left(v, kind, threshold, forest.words, set_at, bits)
                node = forest.left[i] if goes else forest.right[i]
            total += forest.leaf_value[forest.leaf_at[t] - node - 1]
        margin[r] = total


def margins(forest: Forest, tables: LookUpTables | None, X: Floats, threads: int = 1) -> Floats:
    """Sum leaf values of each row of a design matrix; without tables, walk the trees."""
    if tables is not None:
        return look_up(forest, tables, X, threads)[1]
    columns = np.ascontiguousarray(X.T)
    margin = np.empty(len(X))
    walk_rows = _walk_rows.for_steps(_steps_to_walk(forest, len(X)))
    _in_parts(lambda a, b: walk_rows(columns, a, b, forest, margin), len(X), threads)
    return margin


def _steps_to_walk(forest: Forest, n: int) -> int:
    """Bound the steps of walking n rows through every tree: some four a node."""
    return 4 * n * len(forest.feature)


def look_up(
    forest: Forest, tables: LookUpTables, X: Floats, threads: int = 1
) -> tuple[Floats, Floats]:
    """Contributions (n, n_targets) and margins (n,) of a design matrix (n, columns), log-odds."""
    values, margin = np.empty((len(X), tables.n_targets)), np.empty(len(X))
    if len(X) < FEW:
        rows, joint = np.ascontiguousarray(X), (tables.groups.joint_at, tables.groups.joint_left)
        by_column, by_line = tables.by_column, tables.by_line
        _explain_few(rows, forest, by_column, by_line, *joint, tables.n_targets, values, margin)
        return values, margin
    columns = np.ascontiguousarray(X.T)
    by_set = np.full(max(X.shape[1], 1), -1, np.int64)
    chosen = np.unique(forest.feature[forest.kind == IN_SET])
    by_set[chosen] = np.arange(len(chosen))
    block = min(BLOCK, (len(X) + 63) // 64 * 64)

    def run(start: int, stop: int) -> None:
        _explain_rows(columns, start, stop, block, forest, by_set, tables, values, margin)

    _in_parts(run, len(X), threads)
    return values, margin


def _in_parts(run: Any, n: int, threads: int, least: int = 4096) -> None:
    """Run(start, stop) over n rows on several threads; the kernels release the lock."""
    parts = max(1, min(threads, n // least))
    if parts == 1:
        run(0, n)
        return
    edges = [n * i // parts for i in range(parts + 1)]
    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(run, edges[:-1], edges[1:]))


# --- few rows without the compiler ---------------------------------------------------------------


def lay_paths(forest: Forest, targets: Int32s, shares: Floats, n_targets: int) -> LeafPaths:
    """Lay out the paths of a forest for contributions to `n_targets` targets, as `build_tables`."""
    groups, _ = _plan_groups(forest, targets, shares, n_targets)
    width = np.diff(groups.leaf_from)
    group = np.repeat(np.arange(len(width)), width)
    tree = np.repeat(np.arange(forest.n_trees), np.diff(groups.group_at))[group]
    leaf = forest.leaf_at[tree] + groups.leaves
    node, left = _climb(forest, leaf)
    depth, n = node.shape
    column, length = np.full((depth, n), -1, np.int64), np.zeros(n, np.int64)
    z, place, below = np.ones((depth, n)), np.zeros((depth, n), np.int64), forest.leaf_count[leaf]
    for k in range(depth):
        lanes = np.flatnonzero(node[k] >= 0)
        at = node[k, lanes]
        asked = column[:, lanes] == forest.feature[at]
        here = np.where(asked.any(axis=0), asked.argmax(axis=0), length[lanes])
        column[here, lanes], place[k, lanes] = forest.feature[at], here
        length[lanes] = np.maximum(length[lanes], here + 1)
        z[here, lanes] *= below[lanes] / forest.node_count[at]
        below[lanes] = forest.node_count[at]
    value = forest.leaf_value[leaf]
    reached = value.copy()
    for i in range(depth):
        reached *= z[i]
    base = float(np.cumsum(reached)[-1])  # added one after the other, as are all sums below
    return LeafPaths(group, value, length, column, z, node, left, place, base)


def _climb(forest: Forest, leaf: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Climb from leaves to the root: nodes (steps, leaves), -1 beyond it, and whether left there.

    Nodes and leaves are counted over all trees, and have one row of numbers: nodes, then leaves.
    """
    n = len(forest.feature)
    tree = np.repeat(np.arange(forest.n_trees), np.diff(forest.node_at))
    child = np.stack([forest.left, forest.right]).astype(np.int64)
    in_all = np.where(child >= 0, forest.node_at[tree] + child, n + forest.leaf_at[tree] + ~child)
    parent = np.full(n + len(forest.leaf_value), -1, np.int64)
    parent[in_all] = np.arange(n)
    steps, sides, here = [], [], n + leaf
    above = parent[here]
    while bool((above >= 0).any()):
        steps.append(above)
        sides.append((above >= 0) & (in_all[0][above] == here))
        here = np.where(above >= 0, above, here)
        above = np.where(above >= 0, parent[here], -1)
    shape = (len(steps), len(leaf))
    return np.array(steps, np.int64).reshape(shape), np.array(sides, bool).reshape(shape)


@_Loop
def _decide_nodes(x, forest, left):  # type: ignore[no-untyped-def]
    """Decide every node of a forest for one row."""
    for i in range(len(left)):
        kind, threshold, v = forest.kind[i], forest.threshold[i], x[forest.feature[i]]
        set_at, bits = forest.set_at[i], forest.set_bits[i]
        left[i] = _goes_left(v, kind, threshold, forest.words, set_at, bits)


def explain_by_paths(
    forest: Forest, paths: LeafPaths, X: Floats, targets: Int32s, shares: Floats, n_targets: int
) -> tuple[Floats, Floats]:
    """Contributions (n, n_targets) and margins (n,), log-odds: the bits of `look_up`."""
    values, margin = np.zeros((len(X), n_targets)), np.zeros(len(X))
    goes_left = np.empty(len(forest.feature), bool)
    within = np.arange(len(paths.column))[:, np.newaxis] < paths.length
    given = within.T[:, :, np.newaxis] & (shares[paths.column.T] != 0.0)
    cell = (paths.group[:, np.newaxis, np.newaxis] * n_targets + targets[paths.column.T])[given]
    for r, x in enumerate(X):
        _decide_nodes.as_it_stands(x, forest, goes_left)
        holds = _conditions(paths, goes_left)
        parts = _parts_of_leaves(paths, holds)
        cells = np.zeros((int(paths.group[-1]) + 1, n_targets))
        each = parts.T[:, :, np.newaxis] * shares[paths.column.T]
        np.add.at(cells.reshape(-1), cell, each[given])
        values[r] = np.cumsum(cells, axis=0)[-1]
        margin[r] = np.cumsum(paths.value[holds.all(axis=0)])[-1]
    return values, margin


def _conditions(paths: LeafPaths, goes_left: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell for each column of each path whether all its conditions hold, (depth, leaves)."""
    holds = np.ones(paths.column.shape, bool)
    for node, left, place in zip(paths.node, paths.left, paths.place, strict=True):
        lanes = np.flatnonzero(node >= 0)
        holds[place[lanes], lanes] &= goes_left[node[lanes]] == left[lanes]
    return holds


def _parts_of_leaves(paths: LeafPaths, holds: NDArray[np.bool_]) -> Floats:
    """Give what each leaf gives to each column of its path, (depth, leaves)."""
    parts = np.zeros(holds.shape)
    for d in np.unique(paths.length[paths.length > 0]).tolist():
        lanes = np.flatnonzero(paths.length == d)
        z, o = paths.z[:d, lanes], holds[:d, lanes].astype(np.float64)
        share, poly, out = _subset_shares.as_it_stands(d), np.empty((d + 1, len(lanes))), z.copy()
        _leaf_parts.as_it_stands(d, z, o, paths.value[lanes], share, poly, out)
        parts[:d, lanes] = out
    return parts


# --- the scorer ----------------------------------------------------------------------------------

_TABLES: dict[str, LookUpTables | None] = {}  # by hash of forest and grouping; None: too deep
_MOST_TABLES = 8


class LeadScorer:
    """A whole model: feature frame in; margin, probability, score, band and contributions out.

    Built from parts and LightGBM texts, or read from an artifact folder by `load`. The margin of
    the look-up kernel is the canonical one: the same bits for any number of threads or grouping.
    """

    def __init__(
        self,
        parts: ModelParts,
        forest_text: Sequence[str] = (),
        *,
        threads: int = 1,
        trusted: bool = True,
    ) -> None:
        self.parts = parts
        self.threads = max(int(threads), 1)
        self.trusted = trusted  # False: LightGBM sees the text only after a probe in a subprocess
        self.features, self.encoders = parts.features, parts.encoders
        self.names = tuple(feature.name for feature in self.features)
        self.factors = tuple(dict.fromkeys(feature.factor for feature in self.features))
        self.forest_text = tuple(forest_text)
        self.card, self.calibration, self.meta = parts.card, parts.calibration, parts.meta
        self._terms = _terms_by_source(parts.linear.terms if parts.linear else ())
        self._constant = parts.offset + (parts.linear.intercept if parts.linear else 0.0)
        self.forest = self._read_forest()
        text = "\x00".join([*forest_text, repr(parts.forest)])
        self._hash = hashlib.sha256(text.encode()).hexdigest()
        self._keys: dict[str | None, str] = {}  # of the tables of a grouping
        self._paths: dict[str, LeafPaths] = {}  # of a grouping, where no tables were built

    @classmethod
    def load(cls, folder: str | Path, *, threads: int = 1) -> LeadScorer:
        """Read an artifact folder; every hash is checked before anything is parsed."""
        files = read_artifact(folder)
        parts = ModelParts.from_json(parse_json(files["parts.json"]))
        names = sorted(name for name in files if re.fullmatch(r"forest_\d+\.txt", name))
        texts = [files[name].decode() for name in names]
        return cls(parts, texts, threads=threads, trusted=False)

    def _read_forest(self) -> Forest | None:
        part = self.parts.forest
        if part is None:
            return None
        if part.count != len(self.forest_text):
            raise PredictorError(
                f"the model promises {part.count} forests, found {len(self.forest_text)}"
            )
        forest = read_forest(self.forest_text, part.weight)
        if forest.n_columns != len(self.encoders):
            raise PredictorError(
                f"the forest has {forest.n_columns} columns, the encoders {len(self.encoders)}"
            )
        return forest

    @cached_property
    def known_levels(self) -> Mapping[str, frozenset[str]]:
        """The levels of each category that have an effect of their own; others share one."""
        known: dict[str, set[str]] = {}
        for encoder in self.encoders:
            if isinstance(encoder, CodeEncoder):
                known.setdefault(encoder.source, set()).update(encoder.levels)
        for term in self.parts.linear.terms if self.parts.linear else ():
            if isinstance(term, LevelsTerm):
                known.setdefault(term.source, set()).update(term.coefs)
        return {source: frozenset(levels) for source, levels in known.items()}

    # frame -> numbers

    def check(self, frame: Frame) -> None:
        """Refuse a frame without the model's columns, of other kinds, or of another catalogue."""
        check_frame(frame, self.features)
        given = frame.fingerprint if isinstance(frame, Rows) else frame.attrs.get("fingerprint")
        wanted = self.meta.fingerprint
        if given and wanted and given != wanted:
            raise PredictorError("the frame was built by another catalogue (fingerprints differ)")

    def design(self, frame: Frame) -> Floats:
        """Encode a frame as the design matrix, (n, n_columns) float64, columns contiguous."""
        self.check(frame)
        return design_matrix(frame, self.encoders)

    def linear(self, frame: Frame) -> Floats:
        """Sum offset, intercept and linear terms, (n,) log-odds."""
        columns = columns_of(frame)
        total = np.full(len(frame), self._constant)
        for term in self._terms:
            total += term.values(columns)
        return total

    def margin(self, frame: Frame) -> Floats:
        """Compute the canonical margins, (n,) log-odds before calibration."""
        self.check(frame)
        total = self.linear(frame)
        if self.forest is not None:
            X = design_matrix(frame, self.encoders)
            few = not _compiler_pays(_steps_to_walk(self.forest, len(X)))
            total += margins(self.forest, None if few else self.tables(None), X, self.threads)
        return total

    def log_odds(self, margin: Floats) -> Floats:
        """Calibrate margins; still log-odds."""
        return calibrated_log_odds(self.calibration, margin)

    def score(self, frame: Frame) -> Scores:
        """Score a frame."""
        return self.score_margin(self.margin(frame))

    def score_margin(self, margin: Floats) -> Scores:
        """Turn margins into probabilities, scores and bands."""
        log_odds = self.log_odds(margin)
        low, high = interval(self.parts.intervals, margin, log_odds)
        exact = card_exact(self.card, log_odds)
        shown = shown_score(exact)
        probability = calibrate(self.calibration, margin)
        band = bands_of(self.card, shown)
        return Scores(margin, probability, low, high, exact, shown, band)

    # contributions

    def targets(self, by: str = "feature") -> tuple[str, ...]:
        """Name what contributions are given to: features of the frame or business factors."""
        if by not in ("feature", "factor"):
            raise PredictorError(f"contributions go by feature or factor, not by {by!r}")
        return self.names if by == "feature" else self.factors

    def _target_of(self, by: str) -> dict[str, int]:
        """Map each feature name to its target."""
        position = {name: i for i, name in enumerate(self.targets(by))}
        return {f.name: position[f.name if by == "feature" else f.factor] for f in self.features}

    def _shares(self, by: str | None) -> tuple[Int32s, Floats]:
        """Say where each design column's contribution goes: in even parts to what it is made of."""
        most = max([2, *(len(encoder.sources) for encoder in self.encoders)])
        targets = np.zeros((len(self.encoders), most), np.int32)
        shares = np.zeros((len(self.encoders), most))
        if by is None:
            return targets, shares
        target_of = self._target_of(by)
        for c, encoder in enumerate(self.encoders):
            for s, source in enumerate(encoder.sources):
                targets[c, s], shares[c, s] = target_of[source], 1.0 / len(encoder.sources)
        return targets, shares

    def _tables_key(self, by: str | None) -> str:
        grouping = json.dumps([by, [[f.name, f.factor] for f in self.features]])
        encoders = json.dumps([encoder.sources for encoder in self.encoders])
        text = f"{self._hash}{grouping}{encoders}"
        return self._keys.setdefault(by, hashlib.sha256(text.encode()).hexdigest())

    def tables(self, by: str | None) -> LookUpTables | None:
        """Build the look-up tables of a grouping (None: margins only), or find them by hash."""
        if self.forest is None:
            return None
        key = self._keys.get(by) or self._tables_key(by)
        if key not in _TABLES:
            while len(_TABLES) >= _MOST_TABLES:
                _TABLES.pop(next(iter(_TABLES)))
            targets, shares = self._shares(by)
            n_targets = len(self.targets(by)) if by else 0
            try:
                _TABLES[key] = build_tables(self.forest, targets, shares, n_targets)
            except PathTooLongError as error:
                LOG.warning("no look-up tables, LightGBM's pred_contrib answers: %s", error)
                _TABLES[key] = None
        return _TABLES[key]

    def _paths_for(self, by: str, rows: int) -> LeafPaths | None:
        """Lay out the paths of the leaves, where so few rows don't pay for compiled tables."""
        forest = cast("Forest", self.forest)
        steps = 16 * rows * len(forest.feature)
        if (self._keys.get(by) or self._tables_key(by)) in _TABLES or _compiler_pays(steps):
            return None
        _Loop.steps_uncompiled += steps
        if by not in self._paths:
            grouping = (*self._shares(by), len(self.targets(by)))
            try:
                self._paths[by] = lay_paths(forest, *grouping)
            except PathTooLongError:
                return None
        return self._paths[by]

    def base(self, by: str = "factor") -> float:
        """Give the margin of the typical lead: the mean over training rows."""
        total = self._constant + sum(term.mean for term in self._terms)
        if self.forest is not None:
            answers = self._paths_for(by, 0) or self.tables(by)
            total += self._slow_base() if answers is None else answers.base
        return total

    def contributions(self, frame: Frame, by: str = "feature") -> Contributions:
        """Explain every row exactly: base + values.sum(axis=1) = margin, asserted."""
        self.check(frame)
        columns = columns_of(frame)
        names, target_of = self.targets(by), self._target_of(by)
        values, margin = np.zeros((len(frame), len(names))), np.full(len(frame), self._constant)
        trees = np.zeros(len(frame))
        if self.forest is not None:
            values, trees = self._explain(design_matrix(columns, self.encoders), by)
        for term in self._terms:
            value = term.values(columns)
            margin += value
            values[:, target_of[term.source]] += value - term.mean
        margin += trees
        return Contributions(names, values, self.base(by), margin)

    def _explain(self, X: Floats, by: str) -> tuple[Floats, Floats]:
        """Give contributions and margins of the forest; by pred_contrib where sums do not agree."""
        forest = cast("Forest", self.forest)
        paths = self._paths_for(by, len(X))
        tables = None if paths else self.tables(by)
        if paths is not None:
            grouping = (*self._shares(by), len(self.targets(by)))
            base, values, margin = paths.base, *explain_by_paths(forest, paths, X, *grouping)
        elif tables is not None:
            base, values, margin = tables.base, *look_up(forest, tables, X, self.threads)
        else:
            return self._slow_values(X, by), margins(forest, self.tables(None), X, self.threads)
        off = np.abs(base + values.sum(axis=1) - margin)
        if bool((off > 1e-9 * (1.0 + np.abs(margin))).any()):
            LOG.error("contributions miss the margin by %g; pred_contrib answers", off.max())
            values = self._slow_values(X, by)
        return values, margin

    # LightGBM's own way, for what the tables cannot hold

    @property
    def _tree_weight(self) -> float:
        return self.parts.forest.weight if self.parts.forest else 0.0

    def _slow_values(self, X: Floats, by: str) -> Floats:
        each = [self._pred_contrib(text, X) for text in self.forest_text]
        contributions = np.sum(each, axis=0)
        targets, shares = self._shares(by)
        spread = np.zeros((X.shape[1], len(self.targets(by))))
        for s in range(shares.shape[1]):
            np.add.at(spread, (np.arange(X.shape[1]), targets[:, s]), shares[:, s])
        return cast("Floats", self._tree_weight * (contributions[:, :-1] @ spread))

    def _slow_base(self) -> float:
        row = np.zeros((1, len(self.encoders)))
        return self._tree_weight * sum(
            float(self._pred_contrib(text, row)[0, -1]) for text in self.forest_text
        )

    def _pred_contrib(self, text: str, X: Floats) -> Floats:
        import lightgbm

        if not self.trusted:
            probe(text)
        booster = lightgbm.Booster(model_str=text)
        raw = booster.predict(X, pred_contrib=True, num_threads=self.threads)
        if "\naverage_output\n" in text:  # LightGBM leaves the average out of contributions
            raw = np.asarray(raw) / booster.num_trees()
        return np.asarray(raw, np.float64)


# --- artifact folder -----------------------------------------------------------------------------

MANIFEST = "manifest.json"
MOST_BYTES = 1 << 30


def read_artifact(folder: str | Path) -> dict[str, bytes]:
    """Read every file of an artifact folder after its sha256 has been compared with the manifest.

    Raises PredictorError on a missing, changed or unknown file, a link, or a name that leaves the
    folder. Nothing is parsed before its hash is right; nothing is executed or unpickled.
    """
    root = Path(folder)
    if root.is_symlink() or not root.is_dir():
        raise PredictorError(f"{root.name}: no artifact folder")
    promised = _read_manifest(root)
    present = {path.name for path in root.iterdir()} - {MANIFEST, "__pycache__"}
    unknown = sorted(present - set(promised))
    if unknown:
        raise PredictorError(f"{unknown[0]}: unknown file in the artifact, refused")
    files: dict[str, bytes] = {}
    for name, digest in promised.items():
        files[name] = _read_file(root, name)
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise PredictorError(f"{name}: does not match the sha256 in {MANIFEST}")
    return files


def _read_manifest(root: Path) -> dict[str, str]:
    manifest = parse_json(_read_file(root, MANIFEST))
    if manifest.get("format") != FORMAT:
        raise PredictorError(f"{MANIFEST}: format {manifest.get('format')!r}, expected {FORMAT}")
    files = manifest.get("files")
    if not isinstance(files, dict) or "parts.json" not in files:
        raise PredictorError(f"{MANIFEST}: lists no parts.json")
    for name, digest in files.items():
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name) or name == MANIFEST:
            raise PredictorError(f"{MANIFEST}: refused file name {name[:100]!r}")
        if not isinstance(digest, str):
            raise PredictorError(f"{MANIFEST}: {name} has no sha256")
    return files


def _read_file(root: Path, name: str) -> bytes:
    path = root / name
    if path.is_symlink() or not path.is_file():
        raise PredictorError(f"{name}: missing from the artifact, or a link")
    if path.stat().st_size > MOST_BYTES:
        raise PredictorError(f"{name}: larger than 1 GB")
    return path.read_bytes()


def parse_json(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object; nesting deeper than 64 is refused before the parser sees it."""
    depth = deepest = 0
    for mark in re.findall(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', raw):
        depth += 1 if mark in (b"[", b"{") else -1 if mark in (b"]", b"}") else 0
        deepest = max(deepest, depth)
    if deepest > 64:
        raise PredictorError("JSON nested deeper than 64")
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise PredictorError(f"no valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise PredictorError("expected a JSON object")
    return value


_PROBED: set[str] = set()


def probe(text: str) -> None:
    """Let LightGBM read and run a foreign text in a subprocess: a bad one kills or aborts it."""
    import subprocess

    digest = hashlib.sha256(text.encode()).hexdigest()
    if digest in _PROBED:
        return

    program = (
        "import sys, lightgbm as l, numpy as n; b = l.Booster(model_str=sys.stdin.read());"
        "b.predict(n.zeros((2, b.num_feature())), pred_contrib=True)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], input=text.encode(), capture_output=True, check=False
    )
    if done.returncode != 0:
        raise PredictorError(f"LightGBM cannot read this model (exit {done.returncode})")
    _PROBED.add(digest)
