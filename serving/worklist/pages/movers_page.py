"""Scores of today and of a week ago -> page "Movers": the largest rises and falls, with why."""

from __future__ import annotations

from typing import Final

import pandas as pd

from data.clock import iso
from models.explain.change import Change, ScoreChangeLine
from serving.past_weeks import WEEK
from serving.score_changes import (
    Moment,
    changes_from,
    changes_since_run,
    line_reason,
    lines_to_show,
)
from serving.worklist.pages.lead_pages import report_reason
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.view import Mover, MoversPage
from serving.worklist.view_parts import ShownChangeLine

WEEKS: Final = 1
SHOWN: Final = 10
KINDS: Final = {
    "event": "events",
    "edit": "edits",
    "time": "time",
    "model": "model",
    "card": "card",
    "limit": "rest",
}


def make_movers(source: ReportInput) -> MoversPage | None:
    """Explain the change since a week ago; None in static mode.

    Where another model scored the leads then, that run is compared, so that the change of model
    shows as such; else the past is rebuilt and scored by today's model.
    """
    if source.tables.created_at is None:
        return None
    frame = source.scored.frame.to_pandas()
    moment = Moment(source.tables, source.scored.snapshots, frame, source.model, source.threads)
    if source.other_run is None:
        since = source.scored.as_of - WEEKS * WEEK
        changes = changes_from(moment, since, *source.scored.past.at(WEEKS))
    else:
        run, model = source.other_run
        since = run.as_of
        row_of = {str(lead): row for row, lead in enumerate(source.scored.table["lead_id"])}
        by_lead = changes_since_run(moment, run, model)
        changes = {row_of[lead]: change for lead, change in by_lead.items()}
    eligible = set(source.ranked.tolist())
    considered = [(row, c) for row, c in changes.items() if row in eligible]
    moved = [(row, c) for row, c in considered if c.score != c.old_score]
    moved.sort(key=lambda pair: (-abs(pair[1].score - pair[1].old_score), pair[1].lead_id))

    def mover(row: int, change: Change) -> Mover:
        lines = [_line(source, line, row, frame) for line in lines_to_show(change)]
        if change.rest_points:
            lines.append(ShownChangeLine("rest", change.rest_points))
        return Mover(change.lead_id, change.old_score, change.score, tuple(lines))

    rises = [mover(row, c) for row, c in moved if c.score > c.old_score][:SHOWN]
    falls = [mover(row, c) for row, c in moved if c.score < c.old_score][:SHOWN]
    unchanged = len(considered) - len(moved)
    return MoversPage(iso(since), tuple(rises), tuple(falls), unchanged)


def _line(
    source: ReportInput, line: ScoreChangeLine, row: int, frame: pd.DataFrame
) -> ShownChangeLine:
    reason = line_reason(line, source.model, frame.iloc[row])
    in_report = None if reason is None else report_reason(reason)
    return ShownChangeLine(KINDS[line.kind], line.points, in_report)  # type: ignore[arg-type]
