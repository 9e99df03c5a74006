"""Scored open leads and past months -> page "Forecast"."""

from __future__ import annotations

from data.clock import iso
from serving.report.parts import Interval
from serving.report.view import ForecastPage, ForecastRow, PastForecast
from serving.views.source import Source, interval
from training.forecast import Forecast, forecast_project

PAST_DAYS = 30


def make_forecast(source: Source) -> ForecastPage | None:
    """Forecast 30, 60 and 90 days; None in static mode, where no time is known."""
    if source.tables.created_at is None:
        return None
    rows = source.ranked
    found = forecast_project(
        source.tables,
        source.outcomes,
        source.project,
        source.scored.snapshots.take(rows),
        source.scored.scores.probability[rows],
    )
    return ForecastPage(
        rows=tuple(
            ForecastRow(row.days, *(interval(c) for c in (row.total, row.from_open, row.from_new)))
            for row in found.rows
        ),
        level=found.level,
        past=_past(found),
        past_days=PAST_DAYS,
        coverage=_coverage(found),
    )


def _past(found: Forecast) -> tuple[PastForecast, ...]:
    return tuple(
        PastForecast(
            made_on=iso(past.made_at)[:10],
            forecast=Interval(past.forecast.value, past.forecast.low, past.forecast.high),
            observed=past.observed,
        )
        for past in found.past
        if past.days == PAST_DAYS
    )


def _coverage(found: Forecast) -> float | None:
    rate = found.coverage(PAST_DAYS)
    return rate.value if rate.n else None
