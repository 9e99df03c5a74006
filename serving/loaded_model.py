"""A registered version or an artifact folder -> the model with its catalogue and facts, loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from data.tables import Kind
from features.build import Builder
from features.frame import Catalogue
from models.amount_model import AMOUNTS_FILE, AmountModel
from models.artifact import load_artifact, read_extra
from models.explain.observed_rates import ObservedRates
from models.predictor import MANIFEST, LeadScorer
from training.model_card import CARD_FILE, ModelCard
from training.registry import ModelVersion, Registry
from training.watch.watch_reference import WATCH_FILE, WatchReference
from training.watch.watched_model import WatchedModel


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """Everything that scoring and explaining need; pinned for the length of a run.

    `builder` builds rows for its catalogue, which is compiled once. The scorer cuts bands as the
    project file says now; `learned_bands` are the cuts with which the model was trained. `watch` is
    what monitor and guard compare with; None in a model from before it was kept. `amounts` says
    what a conversion brings; None where it was not learned. `identity` is the hash over all files
    of its `folder`.
    """

    version: str
    scorer: LeadScorer
    catalogue: Catalogue
    facts: ObservedRates
    card: ModelCard
    kinds: Mapping[str, Kind]
    builder: Builder
    learned_bands: Mapping[str, float]
    folder: Path
    identity: str
    watch: WatchReference | None = None
    amounts: AmountModel | None = None

    @property
    def top(self) -> float:
        """The least score of the best band."""
        return max(self.scorer.card.bands.values(), default=100.0)

    @property
    def bands_edited(self) -> bool:
        """Whether bands are cut elsewhere than when the model was trained."""
        return dict(self.scorer.card.bands) != dict(self.learned_bands)

    def amounts_in(self, currency: str) -> AmountModel | None:
        """Give the model of amounts; None without one, and where it learned another currency."""
        known = self.amounts is not None and self.amounts.currency == currency
        return self.amounts if known else None

    @property
    def watched(self) -> WatchedModel:
        """What the monitor needs of it."""
        return WatchedModel(self.scorer, self.catalogue, self.facts, self.card, self.watch)


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
        folder=version.folder,
        identity=str(json.loads((version.folder / MANIFEST).read_bytes())["version"]),
        watch=_reference(version),
        amounts=_amounts(version),
    )


def _reference(version: ModelVersion) -> WatchReference | None:
    """Read what the monitor compares with, where the artifact has it."""
    if not (version.folder / WATCH_FILE).is_file():
        return None
    return WatchReference.from_json(read_extra(version.folder, WATCH_FILE))


def _amounts(version: ModelVersion) -> AmountModel | None:
    """Read what a conversion brings, where the artifact has it."""
    if not (version.folder / AMOUNTS_FILE).is_file():
        return None
    return AmountModel.from_json(read_extra(version.folder, AMOUNTS_FILE))


def find_model(
    registry: Registry,
    reference: str,
    *,
    threads: int = 1,
    bands: Mapping[str, float] | None = None,
) -> LoadedModel:
    """Look a version up by number, alias or folder, and load it with the project file's bands."""
    return load_model(registry.find(reference), threads=threads, bands=bands)
