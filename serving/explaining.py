"""`leadscore explain`: one lead's score in points that add up, and why it changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from data.errors import InputError
from data.labels import is_open
from data.read import Reading
from data.tables import Snapshots
from features.build import build
from models.change import Change
from models.points import Explanation
from models.points import Reason as ModelReason
from models.reasons import explain
from models.words import ASSOCIATION, LIMIT, REST, TYPICAL, UNSTABLE, render, render_fact
from serving.changing import (
    Moment,
    changes_since,
    changes_since_run,
    factor_reason,
    lines_to_show,
    newest_run_before,
)
from serving.model import LoadedModel, find_model
from serving.report.words import Words, words_of
from serving.session import Session

KINDS = {
    "time": "Time passing",
    "event": "New events",
    "edit": "Edits",
    "model": "Another model",
    "card": "Another score card",
    "limit": LIMIT,
}


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of one lead; lines of points add up to the score, and to its change."""

    explanation: Explanation
    band: str
    probability: tuple[float, float, float]
    reasons: tuple[tuple[str, int, str | None], ...]
    change: Change | None
    change_lines: tuple[tuple[str, int], ...]
    new_since: bool
    subject: bool
    translate: Callable[[str], str]

    def lines(self) -> list[str]:
        """Say it for a person."""
        e, t = self.explanation, self.translate
        if self.subject:
            direction = {True: "+", False: "-"}
            return [f"{direction[points > 0]} {text}" for text, points, _ in self.reasons]
        p, low, high = self.probability
        told = [
            f"{e.lead_id}: {e.score} ({self.band}), {p:.1%} ({low:.1%} – {high:.1%})",
            f"{e.typical:>5}  {t(TYPICAL)}",
        ]
        for text, points, fact in self.reasons:
            told.append(f"{points:>+5}  {text}{'' if fact is None else f'  [{fact}]'}")
        if e.rest_points:
            told.append(f"{e.rest_points:>+5}  {t(REST)}")
        if e.limit_points:
            told.append(f"{e.limit_points:>+5}  {t(LIMIT)}")
        if not e.stable:
            told.append(t(UNSTABLE))
        told.append(t(ASSOCIATION))
        if self.new_since:
            told.append(t("This lead was not there yet at that moment"))
        if self.change is not None:
            told.append(f"{self.change.old_score} → {self.change.score}:")
            told += [f"{points:>+5}  {text}" for text, points in self.change_lines]
        return told

    def to_dict(self) -> dict[str, object]:
        """Say it for a machine."""
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
            "lead_id": e.lead_id,
            "score": e.score,
            "band": self.band,
            "probability": self.probability[0],
            "probability_low": self.probability[1],
            "probability_high": self.probability[2],
            "typical": e.typical,
            "reasons": reasons,
            "rest_points": e.rest_points,
            "limit_points": e.limit_points,
            "families": dict(e.families),
            "grid": e.grid,
            "stable": e.stable,
            "change": None if self.change is None else asdict(self.change),
        }


def _messages(words: Words) -> Callable[[str], str]:
    """Translate sentences; those with a plural are asked for in it, as English writes them here."""
    plurals = {
        entry.id[1]: entry.string[-1]
        for entry in words.catalogue or ()
        if isinstance(entry.id, tuple) and isinstance(entry.string, tuple | list)
    }
    return lambda text: plurals.get(text) or words.message(text)


def explain_lead(
    session: Session,
    reading: Reading,
    lead_id: str,
    model: LoadedModel,
    *,
    as_of: int,
    since: int | None,
    language: str,
    subject: bool,
) -> Told:
    """Explain one open lead; InputError where it is not there or not open at `as_of`.

    With `since`, the newest stored run up to then is compared where there is one, so that a change
    of model shows as such; else the past is rebuilt and scored by this model.
    """
    tables = reading.tables
    found = np.flatnonzero(tables.lead_ids == lead_id)
    if len(found) == 0:
        raise InputError(f"no such lead: {lead_id!r}", column=session.project.leads.id)
    moment = np.full(1, as_of if tables.created_at is not None else 0, np.int64)
    snapshots = Snapshots(found.astype(np.int64), moment)
    if (
        tables.created_at is not None
        and not is_open(tables, reading.outcomes, snapshots.lead, snapshots.as_of).all()
    ):
        raise InputError(
            f"lead {lead_id!r} is not open at that moment", cure="give --as-of an earlier moment"
        )
    frame = build(tables, snapshots, model.catalogue, threads=1).to_pandas()
    scores = model.scorer.score(frame)
    explanation = explain(model.scorer, frame, lead_ids=[lead_id], facts=model.facts)[0]
    change = None
    if since is not None:
        change = _change(session, Moment(tables, snapshots, frame, model, 1), lead_id, since)
    message = _messages(words_of(language))
    every = (*explanation.reasons_for, *explanation.reasons_against)

    def say(reason: ModelReason) -> str:
        return render(reason, message)

    return Told(
        explanation=explanation,
        band=str(scores.band[0]),
        probability=(float(scores.probability[0]), float(scores.low[0]), float(scores.high[0])),
        reasons=tuple(
            (say(r), r.points, None if r.fact is None else render_fact(r.fact, message))
            for r in every
        ),
        change=change,
        change_lines=() if change is None else tuple(
            (_line_text(line.kind, line.factor, line.points, model, frame, say, message),
             line.points)
            for line in lines_to_show(change)
        ) + (((message(REST), change.rest_points),) if change.rest_points else ()),
        new_since=since is not None and change is None,
        subject=subject,
        translate=message,
    )  # fmt: skip


def _change(session: Session, moment: Moment, lead_id: str, since: int) -> Change | None:
    stored = newest_run_before(session.state.runs, since, lead_id)
    if stored is not None:
        before = find_model(session.registry, stored.model_version, threads=1)
        return changes_since_run(moment, stored, before).get(lead_id)
    return changes_since(moment, since).get(0)


def _line_text(
    kind: str, factor: str, points: int, model: LoadedModel, frame: object,
    say: Callable[[ModelReason], str], translate: Callable[[str], str],
) -> str:  # fmt: skip
    title = translate(KINDS[kind])
    if not factor or all(f.factor != factor for f in model.catalogue.features):
        return title
    now = frame.iloc[0]  # type: ignore[attr-defined]
    return f"{title}: {say(factor_reason(factor, points, model, None, now))}"
