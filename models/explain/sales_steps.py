"""Turns a lead and the steps that sales may take into the step that moves its score most.

A step is a changed feature row that is scored for real. What it shows is an association seen in
past leads, not a proven cause; only steps from the allowed list are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.template_row import Template
from features.templates import TEMPLATES
from models.predictor import FeatureColumn, LeadScorer, shown_score


@dataclass(frozen=True, slots=True)
class SalesStep:
    """Something that sales can bring about: an event, or an answer to a question (`column`)."""

    name: str
    event: str | None = None
    column: str | None = None
    by_sales: bool = True  # an outbound act; False for an act of the lead that sales can invite


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The best step of a lead, and the points that its score would gain, re-scored."""

    lead_id: str
    step: str
    points: int


def take_step(
    frame: pd.DataFrame, features: Sequence[FeatureColumn], step: SalesStep
) -> pd.DataFrame:
    """Change the feature rows as if the step had just happened: one more count, zero days ago.

    Only columns whose meaning is certain are changed; a caller who can add the event to the tables
    and build the features again passes those frames to `suggest` instead.
    """
    changed = {}
    for feature in features:
        name, row = feature.name, TEMPLATES.get(feature.template)
        if row is None or not _concerns(row, feature.params, step):
            continue
        if row.effect == "one more":
            changed[name] = frame[name].fillna(0) + 1
        elif row.effect == "just now":
            changed[name] = pd.Series(0.0, frame.index)
        elif row.effect == "known now":
            changed[name] = frame[name].fillna(0.0)
    return frame.assign(**{n: c.astype(frame[n].dtype) for n, c in changed.items()})


def _concerns(row: Template, params: Mapping[str, object], step: SalesStep) -> bool:
    """Say whether a step is something that the template looks at."""
    if row.effect == "known now":
        return step.column is not None and params.get("column") == step.column
    if step.event is None:
        return False
    if row.actor == "type":
        return bool(params.get("event") == step.event)
    return row.actor == "anybody" or (row.actor == "sales") == step.by_sales


def suggest(
    scorer: LeadScorer,
    frame: pd.DataFrame,
    steps: Sequence[SalesStep],
    *,
    lead_ids: Sequence[str],
    least: int = 1,
) -> list[Suggestion | None]:
    """Find each lead's best allowed step by scoring it; None where nothing gains `least` points."""
    if not steps:
        return [None] * len(frame)
    today = scorer.score(frame).score
    after = np.stack(
        [
            shown_score(scorer.score(take_step(frame, scorer.features, step)).score_exact)
            for step in steps
        ]
    )
    best = after.argmax(axis=0)
    return [
        Suggestion(str(lead_id), steps[b].name, int(after[b, r] - today[r]))
        if after[b, r] - today[r] >= least
        else None
        for r, (lead_id, b) in enumerate(zip(lead_ids, best.tolist(), strict=True))
    ]
