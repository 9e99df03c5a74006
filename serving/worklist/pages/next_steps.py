"""Open leads and what happened to them -> the one next step of each, never one that is done.

First of all a question that waits for its answer; then what the company's rules say for the stage,
unless the lead has done it already; then what is still unknown for the next stage; then the act of
sales after which leads like this one score highest; then the contact that is due.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from data.clock import DAY
from data.tables import INBOUND, OUTBOUND, Events
from models.explain.sales_steps import SalesStep, suggest
from serving.figures.follow_up import last_touch
from serving.worklist.pages.act_phrases import answer_to, contact_by
from serving.worklist.pages.lanes import OpenAsk
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.phrase import Phrase
from serving.worklist.view_parts import NextStep

LEAST_POINTS: Final = 2
"""Less is within the rounding of a score that is shown in whole points."""
ASK_FOR: Final = {
    "need": Phrase("Ask what they need"),
    "budget": Phrase("Ask about the budget"),
    "authority": Phrase("Ask who decides"),
    "timing": Phrase("Ask when they want to start"),
}


def make_steps(source: ReportInput, rows: Sequence[int]) -> dict[int, NextStep]:
    """Score these rows again as if sales had just acted; row -> the best act, where it gains.

    An association in past leads, not a proven effect: the report says so beside it.
    """
    acts = [SalesStep(name, event=name) for name in acts_of_sales(source.tables.events)]
    if not acts or not rows:
        return {}
    frame = source.scored.frame.take(np.array(rows, np.int64)).to_pandas()
    ids = [str(lead) for lead in source.scored.table["lead_id"].iloc[list(rows)]]
    suggestions = suggest(source.model.scorer, frame, acts, lead_ids=ids, least=LEAST_POINTS)
    return {
        row: NextStep(contact_by(best.step), best.points)
        for row, best in zip(rows, suggestions, strict=True)
        if best is not None
    }


def acts_of_sales(events: Events) -> tuple[str, ...]:
    """Name the event types that are mostly acts of sales; none where no direction is known."""
    return _types_of(events, OUTBOUND)


def choose_steps(
    source: ReportInput, asks: Mapping[int, OpenAsk], rescored: Mapping[int, NextStep]
) -> Mapping[int, NextStep]:
    """Choose the next step of every row; none for rows that a rule takes out."""
    return _ChosenSteps(source, asks, rescored)


class _ChosenSteps(Mapping[int, NextStep]):
    """Row -> its step, chosen when it is asked for: a list shows those of few rows."""

    def __init__(
        self, source: ReportInput, asks: Mapping[int, OpenAsk], rescored: Mapping[int, NextStep]
    ) -> None:
        self.source, self.asks, self.rescored = source, asks, rescored
        self.done = _DoneByLead(source)
        self.due = _ContactsDue(source)

    def __getitem__(self, row: int) -> NextStep:
        if self.source.ruled[row]:
            raise KeyError(row)
        step = _answer(self.asks.get(row)) or _of_stage(self.source, self.done, row)
        return step or self.rescored.get(row) or NextStep(self.due.of(row))

    def __iter__(self) -> Iterator[int]:
        return iter(np.flatnonzero(~self.source.ruled).tolist())

    def __len__(self) -> int:
        return int((~self.source.ruled).sum())


class _ContactsDue:
    """Says what sales owes a lead: a first contact, another one, or to go on."""

    def __init__(self, source: ReportInput) -> None:
        scored = source.scored
        self.known = bool((source.tables.events.direction == OUTBOUND).any())
        self.touched = last_touch(source.tables, scored.snapshots)
        self.cold_since = scored.as_of - source.project.report.untouched_days * DAY

    def of(self, row: int) -> Phrase:
        """Word the contact that is due; where nothing says that sales acted, any."""
        at = int(self.touched[row])
        if not self.known:
            return Phrase("Get in touch")
        if at == np.iinfo(np.int64).min:
            return Phrase("Get in touch for the first time")
        if at <= self.cold_since:
            return Phrase("Get in touch again")
        return Phrase("Follow up on the last contact")


def _answer(ask: OpenAsk | None) -> NextStep | None:
    """Answer what was asked before anything else."""
    if ask is None:
        return None
    return NextStep(answer_to(ask.event))


def _of_stage(source: ReportInput, done: _DoneByLead, row: int) -> NextStep | None:
    """Take the step of the lead's stage; where it is done, ask for what is not known yet."""
    stages = source.scored.qualification.criteria.stages
    stage = int(source.scored.qualification.stage[row])
    if stage < 0:
        return None
    words = stages[stage].next_step
    if words is not None and not done.has(row, words):
        return NextStep(Phrase(words))
    if words is None:
        return None
    answers = source.scored.qualification.card(row).answers
    unknown = next((answer.question for answer in answers if answer.value is None), None)
    if unknown is None:
        return None
    return NextStep(ASK_FOR[unknown])


class _DoneByLead:
    """Tells whether a lead has done what a step offers: the step names a type of its events."""

    def __init__(self, source: ReportInput) -> None:
        self.source = source
        self.types = _types_of(source.tables.events, INBOUND)
        self.named: dict[str, tuple[int, ...]] = {}

    def has(self, row: int, step: str) -> bool:
        """Say whether the lead has an event of a type that the step speaks of."""
        if step not in self.named:
            names = self.source.tables.events.type_names
            self.named[step] = tuple(names.index(t) for t in self.types if _speaks_of(step, t))
        if not self.named[step]:
            return False
        events = self.source.tables.events
        lead = int(self.source.scored.snapshots.lead[row])
        places = np.arange(events.offsets[lead], events.offsets[lead + 1])
        known = events.at[places] < self.source.scored.as_of
        if events.recorded_at is not None:
            known &= events.recorded_at[places] < self.source.scored.as_of
        return bool(np.isin(events.type[places][known], self.named[step]).any())


def _speaks_of(step: str, event_type: str) -> bool:
    """Tell whether a step names an event type: all its words, in the singular or the plural.

    >>> _speaks_of("Offer a guided trial", "trial"), _speaks_of("Offer a trial", "trial_ended")
    (True, False)
    """
    said = {_singular(word) for word in re.findall(r"\w+", step.lower())}
    words = re.findall(r"[^\W_]+", event_type.lower())
    return bool(words) and all(_singular(word) in said for word in words)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") else word


def _types_of(events: Events, direction: int) -> tuple[str, ...]:
    """Name the event types that mostly go one way."""
    n = len(events.type_names)
    known = events.type >= 0
    every = np.bincount(events.type[known], minlength=n)
    these = np.bincount(events.type[known & (events.direction == direction)], minlength=n)
    return tuple(name for i, name in enumerate(events.type_names) if 2 * these[i] > every[i])
