"""Two readings of a company -> whether they are the same, bit for bit."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pandas as pd


def assert_same(one: Any, other: Any, place: str = "") -> None:
    """Compare dataclasses, arrays and frames field by field, dtypes and bits included."""
    assert type(one) is type(other), (place, type(one), type(other))
    if is_dataclass(one):
        for each in fields(one):
            at = f"{place}.{each.name}"
            assert_same(getattr(one, each.name), getattr(other, each.name), at)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype, (place, one.dtype, other.dtype)
        assert one.shape == other.shape, (place, one.shape, other.shape)
        same = one.tolist() == other.tolist() if one.dtype == object else _bits(one) == _bits(other)
        assert same, place
    elif isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other)
    elif isinstance(one, tuple):
        assert len(one) == len(other), (place, one, other)
        for i, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{place}[{i}]")
    else:
        assert one == other, (place, one, other)


def _bits(values: np.ndarray[Any, Any]) -> bytes:
    return np.ascontiguousarray(values).tobytes()
