"""Everything that the report's pages are filled from, gathered once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from data.clock import NEVER, iso
from data.reading.read_tables import CrmData
from data.schema import Project
from data.tables import Outcomes, Tables
from models.explain.change import StoredRun
from serving.answers.answer_store import RepAnswer
from serving.figures.counts import CountRange
from serving.figures.forecast_shares import count_old_by_age
from serving.figures.funnel import Rate
from serving.figures.lead_worth import lead_worth
from serving.held_back import came_in_order, order_of_list
from serving.loaded_model import LoadedModel
from serving.scoring_run import ScoringRun
from serving.worklist.pages.last_list import StoredList
from serving.worklist.view_parts import Feedback, Interval


@dataclass(frozen=True)  # without slots: what is asked for again and again is kept
class ReportInput:
    """One scoring run, its model and its data; row i of `scored` is open lead i."""

    project: Project
    reading: CrmData
    model: LoadedModel
    scored: ScoringRun
    file: str
    threads: int
    scored_from: int | None = None  # when sales first had scores at hand
    feedback: tuple[RepAnswer, ...] = ()  # what reps answered back, oldest first
    other_run: tuple[StoredRun, LoadedModel] | None = None  # an earlier run, if by another model
    stored_list: StoredList | None = None  # the calls of a week ago

    @property
    def tables(self) -> Tables:
        """What is known of the leads."""
        return self.reading.tables

    @property
    def outcomes(self) -> Outcomes:
        """Outcomes known at as_of: a report of an earlier day does not see later ones."""
        outcomes = self.reading.outcomes
        return replace(outcomes, observed_until=min(outcomes.observed_until, self.scored.as_of))

    @cached_property
    def promises(self) -> bool:
        """Tell whether any number of opportunities may be promised of these leads.

        Not where the model learned from them as leads that did not convert: in static mode rows
        whose flag says so, and with a date of creation those whose horizon is over.
        """
        outcomes, tables = self.outcomes, self.tables
        if outcomes.timed or tables.created_at is None:
            return not outcomes.settled
        snapshots = self.scored.snapshots
        closes = tables.created_at[snapshots.lead] + (self.project.conversion.horizon or 0)
        return bool((closes > snapshots.as_of).all())

    @cached_property
    def ranked(self) -> NDArray[np.int64]:
        """Rows to work, most probable first, ties by id: no rule or answer keeps them off the list.

        Leads whose score is held back stand as they would without one.
        """
        return self._in_order(~self.scored.off_list)

    @cached_property
    def in_play(self) -> NDArray[np.int64]:
        """Rows that may convert: done and snoozed ones too, disqualified ones not."""
        return self._in_order(~self.scored.taken_out)

    def _in_order(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        scored, rows = self.scored, np.flatnonzero(chosen)
        lead = scored.snapshots.lead[rows]
        order = order_of_list(
            self.tables.lead_ids[lead].astype(str),
            came_in_order(self.tables, lead),
            self.project,
            held=scored.held[rows],
            rank=-scored.scores.probability[rows]
            if self.model.card.ranks
            else -came_in_order(self.tables, lead),
        )
        return rows[order]

    @cached_property
    def shown(self) -> NDArray[np.bool_]:
        """Tell which rows' scores may be shown: (n,)."""
        return self.scored.shown

    @cached_property
    def standing(self) -> NDArray[np.bool_]:
        """Tell which rows an answer keeps off the list: (n,)."""
        return np.array([each is not None for each in self.scored.standing], bool)

    @cached_property
    def listed(self) -> NDArray[np.int64]:
        """All rows as the list has them: to work, kept off by an answer, taken out by a rule."""
        answered = self.scored.off_list & ~self.ruled
        return np.concatenate([self.ranked, np.flatnonzero(answered), np.flatnonzero(self.ruled)])

    @cached_property
    def by_chance(self) -> NDArray[np.int64]:
        """All rows by chance, those that a rule takes out behind the others.

        One that an answer keeps off the list stands where it will be once that is taken back.
        """
        return np.concatenate([self._in_order(~self.ruled), np.flatnonzero(self.ruled)])

    @cached_property
    def ruled(self) -> NDArray[np.bool_]:
        """Tell which rows a rule takes out: (n,)."""
        ruled: NDArray[np.bool_] = self.scored.qualification.disqualified >= 0
        return ruled

    @cached_property
    def chances(self) -> NDArray[np.float64]:
        """Probabilities to count with: where a score is held back, that of the average lead."""
        p, shown = self.scored.scores.probability, self.shown
        return np.where(shown, p, p.mean())

    @cached_property
    def counted(self) -> NDArray[np.float64]:
        """Chances for sums over all leads: those too old for the model as such leads really did."""
        return count_old_by_age(
            self.tables, self.outcomes, self.project, self.scored.snapshots, self.chances
        )

    @cached_property
    def amounts(self) -> NDArray[np.float64]:
        """Say what a conversion of each row brings, its own amount first; NaN where unknown."""
        scored = self.scored
        if "amount" in scored.table.columns:
            return scored.table["amount"].to_numpy(np.float64)
        return lead_worth(self.project, self.tables, scored.snapshots.lead, None, None)

    @property
    def worth(self) -> NDArray[np.float64] | None:
        """Say what a conversion of each row brings; None where that is not known of all."""
        worth = self.amounts
        return worth if np.isfinite(worth).all() else None

    @property
    def own_amounts(self) -> NDArray[np.float64]:
        """Read the amount that the CRM gives for each row; NaN where it gives none."""
        if "value" not in self.tables.display.columns:
            return np.full(len(self.scored.snapshots), np.nan)
        own = self.tables.display["value"].to_numpy(np.float64, na_value=np.nan)
        own = own[self.scored.snapshots.lead]
        return np.where(np.isfinite(own) & (own > 0), own, np.nan)

    def feedback_on(self, lead_id: str, back_at: datetime | None) -> tuple[Feedback, ...]:
        """List what reps answered to the scores of one lead, newest first.

        What they said before it came back was of an episode that ended.
        """
        since = 0 if back_at is None else round(back_at.timestamp() * 1e6)
        return tuple(
            Feedback(
                iso(each.given_at),
                each.verdict,
                each.reason,
                each.author,
                each.score,
                each.given_at < since,
            )
            for each in reversed(self._feedback.get(lead_id, ()))
        )

    @cached_property
    def _feedback(self) -> dict[str, list[RepAnswer]]:
        by_lead: dict[str, list[RepAnswer]] = {}
        for each in self.feedback:
            by_lead.setdefault(each.lead_id, []).append(each)
        return by_lead

    @cached_property
    def owners(self) -> NDArray[np.object_]:
        """Name the owner of each row, "" for none."""
        return self.display("owner")

    @property
    def owner_emails(self) -> dict[str, str]:
        """Read the address of each owner, where the leads carry it."""
        pairs = zip(self.owners, self.display("owner_email"), strict=True)
        return {str(owner): str(address) for owner, address in pairs if owner and address}

    def display(self, column: str) -> NDArray[np.object_]:
        """Read a display column for each row, "" where it is not declared or not known."""
        if column not in self.tables.display.columns:
            return np.full(len(self.scored.snapshots), "", object)
        values = self.tables.display[column].to_numpy(object)[self.scored.snapshots.lead]
        return np.array(["" if v is None or v != v else str(v) for v in values], object)


def iso_or_none(at: int) -> str | None:
    """Write a moment as ISO 8601; None where it never happened."""
    return None if at == NEVER or at <= np.iinfo(np.int64).min + 1 else iso(at)


def float_or_none(value: float) -> float | None:
    """Give a number; None where it is not known."""
    return float(value) if np.isfinite(value) else None


def interval(figure: Rate | CountRange) -> Interval:
    """Turn a rate or a count into the report's type; an unknown rate has the value 0."""
    value = 0.0 if figure.value != figure.value else figure.value
    return Interval(float(value), float(figure.low), float(figure.high))
