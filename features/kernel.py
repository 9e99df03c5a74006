"""Events sorted by (lead, at) -> a float32 matrix, in one pass per lead over ascending snapshots.

A lead's events are walked once. What runs along with all events (days, amounts, directions,
campaigns) becomes a *trail*: trail[k] is the value after the first k events, so that a snapshot
reads it at its place and a window is the difference of two places. Per type there is running
state: counts and last times, one counter row for now and one per window, which trails behind by
the window's width; every event is pushed at most 1 + n_windows times whatever the number of
snapshots. A record that arrives late (`recorded_at` after a snapshot that lies after `at`) breaks
"push once": such leads are walked again per snapshot over what was visible.

Inner functions take plain arrays: an array taken out of a tuple inside a loop costs an atomic
reference count each time, which was two thirds of the time of a first version.
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


@numba.njit(cache=True, nogil=True)
def _locate(at, lo, hi, as_of, row_lo, row_hi, windows, place):  # type: ignore[no-untyped-def]
    """Count, for each row and window, the lead's events before the window opens."""
    n_rows = len(windows)
    for r in range(row_lo, row_hi):
        k = r - row_lo
        for w in range(n_rows):
            if w == EVER:
                place[k, w] = 0
                continue
            i = place[k - 1, w] if k > 0 else 0
            end = as_of[r] - windows[w]
            while lo + i < hi and at[lo + i] < end:
                i += 1
            place[k, w] = i


@numba.njit(cache=True, nogil=True)
def _write_types(  # type: ignore[no-untyped-def]
    at, kind, lo, as_of, row_lo, row_hi, slot_of, half_lives, start, col, a, b, pair_start,
    pair_first, place, count, last, first, decayed, pair_count, out,
):  # fmt: skip
    """Push the events into the state per type, and write what is counted per type."""
    count[:] = 0
    last[:] = NEVER
    first[:] = NEVER
    decayed[:] = 0.0
    pair_count[:] = 0
    n_rows = place.shape[1]
    lives, pairs = len(half_lives), len(pair_first)
    for r in range(row_lo, row_hi):
        k, t = r - row_lo, as_of[r]
        for i in range(place[k - 1, NOW] if k > 0 else 0, place[k, NOW]):
            slot = slot_of[kind[lo + i]]
            if slot < 0:
                continue
            happened = at[lo + i]
            if pairs > 0:
                for p in range(pair_start[slot], pair_start[slot + 1]):
                    if first[pair_first[p]] < happened:
                        pair_count[p] += 1
                if first[slot] == NEVER:
                    first[slot] = happened
            for h in range(lives):
                if last[slot] != NEVER:
                    decayed[slot, h] *= 2.0 ** ((last[slot] - happened) / half_lives[h])
                decayed[slot, h] += 1.0
            count[NOW, slot] += 1
            last[slot] = happened
        for w in range(FIRST_WINDOW, n_rows):
            for i in range(place[k - 1, w] if k > 0 else 0, place[k, w]):
                slot = slot_of[kind[lo + i]]
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
    at, lo, as_of, row_lo, row_hi, windows, half_lives, start, col, a, b, place, trail, out
):
    """Write what is read off the trails and the event times."""
    for r in range(row_lo, row_hi):
        t, row, cut = as_of[r], out[r], place[r - row_lo]
        n = cut[NOW]
        for i in range(start[ALL], start[ALL + 1]):
            row[col[i]] = n - cut[b[i]]
        for i in range(start[ACTIVE], start[ACTIVE + 1]):
            j = cut[b[i]]
            row[col[i]] = trail[trails.DAYS, n] - trail[trails.DAYS, j + 1] + 1 if n > j else 0
        for i in range(start[DIFFERENCE], start[DIFFERENCE + 1]):
            row[col[i]] = trail[a[i], n] - trail[a[i], cut[b[i]]]
        for i in range(start[LEVEL], start[LEVEL + 1]):
            row[col[i]] = trail[a[i], n]
        for i in range(start[TREND], start[TREND + 1]):
            longer, shorter = n - cut[b[i]], n - cut[a[i]]
            pace = windows[b[i]] / windows[a[i]]
            row[col[i]] = pace * shorter / longer if longer > 0 else np.nan
        for i in range(start[DECAY_ALL], start[DECAY_ALL + 1]):
            age = t - at[lo + n - 1] if n > 0 else 0
            row[col[i]] = trail[a[i], n] * 2.0 ** (-age / half_lives[b[i]])
        for i in range(start[SINCE_FIRST], start[SINCE_FIRST + 1]):
            row[col[i]] = (t - at[lo]) / DAY if n > 0 else np.nan
        for i in range(start[SINCE_LAST], start[SINCE_LAST + 1]):
            row[col[i]] = (t - at[lo + n - 1]) / DAY if n > 0 else np.nan
        for i in range(start[MEAN_GAP], start[MEAN_GAP + 1]):
            row[col[i]] = (at[lo + n - 1] - at[lo]) / (DAY * (n - 1.0)) if n > 1 else np.nan


@numba.njit(cache=True, nogil=True)
def _write_channels(  # type: ignore[no-untyped-def]
    at, channel, lo, as_of, row_lo, row_hi, windows, start, col, b, place, seen_at, out
):
    """Write how many different channels were used: those whose last use lies in the window."""
    seen_at[:] = NEVER
    for r in range(row_lo, row_hi):
        k = r - row_lo
        for i in range(place[k - 1, NOW] if k > 0 else 0, place[k, NOW]):
            if channel[lo + i] >= 0:
                seen_at[channel[lo + i]] = at[lo + i]
        for i in range(start[CHANNELS], start[CHANNELS + 1]):
            different = 0
            opens = as_of[r] - windows[b[i]]
            for c in range(len(seen_at)):
                if seen_at[c] != NEVER and (b[i] == EVER or seen_at[c] >= opens):
                    different += 1
            out[r, col[i]] = different


@numba.njit(cache=True, nogil=True)
def _write_codes(kind, lo, row_lo, row_hi, place, trail, codes):  # type: ignore[no-untyped-def]
    """Write first and last channel and first and last event as codes, -1 for none."""
    for r in range(row_lo, row_hi):
        n = place[r - row_lo, NOW]
        codes[r, 0] = trail[trails.FIRST_CHANNEL, n]
        codes[r, 1] = trail[trails.LAST_CHANNEL, n]
        codes[r, 2] = kind[lo] if n > 0 else -1
        codes[r, 3] = kind[lo + n - 1] if n > 0 else -1


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
def fill(p, e, offsets, lead, as_of, row_lo, row_hi, created, out, codes):  # type: ignore[no-untyped-def]
    """Fill rows [row_lo, row_hi) of `out` (n, k) float32 and `codes` (n, 0 or 4) int32.

    Rows are sorted by (lead, as_of) and a lead's rows are never split over two calls. `created`
    may be empty.
    """
    slot_of, windows, lives, start, col, a, b = (
        p.slot_of, p.windows, p.half_lives, p.start, p.col, p.a, p.b,
    )  # fmt: skip
    pair_start, pair_first, wanted, sizes = p.pair_start, p.pair_first, p.wanted, p.sizes
    at, recorded, kind, channel = e.at, e.recorded, e.kind, e.channel
    campaign, person, direction, value = e.campaign, e.person, e.direction, e.value
    most_rows, most_events = 1, 0
    r = row_lo
    while r < row_hi:
        who, end = lead[r], r + 1
        while end < row_hi and lead[end] == who:
            end += 1
        most_rows = max(most_rows, end - r)
        most_events = max(most_events, offsets[who + 1] - offsets[who])
        r = end
    place = np.zeros((most_rows, len(windows)), np.int64)
    trail = np.zeros((trails.FIRST_DECAY + len(lives), most_events + 2), np.float64)
    count = np.zeros((len(windows), sizes[0]), np.int32)
    last, first = np.empty(sizes[0], np.int64), np.empty(sizes[0], np.int64)
    decayed = np.zeros((sizes[0], len(lives) if start[DECAY + 1] > start[DECAY] else 0))
    type_lives = lives[: decayed.shape[1]]
    pair_count = np.zeros(len(pair_first), np.int64)
    seen_at = np.empty(sizes[1], np.int64)
    campaign_seen, person_seen = np.zeros(sizes[2], np.int64), np.zeros(sizes[3], np.int64)
    channels = start[CHANNELS + 1] > start[CHANNELS]
    stamp = 0
    r = row_lo
    while r < row_hi:
        who, end = lead[r], r + 1
        while end < row_hi and lead[end] == who:
            end += 1
        lo, hi = offsets[who], offsets[who + 1]
        born = created[who] if len(created) > 0 else NEVER
        late = len(recorded) > 0 and _arrives_late(at, recorded, lo, hi, as_of, r, end)
        step = 1 if late else end - r
        for row in range(r, end, step):
            t_at, t_kind, t_channel, t_lo, t_hi = at, kind, channel, lo, hi
            t_campaign, t_person, t_direction, t_value = campaign, person, direction, value
            if late:
                seen = _visible(at, recorded, lo, hi, as_of[row])
                t_at, t_kind, t_channel = at[seen], kind[seen], _picked(channel, seen)
                t_campaign, t_person = _picked(campaign, seen), _picked(person, seen)
                t_direction, t_value = _picked(direction, seen), _picked(value, seen)
                t_lo, t_hi = 0, len(seen)
            stop = row + step
            stamp += 1
            _locate(t_at, t_lo, t_hi, as_of, row, stop, windows, place)
            n = place[stop - row - 1, NOW]
            trails.lay(
                t_at, t_channel, t_campaign, t_person, t_direction, t_value, t_lo, n, born,
                lives, wanted, campaign_seen, person_seen, stamp, trail,
            )  # fmt: skip
            _write_types(
                t_at, t_kind, t_lo, as_of, row, stop, slot_of, type_lives, start, col, a, b,
                pair_start, pair_first, place, count, last, first, decayed, pair_count, out,
            )  # fmt: skip
            _write_trails(
                t_at, t_lo, as_of, row, stop, windows, lives, start, col, a, b, place, trail, out
            )
            if channels:
                _write_channels(
                    t_at, t_channel, t_lo, as_of, row, stop, windows, start, col, b, place,
                    seen_at, out,
                )  # fmt: skip
            if codes.shape[1] > 0:
                _write_codes(t_kind, t_lo, row, stop, place, trail, codes)
        r = end
