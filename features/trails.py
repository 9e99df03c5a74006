"""One lead's events -> trails: for each quantity, its value after the first k events.

Every aggregation over all events is one short loop here. Row k = 0 is the value before any event.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

DAY: Final = 86_400_000_000
HOUR: Final = 3_600_000_000
NEVER: Final = int(np.iinfo(np.int64).max)

DAYS: Final = 0  # different days
VALUE: Final = 1  # sum of amounts
LARGEST: Final = 2  # largest amount
INBOUND: Final = 3
OUTBOUND: Final = 4
WEEK: Final = 5  # events before the lead is seven days old
STREAK: Final = 6  # days in a row up to the last active one
CAMPAIGNS: Final = 7
PEOPLE: Final = 8
RESPONSE: Final = 9  # mean hours from the first unanswered touch to the lead's next act
FIRST_CHANNEL: Final = 10
LAST_CHANNEL: Final = 11
FIRST_DECAY: Final = 12  # one per half-life follows: events, each worth half after that time


@numba.njit(cache=True, nogil=True)
def lay(  # type: ignore[no-untyped-def]
    at, channel, campaign, person, direction, value, lo, n, born, half_lives, wanted,
    campaign_seen, person_seen, stamp, trail,
):  # fmt: skip
    """Fill the wanted trails (n_trails, >= n + 1) for the n events from `lo` on."""
    if wanted[DAYS] or wanted[STREAK]:
        _days(at, lo, n, trail)
    if wanted[VALUE] or wanted[LARGEST]:
        _amounts(value, lo, n, trail)
    if wanted[INBOUND] or wanted[OUTBOUND]:
        _directions(direction, lo, n, trail)
    if wanted[RESPONSE]:
        _responses(at, direction, lo, n, trail)
    if wanted[WEEK]:
        ends = born + 7 * DAY if born < NEVER - 7 * DAY else NEVER
        for k in range(n):
            trail[WEEK, k + 1] = trail[WEEK, k] + (at[lo + k] < ends)
    if wanted[CAMPAIGNS]:
        _different(campaign, lo, n, campaign_seen, stamp, trail[CAMPAIGNS])
    if wanted[PEOPLE]:
        _different(person, lo, n, person_seen, stamp, trail[PEOPLE])
    if wanted[FIRST_CHANNEL]:
        _channels(channel, lo, n, trail)
    for h in range(trail.shape[0] - FIRST_DECAY):
        row = trail[FIRST_DECAY + h]
        for k in range(n):
            age = at[lo + k] - at[lo + k - 1] if k > 0 else 0
            row[k + 1] = row[k] * 2.0 ** (-age / half_lives[h]) + 1.0


@numba.njit(cache=True, nogil=True)
def _days(at, lo, n, trail):  # type: ignore[no-untyped-def]
    previous, days, streak = 0, 0, 0
    for k in range(n):
        day = at[lo + k] // DAY
        if k == 0 or day != previous:
            streak = streak + 1 if k > 0 and day == previous + 1 else 1
            days += 1
            previous = day
        trail[DAYS, k + 1] = days
        trail[STREAK, k + 1] = streak


@numba.njit(cache=True, nogil=True)
def _amounts(value, lo, n, trail):  # type: ignore[no-untyped-def]
    total, largest = 0.0, np.nan
    trail[LARGEST, 0] = np.nan
    for k in range(n):
        amount = np.float64(value[lo + k])
        if amount == amount:
            total += amount
            if not largest >= amount:
                largest = amount
        trail[VALUE, k + 1] = total
        trail[LARGEST, k + 1] = largest


@numba.njit(cache=True, nogil=True)
def _directions(direction, lo, n, trail):  # type: ignore[no-untyped-def]
    for k in range(n):
        trail[INBOUND, k + 1] = trail[INBOUND, k] + (direction[lo + k] == 0)
        trail[OUTBOUND, k + 1] = trail[OUTBOUND, k] + (direction[lo + k] == 1)


@numba.njit(cache=True, nogil=True)
def _responses(at, direction, lo, n, trail):  # type: ignore[no-untyped-def]
    asked, answers, waited = NEVER, 0, 0.0
    trail[RESPONSE, 0] = np.nan
    for k in range(n):
        if direction[lo + k] == 1 and asked == NEVER:
            asked = at[lo + k]
        elif direction[lo + k] == 0 and asked != NEVER:
            answers += 1
            waited += (at[lo + k] - asked) / HOUR
            asked = NEVER
        trail[RESPONSE, k + 1] = waited / answers if answers > 0 else np.nan


@numba.njit(cache=True, nogil=True)
def _different(code, lo, n, seen, stamp, row):  # type: ignore[no-untyped-def]
    """Count different codes; `seen` holds for each code the stamp of the walk that met it last."""
    for k in range(n):
        c = code[lo + k]
        new = c >= 0 and seen[c] != stamp
        if new:
            seen[c] = stamp
        row[k + 1] = row[k] + new


@numba.njit(cache=True, nogil=True)
def _channels(channel, lo, n, trail):  # type: ignore[no-untyped-def]
    first, last = -1, -1
    trail[FIRST_CHANNEL, 0] = trail[LAST_CHANNEL, 0] = -1
    for k in range(n):
        if len(channel) > 0 and channel[lo + k] >= 0:
            last = channel[lo + k]
            if first < 0:
                first = last
        trail[FIRST_CHANNEL, k + 1] = first
        trail[LAST_CHANNEL, k + 1] = last
