"""Events sorted by (lead, at) -> a float32 matrix, in one pass with running state per lead.

For every lead the events before `as_of` are pushed once into row NOW of the state; each window
keeps a row of its own into which the events before `as_of - window` are pushed, so that a window's
count is the difference of two rows. Snapshots ascend, hence every event is pushed at most
1 + n_windows times, whatever the number of snapshots. Row EVER stays empty. A record that arrives
late (`recorded_at` after a snapshot that lies after `at`) breaks "push once": such leads are
walked again per snapshot over what was visible. Design and measurements: design notes of issue 4.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numba
import numpy as np

DAY: Final = 86_400_000_000
HOUR: Final = 3_600_000_000
NEVER: Final = int(np.iinfo(np.int64).max)
NOW: Final = 0
EVER: Final = 1
FIRST_WINDOW: Final = 2

# Operations: what a column of the matrix is computed by. Arguments a and b are named beside.
COUNT: Final = 0  # a type slot, b state row of the window
SINCE: Final = 1  # a type slot
ALL: Final = 2  # b
ACTIVE: Final = 3  # b
DIRECTION: Final = 4  # a 0 inbound or 1 outbound, b
VALUE_SUM: Final = 5  # b
CHANNELS: Final = 6  # b
TREND: Final = 7  # a state row of the short window, b of the long one
DECAY: Final = 8  # a type slot, n_slots for all events; b half-life
SINCE_FIRST: Final = 9
SINCE_LAST: Final = 10
MEAN_GAP: Final = 11
VALUE_MAX: Final = 12
CAMPAIGNS: Final = 13
PEOPLE: Final = 14
FIRST_WEEK: Final = 15
STREAK: Final = 16
RESPONSE: Final = 17
PAIR: Final = 18  # a pair
N_OPERATIONS: Final = 19

# Columns of the code matrix.
FIRST_CHANNEL: Final = 0
LAST_CHANNEL: Final = 1
FIRST_EVENT: Final = 2
LAST_EVENT: Final = 3

# Scalars of the running state, all int64.
FIRST_AT, LAST_AT, STREAK_NOW, WEEK_COUNT = 0, 1, 2, 3
PENDING_AT, ANSWERED, ANSWER_SUM, N_CAMPAIGNS, N_PEOPLE = 4, 5, 6, 7, 8
STAMP: Final = 9
CODE_0: Final = 10  # four codes follow
N_SCALARS: Final = 14


class Columns(NamedTuple):
    """Event columns of one range of leads; what no feature needs may be empty."""

    at: Any  # int64 (n_events,)
    recorded: Any  # int64, empty without a second clock
    kind: Any  # int16 type codes
    channel: Any  # int16
    campaign: Any  # int32
    person: Any  # int32
    direction: Any  # int8, empty where not needed
    value: Any  # float32


class Program(NamedTuple):
    """What to compute: operations sorted by kind, windows, half-lives, pairs."""

    slot_of: Any  # int32 (n_types,)
    windows: Any  # int64 (n state rows,), microseconds
    half_lives: Any  # float64 microseconds
    start: Any  # int64 (N_OPERATIONS + 1,)
    col: Any  # int64 (n_operations,)
    a: Any
    b: Any
    pair_start: Any  # int64 (n_slots + 1,)
    pair_first: Any  # int64 (n_pairs,)
    sizes: Any  # int64: slots, channels, campaigns, people


class State(NamedTuple):
    """What is known of one lead while its events are walked."""

    count: Any  # int32 (rows, slots)
    tally: Any  # int64 (rows, 5): events, active days, last day, inbound, outbound
    sums: Any  # float64 (rows,)
    last: Any  # int64 (slots,)
    first: Any  # int64 (slots,)
    decayed: Any  # float64 (slots + 1, half-lives)
    scalar: Any  # int64 (N_SCALARS,)
    largest: Any  # float64 (1,)
    seen_channel: Any  # int64 (channels,)
    pair_count: Any  # int64 (pairs,)
    campaign_seen: Any  # int64 (campaigns,), stamp of the walk that saw it
    person_seen: Any  # int64 (people,)
    cursor: Any  # int64 (rows,)
    next_day: Any  # int64 (rows,)


@numba.njit(cache=True, nogil=True)
def make_state(p):  # type: ignore[no-untyped-def]
    """Allocate the running state that a program needs."""
    rows, slots = len(p.windows), p.sizes[0]
    return State(
        np.zeros((rows, slots), np.int32),
        np.zeros((rows, 5), np.int64),
        np.zeros(rows, np.float64),
        np.empty(slots, np.int64),
        np.empty(slots, np.int64),
        np.zeros((slots + 1, len(p.half_lives)), np.float64),
        np.zeros(N_SCALARS, np.int64),
        np.zeros(1, np.float64),
        np.empty(p.sizes[1], np.int64),
        np.zeros(len(p.pair_first), np.int64),
        np.zeros(p.sizes[2], np.int64),
        np.zeros(p.sizes[3], np.int64),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.int64),
    )


@numba.njit(cache=True, nogil=True)
def _reset(s):  # type: ignore[no-untyped-def]
    """Empty the running state for the next walk; stamps stay and count walks."""
    s.count[:] = 0
    s.tally[:] = 0
    s.sums[:] = 0.0
    s.last[:] = NEVER
    s.first[:] = NEVER
    s.decayed[:] = 0.0
    stamp = s.scalar[STAMP] + 1
    s.scalar[:] = 0
    s.scalar[STAMP] = stamp
    s.scalar[FIRST_AT] = NEVER
    s.scalar[PENDING_AT] = NEVER
    s.scalar[CODE_0:] = -1
    s.largest[0] = np.nan
    s.seen_channel[:] = NEVER
    s.pair_count[:] = 0


@numba.njit(cache=True, nogil=True)
def _push_row(s, row, e, i, slot):  # type: ignore[no-untyped-def]
    """Add event i to the counters that every state row has."""
    day = e.at[i] // DAY
    if slot >= 0:
        s.count[row, slot] += 1
    if s.tally[row, 0] == 0 or s.tally[row, 2] != day:
        s.tally[row, 1] += 1
        s.tally[row, 2] = day
    s.tally[row, 0] += 1
    if len(e.direction) > 0 and e.direction[i] >= 0:
        s.tally[row, 3 + e.direction[i]] += 1
    amount = e.value[i]
    if amount == amount:
        s.sums[row] += amount


@numba.njit(cache=True, nogil=True)
def _push_now(s, p, e, i, slot, week_ends):  # type: ignore[no-untyped-def]
    """Add event i to the whole running state."""
    t, x, n = e.at[i], s.scalar, s.tally[NOW, 0]
    if n == 0:
        x[FIRST_AT] = t
        x[CODE_0 + FIRST_EVENT] = e.kind[i]
        x[STREAK_NOW] = 1
    else:
        day = t // DAY
        if day != s.tally[NOW, 2]:
            x[STREAK_NOW] = x[STREAK_NOW] + 1 if day == s.tally[NOW, 2] + 1 else 1
    x[CODE_0 + LAST_EVENT] = e.kind[i]
    if len(s.seen_channel) > 0 and e.channel[i] >= 0:
        s.seen_channel[e.channel[i]] = t
        x[CODE_0 + LAST_CHANNEL] = e.channel[i]
        if x[CODE_0 + FIRST_CHANNEL] < 0:
            x[CODE_0 + FIRST_CHANNEL] = e.channel[i]
    if len(p.half_lives) > 0:
        _decay(s, p, t, slot)
    x[LAST_AT] = t
    if t < week_ends:
        x[WEEK_COUNT] += 1
    if len(s.campaign_seen) > 0:
        x[N_CAMPAIGNS] += _is_new(s.campaign_seen, e.campaign[i], x[STAMP])
    if len(s.person_seen) > 0:
        x[N_PEOPLE] += _is_new(s.person_seen, e.person[i], x[STAMP])
    if len(e.direction) > 0:
        if e.direction[i] == 1 and x[PENDING_AT] == NEVER:
            x[PENDING_AT] = t
        elif e.direction[i] == 0 and x[PENDING_AT] != NEVER:
            x[ANSWERED] += 1
            x[ANSWER_SUM] += t - x[PENDING_AT]
            x[PENDING_AT] = NEVER
    if slot >= 0:
        for pair in range(p.pair_start[slot], p.pair_start[slot + 1]):
            if s.first[p.pair_first[pair]] < t:
                s.pair_count[pair] += 1
        if s.first[slot] == NEVER:
            s.first[slot] = t
        s.last[slot] = t
    if e.value[i] == e.value[i] and not (s.largest[0] >= e.value[i]):
        s.largest[0] = e.value[i]
    _push_row(s, NOW, e, i, slot)


@numba.njit(cache=True, nogil=True)
def _is_new(seen, code, stamp):  # type: ignore[no-untyped-def]
    """Say whether this walk meets a code for the first time, and remember it."""
    if code < 0 or seen[code] == stamp:
        return False
    seen[code] = stamp
    return True


@numba.njit(cache=True, nogil=True)
def _decay(s, p, t, slot):  # type: ignore[no-untyped-def]
    """Let the decayed counts fade until t and add one event; the last row counts all events."""
    everything = len(s.last)
    for h in range(len(p.half_lives)):
        if s.tally[NOW, 0] > 0:
            s.decayed[everything, h] *= 2.0 ** ((s.scalar[LAST_AT] - t) / p.half_lives[h])
        s.decayed[everything, h] += 1.0
        if slot >= 0:
            if s.count[NOW, slot] > 0:
                s.decayed[slot, h] *= 2.0 ** ((s.last[slot] - t) / p.half_lives[h])
            s.decayed[slot, h] += 1.0


@numba.njit(cache=True, nogil=True)
def _write_counts(s, p, t, out):  # type: ignore[no-untyped-def]
    """Write counts, recencies and active days: most columns of most catalogues."""
    a, b, col, start, n = p.a, p.b, p.col, p.start, s.tally[NOW, 0]
    for i in range(start[COUNT], start[COUNT + 1]):
        out[col[i]] = s.count[NOW, a[i]] - s.count[b[i], a[i]]
    for i in range(start[SINCE], start[SINCE + 1]):
        seen = s.last[a[i]]
        out[col[i]] = (t - seen) / DAY if seen != NEVER else np.nan
    for i in range(start[ALL], start[ALL + 1]):
        out[col[i]] = n - s.tally[b[i], 0]
    for i in range(start[ACTIVE], start[ACTIVE + 1]):
        days = s.tally[NOW, 1] - s.tally[b[i], 1]
        older = s.tally[b[i], 0]
        # the window may open within a day that has older events: that day counts again
        if n > older and older > 0 and s.next_day[b[i]] == s.tally[b[i], 2]:
            days += 1
        out[col[i]] = days
    for i in range(start[DIRECTION], start[DIRECTION + 1]):
        out[col[i]] = s.tally[NOW, 3 + a[i]] - s.tally[b[i], 3 + a[i]]
    for i in range(start[VALUE_SUM], start[VALUE_SUM + 1]):
        out[col[i]] = s.sums[NOW] - s.sums[b[i]]
    for i in range(start[CHANNELS], start[CHANNELS + 1]):
        different = 0
        for c in range(len(s.seen_channel)):
            seen = s.seen_channel[c]
            if seen != NEVER and (b[i] == EVER or seen >= t - p.windows[b[i]]):
                different += 1
        out[col[i]] = different


@numba.njit(cache=True, nogil=True)
def _write_shapes(s, p, t, out):  # type: ignore[no-untyped-def]
    """Write what describes the course of the events rather than their number."""
    a, b, col, start, x, n = p.a, p.b, p.col, p.start, s.scalar, s.tally[NOW, 0]
    for i in range(start[TREND], start[TREND + 1]):
        longer, shorter = n - s.tally[b[i], 0], n - s.tally[a[i], 0]
        pace = p.windows[b[i]] / p.windows[a[i]]
        out[col[i]] = pace * shorter / longer if longer > 0 else np.nan
    for i in range(start[DECAY], start[DECAY + 1]):
        seen = x[LAST_AT] if a[i] == len(s.last) else s.last[a[i]]
        if n == 0 or seen == NEVER:
            out[col[i]] = 0.0
        else:
            out[col[i]] = s.decayed[a[i], b[i]] * 2.0 ** ((seen - t) / p.half_lives[b[i]])
    for i in range(start[SINCE_FIRST], start[SINCE_FIRST + 1]):
        out[col[i]] = (t - x[FIRST_AT]) / DAY if n > 0 else np.nan
    for i in range(start[SINCE_LAST], start[SINCE_LAST + 1]):
        out[col[i]] = (t - x[LAST_AT]) / DAY if n > 0 else np.nan
    for i in range(start[MEAN_GAP], start[MEAN_GAP + 1]):
        out[col[i]] = (x[LAST_AT] - x[FIRST_AT]) / (DAY * (n - 1.0)) if n > 1 else np.nan
    for i in range(start[VALUE_MAX], start[VALUE_MAX + 1]):
        out[col[i]] = s.largest[0]
    for i in range(start[CAMPAIGNS], start[CAMPAIGNS + 1]):
        out[col[i]] = x[N_CAMPAIGNS]
    for i in range(start[PEOPLE], start[PEOPLE + 1]):
        out[col[i]] = x[N_PEOPLE]
    for i in range(start[FIRST_WEEK], start[FIRST_WEEK + 1]):
        out[col[i]] = x[WEEK_COUNT]
    for i in range(start[STREAK], start[STREAK + 1]):
        out[col[i]] = x[STREAK_NOW]
    for i in range(start[RESPONSE], start[RESPONSE + 1]):
        answered = x[ANSWERED]
        out[col[i]] = x[ANSWER_SUM] / (HOUR * float(answered)) if answered > 0 else np.nan
    for i in range(start[PAIR], start[PAIR + 1]):
        out[col[i]] = s.pair_count[a[i]]


@numba.njit(cache=True, nogil=True)
def _walk(s, p, e, lo, hi, as_of, row_lo, row_hi, created, out, codes):  # type: ignore[no-untyped-def]
    """Walk one lead's events [lo, hi) once and fill its rows [row_lo, row_hi), ascending."""
    _reset(s)
    s.cursor[:] = lo
    week_ends = created + 7 * DAY if created < NEVER - 7 * DAY else NEVER
    for r in range(row_lo, row_hi):
        t = as_of[r]
        i = s.cursor[NOW]
        while i < hi and e.at[i] < t:
            kind = e.kind[i]
            _push_now(s, p, e, i, p.slot_of[kind] if kind >= 0 else -1, week_ends)
            i += 1
        s.cursor[NOW] = i
        for w in range(FIRST_WINDOW, len(p.windows)):
            opens = t - p.windows[w]
            j = s.cursor[w]
            while j < i and e.at[j] < opens:
                kind = e.kind[j]
                _push_row(s, w, e, j, p.slot_of[kind] if kind >= 0 else -1)
                j += 1
            s.cursor[w] = j
            s.next_day[w] = e.at[j] // DAY if j < i else -NEVER
        _write_counts(s, p, t, out[r])
        _write_shapes(s, p, t, out[r])
        for c in range(codes.shape[1]):
            codes[r, c] = s.scalar[CODE_0 + c]


@numba.njit(cache=True, nogil=True)
def _arrives_late(e, lo, hi, as_of, row_lo, row_hi):  # type: ignore[no-untyped-def]
    """Say whether a record of this lead crosses one of its snapshots."""
    for i in range(lo, hi):
        if e.recorded[i] > e.at[i]:
            for r in range(row_lo, row_hi):
                if e.at[i] < as_of[r] <= e.recorded[i]:
                    return True
    return False


@numba.njit(cache=True, nogil=True)
def _visible(e, lo, hi, t):  # type: ignore[no-untyped-def]
    """Copy the events of [lo, hi) that had happened and were recorded before t."""
    seen = np.empty(hi - lo, np.int64)
    n = 0
    for i in range(lo, hi):
        if e.at[i] < t and e.recorded[i] < t:
            seen[n] = i
            n += 1
    seen = seen[:n]
    campaign = e.campaign[seen] if len(e.campaign) > 0 else e.campaign[:0].copy()
    person = e.person[seen] if len(e.person) > 0 else e.person[:0].copy()
    direction = e.direction[seen] if len(e.direction) > 0 else e.direction[:0].copy()
    channel = e.channel[seen] if len(e.channel) > 0 else e.channel[:0].copy()
    return Columns(
        e.at[seen], e.recorded[:0].copy(), e.kind[seen], channel, campaign, person, direction,
        e.value[seen],
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def fill(p, e, offsets, origin, lead, as_of, row_lo, row_hi, created, out, codes):  # type: ignore[no-untyped-def]
    """Fill rows [row_lo, row_hi) of `out` (n, k) float32 and `codes` (n, 0 or 4) int32.

    Rows are sorted by (lead, as_of) and a lead's rows are never split over two calls. The event
    arrays start at event number `origin` of `offsets` (a range of a store). `created` may be
    empty.
    """
    s = make_state(p)
    r = row_lo
    while r < row_hi:
        who = lead[r]
        end = r + 1
        while end < row_hi and lead[end] == who:
            end += 1
        lo, hi = offsets[who] - origin, offsets[who + 1] - origin
        born = created[who] if len(created) > 0 else NEVER
        if len(e.recorded) > 0 and _arrives_late(e, lo, hi, as_of, r, end):
            for row in range(r, end):
                known = _visible(e, lo, hi, as_of[row])
                n = len(known.at)
                _walk(s, p, known, 0, n, as_of, row, row + 1, born, out, codes)
        else:
            _walk(s, p, e, lo, hi, as_of, r, end, born, out, codes)
        r = end
