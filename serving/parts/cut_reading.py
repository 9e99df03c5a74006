"""What was read of a company -> what one part of it holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.buckets import Part, buckets_of
from data.part import part_of
from data.reading.read_tables import CrmData
from data.tables import Outcomes, Tables


def buckets_of_leads(tables: Tables) -> NDArray[np.uint8]:
    """Find the bucket of each row, by its account where it has one: (n_rows,)."""
    ids = pa.array(tables.lead_ids, pa.string())
    if "account" not in tables.display.columns:
        return buckets_of(ids)
    names = tables.display["account"].to_numpy(object)
    return buckets_of(ids, pa.array(names, pa.string(), from_pandas=True))


def cut_reading(reading: CrmData, part: Part, buckets: NDArray[np.uint8]) -> CrmData:
    """Keep the leads of a part, in their order; `buckets` (n_rows,) are those of all rows.

    What all leads decide stays: the end of observation, notes, counts of sources.
    """
    rows = np.flatnonzero(part.holds(buckets))
    tables = part_of(reading.tables, rows)
    return replace(reading, tables=tables, outcomes=_outcomes(reading.outcomes, rows))


def _outcomes(outcomes: Outcomes, rows: NDArray[np.int64]) -> Outcomes:
    return replace(
        outcomes,
        converted_at=outcomes.converted_at[rows],
        disqualified_at=outcomes.disqualified_at[rows],
        payments=None if outcomes.payments is None else outcomes.payments.take(rows),
    )
