"""The rows of one source -> those of each slice of the leads, sealed on the disk meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.reading.sources import RawTable
from data.store.sealed import open_table, seal_table

_ROW: Final = "\0row"
"""The column that says which row of the source each one is: no other column has such a name."""


@dataclass(slots=True)
class DealtRows:
    """Deals out a source block by block; `key` seals what lies in `folder`.

    A slice is read like any source: each of its rows knows its place in the file.
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

    def take(self, number: int) -> RawTable:
        """Read the rows of a slice, and remove them from the disk."""
        assert self._like is not None  # a source without rows is dealt out as an empty table
        pieces = self._pieces.pop(number, [])
        tables = [open_table(path.read_bytes(), self.key) for path in pieces]
        for path in pieces:
            path.unlink()
        table = pa.concat_tables([self._like.table, *tables], promote_options="permissive")
        rows = table[_ROW].combine_chunks()
        kept = table.drop_columns([_ROW])
        return replace(self._like, table=kept, rows=rows, parts=tuple(self._parts))
