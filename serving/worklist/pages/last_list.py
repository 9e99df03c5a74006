"""The stored run of a week ago -> its list of calls, and what became of those leads since."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.clock import DAY, NEVER, iso
from data.tables import OUTBOUND, Outcomes, Tables
from serving.past_weeks import WEEK
from serving.worklist.view import LastList

OLDEST: Final = 14 * DAY
_COLUMNS: Final = ("lead_id", "as_of", "probability", "rule")


@dataclass(frozen=True, slots=True)
class StoredList:
    """The leads that a stored run put first, with their chances."""

    as_of: int
    lead_ids: tuple[str, ...]
    chances: tuple[float, ...]


def read_stored_list(runs: Path, as_of: int, capacity: int) -> StoredList | None:
    """Read the list of the newest run that is a week old, at most two; None where none is kept."""
    found: list[tuple[int, Path]] = []
    for path in sorted(runs.glob("*/scores.parquet")):
        head = next(pq.ParquetFile(path).iter_batches(1, columns=["as_of"]), None)
        if head is None or not head.num_rows:
            continue
        at = int(head["as_of"].cast(pa.int64())[0].as_py())
        if as_of - OLDEST <= at <= as_of - WEEK:
            found.append((at, path))
    if not found:
        return None
    at, path = max(found)
    table = pq.read_table(path, columns=list(_COLUMNS)).to_pandas()
    listed = table[table["rule"].isna() & table["probability"].notna()]
    best = listed.sort_values(["probability", "lead_id"], ascending=[False, True]).head(capacity)
    return StoredList(at, tuple(map(str, best["lead_id"])), tuple(map(float, best["probability"])))


def follow_list(
    stored: StoredList | None, tables: Tables, outcomes: Outcomes, as_of: int
) -> LastList | None:
    """Count what became of the leads of a list between its day and `as_of`."""
    if stored is None:
        return None
    wanted = set(stored.lead_ids)
    rows = np.array([i for i, lead in enumerate(tables.lead_ids) if str(lead) in wanted], np.int64)
    converted = np.where(outcomes.converted_at < as_of, outcomes.converted_at, NEVER)[rows]
    lost = np.where(outcomes.disqualified_at < as_of, outcomes.disqualified_at, NEVER)[rows]
    won = (converted >= stored.as_of) & (converted < NEVER) & (converted <= lost)
    gone = (lost >= stored.as_of) & (lost < NEVER) & ~won
    events = tables.events
    acts = (events.direction == OUTBOUND) & (events.at >= stored.as_of) & (events.at < as_of)
    touched = np.isin(rows, events.lead[acts])
    leads = tables.lead[rows]

    def count(mask: np.ndarray) -> int:
        return len(np.unique(leads[mask]))

    return LastList(
        made_on=iso(stored.as_of),
        calls=len(stored.lead_ids),
        expected=float(sum(stored.chances)),
        touched=count(touched),
        converted=count(won),
        lost=count(gone),
        still_open=len(stored.lead_ids) - count(won) - count(gone),
    )
