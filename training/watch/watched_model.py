"""A model as the monitor looks at it."""

from __future__ import annotations

from dataclasses import dataclass

from features.frame import Catalogue
from models.explain.observed_rates import ObservedRates
from models.predictor import LeadScorer
from training.model_card import ModelCard
from training.watch.watch_reference import WatchReference


@dataclass(frozen=True, slots=True)
class WatchedModel:
    """What the monitor needs of a model; `reference` is None where it was trained before it."""

    scorer: LeadScorer
    catalogue: Catalogue
    facts: ObservedRates
    card: ModelCard
    reference: WatchReference | None
