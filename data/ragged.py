"""Dated rows of many leads as flat columns, and the rule of time: known is what came before as_of.

The rule is written here, once for a mask over rows (`is_known`) and once for a search in sorted
rows (`Ragged.count_before`). The event kernel alone repeats the comparison, inside its loop over
events: `_run` in features/kernel.py, and for records that arrive late `_copy_visible` in
features/walk.py.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from data.clock import Micros

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def is_known(at: Micros, recorded_at: Micros | None, as_of: int | Micros) -> Mask:
    """Mark the rows known strictly before `as_of`, by both clocks where there are two.

    `as_of` is one moment, or (n_rows,) one for each row.
    """
    known: Mask = at < as_of
    if recorded_at is not None:
        known &= recorded_at < as_of
    return known


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of many leads, sorted by (lead, at): lead i owns rows offsets[i]:offsets[i + 1].

    `offsets` is (n_leads + 1,). Every other array is a column with one entry per row.
    """

    offsets: Ints
    at: Micros

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.at)

    @property
    def second_clock(self) -> Micros | None:
        """When each row was recorded, where that is known: (n_rows,)."""
        return None

    @property
    def lead(self) -> Ints:
        """The lead of each row: (n_rows,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def known_before(self, as_of: int | Micros) -> Mask:
        """Mark the rows known strictly before `as_of`, or before each lead's own, (n_leads,)."""
        each = as_of[self.lead] if isinstance(as_of, np.ndarray) else as_of
        return is_known(self.at, self.second_clock, each)

    def as_of(self, as_of: int | Micros) -> Self:
        """Keep what was known strictly before `as_of`, as `known_before` marks it."""
        return self.keep(self.known_before(as_of))

    def keep(self, rows: Mask) -> Self:
        """Keep the marked rows; a lead may be left without rows."""
        if rows.all():
            return self
        before = np.concatenate([[0], np.cumsum(rows)])
        return self._pick(before[self.offsets], rows)

    def take(self, leads: Ints) -> Self:
        """Take leads in this order, each as often as it is named."""
        return self._pick(*self.rows_of(leads))

    def rows_of(self, leads: Ints) -> tuple[Ints, Ints]:
        """List the rows of these leads, one lead after the other: (new offsets, rows)."""
        start = self.offsets[leads]
        count = self.offsets[leads + 1] - start
        offsets = np.concatenate([[0], np.cumsum(count)])
        return offsets, np.repeat(start - offsets[:-1], count) + np.arange(offsets[-1])

    def count_before(self, lead: Ints, as_of: Micros) -> Ints:
        """Count for each pair the lead's rows with `at` strictly before `as_of`: (n,).

        One binary search runs over all leads at once or, where the pairs are few, one after the
        other; `recorded_at` is not considered.
        """
        start, end = self.offsets[lead], self.offsets[lead + 1]
        if len(lead) < 8:
            pairs = zip(start.tolist(), end.tolist(), as_of.tolist(), strict=True)
            return np.array([self.at[lo:hi].searchsorted(t) for lo, hi, t in pairs], np.int64)
        low, high = start.copy(), end
        while (open_ := low < high).any():
            middle = (low + high) // 2
            earlier = open_ & (self.at[np.minimum(middle, max(len(self.at) - 1, 0))] < as_of)
            low = np.where(earlier, middle + 1, low)
            high = np.where(open_ & ~earlier, middle, high)
        return low - start

    def _pick(self, offsets: Ints, rows: NDArray[Any]) -> Self:
        """Pick rows of every column, by mask or position."""
        columns: dict[str, Any] = {
            field.name: getattr(self, field.name)[rows]
            for field in fields(self)
            if field.name != "offsets" and isinstance(getattr(self, field.name), np.ndarray)
        }
        return replace(self, offsets=offsets, **columns)
