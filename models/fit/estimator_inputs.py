"""What scikit-learn's tools hand to the estimator -> frames, weights and groups of a fit."""

from __future__ import annotations

from collections.abc import Collection
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight

from data.errors import ArgumentError
from models.predictor import Floats


def weights_of(sample_weight: Any, frame: pd.DataFrame) -> Floats | None:
    """Check the weights of rows: (n,) from 0 on; one number is that of every row.

    Those that sum to 1 or less are shares, which leave no evidence: their mean becomes 1.
    """
    if sample_weight is None:
        return None
    given = sample_weight if isinstance(sample_weight, Number) else np.asarray(sample_weight)
    checked: Floats = _check_sample_weight(given, frame, dtype=np.float64, ensure_non_negative=True)
    total, counting = float(checked.sum()), int((checked > 0).sum())
    return checked * (counting / total) if 0 < total <= 1 + 1e-9 < counting else checked


def rows_of(name: str, values: Any, n: int, seen: NDArray[np.bool_]) -> NDArray[Any] | None:
    """Take what goes along with the rows, of those that count; ArgumentError if it doesn't fit."""
    if values is None:
        return None
    array = np.asarray(values)
    if len(array) != n:
        raise ArgumentError(f"X has {n} rows, {name} has {len(array)}")
    if array.dtype == object and any(value is None for value in array):
        raise ArgumentError(f"{name} is missing in some rows", cure="give every row its own")
    return array[seen]


def plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Give every column a name and a dtype that the predictor reads: numbers, or words."""
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        raise ArgumentError("column names are not unique")
    plain = frame.set_axis(names, axis=1)
    dated = [n for n in names if pd.api.types.is_datetime64_any_dtype(plain[n].dtype)]
    return plain.assign(**{name: _moments_as_words(plain[name]) for name in dated})


def _moments_as_words(column: pd.Series[Any]) -> pd.Series[Any]:
    """Write moments in one way, whatever other moments stand beside them."""
    words: pd.Series[Any] = column.dt.strftime("%Y-%m-%dT%H:%M:%S.%f%z").astype(object)
    return words.mask(column.isna(), None)


def frame_of_objects(
    array: NDArray[np.object_], categories: Collection[int] = frozenset()
) -> pd.DataFrame:
    """Lay out an array of objects: columns that hold words are categories, all else is numbers.

    The columns of a fitted model's `categories` are that in any batch, with words in it or without.
    """
    missing = np.asarray(pd.isna(array), dtype=bool)
    columns: dict[str, pd.Series[Any]] = {}
    for j, (values, gaps) in enumerate(zip(array.T, missing.T, strict=True)):
        if j in categories or any(isinstance(value, str) for value in values[~gaps]):
            columns[f"x{j}"] = pd.Series(values).mask(gaps, None)
        else:
            columns[f"x{j}"] = pd.Series(values).mask(gaps, np.nan).astype(np.float64)
    return pd.DataFrame(columns)
