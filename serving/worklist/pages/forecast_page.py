"""Scored open leads and past months -> page "Forecast"."""

from __future__ import annotations

from data.clock import iso
from serving.figures.forecast import Forecast, forecast_project
from serving.worklist.pages.report_input import ReportInput, interval
from serving.worklist.view import ForecastPage, ForecastRow, PastForecast
from serving.worklist.view_parts import Interval

PAST_DAYS = 30


def make_forecast(source: ReportInput) -> ForecastPage | None:
    """Forecast 30, 60 and 90 days; None where nothing says when leads converted."""
    if not source.outcomes.timed:
        return None
    rows = source.in_play
    forecast = forecast_project(
        source.tables,
        source.outcomes,
        source.project,
        source.scored.snapshots.take(rows),
        source.scored.scores.probability[rows],
    )
    return ForecastPage(
        rows=tuple(
            ForecastRow(row.days, *(interval(c) for c in (row.total, row.from_open, row.from_new)))
            for row in forecast.rows
        ),
        level=forecast.level,
        past=_past(forecast),
        coverage=_coverage(forecast),
    )


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
