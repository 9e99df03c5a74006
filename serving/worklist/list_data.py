"""The leads of a report -> what the script of the list needs: facets, orders, words to search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from serving.worklist.ranking import orders
from serving.worklist.safe_text import shown
from serving.worklist.view import ReportView
from serving.worklist.view_lead import ReportLead
from serving.worklist.view_week import PlanPoint, WeekPage

FACETS: Final = ("owner", "team", "stage", "source", "band", "trend", "lane")


def list_data(view: ReportView, bands: Sequence[str]) -> dict[str, object]:
    """Collect what filters, orders and the line of the capacity are made of, as plain JSON."""
    leads = view.leads
    return {
        "facets": {name: _facet(name, leads, bands) for name in FACETS},
        "orders": orders(leads),
        "out": [int(lead.off_list) for lead in leads],
        "scores": [lead.score for lead in leads],
        "capacity": view.week.capacity,
    }


def plans_of(week: WeekPage) -> dict[str, list[list[float | None]]]:
    """Give what so many calls bring, for each order of the list that has a plan."""
    return {
        "chance": _plan(week.plan),
        "value": _plan(week.plan_by_value),
        "urgency": _plan(week.plan_by_urgency),
    }


def facet_values(name: str, leads: Sequence[ReportLead], bands: Sequence[str]) -> list[str]:
    """List the values of a facet, bands from the best, the others by name."""
    seen = {value for lead in leads for value in _values(name, lead)}
    if name == "band":
        return [band for band in bands if band in seen]
    return sorted(seen, key=lambda value: (value.casefold(), value))


def words_to_search(leads: Sequence[ReportLead]) -> str:
    """Write what finds each lead, one line each: id, person, name, company, title, owner, mail."""
    return "\n".join(
        " ".join(
            shown(text)
            for text in (
                *(lead.lead_id, lead.person, lead.name, lead.company),
                *(lead.title, lead.owner, lead.email),
            )
            if text
        )
        for lead in leads
    )


def _facet(
    name: str, leads: Sequence[ReportLead], bands: Sequence[str]
) -> dict[str, list[str] | list[list[int]]]:
    """List the values as the options of the filter bear them, and those of each lead by place.

    They are cleaned like every text of a CRM: values that then read alike are one.
    """
    values = list(dict.fromkeys(shown(value) for value in facet_values(name, leads, bands)))
    place = {value: i for i, value in enumerate(values)}
    return {
        "values": values,
        "of": [[place[shown(value)] for value in _values(name, lead)] for lead in leads],
    }


def _values(name: str, lead: ReportLead) -> list[str]:
    """Give the values that a lead has of a facet: lanes can be several."""
    if name == "lane":
        back = ["back"] if lead.back is not None and not lead.off_list else []
        return [*(entry.lane for entry in lead.shown_lanes), *back]
    value = getattr(lead, name)
    return [value] if value else []


def _plan(points: Sequence[PlanPoint]) -> list[list[float | None]]:
    """Give calls, expected, low, high, profit, money, its low and high of each point."""
    return [
        [
            *(p.calls, round(p.expected, 2), p.low, p.high),
            None if p.profit is None else round(p.profit),
            *(
                (None, None, None)
                if p.money is None
                else (round(p.money.value), round(p.money.low), round(p.money.high))
            ),
        ]
        for p in points
    ]
