"""A file without a project file -> what each column looks like, from a sample of its rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.clock import read_times
from data.errors import InputError
from data.reading.csv_files import read_csv

Look = Literal["time", "number", "flag", "text", "empty"]

MISSING_WORDS: Final = ("Select", "N/A", "n/a", "NA", "NULL", "null", "None", "#N/A", "-")
_YES: Final = frozenset(("yes", "y", "true", "won", "sì", "si", "oui", "ja", "بله"))
_NO: Final = frozenset(("no", "n", "false", "lost", "non", "nein", "خیر"))
_NUMBER: Final = (
    r"^\s*[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?\s*$"
    r"|^\s*[€$£]?\s*[+-]?\d{1,3}(\.\d{3})*,\d+\s*[€$£]?\s*$"
)
_FORMATS: Final = (
    *("%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%d-%m-%Y"),
    *("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y"),
    *("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%m/%d/%Y %I:%M %p"),
    *("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y"),
)


@dataclass(frozen=True, slots=True)
class ColumnLook:
    """What a column looks like: kind, share filled, distinct values, date format if needed.

    `odd_words` stand among numbers ("k. A."): they most likely mean missing, and count as such.
    """

    name: str
    kind: Look
    filled: float
    distinct: int
    unique: bool
    values: pa.Array
    date_format: str | None = None
    ambiguous: bool = False
    odd_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileLook:
    """What a file looks like; `columns` by name, `rows` counted."""

    path: Path
    rows: int
    encoding: str
    missing: tuple[str, ...]
    columns: dict[str, ColumnLook]

    @property
    def stem(self) -> str:
        """Name the file without its endings, in lower case."""
        return self.path.name.split(".")[0].lower()

    def of_kind(self, *kinds: Look) -> list[ColumnLook]:
        """List the columns of these kinds, in file order."""
        return [column for column in self.columns.values() if column.kind in kinds]


def look_at(path: Path) -> FileLook:
    """Look at a CSV or Parquet file; InputError where it cannot be read."""
    if not path.is_file():
        raise InputError("file not found", file=str(path))
    encoding = "utf-8"
    if path.suffix.lower() in (".parquet", ".pq"):
        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"is no readable Parquet file: {error}", file=path.name) from None
    else:
        try:
            table = read_csv(path, delimiter=None, encoding=encoding, columns=None)
        except InputError as error:
            if "is not utf-8" not in error.cause:
                raise
            encoding = "latin-1"
            table = read_csv(path, delimiter=None, encoding=encoding, columns=None)
    if not table.num_rows:
        raise InputError("has a header but no rows", file=path.name)
    flat = [f.name for f in table.schema if not pa.types.is_nested(f.type)]
    words = _missing_words(table.select(flat))
    columns = {name: _look(table[name], name, words) for name in flat}
    odd = dict.fromkeys(word for column in columns.values() for word in column.odd_words)
    return FileLook(path, table.num_rows, encoding, (*words, *odd), columns)


def _missing_words(table: pa.Table) -> tuple[str, ...]:
    """Find the usual words for missing that occur in text columns."""
    seen: set[str] = set()
    wanted = pa.array(MISSING_WORDS)
    for name in table.column_names:
        column = table[name]
        if pa.types.is_string(column.type):
            hits = column.filter(pc.is_in(column, value_set=wanted))
            seen |= set(pc.unique(hits).to_pylist())
    return tuple(word for word in MISSING_WORDS if word in seen)


def _look(column: pa.ChunkedArray, name: str, missing: tuple[str, ...]) -> ColumnLook:
    """Look at one column."""
    rows, kind = len(column), column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = column.cast(pa.string())
        column = column.filter(pc.invert(pc.is_in(column, value_set=pa.array(["", *missing]))))
    filled_rows = column.drop_null()
    values = pc.unique(filled_rows)
    odd = _odd_words(values)
    if odd:
        filled_rows = filled_rows.filter(pc.invert(pc.is_in(filled_rows, value_set=pa.array(odd))))
        values = pc.unique(filled_rows)
    filled = len(filled_rows) / max(1, rows)
    look, date_format, ambiguous = _kind_of(values)
    unique = len(values) == len(filled_rows) == rows and len(values) > 1
    return ColumnLook(name, look, filled, len(values), unique, values, date_format, ambiguous, odd)


def _odd_words(values: pa.Array) -> tuple[str, ...]:
    """Find at most three words without a digit among distinct texts that are numbers otherwise."""
    if not pa.types.is_string(values.type) or len(values) < 20:
        return ()
    good = pc.match_substring_regex(values, _NUMBER)
    words = values.filter(pc.invert(good)).to_pylist()
    plain = all(not re.search(r"\d", word) for word in words)
    return tuple(words) if len(words) <= 3 and plain else ()


def _kind_of(values: pa.Array) -> tuple[Look, str | None, bool]:
    """Tell the kind of distinct values: (kind, date format, whether another fits as well)."""
    kind = values.type
    if not len(values) or pa.types.is_null(kind):
        return "empty", None, False
    if pa.types.is_temporal(kind):
        return "time", None, False
    if pa.types.is_boolean(kind):
        return "flag", None, False
    if not pa.types.is_string(kind):
        return "flag" if len(values) == 2 and _zero_one(values) else "number", None, False
    sample = values[:2_000]
    if written := _date_format(sample):
        return "time", *written
    good = pc.match_substring_regex(sample, _NUMBER)
    code = pc.match_substring_regex(sample, r"^0\d")
    if pc.all(good).as_py() and not pc.any(code).as_py():
        return "flag" if len(values) == 2 and _zero_one(values) else "number", None, False
    words = (
        {str(text).strip().lower() for text in values.to_pylist()} if len(values) <= 2 else set()
    )
    return "flag" if words & _YES and words & _NO else "text", None, False


def _zero_one(values: pa.Array) -> bool:
    """Tell whether two values are 0 and 1."""
    return {str(value) for value in values.to_pylist()} <= {"0", "1", "0.0", "1.0"}


def _date_format(sample: pa.Array) -> tuple[str | None, bool] | None:
    """Find in which format texts are dates: (None for ISO, ambiguous); None where they are not."""
    first = str(sample[0].as_py())
    if not re.match(r"\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}", first):
        return None
    column = pa.chunked_array([sample])
    if not read_times(column).bad.any():
        return None, False
    fitting = [f for f in _FORMATS if not read_times(column, date_format=f).bad.any()]
    return (fitting[0], len(fitting) > 1) if fitting else None


def overlap(column: ColumnLook, ids: ColumnLook) -> float:
    """Measure which share of a column's distinct values are ids: 0 to 1, on at most 5,000."""
    if not len(column.values) or not len(ids.values):
        return 0.0
    step = max(1, len(column.values) // 5_000)
    some = column.values.take(pa.array(np.arange(0, len(column.values), step)))
    inside = pc.is_in(some.cast(pa.string()), value_set=ids.values.cast(pa.string()))
    return float(pc.mean(inside.cast(pa.float64())).as_py())
