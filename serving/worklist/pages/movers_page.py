"""What changed within the week -> page "Changes": the largest rises and falls, with why."""

from __future__ import annotations

from collections import Counter
from typing import Final

from data.clock import DAY, iso
from models.explain.change import Change
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.pages.week_changes import ChangeWords, WeekChanges, find_changes, main_cause
from serving.worklist.view import Mover, MoversPage

SHOWN: Final = 10
"""Movers kept of each owner, up and down: a page of one owner is a part of the page of all."""


def make_movers(source: ReportInput, changes: WeekChanges | None = None) -> MoversPage | None:
    """List the leads that moved since a week ago, largest first; None in static mode."""
    changes = find_changes(source) if changes is None else changes
    if changes is None:
        return None
    told = [row for row in source.ranked.tolist() if source.scored.shown[row]]
    considered = [(row, changes.by_row[row]) for row in told if row in changes.by_row]
    moved = [(row, c) for row, c in considered if c.score != c.old_score]
    moved.sort(key=lambda pair: (-abs(pair[1].score - pair[1].old_score), pair[1].lead_id))
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

    rises = [(row, c) for row, c in moved if c.score > c.old_score]
    falls = [(row, c) for row, c in moved if c.score < c.old_score]
    return MoversPage(
        since=iso(changes.since),
        rises=tuple(mover(row, c) for row, c in _of_each_owner(source, rises)),
        falls=tuple(mover(row, c) for row, c in _of_each_owner(source, falls)),
        unchanged=len(considered) - len(moved),
        days=round((source.scored.as_of - changes.since) / DAY),
        moved=len(moved),
    )


def _of_each_owner(
    source: ReportInput, moved: list[tuple[int, Change]]
) -> list[tuple[int, Change]]:
    """Keep the first few of each owner, in the same order."""
    taken: Counter[str] = Counter()
    kept, owners = [], source.owners
    for row, change in moved:
        taken[owners[row]] += 1
        if taken[owners[row]] <= SHOWN:
            kept.append((row, change))
    return kept
