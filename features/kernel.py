"""Events sorted by (lead, at) -> a float32 matrix, in one pass per lead over ascending snapshots.

A lead's events are walked once. What runs along with all events (days, amounts, directions,
campaigns) becomes a *trail*: trail[k] is the value after the first k events, so that a snapshot
reads it at its place and a window is the difference of two places. Per type there is running
state: counts and last times, one counter row for now and one per window, which trails behind by
the window's width; every event is pushed at most 1 + n_windows times whatever the number of
snapshots. A record that arrives late (`recorded_at` after a snapshot that lies after `at`) breaks
"push once": such leads are walked again per snapshot over what was visible.

Inner functions take plain arrays and a block of leads each: an array taken out of a tuple inside
a loop costs an atomic reference count each time, and a call per lead costs as much as its events.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numba
import numpy as np

from features import trails

DAY: Final = 86_400_000_000
NEVER: Final = int(np.iinfo(np.int64).max)
NOW: Final = 0  # state row of everything before as_of
EVER: Final = 1  # an empty state row: the window without a beginning
FIRST_WINDOW: Final = 2

# Operations: what a column of the matrix is computed by. Arguments a and b are named beside.
COUNT: Final = 0  # a type slot, b state row of the window
SINCE: Final = 1  # a type slot
DECAY: Final = 2  # a type slot, b half-life
PAIR: Final = 3  # a pair
ALL: Final = 4  # b
ACTIVE: Final = 5  # b
DIFFERENCE: Final = 6  # a trail, b
LEVEL: Final = 7  # a trail
CHANNELS: Final = 8  # b
TREND: Final = 9  # a state row of the short window, b of the long one
DECAY_ALL: Final = 10  # a trail, b half-life
SINCE_FIRST: Final = 11
SINCE_LAST: Final = 12
MEAN_GAP: Final = 13
N_OPERATIONS: Final = 14


class Columns(NamedTuple):
    """Event columns of one range of leads; what no feature needs may be empty."""

    at: Any  # int64 (n_events,)
    recorded: Any  # int64, empty without a second clock
    kind: Any  # int16 type codes
    channel: Any  # int16
    campaign: Any  # int32
    person: Any  # int32
    direction: Any  # int8
    value: Any  # float32


class Program(NamedTuple):
    """What to compute: operations sorted by kind, windows, half-lives, pairs, trails."""

    slot_of: Any  # int32 (n_types + 1,), the last one for code -1
    windows: Any  # int64 (state rows,), microseconds
    half_lives: Any  # float64 microseconds
    start: Any  # int64 (N_OPERATIONS + 1,)
    col: Any  # int64 (n_operations,)
    a: Any
    b: Any
    pair_start: Any  # int64 (n_slots + 1,)
    pair_first: Any  # int64 (n_pairs,)
    wanted: Any  # bool (trails.FIRST_DECAY,)
    sizes: Any  # int64: slots, channels, campaigns, people


BLOCK: Final = 64  # leads walked between two calls; their trails stay in the nearest cache


@numba.njit(cache=True, nogil=True)
def _locate(at, lo, hi, rows, n, as_of, windows, place, cut, base):  # type: ignore[no-untyped-def]
    """Count, for each row and window, the lead's events before the window opens.

    `cut` and `base` get each lead's events before its last row and where its trails begin.
    """
    base[0] = 0
    for g in range(n):
        first, last = rows[g], rows[g + 1]
        for w in range(len(windows)):
            i = lo[g]
            for r in range(first, last):
                if w != EVER:
                    end = as_of[r] - windows[w]
                    while i < hi[g] and at[i] < end:
                        i += 1
                place[r - rows[0], w] = i - lo[g]
        cut[g] = place[last - 1 - rows[0], NOW]
        base[g + 1] = base[g] + cut[g] + 1


@numba.njit(cache=True, nogil=True)
def _write_types(  # type: ignore[no-untyped-def]
    at, kind, lo, rows, n, as_of, slot_of, half_lives, start, col, a, b, pair_start, pair_first,
    place, count, last, first, decayed, pair_count, out,
):  # fmt: skip
    """Push the events into the state per type, and write what is counted per type."""
    state_rows, slots = count.shape
    lives, pairs = decayed.shape[1], len(pair_first)
    for g in range(n):
        for slot in range(slots):
            last[slot] = first[slot] = NEVER
            for w in range(state_rows):
                count[w, slot] = 0
            for h in range(lives):
                decayed[slot, h] = 0.0
        for pair in range(pairs):
            pair_count[pair] = 0
        for r in range(rows[g], rows[g + 1]):
            k, t = r - rows[0], as_of[r]
            fresh = r == rows[g]
            for i in range(lo[g] if fresh else lo[g] + place[k - 1, NOW], lo[g] + place[k, NOW]):
                slot = slot_of[kind[i]]
                if slot < 0:
                    continue
                for p in range(pair_start[slot], pair_start[slot + 1]):
                    if first[pair_first[p]] < at[i]:
                        pair_count[p] += 1
                if first[slot] == NEVER:
                    first[slot] = at[i]
                for h in range(lives):
                    if last[slot] != NEVER:
                        decayed[slot, h] *= 2.0 ** ((last[slot] - at[i]) / half_lives[h])
                    decayed[slot, h] += 1.0
                count[NOW, slot] += 1
                last[slot] = at[i]
            for w in range(FIRST_WINDOW, state_rows):
                begin = lo[g] if fresh else lo[g] + place[k - 1, w]
                for i in range(begin, lo[g] + place[k, w]):
                    slot = slot_of[kind[i]]
                    if slot >= 0:
                        count[w, slot] += 1
            for i in range(start[COUNT], start[COUNT + 1]):
                out[r, col[i]] = count[NOW, a[i]] - count[b[i], a[i]]
            for i in range(start[SINCE], start[SINCE + 1]):
                seen = last[a[i]]
                out[r, col[i]] = (t - seen) / DAY if seen != NEVER else np.nan
            for i in range(start[DECAY], start[DECAY + 1]):
                seen = last[a[i]]
                fade = 2.0 ** ((seen - t) / half_lives[b[i]]) if seen != NEVER else 0.0
                out[r, col[i]] = decayed[a[i], b[i]] * fade
            for i in range(start[PAIR], start[PAIR + 1]):
                out[r, col[i]] = pair_count[a[i]]


@numba.njit(cache=True, nogil=True)
def _write_trails(  # type: ignore[no-untyped-def]
    at, lo, rows, n, as_of, windows, half_lives, start, col, a, b, place, base, trail, out
):
    """Write what is read off the trails and the event times."""
    for g in range(n):
        for r in range(rows[g], rows[g + 1]):
            t, k, origin = as_of[r], r - rows[0], base[g]
            m = place[k, NOW]
            newest = at[lo[g] + m - 1] if m > 0 else t
            oldest = at[lo[g]] if m > 0 else t
            for i in range(start[ALL], start[ALL + 1]):
                out[r, col[i]] = m - place[k, b[i]]
            for i in range(start[ACTIVE], start[ACTIVE + 1]):
                j = place[k, b[i]]
                days = trail[trails.DAYS, origin + m] - trail[trails.DAYS, origin + min(j + 1, m)]
                out[r, col[i]] = days + 1 if m > j else 0
            for i in range(start[DIFFERENCE], start[DIFFERENCE + 1]):
                j = place[k, b[i]]
                out[r, col[i]] = trail[a[i], origin + m] - trail[a[i], origin + j]
            for i in range(start[LEVEL], start[LEVEL + 1]):
                out[r, col[i]] = trail[a[i], origin + m]
            for i in range(start[TREND], start[TREND + 1]):
                longer, shorter = m - place[k, b[i]], m - place[k, a[i]]
                pace = windows[b[i]] / windows[a[i]]
                out[r, col[i]] = pace * shorter / longer if longer > 0 else np.nan
            for i in range(start[DECAY_ALL], start[DECAY_ALL + 1]):
                out[r, col[i]] = trail[a[i], origin + m] * 2.0 ** ((newest - t) / half_lives[b[i]])
            for i in range(start[SINCE_FIRST], start[SINCE_FIRST + 1]):
                out[r, col[i]] = (t - oldest) / DAY if m > 0 else np.nan
            for i in range(start[SINCE_LAST], start[SINCE_LAST + 1]):
                out[r, col[i]] = (t - newest) / DAY if m > 0 else np.nan
            for i in range(start[MEAN_GAP], start[MEAN_GAP + 1]):
                out[r, col[i]] = (newest - oldest) / (DAY * (m - 1.0)) if m > 1 else np.nan


@numba.njit(cache=True, nogil=True)
def _write_channels(  # type: ignore[no-untyped-def]
    at, channel, lo, rows, n, as_of, windows, start, col, b, place, seen_at, out
):
    """Write how many different channels were used: those whose last use lies in the window."""
    for g in range(n):
        for c in range(len(seen_at)):
            seen_at[c] = NEVER
        for r in range(rows[g], rows[g + 1]):
            k = r - rows[0]
            begin = lo[g] if r == rows[g] else lo[g] + place[k - 1, NOW]
            for i in range(begin, lo[g] + place[k, NOW]):
                if channel[i] >= 0:
                    seen_at[channel[i]] = at[i]
            for i in range(start[CHANNELS], start[CHANNELS + 1]):
                different = 0
                opens = as_of[r] - windows[b[i]]
                for c in range(len(seen_at)):
                    used = seen_at[c] != NEVER and (b[i] == EVER or seen_at[c] >= opens)
                    different += used
                out[r, col[i]] = different


@numba.njit(cache=True, nogil=True)
def _write_codes(kind, lo, rows, n, place, base, trail, codes):  # type: ignore[no-untyped-def]
    """Write first and last channel and first and last event as codes, -1 for none."""
    for g in range(n):
        for r in range(rows[g], rows[g + 1]):
            m = place[r - rows[0], NOW]
            codes[r, 0] = trail[trails.FIRST_CHANNEL, base[g] + m]
            codes[r, 1] = trail[trails.LAST_CHANNEL, base[g] + m]
            codes[r, 2] = kind[lo[g]] if m > 0 else -1
            codes[r, 3] = kind[lo[g] + m - 1] if m > 0 else -1


@numba.njit(cache=True, nogil=True)
def walk_block(p, e, s, n, as_of, out, codes):  # type: ignore[no-untyped-def]
    """Walk the n leads that stand in the state's block and fill their rows."""
    if n == 0:
        return
    _locate(e.at, s.lo, s.hi, s.rows, n, as_of, p.windows, s.place, s.cut, s.base)
    trails.lay(
        e.at, e.channel, e.campaign, e.person, e.direction, e.value, s.lo, s.cut, n, s.born,
        p.half_lives, p.wanted, s.campaign_seen, s.person_seen, s.stamp, s.base, s.trail,
    )  # fmt: skip
    _write_types(
        e.at, e.kind, s.lo, s.rows, n, as_of, p.slot_of, p.half_lives, p.start, p.col, p.a, p.b,
        p.pair_start, p.pair_first, s.place, s.count, s.last, s.first, s.decayed, s.pair_count,
        out,
    )  # fmt: skip
    _write_trails(
        e.at, s.lo, s.rows, n, as_of, p.windows, p.half_lives, p.start, p.col, p.a, p.b, s.place,
        s.base, s.trail, out,
    )  # fmt: skip
    if p.start[CHANNELS + 1] > p.start[CHANNELS]:
        _write_channels(
            e.at, e.channel, s.lo, s.rows, n, as_of, p.windows, p.start, p.col, p.b, s.place,
            s.seen_at, out,
        )  # fmt: skip
    if codes.shape[1] > 0:
        _write_codes(e.kind, s.lo, s.rows, n, s.place, s.base, s.trail, codes)
