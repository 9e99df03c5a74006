"""Scored rows -> the leads of the report: a row for all, full pages for the best of each owner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.clock import DAY, iso
from data.tables import Tables
from models.explain.points import Explanation, ScoreReason
from serving.answers.standing import AnsweredLead, LeadEvent, Standing
from serving.figures.follow_up import last_touch
from serving.lead_score import LeadScore, lead_scores
from serving.scoring_run import scores_table
from serving.worklist.pages.companies import Companies, name_of
from serving.worklist.pages.lead_history import WonLeads, find_similar, score_history, timeline
from serving.worklist.pages.lead_reasons import report_reason
from serving.worklist.pages.next_steps import make_steps
from serving.worklist.pages.report_input import ReportInput, float_or_none, iso_or_none
from serving.worklist.pages.week_changes import ChangeWords, WeekChanges
from serving.worklist.view_lead import LeadDetail, ReportLead
from serving.worklist.view_parts import (
    CardAnswer,
    Comeback,
    CriterionMatch,
    Feedback,
    LaneEntry,
    NextStep,
    PastScore,
    ShownReason,
    ShownStanding,
    SimilarLead,
    Trend,
)

LISTED_REASONS: Final = 3
MOST_PAGED: Final = 5_000
"""Leads of the best of all owners that have a whole page in the file."""
TOLD_FOR: Final = 14 * DAY
"""How long a list says what ended a rep's answer."""
BLOCK: Final = 5_000
"""Leads whose pages are made at once."""
_DISPLAYED: Final = (
    *("name", "person", "company", "title", "team", "email"),
    *("owner", "channel", "account"),
)


@dataclass(frozen=True, slots=True)
class WeekOfLeads:
    """What the week says of single rows: what changed, lanes, next step, whom to compare."""

    changes: WeekChanges | None = None
    lanes: Mapping[int, tuple[LaneEntry, ...]] = field(default_factory=dict)
    steps: Mapping[int, NextStep] = field(default_factory=dict)
    won: WonLeads | None = None  # built once for the pages of the report and those of every lead


class LeadRows:
    """Rows of a run -> leads of the report, with what all of them share looked up once."""

    def __init__(self, source: ReportInput, week: WeekOfLeads) -> None:
        self.source, self.week = source, week
        self.answers = scores_table(source.scored)
        self.touched = last_touch(source.tables, source.scored.snapshots)
        self.display = {name: source.display(name) for name in _DISPLAYED}
        self.own, self.worth = source.own_amounts, source.chances * source.amounts
        changes = self.week.changes
        self.words = None if changes is None else ChangeWords(source, changes.since)
        self.companies = Companies(source)

    def leads(
        self, rows: Sequence[int], detailed: Collection[int], rescored: Mapping[int, NextStep]
    ) -> Iterator[ReportLead]:
        """Make the leads of these rows; those that are `detailed` with their whole page."""
        chosen = frozenset(detailed)
        for block in _blocks(rows):
            yield from self._block(block, chosen, rescored)

    def lines(self, owner: str | None = None) -> Iterator[ReportLead]:
        """Make the line of every open lead, or of every one of an owner, as the list has them."""
        rows = self.source.listed
        if owner is not None:
            rows = rows[self.source.owners[rows] == owner]
        return self.leads(rows.tolist(), (), {})

    def whole(self, made: Mapping[int, ReportLead]) -> Iterator[ReportLead]:
        """Give every open lead with its whole page, by chance; some are `made` already.

        Some thousands are made at a time, so that memory does not grow with them.
        """
        for block in _blocks(self.source.by_chance.tolist()):
            rows = [row for row in block if row not in made or made[row].detail is None]
            rescored = make_steps(self.source, [row for row in rows if self.source.shown[row]])
            others = dict(zip(rows, self.leads(rows, rows, rescored), strict=True))
            yield from (others[row] if row in others else made[row] for row in block)

    def _block(
        self, rows: Sequence[int], chosen: frozenset[int], rescored: Mapping[int, NextStep]
    ) -> Iterator[ReportLead]:
        source = self.source
        answers = lead_scores(self.answers.take(pa.array(rows, pa.int64())))
        shown = np.array(
            sorted(row for row in rows if row in chosen and source.shown[row]), np.int64
        )
        history, similar = score_history(source, shown), find_similar(source, self.week.won, shown)
        changes = {} if self.week.changes is None else self.week.changes.of(shown.tolist())
        for row, answer in zip(rows, answers, strict=True):
            past, detail = history.get(row, ()), None
            if row in chosen:
                detail = _detail(source, answer, row, rescored.get(row), past, similar.get(row, ()))
                lines = None
                if self.words is not None and row in changes:
                    lines = self.words.lines(row, changes[row])
                roles = self.companies.missing_roles(row)
                detail = replace(detail, changes=lines, missing_roles=roles)
            yield self._lead(row, answer, detail, tuple(point.score for point in past))

    def _lead(
        self, row: int, answer: LeadScore, detail: LeadDetail | None, weeks: tuple[int, ...]
    ) -> ReportLead:
        source, shown = self.source, self.source.shown[row]
        changes = self.week.changes if shown else None
        touched = int(self.touched[row])
        plain = _lead(source, answer, row, self.display, touched, detail)
        return replace(
            plain,
            step=self.week.steps.get(row),
            lanes=self.week.lanes.get(row, ()),
            amount=float_or_none(self.own[row]),
            worth=float_or_none(self.worth[row]) if shown and source.promises else None,
            old_score=None if changes is None else changes.old_score(row),
            old_band=None if changes is None else changes.old_band(row),
            trend=plain.trend if changes is None else changes.trend(row),
            weeks=weeks,
            colleagues=self.companies.colleagues(row),
        )


def _blocks(rows: Sequence[int]) -> Iterator[Sequence[int]]:
    return (rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK))


def top_of_owners(source: ReportInput) -> frozenset[int]:
    """Choose the rows that get a full page: the best N of each owner, and the answered ones.

    Where there are very many owners, N is smaller: a file that people open stays small.
    """
    owners, standing = source.owners, np.flatnonzero(source.standing)
    limit = min(source.project.report.top_per_owner, max(MOST_PAGED // max(len(set(owners)), 1), 1))
    taken: Counter[str] = Counter()
    chosen = set()
    for row in source.ranked.tolist():
        if taken[owners[row]] < limit:
            taken[owners[row]] += 1
            chosen.add(row)
    return frozenset(chosen | set(standing[:MOST_PAGED].tolist()))


def _lead(
    source: ReportInput,
    answer: LeadScore,
    row: int,
    display: Mapping[str, NDArray[np.object_]],
    touched: int,
    detail: LeadDetail | None,
) -> ReportLead:
    explanation = source.scored.explanations[row] if answer.withheld is None else None
    lead = int(source.scored.snapshots.lead[row])
    created, said = source.tables.created_at, source.scored.answered[row]
    return ReportLead(
        lead_id=answer.lead_id,
        name=name_of(display, row) or answer.lead_id,
        person=display["person"][row],
        company=display["company"][row],
        title=display["title"][row],
        team=display["team"][row],
        email=display["email"][row],
        owner=display["owner"][row],
        score=answer.score,
        band=answer.band,
        probability=answer.probability,
        probability_low=answer.probability_low,
        probability_high=answer.probability_high,
        percentile=answer.percentile,
        counted=None if answer.withheld is not None else float(source.counted[row]),
        trend=cast("Trend | None", answer.trend),
        source=display["channel"][row] or None,
        account=display["account"][row] or None,
        stage=_stage_words(source, answer.stage),
        grid=answer.grid or "",
        families={} if explanation is None else dict(explanation.families),
        reasons=() if explanation is None else _strongest(explanation),
        last_touch_at=iso_or_none(touched),
        created_at=None if created is None else iso(int(created[lead])),
        rule=answer.rule,
        detail=detail,
        withheld=answer.withheld,
        back=comeback(source.tables, lead),
        standing=None
        if said is None or not said.holds
        else shown_standing(said.standing, said.event),
        ended=None
        if said is None or not _is_fresh(said, source)
        else shown_standing(said.standing, said.event),
    )


def shown_standing(standing: Standing, event: LeadEvent | None = None) -> ShownStanding:
    """Turn what an answer makes of a lead, and what it did since, into the report's type."""
    return ShownStanding(
        standing.kind,
        iso(standing.since),
        None if standing.until is None else iso(standing.until),
        standing.by,
        standing.reason,
        standing.number,
        iso(standing.may_undo_until),
        None if event is None else event.type,
        None if event is None else iso(event.at),
    )


def _is_fresh(said: AnsweredLead, source: ReportInput) -> bool:
    """Tell whether an answer was ended by what the lead did lately, or before a snooze was over."""
    if said.holds or said.event is None:
        return False
    told_until = max(said.event.at + TOLD_FOR, said.standing.until or 0)
    return source.scored.as_of < told_until


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


def _strongest(explanation: Explanation) -> tuple[ShownReason, ...]:
    """List the largest; where the first does not say what the lead did, also one that does."""
    ranked = sorted(explanation.reasons, key=lambda reason: -abs(reason.points))
    best = ranked[:LISTED_REASONS]
    first = next((r for r in best if r.points > 0), None)
    if first is not None and (first.factor == "activity" or first.family != "engagement"):
        acts = [r for r in ranked if r.family == "engagement" and r.points > 0]
        said = [r for r in acts if r.factor != "activity"] or acts
        best += [r for r in said[:1] if r not in best]
    return tuple(report_reason(reason) for reason in best)


def _worded(reasons: Sequence[ScoreReason]) -> tuple[ShownReason, ...]:
    return tuple(report_reason(reason) for reason in reasons)


def _stage_words(source: ReportInput, name: str | None) -> str | None:
    """Call a stage by the words that the project gives it for the report, else by its name."""
    labels = {each.name: each.label for each in source.project.qualification.stages}
    return None if name is None else labels.get(name) or name


def _without_held_scores(answers: tuple[Feedback, ...], answer: LeadScore) -> tuple[Feedback, ...]:
    """Leave out the scores that reps answered to, where the lead's score is held back."""
    if answer.withheld is None:
        return answers
    return tuple(replace(each, score=None) for each in answers)


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
        next_stage=_stage_words(source, card.next_stage),
        rescored=step,
        levels={name: word for name, word in card.levels.items() if word is not None},
        feedback=_without_held_scores(source.feedback_on(card.lead_id, answer.back_at), answer),
        unstable=explanation is not None and not explanation.stable,
        low_information=not known,
        rule_text=card.rule_text,
        unseen_points=answer.unseen_points or 0,
    )
