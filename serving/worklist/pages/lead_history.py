"""The past on a lead's page: its scores, its events, and similar leads that converted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from data.clock import DAY, NEVER, iso
from data.tables import Snapshots, Tables
from features.build import build
from serving.past_weeks import HISTORY_WEEKS, Rows, look_back
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.view_parts import PastScore, SimilarLead, TimelineEvent

TIMELINE: Final = 16
"""Lines of a timeline."""
READ: Final = 80
"""Newest events that the lines are made of."""
APART: Final = 7 * DAY
"""Events alike in a row that are further apart are lines of their own."""
SIMILAR: Final = 3
LOOK_BACK: Final = 14 * DAY
MOST_CONVERTED: Final = 2_000
DIRECTIONS: Final = ("unknown", "inbound", "outbound")


def score_history(source: ReportInput, rows: Rows) -> dict[int, tuple[PastScore, ...]]:
    """Score each row's lead at the last weeks, by today's model, from what was known then.

    The newest point is today's score; weeks before the lead was known are left out.
    """
    history: dict[int, list[PastScore]] = {int(row): [] for row in rows}
    weeks, catalogue = range(1, HISTORY_WEEKS + 1), source.model.catalogue
    now = source.scored.snapshots.take(rows)
    past = look_back(source.tables, now, catalogue, weeks, threads=source.threads)
    if len(past.row):  # by lead, the oldest week first
        scores = source.model.scorer.score(past.frame.to_pandas()).score
        moments = past.frame.snapshots.as_of
        for row, at, score in zip(rows[past.row], moments, scores, strict=True):
            history[int(row)].append(PastScore(iso(int(at)), int(score)))
    for row in rows.tolist():
        at = int(source.scored.snapshots.as_of[row])
        history[row].append(PastScore(iso(at), int(source.scored.scores.score[row])))
    return {row: tuple(points) for row, points in history.items()}


def timeline(tables: Tables, lead: int, as_of: int) -> tuple[TimelineEvent, ...]:
    """List the newest events of a lead that were known at `as_of`, newest first.

    Events alike in a row, each within a week of the one before, are one line.
    """
    events = tables.events
    places = np.arange(events.offsets[lead], events.offsets[lead + 1])
    known = events.at[places] < as_of
    if events.recorded_at is not None:
        known &= events.recorded_at[places] < as_of
    lines: list[TimelineEvent] = []
    latest = 0
    for i in places[known][::-1][:READ].tolist():
        at = int(events.at[i])
        event = TimelineEvent(
            at=iso(at),
            label=events.type_names[int(events.type[i])],
            direction=DIRECTIONS[int(events.direction[i]) + 1],
            note=_note(tables, i),
        )
        before = lines[-1] if lines else None
        if before is not None and _alike(before, event) and latest - at <= APART:
            lines[-1] = replace(before, earlier=(*before.earlier, event.at))
        elif len(lines) == TIMELINE:
            break
        else:
            lines.append(event)
        latest = at
    return tuple(lines)


def _alike(one: TimelineEvent, other: TimelineEvent) -> bool:
    return (one.label, one.direction, one.note) == (other.label, other.direction, other.note)


def _note(tables: Tables, event: int) -> str:
    events = tables.events
    channel, campaign = int(events.channel[event]), int(events.campaign[event])
    words = [events.channel_names[channel]] if channel >= 0 else []
    words += [events.campaign_names[campaign]] if campaign >= 0 else []
    return ", ".join(words)


@dataclass(frozen=True, slots=True)
class WonLeads:
    """Leads that converted lately, as they were two weeks before: what made up their scores."""

    lead: Rows
    points: NDArray[np.float64]  # (n, n_factors) contributions, log-odds
    score: NDArray[np.int64]

    @classmethod
    def of(cls, source: ReportInput) -> WonLeads | None:
        """Build them, once for all pages; None where nothing says who converted and when."""
        converted, tables = source.outcomes.converted_at, source.tables
        won = np.flatnonzero((converted != NEVER) & (converted < source.scored.as_of))
        if tables.created_at is None or not source.outcomes.timed or len(won) == 0:
            return None
        won = won[np.argsort(-converted[won], kind="stable")][:MOST_CONVERTED]
        won = np.sort(won)
        at = np.maximum(tables.created_at[won], converted[won] - LOOK_BACK)
        frame = build(tables, Snapshots(won, at), source.model.catalogue, threads=source.threads)
        features, scorer = frame.to_pandas(), source.model.scorer
        points = scorer.contributions(features, by="factor").values
        return cls(won, points, scorer.score(features).score)


def find_similar(
    source: ReportInput, won: WonLeads | None, rows: Rows
) -> dict[int, tuple[SimilarLead, ...]]:
    """Find converted leads whose score, two weeks before, was made of much the same reasons.

    The distance is the sum of absolute differences of factor contributions (log-odds).
    """
    similar: dict[int, tuple[SimilarLead, ...]] = {int(row): () for row in rows}
    created = source.tables.created_at
    if won is None or created is None or len(rows) == 0:
        return similar
    tables, lead, converted = source.tables, won.lead, source.outcomes.converted_at
    today = source.scored.frame.take(rows).to_pandas()
    points = source.model.scorer.contributions(today, by="factor").values
    names = tables.display["name"] if "name" in tables.display.columns else None
    owners = tables.display["owner"] if "owner" in tables.display.columns else None
    for place, row in enumerate(rows.tolist()):
        nearest = _nearest(won.points, points[place])
        similar[row] = tuple(
            SimilarLead(
                name=_name(tables, names, int(lead[i])),
                score=int(won.score[i]),
                days=int((converted[lead[i]] - created[lead[i]]) // DAY),
                lead_id=str(tables.lead_ids[lead[i]]),
                owner=_shown(owners, int(lead[i])),
            )
            for i in nearest.tolist()
        )
    return similar


def _nearest(among: NDArray[np.float64], point: NDArray[np.float64]) -> Rows:
    """Find the nearest rows by the sum of absolute differences, ties by place.

    A quick distance, whose last bits differ, leaves few rows to measure and to sort.
    """
    quick = cdist(point[None], among, "cityblock")[0]
    if len(quick) > SIMILAR:
        limit = np.partition(quick, SIMILAR - 1)[SIMILAR - 1]
        close = np.flatnonzero(quick <= limit * (1 + 1e-9) + 1e-9)
    else:
        close = np.arange(len(quick))
    distance = np.abs(among[close] - point).sum(axis=1)
    return close[np.argsort(distance, kind="stable")[:SIMILAR]]


def _name(tables: Tables, names: object, lead: int) -> str:
    return _shown(names, lead) or str(tables.lead_ids[lead])


def _shown(column: object, lead: int) -> str:
    value = None if column is None else column.iloc[lead]  # type: ignore[attr-defined]
    return "" if value is None or value != value else str(value)
