"""The stored pages of a run, as far as one viewer may see them: rows, leads, pages, counts.

All that a live page shows of leads is read through `scoped`. Whatever belongs to an owner whom the
viewer does not see is left out in the query itself, so that lists, searches, counts and places are
those of a world without it; where a lead that may be seen names others (similar leads, colleagues
of its company), they become a number.
"""
# ruff: noqa: S608  # conditions are written here, of our own names; every value is bound

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from serving.people.viewer import Viewer
from serving.worklist.list_query import FILTERS, ListChoice
from serving.worklist.own_week import PlannedWeeks
from serving.worklist.scoped_rows import AnsweredSince
from serving.worklist.scoped_week import ScopedWeek
from serving.worklist.stored_pages import unpacked
from serving.worklist.view import Unlisted
from serving.worklist.view_figures import ForecastPage, ValuePage
from serving.worklist.view_lead import LeadDetail, ReportLead
from serving.worklist.view_week import MOST_MOVERS, Mover, MoversPage

T = TypeVar("T")
LATEST_FIRST: Final = ("answer", "back")
"""Lanes that begin with what happened last; the others with the best chance."""


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


class ScopedPages(ScopedWeek):
    """The pages of one run for one viewer; made by `scoped`."""

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
        said = self.answered.said.get(lead.lead_id)
        if said and lead.detail is not None:
            said = tuple(replace(x, score=None) for x in said) if lead.withheld else said
            detail = replace(lead.detail, feedback=(*said, *lead.detail.feedback))
            lead = replace(lead, detail=detail)
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

    def _has(self, page: type[object]) -> bool:
        return self._company_or_none(page) is not None

    def text(self, name: str) -> str | None:
        """Read a page that was written as a whole."""
        found = self._all("select html from texts where name = :name", {"name": name})
        return zlib.decompress(found[0][0]).decode() if found else None
