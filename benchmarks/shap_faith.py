"""Are the reasons true? Planted effects, deletion of top reasons, other seeds, whole points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from benchmarks import shap_world
from models.learner import LeadClassifier
from models.predictor import LeadScorer
from models.reasons import reason_table

Claim = tuple[str, float, str, float]


def claims(n: int) -> list[Claim]:
    """Train on planted effects and hold the reasons against them: (name, figure, sign, bar)."""
    X, y, effects = shap_world.make_planted(2 * n, 5)
    frame = pd.DataFrame(X.astype(np.float32), columns=[f"x{j}" for j in range(X.shape[1])])
    learn, rest = frame.iloc[:n], frame.iloc[n:]
    scorers = [fit(learn, y[:n], seed) for seed in (0, 1)]
    values = [scorer.contributions(rest).values for scorer in scorers]
    truth = effects[n:]
    ranks = [
        spearmanr(values[0][:, j], truth[:, j]).statistic for j in range(6)
    ]  # the columns that do something
    tops = [np.argsort(-np.abs(v), axis=1)[:, :3] for v in values]
    overlap = float((tops[0][:, :, None] == tops[1][:, None, :]).any(axis=2).mean())
    table = reason_table(scorers[0], rest)
    points = table.points
    broken = points.typical + points.by_factor.sum(axis=1) + points.limit != points.score
    again = scorers[0].contributions(rest).values
    print("planted effects, Spearman by column: " + " ".join(f"{rank:.3f}" for rank in ranks))
    moves = deletion(scorers[0], rest, values[0])
    bytes_differ = again.tobytes() != values[0].tobytes()
    return [
        ("planted effects: mean Spearman with the truth", float(np.mean(ranks)), ">=", 0.9),
        ("deleting top reasons moves more than random ones, share", moves, ">=", 0.95),
        ("top-3 overlap across seeds", overlap, ">=", 0.85),
        ("rows whose whole points miss the shown score", float(broken.sum()), "<=", 0),
        ("contributions reproduced with other bytes", float(bytes_differ), "<=", 0),
    ]


def fit(frame: pd.DataFrame, y: Any, seed: int) -> LeadScorer:
    """Fit the product's own learner and take its parts."""
    return LeadScorer(*LeadClassifier(seed=seed).fit(frame, y).parts())


def deletion(
    scorer: LeadScorer, frame: pd.DataFrame, values: np.ndarray, *, donors: int = 12
) -> float:
    """Share of rows where deleting the top reasons moves the margin more than deleting random ones.

    The reasons are up to three of the stronger side (opposite ones would cancel), the others as
    many columns drawn from the rest. A deleted value is unknown: the margin is averaged over the
    values of other rows.
    """
    rng = np.random.default_rng(0)
    X = frame.to_numpy()
    n, m = X.shape
    side = np.where(values.clip(min=0).sum(axis=1) >= -values.clip(max=0).sum(axis=1), 1, -1)
    signed = values * side[:, None]
    order = np.argsort(-signed, axis=1, kind="stable")
    top = np.zeros((n, m), bool)
    np.put_along_axis(top, order[:, :3], True, axis=1)
    top &= signed > 0
    lots = np.where(top, np.inf, rng.random((n, m)))
    rank = lots.argsort(axis=1).argsort(axis=1)
    chance = (rank < top.sum(axis=1)[:, None]) & ~top
    margin = scorer.margin(frame)
    moved = []
    for gone in (top, chance):
        after = np.zeros(n)
        for _ in range(donors):
            mixed = np.where(gone, X[rng.permutation(n)], X)
            after += scorer.margin(pd.DataFrame(mixed, columns=frame.columns)) / donors
        moved.append(np.abs(after - margin))
    return float((moved[0] > moved[1]).mean())
