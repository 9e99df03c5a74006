"""Reps' answers and what became of the leads -> where they disagreed with the model, who was right.

Each lead counts once an episode, by the first answer that says something of its score, and once its
horizon is over. What a rep calls too high may be worked less afterwards and convert less for that
reason alone: the figures do not tell this from better judgement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.special import expit, logit

from data.labels import is_open, label
from data.schema import Project
from data.tables import Outcomes, Snapshots, Tables
from models.predictor import ScoreCard
from serving.answers.answer_store import RepAnswer, in_force
from serving.figures.funnel import Rate, rate_of

Claim = Literal["too_high", "too_low", "disqualify", "right"]
Winner = Literal["reps", "model", "open", "agreed"]
CLAIMS: Final[tuple[Claim, ...]] = ("too_high", "too_low", "disqualify", "right")
MATERIAL: Final = 1.25
"""A promise that is off by less than this factor is not what a rep means by too high or low."""
LEAST_REPS: Final = 5
"""Figures of single reps are for teams of so many, or nobody would be one among others."""


@dataclass(frozen=True, slots=True)
class ClaimFigures:
    """One claim: what the model had promised of these leads on average, and what happened."""

    claim: Claim
    promised: float
    observed: Rate
    winner: Winner


@dataclass(frozen=True, slots=True)
class RepsAgainstModel:
    """All claims that have matured, how many have not, and each rep's own where they are asked."""

    claims: tuple[ClaimFigures, ...]
    waiting: int
    reps: tuple[tuple[str, tuple[ClaimFigures, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class _Opinion:
    author: str
    claim: Claim
    promised: float
    row: int
    at: int


def compare_reps(
    answers: Sequence[RepAnswer],
    tables: Tables,
    outcomes: Outcomes,
    project: Project,
    card: ScoreCard,
) -> RepsAgainstModel | None:
    """Hold every claim against the outcome; None without answers or without a clock."""
    opinions = _opinions(answers, tables, outcomes, card)
    if not opinions:
        return None
    labelled = label(
        Snapshots(
            np.array([each.row for each in opinions], np.int64),
            np.array([each.at for each in opinions], np.int64),
        ),
        tables,
        outcomes,
        project,
    )
    rows, moments = labelled.snapshots.lead.tolist(), labelled.snapshots.as_of.tolist()
    became = dict(zip(zip(rows, moments, strict=True), labelled.y.tolist(), strict=True))
    known = [
        (each, became[each.row, each.at]) for each in opinions if (each.row, each.at) in became
    ]
    of_reps: dict[str, list[tuple[_Opinion, int]]] = {}
    for opinion, y in known:
        of_reps.setdefault(opinion.author, []).append((opinion, y))
    named = project.report.rep_figures and len(of_reps) >= LEAST_REPS
    reps = sorted(of_reps.items()) if named else []
    return RepsAgainstModel(
        _figures(known),
        len(opinions) - len(known),
        tuple((author, _figures(own)) for author, own in reps),
    )


def _opinions(
    answers: Sequence[RepAnswer], tables: Tables, outcomes: Outcomes, card: ScoreCard
) -> list[_Opinion]:
    """Take each lead's first claim of an episode, said while the lead was open."""
    if tables.created_at is None:
        return []
    found: dict[int, _Opinion] = {}
    rows_of = tables.rows_of({each.lead_id for each in answers})
    for each in in_force(answers, max((a.given_at for a in answers), default=0)):
        claim, rows = _claim(each, card), rows_of.get(each.lead_id)
        if claim is None or rows is None or each.score is None:
            continue
        row = tables.open_at(rows, each.given_at)
        if row in found:
            continue
        if is_open(tables, outcomes, np.array([row]), np.array([each.given_at]))[0]:
            promised = promised_by(card, each.score)
            found[row] = _Opinion(each.author, claim, promised, row, each.given_at)
    return list(found.values())


def _claim(answer: RepAnswer, card: ScoreCard) -> Claim | None:
    """Read what an answer says of its score; "wrong" means the side where the model is not."""
    if answer.verdict == "wrong" and answer.score is not None:
        return "too_high" if answer.score >= card.anchor_score else "too_low"
    return next((claim for claim in CLAIMS if claim == answer.verdict), None)


def promised_by(card: ScoreCard, score: int) -> float:
    """Turn a shown score back into the probability that it means on the score card."""
    per_unit = card.points_to_double / math.log(2.0)
    odds = logit(card.anchor_probability) + (score - card.anchor_score) / per_unit
    return float(expit(odds))


def _figures(known: Sequence[tuple[_Opinion, int]]) -> tuple[ClaimFigures, ...]:
    figures = []
    for claim in CLAIMS:
        own = [(opinion.promised, y) for opinion, y in known if opinion.claim == claim]
        if own:
            promised = float(np.mean([p for p, _ in own]))
            observed = rate_of(sum(y for _, y in own), len(own))
            figures.append(
                ClaimFigures(claim, promised, observed, _winner(claim, promised, observed))
            )
    return tuple(figures)


def _winner(claim: Claim, promised: float, observed: Rate) -> Winner:
    """Say who was right where the whole interval says it."""
    if claim == "right":
        return "agreed"
    if claim == "too_low":
        won, lost = observed.low > promised, observed.high < promised * MATERIAL
    else:
        won, lost = observed.high < promised, observed.low > promised / MATERIAL
    return "reps" if won else "model" if lost else "open"


def say_reps(found: RepsAgainstModel) -> list[str]:
    """Say the comparison for a terminal, a line a claim."""
    claims = {
        "too_high": "called too high",
        "too_low": "called too low",
        "disqualify": "disqualified",
        "right": "called right",
    }
    winners = {
        "reps": "the reps were right",
        "model": "the model was right",
        "open": "too early to say who was right",
        "agreed": "nobody disagreed",
    }
    lines = [
        f"reps against the model: {claims[each.claim]}, {each.observed.n:,} leads: promised "
        f"{each.promised:.1%}, converted {each.observed.value:.1%} ({each.observed.low:.1%} – "
        f"{each.observed.high:.1%}): {winners[each.winner]}"
        for each in found.claims
    ]
    if found.waiting:
        lines.append(f"reps against the model: {found.waiting:,} answers are not mature yet")
    return lines
