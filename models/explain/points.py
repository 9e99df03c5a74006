"""Turns contributions in log-odds into whole points that add up to the shown score.

typical + points of all factors + limit of the scale = score, in whole numbers, on every row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.compiled import compiled
from models.predictor import (
    Floats,
    LeadScorer,
    calibrated_log_odds,
    card_exact,
    shown_score,
    straight_slope,
)

MOST_REASONS = 5
Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class ObservedRate:
    """What became of training rows like this one: rate among `n`, beside the rate of all."""

    rate: float
    n: int
    typical: float

    @property
    def direction(self) -> int:
        """Say whether such rows did better (1) or worse (-1) than all; 0 if it may be chance.

        Chance is less than one standard error of a share, or what reads the same in per cent.
        """
        apart = self.rate - self.typical
        error = math.sqrt(self.typical * (1.0 - self.typical) / max(self.n, 1))
        same = round(100 * self.rate) == round(100 * self.typical)
        return 0 if same or abs(apart) < error else 1 if apart > 0 else -1

    def backs(self, points: float) -> bool:
        """Say whether it agrees with points of this sign; one that does not is not shown."""
        return self.direction * points > 0


@dataclass(frozen=True, slots=True)
class ScoreReason:
    """One factor's part of a score; template and params say it in words, value included."""

    factor: str
    family: str
    points: int
    exact: float
    template: str
    params: Mapping[str, str | int | float | None]
    changeable: bool = False
    fact: ObservedRate | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score, whole: typical + reasons + rest_points + limit_points == score.

    `families` are whole points too: typical + families + limit_points == score. `grid` is fit
    (A to D) and engagement (1 to 4). `stable` is False where two halves of the ensemble name
    other top reasons.
    """

    lead_id: str
    score: int
    typical: int
    reasons_for: tuple[ScoreReason, ...]
    reasons_against: tuple[ScoreReason, ...]
    rest_points: int
    limit_points: int
    families: Mapping[str, int]
    grid: str
    stable: bool


@dataclass(frozen=True, slots=True)
class Points:
    """Columnar: one row per lead. Factor and feature positions, -1 for none; points are whole."""

    factor_for: Ints  # (n, 5), strongest first
    feature_for: Ints  # (n, 5), the feature whose sentence is shown
    points_for: Ints  # (n, 5)
    factor_against: Ints
    feature_against: Ints
    points_against: Ints
    by_factor: Ints  # (n, n_factors), all of them
    exact: Floats  # (n, n_factors), before rounding
    rest: Ints  # (n,)
    limit: Ints  # (n,)
    score: NDArray[np.int64]  # (n,), as shown
    typical: int


def points_per_log_odds(scorer: LeadScorer, base: float, margin: Floats) -> Floats:
    """How many points one log-odds of contribution is worth on each row.

    Constant for a straight calibration; where it bends, (g(b + S) - g(b)) / S, at S = 0 its limit
    g'(b): the Aumann-Shapley value of a link of a sum (Aumann and Shapley 1974).
    """
    per_unit = scorer.card.points_to_double / math.log(2.0)
    straight = straight_slope(scorer.calibration)
    if straight is not None:
        return np.full(len(margin), per_unit * straight)
    move = margin - base
    at_base = scorer.log_odds(np.array([base - 1e-5, base, base + 1e-5]))
    slope = (at_base[2] - at_base[0]) / 2e-5
    near = np.abs(move) < 1e-7
    rise = scorer.log_odds(margin) - at_base[1]
    factor: Floats = np.where(near, slope, rise / np.where(near, 1.0, move))
    return per_unit * factor


def typical_exact(scorer: LeadScorer, base: float) -> float:
    """Score the typical lead, before clipping and rounding."""
    log_odds = calibrated_log_odds(scorer.calibration, np.array([base]))
    return float(card_exact(scorer.card, log_odds)[0])


def make_points(
    scorer: LeadScorer,
    values: Floats,
    margin: Floats,
    base: float,
    factor_of: Ints,
    visible: NDArray[np.uint8],
) -> Points:
    """Turn contributions by feature, (n, n_features) log-odds, into whole points by factor.

    `visible` (n, n_features): bit 1 may be shown as a strength, bit 2 as a weakness; bits 4 and 8:
    may be, but only where the factor has nothing better to say. What may not be shown counts in
    `rest`. Whole points by largest remainder.
    """
    n, n_factors = len(values), int(factor_of.max()) + 1 if len(factor_of) else 0
    typical = float(np.clip(typical_exact(scorer, base), 0.0, 100.0))
    exact_score = card_exact(scorer.card, scorer.log_odds(margin))
    shown, typical_shown = shown_score(exact_score), int(shown_score(np.array([typical]))[0])
    tops = np.full((6, n, MOST_REASONS), -1, np.int32)
    by_factor, exact = np.zeros((n, n_factors), np.int32), np.zeros((n, n_factors))
    rest, limit = np.zeros(n, np.int32), np.zeros(n, np.int32)
    _share_points(
        values,
        points_per_log_odds(scorer, base, margin),
        factor_of,
        visible,
        np.clip(exact_score, 0.0, 100.0) - typical,
        shown - typical_shown,
        tops,
        by_factor,
        exact,
        rest,
        limit,
    )
    return Points(
        tops[0],
        tops[1],
        tops[2],
        tops[3],
        tops[4],
        tops[5],
        by_factor,
        exact,
        rest,
        limit,
        shown,
        typical_shown,
    )


def whole_points(exact: Floats, total: NDArray[np.int64]) -> NDArray[np.int64]:
    """Round each row of `exact` (n, k) to whole points that sum to `total` (n,)."""
    whole = np.zeros(exact.shape, np.int64)
    for row in range(len(exact)):
        _largest_remainder(exact[row], int(total[row]), whole[row])
    return whole


@compiled(error_model="numpy")
def _largest_remainder(exact: Any, total: int, whole: Any) -> None:
    """Round `exact` to whole numbers that sum to `total`; exact zeros stay zero."""
    size = 0
    order = np.empty(len(exact), np.int64)
    given = 0
    for i in range(len(exact)):
        whole[i] = 0
        if exact[i] != 0.0:
            whole[i] = math.floor(exact[i])
            given += whole[i]
            part = exact[i] - whole[i]
            j = size
            while j > 0 and exact[order[j - 1]] - math.floor(exact[order[j - 1]]) < part:
                order[j] = order[j - 1]
                j -= 1
            order[j] = i
            size += 1
    left = total - given
    if size == 0:
        return
    each = left // size
    for j in range(size):
        whole[order[j]] += each + (1 if j < left - each * size else 0)


@compiled(error_model="numpy")
def _lead_feature(values: Any, visible: Any, factor_of: Any, factor: int, sign: int) -> int:
    """Find the feature that speaks for a factor: the strongest in its direction that may.

    One that is the second choice gives way to any that has a fifth of its strength.
    """
    best, strongest, second, second_strength = -1, 0.0, -1, 0.0
    may, reluctant = (1, 4) if sign > 0 else (2, 8)
    for f in range(len(values)):
        if factor_of[f] != factor or values[f] * sign <= 0.0:
            continue
        if visible[f] & may and values[f] * sign > strongest:
            best, strongest = f, values[f] * sign
        elif visible[f] & reluctant and values[f] * sign > second_strength:
            second, second_strength = f, values[f] * sign
    return best if strongest >= 0.2 * second_strength else second


@compiled(error_model="numpy")
def _share_points(  # type: ignore[no-untyped-def]
    values, scale, factor_of, visible, moved, total, tops, by_factor, exact, rest, limit
):
    """Fill the rows of Points: sums by factor, whole points, the five strongest each way."""
    n, n_factors = by_factor.shape
    parts, whole = np.empty(n_factors + 1), np.empty(n_factors + 1, np.int64)
    for r in range(n):
        parts[:] = 0.0
        for f in range(len(factor_of)):
            parts[factor_of[f]] += values[r, f] * scale[r]
        clipped = moved[r]
        for k in range(n_factors):
            exact[r, k] = parts[k]
            clipped -= parts[k]
        parts[n_factors] = clipped if abs(clipped) > 1e-7 else 0.0
        _largest_remainder(parts, total[r], whole)
        limit[r] = whole[n_factors]
        shown = 0
        for k in range(n_factors):
            by_factor[r, k] = whole[k]
            if whole[k] == 0:
                continue
            sign = 1 if whole[k] > 0 else -1
            shown += whole[k]
            speaker = _lead_feature(values[r], visible[r], factor_of, k, sign)
            if speaker < 0:
                continue
            side = 0 if sign > 0 else 3
            place = tops.shape[2]
            while place > 0:
                other = tops[side, r, place - 1]
                if other >= 0 and (
                    abs(whole[other]) > abs(whole[k])
                    or (abs(whole[other]) == abs(whole[k]) and abs(parts[other]) >= abs(parts[k]))
                ):
                    break
                place -= 1
            for move in range(tops.shape[2] - 1, place, -1):
                for row in range(3):
                    tops[side + row, r, move] = tops[side + row, r, move - 1]
            if place < tops.shape[2]:
                tops[side, r, place] = k
                tops[side + 1, r, place] = speaker
                tops[side + 2, r, place] = whole[k]
        for side in (0, 3):
            for place in range(tops.shape[2]):
                if tops[side, r, place] >= 0:
                    shown -= tops[side + 2, r, place]
                else:
                    tops[side + 2, r, place] = 0
        rest[r] = shown
