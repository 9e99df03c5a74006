"""Events sorted by (lead, at) -> a float32 matrix, in one pass per lead over ascending snapshots.

What is known per event type (counts, time of the last one) is kept in a *running row*: an event
adds one to the cells that count it when it happens and takes one from a window's cell when it
leaves that window; a snapshot copies the row. Every event changes the row at most 1 + n_windows
times whatever the number of snapshots. What is computed over events of all types (days, amounts,
directions, campaigns) becomes a *trail*: trail[k] is the value after the first k events, so that a
snapshot reads one entry and a window is the difference of two. A record that arrives late
(`recorded_at` after a snapshot that lies after `at`) cannot be added only once: such leads are
computed anew for each snapshot, over the events recorded by then.

Inner functions take plain arrays and a block of leads each: an array taken out of a tuple inside
a loop costs an atomic reference count each time, and a call per lead costs as much as its events.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np

from data.clock import DAY
from data.compiled import compiled
from features import trails

NOW: Final = 0  # state row of all events before as_of
EVER: Final = 1  # state row of the window that holds them all
FIRST_WINDOW: Final = 2

# Operations: what a column of the matrix is computed by. Arguments a and b are named beside.
ALL: Final = 0  # b state row of the window
ACTIVE: Final = 1  # a trail of days, b
DIFFERENCE: Final = 2  # a trail, b
LEVEL: Final = 3  # a trail
TREND: Final = 4  # a state row of the short window, b of the long one
DECAY: Final = 5  # a trail, b half-life
SINCE_FIRST: Final = 6
SINCE_LAST: Final = 7
MEAN_GAP: Final = 8
N_OPERATIONS: Final = 9
COUNTED: Final = -1  # a cell of the running row: b, of one event type
DATED: Final = -2  # a cell of the running row: the moment of the last event of one type


class EventColumns(NamedTuple):
    """Event columns of one range of leads; what no feature needs may be empty."""

    at: Any  # int64 (n_events,)
    recorded: Any  # int64, empty without a second clock
    kind: Any  # int16 type codes
    campaign: Any  # int32
    person: Any  # int32
    direction: Any  # int8
    value: Any  # float32


class Running(NamedTuple):
    """Layout of the running row: one cell per matrix column, and a last one for what has no column.

    A snapshot writes (cell - dated * as_of) * unit: counts as they are, moments as days since.
    """

    slot_of: Any  # int32 (n_types + 1,): slots, the last one for code -1
    counted: Any  # uint64 (state rows, slots + 1): cell that counts a slot's events in a window
    since: Any  # uint64 (slots + 1,): cell of the moment of a slot's last event
    blank: Any  # float64 (columns + 1,): the row of no events
    dated: Any  # float64 (columns,): 1 where the cell is a moment
    unit: Any  # float64 (columns,)


class Program(NamedTuple):
    """What to compute: the running row, windows, half-lives, operations by kind, trails."""

    running: Running
    windows: Any  # int64 (state rows,), microseconds
    half_lives: Any  # float64 microseconds
    start: Any  # int64 (N_OPERATIONS + 1,)
    col: Any  # uint64 (n_operations,)
    a: Any
    b: Any
    wanted: Any  # bool (trails.FIRST_DECAY,)
    sizes: Any  # int64: campaigns, people


BLOCK: Final = 128  # leads computed together: so few that their trails stay in the cache


@compiled
def _run(  # type: ignore[no-untyped-def]
    at,
    kind,
    lo,
    hi,
    row,
    past,
    n,
    as_of,
    windows,
    slot_of,
    counted,
    since,
    blank,
    dated,
    unit,
    window_start,
    cells,
    before,
    cut,
    base,
    out,
):
    """Add events to the running row, take out those that leave a window, copy it to `out`.

    `before` gets, row after row, how many of the lead's events lie before the snapshot and before
    each window; `cut` and `base` each lead's events before its last row and where its trails begin.
    """
    width, state_rows = len(dated), len(windows)
    base[0] = k = 0
    for g in range(n):
        first, end = lo[g], hi[g]
        i = first
        for w in range(state_rows):
            window_start[w] = first
        for c in range(width):
            cells[c] = blank[c]
        for r in range(row[g], past[g]):
            t = as_of[r]
            while i < end and at[i] < t:
                slot = slot_of[kind[i]]
                for w in range(EVER, state_rows):
                    cells[counted[w, slot]] += 1.0
                cells[since[slot]] = at[i]
                i += 1
            before[k, NOW], before[k, EVER] = i - first, 0
            for w in range(FIRST_WINDOW, state_rows):
                opens, j = t - windows[w], window_start[w]
                while j < i and at[j] < opens:
                    cells[counted[w, slot_of[kind[j]]]] -= 1.0
                    j += 1
                window_start[w] = j
                before[k, w] = j - first
            moment = np.float64(t)
            for c in range(width):
                out[r, c] = (cells[c] - dated[c] * moment) * unit[c]
            k += 1
        cut[g] = i - first
        base[g + 1] = base[g] + cut[g] + 1


@compiled
def _write_trails(  # type: ignore[no-untyped-def]
    at, lo, row, past, n, as_of, windows, half_lives, start, col, a, b, before, base, trail, out
):
    """Write the columns that are computed from the trails and the event times."""
    k = 0
    for g in range(n):
        first, origin = lo[g], base[g]
        for r in range(row[g], past[g]):
            t, m = as_of[r], before[k, NOW]
            newest = at[first + m - 1] if m > 0 else t
            oldest = at[first] if m > 0 else t
            for i in range(start[ALL], start[ALL + 1]):
                out[r, col[i]] = m - before[k, b[i]]
            for i in range(start[ACTIVE], start[ACTIVE + 1]):
                j = before[k, b[i]]
                days = trail[trails.DAYS, origin + m] - trail[trails.DAYS, origin + min(j + 1, m)]
                out[r, col[i]] = days + 1 if m > j else 0
            for i in range(start[DIFFERENCE], start[DIFFERENCE + 1]):
                j = before[k, b[i]]
                out[r, col[i]] = trail[a[i], origin + m] - trail[a[i], origin + j]
            for i in range(start[LEVEL], start[LEVEL + 1]):
                out[r, col[i]] = trail[a[i], origin + m]
            for i in range(start[TREND], start[TREND + 1]):
                longer, shorter = m - before[k, b[i]], m - before[k, a[i]]
                pace = windows[b[i]] / windows[a[i]]
                out[r, col[i]] = pace * shorter / longer if longer > 0 else np.nan
            for i in range(start[DECAY], start[DECAY + 1]):
                fade = math.exp2((newest - t) / half_lives[b[i]])
                out[r, col[i]] = trail[a[i], origin + m] * fade
            for i in range(start[SINCE_FIRST], start[SINCE_FIRST + 1]):
                out[r, col[i]] = (t - oldest) / DAY if m > 0 else np.nan
            for i in range(start[SINCE_LAST], start[SINCE_LAST + 1]):
                out[r, col[i]] = (t - newest) / DAY if m > 0 else np.nan
            for i in range(start[MEAN_GAP], start[MEAN_GAP + 1]):
                out[r, col[i]] = (newest - oldest) / (DAY * (m - 1.0)) if m > 1 else np.nan
            k += 1


@compiled
def _write_codes(kind, lo, row, past, n, before, codes):  # type: ignore[no-untyped-def]
    """Write first and last event as type codes, -1 for none."""
    k = 0
    for g in range(n):
        for r in range(row[g], past[g]):
            end = lo[g] + before[k, NOW]
            codes[r, 0] = kind[lo[g]] if end > lo[g] else -1
            codes[r, 1] = kind[end - 1] if end > lo[g] else -1
            k += 1


@compiled
def walk_block(p, e, s, n, as_of, out, codes):  # type: ignore[no-untyped-def]
    """Compute the rows of the n leads in the block of state `s`: program `p`, events `e`."""
    if n == 0:
        return
    q = p.running
    _run(
        e.at,
        e.kind,
        s.lo,
        s.hi,
        s.row,
        s.past,
        n,
        as_of,
        p.windows,
        q.slot_of,
        q.counted,
        q.since,
        q.blank,
        q.dated,
        q.unit,
        s.window_start,
        s.cells,
        s.before,
        s.cut,
        s.base,
        out,
    )
    trails.fill_trails(
        e.at,
        e.campaign,
        e.person,
        e.direction,
        e.value,
        s.lo,
        s.cut,
        n,
        s.created_at,
        p.half_lives,
        p.wanted,
        s.campaign_seen,
        s.person_seen,
        s.stamp,
        s.base,
        s.trail,
    )
    _write_trails(
        e.at,
        s.lo,
        s.row,
        s.past,
        n,
        as_of,
        p.windows,
        p.half_lives,
        p.start,
        p.col,
        p.a,
        p.b,
        s.before,
        s.base,
        s.trail,
        out,
    )
    if codes.shape[1] > 0:
        _write_codes(e.kind, s.lo, s.row, s.past, n, s.before, codes)
