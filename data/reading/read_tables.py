"""A project file -> `Tables` (what may become a feature) and `Outcomes` (what became of leads)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from data.clock import NEVER, Micros, show
from data.errors import InputError
from data.feeds import CONVERSIONS, Feed, feed_of
from data.reading.attributes import read_attributes
from data.reading.clock_checks import check_clocks, check_future
from data.reading.episodes import read_lives, say_returns, split_episodes
from data.reading.event_columns import (
    EventRows,
    check_declared_types,
    first_times,
    part_payments,
    times_of,
)
from data.reading.event_parts import read_events
from data.reading.lead_columns import (
    accounts_of,
    converted_flag,
    flag_is_known,
    lead_clocks,
    object_ids,
    shown_columns,
    shown_texts,
)
from data.reading.match_ids import match_leads, unique_ids
from data.reading.payments import keep_payments, read_payment_table
from data.reading.read_job import ReadJob
from data.reading.rep_answers import AnswerFact, answer_attributes
from data.reading.repeated_rows import one_row_per_id
from data.reading.review import undeclared_columns
from data.reading.sort_events import assemble
from data.reading.sources import Given, KeptSources, RawTable
from data.reading.static_order import order_in_time
from data.reading.values import instants, moment
from data.schema import Project
from data.tables import Kind, Outcomes, Tables

__all__ = ["CrmData", "read_tables", "read_with_notes", "undeclared_columns", "with_answers"]


@dataclass(frozen=True, slots=True)
class CrmData:
    """The tables and outcomes of a project, and remarks on them for a person.

    `feeds` count the rows of each source by the hour: leads, event sources, conversions;
    `left_out` says of a declared column why it is no feature all the same; `whole` why a company of
    which a part was asked for was read whole, where slices would have taken less memory.
    """

    tables: Tables
    outcomes: Outcomes
    notes: tuple[str, ...]
    feeds: tuple[Feed, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    whole: str = ""


def read_tables(
    project: Project,
    *,
    leads: str | None = None,
    events: tuple[str, ...] | None = None,
    frames: Mapping[str, Given] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    lenient: bool = False,
    answers: Sequence[AnswerFact] = (),
) -> tuple[Tables, Outcomes]:
    """Read all sources; `leads` and `events` name other files of the same shape.

    `frames` replace sources: "leads", "events.0", "join.0", "history.0", "join.0.history.0",
    "conversion", "value". For scoring, `kinds` (attribute -> kind in training) and `lenient` let a
    few leads be read in the same way; see `ReadJob`. `answers` are what reps said of scores.
    InputError names file, row and column of what is wrong.
    """
    crm = read_with_notes(
        project,
        leads=leads,
        events=events,
        frames=frames,
        kinds=kinds,
        lenient=lenient,
        answers=answers,
    )
    return crm.tables, crm.outcomes


def read_with_notes(
    project: Project,
    *,
    leads: str | None = None,
    events: tuple[str, ...] | None = None,
    frames: Mapping[str, Given] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    lenient: bool = False,
    answers: Sequence[AnswerFact] = (),
    kept: KeptSources | None = None,
) -> CrmData:
    """Read all sources and keep the remarks on them; other `leads` are read leniently.

    `kept` may know tables of the sources from an earlier reading.
    """
    job = ReadJob(
        project, dict(frames or {}), dict(kinds or {}), lenient or leads is not None, kept=kept
    )
    return with_answers(read_all(job, leads, events), answers, job.kinds)


def with_answers(
    crm: CrmData, answers: Sequence[AnswerFact], kinds: Mapping[str, Kind] | None
) -> CrmData:
    """Add the attributes of what reps said; `kinds` are those of the model, if there is one."""
    tables = crm.tables
    if tables.created_at is None:
        return crm
    first = np.append(True, tables.lead[1:] != tables.lead[:-1])[: len(tables)]
    added = answer_attributes(
        answers,
        pa.array(tables.lead_ids[first], pa.string()),
        until=tables.observed_until,
        trained=kinds or {},
        taken=[each.name for each in tables.attributes],
    )
    place = np.cumsum(first) - 1
    taken = tuple(each.take(place) for each in added)
    return replace(crm, tables=replace(tables, attributes=(*tables.attributes, *taken)))


def read_all(
    job: ReadJob, leads: str | None = None, events: tuple[str, ...] | None = None
) -> CrmData:
    """Read all sources as the job says, without what reps answered."""
    project = job.project
    _refuse_unknown_frames(job.frames, project)
    raw = one_row_per_id(job.source(project.leads, "leads", path=leads), job)
    if not len(raw):
        raise InputError("has no leads", file=raw.name, cure="a header and rows are needed")
    ids, order = unique_ids(raw, project.leads.id, job)
    if project.static:
        return _read_static(job, raw, ids, order)
    clocks = lead_clocks(job, raw, order)
    sources = read_events(job, ids, events)
    check_declared_types(sources, job)
    happened, paid = part_payments(sources, job)
    if project.value.source:
        paid = [read_payment_table(job, ids)]
    created = clocks["created_at"]
    timed = project.leads.converted is None
    if timed:
        lead, at = _conversions(job, raw, ids, order, happened)
        conversions = lead, _on_first_day(at, created[lead], job)
    else:
        won = np.flatnonzero(converted_flag(job, raw, order))
        conversions = won, created[won]
    converted = first_times(conversions, len(ids))
    disqualified = np.minimum(
        clocks["disqualified_at"], first_times(times_of(sources, None), len(ids))
    )
    disqualified = _on_first_day(disqualified, created, job)
    attributes = read_attributes(raw, ids, order, job)
    times = [*clocks.values(), converted, *_event_times(sources), *(part.at for part in paid)]
    times += [a.changes.at for a in attributes if a.changes is not None]
    times += [a.known_at for a in attributes if a.known_at is not None]
    until, declared = _observed_until(project, times, raw.name)
    if declared:
        clip = partial(_clip, until=until)
        converted, disqualified = clip(converted), clip(disqualified)
    check_clocks(raw, job, order, clocks["created_at"], converted, disqualified, sources)
    reopens = project.conversion.reopens
    ends_at = np.minimum(converted, disqualified) if timed else disqualified
    if reopens:
        ends_at = np.full(len(ids), NEVER)
    cut = until if declared else None
    tables = Tables(
        lead_ids=object_ids(ids),
        created_at=clocks["created_at"],
        recorded_at=clocks["recorded_at"] if project.leads.recorded_at else None,
        account=accounts_of(job, raw, order),
        attributes=tuple(attributes),
        events=assemble(happened, project.conversion.event, ends_at, cut),
        display=shown_columns(job, raw, order),
        observed_until=until,
        timezone=project.project.timezone,
    )
    since = project.conversion.recorded_from
    recorded_from = since and moment(since, project, "conversion.recorded_from")
    if recorded_from:
        job.notes.count(
            "older than conversions are recorded",
            lambda _, older: (
                f"conversions are recorded from {show(recorded_from)[:10]} on: {older:,} older "
                "leads cannot be trusted as negatives and are left out of training"
            ),
            1,
            int((clocks["created_at"] < recorded_from).sum()),
        )
    if not timed:
        job.notes.add(
            "leads.converted says that a lead converted, not when: leads are seen as they were "
            "created, and one that converted counts as converted within the horizon"
            + (", so events after creation are no features" if project.events else "")
        )
    outcomes = Outcomes(converted, disqualified, until, recorded_from or None, timed)
    if reopens:
        lives = read_lives(
            project.conversion, happened, clocks["disqualified_at"], conversions, until
        )
        given = project.conversion.closes_from
        closes_from = None if given is None else moment(given, project, "conversion.closes_from")
        tables, outcomes = split_episodes(tables, outcomes, lives, project.conversion, closes_from)
        for line in say_returns(tables, outcomes, lives):
            job.notes.add(line)
    if project.value.declared:
        payments = keep_payments(paid, tables, outcomes.converted_at, job, until)
        outcomes = replace(outcomes, payments=payments)
    feeds = _feeds(raw.name, tables, outcomes, sources)
    return CrmData(tables, outcomes, tuple(job.notes.lines), feeds, job.notes.left_out)


def read_lead_ids(project: Project, frames: Mapping[str, Given]) -> pa.Array:
    """Read the ids of all leads and nothing else, sorted; InputError as in `read_tables`."""
    job, column = ReadJob(project, frames), project.leads.id
    raw = job.source(project.leads, "leads", columns=None if column == "#row" else [column])
    return unique_ids(raw, column, job)[0]


def read_owners(project: Project, frames: Mapping[str, Given]) -> list[tuple[str, str]]:
    """Read who owns leads, and nothing else: pairs of team ("" where none is declared) and owner.

    Empty where the project file names no column of owners.
    """
    job, leads = ReadJob(project, frames), project.leads
    if leads.owner is None:
        return []
    names = [leads.owner, *((leads.team,) if leads.team else ())]
    raw = job.source(project.leads, "leads", columns=list(dict.fromkeys(names)))
    owners = shown_texts(raw, (leads.owner,), job)
    teams = shown_texts(raw, (leads.team,), job) if leads.team else [None] * len(owners)
    pairs = {(team or "", owner) for team, owner in zip(teams, owners, strict=True) if owner}
    return sorted(pairs)


def _feeds(
    leads: str, tables: Tables, outcomes: Outcomes, sources: list[EventRows]
) -> tuple[Feed, ...]:
    """Count the rows of leads, of each event source and of conversions by the hour."""
    created = np.full(len(tables), 0) if tables.created_at is None else tables.created_at
    names = [rows.name for rows in sources]
    feeds = [feed_of(leads, created)]
    for i, rows in enumerate(sources):
        alone = names.count(rows.name) == 1 and rows.name != leads
        name = rows.name if alone else f"{rows.name} (events.{i})"
        feeds.append(feed_of(name, rows.at, rows.recorded_at, tuple(sorted(rows.type.names))))
    if tables.created_at is not None:
        feeds.append(feed_of(CONVERSIONS, outcomes.converted_at))
    return tuple(feeds)


def _clip(at: Micros, until: int) -> Micros:
    """Replace moments at or after the end of observation by NEVER."""
    return np.where(at < until, at, NEVER)


def _refuse_unknown_frames(given: Mapping[str, Given], project: Project) -> None:
    """Refuse a frame that replaces nothing."""
    known = {"leads", "conversion", "value"}
    known |= {f"events.{i}" for i in range(len(project.events))}
    known |= {f"history.{i}" for i in range(len(project.leads.history))}
    for i, join in enumerate(project.leads.join):
        known |= {f"join.{i}", *(f"join.{i}.history.{j}" for j in range(len(join.history)))}
    for name in given:
        if name not in known:
            raise InputError(f"frame {name!r} replaces nothing; known: {', '.join(sorted(known))}")


def _conversions(
    job: ReadJob,
    raw: RawTable,
    ids: pa.Array,
    order: NDArray[np.int64],
    sources: list[EventRows],
) -> tuple[NDArray[np.int64], Micros]:
    """List all conversions, (lead, at): by column, by event, or in a table of opportunities."""
    conversion, leads = job.project.conversion, job.project.leads
    if leads.converted_at:
        column = instants(raw, leads.converted_at, job)[order]
        known = np.flatnonzero(column != NEVER)
        return known, column[known]
    if conversion.event:
        return times_of(sources, conversion.event)
    lead, at = conversion.lead or "", conversion.at or ""
    deals = job.source(conversion, "conversion", columns=[lead, at], may_be_empty=True)
    row = match_leads(deals, lead, ids, job)
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


def _event_times(sources: list[EventRows]) -> list[Micros]:
    """List the clocks of all events."""
    clocks = [rows.at for rows in sources]
    return clocks + [rows.recorded_at for rows in sources if rows.recorded_at is not None]


def _observed_until(project: Project, times: list[Micros], file: str) -> tuple[int, bool]:
    """Find the end of observation: (microseconds, whether it was declared).

    Undeclared it lies one microsecond after the last timestamp, so that all that was read lies
    before it.
    """
    declared = project.project.observed_until
    if declared is not None:
        return moment(declared, project, "project.observed_until"), True
    check_future(times, file)
    last = max(int(known.max()) for at in times if len(known := at[at != NEVER]))
    return last + 1, False


def _read_static(job: ReadJob, raw: RawTable, ids: pa.Array, order: NDArray[np.int64]) -> CrmData:
    """Read leads without creation times: every column but the excluded ones is a feature."""
    project = job.project
    job.notes.add("static mode: leads.created_at is not declared, so no claim about time is made")
    attributes = read_attributes(raw, ids, order, job)
    until = project.project.observed_until
    end = 1 if until is None else moment(until, project, "project.observed_until")
    tables = Tables(
        lead_ids=object_ids(ids),
        created_at=None,
        recorded_at=None,
        account=accounts_of(job, raw, order),
        attributes=tuple(attributes),
        events=assemble([], (), np.full(len(ids), NEVER), None),
        display=shown_columns(job, raw, order),
        observed_until=end,
        timezone=project.project.timezone,
        order=order_in_time(job, raw, order),
    )
    converted = np.where(converted_flag(job, raw, order), 0, NEVER).astype(np.int64)
    never, known = np.full(len(ids), NEVER), flag_is_known(job, raw)
    outcomes = Outcomes(converted, never, end, timed=False, settled=known)
    feeds = _feeds(raw.name, tables, outcomes, [])
    return CrmData(tables, outcomes, tuple(job.notes.lines), feeds, job.notes.left_out)
