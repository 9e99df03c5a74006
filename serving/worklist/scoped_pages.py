"""The stored pages of a run, as far as one viewer may see them: rows, leads, pages, counts.

All that a live page shows of leads is read through `scoped`. Whatever belongs to an owner whom the
viewer does not see is left out in the query itself, so that lists, searches, counts and places are
those of a world without it; where a lead that may be seen names others (similar leads, colleagues
of its company), they become a number.
"""
# ruff: noqa: S608  # conditions are written here, of our own names; every value is bound

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from serving.people.viewer import Viewer
from serving.worklist.list_query import FILTERS, ListChoice, list_query
from serving.worklist.own_week import OwnLead, PlannedWeeks, own_week
from serving.worklist.stored_pages import unpacked
from serving.worklist.view import About, Unlisted
from serving.worklist.view_figures import ForecastPage, ValuePage
from serving.worklist.view_lead import LeadDetail, ReportLead
from serving.worklist.view_parts import ShownStanding
from serving.worklist.view_week import MOST_MOVERS, MissedFollowUp, Mover, MoversPage, WeekPage

T = TypeVar("T")
LATEST_FIRST: Final = ("answer", "back")
"""Lanes that begin with what happened last; the others with the best chance."""


@dataclass(frozen=True, slots=True)
class AnsweredSince:
    """What answers changed since the run: leads that are off the list now, and back on it."""

    off: Mapping[str, ShownStanding] = field(default_factory=dict)
    back: Collection[str] = ()


def scoped(
    connection: sqlite3.Connection,
    viewer: Viewer,
    answered: Callable[[int], AnsweredSince] = lambda _: AnsweredSince(),
    weeks: PlannedWeeks | None = None,
) -> ScopedPages:
    """Open the pages of a run for a viewer: the one place where it is decided who sees what.

    `answered` says what answers changed since the run was made, a moment in microseconds UTC.
    `weeks` are those that were planned for earlier requests.
    """
    (made_at,) = connection.execute("select at from made").fetchone()
    return ScopedPages(connection, viewer.owners, answered(made_at), weeks or PlannedWeeks())


class ScopedPages:
    """The pages of one run for one viewer; made by `scoped`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        owners: frozenset[str] | None,
        answered: AnsweredSince,
        weeks: PlannedWeeks,
    ) -> None:
        self.connection, self.owners, self.answered = connection, owners, answered
        self._weeks = weeks
        self.about = self._company(About)
        self._given: dict[str, object] = {
            "owners": json.dumps(sorted(owners or ())),
            "off": self._places(answered.off),
            "back": self._places(answered.back),
        }

    @property
    def whole(self) -> bool:
        """Tell whether all leads may be seen."""
        return self.owners is None

    def company(self, page: type[T]) -> T | None:
        """Read a page about the whole company; None where the run has none."""
        return self._company_or_none(page)

    def choices(self) -> dict[str, list[str]]:
        """List the values of each column that the list can be narrowed by."""
        found: dict[str, list[str]] = {kind: [] for kind in FILTERS}
        rows = self._all(
            f"select distinct kind, value from choices where {self._seen} order by value"
        )
        for kind, value in rows:
            found[kind].append(value)
        return found

    def rows(self, choice: ListChoice, start: int, n: int) -> tuple[list[ReportLead], int]:
        """Read some rows of the list and count all of them; answered leads are not on it."""
        chosen, order, given = self._chosen(choice)
        total = int(self._all(f"select count(*) {chosen}", given)[0][0])
        places = self._all(
            f"select place {chosen} order by {order} limit :n offset :start",
            {**given, "n": n, "start": start},
        )
        return [self._line(row[0]) for row in places], total

    def beyond(self, choice: ListChoice, calls: int, leads: Sequence[ReportLead]) -> frozenset[str]:
        """Tell which of these leads come after so many of the whole list in its order."""
        whole, order, given = self._chosen(ListChoice(order=choice.order))
        column = order.split()[0]
        first = self._all(
            f"select {column} {whole} order by {order} limit 1 offset :calls",
            {**given, "calls": calls},
        )
        if not first:
            return frozenset()
        ids = json.dumps([lead.lead_id for lead in leads])
        rows = self._all(
            f"select lead_id from leads where {column} >= :first"
            " and lead_id in (select value from json_each(:ids))",
            {"first": first[0][0], "ids": ids},
        )
        return frozenset(row[0] for row in rows)

    def cut_off(self, calls: int) -> int | None:
        """Give the score of the last of so many calls, best first; None where none is shown."""
        whole, order, given = self._chosen(ListChoice())
        rows = self._all(
            f"select score from (select score, {order} {whole} order by {order} limit :calls)"
            " where score is not null order by place desc limit 1",
            {**given, "calls": calls},
        )
        return rows[0][0] if rows else None

    def beside(self, choice: ListChoice, lead_id: str) -> tuple[str | None, str | None]:
        """Name the leads before and after a lead in the list; None at its ends.

        One that is not on the list has those that it would stand between; in a search, none.
        """
        chosen, order, given = self._chosen(choice)
        if "," not in order:  # no words are searched: two looks at the order's own numbers
            here = f"(select {order} from leads where lead_id = :lead and {self._seen})"
            found = [
                self._all(
                    f"select lead_id from leads where {order} = (select {which}({order}) {chosen}"
                    f" and {order} {side} {here})",
                    {**given, "lead": lead_id},
                )
                for which, side in (("max", "<"), ("min", ">"))
            ]
            return (found[0][0][0] if found[0] else None, found[1][0][0] if found[1] else None)
        rows = self._all(
            "select before, after from (select lead_id, lag(lead_id) over w before,"
            f" lead(lead_id) over w after {chosen} window w as (order by {order}))"
            " where lead_id = :lead",
            {**given, "lead": lead_id},
        )
        return (rows[0][0], rows[0][1]) if rows else (None, None)

    def lead(self, lead_id: str) -> ReportLead | None:
        """Read a lead with its whole page; None for an unknown lead and for a foreign one alike."""
        rows = self._all(
            "select line, detail from leads join bodies using (place)"
            f" where lead_id = :lead and {self._seen}",
            {"lead": lead_id},
        )
        if not rows:
            return None
        line, detail = rows[0]
        lead = unpacked(line, ReportLead)
        return self._for_viewer(replace(lead, detail=detail and unpacked(detail, LeadDetail)))

    def movers(self) -> tuple[MoversPage, list[ReportLead]] | None:
        """Read the largest changes and the leads that they are about."""
        page = self._company(MoversPage) if self._has(MoversPage) else None
        if page is None:
            return None
        rises, rising = self._moved("moved > 0")
        falls, falling = self._moved("moved < 0")
        if not self.whole:
            moved, still = self._all(
                "select count(nullif(changed, 0)), count(changed) - count(nullif(changed, 0))"
                f" from leads where rule is null and {self._seen} and {self._open}"
            )[0]
            page = replace(page, moved=moved, unchanged=still)
        return replace(page, rises=rises, falls=falls), [*rising, *falling]

    def _moved(self, where: str) -> tuple[tuple[Mover, ...], list[ReportLead]]:
        rows = self._all(
            f"select mover, line from leads join bodies using (place) where {where}"
            f" and {self._seen} and {self._open} order by abs(moved) desc, lead_id limit :n",
            {"n": MOST_MOVERS},
        )
        movers = tuple(unpacked(row[0], Mover) for row in rows)
        return movers, [self._for_viewer(unpacked(row[1], ReportLead)) for row in rows]

    def value(self) -> ValuePage | None:
        """Read what customers paid; of the whole company, or not at all."""
        return self._company_or_none(ValuePage) if self.whole else None

    def forecast(self) -> ForecastPage | None:
        """Read the forecast; figures of single owners for those whose leads may be seen."""
        page = self._company_or_none(ForecastPage)
        if page is None or self.owners is None:
            return page
        return replace(page, owners=tuple(o for o in page.owners if o.owner in self.owners))

    def lane(self, lane: str, n: int) -> tuple[list[ReportLead], int]:
        """Read the most urgent leads of a lane, and count them all."""
        order = "since desc, place" if lane in LATEST_FIRST else "place"
        chosen = f"from lanes where lane = :lane and {self._seen} and {self._open}"
        given = {"lane": lane, "n": n}
        rows = self._all(f"select place {chosen} order by {order} limit :n", given)
        count = int(self._all(f"select count(*) {chosen}", given)[0][0])
        return [self._line(row[0]) for row in rows], count

    def drawers(self, n: int = 200) -> list[ReportLead]:
        """Read the leads that are off the list, by a rule or an answer, or were until lately."""
        rows = self._all(
            "select place from (select place, rule, answered, ended from leads"
            f" where (rule is not null or answered or ended) and {self._seen}"
            " union select place, rule, answered, ended from leads"
            f" where place in (select value from json_each(:off)) and {self._seen})"
            f" where rule is not null or ended or not {self._open} order by place limit :n",
            {"n": n},
        )
        return [self._line(row[0]) for row in rows]

    def beyond_drawers(self, drawers: Sequence[ReportLead]) -> Unlisted:
        """Count the leads off the list, by a rule or an answer, that are not in these drawers."""
        ruled, answered = self._all(
            f"select count(rule), count(nullif({self._open}, 1)) from leads where {self._seen}"
        )[0]
        return Unlisted(
            leads=0,
            ruled=ruled - sum(lead.rule is not None for lead in drawers),
            answered=answered - sum(lead.standing is not None for lead in drawers),
        )

    def count(self) -> int:
        """Count the open leads that the viewer sees."""
        return int(self._all(f"select count(*) from leads where {self._seen}")[0][0])

    def week(self) -> WeekPage:
        """Read whom to call: of the company as it was planned, of an owner from his own leads."""
        week = self._company(WeekPage)
        if self.whole:
            return self._planned(week)
        return self._weeks.get(self._hangs_on(), lambda: self._own(week))

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

    def _for_viewer(self, lead: ReportLead) -> ReportLead:
        """Count what a lead says of others whom the viewer does not see, and say no more.

        What answers since the run made of the lead is added.
        """
        standing = lead.standing
        if lead.lead_id in self.answered.off:
            standing = self.answered.off[lead.lead_id]
        elif lead.lead_id in self.answered.back:
            standing = None
        lead = replace(lead, standing=standing)
        if self.owners is None:
            return lead
        known = tuple(each for each in lead.colleagues if each.owner in self.owners)
        lead = replace(lead, colleagues=known, colleagues_leads=len(lead.colleagues) - len(known))
        if lead.detail is None:
            return lead
        similar = tuple(each for each in lead.detail.similar if each.owner in self.owners)
        others = len(lead.detail.similar) - len(similar)
        detail = replace(
            lead.detail, similar=similar, similar_others=others, missing_roles=()
        )  # which roles are missing at a company tells of colleagues' leads there
        return replace(lead, detail=detail)

    def _line(self, place: int) -> ReportLead:
        row = self.connection.execute("select line from bodies where place = ?", (place,))
        return self._for_viewer(unpacked(row.fetchone()[0], ReportLead))

    def _chosen(self, choice: ListChoice) -> tuple[str, str, dict[str, object]]:
        return list_query(choice, ["rule is null", self._seen, self._open], whole=self.whole)

    @property
    def _seen(self) -> str:
        return "1" if self.whole else "owner in (select value from json_each(:owners))"

    @property
    def _open(self) -> str:
        return (
            "((not answered or place in (select value from json_each(:back)))"
            " and place not in (select value from json_each(:off)))"
        )

    def _places(self, lead_ids: Collection[str]) -> str:
        """Give the places of leads as JSON: what is asked of each row is asked of a number."""
        rows = self.connection.execute(
            "select place from leads where lead_id in (select value from json_each(?))"
            " order by place",
            (json.dumps(sorted(lead_ids)),),
        )
        return json.dumps([row[0] for row in rows])

    def _has(self, page: type[object]) -> bool:
        return self._company_or_none(page) is not None

    def _company(self, page: type[T]) -> T:
        found = self._company_or_none(page)
        if found is None:
            raise LookupError(f"the run has no page {page.__name__}")
        return found

    def text(self, name: str) -> str | None:
        """Read a page that was written as a whole."""
        found = self._all("select html from texts where name = :name", {"name": name})
        return zlib.decompress(found[0][0]).decode() if found else None

    def _company_or_none(self, page: type[T]) -> T | None:
        found = self.connection.execute(
            "select json from company where page = ?", (page.__name__,)
        ).fetchone()
        return None if found is None else unpacked(found[0], page)

    def _all(self, sql: str, given: Mapping[str, object] | None = None) -> list[Any]:
        named = {**self._given, **(given or {})}
        return self.connection.execute(sql, named).fetchall()
