"""`leadscore explain`: one lead's score in points that add up, and why it changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from data.errors import GateError, InputError
from data.labels import is_open
from data.reading.read_tables import CrmData
from data.tables import Snapshots
from models.explain.change import Change
from models.explain.fixed_sentences import (
    ASSOCIATION,
    BASE_RATE,
    CHANGES,
    NOT_YET,
    REST,
    RULES,
    RULES_UPDATED,
    TYPICAL,
    UNSEEN,
    UNSTABLE,
)
from models.explain.points import Explanation, ScoreReason
from models.explain.reasons import contributions_of
from models.explain.sentences import render, render_fact, say_limit
from models.explain.speech import Speech, capital
from serving.exposure import Exposures
from serving.kept_run import COLUMNS, margins_of
from serving.lead_score import LeadScore
from serving.loaded_model import LoadedModel
from serving.newest_scores import read_bands
from serving.score import score_snapshots
from serving.score_changes import (
    Moment,
    changes_since,
    changes_since_run,
    line_reason,
    lines_to_show,
    newest_run_before,
)
from serving.session import Session
from serving.worklist.language import words_of


@dataclass(frozen=True, slots=True)
class LeadExplanation:
    """The explanation of one lead; points add up to the score, and to its change."""

    answer: LeadScore
    explanation: Explanation
    reasons: tuple[tuple[str, int, str | None], ...]
    contributions: tuple[ScoreReason, ...]
    change: Change | None
    change_lines: tuple[tuple[str, int], ...]
    new_since: bool
    subject: bool
    speech: Speech
    rule_updated_by: int | None
    ranks: bool

    @property
    def band(self) -> str:
        """The band, as lists and the CRM show it; "" where a rule takes the lead out."""
        return self.answer.band or ""

    @property
    def probability(self) -> tuple[float, float, float]:
        """The probability of conversion within the horizon, and the ends of its range."""
        told = self.answer
        return told.probability or 0.0, told.probability_low or 0.0, told.probability_high or 0.0

    @property
    def caution(self) -> str:
        """Say what the reasons are: associations, or points of a rule."""
        n = self.rule_updated_by
        if not self.ranks:
            return self.speech.message(BASE_RATE)
        if n is None:
            return self.speech.message(ASSOCIATION)
        return self.speech.message(RULES_UPDATED if n else RULES).format(n=f"{n:,}")

    @property
    def parts(self) -> list[tuple[str, int, str | None]]:
        """Give every line between the typical lead and this one: words, points, fact."""
        e, t = self.explanation, self.speech.message
        named = [
            (t(UNSEEN), e.unseen_points),
            (t(REST), e.rest_points),
            (say_limit(e.score - e.limit_points, self.speech), e.limit_points),
        ]
        return [*self.reasons, *((text, points, None) for text, points in named if points)]

    def lines(self, *, every: bool = False) -> list[str]:
        """Write the explanation for a person; `every` contribution too, where it is asked for."""
        e, t = self.explanation, self.speech.message
        if self.subject:
            direction = {True: "+", False: "-"}
            return [f"{direction[points > 0]} {text}" for text, points, _ in self.reasons]
        p, low, high = self.probability
        place = self.band or self.answer.rule or self.answer.standing
        lines = [
            f"{e.lead_id}: {e.score} ({place}), {p:.1%} ({low:.1%} – {high:.1%})",
            f"{e.typical:>5}  {t(TYPICAL)}",
        ]
        parts = self._all_parts() if every else self.parts
        for text, points, fact in parts:
            lines.append(f"{points:>+5}  {text}{'' if fact is None else f'  [{fact}]'}")
        if not e.stable:
            lines.append(t(UNSTABLE))
        lines.append(self.caution)
        if self.new_since:
            lines.append(t(NOT_YET))
        if self.change is not None:
            colon = ":" if self.change_lines else ""
            lines.append(f"{self.change.old_score} → {self.change.score}{colon}")
            lines += [f"{points:>+5}  {text}" for text, points in self.change_lines]
        return lines

    def _all_parts(self) -> list[tuple[str, int, str | None]]:
        """Give every contribution as a line of its own, and the limit of the scale."""
        limit = self.explanation.limit_points
        every = [(render(r, self.speech), r.points, None) for r in self.contributions]
        return [*every, *(self.parts[-1:] if limit else ())]

    def to_dict(self) -> dict[str, object]:
        """Write the explanation for a machine."""
        e = self.explanation
        reasons = [
            {"text": text, "points": points, "fact": fact} for text, points, fact in self.reasons
        ]
        if self.subject:
            return {
                "lead_id": e.lead_id,
                "factors": [
                    {"text": r["text"], "direction": "up" if int(str(r["points"])) > 0 else "down"}
                    for r in reasons
                ],
            }
        return {
            **_plain(self.answer),
            "reasons": reasons,
            "contributions": [
                {
                    "factor": r.factor,
                    "family": r.family,
                    "text": render(r, self.speech),
                    "points": r.points,
                    "exact": r.exact,
                }
                for r in self.contributions
            ],
            "families": dict(e.families),
            "stable": e.stable,
            "change": None if self.change is None else asdict(self.change),
        }


def _plain(answer: LeadScore) -> dict[str, object]:
    """Write the answer for a machine; its language and its assumptions are told elsewhere."""
    values = {name: getattr(answer, name) for name in COLUMNS if name != "reasons"}
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in values.items()}


def explain_lead(
    session: Session,
    reading: CrmData,
    lead_id: str,
    model: LoadedModel,
    *,
    as_of: int,
    at: int,
    since: int | None,
    language: str,
    subject: bool,
) -> LeadExplanation:
    """Explain one open lead; InputError where it is unknown or not open, or for no such language.

    `at` is the time of asking. GateError where an experiment holds the lead's score back.

    With `since`, the newest stored run up to then is compared where there is one, so that a change
    of model shows as such; else the past is rebuilt and scored by this model.
    """
    speech = words_of(language).speech(session.project.report.words)
    tables = reading.tables
    row = tables.row_of(lead_id, as_of)
    if row is None:
        raise InputError(f"no such lead: {lead_id!r}", column=session.project.leads.id)
    snapshots = Snapshots(np.array([row]), np.full(1, as_of, np.int64))
    if (
        tables.created_at is not None
        and not is_open(tables, reading.outcomes, snapshots.lead, snapshots.as_of).all()
    ):
        raise InputError(
            f"lead {lead_id!r} is not open at that moment", cure="ask for an earlier moment (as_of)"
        )
    scored = score_snapshots(
        session.project,
        tables,
        snapshots,
        model,
        as_of=as_of,
        scored_at=at,
        run_id="",
        previous_bands=read_bands(
            session.state.scores,
            until=as_of,
            cuts=model.scorer.card.bands,
            tables=tables,
            lead=lead_id,
        ),
        answered=session.answered(reading, as_of, at),
        ranked_among=margins_of(session.state.scores, model.version),
        for_report=True,
    )
    answer = scored.answers()[0]
    if answer.withheld is not None:
        name = session.project.project.name
        raise GateError(
            f"the score of lead {lead_id!r} is held back: it is in the arm {answer.withheld!r} of "
            f"the experiment {name!r}, which works without scores",
            cure="wait until the experiment is over, then take [experiment] out",
        )
    explanation, frame = scored.explanations[0], scored.frame.to_pandas()
    Exposures.of(session.state, session.project).note("explain", [lead_id], at=at)
    change = None
    if since is not None:
        change = _change(session, Moment(tables, snapshots, frame, model, 1), lead_id, since)
    return LeadExplanation(
        answer=answer,
        explanation=explanation,
        reasons=tuple(
            (render(r, speech), r.points, render_fact(r, speech)) for r in explanation.reasons
        ),
        contributions=contributions_of(model.scorer, frame, scored.explanations.table),
        change=change,
        change_lines=() if change is None else _change_lines(change, model, frame, speech),
        new_since=since is not None and change is None,
        subject=subject,
        speech=speech,
        rule_updated_by=model.card.rule_updated_by,
        ranks=model.card.ranks,
    )


def _change(session: Session, moment: Moment, lead_id: str, since: int) -> Change | None:
    stored = newest_run_before(session.state.runs, since, lead_id)
    if stored is not None:
        before = session.model(stored.model_version)
        return changes_since_run(moment, stored, before).get(lead_id)
    return changes_since(moment, since).get(0)


def _change_lines(
    change: Change, model: LoadedModel, frame: pd.DataFrame, speech: Speech
) -> tuple[tuple[str, int], ...]:
    """Word the lines of a change, events and edits with their reason; points add up."""
    lines = []
    for line in lines_to_show(change):
        cause = speech.message(CHANGES[line.kind])
        reason = line_reason(line, model, frame.iloc[0].get)
        text = f"{render(reason, speech)} ({cause})" if reason else capital(cause)
        lines.append((text, line.points))
    if change.rest_points:
        lines.append((speech.message(REST), change.rest_points))
    return tuple(lines)
