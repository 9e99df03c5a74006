"""`leadscore explain`: one lead's score in points that add up, and why it changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

import numpy as np

from data.asof import exists
from data.clock import iso, show
from data.errors import GateError, InputError
from data.labels import is_open
from data.reading.read_tables import CrmData
from data.tables import Outcomes, Snapshots, Tables
from models.explain.change import Change
from models.explain.fixed_sentences import (
    ASSOCIATION,
    BASE_RATE,
    CHANGES,
    NOT_KEPT,
    NOT_YET,
    REST,
    RULES,
    RULES_UPDATED,
    TOGETHER,
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
from serving.run_moment import RunMoment
from serving.score import score_snapshots
from serving.score_changes import (
    Moment,
    changes_since,
    changes_since_run,
    newest_run_before,
)
from serving.session import Session
from serving.worklist.change_lines import KINDS, ChangeLines
from serving.worklist.language import Labels, Words, words_in, words_of
from serving.worklist.view_parts import ShownChangeLine


@dataclass(frozen=True, slots=True)
class EarlierScore:
    """The score that a lead had at `at`; `change` is None where the lead was not there yet.

    `shown` tells whether a run of then is kept, so that lists showed that score.
    """

    at: int
    shown: bool
    change: Change | None


@dataclass(frozen=True, slots=True)
class LeadExplanation:
    """The explanation of one lead; points add up to the score, and to its change."""

    answer: LeadScore
    explanation: Explanation
    reasons: tuple[tuple[str, int, str | None], ...]
    contributions: tuple[ScoreReason, ...]
    earlier: EarlierScore | None
    change_lines: tuple[tuple[str, int], ...]
    subject: bool
    speech: Speech
    rule_updated_by: int | None
    ranks: bool
    time: Callable[[str], str]

    @property
    def change(self) -> Change | None:
        """What changed since the earlier moment; None where none was asked for, or none was."""
        return None if self.earlier is None else self.earlier.change

    @property
    def change_notes(self) -> list[str]:
        """Say what is missing of the earlier moment: the lead, or a score that was shown."""
        if self.earlier is None or (self.earlier.shown and self.earlier.change is not None):
            return []
        return [self.speech.message(NOT_YET if self.earlier.change is None else NOT_KEPT)]

    @property
    def change_title(self) -> str:
        """Say both moments and the scores that stood then; "" where no change is told."""
        if self.earlier is None or self.earlier.change is None:
            return ""
        change, then = self.earlier.change, self.time(iso(self.earlier.at))
        now = self.time(self.answer.as_of.isoformat())
        return f"{then}: {change.old_score} → {now}: {change.score}"

    @property
    def band(self) -> str:
        """The band, as lists and the CRM show it; "" where a rule takes the lead out."""
        return self.answer.band or ""

    @property
    def probability(self) -> tuple[float, float, float]:
        """The probability of conversion within the horizon, and the ends of its range."""
        score = self.answer
        return score.probability or 0.0, score.probability_low or 0.0, score.probability_high or 0.0

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
        lines += self.change_notes
        if self.change_title:
            lines.append(self.change_title)
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
            "change": self._change_to_dict(),
        }

    def _change_to_dict(self) -> dict[str, object] | None:
        if self.earlier is None or self.earlier.change is None:
            return None
        since = {"since": iso(self.earlier.at), "since_was_shown": self.earlier.shown}
        return {**since, **asdict(self.earlier.change)}


def _plain(answer: LeadScore) -> dict[str, object]:
    """Write the answer for a machine; its language and its assumptions are told elsewhere."""
    values = {name: getattr(answer, name) for name in COLUMNS if name != "reasons"}
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in values.items()}


def _not_open(lead_id: str, tables: Tables, outcomes: Outcomes, asked: Snapshots) -> InputError:
    """Say why a lead has no score at the moment that was asked for, and which moments have one."""
    row = asked.lead
    if not exists(tables, row, asked.as_of).all():
        began = [at[row] for at in (tables.created_at, tables.recorded_at) if at is not None]
        since = show(int(np.max(began)))
        return InputError(
            f"lead {lead_id!r} is not open at that moment, but is there since {since}",
            cure="ask for that moment or a later one (as_of)",
        )
    ended = show(int(np.minimum(outcomes.converted_at[row], outcomes.disqualified_at[row])[0]))
    return InputError(
        f"lead {lead_id!r} is not open at that moment: it is over since {ended}",
        cure="ask for an earlier moment (as_of)",
    )


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
    words = words_in(words_of(language), session.project.project.timezone)
    speech = words.speech(session.project.report.words)
    tables = reading.tables
    row = tables.row_of(lead_id, as_of)
    if row is None:
        raise InputError(f"no such lead: {lead_id!r}", column=session.project.leads.id)
    snapshots = Snapshots(np.array([row]), np.full(1, as_of, np.int64))
    if (
        tables.created_at is not None
        and not is_open(tables, reading.outcomes, snapshots.lead, snapshots.as_of).all()
    ):
        raise _not_open(lead_id, tables, reading.outcomes, snapshots)
    scored = score_snapshots(
        session.project,
        tables,
        snapshots,
        model,
        RunMoment(as_of, at),
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
    earlier = None
    if since is not None:
        earlier = _earlier(session, Moment(tables, snapshots, frame, model, 1), lead_id, since)
    return LeadExplanation(
        answer=answer,
        explanation=explanation,
        reasons=tuple(
            (render(r, speech), r.points, render_fact(r, speech)) for r in explanation.reasons
        ),
        contributions=contributions_of(model.scorer, frame, scored.explanations.table),
        earlier=earlier,
        change_lines=()
        if earlier is None or earlier.change is None
        else word_change(
            ChangeLines(model, tables, session.project.report.acts, earlier.at, as_of).of(
                earlier.change, row, frame.iloc[0].get
            ),
            words,
            session.project.report.words,
        ),
        subject=subject,
        speech=speech,
        rule_updated_by=model.card.rule_updated_by,
        time=lambda at: str(words.time(at)),
        ranks=model.card.ranks,
    )


def _earlier(session: Session, moment: Moment, lead_id: str, since: int) -> EarlierScore:
    stored = newest_run_before(session.state.runs, since, lead_id)
    if stored is not None:
        before = session.model(stored.model_version)
        change = changes_since_run(moment, stored, before).get(lead_id)
        return EarlierScore(stored.as_of, True, change)
    return EarlierScore(since, False, changes_since(moment, since).get(0))


def word_change(
    lines: Sequence[ShownChangeLine], words: Words, labels: Labels
) -> tuple[tuple[str, int], ...]:
    """Word the lines of a change as pages do, each with its cause behind it; points add up."""
    said: dict[str, int] = {}
    for line in lines:
        cause = words.message(REST if line.kind == "rest" else CHANGES[_CAUSES[line.kind]])
        if line.together:
            cause = words.message(TOGETHER).format(what=cause)
        text = capital(cause)
        if line.aged is not None:
            text = f"{capital(words.phrase(line.aged, labels).striptags())} ({cause})"
        elif line.reason is not None:
            text = f"{words.reason(line.reason, labels).striptags()} ({cause})"
        said[text] = said.get(text, 0) + line.points
    return tuple(said.items())


_CAUSES: Final = {shown: kind for kind, shown in KINDS.items()}
