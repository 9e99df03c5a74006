"""Events of a block of leads -> trails: for each quantity, its value after the first k events.

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
    at, channel, campaign, person, direction, value, lo, cut, n, born, half_lives, wanted,
    campaign_seen, person_seen, stamp, base, trail,
):  # fmt: skip
    """Fill the wanted trails (n_trails, ·) of n leads: cut[g] events from lo[g] on, at base[g]."""
    if wanted[DAYS] or wanted[STREAK]:
        _days(at, lo, cut, n, base, trail)
    if wanted[VALUE] or wanted[LARGEST]:
        _amounts(value, lo, cut, n, base, trail)
    if wanted[INBOUND] or wanted[OUTBOUND]:
        _directions(direction, lo, cut, n, base, trail)
    if wanted[RESPONSE]:
        _responses(at, direction, lo, cut, n, base, trail)
    if wanted[WEEK]:
        _week(at, lo, cut, n, born, base, trail)
    if wanted[CAMPAIGNS]:
        _different(campaign, lo, cut, n, campaign_seen, stamp, base, trail[CAMPAIGNS])
    if wanted[PEOPLE]:
        _different(person, lo, cut, n, person_seen, stamp, base, trail[PEOPLE])
    if wanted[FIRST_CHANNEL]:
        _channels(channel, lo, cut, n, base, trail)
    for h in range(len(half_lives)):
        _decays(at, lo, cut, n, half_lives[h], base, trail[FIRST_DECAY + h])


@numba.njit(cache=True, nogil=True)
def _days(at, lo, cut, n, base, trail):  # type: ignore[no-untyped-def]
    for g in range(n):
        previous, days, streak = 0, 0, 0
        trail[DAYS, base[g]] = trail[STREAK, base[g]] = 0
        for k in range(cut[g]):
            day = at[lo[g] + k] // DAY
            if k == 0 or day != previous:
                streak = streak + 1 if k > 0 and day == previous + 1 else 1
                days += 1
                previous = day
            trail[DAYS, base[g] + k + 1] = days
            trail[STREAK, base[g] + k + 1] = streak


@numba.njit(cache=True, nogil=True)
def _amounts(value, lo, cut, n, base, trail):  # type: ignore[no-untyped-def]
    for g in range(n):
        total, largest = 0.0, np.nan
        trail[VALUE, base[g]] = 0.0
        trail[LARGEST, base[g]] = np.nan
        for k in range(cut[g]):
            amount = np.float64(value[lo[g] + k])
            if amount == amount:
                total += amount
                if not largest >= amount:
                    largest = amount
            trail[VALUE, base[g] + k + 1] = total
            trail[LARGEST, base[g] + k + 1] = largest


@numba.njit(cache=True, nogil=True)
def _directions(direction, lo, cut, n, base, trail):  # type: ignore[no-untyped-def]
    for g in range(n):
        came, went = 0, 0
        trail[INBOUND, base[g]] = trail[OUTBOUND, base[g]] = 0
        for k in range(cut[g]):
            came += direction[lo[g] + k] == 0
            went += direction[lo[g] + k] == 1
            trail[INBOUND, base[g] + k + 1] = came
            trail[OUTBOUND, base[g] + k + 1] = went


@numba.njit(cache=True, nogil=True)
def _responses(at, direction, lo, cut, n, base, trail):  # type: ignore[no-untyped-def]
    for g in range(n):
        asked, answers, waited = NEVER, 0, 0.0
        trail[RESPONSE, base[g]] = np.nan
        for k in range(cut[g]):
            i = lo[g] + k
            if direction[i] == 1 and asked == NEVER:
                asked = at[i]
            elif direction[i] == 0 and asked != NEVER:
                answers += 1
                waited += (at[i] - asked) / HOUR
                asked = NEVER
            trail[RESPONSE, base[g] + k + 1] = waited / answers if answers > 0 else np.nan


@numba.njit(cache=True, nogil=True)
def _week(at, lo, cut, n, born, base, trail):  # type: ignore[no-untyped-def]
    for g in range(n):
        ends = born[g] + 7 * DAY if born[g] < NEVER - 7 * DAY else NEVER
        events = 0
        trail[WEEK, base[g]] = 0
        for k in range(cut[g]):
            events += at[lo[g] + k] < ends
            trail[WEEK, base[g] + k + 1] = events


@numba.njit(cache=True, nogil=True)
def _different(code, lo, cut, n, seen, stamp, base, row):  # type: ignore[no-untyped-def]
    """Count different codes; `seen` holds for each code the stamp of the walk that met it last."""
    for g in range(n):
        stamp[0] += 1
        different = 0
        row[base[g]] = 0
        for k in range(cut[g]):
            c = code[lo[g] + k]
            if c >= 0 and seen[c] != stamp[0]:
                seen[c] = stamp[0]
                different += 1
            row[base[g] + k + 1] = different


@numba.njit(cache=True, nogil=True)
def _channels(channel, lo, cut, n, base, trail):  # type: ignore[no-untyped-def]
    for g in range(n):
        first, last = -1, -1
        trail[FIRST_CHANNEL, base[g]] = trail[LAST_CHANNEL, base[g]] = -1
        for k in range(cut[g]):
            if len(channel) > 0 and channel[lo[g] + k] >= 0:
                last = channel[lo[g] + k]
                if first < 0:
                    first = last
            trail[FIRST_CHANNEL, base[g] + k + 1] = first
            trail[LAST_CHANNEL, base[g] + k + 1] = last


@numba.njit(cache=True, nogil=True)
def _decays(at, lo, cut, n, half_life, base, row):  # type: ignore[no-untyped-def]
    for g in range(n):
        weight = 0.0
        row[base[g]] = 0.0
        for k in range(cut[g]):
            i = lo[g] + k
            age = at[i] - at[i - 1] if k > 0 else 0
            weight = weight * 2.0 ** (-age / half_life) + 1.0
            row[base[g] + k + 1] = weight
