"""A table of any library in memory -> pandas, or Arrow as the reader of sources takes it."""

from __future__ import annotations

from typing import Any, TypeAlias

import narwhals as nw
import pandas as pd
import pyarrow as pa
from narwhals.typing import IntoDataFrame

from data.errors import InputError
from data.reading.plain_columns import plain_table
from data.reading.sources import Given

AnyFrame: TypeAlias = IntoDataFrame
"""A table in memory: pandas, polars, Arrow, or another that narwhals knows."""


def as_given(frame: Any, label: str) -> Given:
    """Take a table as a source: pandas as it is, all others through Arrow.

    An index that has a name is a column like the others. InputError where it is no table.
    """
    if isinstance(frame, pd.DataFrame):
        names = [name for name in frame.index.names if name is not None]
        return frame.reset_index() if names and not set(names) & set(frame.columns) else frame
    table = _arrow_of(frame)
    if table is None:
        raise InputError(
            f"is no table in memory but {type(frame).__name__}",
            argument=label,
            cure="give a pandas, polars or Arrow table; collect what is lazy",
        )
    return table


def as_pandas(frame: Any) -> pd.DataFrame | None:
    """Take a table as pandas: numbers, texts and moments as pandas has them; None for no table."""
    if isinstance(frame, pd.DataFrame):
        return frame
    table = _arrow_of(frame)
    return None if table is None else table.to_pandas()


def _arrow_of(frame: Any) -> pa.Table | None:
    try:
        return plain_table(nw.from_native(frame, eager_only=True).to_arrow())
    except TypeError:
        return None
