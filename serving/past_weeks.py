"""The leads of a run some weeks earlier -> their feature rows, built in one pass over the events.

The trend, the movers and the score history of a report all read these rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.asof import exists
from data.durations import DAY
from data.tables import Snapshots, Tables
from features.build import build
from features.frame import Catalogue, FeatureFrame

Rows = NDArray[np.int64]

WEEK: Final = 7 * DAY
TREND_WEEKS: Final = 1
"""The one window of the report: arrows, changes and lists look so many weeks back."""
HISTORY_WEEKS: Final = 8


@dataclass(frozen=True, slots=True)
class PastWeeks:
    """Row i of `frame` is lead `row[i]` of the run, `ago[i]` weeks before the run.

    A lead has no row for a week before it was created.
    """

    weeks: tuple[int, ...]
    row: Rows
    ago: Rows
    frame: FeatureFrame

    def at(self, weeks: int, among: Rows | None = None) -> tuple[Rows, FeatureFrame]:
        """Return the leads that existed so many weeks ago, as rows of the run, and their features.

        `among` keeps these rows of the run only. ValueError for a week that was not built.
        """
        if weeks not in self.weeks:
            raise ValueError(f"{weeks} weeks ago was not built, only {self.weeks}")
        chosen = self.ago == weeks
        if among is not None:
            chosen &= np.isin(self.row, among)
        return self.row[chosen], self.frame.take(np.flatnonzero(chosen))


def look_back(
    tables: Tables,
    snapshots: Snapshots,
    catalogue: Catalogue,
    weeks: Sequence[int],
    *,
    threads: int,
) -> PastWeeks:
    """Build the leads of `snapshots` at each of these numbers of weeks earlier."""
    ago = np.array(sorted(weeks, reverse=True), np.int64)
    row = np.repeat(np.arange(len(snapshots)), len(ago))
    ago = np.tile(ago, len(snapshots))
    past = Snapshots(snapshots.lead[row], snapshots.as_of[row] - ago * WEEK)
    if tables.created_at is None:  # without creation times there is no past
        existed = np.zeros(len(past), bool)
    else:
        existed = exists(tables, past.lead, past.as_of)
    frame = build(tables, past.take(existed), catalogue, threads=threads)
    return PastWeeks(tuple(weeks), row[existed], ago[existed], frame)
