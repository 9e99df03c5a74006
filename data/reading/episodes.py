"""Closed leads that come back: rows of leads -> one row for each episode of a lead.

An episode opens with the lead, or with the first event of `conversion.reopen` that comes `quiet` or
longer after the close of the episode before. It ends at the first conversion or disqualification
from then on. What opens or closes counts from when it was recorded: nobody knew it before. An event
at the very moment of a conversion opens nothing, and after a conversion nothing does, unless
`repeat`. A conversion belongs to the episode it falls in; between two episodes, to none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from data.clock import NEVER, Micros, show
from data.delay import detect_truncation
from data.ragged import Ragged
from data.reading.event_columns import EventRows, rows_of_types
from data.schema_tables import ConversionSection
from data.tables import INBOUND, Episodes, Outcomes, Tables

Ints = NDArray[np.int64]
Dated = tuple[Ints, Micros, NDArray[np.object_]]
"""Leads, when something became known of them, and the event type that says so: (n,) each."""

CONVERTED: Final = "converted"
BEGINNING: Final = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Moments(Ragged):
    """When one kind of thing became known of each lead, and the event that says so."""

    event: NDArray[np.object_]

    @classmethod
    def of(cls, parts: list[Dated], n_leads: int, until: int) -> Moments:
        """Sort what was known before `until` by lead and time."""
        lead, at, event = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        rows = np.lexsort((at, lead))
        rows = rows[at[rows] < until]
        counts = np.bincount(lead[rows], minlength=n_leads)
        return cls(np.concatenate([[0], np.cumsum(counts)]), at[rows], event[rows])

    def first(self, lead: Ints, since: Micros) -> tuple[Micros, NDArray[np.object_]]:
        """Find the first of each lead at or after its `since`: (n,) moments, NEVER; (n,) events."""
        row = self.offsets[lead] + self.count_before(lead, since)
        at, event = np.full(len(lead), NEVER), _unnamed(len(lead))
        found = row < self.offsets[lead + 1]
        at[found], event[found] = self.at[row[found]], self.event[row[found]]
        return at, event


@dataclass(frozen=True, slots=True)
class LeadLives:
    """Everything that closes, converts or reopens the leads of a project."""

    closes: Moments
    conversions: Moments
    openers: Moments


def read_lives(
    conversion: ConversionSection,
    sources: list[EventRows],
    disqualified_at: Micros,
    converted: tuple[Ints, Micros],
    until: int,
) -> LeadLives:
    """Collect the moments from events, from the leads' own columns and from opportunities.

    `converted` lists every conversion, (lead, at); what was known from `until` on is left out.
    """
    n = len(disqualified_at)
    column = np.flatnonzero(disqualified_at != NEVER)
    closes = [_dated(rows, rows_of_types(rows, rows.section.outcome)) for rows in sources]
    closes.append((column, disqualified_at[column], _unnamed(len(column))))
    lead, at = converted
    openers = [_dated(rows, _opening(rows, conversion)) for rows in sources]
    conversions = Moments.of([(lead, at, _unnamed(len(lead)))], n, until)
    opening = Moments.of(openers or [(lead[:0], at[:0], _unnamed(0))], n, until)
    apart = conversions.first(opening.lead, opening.at)[0] != opening.at
    return LeadLives(Moments.of(closes, n, until), conversions, opening.keep(apart))


def _opening(rows: EventRows, conversion: ConversionSection) -> NDArray[np.bool_]:
    """Mark the events that bring a closed lead back; what ends one never does."""
    ends = rows_of_types(rows, (*conversion.event, *rows.section.outcome))
    if conversion.reopen == ("any inbound",):
        opens: NDArray[np.bool_] = rows.direction == INBOUND
    else:
        opens = rows_of_types(rows, conversion.reopen)
    return opens & ~ends


def _dated(rows: EventRows, which: NDArray[np.bool_]) -> Dated:
    known = rows.at if rows.recorded_at is None else np.maximum(rows.at, rows.recorded_at)
    names = np.array([*rows.type.names, None], object)
    return rows.lead[which].astype(np.int64), known[which], names[rows.type.codes[which]]


def _unnamed(n: int) -> NDArray[np.object_]:
    return np.full(n, None, object)


@dataclass(frozen=True, slots=True)
class _Round:
    """The first, second, … episodes of the leads that have one, and their ends: (n,) each.

    Of conversion and disqualification the later one is NEVER; `closed_by` is the event that
    disqualified.
    """

    episodes: Episodes
    opened_at: Micros
    converted_at: Micros
    disqualified_at: Micros
    closed_by: NDArray[np.object_]


def split_episodes(
    tables: Tables,
    outcomes: Outcomes,
    lives: LeadLives,
    rule: ConversionSection,
    closes_from: int | None,
) -> tuple[Tables, Outcomes]:
    """Make one row of each episode; `tables` hold all events of every lead, whatever ended it.

    `closes_from` is since when closes are recorded, where the project file says so.
    """
    assert tables.created_at is not None  # the schema refuses reopen in static mode
    n, created = len(tables), tables.created_at
    nothing = np.zeros(n, np.int64)
    first = Episodes(
        np.arange(n),
        np.ones(n, np.int64),
        nothing,
        np.full(n, NEVER),
        _unnamed(n),
        created,
        _unnamed(n),
        _closes_from(tables, outcomes, lives, closes_from),
    )
    rounds = [_ended(first, created, np.full(n, BEGINNING), lives)]
    while len((last := _reopened(rounds[-1], lives, rule)).opened_at):
        rounds.append(last)
    lead, number, opened, won, lost = (
        np.concatenate(columns)
        for columns in zip(
            *(
                (r.episodes.lead, r.episodes.number, r.opened_at, r.converted_at, r.disqualified_at)
                for r in rounds
            ),
            strict=True,
        )
    )
    order = np.lexsort((number, lead))
    row = lead[order]
    events = tables.events.take(row)
    ends_at = np.minimum(won, lost)[order]
    split = replace(
        tables,
        lead_ids=tables.lead_ids[row],
        created_at=opened[order],
        recorded_at=None
        if tables.recorded_at is None
        else np.maximum(tables.recorded_at[row], opened[order]),
        account=tables.account[row],
        attributes=tuple(attribute.take(row) for attribute in tables.attributes),
        events=events.keep(events.at < ends_at[events.lead]),
        display=tables.display.iloc[row].reset_index(drop=True),
        episodes=_joined([each.episodes for each in rounds]).take(order),
    )
    return split, replace(outcomes, converted_at=won[order], disqualified_at=lost[order])


def _closes_from(tables: Tables, outcomes: Outcomes, lives: LeadLives, declared: int | None) -> int:
    """Find since when closes are known: as declared, or as the older leads without any show."""
    created = tables.created_at
    assert created is not None
    if declared is not None:
        return declared
    first, _ = lives.closes.first(np.arange(len(tables)), np.full(len(tables), BEGINNING))
    late = detect_truncation(
        created, replace(outcomes, converted_at=first, disqualified_at=outcomes.converted_at)
    )
    return int(created.min()) if late is None else late.recorded_from


def _ended(episodes: Episodes, opened_at: Micros, since: Micros, lives: LeadLives) -> _Round:
    """End episodes by what comes first from `since` on, a conversion before a close."""
    won, _ = lives.conversions.first(episodes.lead, since)
    lost, event = lives.closes.first(episodes.lead, since)
    return _Round(
        episodes,
        opened_at,
        np.where(won <= lost, won, NEVER),
        np.where(lost < won, lost, NEVER),
        event,
    )


def _reopened(ended: _Round, lives: LeadLives, rule: ConversionSection) -> _Round:
    """Open the next episode of the leads that come back."""
    lead = ended.episodes.lead
    end = np.minimum(ended.converted_at, ended.disqualified_at)
    opens, opener = lives.openers.first(
        lead, np.where(end == NEVER, NEVER, end + max(rule.quiet, 1))
    )
    back = opens != NEVER
    if not rule.repeat:
        back &= opens < lives.conversions.first(lead, np.full(len(lead), BEGINNING))[0]
    converted = ended.converted_at != NEVER
    past = Episodes(
        lead,
        ended.episodes.number + 1,
        lives.conversions.count_before(lead, opens),
        end,
        np.where(converted, np.array(CONVERTED, object), ended.closed_by),
        ended.episodes.began_at,
        opener,
        ended.episodes.closes_from,
    ).take(back)
    return _ended(past, opens[back], opens[back], lives)


def _joined(parts: list[Episodes]) -> Episodes:
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in Episodes.columns()
    }
    return replace(parts[0], **columns)


def say_returns(tables: Tables, outcomes: Outcomes, lives: LeadLives) -> Iterator[str]:
    """Say how many leads come back, and which conversions belong to no episode."""
    assert tables.episodes is not None  # they were split
    lead, again = tables.episodes.lead, tables.episodes.number > 1
    yield (
        f"{len(np.unique(lead[again])):,} of {lead.max(initial=-1) + 1:,} leads came back after "
        f"they were closed, {int(again.sum()):,} times in all: each time is an episode of its own"
    )
    since = tables.episodes.closes_from
    old = np.unique(lead[tables.episodes.began_at < since])
    if len(old):
        yield (
            f"closes are known from {show(since)[:10]} on: whether {len(old):,} leads from before "
            "were closed earlier is missing in their features, not 0"
        )
    counted = np.isin(lives.conversions.lead, lead[outcomes.converted_at != NEVER])
    if lost := len(np.unique(lives.conversions.lead[~counted])):
        yield (
            f"{lost:,} leads converted after they were closed without an event of "
            "conversion.reopen before it: these conversions belong to no episode and are not "
            "counted"
        )
