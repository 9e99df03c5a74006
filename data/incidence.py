"""How long it takes leads to convert -> the share converted by each age, others competing.

Aalen-Johansen cumulative incidence: a disqualified lead can no longer convert, an open one is
censored (Aalen and Johansen 1978; without competing events it is 1 - Kaplan and Meier 1958).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY, NEVER
from data.tables import Outcomes, Tables

CENSORED: Final = 0
CONVERTED: Final = 1
DISQUALIFIED: Final = 2

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Incidence:
    """Share converted and share still open by age: (k,) steps at `days`, ascending.

    Before the first step nothing has happened. `converted` are the leads that converted at each
    step, `lead_days` the time for which leads were watched altogether.
    """

    days: Floats
    incidence: Floats
    still_open: Floats
    last_day: float
    converted: NDArray[np.int64]
    lead_days: float

    def share_by(self, days: Floats | float) -> Floats:
        """Read the share converted by these ages (days); flat after the last step."""
        return _step(self.days, self.incidence, 0.0, days)

    def open_at(self, days: Floats | float) -> Floats:
        """Read the share neither converted nor disqualified by these ages (days)."""
        return _step(self.days, self.still_open, 1.0, days)

    @property
    def plateau(self) -> float:
        """The share converted by the last age seen."""
        return float(self.incidence[-1]) if len(self.incidence) else 0.0

    def quantile(self, share: float) -> float | None:
        """Find the age by which this share of the *eventual* conversions happened; None if none."""
        if self.plateau <= 0:
            return None
        reached = np.flatnonzero(self.incidence >= share * self.plateau - 1e-12)
        return float(self.days[reached[0]])


def _step(at: Floats, values: Floats, start: float, ask: Floats | float) -> Floats:
    """Read a right-continuous step function."""
    position = np.searchsorted(at, ask, side="right")
    return np.asarray(np.concatenate(([start], values))[position])


def estimate_incidence(
    days: Floats, cause: NDArray[np.integer], entered: Floats | None = None
) -> Incidence:
    """Estimate from one row per lead: its age when watching ended and why (0, 1 or 2).

    `entered` is the age from which a lead is watched, default 0: it is at risk only after that.
    """
    steps, row = np.unique(days, return_inverse=True)
    happened = [np.bincount(row[cause == c], minlength=len(steps)) for c in (1, 2)]
    ended = np.bincount(row, minlength=len(steps))
    begun = np.zeros_like(days) if entered is None else np.minimum(entered, days)
    # who is at risk at a step: watched before it (or from 0 on), and not ended before it
    since = np.searchsorted(np.sort(begun[begun > 0]), steps) + int((begun <= 0).sum())
    at_risk = since - np.concatenate(([0], np.cumsum(ended)[:-1]))
    d1, d2 = happened
    still_open = np.cumprod(1 - (d1 + d2) / np.maximum(at_risk, 1), dtype=np.float64)
    before = np.concatenate(([1.0], still_open[:-1]))
    incidence = np.cumsum(before * d1 / np.maximum(at_risk, 1))
    kept = (d1 + d2) > 0
    last, lead_days = float(steps[-1]) if len(steps) else 0.0, float((days - begun).sum())
    return Incidence(steps[kept], incidence[kept], still_open[kept], last, d1[kept], lead_days)


def observe(
    tables: Tables, outcomes: Outcomes
) -> tuple[Floats, NDArray[np.int8], NDArray[np.bool_]]:
    """Measure for how many days each lead was observed, and why that ended.

    Returns (days, cause, included), all (n_leads,): leads created at or after the end of
    observation, or before conversions were recorded, are not included.
    """
    if tables.created_at is None:
        raise ValueError("time to convert needs leads.created_at")
    until, created = outcomes.observed_until, tables.created_at
    ends = np.minimum(outcomes.converted_at, outcomes.disqualified_at)
    seen = ends < until
    first_converted = outcomes.converted_at <= outcomes.disqualified_at
    cause = np.where(seen, np.where(first_converted, CONVERTED, DISQUALIFIED), CENSORED)
    days = (np.where(seen, np.minimum(ends, NEVER - 1), until) - created) / DAY
    included = created < until
    if outcomes.recorded_from is not None:
        included &= created >= outcomes.recorded_from
    return np.maximum(days, 0.0), cause.astype(np.int8), included
