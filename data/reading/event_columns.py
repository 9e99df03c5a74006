"""Declared event sources -> one set of event columns, and the moments that end a lead."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.clock import NEVER, Micros
from data.errors import InputError
from data.reading.payments import PaidRows
from data.reading.read_job import ReadJob
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

    @property
    def known_at(self) -> Micros:
        """When each came into the system; as it happened, where there is no second clock."""
        return self.at if self.recorded_at is None else self.recorded_at

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
    return of_types(rows.type, declared)


def of_types(kinds: Coded, declared: tuple[str, ...]) -> NDArray[np.bool_]:
    """Mark the rows of declared types among codes."""
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
