"""Events in any order and format -> a lead-ordered store on disk that is read by lead range.

DuckDB reads, dictionary-codes and sorts the events by (lead, at), ties in source order, within a
memory limit. A store is a folder of *runs*: the first ingestion is one run, every append adds one
that holds only what is new, so that it costs in proportion to the new events, late ones included.
A reader merges the runs of a lead range; `compact` makes them one again. What the manifest
does not name is ignored, and the manifest is replaced last: a killed append leaves the old store.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.errors import InputError
from data.merge import merge_order
from data.run_files import COLUMNS, EventFields, Run, RunWriter, ingest, read_index, read_slice
from data.tables import Events

NAMED: Final = ("type", "channel", "campaign", "person")
_Part = dict[str, NDArray[Any]]
_ABSENT: Final = {"channel": -1, "campaign": -1, "person": -1, "direction": -1, "value": np.nan}


@dataclass(frozen=True, slots=True)
class EventStore:
    """A folder of sorted runs and dictionaries; leads are numbered as they first appeared."""

    folder: Path
    runs: tuple[Run, ...]
    names: dict[str, tuple[str, ...]]  # texts of NAMED, by code
    n_leads: int

    @classmethod
    def open(cls, folder: str | Path) -> EventStore:
        """Open a store, or begin an empty one where the folder has no manifest."""
        path = Path(folder)
        manifest = path / "manifest.json"
        if not manifest.exists():
            return cls(path, (), dict.fromkeys(NAMED, ()), 0)
        try:
            listed = json.loads(manifest.read_text())["runs"]
            runs = tuple(Run(**{**run, "columns": tuple(run["columns"])}) for run in listed)
            names = {name: tuple(_texts(path, runs, name)["text"].to_pylist()) for name in NAMED}
        except (KeyError, TypeError, ValueError, RecursionError, OSError) as error:
            raise InputError(
                f"is no event store: {error}", file=str(path), cure="ingest the events again"
            ) from None
        return cls(path, runs, names, sum(run.new_leads for run in runs))

    def __len__(self) -> int:
        """Count the events."""
        return sum(run.events for run in self.runs)

    def lead_ids(self) -> NDArray[np.object_]:
        """Read the ids of the leads by number: (n_leads,)."""
        texts = _texts(self.folder, self.runs, "lead")["text"]
        return np.asarray(texts.to_numpy(), dtype=object)

    def append(
        self,
        source: str | Path | pa.Table | pa.RecordBatchReader,
        fields: EventFields,
        *,
        timezone: str = "UTC",
        memory: str = "1GB",
        threads: int = 1,
    ) -> EventStore:
        """Add events, new or late, as one more run; return the store that has them.

        `source` is a CSV or Parquet path or glob, or Arrow batches of a database query. Times
        without a zone are read in `timezone`. Events without lead, time or type are left out and
        counted; InputError where they are most.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        number = 1 + max((int(run.name[4:]) for run in self.runs), default=-1)
        known = {name: _texts(self.folder, self.runs, name) for name in ("lead", *NAMED)}
        run = ingest(
            source,
            fields,
            self.folder / f"run-{number:06d}",
            known,
            timezone=timezone,
            memory=memory,
            threads=threads,
        )
        self._write_manifest((*self.runs, run))
        return EventStore.open(self.folder)

    def ranges(self, events_each: int = 2_000_000) -> Iterator[tuple[int, int]]:
        """Cut the leads into ranges of about `events_each` events: (first, past the last)."""
        per_lead = np.zeros(self.n_leads, np.int64)
        for run in self.runs:
            lead, start = read_index(self.folder / run.name)
            per_lead[lead] += np.diff(start)
        reached = np.cumsum(per_lead, out=per_lead)
        first = 0
        while first < self.n_leads:
            before = reached[first - 1] if first else 0
            past = int(np.searchsorted(reached, before + events_each, side="right"))
            past = min(max(past, first + 1), self.n_leads)
            yield first, past
            first = past

    def read(self, first: int, past: int) -> Events:
        """Read the events of leads first..past-1, merged over runs; offsets count from `first`."""
        parts = [self._part(run, first, past) for run in self.runs]
        parts = [part for part in parts if len(part["at"])] or [_empty_part()]
        each = np.sum([_events_per_lead(part, first, past) for part in parts], axis=0)
        merged = parts[0] if len(parts) == 1 else _merge(parts)
        has_clock = any("recorded_at" in run.columns for run in self.runs)
        return Events(
            offsets=np.concatenate([[0], np.cumsum(each)]).astype(np.int64),
            at=merged["at"],
            recorded_at=merged["recorded_at"] if has_clock else None,
            type=merged["type"],
            channel=merged["channel"],
            campaign=merged["campaign"],
            person=merged["person"],
            direction=merged["direction"],
            value=merged["value"],
            type_names=self.names["type"],
            channel_names=self.names["channel"],
            campaign_names=self.names["campaign"],
            person_names=self.names["person"],
        )

    def _part(self, run: Run, first: int, past: int) -> _Part:
        """Read one run's columns of a lead range; columns that it lacks are filled."""
        folder = self.folder / run.name
        lead, start = read_index(folder)
        lo, hi = np.searchsorted(lead, [first, past])
        begin, end = int(start[lo]), int(start[hi])
        part: _Part = {"lead": lead[lo:hi], "each": np.diff(start[lo : hi + 1])}
        for name, kind in COLUMNS.items():
            if name in run.columns:
                part[name] = read_slice(folder, name, begin, end)
            elif name != "recorded_at":  # a view that takes no memory: few features read it
                part[name] = np.broadcast_to(np.array(_ABSENT[name], kind), end - begin)
        part.setdefault("recorded_at", part["at"])
        return part

    def compact(self, events_each: int = 2_000_000) -> EventStore:
        """Merge all runs into one, range by range, and remove the old runs afterwards."""
        if len(self.runs) < 2:
            return self
        columns = tuple(c for c in COLUMNS if any(c in run.columns for run in self.runs))
        number = 1 + int(self.runs[-1].name[4:])
        writer = RunWriter(self.folder / f"run-{number:06d}", columns)
        for first, past in self.ranges(events_each):
            events = self.read(first, past)
            lead = first + events.lead
            writer.write(lead, {name: getattr(events, name) for name in columns})
        run = writer.close(
            {name: _texts(self.folder, self.runs, name) for name in ("lead", *NAMED)}
        )
        self._write_manifest((run,))
        for old in self.runs:
            shutil.rmtree(self.folder / old.name)
        return EventStore.open(self.folder)

    def _write_manifest(self, runs: tuple[Run, ...]) -> None:
        draft = self.folder / "manifest.json.new"
        draft.write_text(json.dumps({"runs": [asdict(run) for run in runs]}, indent=1))
        os.replace(draft, self.folder / "manifest.json")


def _texts(folder: Path, runs: tuple[Run, ...], name: str) -> pa.Table:
    """Read a dictionary: each run holds the texts that it saw first."""
    parts = [pq.read_table(folder / run.name / f"{name}.parquet") for run in runs]
    empty = pa.table({"text": pa.array([], pa.string())})
    return pa.concat_tables([empty, *parts])


def _events_per_lead(part: _Part, first: int, past: int) -> NDArray[np.int64]:
    """Count a part's events of each lead of the range."""
    each = np.zeros(past - first, np.int64)
    each[part["lead"] - first] = part["each"]
    return each


def _merge(parts: list[_Part]) -> _Part:
    """Merge parts by (lead, at); on ties the older run stands first."""
    merged, lead = parts[0], np.repeat(parts[0]["lead"], parts[0]["each"])
    for part in parts[1:]:
        other = np.repeat(part["lead"], part["each"])
        order = merge_order(lead, merged["at"], other, part["at"])
        merged = {name: np.concatenate([merged[name], part[name]])[order] for name in COLUMNS}
        lead = np.concatenate([lead, other])[order]
    return merged


def _empty_part() -> _Part:
    columns: _Part = {name: np.empty(0, kind) for name, kind in COLUMNS.items()}
    return {"lead": np.empty(0, np.int64), "each": np.empty(0, np.int64), **columns}
