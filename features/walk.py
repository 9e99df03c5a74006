"""Rows and events of many leads -> the matrix: groups rows by lead and feeds the kernel blocks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from features import kernel, trails
from features.kernel import BLOCK, NEVER, Columns, walk_block


class State(NamedTuple):
    """A block of leads and the running state of the one that is walked."""

    lo: Any  # int64 (BLOCK,): a lead's first event
    hi: Any  # int64 (BLOCK,): past its last
    rows: Any  # int64 (BLOCK + 1,): its first row; the next one's follows
    born: Any  # int64 (BLOCK,)
    cut: Any  # int64 (BLOCK,): its events before its last row
    base: Any  # int64 (BLOCK + 1,): where its trails begin
    place: Any  # int64 (rows of a block, state rows)
    trail: Any  # float64 (trails, events of a block)
    count: Any  # int32 (state rows, slots)
    last: Any  # int64 (slots,)
    first: Any  # int64 (slots,)
    decayed: Any  # float64 (slots, half-lives or 0)
    pair_count: Any  # int64 (pairs,)
    seen_at: Any  # int64 (channels,)
    campaign_seen: Any  # int64 (campaigns,): the stamp of the walk that met it
    person_seen: Any  # int64 (people,)
    stamp: Any  # int64 (1,)


@numba.njit(cache=True, nogil=True)
def _make_state(p, most_rows, most_events):  # type: ignore[no-untyped-def]
    """Allocate the state for blocks of so many rows and events."""
    rows, slots = len(p.windows), p.sizes[0]
    lives = len(p.half_lives)
    typed = lives if p.start[kernel.DECAY + 1] > p.start[kernel.DECAY] else 0
    return State(
        np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64), np.empty(BLOCK + 1, np.int64),
        np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64), np.empty(BLOCK + 1, np.int64),
        np.zeros((most_rows, rows), np.int64),
        np.zeros((trails.FIRST_DECAY + lives, most_events + BLOCK), np.float64),
        np.zeros((rows, slots), np.int32),
        np.empty(slots, np.int64), np.empty(slots, np.int64),
        np.zeros((slots, typed), np.float64),
        np.zeros(len(p.pair_first), np.int64),
        np.empty(p.sizes[1], np.int64),
        np.zeros(p.sizes[2], np.int64),
        np.zeros(p.sizes[3], np.int64),
        np.zeros(1, np.int64),
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _largest_block(lead, row_lo, row_hi, offsets):  # type: ignore[no-untyped-def]
    """Bound the rows and events that BLOCK leads in a row can have: (rows, events)."""
    rows, events, most_rows, most_events = 0, 0, 0, 0
    leads, r = 0, row_lo
    while r < row_hi:
        who, end = lead[r], r + 1
        while end < row_hi and lead[end] == who:
            end += 1
        rows += end - r
        events += offsets[who + 1] - offsets[who]
        leads += 1
        most_rows, most_events = max(most_rows, rows), max(most_events, events)
        if leads == BLOCK:
            rows = events = leads = 0
        r = end
    return most_rows, most_events


@numba.njit(cache=True, nogil=True)
def _arrives_late(at, recorded, lo, hi, as_of, row_lo, row_hi):  # type: ignore[no-untyped-def]
    """Say whether a record of this lead crosses one of its snapshots."""
    for i in range(lo, hi):
        if recorded[i] > at[i]:
            for r in range(row_lo, row_hi):
                if at[i] < as_of[r] <= recorded[i]:
                    return True
    return False


@numba.njit(cache=True, nogil=True)
def _visible(at, recorded, lo, hi, t):  # type: ignore[no-untyped-def]
    """Find the events of [lo, hi) that had happened and were recorded before t."""
    seen = np.empty(hi - lo, np.int64)
    n = 0
    for i in range(lo, hi):
        if at[i] < t and recorded[i] < t:
            seen[n] = i
            n += 1
    return seen[:n]


@numba.njit(cache=True, nogil=True)
def _picked(column, rows):  # type: ignore[no-untyped-def]
    """Copy the rows of a column, or nothing of an empty one."""
    if len(column) == 0:
        return column
    out = np.empty(len(rows), column.dtype)
    for i in range(len(rows)):
        out[i] = column[rows[i]]
    return out


@numba.njit(cache=True, nogil=True)
def _walk_late(p, e, s, lo, hi, born, lead_rows, as_of, out, codes):  # type: ignore[no-untyped-def]
    """Walk a lead again for each of its rows, over the events that were visible then."""
    for row in range(lead_rows[0], lead_rows[1]):
        seen = _visible(e.at, e.recorded, lo, hi, as_of[row])
        known = Columns(
            e.at[seen], e.recorded[:0], e.kind[seen], _picked(e.channel, seen),
            _picked(e.campaign, seen), _picked(e.person, seen), _picked(e.direction, seen),
            _picked(e.value, seen),
        )  # fmt: skip
        s.lo[0], s.hi[0], s.born[0] = 0, len(seen), born
        s.rows[0], s.rows[1] = row, row + 1
        walk_block(p, known, s, 1, as_of, out, codes)


@numba.njit(cache=True, nogil=True)
def fill(p, e, offsets, lead, as_of, row_lo, row_hi, created, out, codes):  # type: ignore[no-untyped-def]
    """Fill rows [row_lo, row_hi) of `out` (n, k) float32 and `codes` (n, 0 or 4) int32.

    Rows are sorted by (lead, as_of) and a lead's rows are never split over two calls. `created`
    may be empty.
    """
    most_rows, most_events = _largest_block(lead, row_lo, row_hi, offsets)
    # a block that starts elsewhere (after a late lead) has at most the leads of two such blocks
    s = _make_state(p, 2 * most_rows, 2 * most_events)
    lo, hi, rows, born, recorded = s.lo, s.hi, s.rows, s.born, e.recorded
    n, r = 0, row_lo
    lead_rows = np.zeros(2, np.int64)
    while r < row_hi:
        who, end = lead[r], r + 1
        while end < row_hi and lead[end] == who:
            end += 1
        begin, stop = offsets[who], offsets[who + 1]
        birth = created[who] if len(created) > 0 else NEVER
        if len(recorded) > 0 and _arrives_late(e.at, recorded, begin, stop, as_of, r, end):
            walk_block(p, e, s, n, as_of, out, codes)
            n = 0
            lead_rows[0], lead_rows[1] = r, end
            _walk_late(p, e, s, begin, stop, birth, lead_rows, as_of, out, codes)
        else:
            lo[n], hi[n], born[n], rows[n], rows[n + 1] = begin, stop, birth, r, end
            n += 1
            if n == BLOCK:
                walk_block(p, e, s, n, as_of, out, codes)
                n = 0
        r = end
    walk_block(p, e, s, n, as_of, out, codes)
