"""What one training run gives: a model with its figures, not registered yet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data.schema import Project
from models.amount_model import AMOUNTS_FILE, AmountModel
from models.artifact import Manifest, write_artifact
from models.explain.observed_rates import ObservedRates
from models.fit.row_weights import spread_evenly, weights_or_ones
from models.metrics import Floats
from models.predictor import LeadScorer, ModelParts, ScoreCard, calibrated_log_odds
from models.scorecard import clipped_share, propose
from training.advice import Advice
from training.audit import AuditReport
from training.dataset import Dataset
from training.evaluate import Evaluation
from training.model_card import CARD_FILE, ModelCard
from training.watch.watch_reference import WATCH_FILE, WatchReference


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """An evaluated model, its artifact's contents, its audit and its evaluation.

    `test` holds probabilities on the test rows: "model" and each baseline. `kinds` says how each
    attribute was read, so that single leads are later read the same way. `advice` says what the
    training outcomes allow, `reference` is what monitor and guard compare with, `amounts` what a
    conversion brings where payments say it. `leak` says which open leak finding forbids to register
    the model, and `shortfall` which baseline it does not beat and what to do instead; None where
    all is well.
    """

    dataset: Dataset
    parts: ModelParts
    forest_text: tuple[str, ...]
    facts: ObservedRates
    candidates: Mapping[str, Any]
    audit: AuditReport
    evaluation: Evaluation
    test: Mapping[str, Floats]
    card: ModelCard
    kinds: Mapping[str, str]
    advice: Advice
    reference: WatchReference
    amounts: AmountModel | None
    leak: str | None
    shortfall: str | None

    @property
    def refusal(self) -> str | None:
        """Why the model may not be registered; None where it may."""
        return self.leak or self.shortfall

    @property
    def scorer(self) -> LeadScorer:
        """The model as it will be applied."""
        return LeadScorer(self.parts, self.forest_text, trusted=True)

    def noting(self, notes: Sequence[str]) -> TrainedModel:
        """Put notes before those of the evaluation and of the card."""
        said = (*notes, *self.evaluation.notes)
        evaluation = replace(self.evaluation, notes=said)
        return replace(self, evaluation=evaluation, card=replace(self.card, notes=list(said)))

    def write(self, folder: Path) -> Manifest:
        """Write the artifact: predictor, texts, JSON, catalogue and facts."""
        extra = {
            "catalogue.json": self.dataset.frame.catalogue.to_json(),
            "facts.json": self.facts.to_json(),
            "kinds.json": json.dumps(self.kinds, sort_keys=True),
            CARD_FILE: self.card.to_json(),
            WATCH_FILE: self.reference.to_json(),
        }
        if self.amounts is not None:
            extra[AMOUNTS_FILE] = self.amounts.to_json()
        return write_artifact(self.parts, self.forest_text, folder, extra=extra)


def with_card(
    parts: ModelParts,
    margins: Floats,
    project: Project,
    frozen: ScoreCard | None,
    row_weights: Floats | None = None,
) -> ModelParts:
    """Add the score card: the frozen one, else what the project file says, else a proposal.

    `row_weights` say how often each training row counts, (n,) as `margins`.
    """
    section = project.score
    log_odds = calibrated_log_odds(parts.calibration, margins)
    counted = weights_or_ones(row_weights, len(log_odds))
    anchor = section.anchor
    card = frozen or propose(
        spread_evenly(log_odds, counted),
        points_to_double=section.points_to_double,
        anchor_score=50.0 if anchor is None else anchor.score,
        anchor_probability=None if anchor is None else anchor.probability,
    )
    card = replace(card, bands=dict(section.bands))
    meta = replace(
        parts.meta,
        sensitive=tuple(project.train.sensitive),
        identity=(project.leads.owner,) if project.leads.owner else (),  # a sales rep's name
        clipped_share=clipped_share(card, log_odds, row_weights),
    )
    return replace(parts, card=card, meta=meta)
