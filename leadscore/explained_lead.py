"""Why one lead has its score, and why it changed: points that add up, as frames and as a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from leadscore.shown import Showable, Shown, ShownTable
from models.explain.fixed_sentences import REST, TYPICAL, UNSEEN, UNSTABLE
from models.explain.sentences import say_limit
from serving.explain import LeadExplanation
from serving.worklist.pages.lead_reasons import report_reason
from serving.worklist.view_lead import LeadDetail
from serving.worklist.waterfall_chart import waterfall


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ExplainedLead(Showable):
    """One lead's score in whole points, and its change where one was asked for.

    Made by `LeadModel.explain`. In a notebook it shows the way from the typical lead to this one.
    """

    _explained: LeadExplanation
    _bands: Mapping[str, float]

    @property
    def lead_id(self) -> str:
        """The id of the lead."""
        return self._explained.explanation.lead_id

    @property
    def score(self) -> int:
        """The score, 0 to 100."""
        return self._explained.explanation.score

    @property
    def band(self) -> str:
        """The band, as lists and the CRM show it."""
        return self._explained.band

    @property
    def probability(self) -> tuple[float, float, float]:
        """The probability of conversion within the horizon, and the ends of its range."""
        return self._explained.probability

    @property
    def typical(self) -> int:
        """The score of the typical lead, where the points start."""
        return self._explained.explanation.typical

    @property
    def families(self) -> dict[str, int]:
        """Points by family: typical + families + the limit of the scale == score."""
        return dict(self._explained.explanation.families)

    @property
    def grid(self) -> str:
        """Fit (A to D) and engagement (1 to 4), a view of the same points."""
        return self._explained.explanation.grid

    @property
    def points(self) -> pd.DataFrame:
        """Every part of the score: reason, points, fact; the points add up to the score."""
        e, t = self._explained.explanation, self._explained.speech.message
        rows: list[tuple[str, int, str | None]] = [(t(TYPICAL), e.typical, None)]
        rows += self._explained.parts
        return pd.DataFrame(rows, columns=["reason", "points", "fact"])

    @property
    def score_before(self) -> int | None:
        """The score at `since`; None where no change was asked for, or the lead was not there."""
        return None if self._explained.change is None else self._explained.change.old_score

    @property
    def change(self) -> pd.DataFrame | None:
        """Why the score changed: reason, points, adding up to it; None where `score_before` is."""
        if self._explained.change is None:
            return None
        return pd.DataFrame(self._explained.change_lines, columns=["reason", "points"])

    def _shown(self) -> Shown:
        explained, t = self._explained, self._explained.speech.message
        value, low, high = explained.probability
        notes = [explained.caution]
        notes += [] if explained.explanation.stable else [t(UNSTABLE)]
        notes += explained.change_notes
        tables = [self._waterfall()]
        if explained.change_title:
            title = explained.change_title
            rows = tuple((text, f"{points:+}") for text, points in explained.change_lines)
            tables.append(ShownTable(title, ("why it changed", "points"), rows, (1,)))
        return Shown(
            f"Lead {self.lead_id}",
            f"{self.score} ({self.band}), {value:.1%} ({low:.1%} – {high:.1%})",
            facts=tuple((name, f"{points:+}") for name, points in self.families.items()),
            notes=tuple(notes),
            tables=tuple(tables),
        )

    def _waterfall(self) -> ShownTable:
        """Draw the way from the typical lead to this one, a bar on each row."""
        e, t = self._explained.explanation, self._explained.speech.message
        detail = LeadDetail(
            e.typical,
            tuple(report_reason(reason) for reason in e.reasons_for),
            tuple(report_reason(reason) for reason in e.reasons_against),
            e.rest_points,
            e.limit_points,
            unseen_points=e.unseen_points,
        )
        words = {
            "typical": t(TYPICAL),
            "unseen": t(UNSEEN),
            "rest": t(REST),
            "limit": say_limit(e.score - e.limit_points, self._explained.speech),
            "score": e.lead_id,
        }
        rows = []
        for row in waterfall(detail, e.score, self._bands):
            text, fact = words.get(row.kind, ""), None
            if row.reason is not None:
                text, _, fact = self._explained.reasons[row.reason]
            whole = row.kind in ("typical", "score")
            points = f"{row.points}" if whole else f"{row.points:+}"
            rows.append((f"{text} [{fact}]" if fact else text, row.bar, points))
        return ShownTable("", ("why", "", "points"), tuple(rows), (2,))
