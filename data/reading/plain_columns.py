"""Columns as pandas, Parquet, JSON or a database give them -> Arrow columns of few kinds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

PLAIN: Final = frozenset({pa.string(), pa.int64(), pa.float64(), pa.bool_()})
"""The kinds of columns that are read as texts, numbers or flags."""
_OF_NO_KIND: Final = (
    *(pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError),
    OverflowError,
)
"""What Arrow raises for values that are not of one kind."""


def plain_table(table: pa.Table) -> pa.Table:
    """Bring the columns of an Arrow table to the kinds that pandas or a file would give."""
    columns = [plain_column(column) for column in table.columns]
    return pa.table(
        [
            pc.if_else(pc.is_nan(each), None, each) if pa.types.is_floating(each.type) else each
            for each in columns
        ],
        names=table.column_names,
    )


def table_of_rows(rows: Sequence[Mapping[str, object]], columns: Sequence[str] = ()) -> pa.Table:
    """Take rows as JSON gives them, with these `columns` even where no row has them.

    A key that a row lacks is missing; a column of mixed values becomes text.
    """
    names = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    columns = [column_of_values([row.get(name) for row in rows]) for name in names]
    return pa.table(columns, names=names)


def are_missing(texts: pa.ChunkedArray, words: Sequence[str]) -> pa.ChunkedArray:
    """Mark the texts that are one of the missing words, also with blanks around it, or null."""
    found = pc.is_in(pc.utf8_trim_whitespace(texts), value_set=pa.array(words, pa.string()))
    return pc.or_(found, pc.is_null(texts))


def column_of_series(series: pd.Series) -> pa.ChunkedArray:
    """Turn a pandas column into Arrow; a mixed one becomes text, value by value."""
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        utc = series.dt.tz_convert("UTC").dt.tz_localize(None).dt.as_unit("us")
        moments = pa.Array.from_pandas(utc.to_numpy(), type=pa.timestamp("us"))
        return pa.chunked_array([moments.cast(pa.timestamp("us", "UTC"))])
    if series.dtype != object or not _are_mixed_moments(series):
        with suppress(*_OF_NO_KIND):
            return plain_column(pa.chunked_array([pa.Array.from_pandas(series)]))
    return _as_words(series.astype(object).where(series.notna(), None))


def column_of_values(values: list[object]) -> pa.ChunkedArray:
    """Turn the values of a database column into Arrow; a mixed one becomes text."""
    if not _are_mixed_moments(values):
        with suppress(*_OF_NO_KIND):
            return plain_column(pa.chunked_array([pa.array(values)]))
    return _as_words(values)


def _as_words(values: Iterable[object]) -> pa.ChunkedArray:
    """Write values as texts, None where there is none."""
    return pa.chunked_array([[None if v is None else str(v) for v in values]], pa.string())


def _are_mixed_moments(values: Iterable[object]) -> bool:
    """Tell whether dates, times and times with a UTC offset stand in one column.

    Arrow would take them all for what the first one is: 23:05 becomes midnight.
    """
    kinds = set()
    for value in values:
        if value is None or value is pd.NaT:
            continue
        if not isinstance(value, date):
            return False
        kinds.add((isinstance(value, datetime), getattr(value, "tzinfo", None) is not None))
    return len(kinds) > 1


def plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Bring dictionaries, decimals and narrow types to string, int64, float64, time or bool.

    Bytes are text where they are UTF-8, and so are whole decimals of more digits than int64 has;
    what is none of these stays as it is.
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return _as_words(column.to_pylist())
        return plain_column(column.cast(kind.storage_type))
    if _is_bytes(kind):
        try:
            return column.cast(pa.string())
        except pa.ArrowInvalid:
            return column
    if pa.types.is_dictionary(kind):
        return plain_column(column.cast(kind.value_type))
    if pa.types.is_decimal(kind) and kind.scale <= 0:  # ids: a float64 holds 15 of their digits
        try:
            return column.cast(pa.int64())
        except pa.ArrowInvalid:
            return column.cast(pa.string())
    if pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        return column.cast(pa.float64())
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_null(kind):
        return column.cast(pa.string())
    if pa.types.is_integer(kind) and not pa.types.is_uint64(kind):
        return column.cast(pa.int64())
    return column


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )
