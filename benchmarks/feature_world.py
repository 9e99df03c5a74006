"""A seeded world of events for the feature benchmark: Parquet for the peers, a store for us."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.csv import WriteOptions, write_csv

from benchmarks.feature_peers import CHANNELS, TYPES
from data.durations import DAY
from data.run_files import RunWriter

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
    return rng, rng.integers(0, 365 * DAY, min(BLOCK, n_leads - first))


def write_store(folder: Path, n_leads: int, *, seed: int = 7, late: float = 0.0) -> None:
    """Write the same world as an event store of one run."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ["at", *(["recorded_at"] if late else []), "type", "channel", "value"]
    sources = {"at": "happened", "recorded_at": "recorded"}
    writer = RunWriter(folder / "run-000000", tuple(names))
    for _, table in blocks(n_leads, seed, late):
        columns = {name: table[sources.get(name, name)].to_numpy() for name in names}
        writer.write(table["lead"].to_numpy(), columns)
    texts = {
        "lead": [f"{i:09d}" for i in range(n_leads)],
        "type": [f"t{k}" for k in range(TYPES)],
        "channel": [f"c{k}" for k in range(CHANNELS)],
        "campaign": [],
        "person": [],
    }
    run = writer.close({k: pa.table({"text": pa.array(v, pa.string())}) for k, v in texts.items()})
    manifest = {
        "runs": [
            {
                "name": run.name,
                "events": run.events,
                "new_leads": run.new_leads,
                "columns": run.columns,
                "left_out": 0,
            }
        ]
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def write_shuffled(folder: Path, n_leads: int, *, seed: int = 7) -> None:
    """Write the world as a CRM would export it: texts, ISO times, any order; and 1 % new events."""
    rng = np.random.default_rng(seed)
    parquet, parts = None, []
    with open(folder / "shuffled.csv", "wb") as csv:
        for _, table in blocks(n_leads, seed, 0.0):
            whole = _exported(table.take(rng.permutation(table.num_rows)))
            if parquet is None:
                parquet = pq.ParquetWriter(folder / "shuffled.parquet", whole.schema)
            style = WriteOptions(include_header=csv.tell() == 0, quoting_style="none")
            write_csv(whole, csv, style)
            parquet.write_table(whole)
            parts.append(whole.slice(0, whole.num_rows // 100))
    assert parquet is not None
    parquet.close()
    pq.write_table(pa.concat_tables(parts), folder / "new.parquet")


def _exported(table: pa.Table) -> pa.Table:
    """Write codes as texts and microseconds as times."""

    def text(name: str, before: str, width: int) -> pa.Array:
        digits = pc.utf8_lpad(table[name].cast(pa.string()), width, "0")
        return pc.binary_join_element_wise(before, digits, "")

    return pa.table(
        {
            "lead": text("lead", "L", 9),
            "happened": table["happened"].cast(pa.timestamp("us")),
            "type": text("type", "type ", 1),
            "channel": text("channel", "channel ", 1),
            "value": table["value"],
        }
    )
