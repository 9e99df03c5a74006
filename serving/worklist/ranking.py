"""The leads of a report -> the orders of the list: by chance, by value, by urgency."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from serving.worklist.view import ReportLead

LANES: Final = ("answer", "hot", "cold")
"""Lanes by urgency: who asked waits for an answer, then who has just become hot."""


def orders(leads: Sequence[ReportLead]) -> dict[str, list[int]]:
    """Give positions in `leads`, first to work first; those off the list come last.

    `leads` stand by chance. One whose score is held back has no value, and no urgency but what it
    asked for: its place tells nothing of its score.
    """
    by = list(range(len(leads)))
    best = dict[str, int]()
    for i, lead in enumerate(leads):
        best.setdefault(_company(lead, i), i)
    return {
        "chance": by,
        "value": sorted(by, key=lambda i: (_off(leads[i]), -(leads[i].worth or -1.0), i)),
        "urgency": sorted(by, key=lambda i: (_off(leads[i]), *_urgency(leads[i]), i)),
        "change": sorted(by, key=lambda i: (_off(leads[i]), -(leads[i].change or 0), i)),
        "company": sorted(by, key=lambda i: (_off(leads[i]), best[_company(leads[i], i)], i)),
        "name": sorted(by, key=lambda i: (_off(leads[i]), _called(leads[i]), i)),
    }


def _off(lead: ReportLead) -> int:
    """Put those that an answer keeps off the list behind the others, then those of a rule."""
    return 2 if lead.rule is not None else int(lead.off_list)


def _urgency(lead: ReportLead) -> tuple[float, float]:
    """Order by lane; in the first, what was asked last comes first."""
    lanes = {entry.lane: entry for entry in lead.lanes}
    place = next((i for i, lane in enumerate(LANES) if lane in lanes), len(LANES))
    if place == 0:
        return 0.0, -datetime.fromisoformat(lanes["answer"].since).timestamp()
    return (1.0 if lead.back is not None else float(place)), 0.0


def _company(lead: ReportLead, position: int) -> str:
    return lead.account or f"\0{position}"


def _called(lead: ReportLead) -> str:
    return (lead.person or lead.name)[:200].casefold()
