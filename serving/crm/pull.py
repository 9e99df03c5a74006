"""A CRM's leads and events -> leads.parquet and events.parquet, only what is new."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import InputError, OutsideError
from serving.crm.seam import CrmError, Page, Readable, Value

_TIMES = ("at", "created_at", "changed_at", "recorded_at")


@dataclass(frozen=True, slots=True)
class Pulled:
    """How many rows were new or changed, and how many there are."""

    new_leads: int
    leads: int
    new_events: int
    events: int


def pull(crm: Readable, folder: Path, *, as_of: int | None = None) -> Pulled:
    """Read what was recorded since the last pull into `folder`, late records included.

    Rows are merged by id, so that reading one twice changes nothing; the watermark moves after the
    rows are on disk. With `as_of` (microseconds UTC) everything is read as it was at that moment,
    into a folder that must be empty. OutsideError where the CRM fails: nothing is changed then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if as_of is not None and any(folder.iterdir()):
        raise InputError("is not empty", file=folder.name, cure="a past moment needs a new folder")
    marks = _marks(folder)
    try:
        new_leads, leads_mark = _gather(crm.read_leads(marks.get("leads"), as_of=as_of), "lead_id")
        new_events, events_mark = _gather(
            crm.read_events(marks.get("events"), as_of=as_of), "event_id"
        )
    except CrmError as error:
        raise OutsideError(f"reading from the CRM failed: {error}", cure="run again") from None
    leads = _merge(folder / "leads.parquet", new_leads, "lead_id")
    events = _merge(folder / "events.parquet", new_events, "event_id")
    if as_of is None:
        told = {
            "leads": leads_mark or marks.get("leads"),
            "events": events_mark or marks.get("events"),
        }
        _replace(folder / "watermark.json", json.dumps(told).encode())
    return Pulled(len(new_leads), leads, len(new_events), events)


def _gather(pages: Iterable[Page], key: str) -> tuple[dict[str, Mapping[str, Value]], str | None]:
    rows: dict[str, Mapping[str, Value]] = {}
    mark: str | None = None
    for page in pages:
        rows.update({str(row[key]): row for row in page.rows})
        if page.watermark is not None:
            mark = page.watermark if mark is None else max(mark, page.watermark, key=int)
    return rows, mark


def _merge(path: Path, new: Mapping[str, Mapping[str, Value]], key: str) -> int:
    """Put new rows over those on disk; count all. Columns are the union of both."""
    there = {str(row[key]): row for row in _load(path)} if path.exists() else {}
    rows = {**there, **new}
    if not rows or not new:
        return len(rows)
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    ordered = [rows[lead] for lead in sorted(rows)]
    table = pa.table({name: _column(name, [row.get(name) for row in ordered]) for name in names})
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    pq.write_table(table, part)
    part.replace(path)
    return len(rows)


def _load(path: Path) -> list[dict[str, Value]]:
    table = pq.read_table(path)
    for name in set(_TIMES) & set(table.column_names):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table[name].cast(pa.int64()))
    rows: list[dict[str, Value]] = table.to_pylist()
    return rows


def _column(name: str, values: list[Value]) -> pa.Array:
    if name in _TIMES:
        return pa.array(values, pa.timestamp("us", tz="UTC"))
    if all(value is None or isinstance(value, int | float) for value in values):
        kind = pa.string() if all(value is None for value in values) else pa.float64()
        return pa.array(values, kind)
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _marks(folder: Path) -> dict[str, str | None]:
    path = folder / "watermark.json"
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError:
        raise InputError(
            "is no watermark", file=path.name, cure="remove it: all is read again"
        ) from None


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(data)
    part.replace(path)
