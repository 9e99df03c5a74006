"""A large source of files -> its rows block by block, so that memory does not grow with the file.

Only where a block tells of each of its rows what the whole would tell: a filter, a database, a
table in memory, columns that only the whole can type, are read whole (`read_source`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import pyarrow as pa

from data.reading.csv_files import csv_blocks, csv_header, line_of_first_row
from data.reading.object_files import SourceFile, in_database, size_of
from data.reading.parquet_files import parquet_blocks, schema_of_parquet
from data.reading.sources import KeptSources, RawTable, files_of
from data.schema import Project
from data.schema_types import Source

WORTH_BLOCKS: Final = 8 << 20
"""Bytes of a source below which it is read whole: in blocks it would take as much memory."""
ROWS: Final = 1 << 18
"""Rows of one block at least."""


def source_blocks(
    section: Source,
    project: Project,
    *,
    source: str | None,
    columns: Sequence[str],
    words: Sequence[str],
    rows: int,
    kept: KeptSources | None,
) -> Iterator[RawTable] | None:
    """Read columns in blocks of so many rows or more; None where the source must be read whole.

    `words` are the columns that are read as texts. InputError as `read_source`, but not always of
    the same place: who meets one reads the whole, which names the right one.
    """
    uri = source or section.source
    if in_database(uri) or section.where:
        return None
    files = files_of(uri, project)
    if sum(size_of(file) for file in files) < WORTH_BLOCKS:
        return None
    parquet = [file.suffix.lower() in (".parquet", ".pq") for file in files]
    if any(parquet) and not (all(parquet) and _alike(files, columns, words)):
        return None
    if not any(parquet):
        heads = [
            csv_header(file, delimiter=section.delimiter, encoding=section.encoding)
            for file in files
        ]
        if any(set(head) != set(heads[0]) for head in heads) or not set(columns) <= set(heads[0]):
            return None
    name = files[0].name if len(files) == 1 else uri
    rows = max(rows, ROWS)
    return (
        RawTable(name, table, ((file.name, 0, line),), section.date_format, section.decimal)
        for file, is_parquet in zip(files, parquet, strict=True)
        for line, table in _numbered(
            parquet_blocks(file, columns, rows)
            if is_parquet
            else regrouped(_csv_blocks(file, section, columns, kept), rows),
            1 if is_parquet else line_of_first_row(file, section.encoding),
        )
    )


def _numbered(tables: Iterable[pa.Table], line: int) -> Iterator[tuple[int, pa.Table]]:
    """Say of each table on which line it begins, where the first one begins on `line`."""
    for table in tables:
        yield line, table
        line += len(table)


def _alike(files: Sequence[SourceFile], columns: Sequence[str], words: Sequence[str]) -> bool:
    """Tell whether Parquet files hold all columns, in the same types, which a block can read.

    Floats that stand for texts ("7.0") are whole numbers only if all are; bytes are texts only if
    all are; and what is nested is not read.
    """
    schemas = [schema_of_parquet(file) for file in files]
    names = set(schemas[0].names)
    if not set(columns) <= names or any(set(each.names) != names for each in schemas):
        return False
    kinds = {name: schemas[0].field(name).type for name in columns}
    if any(each.field(name).type != kind for each in schemas for name, kind in kinds.items()):
        return False
    return all(_is_plain(kind, as_text=name in words) for name, kind in kinds.items())


def _is_plain(kind: pa.DataType, *, as_text: bool) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_plain(kind.value_type, as_text=as_text)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return not as_text
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_temporal(kind)
        or pa.types.is_boolean(kind)
    )


def _csv_blocks(
    file: SourceFile, section: Source, columns: Sequence[str], kept: KeptSources | None
) -> Iterable[pa.Table]:
    read = csv_blocks if kept is None else kept.csv_blocks
    return read(file, delimiter=section.delimiter, encoding=section.encoding, columns=columns)


def regrouped(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Put tables together until each has so many rows; the last may have fewer."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= rows:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)
