"""Conversions so far -> a light: fewer or more than the past promises, or not to be judged yet."""

from __future__ import annotations

from typing import Final

import numpy as np

from data.clock import DAY, NEVER
from data.tables import Outcomes, Tables
from training.watch.conversion_level import LevelShift, age_by_day, scan
from training.watch.signal import Signal, day_of

FALL: Final = (4e-4, 1.5e-3)
"""One-sided chances below which a fall is red and yellow: fixed in a laboratory (see the docs)."""
RISE: Final = (1e-5, 5e-4)
FAR: Final = (0.65, 0.85)
"""How far conversions must have fallen, as a share of what was promised; rises are its inverse."""
MARKS: Final = (7, 14, 30)
NEEDED: Final = 25.0
"""Expected conversions from which on half of them missing can be seen."""


def watch_conversions(
    tables: Tables, outcomes: Outcomes, *, as_of: int, horizon: int
) -> list[Signal]:
    """Compare conversions of the last weeks with what earlier leads of the same ages did."""
    ages = int(np.clip(horizon // DAY, 30, 365))
    table = age_by_day(tables, outcomes, as_of=as_of, ages=ages, since=outcomes.recorded_from)
    shifts = list(scan(table))
    shares = shares_by_age(tables, outcomes, as_of)
    if not shifts:
        rate = float(table.converted[-91:].sum()) / max(1, min(table.days, 91))
        wait = max(7.0 * 8 - table.days, NEEDED / rate if rate else 182.0)
        return [
            Signal(
                "conversions so far",
                "green",
                f"cannot be judged before {day_of(as_of + int(min(wait, 730) * DAY))}: too few "
                f"conversions to compare with{shares}",
                f"{NEEDED:.0f} expected",
            )
        ]
    worst = min(shifts, key=_gravity)
    state = _state(worst)
    if state == "green":
        longest = next((s for s in shifts if s.whom == "all" and s.expected >= NEEDED), shifts[-1])
        return [
            Signal(
                "conversions so far",
                "green",
                f"{longest.observed:.0f} in the last {longest.weeks} weeks, "
                f"{longest.expected:.0f} expected ({_how_far(longest)}){shares}",
                _bar(longest),
            )
        ]
    return [_moved(worst, state, as_of, shares)]


def _gravity(shift: LevelShift) -> float:
    """Order shifts by chance, falls and rises each against its own limit."""
    return shift.p / (FALL if shift.ratio < 1 else RISE)[0]


def _state(shift: LevelShift) -> str:
    falls = shift.ratio < 1
    limits = FALL if falls else RISE
    for state, p, far in zip(("red", "yellow"), limits, FAR, strict=True):
        if shift.p < p and (shift.ratio <= far if falls else shift.ratio >= 1 / far):
            return state
    return "green"


def _how_far(shift: LevelShift) -> str:
    return f"{shift.ratio:.2f} times, by chance in {100 * shift.p:.2g} % of cases"


def _bar(shift: LevelShift) -> str:
    """Say both bars: what is far off, and more often than chance would make it."""
    chance = (FALL if shift.ratio < 1 else RISE)[1]
    return f"{FAR[1]:.2f} to {1 / FAR[1]:.2f} times, or by chance in over {100 * chance:.2g} %"


def _moved(shift: LevelShift, state: str, as_of: int, shares: str) -> Signal:
    falls = shift.ratio < 1
    whose = "of leads created since then" if shift.whom == "new" else "of all open leads"
    if shift.ratio < 0.1:
        name, cure = "conversions stopped", "look whether the CRM still sends them"
    elif falls:
        name = "conversions fell"
        cure = "look whether all are recorded, what changed in the leads, and retrain"
    else:
        name, cure = "conversions rose", "look for double counts; if it is true, retrain"
    return Signal(
        name,
        "red" if state == "red" else "yellow",
        f"{shift.observed:.0f} {whose}, {shift.expected:.0f} expected ({_how_far(shift)}){shares}",
        _bar(shift),
        "cause",
        day_of(as_of - 7 * shift.weeks * DAY),
        cure,
        45.0,
    )


def shares_by_age(tables: Tables, outcomes: Outcomes, as_of: int) -> str:
    """Write the share converted by day 7, 14 and 30 of the newest four weeks, and of those before.

    Each by the newest leads that are old enough for it.
    """
    assert tables.created_at is not None
    created, won = tables.created_at, outcomes.converted_at
    words = []
    for mark in MARKS:
        by = (won != NEVER) & (won < as_of) & (won - created < mark * DAY)
        age = as_of - created
        now = (age >= mark * DAY) & (age < (mark + 28) * DAY)
        then = (age >= (mark + 28) * DAY) & (age < (mark + 28 + 182) * DAY)
        if now.any() and then.any():
            words.append(f"by day {mark} {by[now].mean():.1%} (before {by[then].mean():.1%})")
    return "; converted " + ", ".join(words) if words else ""
