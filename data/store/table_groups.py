"""Parquet files whose row groups are runs of buckets -> tables and outcomes.

Rows stand in the order of their groups, within a group in their own order. A column of rows per
lead (events, changes of a field, payments) is a file of its own with the same groups; the file of
the leads counts how many rows each has. Pages carry checksums, so that a damaged file is noticed.
A company that was taken in slice by slice has a list of the names of events for each slice.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

from data.part import renumbered
from data.reading.values import objects
from data.store.sealed import open_table
from data.tables import Attribute, Changes, Episodes, Events, Outcomes, Payments, Tables

Ints = NDArray[np.int64]
Columns = dict[str, Any]

LEADS: Final = "leads"
EVENTS: Final = "events"
PAYMENTS: Final = "payments"
PEOPLE: Final = "people"
IDS: Final = "ids"
NAMED: Final = ("type", "channel", "campaign", "person")
"""The columns of events that hold codes of names."""
_CODES: Final = {"type": np.int16, "channel": np.int16, "campaign": np.int32, "person": np.int32}


@dataclass(frozen=True, slots=True)
class StoredAttribute:
    """What the files do not say of an attribute."""

    name: str
    kind: Any
    family: Any
    dated: bool
    replayed: bool


@dataclass(frozen=True, slots=True)
class StoredShape:
    """What the files do not say of tables and outcomes.

    `rows` counts the rows of each group, by file: what it holds -> (n_groups,); `files` names the
    files, by what they hold.
    """

    rows: Mapping[str, tuple[int, ...]]
    attributes: tuple[StoredAttribute, ...]
    shown: tuple[str, ...]
    observed_until: int
    timezone: str
    closes_from: int | None
    recorded_from: int | None
    timed: bool
    settled: bool
    files: Mapping[str, str]
    footers: Mapping[str, str]  # the hash of each: pages have checksums, it has none

    @property
    def n_groups(self) -> int:
        """Count the groups."""
        return len(self.rows[LEADS])

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> StoredShape:
        """Read what `asdict` wrote."""
        attributes = tuple(StoredAttribute(**each) for each in raw["attributes"])
        rows = {name: tuple(counts) for name, counts in raw["rows"].items()}
        return cls(**{**raw, "rows": rows, "shown": tuple(raw["shown"]), "attributes": attributes})


def hash_of_footer(path: Path) -> str:
    """Hash what a Parquet file says of itself at its end; OSError where there is no such file."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(end - 8, 0))
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(end - 8 - length, 0))
        return xxhash.xxh3_64_hexdigest(file.read())


@dataclass(frozen=True, slots=True)
class TableGroups:
    """The files of one reading; damage raises ValueError or OSError (Arrow's are such)."""

    folder: Path
    shape: StoredShape
    key: bytes

    def group_of(self, lead: str) -> int | None:
        """Find the group that holds a lead; None where there is no such lead."""
        file = self._open(IDS)
        for i in range(file.num_row_groups):
            known = file.metadata.row_group(i).column(0).statistics
            if known is not None and known.has_min_max and not known.min <= lead <= known.max:
                continue
            table = file.read_row_group(i)
            if (place := pc.index(table["id"], lead).as_py()) >= 0:
                return int(table["group"][place].as_py())
        return None

    def first_id(self) -> str:
        """Give the first id of all."""
        return str(self._open(IDS).read_row_group(0)["id"][0].as_py())

    def read(self, first: int, past: int) -> tuple[Tables, Outcomes]:
        """Read the groups first..past-1 in the order of their rows, with the codes of the whole.

        Where these are not all groups, only names of events that occur are listed.
        """
        leads = self._columns(LEADS, first, past) | self._people(first, past)
        order = np.argsort(leads.pop("row"))
        column = {name: values[order] for name, values in leads.items()}
        ragged = {
            name.removesuffix(".count"): np.concatenate([[0], np.cumsum(values)])
            for name, values in leads.items()
            if name.endswith(".count")
        }

        def changes(i: int) -> Changes:
            name = f"changes.{i}"
            return Changes(ragged[name], **self._columns(name, first, past)).take(order)

        attributes = tuple(
            Attribute(
                each.name,
                each.kind,
                column[f"value.{i}"],
                column.get(f"known.{i}"),
                changes(i) if each.replayed else None,
                each.family,
            )
            for i, each in enumerate(self.shape.attributes)
        )
        whole = (first, past) == (0, self.shape.n_groups)
        events = self._events(first, past, ragged[EVENTS], whole=whole).take(order)
        tables = Tables(
            lead_ids=column["lead_id"],
            created_at=column.get("created_at"),
            recorded_at=column.get("recorded_at"),
            account=column["account"],
            attributes=attributes,
            events=events,
            display=self._display(column, len(order)),
            observed_until=self.shape.observed_until,
            timezone=self.shape.timezone,
            order=column.get("order"),
            episodes=self._episodes(column),
        )
        payments = None
        if PAYMENTS in ragged:
            paid = {"recorded_at": None, **self._columns(PAYMENTS, first, past)}
            payments = Payments(ragged[PAYMENTS], **paid).take(order)
        return tables, Outcomes(
            column["converted_at"],
            column["disqualified_at"],
            self.shape.observed_until,
            self.shape.recorded_from,
            self.shape.timed,
            self.shape.settled,
            payments,
        )

    def _people(self, first: int, past: int) -> Columns:
        """Open the sealed columns of some groups."""
        cells = self._table(PEOPLE, first, past)["sealed"].to_pylist()
        if not cells:  # no lead is in these groups: columns as another group has them
            any_group = int(np.flatnonzero(np.array(self.shape.rows[PEOPLE]))[0])
            cells = self._table(PEOPLE, any_group, any_group + 1)["sealed"].to_pylist()
            first = past = any_group
        whole = pa.concat_tables([open_table(cell, self.key) for cell in cells])
        whole = whole if past > first else whole.slice(0, 0)
        return {each: _numpy(whole[each]) for each in whole.column_names}

    def _events(self, first: int, past: int, offsets: Ints, *, whole: bool) -> Events:
        """Read the events; of a part, the names are those that occur in it."""
        unnamed = {name for name in NAMED if not any(self.shape.rows[name])}
        columns = {"recorded_at": None, **self._columns(EVENTS, first, past, without=unnamed)}
        for name in NAMED:
            if name in unnamed:
                columns |= {name: np.full(offsets[-1], -1, _CODES[name]), f"{name}_names": ()}
                continue
            lists = len(self.shape.rows[name])
            codes = columns[name]
            if whole and lists == 1:
                names = tuple(self._table(name, 0, 1)["name"].to_pylist())
            else:
                codes, names = self._renamed(name, codes)
            columns |= {name: codes, f"{name}_names": names}
        return Events(offsets, **columns)

    def _renamed(
        self, name: str, codes: NDArray[np.integer]
    ) -> tuple[NDArray[np.integer], tuple[str, ...]]:
        """Renumber the names that occur, in their order, however many lists they stand in."""
        new, kept = renumbered(codes)
        if not len(kept):
            return codes, ()
        starts = np.cumsum([0, *self.shape.rows[name]])
        first, last = (np.searchsorted(starts, kept[[0, -1]], "right") - 1).tolist()
        places = pa.array(kept - starts[first])
        names = objects(self._table(name, first, last + 1)["name"].take(places))
        if last > first:
            names, place = np.unique(names, return_inverse=True)
            new = np.append(place, -1)[new]
        return new.astype(codes.dtype), tuple(names.tolist())

    def _display(self, column: Columns, n: int) -> pd.DataFrame:
        """Put the shown columns together as the reader does."""
        roles = self.shape.shown
        texts = [i for i, role in enumerate(roles) if role != "value"]
        cells = np.array([column[f"shown.{i}"] for i in texts], object).reshape(len(texts), n).T
        frame = pd.DataFrame(cells, columns=[roles[i] for i in texts], dtype=object)
        if "value" in roles:
            frame["value"] = column[f"shown.{roles.index('value')}"]
        return frame

    def _episodes(self, column: Columns) -> Episodes | None:
        if self.shape.closes_from is None:
            return None
        columns: Any = {name: column[f"episode.{name}"] for name in Episodes.columns()}
        return Episodes(**columns, closes_from=self.shape.closes_from)

    def _open(self, name: str) -> pq.ParquetFile:
        path = self.folder / self.shape.files[name]
        if hash_of_footer(path) != self.shape.footers[name]:
            raise ValueError(f"{path.name} is damaged")
        return pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)

    def _columns(
        self, name: str, first: int, past: int, *, without: Collection[str] = ()
    ) -> Columns:
        """Read the columns of some groups, all but those named in `without`."""
        table = self._table(name, first, past, without)
        return {each: _numpy(table[each]) for each in table.column_names}

    def _table(self, name: str, first: int, past: int, without: Collection[str] = ()) -> pa.Table:
        """Read some groups; one without rows has no place in the file."""
        filled = np.array(self.shape.rows[name]) > 0
        before = np.concatenate([[0], np.cumsum(filled)])
        file = self._open(name)
        columns = [each for each in file.schema_arrow.names if each not in without]
        table = file.read_row_groups([*range(before[first], before[past])], columns)
        if len(table) != sum(self.shape.rows[name][first:past]):
            raise ValueError(f"{name} has lost rows")
        return table


def _numpy(column: pa.ChunkedArray) -> NDArray[Any]:
    return objects(column) if pa.types.is_string(column.type) else np.asarray(column.to_numpy())
