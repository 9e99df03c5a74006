"""Leads and their outcomes -> figures by source and stage: counts, rates, time, money."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY
from data.customers import UNITS, paid_within
from data.incidence import Incidence, estimate_incidence, observe
from data.schema import Project
from data.tables import Outcomes, Tables
from models.metrics import wilson

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its 95 % Wilson interval: `hits` of `n`, NaN where n is 0."""

    value: float
    low: float
    high: float
    hits: int
    n: int


def rate_of(hits: int, n: int) -> Rate:
    """Compute a share with its interval; NaN, between 0 and 1, where n is 0.

    >>> rate = rate_of(10, 100)
    >>> round(rate.low, 4), round(rate.high, 4)
    (0.0552, 0.1744)
    """
    return Rate(hits / n if n else float("nan"), *wilson(hits, n), hits, n)


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """One source. `rate` is conversion within the horizon of creation, of the leads old enough.

    Where closed leads come back, `leads` counts each once and `episodes` each return; the rate,
    the days and the opportunities are of episodes, each from its opening.
    Days are the time to convert, open leads counted as censored; None where no lead converted.
    Money is in the project's currency, None where no amount or cost is given;
    `customer_value` is the mean value of an opportunity, `profit` value minus cost.
    """

    source: str
    leads: int
    prospects: int
    opportunities: int
    rate: Rate
    median_days: float | None
    quartile_days: tuple[float, float] | None
    value: float | None = None
    cost: float | None = None
    customer_value: float | None = None
    episodes: int = 0

    @property
    def profit(self) -> float | None:
        """Subtract cost from value; None where either is unknown."""
        return None if self.value is None or self.cost is None else self.value - self.cost

    @property
    def return_on_cost(self) -> float | None:
        """Divide value by cost; None where either is unknown or nothing was spent."""
        return self.value / self.cost if self.value is not None and self.cost else None


@dataclass(frozen=True, slots=True)
class StageFigures:
    """One stage: leads that reached it, and their share of those that reached the one before.

    `episodes` counts each time that a lead reached it, where leads come back.
    """

    name: str
    leads: int
    rate: Rate | None
    episodes: int = 0


@dataclass(frozen=True, slots=True)
class Funnel:
    """The funnel page's figures; `total` is over all sources.

    `curve` is None where nothing says when leads converted. `skipped` counts conversions of leads
    that stood below the last stage when they converted, `outside` leads at no stage at all.
    """

    total: SourceFigures
    sources: tuple[SourceFigures, ...]
    stages: tuple[StageFigures, ...]
    curve: Incidence | None
    horizon_days: float | None
    skipped: int = 0
    outside: int = 0


def measure_funnel(
    tables: Tables,
    outcomes: Outcomes,
    project: Project,
    *,
    stage: NDArray[np.integer] | None = None,
    stage_names: tuple[str, ...] = (),
    since: int | None = None,
) -> Funnel:
    """Measure leads created from `since` on (default: all) to the end of observation.

    `stage` is the stage of each lead by what was known of it, (n_leads,), -1 for none: leads at
    the second stage or beyond count as prospects. Without stages those that converted do.
    """
    rows = np.ones(len(tables), dtype=bool)
    if tables.created_at is not None:
        rows = tables.created_at <= outcomes.observed_until
        rows &= since is None or tables.created_at >= since
    source = lead_source(tables)
    converted = outcomes.converted_at < outcomes.observed_until
    prospect = converted.copy() if stage is None else np.asarray(stage) >= 1
    value = customer_values(tables, outcomes, project)
    figures = _GroupFigures(tables, outcomes, project, converted, prospect, value)
    names = [str(name) for name in np.unique(source[rows])]
    sources = [figures.of(name, rows & (source == name)) for name in names]
    total = figures.of("", rows, costs=[each.cost for each in sources])
    curve = None
    if outcomes.timed:
        days, cause, included = observe(tables, outcomes)
        curve = estimate_incidence(days[included & rows], cause[included & rows])
    horizon = project.conversion.horizon
    return Funnel(
        total,
        tuple(sorted(sources, key=lambda each: (-each.leads, each.source))),
        ()
        if stage is None
        else count_stages(stage[rows], stage_names, converted[rows], tables.lead[rows]),
        curve,
        None if horizon is None else horizon / DAY,
        0
        if stage is None
        else int((rows & converted & (np.asarray(stage) < len(stage_names) - 1)).sum()),
        0 if stage is None else len(np.unique(tables.lead[rows & (np.asarray(stage) < 0)])),
    )


def lead_source(tables: Tables) -> NDArray[np.object_]:
    """Name the source of each lead: (n_leads,), "" where none is declared or known."""
    if "channel" not in tables.display.columns:
        return np.full(len(tables), "", dtype=object)
    named = tables.display["channel"].astype(object)
    return np.array(["" if name != name or name is None else str(name) for name in named], object)


def customer_values(tables: Tables, outcomes: Outcomes, project: Project) -> Floats:
    """Compute the value of each converted lead: (n_leads,), NaN where not converted or not known.

    Where [value] says what customers paid, that is it: lifetime value so far. Else the lead's own
    amount, else `report.value`.
    """
    won = outcomes.converted_at < outcomes.observed_until
    if outcomes.payments is not None:
        return np.where(won, paid_within(outcomes, None) / UNITS, np.nan)
    worth = np.full(len(tables), np.nan)
    if project.report.value is not None:
        worth[:] = project.report.value
    if "value" in tables.display.columns:
        own = tables.display["value"].to_numpy(dtype=np.float64, na_value=np.nan)
        worth = np.where(np.isfinite(own), own, worth)
    return np.where(won, worth, np.nan)


@dataclass(frozen=True, slots=True)
class _GroupFigures:
    """The leads' outcomes and values, from which the figures of a group are computed."""

    tables: Tables
    outcomes: Outcomes
    project: Project
    converted: NDArray[np.bool_]
    prospect: NDArray[np.bool_]
    value: Floats

    def of(
        self, name: str, rows: NDArray[np.bool_], costs: list[float | None] | None = None
    ) -> SourceFigures:
        low, median, high = self._days(rows)
        worth = self.value[rows]
        known = worth[np.isfinite(worth)]
        per_lead = self.project.report.cost_per_lead.get(name)
        leads = self._leads(rows)
        cost = None if per_lead is None else per_lead * leads
        if costs is not None:
            given = [each for each in costs if each is not None]
            cost = sum(given) if given and len(given) == len(costs) else None
        return SourceFigures(
            source=name,
            leads=leads,
            prospects=self._leads(self.prospect & rows),
            opportunities=int((self.converted & rows).sum()),
            rate=self._rate(rows),
            median_days=median,
            quartile_days=None if low is None or high is None else (low, high),
            value=float(known.sum()) if len(known) else None,
            cost=cost,
            customer_value=float(known.mean()) if len(known) else None,
            episodes=int(rows.sum()),
        )

    def _leads(self, rows: NDArray[np.bool_]) -> int:
        """Count the leads of these rows, each once."""
        return len(np.unique(self.tables.lead[rows]))

    def _rate(self, rows: NDArray[np.bool_]) -> Rate:
        """Measure conversion within the horizon of creation among leads old enough."""
        created, horizon = self.tables.created_at, self.project.conversion.horizon
        if created is None or horizon is None:
            return rate_of(int((self.converted & rows).sum()), int(rows.sum()))
        closes = created + horizon
        judged = rows & (closes <= self.outcomes.observed_until)
        if self.outcomes.recorded_from is not None:
            judged &= created >= self.outcomes.recorded_from
        hits = judged & (self.outcomes.converted_at < closes)
        return rate_of(int(hits.sum()), int(judged.sum()))

    def _days(self, rows: NDArray[np.bool_]) -> tuple[float | None, float | None, float | None]:
        """Find the quartiles of the time to convert."""
        if not self.outcomes.timed:
            return None, None, None
        days, cause, included = observe(self.tables, self.outcomes)
        curve = estimate_incidence(days[included & rows], cause[included & rows])
        return curve.quantile(0.25), curve.quantile(0.5), curve.quantile(0.75)


def count_stages(
    stage: NDArray[np.integer],
    names: tuple[str, ...],
    converted: NDArray[np.bool_],
    lead: NDArray[np.int64],
) -> tuple[StageFigures, ...]:
    """Count leads that reached each stage, by what was known of them at the time.

    The rate of the last step is of the leads at the last stage: conversions that skipped it do
    not raise it. `lead` is the lead of each row: one that came back counts once.
    """
    figures: list[StageFigures] = []
    before: NDArray[np.bool_] | None = None
    for position, name in enumerate((*names, "opportunity")):
        reached = converted if position == len(names) else stage >= position
        rate = None
        if before is not None:
            there = np.unique(lead[before])
            rate = rate_of(len(np.intersect1d(lead[reached & before], there)), len(there))
        figures.append(StageFigures(name, len(np.unique(lead[reached])), rate, int(reached.sum())))
        before = reached
    return tuple(figures)
