"""Tables and outcomes -> the Parquet files that `TableGroups` reads, whole or slice by slice."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.buckets import BUCKETS
from data.part import buckets_of_rows
from data.ragged import Ragged
from data.store.sealed import seal_table
from data.store.table_groups import (
    EVENTS,
    IDS,
    LEADS,
    NAMED,
    PAYMENTS,
    PEOPLE,
    Columns,
    Ints,
    StoredAttribute,
    StoredShape,
    hash_of_footer,
)
from data.tables import Episodes, Events, Outcomes, Tables

_ROWS_EACH: Final = 4_096
"""A group holds about so many leads, while there are buckets enough."""
_IDS_EACH: Final = 16_384
_ALL_DIFFERENT: Final = ("lead_id", "id", "at", "recorded_at", "row")
"""Columns in which hardly a value occurs twice, as in any column of fractions."""


def write_groups(
    tables: Tables, outcomes: Outcomes, folder: Path, *, key: bytes, private: Collection[str | None]
) -> StoredShape:
    """Write all files into a folder, each under the name of what it holds.

    What reports show of people, and attributes named in `private`, are sealed with `key`.
    """
    writer = GroupsWriter(folder, key, frozenset(private))
    groups = _groups_of(tables)
    writer.add(tables, outcomes, groups, np.arange(len(tables)))
    group = np.empty(len(tables), np.int16)
    for i, rows in enumerate(groups):
        group[rows] = i
    return writer.finish(pa.array(tables.lead_ids, pa.string()), group, tables.observed_until)


@dataclass(slots=True)
class GroupsWriter:
    """Writes the groups of a company one after the other: all at once, or slice by slice."""

    folder: Path
    key: bytes
    private: frozenset[str | None]
    _shape: StoredShape | None = None
    _files: dict[str, _GroupFile] = field(default_factory=dict)
    _named: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMED, 0))

    def add(self, tables: Tables, outcomes: Outcomes, groups: Sequence[Ints], rows: Ints) -> None:
        """Write the groups that come next: of each its rows in `tables`.

        `rows` (n,) says which row of all each row of `tables` is. ValueError where these tables are
        shaped otherwise than those before.
        """
        shape = _shape_of(tables, outcomes)
        if self._shape is not None and shape != self._shape:
            raise ValueError("a slice has other columns than those before")
        self._shape = shape
        for name, columns in self._contents(tables, outcomes, groups, rows).items():
            file = self._files.setdefault(name, _GroupFile(self.folder / name))
            for each in columns:
                file.write(each)

    def finish(self, ids: pa.Array, group: NDArray[np.int16], observed_until: int) -> StoredShape:
        """Write the sorted ids of all leads, each with its group, and close the files."""
        assert self._shape is not None  # tables without a row are refused
        self._files[IDS] = index = _GroupFile(self.folder / IDS)
        for at in range(0, len(ids), _IDS_EACH):
            index.write({"id": ids[at : at + _IDS_EACH], "group": group[at : at + _IDS_EACH]})
        for file in self._files.values():
            file.close()
        return replace(
            self._shape,
            observed_until=observed_until,
            rows={name: tuple(file.rows) for name, file in self._files.items()},
            files={name: name for name in self._files},
            footers={name: hash_of_footer(self.folder / name) for name in self._files},
        )

    def _contents(
        self, tables: Tables, outcomes: Outcomes, groups: Sequence[Ints], rows: Ints
    ) -> dict[str, Iterable[Columns]]:
        """Lay out what goes into each file, group by group."""
        named = {name: getattr(tables.events, f"{name}_names") for name in NAMED}
        ragged = _ragged_of(tables, outcomes, self._renumbered(tables.events))
        leads = _lead_columns(tables, outcomes)
        sealed = {f"value.{i}" for i, a in enumerate(tables.attributes) if a.name in self.private}
        sealed |= {name for name in leads if name.startswith("shown.")}
        people = {name: leads.pop(name) for name in sorted(sealed)}
        return {
            LEADS: (
                {
                    **{name: values[group] for name, values in leads.items()},
                    "row": rows[group],
                    **{f"{n}.count": np.diff(each.offsets)[group] for n, each in ragged.items()},
                }
                for group in groups
            ),
            PEOPLE: (_sealed(people, group, self.key) for group in groups),
            **{name: map(_ragged_columns, map(each.take, groups)) for name, each in ragged.items()},
            **{name: [{"name": np.array(names, object)}] for name, names in named.items()},
        }

    def _renumbered(self, events: Events) -> Events:
        """Let the codes of names follow those of the slices before; each slice has its own list."""
        moved: dict[str, Any] = {}
        for name, before in self._named.items():
            codes = getattr(events, name)
            self._named[name] = before + len(getattr(events, f"{name}_names"))
            if self._named[name] > np.iinfo(codes.dtype).max:
                raise ValueError(f"more names of {name} than can be numbered")
            if before:
                moved[name] = np.where(codes < 0, codes, codes + codes.dtype.type(before))
        return replace(events, **moved)


class _GroupFile:
    """A Parquet file with one row group for each group that has rows; `rows` counts those."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows = path, list[int]()
        self._writer: pq.ParquetWriter | None = None

    def write(self, columns: Columns) -> None:
        """Write one group; ValueError where its columns are not those of the first."""
        table = pa.table({name: _arrow(values) for name, values in columns.items()})
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self.path,
                table.schema,
                compression="lz4",  # read in half the time that zstd takes
                use_dictionary=[
                    field.name
                    for field in table.schema
                    if field.name not in _ALL_DIFFERENT and not pa.types.is_floating(field.type)
                ],
                write_statistics=["id"] if "id" in columns else False,
                write_page_checksum=True,
            )
        if len(table):
            self._writer.write_table(table, row_group_size=len(table))
        self.rows.append(len(table))

    def close(self) -> None:
        """Write the end of the file."""
        assert self._writer is not None  # the first group is written, rows or none
        self._writer.close()


def _shape_of(tables: Tables, outcomes: Outcomes) -> StoredShape:
    """Say what the files do not say, as far as it is known before they are written."""
    return StoredShape(
        rows={},
        attributes=tuple(
            StoredAttribute(a.name, a.kind, a.family, a.known_at is not None, a.changes is not None)
            for a in tables.attributes
        ),
        shown=tuple(tables.display.columns),
        observed_until=0,
        timezone=tables.timezone,
        closes_from=None if tables.episodes is None else tables.episodes.closes_from,
        recorded_from=outcomes.recorded_from,
        timed=outcomes.timed,
        settled=outcomes.settled,
        files={},
        footers={},
    )


def _sealed(people: Columns, rows: Ints, key: bytes) -> Columns:
    """Seal some rows of the columns that hold names and addresses, into one cell."""
    table = pa.table({name: _arrow(values[rows]) for name, values in people.items()})
    cells = [seal_table(table, key)] if len(rows) else []
    return {"sealed": pa.array(cells, pa.binary())}


def _groups_of(tables: Tables) -> list[Ints]:
    """List the rows of each group, ascending: a power of two of groups, few for a small company."""
    n = 1
    while n < BUCKETS and n * _ROWS_EACH < len(tables):
        n *= 2
    group = buckets_of_rows(tables).astype(np.int64) * n // BUCKETS
    return rows_by_group(group, n)


def rows_by_group(group: Ints, n: int) -> list[Ints]:
    """List the rows of each of n groups, ascending; `group` (n_rows,) says where each one is."""
    counts = np.bincount(group, minlength=n)
    return np.split(np.argsort(group, kind="stable"), np.cumsum(counts)[:-1])


def _ragged_of(tables: Tables, outcomes: Outcomes, events: Events) -> dict[str, Ragged]:
    found: dict[str, Ragged] = {EVENTS: events}
    for i, attribute in enumerate(tables.attributes):
        if attribute.changes is not None:
            found[f"changes.{i}"] = attribute.changes
    if outcomes.payments is not None:
        found[PAYMENTS] = outcomes.payments
    return found


def _ragged_columns(rows: Ragged) -> Columns:
    values = {name: getattr(rows, name) for name in type(rows).__slots__} | {"at": rows.at}
    return {n: v for n, v in values.items() if isinstance(v, np.ndarray) and n != "offsets"}


def _lead_columns(tables: Tables, outcomes: Outcomes) -> Columns:
    """List the columns with one value per row."""
    columns: dict[str, NDArray[Any] | None] = {
        "lead_id": tables.lead_ids,
        "created_at": tables.created_at,
        "recorded_at": tables.recorded_at,
        "account": tables.account,
        "order": tables.order,
        "converted_at": outcomes.converted_at,
        "disqualified_at": outcomes.disqualified_at,
    }
    for i, attribute in enumerate(tables.attributes):
        columns[f"value.{i}"] = attribute.values
        columns[f"known.{i}"] = attribute.known_at
    for i in range(tables.display.shape[1]):
        columns[f"shown.{i}"] = tables.display.iloc[:, i].to_numpy()
    if tables.episodes is not None:
        for name in Episodes.columns():
            columns[f"episode.{name}"] = getattr(tables.episodes, name)
    return {name: values for name, values in columns.items() if values is not None}


def _arrow(values: NDArray[Any] | pa.Array) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    return pa.array(values, pa.string()) if values.dtype == object else pa.array(values)
