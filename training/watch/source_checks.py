"""The rows of each source tonight and on the last good night -> what is wrong with the files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from data.clock import DAY, HOUR, NEVER, show
from data.feeds import CONVERSIONS, Feed
from training.watch.breach import CHANCE, LEAST, Breach
from training.watch.night_profile import NightProfile
from training.watch.same_past import SamePast

CUTS: Final = ((None, 0.01), (28, 0.10), (7, 0.20), (2, 0.50))
"""Days of the past, and the share of their rows that may be gone since the last night."""
STATIC: Final = 0.5
"""The share that may be gone where rows have no dates, and each file may hold other leads."""
GROWN: Final = 0.25
GROWTHS: Final = (None, 28)
"""Days of the past of which a quarter more rows is too much."""
CLOCKED: Final = (28, 91, None)
"""Days of the past in which a clock is looked for: the first stretch that has rows enough."""
WEEKS: Final = 12


def check_sources(now: NightProfile, then: NightProfile, *, declared_end: bool) -> list[Breach]:
    """Compare what both nights read of each source, gravest first; see `check_night`."""
    breaches: list[Breach] = []
    shared = [(feed, old) for feed in now.feeds if (old := then.feed(feed.name)) is not None]
    breaches += _left_out(now, then)
    leads_gone = leads_grown = False
    for feed, old in shared:
        leads = feed.name == now.feeds[0].name
        found = [*_moved(feed, old, now, then)]
        if leads:
            found = found or [*_grown(feed, old, now, then)]
            leads_grown = bool(found)
        elif not leads_grown and feed.name != CONVERSIONS:  # leads that came brought theirs
            found = found or [*_repeated(feed, old, now, then)]
        cut = [] if found else [*_cut(feed, old, now, then, leads_gone=leads_gone)]
        breaches += found + cut
        leads_gone |= leads and bool(cut)
    if not breaches and then.model_version:  # the data of training are scored first of all
        breaches += _yesterdays(now, then, declared_end=declared_end)
    if now.as_of > then.as_of and not breaches:
        breaches += [b for feed, old in shared for b in _silent(feed, old, now, then)]
        silent = {b.subject for b in breaches}
        breaches += [
            b
            for feed, _ in shared
            if feed.name not in silent and feed.name != CONVERSIONS
            for b in _volume(feed, now.as_of)
        ]
    return breaches


def _left_out(now: NightProfile, then: NightProfile) -> Iterator[Breach]:
    """Find a source that the project file does not name any more; one that is renamed is there."""
    gone = [old for old in then.feeds if now.feed(old.name) is None and old.total]
    if gone and len(now.feeds) < len(then.feeds):
        yield Breach(
            "sources",
            f"{gone[0].name} ({gone[0].total:,} rows in the last run) is not read any more: its "
            "features count as if nothing had happened",
            "bring the source back into the project file, or train again without it",
        )


def _past(feed: Feed, old: Feed, now: NightProfile, then: NightProfile) -> tuple[int, int]:
    """Bound the past that both nights read: from and until, microseconds; not where none did."""
    until = min(old.newest // HOUR + 1, then.as_of // HOUR) * HOUR if old.newest else HOUR
    # an export of the last N months starts later each night, by as much as time went on
    moved = feed.first_hour - old.first_hour
    rolled = 0 < moved * HOUR <= max(now.as_of - then.as_of, 0) + DAY
    return feed.first_hour * HOUR if rolled else 0, until


def _cut(
    feed: Feed, old: Feed, now: NightProfile, then: NightProfile, *, leads_gone: bool
) -> Iterator[Breach]:
    """Find fewer rows than last time for the same past.

    With `leads_gone` the rows that they had in other sources count no more.
    """
    if old.newest == NEVER:
        return
    start, until = _past(feed, old, now, then)
    why, cure = "the extract is cut", "export it again"
    times = SamePast.of(old, feed, then.as_of).times_before()
    if times > 1:
        why = f"in nearly every hour the last run had {times} times as many"
        cure = f"where the last run had each row {times} times, accept tonight's; else export again"
    elif leads_gone:
        why, cure = "leads that are gone take theirs along", "export the leads again"
    for days, allowed in CUTS:
        low = start if days is None else max(start, until - days * DAY)
        had, has = old.between(low, until), feed.between(low, until)
        lost = had - has
        if lost >= 10 and lost > (allowed if old.newest else STATIC) * had:
            span = "" if days is None else f" of the {days} days"
            yield Breach(
                "extract",
                f"{feed.name}: {has:,} rows{span} up to {show(until)[:10]}, where the last run "
                f"had {had:,}: {why}",
                cure,
            )
            return


def _grown(feed: Feed, old: Feed, now: NightProfile, then: NightProfile) -> Iterator[Breach]:
    """Find many more leads than last time for the same past."""
    if old.newest in (NEVER, 0) or now.as_of < then.as_of:
        return
    start, until = _past(feed, old, now, then)
    had, has = old.between(start, until), feed.between(start, until)
    if has - had >= max(LEAST, GROWN * had):
        yield Breach(
            "extract",
            f"{feed.name}: {has:,} rows up to {show(until)[:10]}, where the last run had "
            f"{had:,}: older leads were added, or are there twice",
            "look for leads with two ids",
        )


def _repeated(feed: Feed, old: Feed, now: NightProfile, then: NightProfile) -> Iterator[Breach]:
    """Find many more rows of a source than last time in the hours that had rows then.

    History that is read for the first time lies in hours that had none. A source younger than four
    weeks still grows backwards, so that only rows which are there twice are found in it.
    """
    if old.newest in (NEVER, 0) or now.as_of < then.as_of:
        return
    past = SamePast.of(old, feed, then.as_of)
    for stretch in past.stretches(GROWTHS):
        had, has = int(stretch.had.sum()), int(stretch.has.sum())
        if stretch.added < max(LEAST, GROWN * had):
            continue
        times = stretch.times()
        if times == 1 and (stretch.days or len(past.had) < 28 * 24):
            continue  # a mailbox that was read late adds much to one month
        span = f" of the {stretch.days} days" if stretch.days else ""
        why = f"in nearly every hour {times} times as many: each row is there {times} times"
        yield Breach(
            "extract",
            f"{feed.name}: {has:,} rows{span} up to {show(_past(feed, old, now, then)[1])[:10]}, "
            f"where the last run had {had:,}: "
            f"{why if times > 1 else 'older rows were added, or are there twice'}",
            "look for an import that ran twice, or a join that repeats rows",
        )
        return


def _moved(feed: Feed, old: Feed, now: NightProfile, then: NightProfile) -> Iterator[Breach]:
    """Find the rows of the last run at another hour of the clock."""
    if old.newest in (NEVER, 0) or now.as_of < then.as_of:
        return
    past = SamePast.of(old, feed, then.as_of)
    stretch = next((s for s in past.stretches(CLOCKED) if s.had.sum() >= LEAST), None)
    hours = 0 if stretch is None else stretch.moved()
    if stretch is not None and hours:
        yield Breach(
            "clock",
            f"{feed.name}: its clock moved by {hours:+d} hours: most of the {stretch.had.sum():,} "
            f"rows{f' of the {stretch.days} days' if stretch.days else ''} before the last run lie "
            "that much elsewhere now",
            "look at the time zone of the export (project.timezone)",
        )


def _yesterdays(now: NightProfile, then: NightProfile, *, declared_end: bool) -> Iterator[Breach]:
    """Find the files of the last run where time has gone on and rows should have come."""
    since = then.as_of
    gone = now.as_of - since
    if not declared_end and then.scored_at - then.as_of < 3 * DAY:  # live data, end = last row
        gone = max(gone, now.scored_at - then.scored_at)
    if gone < 20 * HOUR:
        return
    same = [feed for feed in now.feeds if _same(feed, then.feed(feed.name))]
    usual = sum(_per_day(feed, since) for feed in now.feeds if feed.name != CONVERSIONS)
    if len(same) == len(now.feeds) and stats.poisson.pmf(0, 0.5 * usual * gone / DAY) < CHANCE:
        newest = max((f.newest for f in now.feeds if f.newest != NEVER), default=since)
        yield Breach(
            "yesterday's file",
            f"{now.feeds[0].name}: not one new row since the last run in any source (newest "
            f"{show(newest)[:16]}, usually {usual:,.0f} rows a day): yesterday's file",
            "export again",
        )


def _same(feed: Feed, old: Feed | None) -> bool:
    return old is not None and (feed.total, feed.newest) == (old.total, old.newest)


def _per_day(feed: Feed, as_of: int) -> float:
    days = feed.by_day(as_of)[-28:]
    return float(days.mean()) if len(days) else 0.0


def _silent(feed: Feed, old: Feed, now: NightProfile, then: NightProfile) -> Iterator[Breach]:
    """Find a source from which nothing came for longer than ever before."""
    known = feed.before(now.as_of)
    if known.newest == NEVER or known.total < LEAST:
        return
    if old.newest == known.newest and gap_chance(old.before(then.as_of), then.as_of) < CHANCE:
        return  # it was silent on the last good night, too
    if gap_chance(known, now.as_of) < CHANCE:
        yield Breach(
            "freshness",
            f"{feed.name} is silent since {show(known.newest)[:16]}, usually "
            f"{_per_day(feed, known.newest):,.0f} rows a day",
            "look at the export or the tracking behind it",
            feed.name,
        )


def gap_chance(feed: Feed, as_of: int) -> float:
    """Give the chance that nothing came since the newest row, by the weeks before it.

    1 where as long a silence happened before in the last half year.
    """
    hours = int((as_of - feed.newest) // HOUR)
    end = feed.newest // HOUR + 1 - feed.first_hour
    past = feed.counts[max(0, end - 24 * 182) : end]
    if hours < 12 or len(past) < 24 * 14:
        return 1.0
    busy = np.flatnonzero(past)
    longest = int(np.diff(busy).max(initial=1)) if len(busy) > 1 else len(past)
    if hours < 1.25 * longest:
        return 1.0
    missed, spread = _expected(past, hours), _daily_spread(past)
    return float((1 + spread * missed) ** (-1 / spread))  # no row of a negative binomial count


def _daily_spread(past: NDArray[np.int64]) -> float:
    """Estimate the squared variation of days beyond chance, each against its weekday."""
    weeks = past[len(past) % 168 :].reshape(-1, 7, 24).sum(axis=2)[-WEEKS:]
    usual = weeks.mean(axis=0)
    used = usual > 1
    if not used.any() or len(weeks) < 3:
        return 0.25
    ratio = weeks[:, used] / usual[used]
    own = float(np.mean((ratio - 1) ** 2) - np.mean(1 / usual[used]))
    return min(max(own, 0.1), 2.0)


def _expected(past: NDArray[np.int64], hours: int) -> float:
    """Say how many rows the coming hours should bring, by the same hours of the last 12 weeks."""
    week = 24 * 7
    used = past[-week * min(WEEKS, len(past) // week) :]
    of_week = used.reshape(-1, week).mean(axis=0)
    return float(hours // week * of_week.sum() + of_week[: hours % week].sum())


def _volume(feed: Feed, as_of: int) -> Iterator[Breach]:
    """Compare the last whole day with the same weekday of the twelve weeks before."""
    known = feed.before(as_of)
    if known.newest == NEVER:
        return
    days = known.by_day(as_of)
    if len(days) < 7 * 6 + 1:
        return
    last, same = days[-1], days[-8::-7][:WEEKS]
    middle = float(np.median(same))
    if middle < 15:
        return
    spread = max(0.15, float(np.std(same, ddof=1)) / max(float(same.mean()), 1.0)) ** 2
    size = 1 / spread
    low = float(stats.nbinom.cdf(last, size, size / (size + middle)))
    high = float(stats.nbinom.sf(last - 1, size, size / (size + middle)))
    day = f"{feed.name}: {last:,.0f} rows in the last 24 hours, the same weekday usually has "
    usual = f"{same.min():,.0f} to {same.max():,.0f}"
    if last < 0.35 * same.min() and low < CHANCE:
        yield Breach("volume", f"{day}{usual}", "look for a part of the export that is missing")
    elif last > 3 * same.max() and high < CHANCE:
        yield Breach("volume", f"{day}{usual}", "look for rows that are there twice")
