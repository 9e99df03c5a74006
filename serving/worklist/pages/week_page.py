"""Scored rows -> page "This week": whom to call, what to expect, what was missed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY
from data.tables import OUTBOUND
from serving.figures.capacity import CallPlan, capacities_of, plan_calls, what_if
from serving.figures.counts import NO_SHOCK, Shock
from serving.figures.follow_up import find_missed, measure_speed, share_contacts
from serving.figures.forecast import learn_open_shock, read_lead_times
from serving.worklist.pages.report_input import ReportInput, interval
from serving.worklist.ranking import orders
from serving.worklist.view_lead import ReportLead
from serving.worklist.view_week import (
    NOTHING,
    ContactRow,
    MissedFollowUp,
    OwnerWeek,
    PlanPoint,
    TouchSpeed,
    WeekPage,
)

CONTACT_DAYS: Final = 30


def make_week(source: ReportInput) -> WeekPage:
    """Plan the calls of the configured capacity."""
    report, scored, ranks = source.project.report, source.scored, source.model.card.ranks
    capacity = report.capacity_per_week if ranks else 0  # no call by scores that are all the same
    eligible = ~scored.off_list
    shock, order = _shock(source), source.ranked
    plan = plan_calls(
        source.chances,
        capacity,
        owner=source.owners,
        order=order,
        counted=source.counted,
        shock=shock,
    )
    shown = plan.rows[scored.shown[plan.rows]]
    ids = scored.table["lead_id"].to_numpy()
    return WeekPage(
        capacity=capacity,
        cut_off=_cut_off(source, plan.rows),
        calls=tuple(str(lead) for lead in ids[plan.rows]),
        expected=interval(plan.expected),
        left_behind=interval(plan.left_behind),
        newest_first=_newest_first(source, eligible, len(plan.rows)),
        owners=_owners(source, plan),
        missed=_missed(source, shown),
        missed_days=report.untouched_days,
        speed=_speed(source),
        contacts=_contacts(source),
        contact_days=CONTACT_DAYS,
        touches_known=bool((source.tables.events.direction == OUTBOUND).any()),
        cost_per_contact=report.cost_per_contact,
        per_owner=(report.capacity_per_owner or _even_share(source)) if ranks else 0,
        shock=tuple(zip(shock.tau.tolist(), shock.weight.tolist(), strict=True)),
    )


def _even_share(source: ReportInput) -> int:
    """Share the calls of the team among the owners of open leads."""
    owners = {str(owner) for owner in source.owners} - {""}
    return max(round(source.project.report.capacity_per_week / max(len(owners), 1)), 1)


def add_plans(source: ReportInput, week: WeekPage, leads: Sequence[ReportLead]) -> WeekPage:
    """Say what every capacity brings, whichever way the list is worked."""
    if not (source.promises and source.model.card.ranks):
        return week
    row_of = {str(lead): row for row, lead in enumerate(source.scored.table["lead_id"])}
    rows = np.array([row_of[lead.lead_id] for lead in leads], np.int64)
    listed = {
        name: np.array([rows[i] for i in order if not leads[i].off_list], np.int64)
        for name, order in orders(leads).items()
        if name in ("chance", "value", "urgency")
    }
    shock = _shock(source)
    plans = {name: _plan(source, order, shock) for name, order in listed.items()}
    best = _most_profitable(source, listed["value"])
    return replace(
        week,
        plan=plans["chance"],
        plan_by_value=plans["value"] if source.worth is not None else (),
        plan_by_urgency=plans["urgency"],
        best_calls=None if best is None else best[0],
        best_profit=None if best is None else best[1],
    )


def _most_profitable(source: ReportInput, order: NDArray[np.int64]) -> tuple[int, float] | None:
    """Find the number of calls, by value, at which profit is largest; None without a cost."""
    worth, cost = source.worth, source.project.report.cost_per_contact
    if worth is None or not cost or not len(order):
        return None
    profit = np.cumsum((source.chances * worth)[order] - cost)
    best = int(np.argmax(profit))
    return (best + 1, float(profit[best])) if profit[best] > 0 else (0, 0.0)


def _plan(source: ReportInput, order: NDArray[np.int64], shock: Shock) -> tuple[PlanPoint, ...]:
    report = source.project.report
    capacities = capacities_of(report.capacity_per_week, len(order))
    cuts = [_cut_off(source, order[:calls]) for calls in capacities]
    points = what_if(
        source.chances,
        capacities,
        value=source.worth,
        cost=report.cost_per_contact,
        order=order,
        shock=shock,
    )
    return tuple(
        PlanPoint(
            calls=point.capacity,
            cut_off=100 if cut is None else cut,
            expected=point.expected.value,
            low=point.expected.low,
            high=point.expected.high,
            profit=point.profit,
            money=None if point.money is None else interval(point.money),
        )
        for point, cut in zip(points, cuts, strict=True)
    )


def _owners(source: ReportInput, plan: CallPlan) -> tuple[OwnerWeek, ...]:
    """Show each owner's share; open leads count those too that a rule takes out."""
    open_leads = Counter(str(owner) for owner in source.owners)
    shares = [
        OwnerWeek(
            o.owner, open_leads[o.owner], o.calls, interval(o.expected), interval(o.left_behind)
        )
        for o in plan.owners
    ]
    others = sorted(set(open_leads) - {share.owner for share in shares})
    return (*shares, *(OwnerWeek(name, open_leads[name], 0, NOTHING) for name in others))


def _shock(source: ReportInput) -> Shock:
    """Learn from past forecasts how far leads move together: the plan's ranges allow for it."""
    horizon = source.project.conversion.horizon
    if not source.outcomes.timed or horizon is None:
        return NO_SHOCK
    times = read_lead_times(source.tables, source.outcomes)
    return learn_open_shock(times, source.scored.as_of, max(int(horizon // DAY), 1))


def _newest_first(source: ReportInput, eligible: NDArray[np.bool_], calls: int) -> float | None:
    """Expect opportunities from the same number of calls, made to the newest leads."""
    created = source.tables.created_at
    if created is None:
        return None
    rows = np.flatnonzero(eligible)
    newest = rows[np.argsort(-created[source.scored.snapshots.lead[rows]], kind="stable")][:calls]
    return float(source.chances[newest].sum())


def _missed(source: ReportInput, called: NDArray[np.int64]) -> tuple[MissedFollowUp, ...]:
    """List leads that score high enough for this week's calls and were not touched for days."""
    if not len(called) or source.tables.created_at is None:
        return ()
    scores = source.scored.scores.score.astype(np.float64)
    missed = find_missed(
        source.tables,
        source.scored.snapshots,
        scores,
        threshold=float(scores[called].min()),
        days=source.project.report.untouched_days,
        skip=source.scored.off_list | ~source.scored.shown,
    )
    return tuple(MissedFollowUp(lead.lead_id, int(lead.days), lead.touched) for lead in missed)


def _speed(source: ReportInput) -> TouchSpeed | None:
    speed = measure_speed(source.tables, source.outcomes, source.scored.as_of)
    if speed is None:
        return None
    return TouchSpeed(
        leads=speed.leads,
        median_hours=speed.median_hours,
        within_day=speed.within_day.value,
        untouched=speed.untouched,
        by_speed=tuple((limit, rate.n, rate.value) for limit, rate in speed.by_speed if rate.n > 0),
    )


def _contacts(source: ReportInput) -> tuple[ContactRow, ...]:
    """Show which bands sales spent its touches on; empty where no touch is known."""
    scored = source.scored
    banded = scored.shown & scored.table["band"].notna().to_numpy()  # a rule takes some leads out
    band = np.where(banded, scored.table["band"], np.array(None, object))
    shares = share_contacts(
        source.tables, scored.snapshots, band, scored.as_of, days=float(CONTACT_DAYS)
    )
    if not any(share.touches for share in shares):
        return ()
    return tuple(
        ContactRow(
            band=share.group,
            leads=share.contacted.n,
            contacted=interval(share.contacted),
            share_of_leads=share.share_of_leads,
            share_of_touches=share.share_of_touches,
        )
        for share in shares
    )


def _cut_off(source: ReportInput, called: NDArray[np.int64]) -> int | None:
    """Give the score of the last lead called whose score may be shown; None where none may be."""
    shown = called[source.scored.shown[called]]
    return int(source.scored.scores.score[shown[-1]]) if len(shown) else None
