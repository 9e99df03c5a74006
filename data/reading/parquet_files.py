"""Parquet files -> Arrow tables; nested columns are named, not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import InputError
from data.reading.object_files import SourceFile, size_of
from data.reading.plain_columns import plain_column


def read_parquet(file: SourceFile, columns: Sequence[str] | None) -> pa.Table:
    """Read a Parquet file without its nested columns; all others where not all asked are there."""
    nested = nested_columns(file)
    flat = [name for name in schema_of_parquet(file).names if name not in nested]
    asked = set(columns or ())
    some = columns is not None and asked <= set(flat)
    wanted = [name for name in flat if not some or name in asked]
    with _readable(file), _for_arrow(file) as source:
        table = pq.read_table(source, columns=wanted, partitioning=None)
    return pa.table([plain_column(table[name]) for name in wanted], names=wanted)


def parquet_blocks(file: SourceFile, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
    """Read the named columns as `read_parquet` does, so many rows at a time."""
    with _readable(file), _for_arrow(file) as source:
        whole = pq.ParquetFile(source, pre_buffer=False)
        wanted = [name for name in whole.schema_arrow.names if name in set(columns)]
        for batch in whole.iter_batches(batch_size=rows, columns=wanted):
            table = pa.Table.from_batches([batch])
            yield pa.table([plain_column(column) for column in table.columns], names=wanted)


def nested_columns(file: SourceFile) -> dict[str, str]:
    """Name the nested columns of a Parquet file, and say what they are; none of other files."""
    if file.suffix.lower() not in (".parquet", ".pq"):
        return {}
    nested = [each for each in schema_of_parquet(file) if pa.types.is_nested(each.type)]
    return {each.name: f"is nested ({each.type})" for each in nested}


def schema_of_parquet(file: SourceFile) -> pa.Schema:
    """Read the names and types of a Parquet file's columns."""
    if size_of(file) == 0:
        raise InputError("is empty", file=file.name)
    with _readable(file), _for_arrow(file) as source:
        return pq.read_schema(source)


def rows_and_columns(file: SourceFile) -> tuple[int, int]:
    """Read how many rows and columns a Parquet file has."""
    with _readable(file), _for_arrow(file) as source:
        about = pq.read_metadata(source)
    return about.num_rows, about.num_columns


def _for_arrow(file: SourceFile) -> pa.NativeFile:
    """Open a file, or an object, for Arrow."""
    if isinstance(file, Path):
        return pa.OSFile(str(file), "rb")
    return pa.PythonFile(file.open("rb"), mode="r")


@contextmanager
def _readable(file: SourceFile) -> Iterator[None]:
    """Turn Arrow's errors into one that names the file."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise InputError(f"is no readable Parquet file: {error}", file=file.name) from None
