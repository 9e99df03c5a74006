"""The rows of all parts in the order of their leads, a row group at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.errors import OutsideError
from data.row_groups import GROUP
from serving.parts.part_manifest import PartManifest, rows_of

Rows = NDArray[np.int64]
Fits = Callable[[pa.DataType], bool]


class PartRows:
    """The Parquet files of the parts that have open leads; rows are numbered part after part."""

    def __init__(self, folder: Path, manifests: Sequence[PartManifest]) -> None:
        """Find the files; they were checked when their manifests were read."""
        kept = [each for each in manifests if each.rows]
        self._manifests = kept
        self._paths = [rows_of(folder, each) for each in kept]
        self._starts = np.concatenate([[0], np.cumsum([each.rows for each in kept])])

    def __len__(self) -> int:
        """Count the rows of all parts."""
        return int(self._starts[-1])

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of all parts; what is empty in one has the type that it has in another."""
        return pa.unify_schemas([pq.read_schema(p).remove_metadata() for p in self._paths])

    def refuse_other_columns(self, needed: Mapping[str, Fits]) -> None:
        """Refuse files without the rows that their manifests count, or with other columns.

        `needed` says of a column which types it may have; what is empty may have none.
        """
        for manifest, path in zip(self._manifests, self._paths, strict=True):
            wrong = _wrong_in(path, manifest.rows, needed)
            if wrong:
                raise OutsideError(
                    f"{path} is no part of a run: {wrong}",
                    cure=f"score part {manifest.number}/{manifest.of} again",
                )
        try:
            names = {tuple(sorted(pq.read_schema(path).names)) for path in self._paths}
            differ = len(names) > 1 or not self.schema.names
        except pa.ArrowException:
            differ = True
        if differ:
            raise OutsideError(
                "parts differ in their columns", cure="score the parts again, all alike"
            )

    @cached_property
    def order(self) -> Rows:
        """Number the rows by lead: (n,); OutsideError where a lead stands in two parts."""
        ids = self.column("lead_id")
        order = pc.sort_indices(ids).to_numpy().astype(np.int64)
        part = np.searchsorted(self._starts, order, "right")
        ranked = ids.take(pa.array(order))
        same = pc.equal(ranked[1:], ranked[:-1]).to_numpy(zero_copy_only=False).astype(bool)
        twice = np.flatnonzero(same & (part[1:] != part[:-1]))
        if len(twice):
            first, second = (self._manifests[int(p) - 1] for p in part[twice[0] : twice[0] + 2])
            raise OutsideError(
                f"a lead stands in part {first.number}/{first.of} and in part "
                f"{second.number}/{second.of}",
                cure="score these parts again from the same data",
            )
        return np.asarray(order, np.int64)

    def column(self, name: str) -> pa.Array:
        """Read one column of all parts: (n,), part after part."""
        kind = self.schema.field(name).type
        read = [pq.read_table(p, columns=[name])[name].cast(kind) for p in self._paths]
        whole = pa.chunked_array([chunk for each in read for chunk in each.chunks], kind)
        return whole.combine_chunks()

    def of_each(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Read these columns part by part."""
        for path in self._paths:
            yield pq.read_table(path, columns=list(names)).cast(self._schema_of(names))

    def in_order(self, names: Sequence[str]) -> Iterator[tuple[Rows, pa.Table]]:
        """Read these columns by lead, a row group at a time: (numbers of its rows, the group)."""
        schema = self._schema_of(names)
        cursors = [_Cursor(path, names) for path in self._paths]
        for start in range(0, len(self), GROUP):
            rows = self.order[start : start + GROUP]
            part = np.searchsorted(self._starts, rows, "right") - 1
            counts = np.bincount(part, minlength=len(cursors)).tolist()
            taken = [
                cursor.take(count).cast(schema)
                for cursor, count in zip(cursors, counts, strict=True)
                if count
            ]
            place = np.empty(len(rows), np.int64)
            place[np.argsort(part, kind="stable")] = np.arange(len(rows))
            table = pa.concat_tables(taken).combine_chunks()
            del taken
            table = table.take(pa.array(place))
            yield rows, table
            del table  # before the next one is read

    def _schema_of(self, names: Sequence[str]) -> pa.Schema:
        return pa.schema([self.schema.field(name) for name in names])


def _wrong_in(path: Path, rows: int, needed: Mapping[str, Fits]) -> str:
    """Say what is wrong with the file of a part, "" for nothing."""
    try:
        with pq.ParquetFile(path) as file:
            schema, found = file.schema_arrow, file.metadata.num_rows
    except (OSError, pa.ArrowException):
        return "it is no Parquet file"
    if found != rows:
        return f"it has {found:,} rows, and its manifest counts {rows:,}"
    if len(set(schema.names)) < len(schema.names):
        return "a column stands twice"
    for name, fits in needed.items():
        place = schema.get_field_index(name)
        if place < 0:
            return f"the column {name} is missing"
        kind = schema.types[place]
        if not (fits(kind) or pa.types.is_null(kind)):
            return f"the column {name} holds {kind}"
    return ""


@dataclass(slots=True)
class _Cursor:
    """Reads a part from its first row on; holds one of its row groups."""

    path: Path
    names: Sequence[str]
    group: int = 0
    held: pa.Table | None = None

    def take(self, count: int) -> pa.Table:
        """Read the next rows."""
        taken: list[pa.Table] = []
        while count:
            if self.held is None or not len(self.held):
                with pq.ParquetFile(self.path) as file:
                    self.held = file.read_row_group(self.group, columns=list(self.names))
                self.group += 1
            taken.append(self.held.slice(0, count))
            self.held = self.held.slice(len(taken[-1]))
            count -= len(taken[-1])
        return pa.concat_tables(taken).select(list(self.names))
