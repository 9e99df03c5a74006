"""What the monitor and the guard compare with, kept with the model: counts of its training data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data.clock import DAY
from data.feeds import Feed
from data.tables import Outcomes, Tables
from models.explain.observed_rates import ObservedRates
from training.watch.feature_profile import FeatureProfile, make_feature_profile
from training.watch.night_profile import NightProfile, profile_of_night

if TYPE_CHECKING:  # a reference is read by commands that learn nothing
    from training.dataset import Dataset

WATCH_FILE = "watch.json"


@dataclass(frozen=True, slots=True)
class WatchReference:
    """The features of the training rows by age, and the night on which the model was trained."""

    features: FeatureProfile
    night: NightProfile

    def to_json(self) -> str:
        """Write what `from_json` reads."""
        whole = {"features": self.features.to_dict(), "night": self.night.to_dict()}
        return json.dumps(whole, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> WatchReference:
        """Read the file of an artifact."""
        raw = json.loads(text)
        return cls(FeatureProfile.from_dict(raw["features"]), NightProfile.from_dict(raw["night"]))


def make_reference(
    dataset: Dataset, tables: Tables, facts: ObservedRates, night: NightProfile
) -> WatchReference:
    """Count the training rows of a model, beside the night on which it was trained."""
    rows = dataset.cut.train
    snapshots = dataset.labelled.snapshots.take(rows)
    created = tables.created_at
    age = (
        np.zeros(len(rows))
        if created is None
        else (snapshots.as_of - created[snapshots.lead]) / DAY
    )
    features = make_feature_profile(
        dataset.rows(rows),
        facts,
        age_days=age,
        order=dataset.labelled.order[rows],
        leads=snapshots.lead,
        row_weights=dataset.weights(rows),
    )
    return WatchReference(features, night)


def training_night(tables: Tables, outcomes: Outcomes, feeds: Sequence[Feed]) -> NightProfile:
    """Count sources and open leads at the end of the training data; nobody is scored yet."""
    as_of = tables.observed_until
    return profile_of_night(
        tables,
        outcomes,
        feeds,
        score=np.empty(0),
        top=100.0,
        as_of=as_of,
        scored_at=as_of,
        model_version="",
    )
