"""The table of leads -> when each lead ended: converted, disqualified, or lived more than once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from data.clock import NEVER, Micros, show
from data.reading.episodes import read_lives, say_returns, split_episodes
from data.reading.event_columns import EventRows, first_times, times_of
from data.reading.lead_columns import converted_flag
from data.reading.match_ids import match_leads
from data.reading.read_job import ReadJob
from data.reading.sources import RawTable
from data.reading.values import instants, moment
from data.tables import Outcomes, Tables


@dataclass(frozen=True, slots=True)
class LeadsRead:
    """The table of leads as it is read: its sorted ids, the rows in their order, and its clocks."""

    job: ReadJob
    raw: RawTable
    ids: pa.Array
    order: NDArray[np.int64]
    clocks: Mapping[str, Micros]

    @property
    def created(self) -> Micros:
        """Give the moments of creation."""
        return self.clocks["created_at"]

    @property
    def timed(self) -> bool:
        """Whether conversions have a moment."""
        return self.job.project.leads.converted is None


Conversions = tuple[NDArray[np.int64], Micros]
"""(leads, moments) of all conversions."""


def all_conversions(leads: LeadsRead, happened: list[EventRows]) -> Conversions:
    """List all conversions; those that have no moment count from the lead's creation."""
    if not leads.timed:
        won = np.flatnonzero(converted_flag(leads.job, leads.raw, leads.order))
        return won, leads.created[won]
    lead, at = _dated_conversions(leads, happened)
    return lead, _on_first_day(at, leads.created[lead], leads.job)


def first_ends(
    leads: LeadsRead, conversions: Conversions, sources: list[EventRows]
) -> tuple[Micros, Micros]:
    """Find when each lead first converted, and when it was first disqualified, or NEVER."""
    n = len(leads.ids)
    closed = first_times(times_of(sources, None), n)
    disqualified = np.minimum(leads.clocks["disqualified_at"], closed)
    return first_times(conversions, n), _on_first_day(disqualified, leads.created, leads.job)


def recorded_from(leads: LeadsRead) -> int | None:
    """Say since when conversions are recorded, and count the leads that are older."""
    project = leads.job.project
    given = project.conversion.recorded_from
    since = given and moment(given, project, "conversion.recorded_from")
    if not since:
        return None
    leads.job.notes.count(
        "older than conversions are recorded",
        lambda _, older: (
            f"conversions are recorded from {show(since)[:10]} on: {older:,} older "
            "leads cannot be trusted as negatives and are left out of training"
        ),
        1,
        int((leads.created < since).sum()),
    )
    return since


def split_lives(
    leads: LeadsRead,
    tables: Tables,
    outcomes: Outcomes,
    happened: list[EventRows],
    conversions: Conversions,
) -> tuple[Tables, Outcomes]:
    """Make a row of each life of a lead that closed and came back."""
    project = leads.job.project
    conversion, closed = project.conversion, leads.clocks["disqualified_at"]
    lives = read_lives(conversion, happened, closed, conversions, outcomes.observed_until)
    given = conversion.closes_from
    closes_from = None if given is None else moment(given, project, "conversion.closes_from")
    tables, outcomes = split_episodes(tables, outcomes, lives, conversion, closes_from)
    for line in say_returns(tables, outcomes, lives):
        leads.job.notes.add(line)
    return tables, outcomes


def _dated_conversions(leads: LeadsRead, happened: list[EventRows]) -> Conversions:
    """List all conversions, (lead, at): by column, by event, or in a table of opportunities."""
    job, conversion = leads.job, leads.job.project.conversion
    column = job.project.leads.converted_at
    if column:
        dated = instants(leads.raw, column, job)[leads.order]
        known = np.flatnonzero(dated != NEVER)
        return known, dated[known]
    if conversion.event:
        return times_of(happened, conversion.event)
    lead, at = conversion.lead or "", conversion.at or ""
    deals = job.source(conversion, "conversion", columns=[lead, at], may_be_empty=True)
    row = match_leads(deals, lead, leads.ids, job)
    moments = instants(deals, at, job)
    return row[row >= 0], moments[row >= 0]


def _on_first_day(at: Micros, created: Micros, job: ReadJob) -> Micros:
    """Let an end that is dated by its day alone, the day of creation, follow the creation."""
    zone = job.project.project.timezone
    days = pd.DatetimeIndex(created.view("M8[us]"), tz="UTC").tz_convert(zone).normalize()
    midnight = days.tz_convert("UTC").tz_localize(None).as_unit("us").asi8
    same = (at == midnight) & (at < created)
    job.notes.count(
        "ends on the first day",
        lambda n: (
            f"{n:,} leads end on the day of their creation, without a time of day: "
            "they are taken to end at once"
        ),
        int(same.sum()),
    )
    return np.where(same, created, at)
