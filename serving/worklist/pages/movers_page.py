"""What changed within the week -> page "Changes": the largest rises and falls, with why."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np

from data.clock import DAY, iso
from models.explain.change import Change
from serving.past_weeks import Rows
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.pages.week_changes import ChangeWords, WeekChanges, find_changes, main_cause
from serving.worklist.view_week import Mover, MoversPage

SHOWN: Final = 10
"""Movers kept of each owner, up and down: a page of one owner is a part of the page of all."""


def make_movers(source: ReportInput, changes: WeekChanges | None = None) -> MoversPage | None:
    """List the leads that moved since a week ago, largest first; None in static mode."""
    changes = find_changes(source) if changes is None else changes
    if changes is None:
        return None
    shown = source.ranked[source.shown[source.ranked]]
    considered = shown[changes.existed[shown]]
    by = changes.new - changes.old
    moved = considered[by[considered] != 0]
    ids = source.tables.lead_ids[source.scored.snapshots.lead[moved]].astype(str)
    moved = moved[np.lexsort((ids, -np.abs(by[moved])))]
    rising, falling = (_of_each_owner(source, moved[by[moved] * sign > 0]) for sign in (1, -1))
    why = changes.of([*rising, *falling])
    words = ChangeWords(source, changes.since)
    bands = source.scored.table["band"].to_numpy(object)

    def mover(row: int, change: Change) -> Mover:
        crossed = changes.trend(row) in ("rising", "falling")
        old_band = changes.old_band(row) if crossed else bands[row]
        return Mover(
            change.lead_id,
            change.old_score,
            change.score,
            words.lines(row, change),
            main_cause(change),
            old_band,
            bands[row],
        )

    return MoversPage(
        since=iso(changes.since),
        rises=tuple(mover(row, why[row]) for row in rising),
        falls=tuple(mover(row, why[row]) for row in falling),
        unchanged=len(considered) - len(moved),
        days=round((source.scored.as_of - changes.since) / DAY),
        moved=len(moved),
    )


def largest(movers: MoversPage | None) -> list[str]:
    """List the ids of those that moved, the largest moves first, up and down."""
    every = [] if movers is None else [*movers.rises, *movers.falls]
    return [x.lead_id for x in sorted(every, key=lambda x: -abs(x.new - x.old))]


def _of_each_owner(source: ReportInput, moved: Rows) -> list[int]:
    """Keep the first few of each owner, in the same order."""
    taken: Counter[str] = Counter()
    kept, owners = [], source.owners
    for row in moved.tolist():
        taken[owners[row]] += 1
        if taken[owners[row]] <= SHOWN:
            kept.append(row)
    return kept
