"""Declared event sources -> one set of event columns, and the moments that end a lead."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.clock import NEVER, Micros
from data.errors import InputError
from data.private import hide_contacts
from data.reading.direction_words import side_of
from data.reading.match_ids import match_leads
from data.reading.payments import PaidRows, event_amounts
from data.reading.read_job import ReadJob
from data.reading.sources import RawTable
from data.reading.values import instants, numbers, texts
from data.schema import Project
from data.schema_tables import EventsSection

Codes = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Coded:
    """A text column as codes into names; -1 where missing."""

    codes: Codes
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventRows:
    """The rows of one source that belong to a known lead and have a type and a time."""

    lead: Codes
    at: Micros
    recorded_at: Micros | None
    type: Coded
    channel: Coded
    campaign: Coded
    person: Coded
    direction: NDArray[np.int8]
    value: NDArray[np.float32]
    section: EventsSection
    name: str
    amount: NDArray[np.int64] | None = None  # of payments, where events are such

    def take(self, rows: NDArray[np.bool_]) -> EventRows:
        """Keep rows by mask."""

        def cut(coded: Coded) -> Coded:
            return Coded(coded.codes[rows], coded.names)

        return EventRows(
            self.lead[rows],
            self.at[rows],
            None if self.recorded_at is None else self.recorded_at[rows],
            cut(self.type),
            cut(self.channel),
            cut(self.campaign),
            cut(self.person),
            self.direction[rows],
            self.value[rows],
            self.section,
            self.name,
            None if self.amount is None else self.amount[rows],
        )


def read_events(
    job: ReadJob, lead_ids: pa.Array, files: tuple[str, ...] | None = None
) -> list[EventRows]:
    """Read every event source; events without lead, time or type are left out and counted."""
    declared = job.project.events
    if files is not None and len(files) != len(declared):
        raise InputError(
            f"{len(files)} event files given, the project file has {len(declared)} sources"
        )
    sources = []
    for i, section in enumerate(declared):
        path = files[i] if files else None
        money = job.project.value
        everything = bool(money.event) and bool(money.amount or money.currency)
        columns = None if everything else columns_of(section)
        raw = job.source(section, f"events.{i}", path=path, columns=columns)
        sources.append(_rows_of(raw, section, job, lead_ids))
    return sources


def columns_of(section: EventsSection) -> list[str]:
    """List the columns that a source is read for."""
    roles = (
        section.lead,
        section.at,
        section.recorded_at,
        *section.type,
        section.channel,
        section.value,
        section.campaign,
        section.person,
        section.direction,
    )
    return [name for name in roles if name and not name.startswith("=")]


def _rows_of(raw: RawTable, section: EventsSection, job: ReadJob, lead_ids: pa.Array) -> EventRows:
    """Turn one raw table into coded columns."""
    missing = job.missing
    lead = match_leads(raw, section.lead, lead_ids, job).astype(np.int32)
    at = instants(raw, section.at, job)
    recorded = section.recorded_at and instants(raw, section.recorded_at, job)
    kinds = _types(raw, section, missing)
    timeless, typeless = (at == NEVER) & (lead >= 0), (kinds.codes < 0) & (lead >= 0)
    for mask, words in ((timeless, "without a time"), (typeless, "without a type")):
        if mask.sum() > 0.5 * len(mask):
            raise raw.mistake(f"{int(mask.sum()):,} events {words}", int(mask.argmax()), section.at)
        if mask.any():
            job.notes.add(f"{raw.name}: {int(mask.sum()):,} events {words} are left out")
    rows = EventRows(
        lead,
        at,
        None if recorded is None else np.where(recorded == NEVER, at, recorded),
        kinds,
        _coded(raw, section.channel, missing),
        _coded(raw, section.campaign, missing),
        _coded(raw, section.person, missing),
        _directions(raw, section, kinds, job),
        _values(raw, section, job.project),
        section,
        raw.name,
        _amounts(raw, section, kinds, job),
    )
    good = (lead >= 0) & (at != NEVER) & (kinds.codes >= 0)
    return rows if good.all() else rows.take(good)


def _coded(raw: RawTable, column: str | None, missing: tuple[str, ...]) -> Coded:
    """Code a text column, or a fixed word "=web", or nothing."""
    if column is None:
        return Coded(np.full(len(raw), -1, np.int32), ())
    if column.startswith("="):
        return Coded(np.zeros(len(raw), np.int32), (column[1:],))
    coded = texts(raw.column(column), missing).combine_chunks().dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    names = hide_contacts(pa.chunked_array([coded.dictionary])).to_pylist()
    if len(set(names)) < len(names):  # two spellings of one address have one hash
        kept = {name: code for code, name in enumerate(dict.fromkeys(names))}
        codes = np.array([*(kept[name] for name in names), -1], np.int32)[codes]
        names = [*kept]
    return Coded(codes, tuple(names))


def _types(raw: RawTable, section: EventsSection, missing: tuple[str, ...]) -> Coded:
    """Join the type columns into one: "W_Call/START"; a missing second part is left out."""
    whole = _coded(raw, section.type[0], missing)
    for column in section.type[1:]:
        part = _coded(raw, column, missing)
        width = len(part.names) + 1
        pairs, codes = np.unique(
            whole.codes.astype(np.int64) * width + part.codes + 1, return_inverse=True
        )
        names = [
            f"{whole.names[pair // width]}/{part.names[pair % width - 1]}"
            if pair % width
            else whole.names[pair // width]
            for pair in pairs
            if pair >= 0
        ]
        codes = (codes - int((pairs < 0).sum())).astype(np.int32)
        whole = Coded(np.where(whole.codes < 0, np.int32(-1), codes), tuple(names))
    if len(whole.names) > 5_000:
        raise InputError(
            f"{len(whole.names):,} event types, at most 5,000",
            file=raw.name,
            column=section.type[0],
            cure="name a column of types, not of ids or texts",
        )
    return whole


def _directions(
    raw: RawTable, section: EventsSection, kinds: Coded, job: ReadJob
) -> NDArray[np.int8]:
    """Tell who acts: 0 the lead, 1 sales, -1 unknown; note the words that mean neither."""
    if section.direction:
        coded = _coded(raw, section.direction, job.missing)
        table = [side_of(name) for name in coded.names]
        odd = [repr(name) for name, side in zip(coded.names, table, strict=True) if side < 0]
        if odd and not job.lenient:
            job.notes.add(
                f"{raw.name}, column {section.direction}: {', '.join(odd[:5])} says neither "
                f'"inbound" nor "outbound": who acted is unknown there; or name the types that '
                "sales does in `outbound`, and leave `direction` out"
            )
    else:
        coded = kinds
        unknown = 0 if section.outbound else -1
        table = [1 if names_type(name, section.outbound) else unknown for name in kinds.names]
    return np.array([*table, -1], dtype=np.int8)[coded.codes]


def _values(raw: RawTable, section: EventsSection, project: Project) -> NDArray[np.float32]:
    """Read the amounts of events, NaN where there are none."""
    if section.value is None:
        return np.full(len(raw), np.nan, np.float32)
    with np.errstate(over="ignore"):
        return numbers(raw, section.value, project).astype(np.float32)


def _amounts(
    raw: RawTable, section: EventsSection, kinds: Coded, job: ReadJob
) -> NDArray[np.int64] | None:
    """Read what was paid with the events of `value.event`; None where there are none."""
    money = job.project.value
    paid = _of_types(kinds, money.event)
    if not paid.any():
        return None
    units = event_amounts(raw, section, paid, job)
    return np.where(_of_types(kinds, money.refund), -np.abs(units), units)


def names_type(name: str, declared: tuple[str, ...]) -> bool:
    """Tell whether a type is declared, whole or by its first part ("A_DECLINED/COMPLETE")."""
    return name in declared or name.partition("/")[0] in declared


def times_of(
    sources: list[EventRows], declared: tuple[str, ...] | None
) -> tuple[NDArray[np.int64], Micros]:
    """List the events of the declared types: (lead, at), (n,) each.

    `declared` None takes each source's own `outcome` types.
    """
    leads, moments = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for rows in sources:
        hit = rows_of_types(rows, rows.section.outcome if declared is None else declared)
        leads.append(rows.lead[hit].astype(np.int64))
        moments.append(rows.at[hit])
    return np.concatenate(leads), np.concatenate(moments)


def first_times(times: tuple[NDArray[np.int64], Micros], n_leads: int) -> Micros:
    """Find the first moment of each lead: (n_leads,), NEVER where there is none."""
    first = np.full(n_leads, NEVER)
    np.minimum.at(first, *times)
    return first


def check_declared_types(sources: list[EventRows], job: ReadJob) -> None:
    """Refuse conversion and reopening events that never happen; note other words without any.

    A conversion that resembles no type may only not have happened yet: it is noted.
    """
    if job.lenient:
        return
    names = sorted({name for rows in sources for name in rows.type.names})
    conversion = job.project.conversion
    declared = [("event", word) for word in conversion.event]
    if conversion.reopens and conversion.reopen != ("any inbound",):
        declared += [("reopen", word) for word in conversion.reopen]
    for key, word in declared:
        if not any(names_type(name, (word,)) for name in names):
            near = difflib.get_close_matches(word, names, 1)
            cure = f"did you mean {near[0]!r}?" if near else f"types: {', '.join(names[:12])}"
            if key == "event" and not near:
                job.notes.add(f"conversion.event: no event has the type {word!r} yet; {cure}")
                continue
            raise InputError(
                f"no event has the type {word!r}", column=f"conversion.{key}", cure=cure
            )
    for word in job.project.value.event:
        if not any(names_type(name, (word,)) for name in names):
            job.notes.add(f"value.event: no event has the type {word!r}")
    for i, rows in enumerate(sources):
        for key in ("outcome", "ignore", "outbound"):
            for word in getattr(rows.section, key):
                if not any(names_type(name, (word,)) for name in rows.type.names):
                    job.notes.add(f"events.{i}.{key}: no event has the type {word!r}")


def rows_of_types(rows: EventRows, declared: tuple[str, ...]) -> NDArray[np.bool_]:
    """Mark the rows of declared types."""
    return _of_types(rows.type, declared)


def _of_types(kinds: Coded, declared: tuple[str, ...]) -> NDArray[np.bool_]:
    hit = np.array([*(names_type(name, declared) for name in kinds.names), False], dtype=bool)
    return hit[kinds.codes]


def part_payments(sources: list[EventRows], job: ReadJob) -> tuple[list[EventRows], list[PaidRows]]:
    """Take payments out of the events: (what else happened, what was paid).

    A conversion that has an amount stays among the events as well.
    """
    kept, paid = [], []
    for rows in sources:
        hit = rows_of_types(rows, job.project.value.event)
        if rows.amount is None or not hit.any():
            kept.append(rows)
            continue
        money = rows.take(hit)
        assert money.amount is not None
        lead = money.lead.astype(np.int64)
        paid.append(PaidRows(lead, money.at, money.recorded_at, money.amount))
        kept.append(rows.take(~hit | rows_of_types(rows, job.project.conversion.event)))
    return kept, paid
