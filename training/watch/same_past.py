"""The past that two nights read of one source, hour by hour -> what became of its rows since.

Counts alone tell rows that were added from rows that are there twice, and both from rows whose
clock moved: each leaves another trace in the hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY, HOUR, NEVER
from data.feeds import Feed

Counts = NDArray[np.int64]

MOST_TIMES: Final = 5
"""Times by which a row may be there again."""
MOST_MOVED: Final = 14
"""Hours: time zones lie no farther from UTC."""
NEARLY_ALL: Final = 0.9
"""Of the rows that came, so many must be due to the repetition."""
MOST: Final = 0.6
"""Of all rows, so many must be found again at another hour where the clock moved."""


@dataclass(frozen=True, slots=True)
class SamePast:
    """Rows of the same hours as two nights read them: `had` at the first, `has` at the second (n,).

    `around` is `has` with `MOST_MOVED` more hours on each side, (n + 2 * MOST_MOVED,). `days` says
    how long the stretch is, None for all that both read.
    """

    had: Counts
    has: Counts
    around: Counts
    days: int | None = None

    @classmethod
    def of(cls, then: Feed, now: Feed, as_of: int) -> SamePast:
        """Take the hours that both read whole, up to the newest row of the first and `as_of`.

        The first hour that a feed keeps counts all that is older, and is left out.
        """
        first = max(then.first_hour, now.first_hour) + 1
        past = 0 if then.newest == NEVER else min(then.newest // HOUR + 1, as_of // HOUR)
        past = max(first, past)
        around = hours_of(now, first - MOST_MOVED, past + MOST_MOVED)
        return cls(
            hours_of(then, first, past), around[MOST_MOVED : len(around) - MOST_MOVED], around
        )

    def last(self, days: int | None) -> SamePast:
        """Keep the last days; None keeps all."""
        kept = len(self.had) if days is None else min(days * DAY // HOUR, len(self.had))
        cut = len(self.had) - kept
        return replace(
            self, had=self.had[cut:], has=self.has[cut:], around=self.around[cut:], days=days
        )

    def stretches(self, days: Sequence[int | None]) -> list[SamePast]:
        """Take stretches of the last so many days; None takes all."""
        return [self.last(each) for each in days]

    @property
    def added(self) -> int:
        """Count the rows that came into hours which had some: history that is new has its own."""
        known = self.had > 0
        return int((self.has - self.had)[known].sum())

    def times(self) -> int:
        """Say how many times each row is there now; 1 where it is no whole number of times.

        Nearly all rows that came must lie in hours that have as many times the rows of before: an
        import of other rows does not hit all hours by the same number.
        """
        return _times(self.had, self.has)

    def times_before(self) -> int:
        """Say how many times each row was there at the first night; 1 as `times` does."""
        return _times(self.has, self.had)

    def moved(self) -> int:
        """Say by how many hours the clock of these rows moved; 0 where it did not, or not clearly.

        Most rows must lie in hours that have as many rows that far away, and fewer than half in
        hours that have as many where they were.
        """
        known, rows = self.had > 0, int(self.had.sum())
        n = len(self.had)
        alike = {
            by: int(self.had[known & (self.around[place : place + n] == self.had)].sum())
            for place, by in enumerate(range(-MOST_MOVED, MOST_MOVED + 1))
        }
        best = max(alike, key=lambda by: (alike[by], -abs(by)))
        clear = alike[best] >= MOST * rows and alike[0] <= 0.5 * rows
        return best if rows and clear and alike[best] - alike[0] >= 0.25 * rows else 0


def hours_of(feed: Feed, first: int, past: int) -> Counts:
    """List the rows of the hours from `first` up to `past`: (past - first,), 0 where none is."""
    hours = np.zeros(max(past - first, 0), np.int64)
    low, high = max(first, feed.first_hour), min(past, feed.first_hour + len(feed.counts))
    if high > low:
        hours[low - first : high - first] = feed.counts[
            low - feed.first_hour : high - feed.first_hour
        ]
    return hours


def _times(fewer: Counts, more: Counts) -> int:
    """Find the whole number of times by which rows repeat that nearly all others are due to."""
    known, gained = fewer > 0, int(np.maximum(more - fewer, 0).sum())
    repeats = {
        times: (times - 1) * int(fewer[known & (more == times * fewer)].sum())
        for times in range(2, MOST_TIMES + 1)
    }
    best = max(repeats, key=lambda times: repeats[times])
    return best if gained and repeats[best] >= NEARLY_ALL * gained else 1
