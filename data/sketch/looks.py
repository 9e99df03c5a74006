"""A file without a project file -> what each column looks like, and its cells row by row."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.clock import Micros, read_times
from data.errors import InputError
from data.reading.csv_files import read_csv
from data.reading.number_texts import DECIMAL_SIGNS, are_numbers
from data.sketch.date_looks import date_format_of, month_first, number_format_of

Look = Literal["time", "number", "flag", "text", "empty"]

MISSING_WORDS: Final = ("Select", "N/A", "n/a", "NA", "NULL", "null", "None", "#N/A", "-")
MAYBE_VALUES: Final = frozenset({"Select", "None", "NA"})
"""Those that people also call something by: a plan, no product, North America."""
YES: Final = frozenset(
    "yes y true t 1 won sì si sí vero oui vrai ja wahr sim بله".split()  # noqa: SIM905
)
NO: Final = frozenset(
    "no n false f 0 lost falso non faux nein falsch não خیر".split()  # noqa: SIM905
)
MARKS: Final = frozenset("x ✓ ✔ ✅ ok".split())  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class ColumnLook:
    """What a column looks like: kind, share filled, distinct values, date format if needed.

    `odd_words` stand among numbers ("k. A."): they most likely mean missing, and count as such.
    `cells` holds the column row by row, null where missing.
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
    cells: pa.ChunkedArray | None = None

    def times(self) -> Micros:
        """Read the cells as moments: (rows,) microseconds, NEVER where missing or unreadable."""
        cells = pa.chunked_array([self.values]) if self.cells is None else self.cells
        return read_times(cells, date_format=self.date_format).at

    def known(self) -> NDArray[np.bool_]:
        """Mark the rows that are filled."""
        assert self.cells is not None
        return np.asarray(self.cells.is_valid().to_numpy(), bool)

    def texts(self) -> NDArray[np.object_]:
        """Write the cells as texts: (rows,) str, None where missing."""
        assert self.cells is not None
        return np.array(self.cells.cast(pa.string()).to_pylist(), dtype=object)

    def among(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """Mark the rows that hold one of these words."""
        assert self.cells is not None
        marks = pc.is_in(self.cells.cast(pa.string()), value_set=pa.array(words, pa.string()))
        return np.asarray(marks.to_numpy(), bool)

    def words(self) -> list[str]:
        """List the distinct values as texts."""
        return [str(value) for value in self.values.cast(pa.string()).to_pylist()]


@dataclass(frozen=True, slots=True)
class DoubtfulWord:
    """A word that often means missing, and the one column in which it may be a value."""

    word: str
    column: str
    rows: int


@dataclass(frozen=True, slots=True)
class FileLook:
    """What a file looks like; `columns` by name, `rows` counted."""

    path: Path
    rows: int
    encoding: str
    missing: tuple[str, ...]
    columns: dict[str, ColumnLook]
    doubtful: tuple[DoubtfulWord, ...] = ()

    @property
    def stem(self) -> str:
        """Name the file without its endings, in lower case."""
        return self.path.name.split(".")[0].lower()

    def of_kind(self, *kinds: Look) -> list[ColumnLook]:
        """List the columns of these kinds, in file order."""
        return [column for column in self.columns.values() if column.kind in kinds]


def look_at_all(
    paths: Sequence[Path], *, on_stage: Callable[[str], None] = lambda _: None
) -> list[FileLook]:
    """Look at files; several of the same columns, as exports of months are, are one source."""
    on_stage("reading the files")
    read = [(path, *_read(path)) for path in paths]
    on_stage("looking at the columns")
    alike: dict[tuple[str, ...], list[tuple[Path, pa.Table, str]]] = {}
    for path, table, encoding in read:
        alike.setdefault((encoding, *table.column_names), []).append((path, table, encoding))
    looks = []
    for group in alike.values():
        pattern = _pattern_of([path for path, _, _ in group])
        if pattern is None:
            looks += [_look_at_table(path, table, encoding) for path, table, encoding in group]
            continue
        whole = pa.concat_tables([table for _, table, _ in group], promote_options="permissive")
        looks.append(_look_at_table(pattern, whole, group[0][2]))
    return looks


def _pattern_of(paths: list[Path]) -> Path | None:
    """Find a pattern that fits these files and no other of their folder; None for one file."""
    if len(paths) < 2 or len({path.parent for path in paths}) > 1:
        return None
    names = [path.name for path in paths]
    start = re.sub(r"\d+$", "", _common_start(names))
    end = _common_start([name[len(start) :][::-1] for name in names])[::-1]
    if len(start) < 3 or any(letter in "*?[" for letter in start + end):
        return None
    folder = paths[0].parent
    same = sorted(folder.glob(f"{start}*{end}")) == sorted(paths)
    return folder / f"{start}*{end}" if same else None


def _common_start(names: list[str]) -> str:
    """Find the letters with which all names begin."""
    first, last = min(names), max(names)
    same = (i for i, letter in enumerate(first) if last[i : i + 1] != letter)
    return first[: next(same, len(first))]


def _look_at_table(path: Path, table: pa.Table, encoding: str) -> FileLook:
    """Look at a table that was read."""
    if not table.num_rows:
        raise InputError("has a header but no rows", file=path.name)
    flat = [f.name for f in table.schema if not pa.types.is_nested(f.type)]
    words, doubtful = _missing_words(table.select(flat))
    columns = _in_one_order({name: _look(table[name], name, words) for name in flat})
    odd = dict.fromkeys(word for column in columns.values() for word in column.odd_words)
    return FileLook(path, table.num_rows, encoding, (*words, *odd), columns, doubtful)


def _in_one_order(columns: dict[str, ColumnLook]) -> dict[str, ColumnLook]:
    """Let a column whose days and months could be exchanged follow those that are certain."""
    certain = {c.date_format[:5] for c in columns.values() if c.date_format and not c.ambiguous}
    for name, column in columns.items():
        swapped = month_first(column.date_format or "") if column.ambiguous else None
        if swapped is not None and swapped[:5] in certain:
            columns[name] = replace(column, date_format=swapped, ambiguous=False)
        elif column.ambiguous and column.date_format and column.date_format[:5] in certain:
            columns[name] = replace(column, ambiguous=False)
    return columns


def _read(path: Path) -> tuple[pa.Table, str]:
    """Read a file: (table, encoding). What is no UTF-8 is read as Windows writes it.

    Latin-1 would read the same letters, but its € and its quotes are control characters: it is
    left for the few files that Windows' code page cannot read.
    """
    if re.match(r"\w\w+:/", str(path)):  # a path has but one slash there
        raise InputError(
            f"init reads no {str(path).split(':')[0]}: it looks at files",
            cure="export a few tables as CSV for it, then put source and query into what it writes",
        )
    if not path.is_file():
        raise InputError("file not found", file=str(path))
    if path.suffix.lower() in (".parquet", ".pq"):
        try:
            return pq.read_table(path), "utf-8"
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"is no readable Parquet file: {error}", file=path.name) from None
    for encoding in ("utf-8", "cp1252"):
        try:
            return read_csv(path, delimiter=None, encoding=encoding, columns=None), encoding
        except InputError as error:
            if not re.search(
                rf"is not {encoding}|can't decode|cannot be read: .*codec", error.cause
            ):
                raise
    return read_csv(path, delimiter=None, encoding="latin-1", columns=None), "latin-1"


def _missing_words(table: pa.Table) -> tuple[tuple[str, ...], tuple[DoubtfulWord, ...]]:
    """Find the usual words for missing in text columns: (those that mean it, those that may).

    "Select" is what a list shows before a choice, and a plan may be called so: it means missing in
    more than one column, or among numbers, dates and flags. A value stands in one column, of words.
    """
    wanted = pa.array(MISSING_WORDS)
    seen: dict[str, list[DoubtfulWord]] = {}
    for name in table.column_names:
        if not pa.types.is_string(table[name].type):
            continue
        hits = table[name].filter(pc.is_in(table[name], value_set=wanted))
        for each in pc.value_counts(hits).to_pylist():
            place = DoubtfulWord(each["values"], name, each["counts"])
            seen.setdefault(place.word, []).append(place)
    doubtful: list[DoubtfulWord] = []
    for word, places in seen.items():
        if word not in MAYBE_VALUES or len(places) > 1:
            continue
        others = pc.unique(table[places[0].column]).drop_null()
        others = others.filter(
            pc.invert(pc.is_in(others, value_set=pa.array(["", *MISSING_WORDS])))
        )
        if _kind_of(others, places[0].column)[0] == "text":
            doubtful += places
    values = {each.word for each in doubtful}
    sure = tuple(word for word in MISSING_WORDS if word in seen and word not in values)
    return sure, tuple(doubtful)


def _look(column: pa.ChunkedArray, name: str, missing: tuple[str, ...]) -> ColumnLook:
    """Look at one column."""
    rows, kind = len(column), column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = _without(column.cast(pa.string()), ("", *missing))
    values = pc.unique(column.drop_null())
    odd = _odd_words(values)
    if odd:
        column = _without(column, odd)
        values = pc.unique(column.drop_null())
    n_filled = rows - column.null_count
    look, date_format, ambiguous = _kind_of(values, name)
    unique = len(values) == n_filled == rows and len(values) > 1
    filled = n_filled / max(1, rows)
    return ColumnLook(
        name, look, filled, len(values), unique, values, date_format, ambiguous, odd, column
    )


def _without(column: pa.ChunkedArray, words: tuple[str, ...]) -> pa.ChunkedArray:
    """Replace words by null."""
    absent = pc.is_in(pc.utf8_trim_whitespace(column), value_set=pa.array(words, pa.string()))
    return pc.if_else(absent, pa.scalar(None, pa.string()), column)


def _odd_words(values: pa.Array) -> tuple[str, ...]:
    """Find at most three words without a digit among distinct texts that are numbers otherwise."""
    if not pa.types.is_string(values.type) or len(values) < 20:
        return ()
    good = are_numbers(values, ",") | are_numbers(values, ".")
    words = values.filter(pa.array(~good)).to_pylist()
    bare = all(not re.search(r"\d", word) for word in words)
    return tuple(words) if len(words) <= 3 and bare else ()


def _kind_of(values: pa.Array, name: str) -> tuple[Look, str | None, bool]:
    """Tell the kind of distinct values: (kind, date format, whether another fits as well)."""
    kind = values.type
    if not len(values) or pa.types.is_null(kind):
        return "empty", None, False
    if pa.types.is_temporal(kind):
        return "time", None, False
    if pa.types.is_boolean(kind):
        return "flag", None, False
    if not pa.types.is_string(kind):
        if written := number_format_of(values, name):
            return "time", written, False
        return "flag" if len(values) == 2 and _zero_one(values) else "number", None, False
    sample = values[:2_000]
    if found := date_format_of(sample):
        return "time", *found
    good = any(are_numbers(sample, sign).all() for sign in DECIMAL_SIGNS)
    code = pc.match_substring_regex(sample, r"^0\d")
    if good and not pc.any(code).as_py():
        if written := number_format_of(sample, name):
            return "time", written, False
        return "flag" if len(values) == 2 and _zero_one(values) else "number", None, False
    words = (
        {str(text).strip().lower() for text in values.to_pylist()} if len(values) <= 2 else set()
    )
    return "flag" if words & YES and words & NO else "text", None, False


def _zero_one(values: pa.Array) -> bool:
    """Tell whether two values are 0 and 1."""
    return {str(value) for value in values.to_pylist()} <= {"0", "1", "0.0", "1.0"}


def overlap(column: ColumnLook, ids: ColumnLook) -> float:
    """Measure which share of a column's distinct values are ids: 0 to 1, on at most 5,000.

    Ids of digits are the same with and without leading zeros, which spreadsheets take off.
    """
    if not len(column.values) or not len(ids.values):
        return 0.0
    step = max(1, len(column.values) // 5_000)
    some = column.values.take(pa.array(np.arange(0, len(column.values), step)))
    inside = pc.is_in(_bare_ids(some), value_set=_bare_ids(ids.values))
    return float(pc.mean(inside.cast(pa.float64())).as_py())


def _bare_ids(values: pa.Array) -> pa.Array:
    """Write ids without leading zeros and without the ".0" that a gap gives a number."""
    texts = values.cast(pa.string())
    return pc.replace_substring_regex(texts, r"^0*(\d+)(\.0)?$", r"\1")


def share_of(mask: NDArray[np.bool_], within: NDArray[np.bool_]) -> float:
    """Measure the share of the rows `within` that are marked; 0 where there are none."""
    return float(mask[within].mean()) if within.any() else 0.0
