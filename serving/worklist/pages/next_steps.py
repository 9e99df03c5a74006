"""Leads and event types of sales -> the event after which a lead scores highest, scored again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from data.tables import OUTBOUND, Events
from models.explain.sales_steps import SalesStep, suggest
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.phrase import Phrase
from serving.worklist.view_parts import NextStep

LEAST_POINTS: Final = 2
"""Less is within the rounding of a score that is shown in whole points."""


def make_steps(source: ReportInput, rows: Sequence[int]) -> dict[int, NextStep]:
    """Score these rows again as if sales had just acted; row -> the best act, where it gains.

    An association in past leads, not a proven effect: the report says so beside it.
    """
    acts = [SalesStep(name, event=name) for name in acts_of_sales(source.tables.events)]
    if not acts or not rows:
        return {}
    frame = source.scored.frame.to_pandas().iloc[list(rows)]
    ids = [str(lead) for lead in source.scored.table["lead_id"].iloc[list(rows)]]
    suggestions = suggest(source.model.scorer, frame, acts, lead_ids=ids, least=LEAST_POINTS)
    return {
        row: NextStep(
            Phrase(
                "Next touch: {label}", {"label": best.step.replace("_", " "), "event": best.step}
            ),
            best.points,
        )
        for row, best in zip(rows, suggestions, strict=True)
        if best is not None
    }


def acts_of_sales(events: Events) -> tuple[str, ...]:
    """Name the event types that are mostly acts of sales; none where no direction is known."""
    n = len(events.type_names)
    known = events.type >= 0
    every = np.bincount(events.type[known], minlength=n)
    outbound = np.bincount(events.type[known & (events.direction == OUTBOUND)], minlength=n)
    return tuple(name for i, name in enumerate(events.type_names) if 2 * outbound[i] > every[i])
