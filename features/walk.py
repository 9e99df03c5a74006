"""Rows and events of many leads -> the matrix: groups rows by lead and feeds the kernel blocks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from data.clock import NEVER
from data.compiled import compiled
from features import trails
from features.kernel import BLOCK, EventColumns, walk_block


class BlockState(NamedTuple):
    """A block of leads, and the working memory to compute their rows in."""

    lo: Any  # int64 (BLOCK,): a lead's first event
    hi: Any  # int64 (BLOCK,): past its last
    row: Any  # int64 (BLOCK,): its first row
    past: Any  # int64 (BLOCK,): past its last
    created_at: Any  # int64 (BLOCK,)
    cut: Any  # int64 (BLOCK,): its events before its last row
    base: Any  # int64 (BLOCK + 1,): where its trails begin
    before: Any  # int64 (rows of a block, state rows): events before each window
    trail: Any  # float64 (trails, events of a block)
    window_start: Any  # int64 (state rows,): the first event that has not left the window
    cells: Any  # float64 (columns + 1,): the running row
    campaign_seen: Any  # int64 (campaigns,): the number of the last lead that had it
    person_seen: Any  # int64 (people,)
    stamp: Any  # int64 (1,): a number that grows with each lead


@compiled
def _make_state(p, rows, events):  # type: ignore[no-untyped-def]
    """Allocate the state for blocks of at most so many rows and events."""
    windows, lives = len(p.windows), len(p.half_lives)
    return BlockState(
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK, np.int64),
        np.empty(BLOCK + 1, np.int64),
        np.empty((rows, windows), np.int64),
        np.empty((trails.FIRST_DECAY + lives, events + BLOCK), np.float64),
        np.empty(windows, np.int64),
        np.empty(len(p.running.blank), np.float64),
        np.zeros(p.sizes[0], np.int64),
        np.zeros(p.sizes[1], np.int64),
        np.zeros(1, np.int64),
    )


@compiled
def _largest_block(lead, row_lo, row_hi, offsets):  # type: ignore[no-untyped-def]
    """Bound the rows and events that BLOCK leads in a row can have: (rows, events)."""
    rows, events, most_rows, most_events = 0, 0, 0, 0
    leads, r = 0, row_lo
    while r < row_hi:
        current, end = lead[r], r + 1
        while end < row_hi and lead[end] == current:
            end += 1
        rows += end - r
        events += offsets[current + 1] - offsets[current]
        leads += 1
        most_rows, most_events = max(most_rows, rows), max(most_events, events)
        if leads == BLOCK:
            rows = events = leads = 0
        r = end
    return most_rows, most_events


@compiled
def _arrives_late(at, recorded, lo, hi, as_of, row_lo, row_hi):  # type: ignore[no-untyped-def]
    """Tell whether an event before one of the lead's snapshots was not yet recorded then."""
    for i in range(lo, hi):
        if recorded[i] > at[i]:
            for r in range(row_lo, row_hi):
                if at[i] < as_of[r] <= recorded[i]:
                    return True
    return False


@compiled
def _empty_copies(e, events):  # type: ignore[no-untyped-def]
    """Allocate columns for copies of so many events; what is empty in `e` stays empty."""
    return EventColumns(
        np.empty(events, e.at.dtype),
        e.recorded[:0],
        np.empty(events, e.kind.dtype),
        np.empty(events * (len(e.campaign) > 0), e.campaign.dtype),
        np.empty(events * (len(e.person) > 0), e.person.dtype),
        np.empty(events * (len(e.direction) > 0), e.direction.dtype),
        np.empty(events * (len(e.value) > 0), e.value.dtype),
    )


@compiled
def _copy_visible(e, lo, hi, t, known, used):  # type: ignore[no-untyped-def]
    """Copy the events of [lo, hi) that had happened and were recorded before t; return the end."""
    for i in range(lo, hi):
        if e.at[i] < t and e.recorded[i] < t:
            known.at[used], known.kind[used] = e.at[i], e.kind[i]
            if len(e.campaign) > 0:
                known.campaign[used] = e.campaign[i]
            if len(e.person) > 0:
                known.person[used] = e.person[i]
            if len(e.direction) > 0:
                known.direction[used] = e.direction[i]
            if len(e.value) > 0:
                known.value[used] = e.value[i]
            used += 1
    return used


@compiled
def fill(p, e, offsets, lead, as_of, row_lo, row_hi, created, out, codes):  # type: ignore[no-untyped-def]
    """Fill rows [row_lo, row_hi) of `out` (n, k) float32 and `codes` (n, 0 or 2) int32.

    Rows are sorted by (lead, as_of) and a lead's rows are never split over two calls. Every cell
    is written; columns that are no event columns get NaN. `created` may be empty.
    """
    most_rows, most_events = _largest_block(lead, row_lo, row_hi, offsets)
    s, has_clock = _make_state(p, most_rows, most_events), len(e.recorded) > 0
    # a lead with late records is one lead for each of its rows, over what was visible then
    v, known = s, e
    if has_clock:
        v, known = _make_state(p, BLOCK, most_events), _empty_copies(e, most_events)
    n, rows, events, late, used, r = 0, 0, 0, 0, 0, row_lo
    while r < row_hi:
        current, end = lead[r], r + 1
        while end < row_hi and lead[end] == current:
            end += 1
        begin, stop = offsets[current], offsets[current + 1]
        created_at = created[current] if len(created) > 0 else NEVER
        if has_clock and _arrives_late(e.at, e.recorded, begin, stop, as_of, r, end):
            for row in range(r, end):
                if late == BLOCK or used + stop - begin > most_events:
                    walk_block(p, known, v, late, as_of, out, codes)
                    late = used = 0
                v.lo[late], v.row[late], v.past[late] = used, row, row + 1
                v.created_at[late] = created_at
                used = _copy_visible(e, begin, stop, as_of[row], known, used)
                v.hi[late] = used
                late += 1
        else:
            rows += end - r
            events += stop - begin
            # late leads between those on time let a block reach further than any run of leads
            if n == BLOCK or rows > most_rows or events > most_events:
                walk_block(p, e, s, n, as_of, out, codes)
                n, rows, events = 0, end - r, stop - begin
            s.lo[n], s.hi[n], s.row[n], s.past[n], s.created_at[n] = begin, stop, r, end, created_at
            n += 1
        r = end
    walk_block(p, e, s, n, as_of, out, codes)
    walk_block(p, known, v, late, as_of, out, codes)
