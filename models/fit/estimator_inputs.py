"""What scikit-learn's tools hand to the estimator -> frames, weights and groups of a fit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _check_sample_weight,
    validate_data,
)

from data.errors import ArgumentError
from data.reading.any_table import as_pandas
from models.predictor import FeatureColumn, Floats


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


def frame_of_rows(model: Any, X: Any, features: Sequence[FeatureColumn] | None) -> pd.DataFrame:
    """Lay the rows of a table or an array out as the predictor reads them.

    `features` are those that the estimator `model` was fitted on; None where it is to be fitted on
    these rows, whose columns it then takes down. Columns go by their names where they and those
    fitted on have names of their own, else by position.
    """
    reset, table, named = features is None, as_pandas(X), False
    if table is not None and len(table) and table.shape[1]:
        named = all(isinstance(name, str) for name in table.columns)
        _check_n_features(model, table, reset=reset)
        _check_feature_names(model, table, reset=reset)
        frame = _plain_frame(table)
    else:
        of_objects = isinstance(X, np.ndarray) and X.dtype.kind == "O"
        kind = None if of_objects else np.float64
        array = validate_data(model, X, reset=reset, dtype=kind, ensure_all_finite="allow-nan")
        words = {j for j, each in enumerate(features or ()) if each.kind == "category"}
        frame = _frame_of_objects(array, words) if of_objects else pd.DataFrame(array)
        frame = frame.add_prefix("x")
    if features is None:
        return frame
    names = model.get_feature_names_out()
    by_name = named and hasattr(model, "feature_names_in_") and set(names) == set(frame.columns)
    return frame if by_name else frame.set_axis(names, axis=1)


def of_fitted_kinds(frame: pd.DataFrame, features: Sequence[FeatureColumn]) -> pd.DataFrame:
    """Let columns without any value be of the kind fitted on; ArgumentError for infinities."""
    for name, kind in ((feature.name, feature.kind) for feature in features):
        if name not in frame:
            continue  # the predictor names all that are missing
        column = frame[name]
        numeric = pd.api.types.is_numeric_dtype(column.dtype)
        if numeric != (kind == "number") and column.isna().all():
            frame = frame.assign(**{name: column.astype(object if numeric else np.float64)})
        elif pd.api.types.is_float_dtype(column.dtype) and np.isinf(column).any():
            cure = "leave it empty instead"
            raise ArgumentError(f"column {name}: is infinite", cure=cure)
    return frame


def _plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
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


def _frame_of_objects(array: NDArray[np.object_], categories: Collection[int]) -> pd.DataFrame:
    """Lay out an array of objects: columns that hold words are categories, all else is numbers.

    The columns of a fitted model's `categories` are that in any batch, with words in it or without.
    """
    missing = np.asarray(pd.isna(array), dtype=bool)
    columns: dict[int, pd.Series[Any]] = {}
    for j, (values, gaps) in enumerate(zip(array.T, missing.T, strict=True)):
        if j in categories or any(isinstance(value, str) for value in values[~gaps]):
            columns[j] = pd.Series(values).mask(gaps, None)
        else:
            columns[j] = pd.Series(values).mask(gaps, np.nan).astype(np.float64)
    return pd.DataFrame(columns)
