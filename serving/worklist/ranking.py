"""The leads of a report -> the rows of the list, its orders, and the lanes above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from serving.worklist.view import ReportView
from serving.worklist.view_lead import ReportLead
from serving.worklist.view_parts import Comeback

LANES: Final = ("answer", "hot", "cold")
"""Lanes by urgency: who asked waits for an answer, then who has just become hot."""


class ListKey(NamedTuple):
    """What the place of a lead in the orders of the list hangs on."""

    off: int  # 1 behind the others, by an answer; 2 behind those, by a rule
    worth: float
    urgency: tuple[float, float]
    change: int
    company: str | None
    name: str


@dataclass(frozen=True, slots=True)
class LeadRow:
    """A row of the list of all leads: its rank, and its place in the list of the best first."""

    lead: ReportLead
    rank: int
    place: int


def list_rows(view: ReportView) -> list[LeadRow]:
    """Rank the leads; one that a rule takes out has the rank of the lead before it."""
    rows, rank = [], 0
    for place, lead in enumerate(view.leads):
        rank += 0 if lead.off_list else 1
        rows.append(LeadRow(lead, rank, place))
    return rows


def orders(leads: Sequence[ReportLead]) -> dict[str, list[int]]:
    """Give positions in `leads`, first to work first; those off the list come last.

    `leads` stand by chance. One whose score is held back has no value, and no urgency but what it
    asked for: its place tells nothing of its score.
    """
    return orders_of([key_of(lead) for lead in leads])


def key_of(lead: ReportLead) -> ListKey:
    """Take from a lead what its places hang on."""
    return ListKey(
        2 if lead.rule is not None else int(lead.off_list),
        lead.worth or -1.0,
        _urgency(lead),
        lead.change or 0,
        lead.account or None,
        (lead.person or lead.name)[:200].casefold(),
    )


def orders_of(keys: Sequence[ListKey]) -> dict[str, list[int]]:
    """Give positions in `keys`, as `orders` does."""
    by = list(range(len(keys)))
    best = dict[str, int]()
    for i, key in enumerate(keys):
        if key.company is not None:
            best.setdefault(key.company, i)
    firsts = [i if k.company is None else best[k.company] for i, k in enumerate(keys)]
    return {
        "chance": by,
        "value": sorted(by, key=lambda i: (keys[i].off, -keys[i].worth, i)),
        "urgency": sorted(by, key=lambda i: (keys[i].off, *keys[i].urgency, i)),
        "change": sorted(by, key=lambda i: (keys[i].off, -keys[i].change, i)),
        "company": sorted(by, key=lambda i: (keys[i].off, firsts[i], i)),
        "name": sorted(by, key=lambda i: (keys[i].off, keys[i].name, i)),
    }


def returned(leads: Sequence[ReportLead]) -> list[tuple[ReportLead, Comeback]]:
    """List the leads that came back and no rule takes out: the latest first, then by chance."""
    back = [(lead, lead.back) for lead in leads if lead.back is not None and not lead.off_list]
    return sorted(back, key=lambda pair: pair[1].back_at, reverse=True)


def in_lane(lane: str, leads: Sequence[ReportLead]) -> list[ReportLead]:
    """List the leads of a lane, most urgent first."""
    if lane == "back":
        return [lead for lead, _ in returned(leads)]
    found = [
        (lead, entry.since) for lead in leads for entry in lead.shown_lanes if entry.lane == lane
    ]
    if lane == "answer":
        found.sort(key=lambda pair: pair[1], reverse=True)
    return [lead for lead, _ in found]


def _urgency(lead: ReportLead) -> tuple[float, float]:
    """Order by lane; in the first, what was asked last comes first."""
    lanes = {entry.lane: entry for entry in lead.shown_lanes}
    place = next((i for i, lane in enumerate(LANES) if lane in lanes), len(LANES))
    if place == 0:
        return 0.0, -datetime.fromisoformat(lanes["answer"].since).timestamp()
    return (1.0 if lead.back is not None else float(place)), 0.0
