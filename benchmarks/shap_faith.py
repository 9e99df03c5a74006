"""Are the reasons true? Planted effects, deletion of top reasons, other seeds, whole points.

Asked of two models: what the learner itself chooses on this data, and an ensemble of forests, since
it may choose none. The figure of a bar is the worse of the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from benchmarks import shap_world
from benchmarks.shap_measure import Claim
from models.explain.reasons import reason_table
from models.fit.learner import LeadClassifier
from models.predictor import ForestPart, IdentityCalibration, LeadScorer, NumberEncoder

Margin = Callable[[np.ndarray], np.ndarray]
FORESTS, TREES = 5, 300


def claims(n: int) -> list[Claim]:
    """Train on planted effects and hold the reasons against them: (name, figure, sign, bar)."""
    X, y, effects = shap_world.make_planted(2 * n, 5)
    frame = pd.DataFrame(X.astype(np.float32), columns=[f"x{j}" for j in range(X.shape[1])])
    learn, rest, truth = frame.iloc[:n], frame.iloc[n:], effects[n:]
    chosen = [fit(learn, y[:n], seed) for seed in (0, 1)]
    forests = [fit_forests(chosen[0], learn, y[:n], seed) for seed in (0, 1)]
    measured = [look(pair, rest, truth) for pair in (chosen, forests)]
    mixed, sided = deletion(shap_world.planted_margin, rest.to_numpy(), truth)
    print(
        f"deleting the top three, signs mixed and cancelling: the planted effects themselves "
        f"{mixed:.3f}; of one side {sided:.3f}"
    )
    bars = {
        "planted effects: mean Spearman with the truth": (">=", 0.9),
        "deleting top reasons moves more than random ones, share": (">=", 0.95),
        "top-3 overlap across seeds": (">=", 0.85),
        "rows whose whole points miss the shown score": ("<=", 0.0),
        "contributions reproduced with other bytes": ("<=", 0.0),
    }
    worse = {">=": min, "<=": max}
    return [
        (name, worse[sign](one[name] for one in measured), sign, bar)
        for name, (sign, bar) in bars.items()
    ]


def look(scorers: list[LeadScorer], rest: pd.DataFrame, truth: np.ndarray) -> dict[str, float]:
    """Measure the reasons of one kind of model, fitted with two seeds."""
    values = [scorer.contributions(rest).values for scorer in scorers]
    ranks = [spearmanr(values[0][:, j], truth[:, j]).statistic for j in range(shap_world.PLANTED)]
    tops = [np.argsort(-np.abs(v), axis=1)[:, :3] for v in values]
    overlap = float((tops[0][:, :, None] == tops[1][:, None, :]).any(axis=2).mean())
    points = reason_table(scorers[0], rest).points
    broken = points.typical + points.by_factor.sum(axis=1) + points.limit != points.score
    again = scorers[0].contributions(rest).values

    def margin(rows: np.ndarray) -> np.ndarray:
        return scorers[0].margin(pd.DataFrame(rows, columns=rest.columns))

    mixed, sided = deletion(margin, rest.to_numpy(), values[0])
    forest = scorers[0].forest
    print(
        f"{'no forest' if forest is None else f'{forest.n_trees} trees':>10}: Spearman by column "
        + " ".join(f"{rank:.3f}" for rank in ranks)
        + f" (a step of two values reaches .80 at most); deletion, signs mixed {mixed:.3f}, "
        f"one side {sided:.3f}; overlap {overlap:.3f}"
    )
    return {
        "planted effects: mean Spearman with the truth": float(np.mean(ranks)),
        "deleting top reasons moves more than random ones, share": sided,
        "top-3 overlap across seeds": overlap,
        "rows whose whole points miss the shown score": float(broken.sum()),
        "contributions reproduced with other bytes": float(again.tobytes() != values[0].tobytes()),
    }


def fit(frame: pd.DataFrame, y: Any, seed: int) -> LeadScorer:
    """Fit the product's own learner and take its parts."""
    return LeadScorer(*LeadClassifier(random_state=seed).fit(frame, y).parts())


def fit_forests(like: LeadScorer, frame: pd.DataFrame, y: Any, seed: int) -> LeadScorer:
    """Fit an ensemble of 8-leaf trees and nothing else, on the card of another model."""
    rows = frame.to_numpy(np.float64)
    texts = []
    for number in range(FORESTS):
        settings = {
            "objective": "binary",
            "num_leaves": 8,
            "learning_rate": 0.03,
            "verbose": -1,
            "extra_trees": True,
            "feature_fraction": 0.6,
            "num_threads": 1,
            "seed": FORESTS * seed + number,
            "min_data_in_leaf": 40,
        }
        texts.append(lightgbm.train(settings, lightgbm.Dataset(rows, y), TREES).model_to_string())
    parts = replace(
        like.parts,
        linear=None,
        offset=0.0,
        calibration=IdentityCalibration(),
        intervals=None,
        forest=ForestPart(FORESTS, 1 / FORESTS),
        encoders=tuple(NumberEncoder(str(name), str(name)) for name in frame.columns),
    )
    return LeadScorer(parts, texts)


def deletion(
    margin_of: Margin, X: np.ndarray, values: np.ndarray, *, donors: int = 12
) -> tuple[float, float]:
    """Share of rows where deleting the top reasons moves the margin more than deleting random ones.

    Twice: the three largest whatever their sign, and up to three of the stronger side. Deleting
    reasons of both signs at once, which cancel, is no test of an explanation: the true effects fail
    it too, which `claims` prints. As many random columns are drawn from all. A deleted value is
    unknown: the margin is averaged over the values of other rows.
    """
    rng = np.random.default_rng(0)
    n = len(X)
    margin = margin_of(X)

    def moved(removed: np.ndarray) -> np.ndarray:
        after = np.zeros(n)
        for _ in range(donors):
            after += margin_of(np.where(removed, X[rng.permutation(n)], X)) / donors
        return np.abs(after - margin)

    side = np.where(values.clip(min=0).sum(axis=1) >= -values.clip(max=0).sum(axis=1), 1, -1)
    signed = values * side[:, None]
    shares = []
    for top in (largest(np.abs(values), 3), largest(signed, 3) & (signed > 0)):
        rank = rng.random(values.shape).argsort(axis=1).argsort(axis=1)
        chance = rank < top.sum(axis=1)[:, None]
        shares.append(float((moved(top) > moved(chance)).mean()))
    return shares[0], shares[1]


def largest(values: np.ndarray, k: int) -> np.ndarray:
    """Mark the k largest of each row."""
    marked = np.zeros(values.shape, bool)
    order = np.argsort(-values, axis=1, kind="stable")
    np.put_along_axis(marked, order[:, :k], True, axis=1)
    return marked
