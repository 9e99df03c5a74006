"""Columns as pandas, Parquet, JSON or a database give them -> Arrow columns of few kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

PLAIN: Final = frozenset({pa.string(), pa.int64(), pa.float64(), pa.bool_()})
"""The kinds of columns that are read as texts, numbers or flags."""


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
    try:
        return plain_column(pa.chunked_array([pa.Array.from_pandas(series)]))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        texts = series.astype(object).where(series.notna(), None)
        return pa.chunked_array([[None if v is None else str(v) for v in texts]], pa.string())


def column_of_values(values: list[object]) -> pa.ChunkedArray:
    """Turn the values of a database column into Arrow; a mixed one becomes text."""
    try:
        return plain_column(pa.chunked_array([pa.array(values)]))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        texts = [None if value is None else str(value) for value in values]
        return pa.chunked_array([texts], pa.string())


def plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Bring dictionaries, decimals and narrow types to string, int64, float64, time or bool.

    Bytes are text where they are UTF-8; what is none of these stays as it is.
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return plain_column(column.cast(kind.storage_type))
    if _is_bytes(kind):
        try:
            return column.cast(pa.string())
        except pa.ArrowInvalid:
            return column
    if pa.types.is_dictionary(kind):
        return plain_column(column.cast(kind.value_type))
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
