"""A scorer and its rows -> how much of each score its lines leave unsaid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.explain.observed_rates import ObservedRates
from models.explain.points import MOST_LINES, Points
from models.explain.reason_rules import ReasonRules, visible_sides
from models.explain.reasons import reason_table
from models.predictor import LeadScorer

SMALL: Final = 5  # points


@dataclass(frozen=True, slots=True)
class RestFigures:
    """The lines of many leads: shares of leads, and counts."""

    leads: int
    rest_in_top_three: float
    small_rest: float  # < 5 points without sign, under the third line, with 14 lines at most
    most_lines: int
    not_adding_up: int


def figures_of(scorer: LeadScorer, frame: pd.DataFrame, facts: ObservedRates) -> RestFigures:
    """Explain every row and hold its lines against its points by factor."""
    points = reason_table(scorer, frame, facts=facts).points
    listed = np.zeros(points.by_factor.shape, np.bool_)
    rows, places = np.nonzero(points.line_factor >= 0)
    listed[rows, points.line_factor[rows, places]] = True
    lines = listed.sum(axis=1)
    left_out = speakable(scorer, frame, facts, points) & ~listed
    unsaid = np.abs(points.by_factor * left_out).sum(axis=1)
    largest = np.sort(np.abs(points.line_points), axis=1)[:, ::-1]
    third = largest[:, 2] if largest.shape[1] > 2 else np.zeros(len(lines))
    small = (unsaid == 0) | ((unsaid < SMALL) & (unsaid < third))
    shown = points.line_points.sum(axis=1) + points.unseen + points.rest + points.limit
    return RestFigures(
        leads=len(lines),
        rest_in_top_three=float(((points.rest != 0) & (np.abs(points.rest) >= third)).mean()),
        small_rest=float((small & (lines <= MOST_LINES)).mean()),
        most_lines=int(lines.max(initial=0)),
        not_adding_up=int((points.typical + shown != points.score).sum()),
    )


def speakable(
    scorer: LeadScorer, frame: pd.DataFrame, facts: ObservedRates, points: Points
) -> NDArray[np.bool_]:
    """Say which factors may be given as a reason, (n, n_factors): others are not known or seen."""
    visible = visible_sides(scorer, frame, ReasonRules.of(scorer), facts)
    values = scorer.contributions(frame, by="feature").values
    said = ((values > 0) & (visible & 5 > 0), (values < 0) & (visible & 10 > 0))
    out = np.zeros(points.by_factor.shape, np.bool_)
    for k, factor in enumerate(scorer.factors):
        own = [f for f, feature in enumerate(scorer.features) if feature.factor == factor]
        up, down = (side[:, own].any(axis=1) for side in said)
        out[:, k] = np.where(points.by_factor[:, k] > 0, up, down)
    return out
