"""The leads of some owners -> whom they call this week: what a rep's page and file both say.

Nothing in it comes from other owners' leads: who sees only own leads learns nothing of the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np

from serving.figures.capacity import capacities_of, expect_count
from serving.figures.counts import Shock, learn_shock
from serving.worklist.view_lead import ReportLead
from serving.worklist.view_parts import Interval
from serving.worklist.view_week import MissedFollowUp, OwnerWeek, PlanPoint, WeekPage

MOST_WEEKS: Final = 100
"""Weeks that a process keeps: one of each rep, and again when something of his was answered."""


class OwnLead(NamedTuple):
    """A lead to work; without chances and a score where the score is held back.

    `counted` is its chance among those that are not called (ReportInput.counted).
    """

    lead_id: str
    owner: str
    probability: float | None
    counted: float | None
    score: int | None
    quiet_days: int | None
    touched: bool


def own_lead(lead: ReportLead, as_of: str) -> OwnLead:
    """Take from a line of the list what a plan needs; `as_of` is the list's, ISO 8601."""
    return OwnLead(
        lead.lead_id,
        lead.owner,
        lead.probability,
        lead.counted,
        lead.score,
        quiet_days(lead, as_of),
        lead.last_touch_at is not None,
    )


def quiet_days(lead: ReportLead, as_of: str) -> int | None:
    """Count the whole days since sales touched the lead, or since it came."""
    since = lead.last_touch_at or lead.created_at
    if since is None:
        return None
    return (datetime.fromisoformat(as_of) - datetime.fromisoformat(since)).days


def own_week(week: WeekPage, leads: Sequence[OwnLead], open_leads: Mapping[str, int]) -> WeekPage:
    """Plan the calls among these leads, which stand in the order of the list.

    `week` is the company's, for what holds for everybody; `open_leads` counts by owner, leads
    that a rule or an answer takes off the list among them.
    """
    capacity = week.capacity
    if week.per_owner is not None:
        capacity = week.per_owner * max(len(open_leads), 1)
    shock = shock_of(week)
    called, left = leads[:capacity], leads[capacity:]
    scores = [lead.score for lead in called if lead.score is not None]
    cut = scores[-1] if scores else None
    of_owner = Counter(lead.owner for lead in called)
    return replace(
        week,
        own=True,
        capacity=capacity,
        calls=tuple(lead.lead_id for lead in called),
        cut_off=cut,
        expected=_expected(called, shock),
        left_behind=_left(left, shock),
        missed=_missed(week, leads, cut) if week.touches_known else (),
        owners=tuple(
            OwnerWeek(
                owner,
                open_leads[owner],
                of_owner[owner],
                _expected([lead for lead in called if lead.owner == owner], shock),
                _left([lead for lead in left if lead.owner == owner], shock),
            )
            for owner in sorted(open_leads)
        ),
        newest_first=None,
        speed=None,
        plan=_plan(leads, capacity, shock) if capacity else (),
        plan_by_value=(),
        plan_by_urgency=(),
        best_calls=None,
        best_profit=None,
        contacts=(),
    )


def shock_of(week: WeekPage) -> Shock:
    """Read how far leads move together; without past forecasts the range is wide."""
    if not week.shock:
        none = np.zeros(0)
        return learn_shock(none, none, none)
    tau, weight = np.array(week.shock, np.float64).T
    return Shock(tau, weight, 0)


def _missed(
    week: WeekPage, leads: Sequence[OwnLead], cut: int | None
) -> tuple[MissedFollowUp, ...]:
    """List leads that score high enough to be called and were not touched for days."""
    if cut is None:
        return ()
    high = [
        (lead.score, lead.lead_id, lead.quiet_days, lead.touched)
        for lead in leads
        if lead.score is not None and lead.score >= cut
        if lead.quiet_days is not None and lead.quiet_days >= week.missed_days
    ]
    high.sort(key=lambda each: -each[0])
    return tuple(MissedFollowUp(lead_id, days, touched) for _, lead_id, days, touched in high)


def _plan(leads: Sequence[OwnLead], capacity: int, shock: Shock) -> tuple[PlanPoint, ...]:
    """Say what the first leads of a list bring, at some numbers of calls up to all of them."""
    points = []
    for n in capacities_of(capacity, len(leads)) if leads else ():
        scores = [lead.score for lead in leads[:n] if lead.score is not None]
        range_ = _expected(leads[:n], shock)
        points.append(
            PlanPoint(n, scores[-1] if scores else 0, range_.value, range_.low, range_.high)
        )
    return tuple(points)


def _expected(leads: Sequence[OwnLead], shock: Shock) -> Interval:
    """Expect opportunities from these leads."""
    return _expect([lead.probability for lead in leads], shock)


def _left(leads: Sequence[OwnLead], shock: Shock) -> Interval:
    """Expect opportunities from these leads without a call."""
    return _expect([lead.counted for lead in leads], shock)


def _expect(chances: Sequence[float | None], shock: Shock) -> Interval:
    known = [chance for chance in chances if chance is not None]
    range_ = expect_count(np.array(known, np.float64), shock)
    return Interval(range_.value, range_.low, range_.high)


class PlannedWeeks:
    """Weeks that were planned among the leads of some owners, the latest few: a plan takes long."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, WeekPage] = {}

    def get(self, key: Hashable, plan: Callable[[], WeekPage]) -> WeekPage:
        """Give the week that was planned for this key, or plan it."""
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= MOST_WEEKS:
                self._kept = {}
            found = self._kept[key] = plan()
        return found
