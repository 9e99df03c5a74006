"""All open leads -> those that a file lists, and how many more there are of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serving.past_weeks import Rows
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.pages.week_changes import WeekChanges
from serving.worklist.view import Unlisted
from serving.worklist.view_parts import LaneEntry

LISTED: Final = 10_000
"""Leads of a file: a browser opens so many at once."""
OFF_LIST: Final = 500
"""Of them, leads that an answer or a rule keeps off the list."""
PINNED_MOVERS: Final = 500
PINNED_OF_LANE: Final = 20

Lanes = Mapping[int, tuple[LaneEntry, ...]]


def choose_listed(
    source: ReportInput,
    lanes: Lanes,
    changes: WeekChanges | None,
    movers: Iterable[str] = (),
    owner: str | None = None,
    *,
    most: int = LISTED,
) -> tuple[Rows, Unlisted | None]:
    """Choose the rows that a file lists, of all leads or an owner's; None where it lists them all.

    They are the first `most` of the list; the largest `movers` and the first of each lane are
    listed wherever they stand.
    """
    order = source.listed
    if owner is not None:
        order = order[source.owners[order] == owner]
    if len(order) <= most:
        return order, None
    off, n = source.scored.off_list[order], len(source.scored.snapshots)
    kept = np.zeros(n, bool)
    off_list = min(OFF_LIST, int(off.sum()), most // 2)
    kept[order[~off][: most - off_list]] = True
    kept[order[off][:off_list]] = True
    back = _back(source)
    kept[_pinned(source, order, lanes, back, movers)] = True
    rest = order[~kept[order]]
    return order[kept[order]], _count(source, rest, lanes, back, changes)


def _pinned(
    source: ReportInput,
    order: Rows,
    lanes: Lanes,
    back: NDArray[np.bool_],
    movers: Iterable[str],
) -> Rows:
    """List rows that are shown beside the list: the largest movers, the first of each lane."""
    ids = source.tables.lead_ids[source.scored.snapshots.lead].astype(str)
    of_movers = np.flatnonzero(np.isin(ids, list(movers)[:PINNED_MOVERS]))
    place = np.full(len(ids), -1, np.int64)
    place[order] = np.arange(len(order))
    off = source.scored.off_list
    entries = [
        (entry.lane, entry.since, row)
        for row, of_row in lanes.items()
        for entry in of_row
        if place[row] >= 0 and not off[row]
    ]
    pinned = of_movers.tolist()
    for lane in sorted({lane for lane, _, _ in entries}):
        of_lane = sorted(
            (each for each in entries if each[0] == lane), key=lambda each: place[each[2]]
        )
        if lane == "answer":
            of_lane.sort(key=lambda each: each[1], reverse=True)
        pinned += [row for _, _, row in of_lane[:PINNED_OF_LANE]]
    answered = source.scored.answered
    ended = [row for row in order.tolist() if answered[row] and not answered[row].holds]
    pinned += ended[:PINNED_OF_LANE]
    created = source.tables.created_at
    if created is not None:
        rows = np.flatnonzero(back & (place >= 0))
        newest = np.lexsort((place[rows], -created[source.scored.snapshots.lead[rows]]))
        pinned += rows[newest][:PINNED_OF_LANE].tolist()
    return np.array(pinned, np.int64)


def _back(source: ReportInput) -> NDArray[np.bool_]:
    """Tell which rows came back after a close and are to work: (n,)."""
    back: NDArray[np.bool_] = source.tables.episode[source.scored.snapshots.lead] > 1
    return back & ~source.scored.off_list


def _count(
    source: ReportInput,
    rest: Rows,
    lanes: Lanes,
    back: NDArray[np.bool_],
    changes: WeekChanges | None,
) -> Unlisted:
    """Count the rows that the file does not list."""
    left_out = np.zeros(len(source.scored.snapshots), bool)
    left_out[rest] = True
    off = source.scored.off_list
    of_lane: Counter[str] = Counter(
        e.lane for row, es in lanes.items() if left_out[row] and not off[row] for e in es
    )
    if returned := int((left_out & back).sum()):
        of_lane["back"] = returned
    compared = left_out & source.shown & ~off
    compared &= np.zeros_like(compared) if changes is None else changes.existed
    moved = compared if changes is None else compared & (changes.new != changes.old)
    return Unlisted(
        leads=len(rest),
        ruled=int((source.scored.qualification.disqualified[rest] >= 0).sum()),
        answered=int((source.standing & left_out).sum()),
        lanes=dict(of_lane),
        moved=int(moved.sum()),
        unchanged=int((compared & ~moved).sum()),
    )
