"""The rows of one source -> those of each slice of the leads, sealed on the disk meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.reading import source_blocks
from data.reading.sources import RawTable
from data.store.sealed import open_table, seal_table

_ROW: Final = "\0row"
"""The column that says which row of the source each one is: no other column has such a name."""


@dataclass(slots=True)
class DealtRows:
    """Deals out a source block by block; `key` seals what lies in `folder`.

    Each row of a slice knows its place in the file.
    """

    folder: Path
    label: str
    slices: int
    key: bytes
    _like: RawTable | None = None
    _parts: list[tuple[str, int, int]] = field(default_factory=list)
    _pieces: dict[int, list[Path]] = field(default_factory=dict)
    _rows: int = 0

    def add(self, raw: RawTable, slice_of: NDArray[np.integer]) -> None:
        """Deal out the rows of one block; `slice_of` (n,) is -1 for those that belong to none."""
        self.add_pairs(raw, slice_of[slice_of >= 0], np.flatnonzero(slice_of >= 0))

    def add_pairs(self, raw: RawTable, number: NDArray[np.integer], row: NDArray[np.int64]) -> None:
        """Give slice `number[i]` the row `row[i]` of a block; both are (n_pairs,)."""
        table = self._numbered(raw)
        dealt = table.take(pa.array(row[np.argsort(number, kind="stable")]))
        start = 0
        for k, count in enumerate(np.bincount(number, minlength=self.slices).tolist()):
            if count:
                pieces = self._pieces.setdefault(k, [])
                path = self.folder / f"{self.label}-{k}-{len(pieces)}"
                path.write_bytes(seal_table(dealt.slice(start, count), self.key))
                pieces.append(path)
                start += count

    def _numbered(self, raw: RawTable) -> pa.Table:
        """Say of each row of a block which row of the source it is."""
        places = np.arange(len(raw)) if raw.rows is None else raw.rows.to_numpy()
        table = raw.table.append_column(_ROW, pa.array(places + self._rows))
        self._parts += [(name, first + self._rows, line) for name, first, line in raw.parts]
        self._rows += int(places.max(initial=-1)) + 1
        self._like = replace(raw, table=table.schema.empty_table())
        return table

    def of(self, number: int) -> SliceRows:
        """Give the rows of a slice."""
        assert self._like is not None  # a source without rows is dealt out as an empty table
        about = replace(self._like, parts=tuple(self._parts))
        return SliceRows(about, tuple(self._pieces.get(number, ())), self.key)


@dataclass(frozen=True, slots=True)
class SliceRows:
    """The rows of one slice, which are removed from the disk as they are read; `like` has none."""

    like: RawTable
    pieces: tuple[Path, ...]
    key: bytes

    def whole(self) -> RawTable:
        """Read them at once."""
        return next(self._regrouped(rows=None))

    def blocks(self) -> Iterator[RawTable]:
        """Read them block by block; one block without rows where there are none."""
        return self._regrouped(rows=source_blocks.ROWS)

    def _regrouped(self, rows: int | None) -> Iterator[RawTable]:
        held, count = [self.like.table], 0
        for i, path in enumerate(self.pieces, 1):
            held.append(open_table(path.read_bytes(), self.key))
            path.unlink()
            count += len(held[-1])
            if i < len(self.pieces) and rows is not None and count >= rows:
                yield self._read(held)
                held, count = [self.like.table], 0
        yield self._read(held)

    def _read(self, tables: list[pa.Table]) -> RawTable:
        table = pa.concat_tables(tables, promote_options="permissive")
        places = table[_ROW].combine_chunks()
        return replace(self.like, table=table.drop_columns([_ROW]), rows=places)
