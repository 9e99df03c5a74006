"""The stored plan of a run, as far as one viewer may see it: whom to call, and what that brings."""
# ruff: noqa: S608  # conditions are written here, of our own names; every value is bound

from __future__ import annotations

import os
import sqlite3
from collections.abc import Hashable, Mapping
from dataclasses import replace

import numpy as np

from serving.worklist.list_query import ORDERS, ListChoice
from serving.worklist.listed_week import (
    ListedSums,
    MovedLead,
    best_without,
    expect_of,
    mean_held_back,
    plan_without,
)
from serving.worklist.own_week import OwnLead, PlannedWeeks, own_week, shock_of
from serving.worklist.scoped_rows import AnsweredSince, ScopedRows
from serving.worklist.stored_pages import unpacked
from serving.worklist.view_lead import ReportLead
from serving.worklist.view_week import MissedFollowUp, OwnerWeek, PlanPoint, WeekPage


class ScopedWeek(ScopedRows):
    """Whom to call, for one viewer; `weeks` are those that were planned for earlier requests."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        owners: frozenset[str] | None,
        answered: AnsweredSince,
        weeks: PlannedWeeks,
    ) -> None:
        super().__init__(connection, owners, answered)
        self._weeks = weeks

    def week(self, choice: ListChoice | None = None) -> WeekPage:
        """Read whom to call: of the company as it was planned, of an owner from his own leads.

        Its figures speak of the leads that are listed: of those that a choice narrows it to, and
        of none that an answer has taken off the list.
        """
        week = self._company(WeekPage)
        if not self.whole:
            week = self._weeks.get(self._hangs_on(), lambda: self._own(week))
        elif self.answered.off or self.answered.back:
            week = self._weeks.get(self._hangs_on(), lambda: self._answered(week))
        else:
            week = self._planned(week)
        if choice is None or not (choice.values or choice.words):
            return week
        return self._listed(week, choice)

    def _hangs_on(self) -> Hashable:
        """Name all that the viewer's own week hangs on: the file as it stands, own leads' answers.

        A file that `forget` has written to is another one.
        """
        (file,) = (row[2] for row in self._all("pragma database_list"))
        stood = os.stat(file)
        answered = {
            name: tuple(
                row[0]
                for row in self._all(
                    f"select lead_id from leads where place in"
                    f" (select value from json_each(:{name})) and {self._seen} order by place"
                )
            )
            for name in ("off", "back")
        }
        return (file, stood.st_ino, stood.st_mtime_ns, self.owners, *answered.values())

    def _planned(self, week: WeekPage) -> WeekPage:
        called = self._all(
            f"select lead_id from leads where called is not null and {self._open} order by called"
        )
        missed = self._all(
            "select lead_id, quiet_days, last_touch_at is not null from leads where missed and"
            f" {self._open} order by score desc, place"
        )
        return replace(
            week,
            calls=tuple(row[0] for row in called),
            missed=tuple(MissedFollowUp(*row) for row in missed),
        )

    def _listed(self, week: WeekPage, choice: ListChoice) -> WeekPage:
        """Say what the week expects of some leads: those of its calls that are among them."""
        cut = self._cut(week.capacity)
        chosen, order, given = self._chosen(choice)
        called = self._all(
            f"select lead_id {chosen} and place <= :cut order by {order}", {**given, "cut": cut}
        )
        sums, shock, held = self._sums(choice, cut), shock_of(week), self._held_back()
        return replace(
            week,
            narrowed=True,
            calls=tuple(row[0] for row in called),
            expected=expect_of((row for row in sums if row.called), held[0], shock),
            left_behind=expect_of((row for row in sums if not row.called), held[1], shock),
            newest_first=None,
        )

    def _answered(self, week: WeekPage) -> WeekPage:
        """Fill the company's calls up with the next leads, where answers have taken some away."""
        week = self._planned(week)
        now = self._listed(week, ListChoice())
        sums, shock = self._sums(ListChoice(), self._cut(week.capacity)), shock_of(week)
        held = self._held_back()

        def of_owner(each: OwnerWeek) -> OwnerWeek:
            called, left = (
                [row for row in sums if row.owner == each.owner and row.called == which]
                for which in (True, False)
            )
            return replace(
                each,
                calls=sum(row.leads for row in called),
                expected=expect_of(called, held[0], shock),
                left_behind=expect_of(left, held[1], shock),
            )

        owners = sorted(map(of_owner, week.owners), key=lambda each: (-each.calls, each.owner))
        moved = {order: self._moved_by_answers(order) for order in ("chance", "value", "urgency")}
        cost, best = week.cost_per_contact, None
        if week.best_calls is not None and week.best_profit is not None and cost is not None:
            best = best_without((week.best_calls, week.best_profit), moved["value"], cost)
        plan = plan_without(week.plan, moved["chance"], cost)
        return replace(
            now,
            narrowed=False,
            cut_off=self.cut_off(week.capacity),
            owners=tuple(owners),
            plan=tuple(self._as_above(point, now) for point in plan),
            plan_by_value=plan_without(week.plan_by_value, moved["value"], cost),
            plan_by_urgency=plan_without(week.plan_by_urgency, moved["urgency"], cost),
            best_calls=best and best[0],
            best_profit=best and best[1],
        )

    def _as_above(self, point: PlanPoint, week: WeekPage) -> PlanPoint:
        """Let the slider say, at the capacity, what the figures above the list say."""
        if point.calls != week.capacity:
            return point
        value, low, high = week.expected.value, week.expected.low, week.expected.high
        return replace(point, expected=value, low=low, high=high)

    def _cut(self, calls: int) -> int:
        """Give the place of the last of so many calls; -1 where there is none."""
        chosen, order, given = self._chosen(ListChoice())
        places = self._all(
            f"select place {chosen} order by {order} limit :n", {**given, "n": calls}
        )
        return places[-1][0] if places else -1

    def _sums(self, choice: ListChoice, cut: int) -> list[ListedSums]:
        """Add up the listed leads by owner: those that are called, and those that are not."""
        chosen, _, given = self._chosen(choice)
        return self._added("place <= :cut", chosen, {**given, "cut": cut})

    def _added(self, called: str, chosen: str, given: Mapping[str, object]) -> list[ListedSums]:
        """Add up leads by owner; whoever is not called counts by the chance that sums take."""
        chance = f"iif({called}, probability, counted)"
        rows = self._all(
            f"select owner, {called}, count(*), count({chance}), total({chance}),"
            f" total({chance} * (1 - {chance})) {chosen} group by 1, 2",
            given,
        )
        return [ListedSums(owner, bool(is_called), *rest) for owner, is_called, *rest in rows]

    def _moved_by_answers(self, order: str) -> list[MovedLead]:
        """List the leads that answers took off the planned list or put back, by rank in it."""
        column = ORDERS[order]
        out = self._all(f"select {column} from leads where rule is not null or answered")
        skipped = np.sort(np.array([row[0] for row in out], np.int64))
        rows = self._all(
            f"select place, {column}, answered from leads where rule is null and"
            " iif(answered, place in (select value from json_each(:back)),"
            f" place in (select value from json_each(:off))) order by {column}"
        )
        moved = []
        for place, number, was_answered in rows:
            (line,) = self._all("select line from bodies where place = :place", {"place": place})
            lead = unpacked(line[0], ReportLead)
            rank = int(number - np.searchsorted(skipped, number))
            sign = 1 if was_answered else -1
            moved.append(MovedLead(rank, sign, lead.probability, lead.worth))
        return moved

    def _held_back(self) -> tuple[float, float]:
        """Give mean chances, by the night's plan, of leads without a shown score: called or not."""
        planned = self._company(WeekPage)
        tests = "from leads where rule is null and not answered"
        sums = self._added("called is not null", tests, {})
        means = [
            mean_held_back(expected.value, [row for row in sums if row.called == called])
            for called, expected in ((True, planned.expected), (False, planned.left_behind))
        ]
        return means[0], means[1]

    def _own(self, week: WeekPage) -> WeekPage:
        """Plan the calls among the viewer's own leads; nothing in it comes from other leads."""
        rows = self._all(
            "select lead_id, owner, probability, counted, score, quiet_days,"
            " last_touch_at is not null"
            f" from leads where rule is null and {self._seen} and {self._open} order by place"
        )
        counts = self._all(
            f"select owner, count(*) from leads where {self._seen} group by owner order by owner"
        )
        return own_week(week, [OwnLead(*row) for row in rows], dict(counts))

    def cut_off(self, calls: int) -> int | None:
        """Give the score of the last of so many calls, best first; None where none is shown."""
        whole, order, given = self._chosen(ListChoice())
        rows = self._all(
            f"select score from (select score, {order} {whole} order by {order} limit :calls)"
            " where score is not null order by place desc limit 1",
            {**given, "calls": calls},
        )
        return rows[0][0] if rows else None
