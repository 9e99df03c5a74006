"""Leads and outcomes -> snapshots, and labels for those whose horizon has passed."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.asof import exists
from data.clock import NEVER, Micros
from data.schema import Project
from data.tables import LabelledSnapshots, Outcomes, Snapshots, Tables

TOO_OLD: Final = 2
"""A lead older than this many times the oldest snapshot age is unlike all that training saw."""
TOO_OLD_SHARE: Final = 0.1
"""Share of such among the open leads above which a warning is given."""


def make_snapshots(tables: Tables, outcomes: Outcomes, project: Project) -> Snapshots:
    """Make the training snapshots: declared ages of every lead, or a calendar of all leads.

    A lead has snapshots while it is open, from its creation (and its recording) to the end of
    observation; one that converts exactly at as_of is still open then. Leads from before
    `recorded_from` have none. In static mode every lead has one, at 0.
    """
    if tables.created_at is None:
        return Snapshots(np.arange(len(tables)), np.zeros(len(tables), np.int64))
    plan = project.conversion.snapshots
    if isinstance(plan, str):
        lead, as_of = _calendar(tables, outcomes, plan)
    else:
        lead, as_of = _ages(tables.created_at, plan)
    keep = is_open(tables, outcomes, lead, as_of) & (as_of <= outcomes.observed_until)
    if outcomes.recorded_from is not None:
        keep &= tables.created_at[lead] >= outcomes.recorded_from
    if project.conversion.horizon_from == "created":
        keep &= as_of < tables.created_at[lead] + (project.conversion.horizon or 0)
    return Snapshots(lead[keep], as_of[keep])


def is_open(
    tables: Tables, outcomes: Outcomes, lead: NDArray[np.int64], as_of: Micros
) -> NDArray[np.bool_]:
    """Tell whether a lead exists at as_of and no conversion or disqualification came before."""
    ended_at = np.minimum(outcomes.converted_at[lead], outcomes.disqualified_at[lead])
    return exists(tables, lead, as_of) & (ended_at >= as_of)


def label(
    snapshots: Snapshots, tables: Tables, outcomes: Outcomes, project: Project
) -> LabelledSnapshots:
    """Label the mature snapshots; the others are absent, even those already converted.

    The window is [as_of, as_of + horizon), or ends at created_at + horizon. It is mature when it
    closed at or before the end of observation.
    """
    converted = outcomes.converted_at[snapshots.lead]
    if tables.created_at is None:
        y = (converted != NEVER).astype(np.int8)
        order = np.zeros(len(tables), np.int64) if tables.order is None else tables.order
        return LabelledSnapshots(snapshots, y, snapshots.as_of, order[snapshots.lead])
    closes_at = window_end(snapshots, tables, project)
    mature = closes_at <= outcomes.observed_until
    y = ((converted >= snapshots.as_of) & (converted < closes_at)).astype(np.int8)
    every = LabelledSnapshots(snapshots, y, closes_at, snapshots.as_of)
    return every.take(mature)


def window_end(snapshots: Snapshots, tables: Tables, project: Project) -> Micros:
    """Find when each snapshot's label window closes: (n,) microseconds."""
    horizon = project.conversion.horizon or 0
    if project.conversion.horizon_from == "created" and tables.created_at is not None:
        return tables.created_at[snapshots.lead] + horizon
    return snapshots.as_of + horizon


def open_snapshots(tables: Tables, outcomes: Outcomes, as_of: int) -> Snapshots:
    """Make one snapshot per lead that is open at `as_of`; in static mode per unconverted lead."""
    lead = np.arange(len(tables))
    moments = np.full(len(tables), as_of, np.int64)
    if tables.created_at is None:
        keep = outcomes.converted_at == NEVER
    else:
        keep = is_open(tables, outcomes, lead, moments)
    return Snapshots(lead[keep], moments[keep])


def _ages(created: Micros, ages: tuple[int, ...]) -> tuple[NDArray[np.int64], Micros]:
    """Cross leads with ages: sorted by (lead, as_of)."""
    steps = np.unique(np.array(ages, np.int64))
    lead = np.repeat(np.arange(len(created)), len(steps))
    return lead, (created[:, None] + steps[None, :]).ravel()


def _calendar(tables: Tables, outcomes: Outcomes, plan: str) -> tuple[NDArray[np.int64], Micros]:
    """Cross leads with local midnights of Mondays or of first days of months, while they live."""
    assert tables.created_at is not None
    created = tables.created_at
    end = np.minimum(outcomes.converted_at, outcomes.disqualified_at)
    end = np.minimum(end, outcomes.observed_until)
    grid = calendar(int(created.min()), outcomes.observed_until, plan, tables.timezone)
    first, past = np.searchsorted(grid, created), np.searchsorted(grid, end, side="right")
    counts = np.maximum(past - first, 0)
    lead = np.repeat(np.arange(len(created)), counts)
    starts = np.repeat(first - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
    return lead, grid[starts + np.arange(len(lead))]


def calendar(start: int, end: int, plan: str, timezone: str) -> Micros:
    """List local midnights of Mondays ("weekly") or first days of months in [start, end]."""
    local = pd.to_datetime([start, end], unit="us", utc=True).tz_convert(timezone)
    days = local.tz_localize(None).normalize()
    freq = "W-MON" if plan == "weekly" else "MS"
    dates = pd.date_range(days[0], days[1], freq=freq)
    zoned = dates.tz_localize(
        timezone, ambiguous=np.ones(len(dates), bool), nonexistent="shift_forward"
    )
    grid = zoned.tz_convert("UTC").tz_localize(None).as_unit("us").asi8
    return np.asarray(grid[(grid >= start) & (grid <= end)], dtype=np.int64)
