"""Turns a built feature frame of a few leads into rows that the scorer reads without pandas."""

from __future__ import annotations

import numpy as np

from features.frame import FeatureFrame
from models.predictor import Rows


def rows_of(frame: FeatureFrame) -> Rows:
    """Give `LeadScorer`, `reason_table` and `explanations_of` what they take in place of a frame.

    The same scores and reasons to the last bit as from `frame.to_pandas()`, for one lead or a few
    (a request): the price is by value, not by column of pandas.
    """
    catalogue = frame.catalogue
    words = {}
    for feature, values in zip(catalogue.categories, frame.categories, strict=True):
        levels, codes = values.categories, np.asarray(values.codes).tolist()
        words[feature.name] = [None if code < 0 else str(levels[code]) for code in codes]
    number_at = {feature.name: i for i, feature in enumerate(catalogue.numbers)}
    return Rows(frame.numbers, number_at, words)
