"""Rows of any number -> one Parquet file whose bytes depend on the rows alone, never on the cuts.

Whoever writes a table whole and whoever writes it piece by piece from the same rows in the same
order write the same file: row groups are cut at fixed places.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from data.files import replacing

GROUP: Final = 131_072
"""Rows of one row group: so many are held in memory at a time."""


def groups_of(table: pa.Table) -> Iterator[pa.Table]:
    """Cut a table into row groups; an empty one is one group without rows."""
    for start in range(0, max(len(table), 1), GROUP):
        yield table.slice(start, GROUP)


def write_groups(
    path: Path, schema: pa.Schema, groups: Iterable[pa.Table], *, compression: str = "snappy"
) -> None:
    """Write row groups, each of GROUP rows but the last, whole or not at all.

    OutsideError where the file can't be written.
    """
    with replacing(path) as part, pq.ParquetWriter(part, schema, compression=compression) as file:
        for group in groups:
            file.write_table(group.combine_chunks(), row_group_size=GROUP)
            del group  # before the next one is made
