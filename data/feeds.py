"""The rows of one source -> how many happened in each hour, and how many arrived late.

A feed holds counts alone, no row and no lead: what a guard keeps from one night to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import DAY, HOUR, NEVER, Micros

Floats = NDArray[np.float64]

CONVERSIONS: Final = "conversions"
"""The name of the feed of conversions, whatever source tells of them."""
MOST_HOURS: Final = 24 * 1_100
"""Older rows are counted in the first hour that is kept."""


@dataclass(frozen=True, slots=True)
class Feed:
    """Rows of a source by the hour: `counts[i]` happened in the hour `first_hour + i` (UTC).

    `late[i]` of those recorded in that hour had happened more than a day before, and `recorded[i]`
    were recorded in all; both are empty where the source has no second clock. `newest` is the last
    moment, NEVER where there is no row. `types` are the event types of the source.
    """

    name: str
    first_hour: int
    counts: NDArray[np.int64]
    late: NDArray[np.int64]
    recorded: NDArray[np.int64]
    newest: int
    types: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Count all rows."""
        return int(self.counts.sum())

    def between(self, start: int, end: int) -> int:
        """Count the rows of the whole hours from `start` to `end` (microseconds)."""
        low = max(start // HOUR - self.first_hour, 0)
        high = max(end // HOUR - self.first_hour, 0)
        return int(self.counts[low:high].sum())

    def before(self, as_of: int) -> Feed:
        """Keep the hours that ended at `as_of` or before."""
        kept = max(0, min(len(self.counts), as_of // HOUR - self.first_hour))
        counts = self.counts[:kept]
        last = int(counts.nonzero()[0].max(initial=-1))
        newest = self.newest
        if newest == NEVER or newest >= as_of:
            newest = NEVER if last < 0 else (self.first_hour + last + 1) * HOUR - 1
        return replace(
            self, counts=counts, late=self.late[:kept], recorded=self.recorded[:kept], newest=newest
        )

    def by_day(self, as_of: int, column: str = "counts") -> Floats:
        """Add up whole days counted back from `as_of`'s hour: (n_days,), the last ends there."""
        hours = getattr(self, column)
        end = as_of // HOUR - self.first_hour
        padded = np.zeros(max(end, 0))
        padded[: min(len(hours), len(padded))] = hours[: len(padded)]
        whole: Floats = padded[len(padded) % 24 :].reshape(-1, 24).sum(axis=1)
        return whole

    def by_hour_of_day(self, as_of: int, timezone: str, days: int) -> Floats:
        """Count the rows of the `days` before `as_of` by local hour of the day: (24,)."""
        end = max(0, min(len(self.counts), as_of // HOUR - self.first_hour))
        start = max(0, end - 24 * days)
        hours = (np.arange(start, end) + self.first_hour) * HOUR
        local = local_hours(hours, timezone)
        counted = np.bincount(local, weights=self.counts[start:end], minlength=24)
        return counted.astype(np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Write what `from_dict` reads: whole hours as plain numbers."""
        return {
            "name": self.name,
            "first_hour": self.first_hour,
            "counts": self.counts.tolist(),
            "newest": self.newest,
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Feed:
        """Read a feed; what arrived late is not kept."""
        none = np.zeros(0, np.int64)
        counts = np.array(raw["counts"], np.int64)
        return cls(str(raw["name"]), int(raw["first_hour"]), counts, none, none, int(raw["newest"]))


def feed_of(
    name: str, at: Micros, recorded_at: Micros | None = None, types: tuple[str, ...] = ()
) -> Feed:
    """Count the rows of a source by the hour; rows without a time are left out."""
    known = at != NEVER
    if not known.all():
        at, recorded_at = at[known], None if recorded_at is None else recorded_at[known]
    recorded = recorded_at
    none = np.zeros(0, np.int64)
    if not len(at):
        return Feed(name, 0, none, none, none, NEVER, types)
    hours = at // HOUR
    newest_hour = int(hours.max())
    if recorded is not None:
        recorded_hours = np.maximum(recorded, at) // HOUR
        newest_hour = max(newest_hour, int(recorded_hours.max()))
    first = max(int(hours.min()), newest_hour - MOST_HOURS + 1)
    n = newest_hour - first + 1
    hours -= first
    counts = np.bincount(np.maximum(hours, 0, out=hours), minlength=n)
    late = arrived = none
    if recorded is not None:
        place = np.maximum(recorded_hours - first, 0)
        arrived = np.bincount(place, minlength=n)
        late = np.bincount(place[recorded - at > DAY], minlength=n)
    return Feed(name, first, counts, late, arrived, int(at.max()), types)


def add_feeds(feeds: Sequence[Feed]) -> Feed:
    """Add up the feeds of parts of one source, as `feed_of` counts the whole."""
    filled = [feed for feed in feeds if len(feed.counts)]
    types = tuple(sorted({name for feed in feeds for name in feed.types}))
    if not filled:
        return replace(feeds[0], types=types)
    past = max(feed.first_hour + len(feed.counts) for feed in filled)
    first = max(min(feed.first_hour for feed in filled), past - MOST_HOURS)

    def total(column: str) -> NDArray[np.int64]:
        if not any(len(getattr(feed, column)) for feed in filled):
            return np.zeros(0, np.int64)
        hours = np.zeros(past - first, np.int64)
        for feed in filled:
            counted = getattr(feed, column)
            place = np.maximum(np.arange(len(counted)) + feed.first_hour - first, 0)
            np.add.at(hours, place, counted)
        return hours

    newest = max(feed.newest for feed in filled)
    counts, late, recorded = (total(column) for column in ("counts", "late", "recorded"))
    return Feed(feeds[0].name, first, counts, late, recorded, newest, types)


def local_hours(moments: Micros, timezone: str) -> NDArray[np.int64]:
    """Read the hour of the day of each moment in a zone: (n,) 0 to 23."""
    if timezone.upper() in ("UTC", "ETC/UTC", "Z"):
        return moments // HOUR % 24
    local = pd.DatetimeIndex(moments.astype("datetime64[us]")).tz_localize("UTC")
    return local.tz_convert(timezone).hour.to_numpy().astype(np.int64)
