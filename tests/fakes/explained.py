"""A scorer and a frame -> explanations, in the two steps that the product takes."""

from __future__ import annotations

from collections.abc import Sequence

from models.explain.observed_rates import ObservedRates
from models.explain.points import Explanation
from models.explain.reasons import (
    NO_FACTS,
    ReasonTable,
    explanation_of,
    reason_table,
    value_reader,
)
from models.predictor import Frame, LeadScorer


def explain(
    scorer: LeadScorer,
    frame: Frame,
    *,
    lead_ids: Sequence[str],
    facts: ObservedRates | None = None,
    with_stability: bool = True,
) -> list[Explanation]:
    """Explain each row: up to five reasons for and five against, none under one point, the rest.

    typical + reasons + rest_points + limit_points == score, in whole numbers. Free of language:
    `models.explain.sentences.render` writes a reason in words.
    """
    table = reason_table(scorer, frame, facts=facts or NO_FACTS, with_stability=with_stability)
    return explanations_of(table, frame, lead_ids=lead_ids)


def explanations_of(
    table: ReasonTable, frame: Frame, *, lead_ids: Sequence[str]
) -> list[Explanation]:
    """Make the explanation of each row of a table that was computed on this frame."""
    read = value_reader(frame)
    return [explanation_of(table, row, lead, read) for row, lead in enumerate(lead_ids)]
