"""Names of what may win the choice among candidates, as a model's facts hold them."""

from __future__ import annotations

from typing import Final

from models.predictor import ModelFacts

CONSTANT: Final = "constant"
"""Every lead gets the base rate."""
RULE: Final = "rule"
"""Leads get the points of a rule, as outcomes update them."""
LINE: Final = "linear"
"""The regularised line stands alone."""


def is_stand_in(meta: ModelFacts) -> bool:
    """Tell whether a model is a rule or a base rate: any proven model may take its place."""
    return meta.learner in (CONSTANT, RULE)
