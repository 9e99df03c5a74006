"""Scores of today and of a week ago -> what changed of each lead, by what, in whole points.

The arrows, the page "Changes", the lead pages and the lane of new hot leads all read this one
comparison, so that they cannot contradict each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import DAY
from models.explain.change import Change, ScoreChangeLine
from models.predictor import ScoreCard, bands_of
from models.scorecard import trend
from serving.past_weeks import TREND_WEEKS, WEEK
from serving.score_changes import (
    Moment,
    changes_from,
    changes_since_run,
    line_reason,
    lines_to_show,
)
from serving.worklist.pages.act_phrases import act_phrase, ago
from serving.worklist.pages.lead_reasons import report_reason
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.phrase import Phrase
from serving.worklist.view_parts import Cause, ShownChangeLine, Trend

KINDS: Final = {
    "event": "events",
    "edit": "edits",
    "time": "time",
    "model": "model",
    "card": "card",
    "limit": "limit",
}
CAUSES: Final[Mapping[str, Cause]] = {
    "event": "intent",
    "edit": "edited",
    "time": "quiet",
    "model": "model",
    "card": "model",
}
LEAST_AGED: Final = 2
"""Points by which time must have moved a factor to be named by itself."""


@dataclass(frozen=True, slots=True)
class WeekChanges:
    """What changed since a moment, row -> change, for the leads that existed then."""

    since: int
    by_row: Mapping[int, Change]
    card: ScoreCard

    def old_score(self, row: int) -> int | None:
        """Give the score of then; None where there was none."""
        change = self.by_row.get(row)
        return None if change is None else change.old_score

    def old_band(self, row: int) -> str | None:
        """Give the band in which the score of then stands."""
        then = self.old_score(row)
        return None if then is None else str(bands_of(self.card, np.array([then]))[0])

    def trend(self, row: int) -> Trend:
        """Say which way the arrow points."""
        change = self.by_row.get(row)
        if change is None:
            return "new"
        now, then = np.array([change.score]), np.array([change.old_score], np.float64)
        return cast("Trend", str(trend(now, then)[0]))


def find_changes(source: ReportInput) -> WeekChanges | None:
    """Explain what changed within the week; None in static mode.

    Where another model scored the leads then, that run is compared, so that the change of model
    shows as such; else the past is rebuilt and scored by today's model.
    """
    if source.tables.created_at is None:
        return None
    frame = source.scored.frame.to_pandas()
    moment = Moment(source.tables, source.scored.snapshots, frame, source.model, source.threads)
    if source.other_run is None:
        since = source.scored.as_of - TREND_WEEKS * WEEK
        by_row = changes_from(moment, since, *source.scored.past.at(TREND_WEEKS))
    else:
        run, model = source.other_run
        since = run.as_of
        row_of = {str(lead): row for row, lead in enumerate(source.scored.table["lead_id"])}
        by_lead = changes_since_run(moment, run, model)
        by_row = {row_of[lead]: change for lead, change in by_lead.items()}
    return WeekChanges(since, by_row, source.model.scorer.card)


def main_cause(change: Change) -> Cause:
    """Name what did most in the direction in which the score went."""
    sign = 1 if change.score >= change.old_score else -1
    sums = dict.fromkeys(CAUSES.values(), 0.0)
    for line in change.lines:
        if line.kind in CAUSES:
            sums[CAUSES[line.kind]] += sign * line.exact
    return max(sums, key=lambda cause: sums[cause])


class ChangeWords:
    """Says what moved a score, line by line; what aged is named by its newest event of then."""

    def __init__(self, source: ReportInput, since: int) -> None:
        self.source, self.since = source, since
        self.frame = source.scored.frame.to_pandas()
        self.params = {f.name: (f.template, f.params) for f in source.model.scorer.features}

    def lines(self, row: int, change: Change) -> tuple[ShownChangeLine, ...]:
        """Write the lines of one lead; their points add up to the change of its score."""
        named, unnamed = self._aged(row, change)
        lines = [line for line in lines_to_show(change) if line.kind != "time"]
        shown = [*(self._line(line, row) for line in lines), *named]
        if unnamed:
            shown.append(ShownChangeLine("time", unnamed))
        if change.rest_points:
            shown.append(ShownChangeLine("rest", change.rest_points))
        return tuple(sorted(shown, key=lambda line: (line.kind == "rest", -abs(line.points))))

    def _line(self, line: ScoreChangeLine, row: int) -> ShownChangeLine:
        now: pd.Series = self.frame.iloc[row]
        reason = line_reason(line, self.source.model, now)
        shown = None if reason is None else report_reason(reason)
        return ShownChangeLine(KINDS[line.kind], line.points, shown)  # type: ignore[arg-type]

    def _aged(self, row: int, change: Change) -> tuple[list[ShownChangeLine], int]:
        """Name what became older, one line a thing; the rest of time is one number."""
        points: dict[tuple[str, str], int] = {}
        unnamed = 0
        for line in change.lines:
            if line.kind != "time":
                continue
            what = self._what(line.feature) if abs(line.points) >= LEAST_AGED else None
            if what is None:
                unnamed += line.points
            else:
                points[what] = points.get(what, 0) + line.points
        named = []
        for (event, by), sum_of_points in points.items():
            phrase = self._age(row, event, by)
            if phrase is None:
                unnamed += sum_of_points
            elif sum_of_points:
                named.append(ShownChangeLine("time", sum_of_points, aged=phrase))
        return named, unnamed

    def _what(self, feature: str) -> tuple[str, str] | None:
        """Name the event type a feature counts and who acts, "" for any; None for other facts."""
        template, params = self.params.get(feature, ("", {}))
        if template == "age_days":
            return None
        event = params.get("event")
        if isinstance(event, str):
            return event, str(params.get("by") or "")
        return ("", "") if template in _OF_ANY else None

    def _age(self, row: int, event: str, by: str) -> Phrase | None:
        """Say how old the newest event of a type is that was known a week ago."""
        at = self._newest(row, event)
        if at is None:
            return None
        days = int((self.source.scored.as_of - at) // DAY)
        if not event:
            return Phrase("the latest activity before this week is now {n} days old", {"n": days})
        act = act_phrase(self.source.project.report.acts, event, by, ago(days))
        if act is not None:
            return Phrase("{act}: that is older now and counts less", {"act": act})
        return Phrase(
            "{label}: the latest before this week is now {n} days old",
            {"label": event.replace("_", " "), "event": event, "n": days},
        )

    def _newest(self, row: int, event: str) -> int | None:
        events = self.source.tables.events
        lead = int(self.source.scored.snapshots.lead[row])
        places = np.arange(events.offsets[lead], events.offsets[lead + 1])
        kept: NDArray[np.bool_] = events.at[places] < self.since
        if event:
            if event not in events.type_names:
                return None
            kept &= events.type[places] == events.type_names.index(event)
        return int(events.at[places][kept].max()) if kept.any() else None


_OF_ANY: Final = frozenset(
    {
        "count_all_window",
        "active_days",
        "days_since_last_event",
        "decayed_count",
        "trend",
        "inbound_count",
        "outbound_count",
        "value_sum",
    }
)
