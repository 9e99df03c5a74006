"""A declared source (CSV, Parquet, SQL, pandas frame) -> one Arrow table, rows traceable."""

from __future__ import annotations

import difflib
import glob
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from data.errors import InputError
from data.near_names import did_you_mean
from data.reading.csv_files import csv_header, line_of_first_row, read_csv
from data.reading.database_queries import name_of_query, query_database
from data.reading.number_texts import sign_of
from data.reading.object_files import SourceFile, in_database, is_object, objects_of
from data.reading.parquet_files import nested_columns, read_parquet, schema_of_parquet
from data.reading.plain_columns import PLAIN, are_missing, column_of_series, plain_column
from data.reading.project_root import refuse_outside
from data.reading.rule_cells import cells_of, counted_names, dated_names
from data.rules.expressions import parse
from data.schema import Project
from data.schema_types import DecimalSign

Given: TypeAlias = pd.DataFrame | pa.Table
"""What may stand in place of a source."""


class Declared(Protocol):
    """What `Source` and a table of opportunities have in common."""

    @property
    def query(self) -> str | None: ...  # noqa: D102
    @property
    def where(self) -> str | None: ...  # noqa: D102
    @property
    def date_format(self) -> str | None: ...  # noqa: D102


class KeptSources(Protocol):
    """What is known of sources from before, so that it need not be read again; None: not known."""

    def csv(  # noqa: D102
        self, file: SourceFile, *, delimiter: str | None, encoding: str, columns: Sequence[str]
    ) -> pa.Table | None: ...
    def csv_blocks(  # noqa: D102
        self, file: SourceFile, *, delimiter: str | None, encoding: str, columns: Sequence[str]
    ) -> Iterator[pa.Table]: ...
    def query(self, uri: str, query: str) -> pa.Table | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class RawTable:
    """A table as it was read: Arrow columns, and where each row came from.

    `parts` holds (file, first row, line of the first row): a CSV row is named by its line, all
    else by its position from 1. `rows` are the original positions where a filter dropped some. In
    a `lenient` table an absent column reads as missing in every row. `unread` says of a column that
    is there why it can't be read: it is none of a feature's, but is never taken as missing. Rows of
    a query have no order of their own: `key` is the column of leads that names them.
    """

    name: str
    table: pa.Table
    parts: tuple[tuple[str, int, int], ...]
    date_format: str | None = None
    decimal: DecimalSign | Mapping[str, DecimalSign] = "."
    rows: pa.Array | None = None
    lenient: bool = False
    where: str | None = None  # the filter that it has passed
    unread: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None

    def __len__(self) -> int:
        """Count the rows."""
        return int(self.table.num_rows)

    def place(self, row: int) -> tuple[str, int]:
        """Name the file and the line of a row."""
        original = row if self.rows is None else self.rows[row].as_py()
        name, first, line = next(p for p in reversed(self.parts) if p[1] <= original)
        return name, original - first + line

    def decimal_of(self, column: str) -> DecimalSign:
        """Find what stands before the decimals of a column."""
        return sign_of(self.decimal, column)

    def mistake(self, cause: str, row: int, column: str, cure: str | None = None) -> InputError:
        """Make the error of one cell."""
        file, line = self.place(row)
        if self.key is not None and self.key in self.table.column_names:
            file = f"{file}, lead {self.table.column(self.key)[row].as_py()!r}"
        return InputError(cause, file=file, row=line, column=column, cure=cure)

    def column(self, name: str) -> pa.ChunkedArray:
        """Take a column; InputError naming the nearest one where it is missing."""
        place = self.table.schema.get_field_index(name)
        if place >= 0:
            return self.table.column(place)
        if name in self.unread:
            cure = "export it as a text or a number"
            raise InputError(self.unread[name], file=self.name, column=name, cure=cure)
        if self.lenient:
            return pa.chunked_array([pa.nulls(len(self), pa.string())])
        near = difflib.get_close_matches(name, self.table.column_names, 1, cutoff=0.5)
        known = ", ".join(self.table.column_names[:12])
        cure = f"did you mean {near[0]!r}?" if near else f"columns: {known}"
        if near and any(_decoded_wrongly(name, near[0], each) for each in ("cp1252", "latin-1")):
            cure = 'the file is UTF-8: take `encoding` out of this source, or set it to "utf-8"'
        raise InputError("column not found", file=self.name, column=name, cure=cure)


def _decoded_wrongly(name: str, found: str, encoding: str) -> bool:
    """Tell whether a name was found as its UTF-8 looks when it is read in another encoding."""
    return name.encode().decode(encoding, "replace") == found != name


def read_source(
    declared: Declared,
    project: Project,
    *,
    frame: Given | None = None,
    source: str | None = None,
    columns: Sequence[str] | None = None,
    label: str = "frame",
    kept: KeptSources | None = None,
) -> RawTable:
    """Read a source, or `frame` in its stead; `source` replaces the declared path.

    `columns` limits what is read (those of the filter are read as well). InputError where there
    is nothing; OutsideError where a database does not answer.
    """
    uri = source or getattr(declared, "source", None) or ""
    decimal: DecimalSign | Mapping[str, DecimalSign] = getattr(declared, "decimal", ".")
    named = [] if frame is not None or isinstance(decimal, str) else list(decimal)
    columns = None if columns is None or declared.where else [*columns, *named]
    if isinstance(frame, pa.Table):
        raw = RawTable(label, frame, ((label, 0, 1),))
    elif frame is not None:
        raw = from_frame(frame, label)
    elif in_database(uri):
        raw = _read_database(uri, declared, project, label, kept)
    else:
        raw = _read_files(uri, declared, project, columns, kept)
    raw = replace(
        _legible(raw),
        date_format=declared.date_format,
        decimal=decimal,
        where=declared.where,
    )
    for name in named:
        raw.column(name)  # the name of none is refused
    if not declared.where or not len(raw):
        return raw
    return _filter(raw, declared.where, project)


def column_names(declared: Declared, project: Project, *, frame: Given | None = None) -> list[str]:
    """List the columns of a source; of a file only the header is read."""
    uri = getattr(declared, "source", None) or ""
    file = None if frame is not None or in_database(uri) else files_of(uri, project)[0]
    if file is None:
        return list(read_source(declared, project, frame=frame).table.column_names)
    if file.suffix.lower() in (".parquet", ".pq"):
        nested = nested_columns(file)
        return [name for name in schema_of_parquet(file).names if name not in nested]
    delimiter = getattr(declared, "delimiter", None)
    return csv_header(file, delimiter=delimiter, encoding=getattr(declared, "encoding", "utf-8"))


def from_frame(frame: pd.DataFrame, label: str) -> RawTable:
    """Take a pandas frame; its rows are named from 1."""
    names = [str(name) for name in frame.columns]
    if len(set(names)) != len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise InputError("column name stands twice", file=label, column=twice)
    arrays = [column_of_series(frame.iloc[:, i]) for i in range(len(names))]
    return RawTable(label, pa.table(arrays, names=names), ((label, 0, 1),))


def _legible(raw: RawTable) -> RawTable:
    """Bring columns to few kinds; those that are neither text nor number are not read."""
    schema = raw.table.schema
    if all(kind in PLAIN for kind in schema.types):
        return raw
    unread, fields, columns = dict(raw.unread), [], []
    for name, column in zip(schema.names, raw.table.columns, strict=True):
        plain, kind = plain_column(column), column.type
        if pa.types.is_nested(plain.type):
            unread[name] = f"is nested ({kind})"
        elif plain.type in PLAIN or pa.types.is_temporal(kind) or pa.types.is_uint64(kind):
            fields.append(name)
            columns.append(plain)
        else:
            unread[name] = f"holds {kind}, which is neither text nor number"
    return replace(raw, table=pa.table(columns, names=fields), unread=unread)


def _read_files(
    uri: str,
    declared: Declared,
    project: Project,
    columns: Sequence[str] | None,
    kept: KeptSources | None,
) -> RawTable:
    """Read one file or all files of a glob, in the order of their names."""
    files = files_of(uri, project)
    tables, parts, first, unread = [], [], 0, {}
    for file in files:
        table, line = _read_file(file, declared, columns, kept)
        unread.update(nested_columns(file))
        parts.append((file.name, first, line))
        tables.append(table)
        first += table.num_rows
    names = tables[0].column_names
    for file, table in zip(files, tables, strict=True):
        for name in sorted(set(names) ^ set(table.column_names)):
            raise InputError(
                f"is in one of {files[0].name} and {file.name} only", file=file.name, column=name
            )
    try:
        whole = pa.concat_tables([t.select(names) for t in tables], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"files of the glob differ in type: {error}", file=uri) from None
    name = files[0].name if len(files) == 1 else uri
    return RawTable(name, whole, tuple(parts), unread=unread)


def files_of(uri: str, project: Project) -> Sequence[SourceFile]:
    """Find the file or object, or those of a glob in the order of their names.

    InputError where there is none; of objects, what `objects_of` raises.
    """
    if is_object(uri):
        return objects_of(uri, project.network.allow)
    return [refuse_outside(file, project, uri) for file in _files_on_disk(uri, project)]


def _files_on_disk(uri: str, project: Project) -> list[Path]:
    path = Path(project.folder, uri)
    refuse_outside(path, project, uri)
    pattern = str(Path(glob.escape(str(project.folder)), uri))  # the folder's name is no pattern
    matches = [path] if path.is_file() else sorted(Path(p) for p in glob.glob(pattern))
    files = [file for file in matches if file.is_file()]
    if not files:
        cure = did_you_mean(path.name, _siblings(path), "correct `source` in the project file")
        raise InputError("file not found", file=uri, cure=cure)
    return files


def _siblings(path: Path) -> list[str]:
    """List the names beside a path."""
    return sorted(other.name for other in path.parent.iterdir()) if path.parent.is_dir() else []


def _read_file(
    file: SourceFile, declared: Declared, columns: Sequence[str] | None, kept: KeptSources | None
) -> tuple[pa.Table, int]:
    """Read one file: (table, line number of its first row)."""
    if file.suffix.lower() in (".parquet", ".pq"):
        return read_parquet(file, columns), 1
    delimiter = getattr(declared, "delimiter", None)
    encoding = getattr(declared, "encoding", "utf-8")
    table = None
    if kept is not None and columns is not None:
        table = kept.csv(file, delimiter=delimiter, encoding=encoding, columns=columns)
    if table is None:
        table = read_csv(file, delimiter=delimiter, encoding=encoding, columns=columns)
    return table, line_of_first_row(file, encoding)


def _read_database(
    uri: str, declared: Declared, project: Project, label: str, kept: KeptSources | None
) -> RawTable:
    """Run the declared query; the password never shows in a message."""
    name, query = name_of_query(uri, label), declared.query
    table = kept.query(uri, query) if kept is not None and query else None
    if table is None:
        table = query_database(uri, query, project, label)
    key = getattr(declared, "id", None) or getattr(declared, "lead", None)
    return RawTable(name, table, ((name, 0, 1),), key=key)


def _filter(raw: RawTable, where: str, project: Project) -> RawTable:
    """Keep the rows for which the declared filter certainly holds."""
    said = project.project
    spelt = replace(raw, date_format=raw.date_format or said.date_format)
    kept = pa.array(rows_that_hold(spelt, where, said.missing))
    rows = pa.array(np.arange(len(raw))).filter(kept)
    table = raw.table.filter(kept)
    if table.num_rows == 0:
        raise InputError(f"no row passes the filter {where!r}", file=raw.name)
    return replace(raw, table=table, rows=rows)


def rows_that_hold(raw: RawTable, where: str, missing: tuple[str, ...]) -> NDArray[np.bool_]:
    """Say of each row whether a rule certainly holds: (n,); missing words are unknown."""
    rule = parse(where, where=raw.name, columns=raw.table.column_names)
    columns: dict[str, object] = {}
    dated, counted = dated_names(rule), counted_names(rule)
    for name in rule.names:
        column = cells_of(
            raw.column(name),
            decimal=raw.decimal_of(name) if name in counted else ".",
            date_format=raw.date_format if name in dated else None,
        )
        series = column.to_pandas()
        is_text = pa.types.is_string(column.type)
        absent = are_missing(column, missing).to_pandas() if is_text else series.isna()
        columns[name] = series.astype(object).mask(absent) if absent.any() else series
    return rule.holds(columns, len(raw))
