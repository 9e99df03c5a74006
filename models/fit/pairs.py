"""Columns and outcomes -> target encodings worth trying: rare-level columns, and pairs that add.

A pair of categories is a candidate only if its cross-fitted statistics say something that both
single columns together do not; it is kept only if the forest gains from it on unseen rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from models.fit.empirical_bayes import newton
from models.fit.encoders import Ints, TrainingColumns, cross_fit_target
from models.fit.row_weights import weighted_mean, weighted_spread
from models.predictor import Floats, category_keys

MANY_LEVELS = 30
LEAST_Z, LEAST_GAIN = 4.0, 0.0005
MOST_PAIRS, MOST_COLUMNS = 12, 25
WEIGHT = 20.0


def screen_targets(columns: TrainingColumns, y: Floats, fold: Ints) -> tuple[tuple[str, ...], ...]:
    """Name the single columns of many levels and the pairs whose joint rate adds to the two."""
    single = {
        name: cross_fit_target(codes, y, len(columns.levels[name]), WEIGHT, fold, columns.weights)[
            0
        ]
        for name, codes in columns.codes.items()
        if len(columns.levels[name]) > 1
    }
    rich = [(name,) for name in single if len(columns.levels[name]) >= MANY_LEVELS]
    scored = [
        (pair_gain(columns, y, fold, single, a, b), (a, b))
        for a, b in combinations(list(single)[:MOST_COLUMNS], 2)
    ]
    kept = [(gain, pair) for (gain, z), pair in scored if z > LEAST_Z and gain > LEAST_GAIN]
    kept.sort(key=lambda item: (-item[0], item[1]))
    return (*rich, *(pair for _, pair in kept[:MOST_PAIRS]))


def pair_gain(
    columns: TrainingColumns, y: Floats, fold: Ints, single: Mapping[str, Floats], a: str, b: str
) -> tuple[float, float]:
    """Measure what the joint rate of a pair adds: mean gain in log loss of a row, and its z."""
    codes, keys = category_keys(columns, (a, b))
    if len(keys) <= max(len(columns.levels[a]), len(columns.levels[b])):
        return 0.0, 0.0
    counted = columns.weights
    joint = cross_fit_target(codes, y, len(keys), WEIGHT, fold, counted)[0]
    without = np.column_stack([single[a], single[b], np.ones(len(y))])
    with_joint = np.column_stack([joint, without])
    gains = _losses(without, y, counted) - _losses(with_joint, y, counted)
    gain = weighted_mean(gains, counted)
    error = weighted_spread(gains, counted) / np.sqrt(counted.sum())
    return gain, gain / max(error, 1e-12)


def _losses(design: Floats, y: Floats, row_weights: Floats) -> Floats:
    ridge = np.full(design.shape[1], 1e-3)
    margin = design @ newton(design, y, row_weights, ridge, np.zeros(design.shape[1]))
    losses: Floats = np.logaddexp(0, margin) - y * margin
    return losses
