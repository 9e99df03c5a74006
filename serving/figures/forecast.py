"""Open leads and the pace of new ones -> opportunities in 30, 60, 90 days, with ranges.

Every open lead counts with what leads of its age did in the last year: of those still open at that
age, the share that converted within h days. Scores say whose the opportunities are, not how many:
a model knows the ages that it learned from and says too much of older leads. Leads yet to come
arrive at the pace of the last weeks. Forecasts are remade in the same way as of past dates, with
what was known then; the range adds the shock that whole months share, learned from them
(serving.figures.counts).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY, NEVER, Micros
from data.incidence import CENSORED, CONVERTED, DISQUALIFIED, Incidence, estimate_incidence
from data.tables import Outcomes, Snapshots, Tables
from serving.figures.counts import PRIOR_SCALE, CountRange, Shock, cover_count, learn_shock
from serving.figures.funnel import Rate, rate_of

Floats = NDArray[np.float64]
PACE_DAYS: Final = 56.0
CURVE_DAYS: Final = 365.0
MIN_CONVERSIONS: Final = 20
MIN_HISTORY_DAYS: Final = 28.0
UNSEEN: Final = 0.5
"""Conversions that might as well have been seen, at any age (Jeffreys' prior of a Poisson rate)."""


@dataclass(frozen=True, slots=True)
class LeadTimes:
    """When each lead was created, converted, disqualified: (n,) microseconds, else NEVER."""

    created_at: Micros
    converted_at: Micros
    disqualified_at: Micros

    def known(self, t: int) -> LeadTimes:
        """Keep only what had happened before `t`."""
        rows = self.created_at < t
        converted, lost = self.converted_at[rows], self.disqualified_at[rows]
        return LeadTimes(
            self.created_at[rows],
            np.where(converted < t, converted, NEVER),
            np.where(lost < t, lost, NEVER),
        )

    @property
    def open(self) -> NDArray[np.bool_]:
        """Mask the leads that neither converted nor were disqualified: (n,)."""
        return np.asarray(np.minimum(self.converted_at, self.disqualified_at) == NEVER)


@dataclass(frozen=True, slots=True)
class ExpectedConversions:
    """Expected conversions within a number of days, and their variances.

    Chance (Bernoulli for open leads, Poisson for new ones), and that the rates were learned from
    few conversions; the latter is common to open and new leads.
    """

    open: float
    open_variance: float
    new: float
    new_variance: float
    total_variance: float

    @property
    def total(self) -> float:
        """Expected conversions of open leads and of leads yet to come."""
        return self.open + self.new


@dataclass(frozen=True, slots=True)
class ForecastFigures:
    """The forecast for one number of days; `shock` is the usual common deviation (0.2: 20 %)."""

    days: int
    total: CountRange
    from_open: CountRange
    from_new: CountRange
    shock: float


@dataclass(frozen=True, slots=True)
class RemadeForecast:
    """A forecast remade as of `made_at` from what was known then, and what happened."""

    made_at: int
    days: int
    forecast: CountRange
    observed: int

    @property
    def held(self) -> bool:
        """Whether the range held the observed count."""
        return self.forecast.low <= self.observed <= self.forecast.high


@dataclass(frozen=True, slots=True)
class Forecast:
    """Rows by number of days, past forecasts of all of them, and how often their ranges held."""

    as_of: int
    rows: tuple[ForecastFigures, ...]
    past: tuple[RemadeForecast, ...]

    def coverage(self, days: int) -> Rate:
        """Count the past forecasts for `days` whose range held, with a Wilson interval."""
        held = [past.held for past in self.past if past.days == days]
        return rate_of(sum(held), len(held))


def forecast_project(
    tables: Tables,
    outcomes: Outcomes,
    open_leads: Snapshots,
) -> Forecast:
    """Forecast from these open leads, of whom each counts by its age alone."""
    as_of = int(open_leads.as_of.max()) if len(open_leads) else outcomes.observed_until
    times, ages = read_lead_times(tables, outcomes), ages_of(tables, open_leads)
    return forecast(times, as_of, ages=ages)


def ages_of(tables: Tables, snapshots: Snapshots) -> Floats:
    """Give the ages of the leads at their snapshots: (n,) days."""
    if tables.created_at is None:
        raise ValueError("a forecast needs leads.created_at")
    return np.asarray((snapshots.as_of - tables.created_at[snapshots.lead]) / DAY, np.float64)


def read_lead_times(tables: Tables, outcomes: Outcomes) -> LeadTimes:
    """Take leads created since conversions are recorded; ValueError in static mode."""
    if tables.created_at is None:
        raise ValueError("a forecast needs leads.created_at")
    kept = np.ones(len(tables), dtype=bool)
    if outcomes.recorded_from is not None:
        kept = tables.created_at >= outcomes.recorded_from
    return LeadTimes(
        tables.created_at[kept], outcomes.converted_at[kept], outcomes.disqualified_at[kept]
    )


def learn_open_shock(times: LeadTimes, as_of: int, days: int) -> Shock:
    """Learn the shock that open leads share over `days`; it widens the range of a call list."""
    known = times.known(as_of)
    step = _choose_step(known, as_of)
    origins = [t for t in _origins(known, as_of, step) if t + days * DAY <= as_of]
    remade = {t: expect(known.known(t), t, (days,)) for t in origins}
    observed = {t: {days: _count_conversions(known, t, days)} for t in origins}
    return _shock(origins, remade, observed, days, step, "open")


def forecast(
    times: LeadTimes,
    as_of: int,
    *,
    ages: Floats | None = None,
    days: tuple[int, ...] = (30, 60, 90),
    step_days: float | None = None,
) -> Forecast:
    """Forecast as of a moment, from open leads of these `ages`: default all of them.

    `step_days` is the distance between past forecasts: default 30, or 7 on short histories.
    """
    known = times.known(as_of)
    step = step_days if step_days is not None else _choose_step(known, as_of)
    origins = _origins(known, as_of, step)
    remade = {t: expect(known.known(t), t, days) for t in origins}
    observed = {t: {d: _count_conversions(known, t, d) for d in days} for t in origins}
    now = expect(known, as_of, days, ages)
    rows, past = [], []
    for d in days:
        matured = [t for t in origins if t + d * DAY <= as_of]
        for position, t in enumerate(matured):
            before = [u for u in matured[:position] if u + d * DAY <= t]
            shock = _shock(before, remade, observed, d, step, "total")
            count_range = cover_count(remade[t][d].total, remade[t][d].total_variance, shock)
            past.append(RemadeForecast(t, d, count_range, sum(observed[t][d])))
        rows.append(_figures_of(d, now[d], matured, remade, observed, step))
    return Forecast(as_of, tuple(rows), tuple(past))


def expect(
    known: LeadTimes, t: int, days: tuple[int, ...], ages: Floats | None = None
) -> dict[int, ExpectedConversions]:
    """Compute expected conversions in each number of days from `t`, from what is known before.

    `ages` are those of the open leads to count, in days: default all that are open.
    """
    curve = estimate_curve(known, t)
    pace = _arrivals_per_day(known, t)
    ages = np.sort((t - known.created_at[known.open]) / DAY if ages is None else ages)
    return {d: _expect_days(curve, ages, pace, float(d)) for d in days}


def _expect_days(curve: Incidence, ages: Floats, pace: float, days: float) -> ExpectedConversions:
    """Add up the chances of open leads, ages ascending, and of those that come in these days.

    A conversion seen at some age stands for as many to come as leads will pass that age: it counts
    once for each, so that few conversions make an uncertain sum (a Poisson count each).
    """
    seen = curve.converted > 0
    at, gained = curve.days[seen], np.diff(curve.incidence, prepend=0.0)[seen]
    weighed = np.concatenate(([0.0], np.cumsum(1 / np.maximum(curve.open_at(ages), 1e-9))))
    passing = weighed[np.searchsorted(ages, at)] - weighed[np.searchsorted(ages, at - days)]
    of_open, of_new = gained * passing, gained * pace * np.maximum(days - at, 0.0)
    unseen_open, unseen_new = (
        UNSEEN * lead_days / max(curve.lead_days, 1.0)
        for lead_days in (len(ages) * days, pace * days**2 / 2)
    )

    def learned(parts: Floats, unseen: float) -> float:
        return float((parts**2 / curve.converted[seen]).sum()) + unseen**2 / UNSEEN

    chance = chance_by_age(curve, ages, days)
    by_chance, new = float((chance * (1 - chance)).sum()), float(of_new.sum()) + unseen_new
    return ExpectedConversions(
        float(chance.sum()),
        by_chance + learned(of_open, unseen_open),
        new,
        new + learned(of_new, unseen_new),
        by_chance + new + learned(of_open + of_new, unseen_open + unseen_new),
    )


def chance_by_age(curve: Incidence, ages: Floats, days: Floats | float) -> Floats:
    """Compute the chance that leads still open at these ages convert in the next `days`: (n,)."""
    still_open = np.maximum(curve.open_at(ages), 1e-9)
    gained = curve.share_by(ages + days) - curve.share_by(ages)
    unseen = UNSEEN * days / max(curve.lead_days, 1.0)
    return np.asarray(np.clip(gained / still_open + unseen, 0, 1))


def estimate_curve(known: LeadTimes, t: int) -> Incidence:
    """Estimate the delay curve from what leads of every age did in the last year, as seen at `t`.

    Older leads are watched from the age that they had when the year began.
    """
    start = t - int(CURVE_DAYS * DAY)
    end = np.minimum(np.minimum(known.converted_at, known.disqualified_at), t)
    rows = end >= start
    created, end = known.created_at[rows], end[rows]
    converted, lost = known.converted_at[rows], known.disqualified_at[rows]
    cause = np.where(
        end == t, CENSORED, np.where(converted <= lost, CONVERTED, DISQUALIFIED)
    )  # what happened is before t
    entered = np.maximum((start - created) / DAY, 0.0)
    return estimate_incidence(np.maximum((end - created) / DAY, 0.0), cause, entered)


def _arrivals_per_day(known: LeadTimes, t: int) -> float:
    """Compute new leads per day over the last eight weeks, or since the first lead."""
    if len(known.created_at) == 0:
        return 0.0
    watched = min(PACE_DAYS, (t - int(known.created_at.min())) / DAY)
    recent = known.created_at >= t - int(watched * DAY)
    return float(recent.sum()) / max(watched, 1.0)


def _choose_step(known: LeadTimes, as_of: int) -> float:
    """Choose monthly past forecasts where there are eight months of history, else weekly ones."""
    history_days = (as_of - int(known.created_at.min())) / DAY if len(known.created_at) else 0.0
    return 30.0 if history_days >= 240 else 7.0


def _origins(known: LeadTimes, as_of: int, step: float) -> list[int]:
    """List past moments at which there was enough to forecast from, oldest first."""
    conversions = np.sort(known.converted_at[known.converted_at < as_of])
    if len(conversions) < MIN_CONVERSIONS:
        return []
    first = max(
        int(conversions[MIN_CONVERSIONS - 1]),
        int(known.created_at.min()) + int(MIN_HISTORY_DAYS * DAY),
    )
    count = int((as_of - first) / (step * DAY))
    return [as_of - int(step * DAY) * back for back in range(min(count, 60), 0, -1)]


def _count_conversions(known: LeadTimes, t: int, days: int) -> tuple[int, int]:
    """Count conversions in [t, t + days): of leads open at `t`, and of leads created since."""
    hit = (known.converted_at >= t) & (known.converted_at < t + days * DAY)
    old = known.created_at < t
    return int((hit & old).sum()), int((hit & ~old).sum())


def _shock(
    origins: list[int],
    remade: dict[int, dict[int, ExpectedConversions]],
    observed: dict[int, dict[int, tuple[int, int]]],
    days: int,
    step: float,
    part: Literal["total", "open", "new"],
) -> Shock:
    """Learn the common shock of one part of the forecast from matured past forecasts."""
    rows = [(remade[t][days], observed[t][days]) for t in origins]
    expected = np.array([float(getattr(each, part)) for each, _ in rows])
    variance = np.array([float(getattr(each, f"{part}_variance")) for each, _ in rows])
    pick = {"total": sum, "open": lambda pair: pair[0], "new": lambda pair: pair[1]}[part]
    counts = np.array([float(pick(pair)) for _, pair in rows])
    scale = PRIOR_SCALE * float(np.sqrt(30 / days))  # months average out over a longer time
    weight = _overlap_weight(step, days)
    return learn_shock(expected, variance, counts, weight, prior_scale=scale)


def _overlap_weight(step: float, days: int) -> float:
    """Discount past forecasts whose windows overlap: 1 / sum of squared correlations.

    Windows `step` apart share 1 - step / days of their days (Bayley and Hammersley 1946).
    """
    shared = 1 - np.arange(1, int(np.ceil(days / step))) * step / days
    return float(1 / (1 + 2 * (shared**2).sum()))


def _figures_of(
    days: int,
    now: ExpectedConversions,
    matured: list[int],
    remade: dict[int, dict[int, ExpectedConversions]],
    observed: dict[int, dict[int, tuple[int, int]]],
    step: float,
) -> ForecastFigures:
    """Put a range around each part of the forecast for one number of days."""
    total = _shock(matured, remade, observed, days, step, "total")
    from_open = _shock(matured, remade, observed, days, step, "open")
    from_new = _shock(matured, remade, observed, days, step, "new")
    return ForecastFigures(
        days,
        cover_count(now.total, now.total_variance, total),
        cover_count(now.open, now.open_variance, from_open),
        cover_count(now.new, now.new_variance, from_new),
        total.typical,
    )
