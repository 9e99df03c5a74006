"""Columns of any origin -> Arrow arrays in which null means unknown, and their comparison.

Numbers are float64, texts large strings, truths booleans, moments UTC microseconds. A column of
one row broadcasts against any other.
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

_TEXT: Final = pa.large_string()
_MOMENT: Final = pa.timestamp("us", "UTC")
_YES: Final = pa.array(["true", "t", "yes", "y", "1"], _TEXT)
_NO: Final = pa.array(["false", "f", "no", "n", "0", ""], _TEXT)
_COMPARISONS: Final = {
    "=": "equal",
    "<>": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}
_WILD: Final = {"%": ".*", "_": "."}


Scalar = float | str | bool | None


def constant(value: Scalar) -> pa.Array:
    """Make a column of one row."""
    return pa.array([value], _TEXT if isinstance(value, str) else None)


def read_column(raw: object) -> pa.Array:
    """Read a pandas or numpy column: numbers, yes and no, moments, or text."""
    series = (
        raw if isinstance(raw, pd.Series) else pd.Series(raw, dtype=getattr(raw, "dtype", None))
    )
    if isinstance(series.dtype, pd.CategoricalDtype):
        levels, codes = series.cat.categories.to_series(), series.cat.codes.to_numpy()
        if levels.empty:
            return pa.nulls(len(codes))
        return read_column(levels).take(pa.array(codes, mask=codes < 0))
    if pd.api.types.is_bool_dtype(series.dtype):
        return pa.array(series, pa.bool_(), from_pandas=True)
    if pd.api.types.is_numeric_dtype(series.dtype):
        return _from_numbers(series)
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return _from_moments(series)
    return _read_objects(series)


def _from_numbers(series: pd.Series[Any]) -> pa.Array:
    return pa.array(series.to_numpy(dtype=np.float64, na_value=np.nan), from_pandas=True)


def _from_moments(series: pd.Series[Any]) -> pa.Array:
    moments = pd.to_datetime(series, utc=True).dt.tz_convert(None).dt.as_unit("us")
    return pa.array(moments, _MOMENT, from_pandas=True)


def _read_objects(series: pd.Series[Any]) -> pa.Array:
    """Tell numbers, truth values and moments kept as objects from text."""
    inferred = pd.api.types.infer_dtype(series, skipna=True)
    if inferred == "empty":
        return pa.nulls(len(series))
    if inferred == "boolean":
        return pa.array(series, pa.bool_(), from_pandas=True)
    if inferred in ("integer", "floating", "mixed-integer-float", "decimal"):
        return _from_numbers(series)
    if inferred in ("datetime", "datetime64", "date"):
        return _from_moments(series)
    try:
        return pa.array(series, _TEXT, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):  # of several kinds, or no text
        texts = (str(value).encode("utf-8", "replace").decode() for value in series)
        known = series.notna()
        return pa.array([t if k else None for t, k in zip(texts, known, strict=True)], _TEXT)


def call(kernel: str, *columns: pa.Array) -> pa.Array:
    """Call one of Arrow's functions on columns of n rows or one; null where an operand is null."""
    result = pc.call_function(kernel, [each[0] if len(each) == 1 else each for each in columns])
    return pa.repeat(result, 1) if isinstance(result, pa.Scalar) else result


def to_number(column: pa.Array) -> pa.Array:
    """Read as numbers; TypeError where a text column holds none."""
    if types.is_timestamp(column.type):
        raise TypeError("a moment is no number")
    if not types.is_large_string(column.type):
        return column.cast(pa.float64())
    numbers = _from_numbers(pd.to_numeric(column.to_pandas(), errors="coerce"))
    if numbers.null_count == len(column) > column.null_count:
        raise TypeError(f"text such as {_example(column)!r} is no number")
    return numbers


def to_truth(column: pa.Array) -> pa.Array:
    """Read as yes or no; TypeError where the values say neither."""
    if types.is_timestamp(column.type):
        raise TypeError("a moment is neither true nor false; compare it or ask `is known`")
    if not types.is_large_string(column.type):
        return column.cast(pa.bool_())
    words = pc.utf8_lower(pc.utf8_trim_whitespace(column))
    yes = pc.is_in(words, value_set=_YES)
    odd = words.filter(pc.invert(pc.or_(yes, pc.is_in(words, value_set=_NO)))).drop_null()
    if len(odd):
        raise TypeError(
            f"{_example(odd)!r} is neither true nor false; compare it with = or ask `is known`"
        )
    return pc.if_else(column.is_valid(), yes, None)


def to_moment(column: pa.Array) -> pa.Array:
    """Read texts as ISO moments, UTC where they name no zone."""
    if types.is_timestamp(column.type):
        return column
    if not types.is_large_string(column.type):
        raise TypeError("a moment is compared with a quoted date such as '2026-01-31'")
    try:
        return _from_moments(pd.to_datetime(column.to_pandas(), utc=True, format="ISO8601"))
    except ValueError:
        raise TypeError(f"{_example(column)!r} is no date; write it as '2026-01-31'") from None


def _example(column: pa.Array) -> str:
    """Show the first text that is known."""
    return str(column.drop_null()[0])[:40]


def compare(left: pa.Array, right: pa.Array, operator: str) -> pa.Array:
    """Compare two columns; texts with texts, otherwise as numbers, truths or moments."""
    kinds = (left.type, right.type)
    if any(map(types.is_null, kinds)):
        return pa.nulls(max(len(left), len(right)), pa.bool_())
    for is_kind, read in (
        (types.is_timestamp, to_moment),
        (types.is_floating, to_number),
        (types.is_boolean, to_truth),
    ):
        if any(map(is_kind, kinds)):
            left, right = read(left), read(right)
            break
    return call(_COMPARISONS[operator], left, right)


def matches(column: pa.Array, pattern: str, *, fold: bool) -> pa.Array:
    """Match whole texts against SQL's pattern: % is any text, _ one character, all else literal.

    `fold` compares both in lower case. RE2 never backtracks, however hostile the pattern.
    """
    if types.is_null(column.type):
        return pa.nulls(len(column), pa.bool_())
    if not types.is_large_string(column.type):
        raise TypeError("only text is matched with `like`")
    if fold:
        column, pattern = pc.utf8_lower(column), pc.utf8_lower(pa.scalar(pattern)).as_py()
    inside = "".join(_WILD.get(sign) or re.escape(sign) for sign in pattern.strip("%"))
    start = "" if pattern.startswith("%") else r"\A"  # a search from anywhere is the fastest
    end = "" if pattern.endswith("%") else r"\z"
    return pc.match_substring_regex(column, f"(?s){start}{inside}{end}")
