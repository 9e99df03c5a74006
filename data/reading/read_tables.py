"""A project file -> `Tables` (what may become a feature) and `Outcomes` (what became of leads)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.clock import NEVER, Micros
from data.declared_tables import declared_tables
from data.errors import InputError
from data.feeds import CONVERSIONS, Feed, feed_of
from data.reading.attributes import read_attributes
from data.reading.clock_checks import check_clocks, check_future
from data.reading.event_columns import (
    EventRows,
    check_declared_types,
    part_payments,
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
from data.reading.lead_ends import (
    LeadsRead,
    all_conversions,
    first_ends,
    recorded_from,
    split_lives,
)
from data.reading.match_ids import unique_ids
from data.reading.payments import keep_payments, read_payment_table
from data.reading.read_job import ReadJob
from data.reading.rep_answers import AnswerFact, answer_attributes
from data.reading.repeated_rows import one_row_per_id
from data.reading.review import undeclared_columns
from data.reading.sort_events import assemble
from data.reading.sources import Given, KeptSources, RawTable
from data.reading.static_order import order_in_time
from data.reading.values import moment
from data.schema import Project
from data.tables import Attribute, Events, Kind, Outcomes, Tables

__all__ = ["CrmData", "read_tables", "read_with_notes", "undeclared_columns", "with_answers"]

_ONE_ROW: Final = 'set repeated = "first" or "last" in [leads], which keeps one row of each id'


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
    frames: Mapping[str, Given] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    lenient: bool = False,
    answers: Sequence[AnswerFact] = (),
) -> tuple[Tables, Outcomes]:
    """Read all sources.

    `frames` replace sources: "leads", "events.0", "join.0", "history.0", "join.0.history.0",
    "conversion", "value". For scoring, `kinds` (attribute -> kind in training) and `lenient` let a
    few leads be read in the same way; see `ReadJob`. `answers` are what reps said of scores.
    InputError names file, row and column of what is wrong.
    """
    crm = read_with_notes(project, frames=frames, kinds=kinds, lenient=lenient, answers=answers)
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
    """Read all sources and keep the remarks on them; `leads` and `events` name other files.

    Other leads are read leniently. `kept` may know tables of the sources from an earlier reading.
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
    ids, order = unique_ids(raw, project.leads.id, job, cure=_ONE_ROW)
    if project.static:
        return _read_static(job, raw, ids, order)
    rows = LeadsRead(job, raw, ids, order, lead_clocks(job, raw, order))
    sources = read_events(job, ids, events)
    check_declared_types(sources, job)
    happened, paid = part_payments(sources, job)
    if project.value.source:
        paid = [read_payment_table(job, ids)]
    conversions = all_conversions(rows, happened)
    converted, disqualified = first_ends(rows, conversions, sources)
    attributes = read_attributes(raw, ids, order, job)
    times = [*rows.clocks.values(), converted, *_event_times(sources)]
    times += [*_attribute_times(attributes), *(part.at for part in paid)]
    until, declared = _observed_until(job, times, raw.name)
    if declared:
        converted, disqualified = _clip(converted, until), _clip(disqualified, until)
    check_clocks(raw, job, order, rows.created, converted, disqualified, sources)
    ends_at = np.minimum(converted, disqualified) if rows.timed else disqualified
    if project.conversion.reopens:
        ends_at = np.full(len(ids), NEVER)
    cut = until if declared else None
    kept = assemble(happened, project.conversion.event, ends_at, cut)
    tables = _tables(rows, tuple(attributes), kept, until)
    since = recorded_from(rows)
    if not rows.timed:
        job.notes.add(
            "leads.converted says that a lead converted, not when: leads are seen as they were "
            "created, and one that converted counts as converted within the horizon"
            + (", so events after creation are no features" if project.events else "")
        )
    outcomes = Outcomes(converted, disqualified, until, since, rows.timed)
    if project.conversion.reopens:
        tables, outcomes = split_lives(rows, tables, outcomes, happened, conversions)
    if project.value.declared:
        payments = keep_payments(paid, tables, outcomes.converted_at, job, until)
        outcomes = replace(outcomes, payments=payments)
    feeds = _feeds(raw.name, tables, outcomes, sources)
    return CrmData(tables, outcomes, tuple(job.notes.lines), feeds, job.notes.left_out)


def _tables(
    leads: LeadsRead, attributes: tuple[Attribute, ...], events: Events, until: int
) -> Tables:
    job, project = leads.job, leads.job.project
    return Tables(
        lead_ids=object_ids(leads.ids),
        created_at=leads.created,
        recorded_at=leads.clocks["recorded_at"] if project.leads.recorded_at else None,
        account=accounts_of(job, leads.raw, leads.order),
        attributes=attributes,
        events=events,
        display=shown_columns(job, leads.raw, leads.order),
        observed_until=until,
        timezone=project.project.timezone,
    )


def read_lead_ids(project: Project, frames: Mapping[str, Given]) -> pa.Array:
    """Read the ids of all leads and nothing else, sorted; InputError as in `read_tables`."""
    job, leads = ReadJob(project, frames), project.leads
    by = [leads.created_at] if leads.repeated and leads.created_at else []
    raw = job.source(leads, "leads", columns=None if leads.id == "#row" else [leads.id, *by])
    return unique_ids(one_row_per_id(raw, job), leads.id, job, cure=_ONE_ROW)[0]


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
        alone = names.count(rows.name) == 1 and rows.name != leads  # a query has a name of its own
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
    known = {"conversion", "value", *(label for label, _ in declared_tables(project))}
    for name in given:
        if name not in known:
            raise InputError(f"frame {name!r} replaces nothing; known: {', '.join(sorted(known))}")


def _attribute_times(attributes: Sequence[Attribute]) -> list[Micros]:
    """List the moments from which values of attributes were known."""
    changed = [each.changes.at for each in attributes if each.changes is not None]
    return changed + [each.known_at for each in attributes if each.known_at is not None]


def _event_times(sources: list[EventRows]) -> list[Micros]:
    """List the clocks of all events."""
    clocks = [rows.at for rows in sources]
    return clocks + [rows.recorded_at for rows in sources if rows.recorded_at is not None]


def _observed_until(job: ReadJob, times: list[Micros], file: str) -> tuple[int, bool]:
    """Find the end of observation: (microseconds, whether it was declared).

    Undeclared it lies one microsecond after the last timestamp, so that all that was read lies
    before it.
    """
    declared = job.project.project.observed_until
    if declared is not None:
        return moment(declared, job.project, "project.observed_until"), True
    return check_future(times, file, job) + 1, False


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
