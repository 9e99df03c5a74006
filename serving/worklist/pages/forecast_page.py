"""Scored open leads and past months -> the forecast of page "Pipeline"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.clock import iso
from serving.figures.capacity import by_code, expect_count, expect_money
from serving.figures.counts import LEVEL, CountRange, Shock, cover_count
from serving.figures.forecast import Forecast, ForecastFigures, forecast_project
from serving.figures.forecast_shares import share_out
from serving.figures.shown_sums import TENTHS, WHOLE, add_up
from serving.scoring_run import disqualified_by_reps
from serving.worklist.pages.report_input import ReportInput, interval
from serving.worklist.view_figures import (
    ForecastPage,
    ForecastRow,
    OwnerForecast,
    PastForecast,
    TargetRow,
)
from serving.worklist.view_parts import Interval

PAST_DAYS: Final = 30


def make_forecast(source: ReportInput) -> ForecastPage | None:
    """Forecast 30, 60 and 90 days; None where nothing says when leads converted.

    Numbers are rounded here, once for all pages, mails and sheets: parts add up to their sum.
    """
    if not source.outcomes.timed:
        return None
    scored, rows = source.scored, source.in_play
    snapshots = scored.snapshots.take(rows)
    open_leads = scored.snapshots.take(np.flatnonzero(~disqualified_by_reps(scored.standing)))
    forecast = forecast_project(source.tables, source.outcomes, open_leads)
    worth = None if source.worth is None else source.worth[rows]
    within = share_out(
        *(source.tables, source.outcomes, source.project, snapshots),
        counted=source.counted[rows],
        expected={row.days: row.from_open.value for row in forecast.rows},
    )
    figures = tuple(_row(row, within[row.days], worth) for row in forecast.rows)
    days = source.project.report.target.days
    chosen = next(row for row in forecast.rows if row.days == days)
    shown = next(row for row in figures if row.days == days)
    return ForecastPage(
        rows=figures,
        level=LEVEL,
        past=_past(forecast),
        coverage=_coverage(forecast),
        owners=_add_up_owners(_owners(source, chosen, within[days], worth), shown),
        owner_days=days,
        targets=_targets(source, shown),
    )


def _row(
    row: ForecastFigures, within: NDArray[np.float64], worth: NDArray[np.float64] | None
) -> ForecastRow:
    total, from_open, from_new = map(interval, (row.total, row.from_open, row.from_new))
    total = replace(total, value=round(total.value, TENTHS))
    of_open, of_new = add_up([from_open.value, from_new.value], total.value, TENTHS)
    shown = ForecastRow(
        row.days, total, replace(from_open, value=of_open), replace(from_new, value=of_new)
    )
    if worth is None:
        return shown
    money = _in_whole(interval(_money(row, within, worth)))
    money_of_open = _in_whole(interval(expect_money(within, worth, _shock(row))))
    return replace(shown, money=money, money_of_open=money_of_open)


def _in_whole(money: Interval) -> Interval:
    return replace(money, value=round(money.value, WHOLE))


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


def _add_up_owners(owners: Sequence[OwnerForecast], row: ForecastRow) -> tuple[OwnerForecast, ...]:
    """Round what owners are expected to bring: together it is what open leads bring."""
    deals = add_up([owner.deals.value for owner in owners], row.from_open.value, TENTHS)
    shown = [
        replace(owner, deals=replace(owner.deals, value=value))
        for owner, value in zip(owners, deals, strict=True)
    ]
    money = [owner.money for owner in owners if owner.money is not None]
    if row.money_of_open is None or len(money) < len(owners):
        return tuple(shown)
    sums = add_up([each.value for each in money], row.money_of_open.value, WHOLE)
    return tuple(
        replace(owner, money=replace(each, value=value))
        for owner, each, value in zip(shown, money, sums, strict=True)
    )


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
