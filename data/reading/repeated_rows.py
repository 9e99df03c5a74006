"""A table in which ids repeat -> one row for each id, the first or the last by creation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from data.reading.read_job import ReadJob
from data.reading.sources import RawTable
from data.reading.values import instants, texts


def one_row_per_id(raw: RawTable, job: ReadJob) -> RawTable:
    """Keep what `leads.repeated` says, in file order; as it is where nothing is said.

    The first or last is meant by leads.created_at, ties and static projects by row. A row without
    an id is kept, for `unique_ids` to refuse.
    """
    leads = job.project.leads
    if leads.repeated is None or leads.id == "#row":
        return raw
    ids = texts(raw.column(leads.id), job.missing).combine_chunks()
    codes = pd.factorize(ids.to_pandas())[0]
    at = np.arange(len(raw))
    if leads.created_at is not None:
        at = instants(raw, leads.created_at, job)
    rows = np.lexsort((np.arange(len(raw)), at, codes))
    ordered = codes[rows]
    beside = np.roll(ordered, 1 if leads.repeated == "first" else -1)
    end = 0 if leads.repeated == "first" else -1
    kept = (ordered != beside) | (ordered < 0)
    if len(kept):
        kept[end] = True
    rows = np.sort(rows[kept])
    if len(rows) == len(raw):
        return raw
    by = f" by {leads.created_at}" if leads.created_at is not None else ""
    job.notes.add(
        f"{raw.name}: {len(raw) - len(rows):,} rows repeat an id: of each id the {leads.repeated} "
        f"row{by} counts"
    )
    places = pa.array(rows)
    return replace(
        raw,
        table=raw.table.take(places),
        rows=places if raw.rows is None else raw.rows.take(places),
    )
