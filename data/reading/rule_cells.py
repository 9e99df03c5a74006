"""Texts of a table -> what a rule compares: numbers and dates as the table says they are written.

A rule writes numbers with a point and dates as ISO 8601. Where a table declares another spelling of
its own, its cells are brought to that one first: `budget >= 100` and `created >= '2026-01-01'`
would otherwise compare letters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from data.reading.number_texts import read_numbers
from data.rules.expressions import Expression
from data.rules.grammar import walk
from data.schema_types import DecimalSign

_ISO_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_CLOCK: Final = re.compile(r"%[HIMSpfXcTR]")


def dated_names(rule: Expression) -> frozenset[str]:
    """Name the columns that a rule compares with a date."""
    return _beside(rule, lambda value: isinstance(value, str) and bool(_ISO_DATE.match(value)))


def counted_names(rule: Expression) -> frozenset[str]:
    """Name the columns that a rule compares with a number, or reckons with."""
    reckoned = {
        str(part.value)
        for node in walk(rule.tree)
        if node.kind in ("sum", "minus")
        for part in walk(node)
        if part.kind == "name"
    }
    return _beside(rule, lambda value: type(value) in (int, float)) | reckoned


def _beside(rule: Expression, is_such: Callable[[object], bool]) -> frozenset[str]:
    """Name the columns that stand in a comparison with such a value."""
    found: set[str] = set()
    for node in walk(rule.tree):
        values = [part.value for part in node.parts if part.kind == "value"]
        if node.kind in ("compare", "in") and any(map(is_such, values)):
            found |= {str(part.value) for part in node.parts if part.kind == "name"}
    return frozenset(found)


def cells_of(
    column: pa.ChunkedArray, *, decimal: DecimalSign, date_format: str | None
) -> pa.ChunkedArray:
    """Write the numbers of a text column with a point, or its dates as ISO 8601.

    What is written otherwise stays as it is. Without a decimal comma and a `date_format` nothing
    changes.
    """
    if not pa.types.is_string(column.type) or (decimal == "." and date_format is None):
        return column
    coded = column.combine_chunks().dictionary_encode()
    words = coded.dictionary
    plain = np.array(words.to_pylist(), object)
    if date_format is not None:
        times = pd.to_datetime(pd.Series(plain, dtype=object), format=date_format, errors="coerce")
        good = times.notna().to_numpy()
        iso = "%Y-%m-%d %H:%M:%S" if _CLOCK.search(date_format) else "%Y-%m-%d"
        plain[good] = times[good].dt.strftime(iso).to_numpy(object)
    else:
        values, good = read_numbers(words, decimal)
        plain[good] = [repr(value) for value in values[good].tolist()]
    return pa.chunked_array([pa.array(plain, pa.string()).take(coded.indices)])
