"""Scored open leads and past months -> the forecast of page "Pipeline"."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.clock import iso
from serving.figures.capacity import by_code, expect_count, expect_money
from serving.figures.counts import CountRange, Shock, cover_count
from serving.figures.forecast import Forecast, ForecastFigures, forecast_project, open_chances
from serving.worklist.pages.report_input import ReportInput, interval
from serving.worklist.view import (
    ForecastPage,
    ForecastRow,
    OwnerForecast,
    PastForecast,
    TargetRow,
)
from serving.worklist.view_parts import Interval

PAST_DAYS: Final = 30


def make_forecast(source: ReportInput) -> ForecastPage | None:
    """Forecast 30, 60 and 90 days; None where nothing says when leads converted."""
    if not source.outcomes.timed:
        return None
    rows = source.in_play
    snapshots, chances = source.scored.snapshots.take(rows), source.scored.scores.probability[rows]
    forecast = forecast_project(source.tables, source.outcomes, source.project, snapshots, chances)
    worth = None if source.worth is None else source.worth[rows]
    within = {
        row.days: open_chances(
            source.tables, source.outcomes, source.project, snapshots, chances, row.days
        )
        for row in forecast.rows
    }
    figures = tuple(_row(row, within[row.days], worth) for row in forecast.rows)
    days = source.project.report.target.days
    chosen = next(row for row in forecast.rows if row.days == days)
    return ForecastPage(
        rows=figures,
        level=forecast.level,
        past=_past(forecast),
        coverage=_coverage(forecast),
        owners=_owners(source, chosen, within[days], worth),
        owner_days=days,
        targets=_targets(source, next(row for row in figures if row.days == days)),
    )


def _row(
    row: ForecastFigures, within: NDArray[np.float64], worth: NDArray[np.float64] | None
) -> ForecastRow:
    total, from_open, from_new = map(interval, (row.total, row.from_open, row.from_new))
    money = None if worth is None else interval(_money(row, within, worth))
    return ForecastRow(row.days, total, from_open, from_new, money)


def _money(
    row: ForecastFigures, within: NDArray[np.float64], worth: NDArray[np.float64]
) -> CountRange:
    """Cover the money of open leads and of those to come, who bring as much a deal as these."""
    mean, squares = float(within @ worth), float(within @ worth**2)
    if mean <= 0:
        return CountRange(0.0, 0.0, 0.0)
    deal, size = mean / float(within.sum()), squares / mean
    total = mean + row.from_new.value * deal
    variance = float((within * (1 - within)) @ worth**2) + row.from_new.value * deal * size
    deals = cover_count(total / size, variance / size**2, _shock(row))
    return CountRange(total, deals.low * size, deals.high * size)


def _shock(row: ForecastFigures) -> Shock:
    return Shock(np.array([row.shock]), np.ones(1), 0)


def _owners(
    source: ReportInput,
    row: ForecastFigures,
    within: NDArray[np.float64],
    worth: NDArray[np.float64] | None,
) -> tuple[OwnerForecast, ...]:
    """Split what open leads are expected to bring by owner, most first."""
    names, code = np.unique(source.owners[source.in_play].astype(str), return_inverse=True)
    shares, shock = [], _shock(row)
    for name, own in zip(names.tolist(), by_code(code, len(names)), strict=True):
        money = None if worth is None else interval(expect_money(within[own], worth[own], shock))
        shares.append(OwnerForecast(name, interval(expect_count(within[own], shock)), money))
    return tuple(sorted(shares, key=lambda share: (-share.deals.value, share.owner)))


def _targets(source: ReportInput, row: ForecastRow) -> tuple[TargetRow, ...]:
    target = source.project.report.target
    rows = []
    if target.deals is not None:
        rows.append(TargetRow("deals", target.deals, row.total))
    if target.money is not None and row.money is not None:
        rows.append(TargetRow("money", target.money, row.money))
    return tuple(rows)


def _past(forecast: Forecast) -> tuple[PastForecast, ...]:
    return tuple(
        PastForecast(
            made_on=iso(past.made_at)[:10],
            forecast=Interval(past.forecast.value, past.forecast.low, past.forecast.high),
            observed=past.observed,
        )
        for past in forecast.past
        if past.days == PAST_DAYS
    )


def _coverage(forecast: Forecast) -> float | None:
    rate = forecast.coverage(PAST_DAYS)
    return rate.value if rate.n else None
