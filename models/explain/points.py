"""Turns contributions in log-odds into whole points that add up to the shown score.

typical + points of all factors + limit of the scale = score, in whole numbers, on every row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

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

MOST_LINES: Final = 14
"""Lines of one explanation at most, but for the rest never being among its three largest."""
SEEN_FIRST: Final = 10
"""How many lines, the largest, are seen before a reader asks for the others."""
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
    """A score, whole: typical + reasons + unseen_points + rest_points + limit_points == score.

    Reasons are at most 14, largest first on each side. `unseen_points` are those of what may not
    be given as a reason: what is not known, did not happen, was never met in training, or is
    private. `rest_points` is the net of the small reasons left out, never among the three largest
    lines. `families` are whole points too: typical + families + limit_points == score. `grid` is
    fit (A to D) and engagement (1 to 4). `stable` is False where two halves of the ensemble name
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
    unseen_points: int = 0

    @property
    def reasons(self) -> tuple[ScoreReason, ...]:
        """Give what speaks for the lead, then what speaks against it."""
        return (*self.reasons_for, *self.reasons_against)


@dataclass(frozen=True, slots=True)
class Points:
    """Columnar: one row per lead. Factor and feature positions, -1 for none; points are whole.

    Lines of a row: strengths, the largest first, then weaknesses, the largest first.
    """

    line_factor: Ints  # (n, most lines of any row)
    line_feature: Ints  # (n, most), the feature whose sentence is shown
    line_points: Ints  # (n, most), 0 for none
    by_factor: Ints  # (n, n_factors), all of them
    exact: Floats  # (n, n_factors), before rounding
    unseen: Ints  # (n,)
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
    `unseen`. Whole points by largest remainder.
    """
    n, n_factors = len(values), int(factor_of.max()) + 1 if len(factor_of) else 0
    typical = float(np.clip(typical_exact(scorer, base), 0.0, 100.0))
    exact_score = card_exact(scorer.card, scorer.log_odds(margin))
    shown, typical_shown = shown_score(exact_score), int(shown_score(np.array([typical]))[0])
    lines = np.full((3, n, n_factors), -1, np.int32)
    lines[2] = 0
    by_factor, exact = np.zeros((n, n_factors), np.int32), np.zeros((n, n_factors))
    sums = np.zeros((3, n), np.int32)
    share_points = _share_points.for_steps(n * n_factors * values.shape[1])
    share_points(
        values,
        points_per_log_odds(scorer, base, margin),
        factor_of,
        visible,
        np.clip(exact_score, 0.0, 100.0) - typical,
        shown - typical_shown,
        lines,
        by_factor,
        exact,
        sums,
    )
    most = int((lines[0] >= 0).sum(axis=1).max(initial=0))
    factor, feature, points = lines[:, :, :most].copy()
    unseen, rest, limit = sums
    return Points(
        factor, feature, points, by_factor, exact, unseen, rest, limit, shown, typical_shown
    )


def whole_points(exact: Floats, total: NDArray[np.int64]) -> NDArray[np.int64]:
    """Round each row of `exact` (n, k) to whole points that sum to `total` (n,)."""
    whole = np.zeros(exact.shape, np.int64)
    largest_remainder = _largest_remainder.for_steps(8 * exact.size)
    for row in range(len(exact)):
        largest_remainder(exact[row], int(total[row]), whole[row])
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
    values, scale, factor_of, visible, moved, total, lines, by_factor, exact, sums
):
    """Fill the rows of Points: sums by factor, whole points, lines; `sums`: unseen, rest, limit."""
    n, n_factors = by_factor.shape
    parts, whole = np.empty(n_factors + 1), np.empty(n_factors + 1, np.int64)
    speaker, order = np.empty(n_factors, np.int64), np.empty(n_factors, np.int64)
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
        sums[2, r] = whole[n_factors]
        size, left = 0, 0
        for k in range(n_factors):
            by_factor[r, k] = whole[k]
            if whole[k] == 0:
                continue
            speaker[k] = _lead_feature(
                values[r], visible[r], factor_of, k, 1 if whole[k] > 0 else -1
            )
            if speaker[k] < 0:
                sums[0, r] += whole[k]
                continue
            left += whole[k]
            place = size
            while place > 0 and _is_larger(k, order[place - 1], whole, parts):
                order[place] = order[place - 1]
                place -= 1
            order[place] = k
            size += 1
        shown = _count_lines(order, size, whole, left)
        place = 0
        for sign in (1, -1):
            for i in range(shown):
                k = order[i]
                if whole[k] * sign > 0:
                    lines[0, r, place] = k
                    lines[1, r, place] = speaker[k]
                    lines[2, r, place] = whole[k]
                    left -= whole[k]
                    place += 1
        sums[1, r] = left


@compiled(error_model="numpy")
def _is_larger(one: int, other: int, whole: Any, parts: Any) -> bool:
    """Say whether a factor moved the score more than another, up or down."""
    if abs(whole[one]) != abs(whole[other]):
        return bool(abs(whole[one]) > abs(whole[other]))
    return bool(abs(parts[one]) > abs(parts[other]))


@compiled(error_model="numpy")
def _count_lines(order: Any, size: int, whole: Any, net: int) -> int:
    """Choose how many factors get a line: MOST_LINES, or more until the rest is a small line.

    `net` is the sum of all of them; the rest is none of the three largest lines.
    """
    shown = 0
    while shown < size:
        if shown >= MOST_LINES and abs(net) < abs(whole[order[2]]):
            break
        net -= whole[order[shown]]
        shown += 1
    return shown
