"""Scored rows -> the leads of the report: a row for all, full pages for the best of each owner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from data.clock import iso
from data.tables import Tables
from models.explain.points import Explanation, ScoreReason
from serving.figures.follow_up import last_touch
from serving.lead_score import LeadScore
from serving.worklist.pages.lead_history import find_similar, score_history, timeline
from serving.worklist.pages.report_input import ReportInput, iso_or_none
from serving.worklist.phrase import Phrase
from serving.worklist.view import LeadDetail, ReportLead
from serving.worklist.view_parts import (
    CardAnswer,
    Comeback,
    CriterionMatch,
    Feedback,
    NextStep,
    PastScore,
    ShownFact,
    ShownReason,
    SimilarLead,
    Trend,
)

LISTED_REASONS = 3


def make_leads(source: ReportInput, steps: Mapping[int, NextStep]) -> tuple[ReportLead, ...]:
    """List every open lead, best first; leads that a rule takes out come last.

    Lists show the company's own step for the stage where there is one, else the one of `steps`;
    a lead's page shows both.
    """
    detailed = top_of_owners(source)
    shown, answers = source.scored.shown, source.scored.answers()
    rows_of_pages = np.array([row for row in sorted(detailed) if shown[row]], np.int64)
    history = score_history(source, rows_of_pages)
    similar = find_similar(source, rows_of_pages)
    touched = last_touch(source.tables, source.scored.snapshots)
    outside = np.flatnonzero(source.scored.qualification.disqualified >= 0)
    rows = [*source.ranked.tolist(), *outside.tolist()]
    display = {name: source.display(name) for name in ("name", "owner", "channel", "account")}

    def page(row: int) -> LeadDetail | None:
        if row not in detailed:
            return None
        past, alike = history.get(row, ()), similar.get(row, ())
        return _detail(source, answers[row], row, steps.get(row), past, alike)

    return tuple(
        _lead(source, answers[row], row, display, int(touched[row]), steps.get(row), page(row))
        for row in rows
    )


def top_of_owners(source: ReportInput) -> frozenset[int]:
    """Choose the rows that get a full page: the best N of each owner."""
    limit, owners = source.project.report.top_per_owner, source.owners
    taken: Counter[str] = Counter()
    chosen = set()
    for row in source.ranked.tolist():
        if taken[owners[row]] < limit:
            taken[owners[row]] += 1
            chosen.add(row)
    return frozenset(chosen)


def _lead(
    source: ReportInput,
    answer: LeadScore,
    row: int,
    display: Mapping[str, NDArray[np.object_]],
    touched: int,
    step: NextStep | None,
    detail: LeadDetail | None,
) -> ReportLead:
    explanation = source.scored.explanations[row] if answer.withheld is None else None
    lead = int(source.scored.snapshots.lead[row])
    created = source.tables.created_at
    return ReportLead(
        lead_id=answer.lead_id,
        name=display["name"][row] or answer.lead_id,
        owner=display["owner"][row],
        score=answer.score,
        band=answer.band,
        probability=answer.probability,
        probability_low=answer.probability_low,
        probability_high=answer.probability_high,
        percentile=answer.percentile,
        trend=cast("Trend | None", answer.trend),
        source=display["channel"][row] or None,
        account=display["account"][row] or None,
        stage=answer.stage,
        grid=answer.grid or "",
        families={} if explanation is None else dict(explanation.families),
        reasons=() if explanation is None else _strongest(explanation),
        step=_stage_step(source, row) or step,
        last_touch_at=iso_or_none(touched),
        created_at=None if created is None else iso(int(created[lead])),
        rule=answer.rule,
        detail=detail,
        withheld=answer.withheld,
        back=comeback(source.tables, lead),
    )


def comeback(tables: Tables, row: int) -> Comeback | None:
    """Say when and why a lead was closed before this episode, and what brought it back."""
    past, opened = tables.episodes, tables.created_at
    if past is None or opened is None or past.number[row] == 1:
        return None
    return Comeback(
        closed_at=iso(int(past.closed_at[row])),
        closed_because=past.reason[row],
        back_at=iso(int(opened[row])),
        back_by=past.opened_by[row],
        times=int(past.number[row]) - 1,
    )


def report_reason(reason: ScoreReason) -> ShownReason:
    """Turn a reason of the model into the report's type."""
    fact = reason.fact
    return ShownReason(
        factor=reason.factor,
        family=reason.family,
        template=reason.template,
        params=dict(reason.params),
        points=reason.points,
        changeable=reason.changeable,
        fact=None if fact is None else ShownFact(fact.rate, fact.typical, fact.n),
    )


def _strongest(explanation: Explanation) -> tuple[ShownReason, ...]:
    best = sorted(explanation.reasons, key=lambda reason: -abs(reason.points))[:LISTED_REASONS]
    return tuple(report_reason(reason) for reason in best)


def _worded(reasons: Sequence[ScoreReason]) -> tuple[ShownReason, ...]:
    return tuple(report_reason(reason) for reason in reasons)


def _told(answers: tuple[Feedback, ...], answer: LeadScore) -> tuple[Feedback, ...]:
    """Leave out the scores that reps answered to, where the lead's score is held back."""
    if answer.withheld is None:
        return answers
    return tuple(replace(each, score=None) for each in answers)


def _stage_step(source: ReportInput, row: int) -> NextStep | None:
    """Suggest what the company's own rules say for the stage."""
    stage = int(source.scored.qualification.stage[row])
    if stage < 0:
        return None
    words = source.scored.qualification.criteria.stages[stage].next_step
    return None if words is None else NextStep(Phrase(words), None)


def _detail(
    source: ReportInput,
    answer: LeadScore,
    row: int,
    step: NextStep | None,
    history: tuple[PastScore, ...],
    similar: tuple[SimilarLead, ...],
) -> LeadDetail:
    explanation = source.scored.explanations[row] if answer.withheld is None else None
    card = source.scored.qualification.card(row)
    lead = int(source.scored.snapshots.lead[row])
    known = timeline(source.tables, lead, source.scored.as_of)
    return LeadDetail(
        typical=answer.typical or 0,
        reasons_for=_worded(() if explanation is None else explanation.reasons_for),
        reasons_against=_worded(() if explanation is None else explanation.reasons_against),
        rest_points=answer.rest_points or 0,
        limit_points=answer.limit_points or 0,
        answers=tuple(
            CardAnswer(a.question, a.value, None if a.known_at is None else iso(a.known_at))
            for a in card.answers
        ),
        icp=tuple(CriterionMatch(label, met, weight) for label, met, weight in card.icp),
        icp_match=card.icp_match,
        history=history,
        timeline=known,
        similar=similar,
        content=card.content,
        missing_for_next=tuple(gap.phrase for gap in card.missing),
        next_stage=card.next_stage,
        rescored=step,
        levels={name: word for name, word in card.levels.items() if word is not None},
        feedback=_told(source.feedback_on(card.lead_id, answer.back_at), answer),
        unstable=explanation is not None and not explanation.stable,
        low_information=not known,
        rule_text=card.rule_text,
        unseen_points=answer.unseen_points or 0,
    )
