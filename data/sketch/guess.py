"""Files without a project file -> which one holds leads, what became of them, what the rest is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa

from data.clock import DAY, NEVER, Micros, read_times
from data.reading.review import guess_of
from data.sketch.looks import ColumnLook, FileLook
from data.sketch.outcomes import DateOutcome, LeadOutcome, StageOutcome, lead_outcomes
from data.sketch.payment_looks import (
    PaidEvents,
    PaymentTable,
    find_paid_events,
    find_payments,
)
from data.sketch.table_links import (
    child_time,
    event_type,
    find_events_alone,
    find_key,
    find_leads,
    is_deals,
    is_serial,
    lead_column,
    named,
    row_ids,
)
from data.sketch.vocabulary import (
    CHANGED_NAME,
    CLOSED_NAME,
    CONVERSION_TYPES,
    CREATED_NAME,
    FIELD_NAME,
    KNOWN_ENDINGS,
    NEW_NAME,
    OLD_NAME,
    OTHERS_NAME,
    meaning_of,
    speaks_of,
)

_FEW: Final = 0.4
"""Share of rows that must have a date for it to be a time of creation."""
_TOLD: Final = 4.0
"""Points from which something but a payment says who converted."""
_NEARLY_EVERY: Final = 0.9


@dataclass(frozen=True, slots=True)
class HistoryLook:
    """A file of changes to the fields of leads, and its columns."""

    file: FileLook
    lead: ColumnLook
    field: ColumnLook
    old: ColumnLook
    new: ColumnLook
    at: ColumnLook

    @property
    def fields(self) -> set[str]:
        """Name the fields whose value at any moment can be replayed."""
        return {str(name) for name in self.field.values.to_pylist()}


@dataclass(frozen=True, slots=True)
class TableOutcome:
    """A table of opportunities or purchases: the first row of a lead is its conversion."""

    file: FileLook
    lead: ColumnLook
    at: ColumnLook
    points: float
    reason: str
    stage: ColumnLook | None = None
    won: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name the choice for a person."""
        rows = f" with {self.stage.name} = {self.won[0]!r}" if self.stage else ""
        return f"the first row of {self.file.path.name}{rows}"


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """An event of a type."""

    file: FileLook
    word: str
    points: float
    reason: str

    @property
    def label(self) -> str:
        """Name the choice for a person."""
        return f"the event {self.word!r} of {self.file.path.name}"


Outcome = LeadOutcome | TableOutcome | EventOutcome


@dataclass(frozen=True, slots=True)
class ExportGuess:
    """What each file seems to hold; without a time of creation the project is static.

    `outcomes` holds what may be the conversion, the surest first; `alone` tells that the leads are
    the first events of a log. `payments` are tables, and `paid` types of events, of what customers
    paid.
    """

    folder: Path
    leads: FileLook
    ids: ColumnLook
    created: tuple[ColumnLook, ...]
    outcomes: tuple[Outcome, ...]
    histories: tuple[HistoryLook, ...]
    joins: tuple[tuple[FileLook, ColumnLook, ColumnLook], ...]
    events: tuple[FileLook, ...]
    deals: tuple[FileLook, ...]
    unknown: tuple[FileLook, ...]
    alone: bool = False
    payments: tuple[PaymentTable, ...] = ()
    paid: tuple[PaidEvents, ...] = ()

    @property
    def repeated(self) -> int:
        """Count the rows that repeat an id."""
        if self.ids.name == "#row":
            return 0
        return round(self.ids.filled * self.leads.rows) - self.ids.distinct


def guess_export(looks: list[FileLook], folder: Path) -> ExportGuess:
    """Guess what each file holds."""
    alone = find_events_alone(looks)
    leads, ids = alone or find_leads(looks) or row_ids(looks)
    others = [look for look in looks if look is not leads]
    histories = [h for look in others if (h := find_history(look, leads, ids))]
    others = [look for look in others if all(look is not history.file for history in histories)]
    about_leads = [look for look in others if lead_column(look, ids)]
    dated = [look for look in about_leads if look.of_kind("time")]
    joins, unknown = [], []
    for look in (look for look in others if look not in dated):
        keys = find_key(look, leads, ids)
        joins.append((look, *keys)) if keys else unknown.append(look)
    found: list[Outcome] = [] if alone else list(lead_outcomes(leads))
    payments = [table for look in dated if (table := find_payments(look, ids))]
    bills = [table.file for table in payments]
    others = [look for look in dated if look not in bills]
    deals = [look for look in others if is_deals(look, ids)]
    events = [look for look in others if look not in deals]
    if alone:
        unknown += events
        events = [leads]
    for look in deals:
        found += table_outcomes(look, ids)
    for look in events:
        found += event_outcomes(look, ids)
    if not any(outcome.points >= _TOLD for outcome in found):  # then the first payment is it
        for look in bills:
            found += table_outcomes(look, ids)
    outcomes = tuple(sorted(found, key=lambda outcome: -outcome.points))
    first = outcomes[0] if outcomes else None
    taken = first.columns if isinstance(first, DateOutcome | StageOutcome) else set()
    created = find_created(leads, taken)
    entered = created[0] if created else None
    outcomes = tuple(
        o for o in outcomes if not (isinstance(o, DateOutcome) and o.column is entered)
    )
    return ExportGuess(
        folder=folder,
        leads=leads,
        ids=ids,
        created=created,
        outcomes=outcomes,
        histories=tuple(histories) if created else (),
        joins=tuple(joins),
        events=tuple(events),
        deals=tuple(deals),
        unknown=tuple(unknown),
        alone=alone is not None,
        payments=tuple(payments),
        paid=tuple(paid for look in events if (paid := find_paid_events(look, ids))),
    )


def find_created(leads: FileLook, taken: set[str]) -> tuple[ColumnLook, ...]:
    """List what may be the time of creation, the likeliest first: by name, order and fill."""
    times = [c for c in leads.of_kind("time") if c.filled >= _FEW and c.name not in taken]
    at = {c.name: c.times() for c in leads.of_kind("time")}

    def points(column: ColumnLook) -> float:
        mine, total = at[column.name], column.filled
        total += 2.0 * speaks_of(column.name, CREATED_NAME)
        total -= 3.0 * speaks_of(column.name, CHANGED_NAME)
        total -= 2.0 * speaks_of(column.name, CLOSED_NAME)
        total -= 1.5 * speaks_of(column.name, OTHERS_NAME)
        return total + 1.0 * all(_not_after(mine, other) for other in at.values())

    ranked = sorted(times, key=lambda column: -points(column))
    return tuple(column for column in ranked if points(column) > 0)


def _not_after(first: Micros, second: Micros) -> bool:
    """Tell whether the first of two moments is not the later one, in nearly all rows."""
    both = (first != NEVER) & (second != NEVER)
    return not both.any() or float((first <= second)[both].mean()) >= 0.9


def table_outcomes(look: FileLook, ids: ColumnLook) -> list[Outcome]:
    """Take a table of opportunities: being in it is the outcome, or being won in it."""
    lead, at = lead_column(look, ids), child_time(look)
    assert lead is not None
    reason = f"{lead.distinct:,} leads are in it"
    found: list[Outcome] = [TableOutcome(look, lead, at, 8.8, reason)]
    for outcome in lead_outcomes(look):
        if isinstance(outcome, StageOutcome) and outcome.points > 6:
            when = outcome.closed or at
            share = f"{float(outcome.rows().mean()):.0%} of its rows"
            found.append(TableOutcome(look, lead, when, 8.0, share, outcome.column, outcome.won))
            break
    return found


def event_outcomes(look: FileLook, ids: ColumnLook) -> list[Outcome]:
    """List the types of events that may be the conversion, the likeliest first."""
    kind = event_type(look, ids)
    if kind is None:
        return []
    found: list[Outcome] = []
    ends = [w for w in kind.words() if meaning_of(w)[0] == "lost"]
    begins = _first_event(look, ids, kind)
    for place, word in enumerate(w for w in kind.words() if w not in ends):
        text, points, reason = word.lower(), 0.9 - 0.001 * place, "no name tells a conversion"
        if word == begins:
            found.append(EventOutcome(look, word, 0.5, "nearly every lead begins with it"))
            continue
        for sure, pattern in zip((8.6, 8.1, 6.1), CONVERSION_TYPES, strict=True):
            if re.search(pattern, text):
                points, reason = sure - 0.001 * place, "its name speaks of a conversion"
                break
        found.append(EventOutcome(look, word, points, reason))
    return found


def _first_event(look: FileLook, ids: ColumnLook, kind: ColumnLook) -> str | None:
    """Find the type of event with which nearly every lead of the file begins, if there is one."""
    lead = lead_column(look, ids)
    if lead is None:
        return None
    at = child_time(look).times()
    rows = pd.DataFrame({"lead": lead.texts(), "at": at, "type": kind.texts()})
    first = rows.sort_values("at", kind="stable").groupby("lead")["type"].first()
    shares = first.value_counts(normalize=True)
    return str(shares.index[0]) if len(shares) and shares.iloc[0] >= _NEARLY_EVERY else None


def guess_column(column: ColumnLook, look: FileLook) -> str:
    """Guess what a column is, from its name and from how it is filled."""
    guess = guess_of(column.name)[0]
    if guess != "fixed":
        return guess
    if is_serial(column):
        return "serial number"
    if column.filled < 0.5:
        return f"filled later, as only {column.filled:.0%} of the rows have it"
    unlike = column.kind == "text" and column.distinct > 0.9 * column.filled * look.rows > 20
    return "identity" if unlike else guess


def span_of(created: ColumnLook) -> float:
    """Measure in days how long leads were created."""
    column = pa.chunked_array([created.values])
    at = read_times(column, date_format=created.date_format).at
    known = at[at != NEVER]
    return (int(known.max()) - int(known.min())) / DAY if len(known) else 0.0


def find_history(look: FileLook, leads: FileLook, ids: ColumnLook) -> HistoryLook | None:
    """Read a file as a history of fields: a lead, a field, old, new and a time.

    Fields are told by name, or as all are columns of the leads; old and new by name, or as the
    only other columns, of which some words are the same.
    """
    lead, times = lead_column(look, ids), look.of_kind("time")
    rest = [c for c in look.columns.values() if c is not lead and c.kind not in ("time", "empty")]
    of_leads = (c for c in rest if c.kind == "text" and set(c.words()) <= set(leads.columns))
    field = named(rest, FIELD_NAME) or next(of_leads, None)
    sides = [c for c in rest if c is not field]
    old, new = named(sides, OLD_NAME), named(sides, NEW_NAME)
    if not (old and new) and len(sides) == 2 and set(sides[0].words()) & set(sides[1].words()):
        old, new = sides
    if field and old and new and old is not new and lead and times:
        return HistoryLook(look, lead, field, old, new, times[0])
    return None


def find_dated(leads: FileLook, taken: set[str]) -> dict[str, str]:
    """Find columns that another column dates: budget and budget_known_at."""
    times = {c.name.lower(): c.name for c in leads.of_kind("time") if c.name not in taken}
    pairs = {}
    for column in leads.of_kind("text", "number", "flag"):
        for ending in KNOWN_ENDINGS:
            clock = times.get(column.name.lower() + ending)
            if clock and column.name not in taken:
                pairs[column.name] = clock
    return pairs
