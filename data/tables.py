"""What is read from a CRM, as columns: leads, attributes and when they were known, events.

`Tables` holds what may become a feature; `Outcomes` holds what became of the leads. They are read
together and kept apart, so that nothing which builds features can reach a label.
Row i of every per-lead array is lead i; leads are sorted by id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import Micros
from data.ragged import Ragged

Kind = Literal["number", "category"]
Family = Literal["fit", "engagement", "qualification", "context"]
"""The family of reasons to which an attribute or a feature belongs."""

INBOUND: Final = 0
"""The direction of what the lead does."""
OUTBOUND: Final = 1
"""The direction of what sales does."""


@dataclass(frozen=True, slots=True)
class Changes(Ragged):
    """Field history of one attribute: one row per change.

    `old` and `new` are float64 for numbers, object (str or None) for categories.
    """

    old: NDArray[np.generic]
    new: NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One declared column of leads or of a joined table, with the clock that makes it a feature.

    Exactly one of three holds: fixed at creation (`known_at` and `changes` are None), dated
    (`known_at`: int64 microseconds, NEVER where unknown), or replayed from `changes`.
    `values` is float64 (NaN missing) for numbers, object (str or None) for categories. Those that
    no feature reads are there for rules.
    """

    name: str
    kind: Kind
    values: NDArray[np.generic]
    known_at: Micros | None = None
    changes: Changes | None = None
    family: Family = "fit"

    def take(self, leads: NDArray[np.int64]) -> Attribute:
        """Take leads in this order."""
        return replace(
            self,
            values=self.values[leads],
            known_at=None if self.known_at is None else self.known_at[leads],
            changes=None if self.changes is None else self.changes.take(leads),
        )


@dataclass(frozen=True, slots=True)
class Events(Ragged):
    """All event sources as one set of columns, one row per event, ties in source order.

    Codes index the `…_names`; -1 means none. `direction` is INBOUND, OUTBOUND or -1 where it is
    not known. `recorded_at` is None where no source has a second clock, else it equals `at` for
    events of sources without one.
    """

    recorded_at: Micros | None
    type: NDArray[np.int16]
    channel: NDArray[np.int16]
    campaign: NDArray[np.int32]
    person: NDArray[np.int32]
    direction: NDArray[np.int8]
    value: NDArray[np.float32]
    type_names: tuple[str, ...]
    channel_names: tuple[str, ...]
    campaign_names: tuple[str, ...]
    person_names: tuple[str, ...]

    @property
    def second_clock(self) -> Micros | None:
        """When each event was recorded, where a source says so: (n_events,)."""
        return self.recorded_at


@dataclass(frozen=True, slots=True)
class Payments(Ragged):
    """What customers paid from their conversion on, one row per payment.

    `amount` counts ten-thousandths of the currency, so that sums are exact; what was paid back is
    negative.
    """

    recorded_at: Micros | None
    amount: NDArray[np.int64]

    @property
    def second_clock(self) -> Micros | None:
        """When each payment was recorded, where the source says so: (n_payments,)."""
        return self.recorded_at

    def totals(self) -> NDArray[np.int64]:
        """Add up the amounts of each lead: (n_leads,)."""
        before = np.concatenate([[0], np.cumsum(self.amount)])
        return np.asarray(np.diff(before[self.offsets]), np.int64)


@dataclass(frozen=True, slots=True)
class Episodes:
    """Which episode of which lead each row of the tables is, where closed leads come back.

    An episode opens with the lead or with an event after its close; rows of one lead stand
    together, oldest first. Every array is (n_rows,). `closes_from` is since when closes
    are known: how often a lead from before it was closed, nobody can say.
    """

    lead: NDArray[np.int64]  # the same code for all episodes of a lead
    number: NDArray[np.int64]  # 1 for the first
    conversions: NDArray[np.int64]  # of the episodes before
    closed_at: Micros  # when the episode before ended; NEVER in the first
    reason: NDArray[np.object_]  # the event that closed it, None where that is not known
    began_at: Micros  # when the lead's first episode opened
    opened_by: NDArray[np.object_]  # the event that opened it, None in the first
    closes_from: int

    def take(self, rows: NDArray[np.generic]) -> Episodes:
        """Take rows in this order."""
        return replace(self, **{name: getattr(self, name)[rows] for name in self.columns()})

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Name the fields that are arrays."""
        return tuple(each.name for each in fields(cls) if each.name != "closes_from")


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything that may be known of the leads, without any label.

    `created_at` is None in static mode. `account` holds codes, -1 for none. `display` holds what
    a report shows and no feature reads: name, owner, channel, email, title, value, where declared
    (object columns, `value` float64), one row per lead. `order` ranks the leads in time where
    static mode declares an order, 0 the oldest. Where closed leads can come back (`episodes`), a
    row is one episode of a lead: it is created when the episode opens, has the events of the whole
    life up to its own end, and shares its id with the lead's other rows.
    """

    lead_ids: NDArray[np.object_]
    created_at: Micros | None
    recorded_at: Micros | None
    account: NDArray[np.int64]
    attributes: tuple[Attribute, ...]
    events: Events
    display: pd.DataFrame
    observed_until: int
    timezone: str = "UTC"
    order: NDArray[np.int64] | None = None
    episodes: Episodes | None = None

    def __len__(self) -> int:
        """Count the leads; with episodes, the episodes."""
        return len(self.lead_ids)

    @property
    def lead(self) -> NDArray[np.int64]:
        """The lead of each row: (n_rows,) codes."""
        return np.arange(len(self)) if self.episodes is None else self.episodes.lead

    @property
    def episode(self) -> NDArray[np.int64]:
        """Number the episode of each row, 1 for the first: (n_rows,)."""
        return np.ones(len(self), np.int64) if self.episodes is None else self.episodes.number

    def back_between(self, since: int, until: int) -> set[str]:
        """Name the leads that came back after `since`, at `until` or before."""
        if self.episodes is None or self.created_at is None:
            return set()
        back = (self.created_at > since) & (self.created_at <= until) & (self.episode > 1)
        return set(self.lead_ids[back].tolist())

    @property
    def groups(self) -> NDArray[np.int64]:
        """What belongs together: the account of each row or, without one, its lead: (n_rows,)."""
        return np.where(self.account >= 0, self.account + len(self), self.lead)

    def row_of(self, lead_id: str, as_of: int) -> int | None:
        """Find the row of a lead, its newest episode open at as_of or before; None: no such lead.

        A lead whose first episode opens later has that one.
        """
        rows = self.rows_of([lead_id]).get(lead_id)
        return None if rows is None else self.open_at(rows, as_of)

    def rows_of(self, lead_ids: Iterable[str]) -> dict[str, list[int]]:
        """Find the rows of some leads in one pass, those of a lead in the order of its episodes."""
        found: dict[str, list[int]] = {}
        for row in np.flatnonzero(pd.Series(self.lead_ids).isin(set(lead_ids))).tolist():
            found.setdefault(str(self.lead_ids[row]), []).append(row)
        return found

    def open_at(self, rows: Sequence[int], as_of: int) -> int:
        """Choose among the rows of one lead its newest episode open at as_of or before."""
        if len(rows) < 2 or self.created_at is None:
            return rows[0]
        return rows[max(int((self.created_at[list(rows)] <= as_of).sum()) - 1, 0)]

    def attribute(self, name: str) -> Attribute:
        """Find an attribute by name; KeyError where there is none."""
        for attribute in self.attributes:
            if attribute.name == name:
                return attribute
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of each lead: microseconds, NEVER where it did not happen.

    Where a flag says that a lead converted and nothing says when, `timed` is False: `converted_at`
    is then the lead's creation, in static mode 0. In static mode no disqualification is known;
    `settled` says that the flag is known of every lead, so that the others did not convert.
    `payments` holds what each lead paid from its conversion on; None where [value] does not say it.
    """

    converted_at: Micros
    disqualified_at: Micros
    observed_until: int
    recorded_from: int | None = None
    timed: bool = True
    settled: bool = False
    payments: Payments | None = None


@dataclass(frozen=True, slots=True)
class Snapshots:
    """(lead row, as_of) pairs: the rows of every feature matrix, sorted by (lead, as_of)."""

    lead: NDArray[np.int64]
    as_of: Micros

    def __len__(self) -> int:
        """Count the snapshots."""
        return len(self.lead)

    def take(self, rows: NDArray[np.generic]) -> Snapshots:
        """Pick rows by position or mask."""
        return Snapshots(self.lead[rows], self.as_of[rows])


@dataclass(frozen=True, slots=True)
class LabelledSnapshots:
    """Mature snapshots with their labels; `closes_at` is when the label window closed."""

    snapshots: Snapshots
    y: NDArray[np.int8]
    closes_at: Micros
    order: NDArray[np.int64]  # position in time (as_of, or the declared order in static mode)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.y)

    def take(self, rows: NDArray[np.generic]) -> LabelledSnapshots:
        """Pick rows by position or mask."""
        return LabelledSnapshots(
            self.snapshots.take(rows), self.y[rows], self.closes_at[rows], self.order[rows]
        )
