"""Leads, their ages and what became of them -> whether conversions fell or rose, and since when.

Every lead is watched day by day. How often open leads of each age converted in the past says how
many conversions the last weeks should have brought; what came is compared with that, for all open
leads and for new ones alone, from each of several days on (Lexis 1875; Nelson 1969). So a falling
base rate is seen weeks before the horizon has passed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from data.clock import DAY, NEVER
from data.tables import Outcomes, Tables

Floats = NDArray[np.float64]
Whom = Literal["all", "new"]

WEEKS: Final = (2, 3, 4, 5, 6, 8, 10, 13, 17, 22, 26, 39)
"""How many weeks ago a change may have begun."""
MOST_DAYS: Final = 1_100
LEAST_REFERENCE_WEEKS: Final = 6
LEAST_CONVERSIONS: Final = 20
USUAL_SPREAD: Final = 0.15
"""How much conversion rates vary from week to week where a company's own weeks cannot say."""
WEEKS_OF_PRIOR: Final = 26.0
"""The weight of `USUAL_SPREAD`, in weeks, when it is averaged with the company's own."""


@dataclass(frozen=True, slots=True)
class LevelShift:
    """What came and what the past promised, from `weeks` ago on.

    `p` is the chance of a count at least as far off in the direction in which it is off.
    """

    whom: Whom
    weeks: int
    observed: float
    expected: float
    p: float

    @property
    def ratio(self) -> float:
        """What came as a share of what was promised."""
        return self.observed / max(self.expected, 1e-9)


@dataclass(frozen=True, slots=True)
class AgeByDay:
    """Leads by calendar day and day of age: (n_days, n_ages) each, row 0 the oldest day.

    `at_risk` counts the leads that were open at the start of the day, `converted` those that
    converted on it. The last day ends at the moment of looking.
    """

    at_risk: Floats
    converted: Floats

    @property
    def days(self) -> int:
        """Count the calendar days."""
        return len(self.at_risk)


def age_by_day(
    tables: Tables, outcomes: Outcomes, *, as_of: int, ages: int, since: int | None = None
) -> AgeByDay:
    """Count leads created before `as_of` (and from `since` on); ages of `ages` days or more end."""
    assert tables.created_at is not None
    created = tables.created_at
    known = created < as_of
    if tables.recorded_at is not None:
        known &= tables.recorded_at < as_of
    if since is not None:
        known &= created >= since
    ends = np.minimum(outcomes.converted_at, outcomes.disqualified_at)[known]
    won = outcomes.converted_at[known] <= ends
    born = (as_of - 1 - created[known]) // DAY  # days before the last one
    ended = (ends < as_of) & (ends != NEVER)
    end = np.where(ended, (as_of - 1 - np.where(ended, ends, 0)) // DAY, -1)
    kept = born < MOST_DAYS
    born, end, ended, won = born[kept], end[kept], ended[kept], won[kept]
    n = int(born.max(initial=0)) + 1
    cohort = n - 1 - born
    age = np.clip(born - end, 0, ages)  # a lead still open is at risk to its last day
    counted = ended & (age < ages)
    cells = cohort[counted] * ages + age[counted]
    left = np.bincount(cells, minlength=n * ages).reshape(n, ages).astype(np.float64)
    hits = won[counted]
    hit = np.bincount(cells[hits], minlength=n * ages).reshape(n, ages).astype(np.float64)
    size = np.bincount(cohort, minlength=n).astype(np.float64)
    open_ = size[:, None] - np.concatenate([np.zeros((n, 1)), np.cumsum(left, axis=1)[:, :-1]], 1)
    return AgeByDay(_by_calendar(open_), _by_calendar(hit))


def _by_calendar(by_cohort: Floats) -> Floats:
    """Turn (cohort day, age) into (calendar day, age): days after the last one drop out."""
    n, ages = by_cohort.shape
    out = np.zeros((n, ages))
    for age in range(min(ages, n)):
        out[age:, age] = by_cohort[: n - age, age]
    return out


def scan(table: AgeByDay, *, weeks: tuple[int, ...] = WEEKS) -> Iterator[LevelShift]:
    """Compare what came since each of several days with what the time before promised."""
    risk, hit = np.cumsum(table.at_risk, axis=0), np.cumsum(table.converted, axis=0)
    for back in weeks:
        cut = table.days - 7 * back
        if cut < 7 * LEAST_REFERENCE_WEEKS or hit[cut - 1].sum() < LEAST_CONVERSIONS:
            continue
        hazard = hit[cut - 1] / np.maximum(risk[cut - 1], 1.0)
        yield _shift(table, hazard, cut, back, "all")
        yield _shift(table, hazard, cut, back, "new")


def _shift(table: AgeByDay, hazard: Floats, cut: int, back: int, whom: Whom) -> LevelShift:
    """Compare all leads by calendar week, or those created since `cut` by week of creation."""
    expected, came = table.at_risk * hazard, table.converted
    reference = float(came[:cut].sum())
    if whom == "all":
        e_then, o_then = _weekly(expected[:cut].sum(1)), _weekly(came[:cut].sum(1))
        e_now, o_now = _weekly(expected[cut:].sum(1)), _weekly(came[cut:].sum(1))
    else:
        e_then, o_then = _weekly(_cohorts(expected[:cut])), _weekly(_cohorts(came[:cut]))
        e_now, o_now = _weekly(_cohorts(expected[cut:])), _weekly(_cohorts(came[cut:]))
    spread = spread_squared(o_then, e_then)
    expected_now, observed_now = float(e_now.sum()), float(o_now.sum())
    weeks_then = max(len(e_then), 1)
    variance = (
        expected_now
        + spread * float((e_now**2).sum())
        + expected_now**2 * (1 / reference + spread / weeks_then)
    )
    return LevelShift(
        whom, back, observed_now, expected_now, two_sided(observed_now, expected_now, variance) / 2
    )


def _cohorts(block: Floats) -> Floats:
    """Add up each cohort created within the block along its days: (n_days,)."""
    n, ages = block.shape
    day = np.arange(n)[:, None] - np.arange(ages)[None, :]
    inside = day >= 0
    return np.bincount(day[inside], weights=block[inside], minlength=n).astype(np.float64)


def _weekly(daily: Floats) -> Floats:
    """Add days up to whole weeks, counted back from the last one."""
    whole: Floats = daily[len(daily) % 7 :].reshape(-1, 7).sum(axis=1)
    return whole


def spread_squared(observed: Floats, expected: Floats) -> float:
    """Estimate the squared coefficient of variation of weekly rates beyond chance.

    The moment estimate of the company's own weeks, averaged with what is usual.
    """
    used = expected > 0
    o, e = observed[used], expected[used]
    usual = USUAL_SPREAD**2
    if not len(e):
        return usual
    weight = e / (1 + usual * e)  # how much a week says: inversely to its relative variance
    own = float(np.sum(weight * ((o - e) ** 2 - e) / e**2) / np.sum(weight))
    information = float(np.sum((usual / (usual + 1 / e)) ** 2))  # weeks that were not all chance
    return max(
        (WEEKS_OF_PRIOR * usual + information * max(own, 0.0)) / (WEEKS_OF_PRIOR + information),
        0.25 * usual,
    )


def two_sided(observed: float, expected: float, variance: float) -> float:
    """Give the chance of a count at least so far off: negative binomial with this variance."""
    if expected <= 0:
        return 1.0
    extra = max(variance - expected, 1e-9)
    size = expected**2 / extra
    share = size / (size + expected)
    low = float(stats.nbinom.cdf(observed, size, share))
    high = float(stats.nbinom.sf(observed - 1, size, share))
    return min(1.0, 2 * min(low, high))
