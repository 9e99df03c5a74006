"""The feeds of a company -> which source is silent, thinner, fuller, late, or in another time zone.

What is usual is what came before: a source is compared with its own weeks before each day on which
a change may have begun, so that an empty week is never part of its own baseline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from data.clock import DAY, HOUR, NEVER
from data.feeds import CONVERSIONS, Feed
from training.watch.conversion_level import spread_squared, two_sided
from training.watch.signal import Signal, State, day_of
from training.watch.source_checks import gap_chance

Floats = NDArray[np.float64]

RED: Final = 1e-6
YELLOW: Final = 1e-5
BACK: Final = (1, 2, 3, 4, 6, 8, 13)
"""Weeks ago at which a change may have begun."""
BASELINE_WEEKS: Final = 26
LEAST_WEEKS: Final = 6
FELL: Final = (0.4, 0.6)
ROSE: Final = (2.5, 1.7)
LATE: Final = 0.2
MOVED: Final = 0.01
"""Squared Hellinger distance between hours of the day from which on they count as moved."""
BURSTS: Final = 6.0
"""Rows of one visit share their hour: so many count as one."""


def watch_sources(feeds: Sequence[Feed], *, as_of: int, timezone: str) -> list[Signal]:
    """Look at every source; one that is silent says nothing else."""
    known = [feed.before(as_of) for feed in feeds if feed.name != CONVERSIONS]
    known = [feed for feed in known if feed.newest != NEVER]
    found: list[Signal] = []
    silent = {feed.name: gap_chance(feed, as_of) for feed in known}
    quiet = [feed for feed in known if silent[feed.name] < YELLOW]
    if quiet and len(quiet) == len(known) > 1:
        return [_stuck(known, min(silent.values()))]
    for feed in known:
        if feed in quiet:
            found.append(_silence(feed, silent[feed.name]))
            continue
        found += [*_volume(feed, as_of), *_lateness(feed, as_of), *_hours(feed, as_of, timezone)]
    return found


def _colour(p: float) -> State:
    return "red" if p < RED else "yellow"


def _stuck(feeds: Sequence[Feed], p: float) -> Signal:
    newest = max(feed.newest for feed in feeds)
    return Signal(
        "no source brings anything new",
        _colour(p),
        f"the newest of {len(feeds)} sources ({', '.join(f.name for f in feeds)}) is of "
        f"{day_of(newest)}: the pipeline is stuck",
        "rows every usual day",
        "cause",
        day_of(newest),
        "run the export again and look at its log",
        100.0,
    )


def _silence(feed: Feed, p: float) -> Signal:
    days = feed.by_day((feed.newest // HOUR + 1) * HOUR)[-56:]
    return Signal(
        f"{feed.name} is silent",
        _colour(p),
        f"no row since {day_of(feed.newest)}, usually {days.mean():,.0f} a day",
        "rows every usual day",
        "cause",
        day_of(feed.newest),
        "look at the export, or at the tracking that fills it",
        90.0,
        (feed.name,),
    )


def weekly(days: Floats) -> Floats:
    """Add days up to whole weeks counted back from the last, the last week first."""
    whole: Floats = days[len(days) % 7 :].reshape(-1, 7).sum(axis=1)
    return whole[::-1]


def _volume(feed: Feed, as_of: int) -> Iterator[Signal]:
    """Compare the rows of the last weeks with the weeks before them."""
    weeks = weekly(feed.by_day(as_of))
    if len(weeks) > 1 and weeks[-1] < 0.5 * np.median(weeks):
        weeks = weeks[:-1]  # the source began within its first week
    best: tuple[float, int, float, float] | None = None
    for back in BACK:
        before = weeks[back : back + BASELINE_WEEKS]
        if len(before) < LEAST_WEEKS or before.sum() < 30:
            continue
        usual = float(np.median(before)) if len(before) > 2 else float(before.mean())
        expected, came = usual * back, float(weeks[:back].sum())
        spread = spread_squared(before, np.full(len(before), before.mean()))
        variance = (
            expected
            + spread * usual**2 * back
            + expected**2 * 1.6 * (1 / before.sum() + spread / len(before))
        )
        p = two_sided(came, expected, variance)
        ratio = came / max(expected, 1e-9)
        if (ratio < FELL[1] or ratio > ROSE[1]) and p < YELLOW and (best is None or p < best[0]):
            best = (p, back, came, expected)
    if best is None:
        return
    p, back, came, expected = best
    ratio = came / expected
    red = p < RED and (ratio < FELL[0] or ratio > ROSE[0])
    more = ratio > 1
    yield Signal(
        f"{feed.name} brings {'more' if more else 'fewer'} rows",
        "red" if red else "yellow",
        f"{came / back:,.0f} a week, before {expected / back:,.0f}",
        f"{FELL[1]:.0%} to {ROSE[1]:.0%} of the usual",
        "cause",
        day_of(as_of - 7 * back * DAY),
        "look for rows that are there twice"
        if more
        else "look for a part of the export that is missing",
        40.0,
    )


def _lateness(feed: Feed, as_of: int) -> Iterator[Signal]:
    """Compare the share of rows that arrive more than a day late with the weeks before."""
    if not len(feed.recorded):
        return
    late, came = feed.by_day(as_of, "late"), feed.by_day(as_of, "recorded")
    best: tuple[float, int, float, float] | None = None
    for back in (1, 2, 3, 4, 6, 8):
        cut = len(came) - 7 * back
        before, now = came[max(0, cut - 182) : cut].sum(), came[cut:].sum() if cut > 0 else 0.0
        if cut < 42 or now < 30 or before < 100:
            continue
        was = late[max(0, cut - 182) : cut].sum() / before
        share = late[cut:].sum() / now
        base = min(was + 0.05, 1.0)
        p = float(stats.binom.sf(late[cut:].sum() // BURSTS - 1, now // BURSTS, base))
        if share - was > LATE and p < RED and (best is None or share - was > best[2] - best[3]):
            best = (p, back, float(share), float(was))
    if best is not None:
        _, back, share, was = best
        yield Signal(
            f"{feed.name} arrives late",
            "red",
            f"{share:.0%} of its rows arrive more than a day after they happened, before {was:.0%}",
            f"at most {LATE:.0%} more",
            "cause",
            day_of(as_of - 7 * back * DAY),
            "look at the job that loads it; scores wait for these rows",
            70.0,
        )


def _hours(feed: Feed, as_of: int, timezone: str) -> Iterator[Signal]:
    """Find the hours of the day moved as a whole: another time zone."""
    best: tuple[float, int, int, float] | None = None
    for back in (1, 2, 4, 8):
        now = feed.by_hour_of_day(as_of, timezone, 7 * back)
        then = feed.by_hour_of_day(as_of - 7 * back * DAY, timezone, 84)
        if now.sum() < 60 or then.sum() < 200:
            continue
        p, q = np.sqrt(now / now.sum()), np.sqrt(then / then.sum())
        distance = np.array([np.sum((p - np.roll(q, s)) ** 2) for s in range(24)])
        s = int(distance.argmin())
        scale = BURSTS / now.sum() + BURSTS / then.sum()
        chance = float(stats.chi2.sf(4 * distance[0] / scale, 23))
        if s and distance[0] > MOVED and distance[s] < 0.5 * distance[0] and chance < RED:
            gain = float(distance[0] - distance[s])
            if best is None or gain > best[3]:
                best = (chance, back, s, gain)
    if best is not None:
        _, back, s, _ = best
        hours = s if s <= 12 else s - 24
        yield Signal(
            f"{feed.name}: its clock moved by {hours:+d} hours",
            "red" if abs(hours) > 1 else "yellow",
            f"the hours of the day are those of before, {hours:+d}",
            "the same hours as before",
            "cause",
            day_of(as_of - 7 * back * DAY),
            "look at the time zone of the export (project.timezone)",
            60.0,
        )
