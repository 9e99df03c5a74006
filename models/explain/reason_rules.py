"""Says which features may be given as a reason, for or against, and which sales can change."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.templates import TEMPLATES
from models.explain.observed_rates import ObservedRates
from models.predictor import ColumnReader, FeatureColumn, Frame, LeadScorer, columns_of

NOTHING = frozenset({"none", "no", "unknown", "not known", "n/a", "na", "nothing", "-"})


@dataclass(frozen=True, slots=True)
class ReasonRules:
    """What may be shown, and what a rep can change.

    `sensitive` and `identity` name features, columns or factors that are never shown; their points
    count in the rest. `changeable` names events (or factors, features) that sales can bring about.
    """

    sensitive: frozenset[str] = frozenset()
    identity: frozenset[str] = frozenset()
    changeable: frozenset[str] = frozenset()

    @classmethod
    def of(cls, scorer: LeadScorer) -> ReasonRules:
        """Read the lists that were stored with the model."""
        meta = scorer.meta
        return cls(
            frozenset(meta.sensitive or ()),
            frozenset(meta.identity or ()),
            frozenset(meta.changeable or ()),
        )

    def hides(self, feature: FeatureColumn) -> bool:
        """Say whether a feature is never shown."""
        names = (feature.name, feature.factor, feature.params.get("column", ""))
        return not (self.sensitive.isdisjoint(names) and self.identity.isdisjoint(names))


def reason_params(
    feature: FeatureColumn, value: str | float | None, facts: ObservedRates
) -> dict[str, str | int | float | None]:
    """Collect what the sentence about a value needs: names, window, value, how large it is."""
    row = TEMPLATES.get(feature.template)
    params: dict[str, str | int | float | None] = {"label": feature.label, **feature.params}
    if row is not None and row.levels and not row.cuts and isinstance(value, float):
        params["level"] = facts.level(feature.name, value)
    return {**params, "value": value}


def is_changeable(
    feature: FeatureColumn,
    allowed: Collection[str],
    *,
    value: str | float | None = None,
    points: int = 0,
) -> bool:
    """Say whether sales can change it: what sales does itself, and what it can bring about.

    Acts that were done and stand against the lead are no such thing: the advice would be to stop.
    """
    names = {feature.name, feature.factor, str(feature.params.get("event", ""))}
    row = TEMPLATES.get(feature.template)
    counts = row is not None and row.effect == "one more"
    if counts and points < 0 and isinstance(value, float) and value > 0:
        return False
    return bool(row and row.by_sales) or not names.isdisjoint(allowed)


def visible_sides(
    scorer: LeadScorer, frame: Frame, rules: ReasonRules, facts: ObservedRates
) -> NDArray[np.uint8]:
    """Say what may be shown, (n, n_features): bits 1 and 4 as a strength, 2 and 8 as a weakness.

    Nothing missing and no absent activity is ever a strength; what is sensitive or identity-like
    is never shown at all, nor a value that training has not seen. Bits 4 and 8: a second choice,
    because what became of such leads says the contrary.
    """
    features = scorer.features
    shape = (len(frame), len(features))
    absent, direction = np.zeros(shape, np.bool_), np.zeros(shape, np.int8)
    allowed = np.zeros(shape, np.bool_)
    columns = columns_of(frame)
    for f, feature in enumerate(features):
        if not rules.hides(feature):
            absent[:, f], direction[:, f] = _absent_and_direction(columns, feature, facts)
            allowed[:, f] = _seen_rows(scorer, facts, feature, columns)
    strength = np.where(direction < 0, 4, 1) * ~absent
    weakness = np.where(direction > 0, 8, 2)
    visible: NDArray[np.uint8] = ((strength | weakness) * allowed).astype(np.uint8)
    return visible


def seen_in_training(
    scorer: LeadScorer, facts: ObservedRates, feature: FeatureColumn, value: str | float | None
) -> bool:
    """Say whether the model has seen the value, or that there is none; any number counts as seen.

    All levels that it has not seen share one effect: it is not that of the level at hand.
    """
    if value is None:
        return facts.saw_missing(feature.name)
    return feature.kind == "number" or value in scorer.known_levels.get(feature.name, ())


def _seen_rows(
    scorer: LeadScorer, facts: ObservedRates, feature: FeatureColumn, columns: ColumnReader
) -> NDArray[np.bool_]:
    """Say it of every row: (n,)."""
    missing = seen_in_training(scorer, facts, feature, None)
    if feature.kind == "number":
        return np.isfinite(columns.number(feature.name)) | missing
    codes, levels = columns.category(feature.name)
    seen = [seen_in_training(scorer, facts, feature, level) for level in levels]
    return np.array([*seen, False, missing], np.bool_)[codes]


def _absent_and_direction(
    columns: ColumnReader, feature: FeatureColumn, facts: ObservedRates
) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
    """Find where a feature is missing or never happened, and which way its facts point: (n,)."""
    name = feature.name
    if feature.kind == "category":
        codes, levels = columns.category(name)
        nothing = [level.strip().lower() in NOTHING for level in levels]
        direction = np.array(facts.level_directions(name, levels), np.int8)
        return np.array([*nothing, True])[codes], direction[codes]
    values = columns.number(name)
    absent = np.isnan(values)
    row = TEMPLATES.get(feature.template)
    if row is not None and row.zero_is_absent:
        absent |= values == 0
    elif feature.template == "missing_count":
        absent |= values > 0
    return absent, facts.directions(name, values)
