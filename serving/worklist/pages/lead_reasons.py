"""Reasons of the model -> reasons of the report."""

from __future__ import annotations

from models.explain.points import ScoreReason
from serving.worklist.view_parts import ShownFact, ShownReason


def report_reason(reason: ScoreReason) -> ShownReason:
    """Turn a reason of the model into the report's type."""
    fact = reason.fact
    return ShownReason(
        factor=reason.factor,
        family=reason.family,
        template=reason.template,
        params=dict(reason.params),
        points=reason.points,
        changeable=reason.changeable,
        fact=None if fact is None else ShownFact(fact.rate, fact.typical, fact.n),
    )
