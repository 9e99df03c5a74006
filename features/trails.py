"""Events of a block of leads -> trails: for each quantity, its value after the first k events.

Every aggregation over all events is one short loop here, without branches where possible: one that
the processor predicts wrongly costs as much as three events. Entry k = 0 is the value before any
event.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from data.clock import DAY, NEVER
from data.compiled import compiled

DAYS: Final = 0  # distinct days
VALUE: Final = 1  # sum of amounts
LARGEST: Final = 2  # largest amount
INBOUND: Final = 3
OUTBOUND: Final = 4
WEEK: Final = 5  # events before the lead is seven days old
STREAK: Final = 6  # days in a row up to the last active one
CAMPAIGNS: Final = 7
PEOPLE: Final = 8
FIRST_DECAY: Final = 9  # one per half-life follows: events, each worth half after that time


@compiled
def fill_trails(  # type: ignore[no-untyped-def]
    at,
    campaign,
    person,
    direction,
    value,
    lo,
    cut,
    n,
    created_at,
    half_lives,
    wanted,
    campaign_seen,
    person_seen,
    stamp,
    base,
    trail,
):
    """Fill the wanted trails (n_trails, ·) of n leads: cut[g] events from lo[g] on, at base[g]."""
    if wanted[DAYS]:
        _days(at, lo, cut, n, base, trail[DAYS])
    if wanted[STREAK]:
        _streak(at, lo, cut, n, base, trail[STREAK])
    if wanted[VALUE]:
        _sum(value, lo, cut, n, base, trail[VALUE])
    if wanted[LARGEST]:
        _largest(value, lo, cut, n, base, trail[LARGEST])
    for side in range(2):
        if wanted[INBOUND + side]:
            _directed(direction, side, lo, cut, n, base, trail[INBOUND + side])
    if wanted[WEEK]:
        _week(at, lo, cut, n, created_at, base, trail[WEEK])
    if wanted[CAMPAIGNS]:
        _distinct(campaign, lo, cut, n, campaign_seen, stamp, base, trail[CAMPAIGNS])
    if wanted[PEOPLE]:
        _distinct(person, lo, cut, n, person_seen, stamp, base, trail[PEOPLE])
    for h in range(len(half_lives)):
        _decays(at, lo, cut, n, half_lives[h], base, trail[FIRST_DECAY + h])


@compiled
def _days(at, lo, cut, n, base, row):  # type: ignore[no-untyped-def]
    for g in range(n):
        first, origin = lo[g], base[g]
        previous, days = -NEVER, 0
        row[origin] = 0
        for k in range(cut[g]):
            day = at[first + k] // DAY
            days += day != previous
            previous = day
            row[origin + k + 1] = days


@compiled
def _streak(at, lo, cut, n, base, row):  # type: ignore[no-untyped-def]
    for g in range(n):
        first, origin = lo[g], base[g]
        previous, streak = -NEVER, 0
        row[origin] = 0
        for k in range(cut[g]):
            day = at[first + k] // DAY
            longer = streak + 1 if day == previous + 1 else 1
            streak = streak if day == previous else longer
            previous = day
            row[origin + k + 1] = streak


@compiled
def _sum(value, lo, cut, n, base, row):  # type: ignore[no-untyped-def]
    for g in range(n):
        first, origin = lo[g], base[g]
        total = 0.0
        row[origin] = 0.0
        for k in range(cut[g]):
            amount = np.float64(value[first + k])
            total += amount if amount == amount else 0.0
            row[origin + k + 1] = total


@compiled
def _largest(value, lo, cut, n, base, row):  # type: ignore[no-untyped-def]
    for g in range(n):
        first, origin = lo[g], base[g]
        largest = np.nan
        row[origin] = np.nan
        for k in range(cut[g]):
            amount = np.float64(value[first + k])
            largest = largest if largest >= amount or amount != amount else amount
            row[origin + k + 1] = largest


@compiled
def _directed(direction, side, lo, cut, n, base, row):  # type: ignore[no-untyped-def]
    for g in range(n):
        first, origin = lo[g], base[g]
        events = 0
        row[origin] = 0
        for k in range(cut[g]):
            events += direction[first + k] == side
            row[origin + k + 1] = events


@compiled
def _week(at, lo, cut, n, created_at, base, row):  # type: ignore[no-untyped-def]
    for g in range(n):
        first, origin = lo[g], base[g]
        ends = created_at[g] + 7 * DAY if created_at[g] < NEVER - 7 * DAY else NEVER
        events = 0
        row[origin] = 0
        for k in range(cut[g]):
            events += at[first + k] < ends
            row[origin + k + 1] = events


@compiled
def _distinct(code, lo, cut, n, seen, stamp, base, row):  # type: ignore[no-untyped-def]
    """Count distinct codes; `seen` holds for each code the number of the last lead that had it."""
    for g in range(n):
        first, origin = lo[g], base[g]
        stamp[0] += 1
        n_distinct = 0
        row[origin] = 0
        for k in range(cut[g]):
            c = code[first + k]
            if c >= 0 and seen[c] != stamp[0]:
                seen[c] = stamp[0]
                n_distinct += 1
            row[origin + k + 1] = n_distinct


@compiled
def _decays(at, lo, cut, n, half_life, base, row):  # type: ignore[no-untyped-def]
    for g in range(n):
        first, origin = lo[g], base[g]
        weight = 0.0
        row[origin] = 0.0
        for k in range(cut[g]):
            i = first + k
            age = at[i] - at[i - 1] if k > 0 else 0
            weight = weight * math.exp2(-age / half_life) + 1.0
            row[origin + k + 1] = weight
