"""A seeded world of events for the feature benchmark: Parquet for the peers, a store for us."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.feature_peers import CHANNELS, TYPES
from data.buckets import Part
from data.durations import DAY
from data.schema import Project
from data.store.crm_store import CrmStore
from data.tables import Tables

BLOCK = 100_000  # leads


def blocks(n_leads: int, seed: int, late: float) -> Iterator[tuple[np.ndarray, pa.Table]]:
    """Yield (created, events sorted by (lead, happened)): 20 events a lead over 120 days."""
    for first in range(0, n_leads, BLOCK):
        rng, created = _created(n_leads, first, seed)
        n = len(created)
        each = rng.poisson(20, n)
        lead = np.repeat(np.arange(n), each)
        total = len(lead)
        happened = created[lead] + rng.integers(-DAY, 120 * DAY, total)
        order = np.lexsort((happened, lead))
        happened = happened[order]
        delay = (rng.random(total) < late) * rng.integers(0, 30 * DAY, total)
        columns = {
            "lead": (lead + first).astype(np.int64),
            "happened": happened,
            "type": np.minimum(rng.geometric(0.2, total) - 1, TYPES - 1).astype(np.int16),
            "channel": rng.integers(0, CHANNELS, total).astype(np.int16),
            "value": rng.random(total).astype(np.float32),
        }
        if late:
            columns["recorded"] = happened + delay
        yield created, pa.table(columns)


def write_world(folder: Path, n_leads: int, *, seed: int = 7) -> int:
    """Write leads.parquet, world.json and events.parquet; return the number of events."""
    folder.mkdir(parents=True, exist_ok=True)
    total, writer = 0, None
    for _, table in blocks(n_leads, seed, 0.0):
        writer = writer or pq.ParquetWriter(folder / "events.parquet", table.schema)
        writer.write_table(table, row_group_size=500_000)
        total += table.num_rows
    assert writer is not None
    writer.close()
    write_leads(folder, n_leads, seed=seed)
    (folder / "world.json").write_text(json.dumps({"leads": n_leads, "events": total}))
    return total


def write_leads(folder: Path, n_leads: int, *, seed: int = 7) -> None:
    """Write leads.parquet: when each lead was created."""
    folder.mkdir(parents=True, exist_ok=True)
    born = [_created(n_leads, first, seed)[1] for first in range(0, n_leads, BLOCK)]
    table = pa.table({"lead": np.arange(n_leads), "created": np.concatenate(born)})
    pq.write_table(table, folder / "leads.parquet")


def _created(n_leads: int, first: int, seed: int) -> tuple[np.random.Generator, np.ndarray]:
    rng = np.random.default_rng([seed, first])
    return rng, rng.integers(DAY, 366 * DAY, min(BLOCK, n_leads - first))  # events a day before


def write_store(folder: Path, n_leads: int, *, seed: int = 7, late: float = 0.0) -> None:
    """Write the same world as a company's files, and take them into its store."""
    folder.mkdir(parents=True, exist_ok=True)
    created, writer = [], None
    for born, table in blocks(n_leads, seed, late):
        created.append(born)
        touches = _exported(table)
        writer = writer or pq.ParquetWriter(folder / "touches.parquet", touches.schema)
        writer.write_table(touches)
    assert writer is not None
    writer.close()
    leads = {
        "lead": [f"{i:09d}" for i in range(n_leads)],
        "created": pa.array(np.concatenate(created)).cast(pa.timestamp("us")),
    }
    pq.write_table(pa.table(leads), folder / "leads.parquet")
    CrmStore(folder / "store").read(company_of(folder))


def company_of(folder: Path) -> Project:
    """Describe the files of `write_store` as a project."""
    touches = {
        "source": "touches.parquet",
        "lead": "lead",
        "at": "happened",
        "type": ["type"],
        "channel": "channel",
        "value": "value",
    }
    if "recorded" in pq.read_schema(folder / "touches.parquet").names:
        touches["recorded_at"] = "recorded"
    return Project.model_validate(
        {
            "project": {"name": "bench"},
            "leads": {"source": "leads.parquet", "id": "lead", "created_at": "created"},
            "events": [touches],
            "conversion": {"event": "won", "horizon": "30d", "snapshots": "weekly"},
            "folder": str(folder),
        }
    )


def stored_parts(folder: Path) -> Iterator[tuple[np.ndarray, Tables]]:
    """Read a store part by part, about two million events each: (numbers of leads, tables)."""
    store, project = CrmStore(folder / "store"), company_of(folder)
    n_leads = pq.read_metadata(folder / "leads.parquet").num_rows
    of = min(max(n_leads // 100_000, 1), 256)
    for number in range(1, of + 1):
        tables = store.read(project, part=Part(number, of)).tables
        yield tables.lead_ids.astype(np.int64), tables


def _exported(table: pa.Table) -> pa.Table:
    """Write codes as texts and microseconds as times."""

    def text(name: str, before: str) -> pa.Array:
        return pc.binary_join_element_wise(before, table[name].cast(pa.string()), "")

    clocks = [name for name in ("happened", "recorded") if name in table.column_names]
    return pa.table(
        {
            "lead": pc.utf8_lpad(table["lead"].cast(pa.string()), 9, "0"),
            **{name: table[name].cast(pa.timestamp("us")) for name in clocks},
            "type": text("type", "t"),
            "channel": text("channel", "c"),
            "value": table["value"],
        }
    )
