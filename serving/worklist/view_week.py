"""The week as the report shows it: whom to call, what that brings, whose score moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from serving.worklist.view_parts import Band, Cause, Interval, ShownChangeLine

NOTHING: Final = Interval(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class OwnerWeek:
    """One owner's share of the week: leads to call, opportunities expected from them and others."""

    owner: str
    open_leads: int
    calls: int
    expected: Interval
    left_behind: Interval = NOTHING


@dataclass(frozen=True, slots=True)
class MissedFollowUp:
    """A high score without a sales touch: days since the last one, or since creation if none."""

    lead_id: str
    days: int
    touched: bool


@dataclass(frozen=True, slots=True)
class TouchSpeed:
    """Speed to first touch over recent leads: hours, shares 0 to 1, conversion by speed.

    `by_speed`: (upper limit in hours or None for later, leads, conversion rate).
    """

    leads: int
    median_hours: float | None
    within_day: float
    untouched: int
    by_speed: tuple[tuple[float | None, int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One band: its open leads, how many sales touched lately, its share of leads and touches."""

    band: Band
    leads: int
    contacted: Interval
    share_of_leads: float
    share_of_touches: float


@dataclass(frozen=True, slots=True)
class PlanPoint:
    """One capacity and what it brings: the what-if under the call list.

    `money` is the sum of chance times amount, None where amounts are not known of all; `profit`
    is that without the cost of the contacts, None where no cost is given.
    """

    calls: int
    cut_off: int
    expected: float
    low: float
    high: float
    profit: float | None = None
    money: Interval | None = None


@dataclass(frozen=True, slots=True)
class WeekPage:
    """Whom to call: `calls` are lead ids in calling order, at most `capacity`."""

    capacity: int
    cut_off: int | None
    calls: tuple[str, ...]
    expected: Interval
    left_behind: Interval
    newest_first: float | None = None  # expected opportunities from as many newest leads
    owners: tuple[OwnerWeek, ...] = ()
    missed: tuple[MissedFollowUp, ...] = ()
    missed_days: int = 7
    speed: TouchSpeed | None = None
    plan: tuple[PlanPoint, ...] = ()
    contacts: tuple[ContactRow, ...] = ()  # who is contacted, best band first
    contact_days: int = 30
    touches_known: bool = True  # False: no event says that sales acted
    plan_by_value: tuple[PlanPoint, ...] = ()
    plan_by_urgency: tuple[PlanPoint, ...] = ()
    best_calls: int | None = None  # calls by value after which profit falls
    best_profit: float | None = None
    cost_per_contact: float | None = None
    own: bool = False  # planned among the leads of one owner, or of some
    per_owner: int | None = None  # calls a week of one owner; None: as many as of the team
    narrowed: bool = False  # figures and calls are those of some leads that a filter lists
    shock: tuple[tuple[float, float], ...] = ()
    """How far all leads may move together: standard deviations, each with its weight."""


@dataclass(frozen=True, slots=True)
class Mover:
    """A lead whose score moved, mostly by `cause`; the lines add up to new - old."""

    lead_id: str
    old: int
    new: int
    lines: tuple[ShownChangeLine, ...]
    cause: Cause = "intent"
    old_band: Band | None = None
    band: Band | None = None

    @property
    def crossed(self) -> bool:
        """Tell whether the lead changed its band."""
        return self.old_band != self.band


MOST_MOVERS: Final = 60
"""Rises that a page lists, and falls; the night finds the largest ten of each owner."""


@dataclass(frozen=True, slots=True)
class MoversPage:
    """The largest rises and falls since `since` (ISO UTC), `days` days ago."""

    since: str
    rises: tuple[Mover, ...]
    falls: tuple[Mover, ...]
    unchanged: int = 0
    days: int = 7
    moved: int = 0  # leads whose score is another than then
