"""Leads -> whether new ones repeat leads that are already there, under another id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from data.clock import DAY
from data.tables import Tables
from training.watch.signal import Signal, day_of

BACK: Final = (1, 2, 4, 8)
BASELINE_WEEKS: Final = 26
RISE: Final = (0.05, 0.15)
CHANCE: Final = 1e-6
ALIKE: Final = 0.20
"""With a larger share of repeats before, the columns cannot tell leads apart, and it is said so."""


def watch_duplicates(tables: Tables, *, as_of: int) -> Iterator[Signal]:
    """Compare the share of new leads that repeat an earlier one with the weeks before."""
    assert tables.created_at is not None
    created = tables.created_at
    recent = (created < as_of) & (created >= as_of - 7 * (BASELINE_WEEKS + 26) * DAY)
    if tables.episodes is not None:
        recent &= tables.episodes.number == 1  # a lead that comes back is no duplicate
    rows = np.flatnonzero(recent)
    rows = rows[np.argsort(created[rows], kind="stable")]
    if len(rows) < 100:
        return
    repeats = pd.Series(_keys(tables, rows)).duplicated(keep="first").to_numpy()
    week = (as_of - 1 - created[rows]) // (7 * DAY)
    best: tuple[float, int, float, float] | None = None
    alike = 0.0
    for back in BACK:
        now, then = week < back, (week >= back) & (week < back + BASELINE_WEEKS)
        n, m = int(now.sum()), int(then.sum())
        if n < 20 or m < 60:
            continue
        share, was = float(repeats[now].mean()), float(repeats[then].mean())
        if was > ALIKE:
            alike = max(alike, was)
            continue
        base = (was * m + 1) / (m + 2)
        chance = float(stats.binom.sf(int(repeats[now].sum()) - 1, n, base))
        if share - was > RISE[0] and chance < CHANCE and (best is None or share > best[2] + 0.02):
            best = (chance, back, share, was)
    if best is None:
        if alike:
            yield _cannot_be_judged(alike)
        return
    _, back, share, was = best
    yield Signal(
        "leads are there twice",
        "red" if share - was >= RISE[1] else "yellow",
        f"{share:.0%} of the new leads repeat an earlier one in every column, before {was:.0%}",
        f"at most {RISE[0]:.0%} more",
        "cause",
        day_of(as_of - 7 * back * DAY),
        "look for an import that ran twice, and merge the leads",
        85.0,
    )


def _cannot_be_judged(alike: float) -> Signal:
    return Signal(
        "leads are there twice",
        "green",
        f"cannot be judged: {alike:.0%} of the leads before are like another in every column",
        f"{ALIKE:.0%}",
        "cause",
    )


def _keys(tables: Tables, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Hash what identifies a lead: its address, else all that was known of it at creation."""
    shown = tables.display
    if "email" in shown.columns:
        addresses = shown["email"].to_numpy(object)[rows]
        known = np.array([isinstance(each, str) for each in addresses])
        if known.mean() > 0.5:
            alone = np.array([f"#{row}" for row in rows.tolist()], object)
            return _hash(np.where(known, addresses, alone))
    key = np.zeros(len(rows), np.uint64)
    for attribute in tables.attributes:
        if attribute.known_at is None and attribute.changes is None:
            key = key * np.uint64(1_000_003) + _hash(attribute.values[rows])
    for name in ("name", "title"):
        if name in shown.columns:
            key = key * np.uint64(1_000_003) + _hash(shown[name].to_numpy(object)[rows])
    return key


def _hash(values: NDArray[np.generic]) -> NDArray[np.uint64]:
    return pd.util.hash_array(np.asarray(values), categorize=True)
