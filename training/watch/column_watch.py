"""Columns of leads and types of events, week by week -> renamed, emptied, new levels, other units.

Every column is compared with its own weeks before each day on which a change may have begun. A
column whose levels come and go (campaigns) did so earlier, too: the same comparison, made at two
earlier moments, takes the alarm away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from data.asof import values_at
from data.clock import DAY, Micros
from data.private import without_contacts
from data.reading.rep_answers import ANSWER_COLUMNS
from data.tables import Snapshots, Tables
from training.watch.signal import Signal, day_of

Floats = NDArray[np.float64]

BACK: Final = (1, 2, 3, 4, 6, 8, 13, 26)
"""Weeks ago at which a change may have begun."""
BASELINE_WEEKS: Final = 26
PLACEBO_WEEKS: Final = (14, 28)
KEPT_WEEKS: Final = 26 + 26 + 28
OTHERS: Final = "(all others)"
MOST_LEVELS: Final = 150
"""So many frequent levels are looked at, and as many that are frequent of late; others are one."""
CHANCE: Final = 1e-6
LEAST: Final = 8
NEW_LEVEL: Final = 0.03
BIG_LEVEL: Final = 0.25
MISSING: Final = (0.10, 0.25)
UNIT: Final = 2.5
BURSTS: Final = 4.0
"""Events of one lead repeat their type: so many count as one."""


@dataclass(frozen=True, slots=True)
class ColumnHistory:
    """A column as it became known: row i happened at `at` with code `codes`, -1 missing.

    `repeats` rows count as one where rows belong to the same leads.
    """

    name: str
    at: Micros
    codes: NDArray[np.int64]
    levels: Sequence[str]
    repeats: float = 1.0


@dataclass(frozen=True, slots=True)
class LevelChange:
    """What changed in a column `weeks` ago: shares before and after, by code."""

    weeks: int
    appeared: tuple[int, ...]
    gone: tuple[int, ...]
    fell: tuple[int, ...]
    missing: tuple[float, float]
    before: Floats
    after: Floats
    emptied: bool

    @property
    def size(self) -> float:
        """How much of the column is concerned."""
        lost = sum(float(self.before[c] - self.after[c]) for c in self.gone)
        came = sum(float(self.after[c]) for c in self.appeared)
        return max(lost, came, self.missing[1] - self.missing[0] if self.emptied else 0.0)


def watch_columns(
    tables: Tables, *, as_of: int, silent_types: frozenset[str] = frozenset()
) -> list[Signal]:
    """Look at every attribute, at owner and channel, and at the types and values of events.

    `silent_types` are the event types of sources that are silent, which is said elsewhere.
    """
    found: list[Signal] = []
    for history in lead_columns(tables, as_of):
        changed = _levels(history, f"column {history.name}", as_of)
        found += [replace(each, subjects=(history.name, *each.subjects)) for each in changed]
    types = _event_types(tables, as_of, silent_types)
    if types is not None:
        found += _levels(types, "event types", as_of)
    for column, at, values in _numbers(tables, as_of):
        found += _unit(column, at, values, as_of)
    return found


def lead_columns(tables: Tables, as_of: int) -> Iterator[ColumnHistory]:
    """Read each category as it was known at one age of every lead of the last 80 weeks."""
    assert tables.created_at is not None
    created = tables.created_at
    used = np.flatnonzero((created < as_of) & (created >= as_of - 7 * KEPT_WEEKS * DAY))
    for attribute in tables.attributes:
        if attribute.kind != "category" or attribute.name in ANSWER_COLUMNS:
            continue
        wait = 0
        if attribute.known_at is not None:
            wait = 7 * DAY
        elif attribute.changes is not None:
            wait = DAY
        rows = used[created[used] < as_of - wait]
        moments = created[rows] + max(wait, 1)
        values = values_at(attribute, Snapshots(rows, moments), tables)
        yield _coded(attribute.name, created[rows] + wait, values)
    have = {attribute.name for attribute in tables.attributes}
    for role in ("owner", "channel"):
        if role in tables.display.columns and role not in have:
            values = tables.display[role].to_numpy(object)[used]
            yield _coded(role, created[used], values)


def _coded(name: str, at: Micros, values: NDArray[np.generic]) -> ColumnHistory:
    codes, levels = pd.factorize(values.astype(object), use_na_sentinel=True)
    names = [str(level) for level in levels]
    if len(names) <= 2 * MOST_LEVELS:
        return ColumnHistory(name, at, codes.astype(np.int64), names)
    known = codes[codes >= 0]
    late = codes[(codes >= 0) & (at >= at.max() - 28 * DAY)]
    kept = {
        int(code)
        for counted in (known, late)
        for code in np.argsort(np.bincount(counted, minlength=len(names)))[-MOST_LEVELS:]
    }
    order = sorted(kept)
    table = np.full(len(names) + 1, len(order), np.int64)
    table[order], table[-1] = np.arange(len(order)), -1
    return ColumnHistory(name, at, table[codes], [*(names[c] for c in order), OTHERS])


def _event_types(tables: Tables, as_of: int, silent: frozenset[str]) -> ColumnHistory | None:
    events = tables.events
    if not len(events):
        return None
    heard = np.array([name not in silent for name in events.type_names])
    known = events.known_before(as_of) & (events.at >= as_of - 7 * KEPT_WEEKS * DAY)
    known &= heard[events.type]
    codes = events.type[known].astype(np.int64)
    return ColumnHistory("type", events.at[known], codes, events.type_names, BURSTS)


def compare_levels(history: ColumnHistory, as_of: int) -> LevelChange | None:
    """Find the largest change of levels that began in one of the last weeks; None where none."""
    week = (as_of - 1 - history.at) // (7 * DAY)
    seen = (week >= 0) & (week < BACK[-1] + BASELINE_WEEKS)
    k = len(history.levels) + 1  # the last code is missing
    codes = np.where(history.codes < 0, k - 1, history.codes)[seen]
    n_weeks = BACK[-1] + BASELINE_WEEKS
    table = np.bincount(week[seen] * k + codes, minlength=n_weeks * k).reshape(n_weeks, k)
    total = np.cumsum(np.vstack([np.zeros((1, k)), table]), axis=0) / history.repeats
    best: LevelChange | None = None
    for back in BACK:
        then = total[min(back + BASELINE_WEEKS, n_weeks)] - total[back]
        change = _change(total[back], then, back, k - 2 if OTHERS in history.levels[-1:] else k - 1)
        if change is not None and (best is None or change.size > best.size + 0.02):
            best = change
    return best


def _change(now: Floats, then: Floats, weeks: int, end: int) -> LevelChange | None:
    """Compare counts of levels, (k,); those from code `end` on are no single level."""
    n, m = float(now.sum()), float(then.sum())
    if n < 15 or m < 60:
        return None
    before, after = then / m, now / n
    expected = before * n
    floor = (then + 1) / (m + 2)
    more = stats.poisson.sf(np.ceil(now) - 1, floor * n)
    less = stats.poisson.cdf(np.floor(now), expected)
    appeared = (before < 0.002) & (now >= LEAST) & (after >= NEW_LEVEL) & (more < CHANCE)
    gone = (expected >= 12) & (now <= 0.25 * expected) & (less < CHANCE)
    fell = (expected >= 10) & (now < 0.75 * expected) & (less < 1e-3) & ~gone
    share = (float(before[-1]), float(after[-1]))
    emptied = share[1] - share[0] >= MISSING[0] and float(more[-1]) < CHANCE
    for marks in (appeared, gone, fell):
        marks[end:] = False
    if not (appeared.any() or gone.any() or emptied):
        return None
    codes = [tuple(np.flatnonzero(marks).tolist()) for marks in (appeared, gone, fell)]
    return LevelChange(weeks, codes[0], codes[1], codes[2], share, before, after, emptied)


def _levels(history: ColumnHistory, what: str, as_of: int) -> Iterator[Signal]:
    """Say what changed in a column, in words, unless its levels come and go anyhow."""
    change = compare_levels(history, as_of)
    if change is None:
        return
    named = {*change.appeared, *change.gone}
    for back in PLACEBO_WEEKS:
        earlier = compare_levels(history, as_of - 7 * back * DAY)
        if earlier is not None and {*earlier.appeared, *earlier.gone} - named:
            return
    since = as_of - 7 * change.weeks * DAY
    if change.emptied:
        yield _emptied(what, change, since)
    if change.appeared:
        yield _appeared(history, what, change, since)
    elif change.gone:
        yield _gone(history, what, change, since)


def _emptied(what: str, change: LevelChange, since: int) -> Signal:
    before, after = change.missing
    return Signal(
        f"{what} is emptied",
        "red" if after - before >= MISSING[1] else "yellow",
        f"missing in {after:.0%}, before in {before:.0%}",
        f"at most {MISSING[0]:.0%} more",
        "cause",
        day_of(since),
        "look whether the export still fills it",
        80.0 + 10 * (after - before),
    )


def _appeared(history: ColumnHistory, what: str, change: LevelChange, since: int) -> Signal:
    """Say that a level is new, or that one took the name of another, wholly or in part."""
    came = max(change.appeared, key=lambda code: change.after[code])
    share = float(change.after[came])
    first = int(
        history.at[(history.codes == came) & (history.at >= since)].min(initial=since + DAY)
    )
    new = _word(history, came)
    lost = {c: float(change.before[c] - change.after[c]) for c in (*change.gone, *change.fell)}
    source = min(lost, key=lambda c: abs(lost[c] - share)) if lost else None
    if source is not None and 0.4 * share <= lost[source] <= 2.5 * share:
        whole = source in change.gone
        return Signal(
            f"{what}: {_word(history, source)} is now called {new}"
            + ("" if whole else " in part of the rows"),
            "red",
            f"{new} {share:.0%}, before 0 %; {_word(history, source)} "
            f"{change.after[source]:.0%}, before {change.before[source]:.0%}",
            "the same names as before",
            "cause",
            day_of(max(first, since)),
            "map the new name to the old one in the export, or retrain once it has outcomes",
            75.0 + 10 * share,
            (history.levels[came], history.levels[source]),
        )
    return Signal(
        f"{what}: {new} is new",
        "red" if share >= BIG_LEVEL else "yellow",
        f"{share:.0%} of the rows since then",
        f"under {NEW_LEVEL:.0%}",
        "cause",
        day_of(max(first, since)),
        "the model does not know it: retrain once it has outcomes",
        50.0 + 10 * share,
        (history.levels[came],),
    )


def _gone(history: ColumnHistory, what: str, change: LevelChange, since: int) -> Signal:
    lost = max(change.gone, key=lambda code: change.before[code])
    rows = history.at[history.codes == lost]
    last = int(rows[rows < since].max(initial=since))
    others = f" and {len(change.gone) - 1} more" if len(change.gone) > 1 else ""
    return Signal(
        f"{what}: {_word(history, lost)}{others} no longer comes",
        "red" if change.before[lost] >= 0.10 or len(change.gone) > 2 else "yellow",
        f"{change.after[lost]:.1%} of the rows, before {change.before[lost]:.1%}",
        "the same names as before",
        "cause",
        day_of(last),
        "look at the form, campaign or tracking behind it",
        65.0,
        (history.levels[lost],),
    )


def _word(history: ColumnHistory, code: int) -> str:
    return repr(without_contacts(history.levels[code]))


def _numbers(tables: Tables, as_of: int) -> Iterator[tuple[str | None, Micros, Floats]]:
    """Give each number as known at one age, and the values of events: (column, at, sizes).

    None stands for the values of events.
    """
    assert tables.created_at is not None
    created = tables.created_at
    used = np.flatnonzero((created < as_of) & (created >= as_of - 7 * 60 * DAY))
    for attribute in tables.attributes:
        if attribute.kind != "number":
            continue
        wait = 0 if attribute.known_at is None and attribute.changes is None else 7 * DAY
        rows = used[created[used] < as_of - wait]
        values = values_at(attribute, Snapshots(rows, created[rows] + max(wait, 1)), tables)
        yield attribute.name, created[rows] + wait, values.astype(np.float64)
    events = tables.events
    if len(events) and np.isfinite(events.value).any():
        known = events.known_before(as_of) & (events.at >= as_of - 7 * 60 * DAY)
        yield None, events.at[known], events.value[known].astype(np.float64)


def _unit(column: str | None, at: Micros, values: Floats, as_of: int) -> Iterator[Signal]:
    """Find values that became several times as large or small as a whole."""
    size = np.abs(values)
    usable = np.isfinite(size) & (size > 0)
    size, week = np.log(size[usable]), (as_of - 1 - at[usable]) // (7 * DAY)
    best: tuple[float, int, float, float] | None = None
    for back in BACK:
        now, then = size[week < back], size[(week >= back) & (week < back + BASELINE_WEEKS)]
        if len(now) < 15 or len(then) < 60:
            continue
        moved = np.quantile(now, [0.25, 0.5, 0.75]) - np.quantile(then, [0.25, 0.5, 0.75])
        least = float(np.abs(moved).min())
        if least < np.log(UNIT) or len(set(np.sign(moved))) > 1:
            continue
        chance = float(stats.mannwhitneyu(now, then, method="asymptotic").pvalue)
        if chance < CHANCE and (best is None or least > best[0] + 0.1):
            best = (least, back, float(np.exp(np.median(now))), float(np.exp(np.median(then))))
    if best is not None:
        _, back, now_typical, then_typical = best
        yield Signal(
            f"{'values of events' if column is None else f'column {column}'}: another unit",
            "red",
            f"a typical value is {now_typical:,.6g}, before {then_typical:,.6g}",
            f"within {UNIT:g} times",
            "cause",
            day_of(as_of - 7 * back * DAY),
            "look whether the export changed the unit or the decimal point",
            78.0,
            () if column is None else (column,),
        )
