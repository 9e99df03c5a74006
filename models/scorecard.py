"""Training margins -> the score card; scores -> bands with hysteresis, percentiles and trend.

The card itself, and the map from log-odds to points (`ScoreCard`, `card_exact`, `shown_score`),
are in models/predictor.py, which travels with the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.predictor import Floats, ScoreCard, card_exact

BANDS: Mapping[str, float] = {"A": 70.0, "B": 55.0, "C": 40.0}


def propose(
    log_odds: Floats,
    *,
    points_to_double: float | None = None,
    anchor_score: float = 50.0,
    anchor_probability: float | None = None,
    bands: Mapping[str, float] = BANDS,
    clipped: float = 0.01,
) -> ScoreCard:
    """Propose a card on which fewer than `clipped` of these leads fall outside 0..100.

    `log_odds` are calibrated, one per lead. Left out, the anchor is the median lead, and the
    points to double the odds are the most, up to 10 and in steps of a half, that clip too few
    leads to matter (half of `clipped`, so that next month's leads fit too).
    """
    finite = log_odds[np.isfinite(log_odds)]
    middle = float(np.median(finite)) if len(finite) else 0.0
    if anchor_probability is None:
        anchor_probability = float(1 / (1 + np.exp(-middle)))
    anchor = float(np.log(anchor_probability) - np.log1p(-anchor_probability))
    card = ScoreCard(
        points_to_double or 10.0,
        float(anchor_score),
        anchor_probability,
        {name: float(least) for name, least in bands.items()},
    )
    if points_to_double is None and len(finite):
        return replace(card, points_to_double=_points(finite - anchor, anchor_score, clipped / 2))
    return card


def _points(above: Floats, anchor_score: float, clipped: float) -> float:
    for points in np.arange(10.0, 0.5, -0.5):
        score = anchor_score + points / np.log(2) * above
        if np.mean((score < 0) | (score > 100)) < clipped:
            return float(points)
    return 0.5


def clipped_share(card: ScoreCard, log_odds: Floats, row_weights: Floats | None = None) -> float:
    """Tell which share of leads the card clips at 0 or at 100; `row_weights` count leads, (n,)."""
    exact = card_exact(card, log_odds)
    return float(np.average((exact < 0) | (exact > 100), weights=row_weights))


def band_rank(card: ScoreCard, score: NDArray[Any]) -> NDArray[np.int64]:
    """Rank the band of each score: 0 is the lowest."""
    return np.searchsorted(sorted(map(float, card.bands.values())), score, side="right")


def bands_with_hysteresis(
    card: ScoreCard,
    score: Floats,
    previous: Sequence[str | None] | NDArray[np.object_] | None,
    *,
    hysteresis: float = 2.0,
) -> NDArray[np.object_]:
    """Name the band that lists show: a lead changes band only past a cut by `hysteresis` points.

    `previous` are the bands at the last scoring, None for a lead that had none.
    """
    cuts = sorted(((float(least), name) for name, least in card.bands.items()), reverse=True)
    names = [name for _, name in cuts] + [card.lowest]
    levels = np.array([least for least, _ in cuts])

    def rank(points: Floats) -> NDArray[np.int64]:
        ranks: NDArray[np.int64] = np.sum(points[:, None] < levels[None, :], axis=1)
        return ranks

    points = np.asarray(score, dtype=np.float64)
    best, worst = rank(points + hysteresis), rank(points - hysteresis)
    position = {name: i for i, name in enumerate(names)}
    was = [""] * len(points) if previous is None else [str(band) for band in previous]
    plain = rank(points)
    old = np.array([position.get(b, r) for b, r in zip(was, plain, strict=True)], dtype=np.int64)
    now = np.clip(old, best, worst)
    return np.array(names, dtype=object)[now]


def percentile(margin: Floats, among: Floats | None = None) -> Floats:
    """Rank leads: the share, 0..100, of the leads `among` at or below each; ties share.

    By default leads are ranked against one another. NaN where there is none to rank among.
    """
    ordered = np.sort(margin if among is None else among)
    low = np.searchsorted(ordered, margin, side="left")
    high = np.searchsorted(ordered, margin, side="right")
    ranks: Floats = (
        100.0 * (low + high) / 2 / len(ordered) if len(ordered) else np.full(len(margin), np.nan)
    )
    return ranks


def trend(
    score: Floats | NDArray[np.int64], earlier: Floats, *, least: float = 3.0
) -> NDArray[np.object_]:
    """Say how each score moved since an earlier scoring (NaN: none): four states.

    `least` points up or down make a move; smaller ones are within the score's own noise.
    """
    change = np.asarray(score, dtype=np.float64) - np.asarray(earlier, dtype=np.float64)
    state = np.full(len(change), "steady", dtype=object)
    state[change >= least] = "rising"
    state[change <= -least] = "falling"
    state[np.isnan(change)] = "new"
    return state
