"""A registered version or an artifact folder -> the model with its catalogue and facts, loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from data.tables import Kind
from features.build import Builder
from features.frame import Catalogue
from models.artifact import load_artifact, read_extra
from models.explain.observed_rates import ObservedRates
from models.predictor import LeadScorer
from training.model_card import CARD_FILE, ModelCard
from training.registry import ModelVersion, Registry


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """Everything that scoring and explaining need; pinned for the length of a run.

    `builder` builds rows for its catalogue, which is compiled once. The scorer cuts bands as the
    project file says now; `learned_bands` are the cuts with which the model was trained.
    """

    version: str
    scorer: LeadScorer
    catalogue: Catalogue
    facts: ObservedRates
    card: ModelCard
    kinds: Mapping[str, Kind]
    builder: Builder
    learned_bands: Mapping[str, float]

    @property
    def bands_edited(self) -> bool:
        """Whether bands are cut elsewhere than when the model was trained."""
        return dict(self.scorer.card.bands) != dict(self.learned_bands)


def load_model(
    version: ModelVersion, *, threads: int = 1, bands: Mapping[str, float] | None = None
) -> LoadedModel:
    """Load an artifact after checking every hash; InputError where one differs.

    `bands` are the project file's: bands are cut on the score, so an edit needs no retraining.
    """
    scorer = load_artifact(version.folder, threads=threads)
    learned = dict(scorer.card.bands)
    if bands is not None:
        scorer.card = replace(scorer.card, bands=dict(bands))
    catalogue = Catalogue.from_json(read_extra(version.folder, "catalogue.json").decode())
    return LoadedModel(
        version=version.version,
        scorer=scorer,
        catalogue=catalogue,
        facts=ObservedRates.from_json(read_extra(version.folder, "facts.json")),
        kinds=json.loads(read_extra(version.folder, "kinds.json")),
        card=ModelCard.from_json(read_extra(version.folder, CARD_FILE)),
        builder=Builder(catalogue),
        learned_bands=learned,
    )


def find_model(
    registry: Registry,
    reference: str,
    *,
    threads: int = 1,
    bands: Mapping[str, float] | None = None,
) -> LoadedModel:
    """Look a version up by number, alias or folder, and load it with the project file's bands."""
    return load_model(registry.find(reference), threads=threads, bands=bands)
