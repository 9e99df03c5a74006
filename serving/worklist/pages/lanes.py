"""Open leads and their events -> the lanes of page "Today": answer now, going cold, newly hot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY, iso
from data.schema_steps import OwnWords
from data.tables import INBOUND, OUTBOUND, Snapshots, Tables
from serving.figures.follow_up import find_missed, last_touch
from serving.worklist.pages.act_phrases import act_phrase, ago
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.pages.week_changes import WeekChanges
from serving.worklist.phrase import Phrase, Scalar
from serving.worklist.view_parts import LaneEntry

ANSWER_DAYS: Final = 30
"""What was asked longer ago is not answered now any more: the lead has gone cold."""
HOT_BANDS: Final = 2
_ASKS: Final = re.compile(
    r"demo|request|contact|form|chat|repl(y|ied)|inquir|enquir|question|call.?back|quote"
    r"|richiest|modulo|rispost|demande|formulaire|répon|devis|anfrage|antwort|rückruf"
    r"|درخواست|فرم|پاسخ",
    re.IGNORECASE,
)
_NO_ASK: Final = re.compile(r"inform|platform|performance|complain", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OpenAsk:
    """What a lead asked for last and sales has not answered since: its type and when."""

    event: str
    at: int


def asking_types(tables: Tables, named: tuple[str, ...]) -> NDArray[np.int64]:
    """Give the codes of event types by which a lead asks for an answer.

    They are those the project names; else inbound types whose name says so (demo, form, chat,
    reply), where the direction of events is known.
    """
    events = tables.events
    if named:
        return np.array([i for i, t in enumerate(events.type_names) if t in named], np.int64)
    inbound = np.zeros(len(events.type_names), bool)
    known = events.type >= 0
    inbound[np.unique(events.type[known & (events.direction == INBOUND)])] = True
    return np.array(
        [
            i
            for i, name in enumerate(events.type_names)
            if inbound[i] and _ASKS.search(name) and not _NO_ASK.search(name)
        ],
        np.int64,
    )


def open_asks(source: ReportInput) -> dict[int, OpenAsk]:
    """Find what each lead asked for after the last touch by sales: row -> the newest ask.

    Empty where no event says that sales acted: then nothing tells what was answered.
    """
    tables, snapshots = source.tables, source.scored.snapshots
    types = asking_types(tables, source.project.report.answer_first)
    if not len(types) or not (tables.events.direction == OUTBOUND).any():
        return {}
    newest, event = _newest_of(tables, snapshots, types)
    answered = last_touch(tables, snapshots)
    asked = newest > np.iinfo(np.int64).min
    unanswered = asked & (newest > answered)
    unanswered &= newest >= snapshots.as_of - ANSWER_DAYS * DAY
    names = tables.events.type_names
    return {
        int(row): OpenAsk(names[int(event[row])], int(newest[row]))
        for row in np.flatnonzero(unanswered)
    }


def _newest_of(
    tables: Tables, snapshots: Snapshots, types: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the newest known event of these types of each snapshot: its moment and its type."""
    events = tables.events
    none = np.iinfo(np.int64).min
    as_of = np.full(len(tables), none, np.int64)
    as_of[snapshots.lead] = snapshots.as_of
    kept = np.flatnonzero(np.isin(events.type, types) & events.known_before(as_of))
    at, lead = events.at[kept], events.lead[kept]
    newest, event = np.full(len(tables), none, np.int64), np.full(len(tables), -1, np.int64)
    order = np.lexsort((kept, at))
    newest[lead[order]], event[lead[order]] = at[order], events.type[kept][order]
    return newest[snapshots.lead], event[snapshots.lead]


def fill_lanes(
    source: ReportInput, asks: dict[int, OpenAsk], changes: WeekChanges | None, cut_off: int | None
) -> dict[int, tuple[LaneEntry, ...]]:
    """Say for each row in which lanes it stands and why; rows that a rule takes out in none.

    One that an answer keeps off the list is in its lanes again once that is taken back.
    """
    lanes: dict[int, list[LaneEntry]] = {}
    acts = source.project.report.acts
    off = source.ruled
    for row, ask in asks.items():
        if not off[row]:
            days = int((source.scored.as_of - ask.at) // DAY)
            entry = LaneEntry("answer", _asked(ask, days, acts), iso(ask.at))
            lanes.setdefault(row, []).append(entry)
    for row, entry in _cold(source, cut_off):
        lanes.setdefault(row, []).append(entry)
    for row, entry in _hot(source, changes):
        lanes.setdefault(row, []).append(entry)
    return {row: tuple(entries) for row, entries in lanes.items()}


def _asked(ask: OpenAsk, days: int, acts: Mapping[str, OwnWords]) -> Phrase:
    act = act_phrase(acts, ask.event, "lead", ago(days))
    if act is not None:
        return Phrase("{act}, not answered yet", {"act": act})
    params: dict[str, Scalar | Phrase | None] = {
        "label": ask.event.replace("_", " "),
        "event": ask.event,
    }
    if days < 1:
        return Phrase("Not answered yet: {label}, today", params)
    if days == 1:
        return Phrase("Not answered yet: {label}, yesterday", params)
    return Phrase("Not answered yet: {label}, {n} days ago", {**params, "n": days})


def _cold(source: ReportInput, cut_off: int | None) -> list[tuple[int, LaneEntry]]:
    if cut_off is None or source.tables.created_at is None:
        return []
    missed = find_missed(
        source.tables,
        source.scored.snapshots,
        source.scored.scores.score.astype(np.float64),
        threshold=float(cut_off),
        days=source.project.report.untouched_days,
        skip=source.ruled | ~source.shown,
    )
    entries = []
    for lead in missed:
        days = int(lead.days)
        phrase = (
            Phrase("Sales has not been in touch for {n} days", {"n": days})
            if lead.touched
            else Phrase("Sales has never been in touch, in {n} days", {"n": days})
        )
        since = source.scored.as_of - int(lead.days * DAY)
        entries.append((lead.row, LaneEntry("cold", phrase, iso(since))))
    return entries


def _hot(source: ReportInput, changes: WeekChanges | None) -> list[tuple[int, LaneEntry]]:
    if changes is None:
        return []
    cuts = sorted(source.scored.cuts, key=lambda band: -source.scored.cuts[band])
    hot = set(cuts[:HOT_BANDS])
    bands = source.scored.table["band"].to_numpy(object)
    rose = source.shown & ~source.ruled & changes.existed
    rose &= (changes.trends == "rising") & ~np.isin(changes.bands, list(hot))
    entries = []
    for row in np.flatnonzero(rose).tolist():
        if bands[row] in hot:
            phrase = Phrase(
                "Rose from {old} to {new} within a week",
                {"old": changes.old_band(row), "new": str(bands[row])},
            )
            entries.append((row, LaneEntry("hot", phrase, iso(changes.since))))
    return entries
