"""Scores of today and of a week ago -> what changed of each lead, by what, in whole points.

The arrows, the page "Changes", the lead pages and the lane of new hot leads all read this one
comparison, so that they cannot contradict each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from data.asof import known_before
from models.explain.change import Change, StoredRun, scores_of_both
from models.explain.reasons import value_reader
from models.predictor import Ints, bands_of
from models.scorecard import trend
from serving.loaded_model import LoadedModel
from serving.past_weeks import TREND_WEEKS, WEEK, Rows
from serving.score_changes import (
    Moment,
    changes_from,
    changes_since_run,
    scores_since_run,
)
from serving.worklist.change_lines import ChangeLines
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.view_parts import Cause, ShownChangeLine, Trend

CAUSES: Final[Mapping[str, Cause]] = {
    "event": "intent",
    "edit": "edited",
    "time": "quiet",
    "model": "model",
    "card": "model",
}
BLOCK: Final = 20_000
"""Rows that are compared at once."""


@dataclass(frozen=True, slots=True)
class WeekChanges:
    """What changed since a moment, of every row; `existed` (n,) are the leads that were there then.

    `old`, `new` (n,) are scores, `bands` those in which the scores of then stand, `trends` the
    arrows. Why a score changed is computed for the rows that are shown (`of`).
    """

    since: int
    existed: NDArray[np.bool_]
    old: Ints
    new: Ints
    bands: NDArray[np.object_]
    trends: NDArray[np.object_]
    explain: Callable[[Rows], dict[int, Change]]

    def of(self, rows: Iterable[int]) -> dict[int, Change]:
        """Explain the change of these rows, of those that existed: row -> change."""
        chosen = np.array(sorted(rows), np.int64)
        chosen = chosen[self.existed[chosen]]
        return self.explain(chosen) if len(chosen) else {}

    def old_score(self, row: int) -> int | None:
        """Give the score of then; None where there was none."""
        return int(self.old[row]) if self.existed[row] else None

    def old_band(self, row: int) -> str | None:
        """Give the band in which the score of then stands."""
        return str(self.bands[row]) if self.existed[row] else None

    def trend(self, row: int) -> Trend:
        """Say which way the arrow points."""
        return cast("Trend", self.trends[row])


def find_changes(source: ReportInput) -> WeekChanges | None:
    """Find what changed within the week; None in static mode.

    Where another model scored the leads then, that run is compared, so that the change of model
    shows as such; else the past is rebuilt and scored by today's model.
    """
    if source.tables.created_at is None:
        return None
    found = (
        _FromThePast(source) if source.other_run is None else _FromARun(source, source.other_run)
    )
    n, card = len(source.scored.snapshots), source.model.scorer.card
    existed, old, new = np.zeros(n, bool), np.zeros(n, np.int64), np.zeros(n, np.int64)
    for start in range(0, n, BLOCK):
        rows, then, now = found.scores(np.arange(start, min(start + BLOCK, n)))
        existed[rows], old[rows], new[rows] = True, then, now
    before = np.where(existed, old, np.nan)
    return WeekChanges(
        found.since, existed, old, new, bands_of(card, old), trend(new, before), found.explain
    )


class _FromThePast:
    """Compares with the past as it was known a week ago, scored by today's model."""

    def __init__(self, source: ReportInput) -> None:
        self.since = source.scored.as_of - TREND_WEEKS * WEEK
        self.rows, self.frame = source.scored.past.at(TREND_WEEKS)
        self.moment = _moment(source, self.since)
        self.scorer = source.model.scorer

    def scores(self, rows: Rows) -> tuple[Rows, Ints, Ints]:
        """Give those of the rows that existed, their scores of then and of now."""
        places = np.flatnonzero(np.isin(self.rows, rows))
        then, today = self.frame.take(places).to_pandas(), self.moment.frame
        chosen = self.rows[places]
        return chosen, *scores_of_both(self.scorer, then, self.scorer, today.iloc[chosen])

    def explain(self, rows: Rows) -> dict[int, Change]:
        """Explain the change of rows that existed."""
        places = np.flatnonzero(np.isin(self.rows, rows))
        return changes_from(self.moment, self.since, self.rows[places], self.frame.take(places))


class _FromARun:
    """Compares with a stored run of another model."""

    def __init__(self, source: ReportInput, other: tuple[StoredRun, LoadedModel]) -> None:
        self.run, self.model = other
        self.since = self.run.as_of
        self.moment = _moment(source, self.since)

    def scores(self, rows: Rows) -> tuple[Rows, Ints, Ints]:
        """Give those of the rows that the run scored, their scores of then and of now."""
        found, then, now = scores_since_run(self._of(rows), self.run, self.model)
        return rows[found], then, now

    def explain(self, rows: Rows) -> dict[int, Change]:
        """Explain the change of rows that the run scored."""
        ids = self.moment.tables.lead_ids[self.moment.snapshots.lead[rows]]
        row_of = {str(lead): int(row) for lead, row in zip(ids, rows, strict=True)}
        changes = changes_since_run(self._of(rows), self.run, self.model)
        return {row_of[lead]: change for lead, change in changes.items()}

    def _of(self, rows: Rows) -> Moment:
        frame = self.moment.frame.iloc[rows].reset_index(drop=True)
        return replace(self.moment, snapshots=self.moment.snapshots.take(rows), frame=frame)


def _moment(source: ReportInput, since: int) -> Moment:
    """Give the leads of the run as they are today, beside the tables as they were known then."""
    tables, frame = source.tables, source.scored.frame.to_pandas()
    before = known_before(tables, since)
    return Moment(tables, source.scored.snapshots, frame, source.model, source.threads, before)


def main_cause(change: Change) -> Cause:
    """Name what did most in the direction in which the score went."""
    sign = 1 if change.score >= change.old_score else -1
    sums = dict.fromkeys(CAUSES.values(), 0.0)
    for line in change.lines:
        if line.kind in CAUSES:
            sums[CAUSES[line.kind]] += sign * line.exact
    return max(sums, key=lambda cause: sums[cause])


class ChangeWords:
    """Says what moved the scores of a run within the week, line by line."""

    def __init__(self, source: ReportInput, since: int) -> None:
        self.leads = source.scored.snapshots.lead
        self.read = value_reader(source.scored.frame.to_pandas())
        acts, as_of = source.project.report.acts, source.scored.as_of
        self.said = ChangeLines(source.model, source.tables, acts, since, as_of)

    def lines(self, row: int, change: Change) -> tuple[ShownChangeLine, ...]:
        """Write the lines of one lead; their points add up to the change of its score."""
        return self.said.of(change, int(self.leads[row]), lambda name: self.read(name, row))
