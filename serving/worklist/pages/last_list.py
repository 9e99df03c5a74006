"""The stored run of a week ago -> its list of calls, and what became of those leads since."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.clock import DAY, NEVER, iso
from data.schema import Project
from data.tables import OUTBOUND, Outcomes, Tables
from serving.held_back import came_in_order, order_of_list
from serving.newest_scores import read_newest
from serving.past_weeks import WEEK
from serving.worklist.view_figures import LastList

OLDEST: Final = 14 * DAY
_COLUMNS: Final = ("lead_id", "probability", "rule", "standing", "withheld")


@dataclass(frozen=True, slots=True)
class StoredList:
    """The leads that a stored run put first, with their chances."""

    as_of: int
    lead_ids: tuple[str, ...]
    chances: tuple[float, ...]


def read_stored_list(runs: Path, as_of: int, project: Project, tables: Tables) -> StoredList | None:
    """Read the list of the newest run that is a week old, at most two; None where none is kept.

    It is the one that was shown: without leads that a rule or an answer kept off, and with those
    whose score was held back, each counted with the mean chance.
    """
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
    table = read_newest(path, list(_COLUMNS))
    if table is None:  # damaged, or of a version that kept no answers
        return None
    scored = table.to_pandas()
    listed = scored[scored["rule"].isna() & scored["standing"].isna()]
    ids = listed["lead_id"].to_numpy(str)
    held = np.array(table["withheld"].to_pylist(), object)[listed.index]
    chances = listed["probability"].to_numpy(np.float64)
    chances = np.where(np.isnan(chances), scored["probability"].mean(), chances)
    rows_of = tables.rows_of(ids[held != None])  # noqa: E711  # by element
    rows = np.array([tables.open_at(rows_of.get(lead, [0]), at) for lead in ids], np.int64)
    came = came_in_order(tables, rows)
    best = order_of_list(ids, came, project, held=held, rank=-chances)
    best = best[: project.report.capacity_per_week]
    return StoredList(at, tuple(ids[best].tolist()), tuple(chances[best].tolist()))


def follow_list(
    stored: StoredList | None, tables: Tables, outcomes: Outcomes, as_of: int
) -> LastList | None:
    """Count what became of the leads of a list between its day and `as_of`.

    Of a lead that the data do not hold any more nothing is said.
    """
    if stored is None:
        return None
    found = tables.rows_of(stored.lead_ids).values()
    rows = np.array([row for of_lead in found for row in of_lead], np.int64)
    converted = np.where(outcomes.converted_at < as_of, outcomes.converted_at, NEVER)[rows]
    lost = np.where(outcomes.disqualified_at < as_of, outcomes.disqualified_at, NEVER)[rows]
    won = (converted >= stored.as_of) & (converted < NEVER) & (converted <= lost)
    gone = (lost >= stored.as_of) & (lost < NEVER) & ~won
    events = tables.events
    known = events.at if events.recorded_at is None else np.maximum(events.at, events.recorded_at)
    acts = (events.direction == OUTBOUND) & (events.at >= stored.as_of) & (known < as_of)
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
        lost=count(gone & ~np.isin(leads, leads[won])),
        still_open=len(found) - len(np.unique(leads[won | gone])),
    )
