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
    moves = deletion(scorers[0], rest, values[0])
    bytes_differ = again.tobytes() != values[0].tobytes()
    return [
        ("planted effects: mean Spearman with the truth", float(np.mean(ranks)), ">=", 0.9),
        ("planted effects: lowest Spearman of a column", float(np.min(ranks)), ">=", 0.8),
        ("deleting top reasons moves more than random ones, share", moves, ">=", 0.95),
        ("top-3 overlap across seeds", overlap, ">=", 0.85),
        ("rows whose whole points miss the shown score", float(broken.sum()), "<=", 0),
        ("contributions reproduced with other bytes", float(bytes_differ), "<=", 0),
    ]


def fit(frame: pd.DataFrame, y: Any, seed: int) -> LeadScorer:
    """Fit the product's own learner and take its parts."""
    return LeadScorer(*LeadClassifier(seed=seed).fit(frame, y).parts())


def deletion(scorer: LeadScorer, frame: pd.DataFrame, values: np.ndarray) -> float:
    """Share of rows where setting the top three columns to the median moves the margin more.

    The other three are drawn at random from the rest of the columns of each row.
    """
    rng = np.random.default_rng(0)
    X = frame.to_numpy().copy()
    middle = np.median(X, axis=0)
    order = np.argsort(-np.abs(values), axis=1)
    chance = np.take_along_axis(
        order[:, 3:], np.argsort(rng.random((len(X), X.shape[1] - 3)), axis=1)[:, :3], axis=1
    )
    margin = scorer.margin(frame)
    moved = []
    for columns in (order[:, :3], chance):
        changed = X.copy()
        np.put_along_axis(changed, columns, middle[columns], axis=1)
        after = scorer.margin(pd.DataFrame(changed, columns=frame.columns))
        moved.append(np.abs(after - margin))
    return float((moved[0] > moved[1]).mean())
