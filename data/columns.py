"""Columns of any origin -> values with a mask of what is known, compared kind by kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Kind = Literal["number", "text", "truth", "time", "nothing"]

Scalar = float | str | bool | None

_YES: Final = frozenset(("true", "t", "yes", "y", "1"))
_NO: Final = frozenset(("false", "f", "no", "n", "0", ""))


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one kind, (n,) or (1,), and where they are known.

    number is float64, text object (str), truth bool, time int64 microseconds UTC.
    """

    kind: Kind
    values: NDArray[Any]
    known: NDArray[np.bool_]


def constant(value: Scalar) -> Column:
    """Make a column of one row that broadcasts against any other."""
    there = np.ones(1, dtype=bool)
    if value is None:
        return Column("nothing", np.zeros(1), ~there)
    if isinstance(value, bool):
        return Column("truth", np.array([value]), there)
    if isinstance(value, str):
        return Column("text", np.array([value], dtype=object), there)
    return Column("number", np.array([float(value)]), there)


def read_column(raw: object) -> Column:
    """Read a pandas or numpy column: numbers, yes and no, moments, or text."""
    series = raw if isinstance(raw, pd.Series) else pd.Series(raw)
    known = series.notna().to_numpy(dtype=bool)
    if isinstance(series.dtype, pd.CategoricalDtype):
        return _read_categories(series, known)
    if pd.api.types.is_bool_dtype(series.dtype):
        return Column("truth", series.fillna(False).to_numpy(dtype=bool), known)
    if pd.api.types.is_numeric_dtype(series.dtype):
        return Column("number", series.to_numpy(dtype=np.float64, na_value=np.nan), known)
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        moments = pd.to_datetime(series, utc=True).dt.as_unit("us")
        return Column("time", moments.astype("int64").to_numpy(), known)
    return _read_objects(series, known)


def _read_categories(series: pd.Series[Any], known: NDArray[np.bool_]) -> Column:
    """Read each level once and spread it over the rows."""
    levels = read_column(pd.Series(series.cat.categories))
    codes = np.where(known, series.cat.codes.to_numpy(), 0)
    if len(levels.values) == 0:
        return Column("nothing", np.zeros(len(series)), known)
    return Column(levels.kind, levels.values[codes], known)


def _read_objects(series: pd.Series[Any], known: NDArray[np.bool_]) -> Column:
    """Tell numbers and truth values kept as objects from text."""
    inferred = pd.api.types.infer_dtype(series[known], skipna=True)
    if inferred == "empty":
        return Column("nothing", np.zeros(len(series)), known)
    if inferred == "boolean":
        return Column("truth", np.where(known, series.to_numpy(), False).astype(bool), known)
    if inferred in ("integer", "floating", "mixed-integer-float", "decimal"):
        return Column(
            "number", np.where(known, series.to_numpy(), np.nan).astype(np.float64), known
        )
    if inferred in ("datetime", "datetime64", "date"):
        return read_column(pd.to_datetime(series, utc=True))
    values = np.empty(len(series), dtype=object)
    values[:] = [str(value) if there else "" for value, there in zip(series, known, strict=True)]
    return Column("text", values, known)


def to_number(column: Column) -> Column:
    """Read as numbers; TypeError where a text column holds none."""
    if column.kind == "number":
        return column
    if column.kind == "nothing":
        return Column(
            "number", np.zeros(len(column.known)), np.zeros(len(column.known), dtype=bool)
        )
    if column.kind == "time":
        raise TypeError("a moment is no number")
    raw = pd.Series(column.values)
    numbers = pd.to_numeric(raw, errors="coerce").to_numpy(dtype=np.float64)
    known = column.known & ~np.isnan(numbers)
    if column.known.any() and not known.any():
        raise TypeError(f"text such as {str(raw[column.known].iloc[0])[:40]!r} is no number")
    return Column("number", np.where(known, numbers, 0.0), known)


def to_truth(column: Column) -> Column:
    """Read as yes or no; TypeError where the values say neither."""
    if column.kind == "truth":
        return column
    if column.kind == "number":
        return Column("truth", column.values != 0, column.known)
    if column.kind == "nothing":
        return Column("truth", np.zeros(len(column.known), dtype=bool), np.zeros_like(column.known))
    if column.kind == "time":
        raise TypeError("a moment is neither true nor false; compare it or ask `is known`")
    words = [str(value).strip().lower() for value in column.values]
    yes = np.array([word in _YES for word in words], dtype=bool)
    no = np.array([word in _NO for word in words], dtype=bool)
    odd = column.known & ~yes & ~no
    if odd.any():
        example = words[int(np.flatnonzero(odd)[0])][:40]
        raise TypeError(
            f"{example!r} is neither true nor false; compare it with = or ask `is known`"
        )
    return Column("truth", yes, column.known)


def compare(left: Column, right: Column, operator: str) -> Column:
    """Compare two columns; texts with texts, otherwise as numbers, truths or moments."""
    kinds = {left.kind, right.kind}
    if "nothing" in kinds:
        known = np.zeros(np.broadcast_shapes(left.known.shape, right.known.shape), dtype=bool)
        return Column("truth", known, known)
    if "time" in kinds:
        left, right = _to_time(left), _to_time(right)
    elif "number" in kinds:
        left, right = to_number(left), to_number(right)
    elif "truth" in kinds:
        left, right = to_truth(left), to_truth(right)
    first, second = np.broadcast_arrays(left.values, right.values)
    outcome = {
        "=": np.equal,
        "<>": np.not_equal,
        "<": np.less,
        "<=": np.less_equal,
        ">": np.greater,
        ">=": np.greater_equal,
    }[operator](first, second)
    return Column("truth", np.asarray(outcome, dtype=bool), left.known & right.known)


def _to_time(column: Column) -> Column:
    """Read texts as ISO moments, UTC where they name no zone."""
    if column.kind == "time":
        return column
    if column.kind != "text":
        raise TypeError("a moment is compared with a quoted date such as '2026-01-31'")
    try:
        moments = pd.to_datetime(
            pd.Series(column.values).where(column.known), utc=True, format="ISO8601"
        )
    except ValueError:
        example = str(column.values[0])[:40]
        raise TypeError(f"{example!r} is no date; write it as '2026-01-31'") from None
    known = column.known & moments.notna().to_numpy(dtype=bool)
    return Column("time", moments.dt.as_unit("us").astype("int64").to_numpy(), known)


def matches(column: Column, pattern: str, *, fold: bool) -> Column:
    """Match texts against SQL's pattern: % is any text, _ one character."""
    if column.kind == "nothing":
        return Column("truth", np.zeros(len(column.known), dtype=bool), column.known)
    if column.kind != "text":
        raise TypeError("only text is matched with `like`")
    flags = re.DOTALL | (re.IGNORECASE if fold else 0)
    pieces = [re.compile(re.escape(piece).replace("_", "."), flags) for piece in pattern.split("%")]
    last_length = len(pattern.rsplit("%", 1)[-1])
    unique, codes = np.unique(column.values.astype(str), return_inverse=True)
    hits = np.array([_fits(str(text), pieces, last_length) for text in unique], dtype=bool)
    return Column("truth", hits[codes.reshape(-1)], column.known)


def _fits(text: str, pieces: list[re.Pattern[str]], last_length: int) -> bool:
    """Place the pieces one after the other, leftmost first: no backtracking, however hostile."""
    if len(pieces) == 1:
        return pieces[0].fullmatch(text) is not None
    first = pieces[0].match(text)
    if first is None:
        return False
    position = first.end()
    for piece in pieces[1:-1]:
        found = piece.search(text, position)
        if found is None:
            return False
        position = found.end()
    tail = len(text) - last_length
    return tail >= position and pieces[-1].fullmatch(text, tail) is not None
