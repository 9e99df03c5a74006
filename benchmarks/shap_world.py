"""Data and models of the explanation benchmark: 120 columns, categories and gaps, known effects."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np

COLUMNS, CATEGORIES = 120, 20
LEVELS = (5, 20, 100, 400)
PLANTED = 6  # columns of `make_planted` that have an effect


def make_rows(n: int, seed: int) -> np.ndarray:
    """Draw (n, 120) float64: the last twenty columns are categories, a third has gaps."""
    rng = np.random.default_rng(seed)
    X = np.empty((n, COLUMNS), np.float64, order="F")
    for j in range(COLUMNS):
        if j < COLUMNS - CATEGORIES:
            X[:, j] = rng.normal(size=n).astype(np.float32)
        else:
            X[:, j] = rng.integers(0, LEVELS[j % len(LEVELS)], n)
        if j % 3 == 0:
            X[rng.random(n) < 0.15, j] = np.nan
    return X


def make_labels(X: np.ndarray, seed: int) -> np.ndarray:
    """Draw labels from half of the numbers, one interaction and all categories."""
    Z = np.nan_to_num(X)
    z = sum(np.sin(Z[:, j] * (1 + j % 3)) * (1 - j / COLUMNS) for j in range(60))
    z = z + 0.5 * Z[:, 0] * Z[:, 1]
    z = z + sum(0.8 * (Z[:, j] % 3 == 0) for j in range(COLUMNS - CATEGORIES, COLUMNS))
    p = 1 / (1 + np.exp(-0.3 * (z - z.mean())))
    y: np.ndarray = (np.random.default_rng(seed).random(len(X)) < p).astype(np.int8)
    return y


def train(
    X: np.ndarray, y: np.ndarray, *, trees: int, leaves: int, depth: int, categories: bool = True
) -> lightgbm.Booster:
    """Fit LightGBM, with its own categorical splits unless `categories` are taken for numbers."""
    settings: dict[str, Any] = {
        "objective": "binary",
        "num_leaves": leaves,
        "max_depth": depth,
        "learning_rate": 0.05,
        "min_data_in_leaf": 20,
        "verbose": -1,
        "num_threads": 1,
        "seed": 0,
    }
    chosen = list(range(COLUMNS - CATEGORIES, COLUMNS)) if categories else []
    return lightgbm.train(settings, lightgbm.Dataset(X, y, categorical_feature=chosen), trees)


def make_planted(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw twelve independent columns whose log-odds effects are known: (X, y, effects).

    Effects (n, 12) are centred per column, as contributions are; half of the columns do nothing.
    """
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 12))
    effects = planted_effects(X)
    effects -= effects.mean(axis=0)
    p = 1 / (1 + np.exp(-(effects.sum(axis=1) - 1.0)))
    return X, (rng.random(n) < p).astype(np.int8), effects


def planted_effects(X: np.ndarray) -> np.ndarray:
    """Effect of each column on the log-odds, (n, 12); the first PLANTED do something."""
    effects = np.zeros(X.shape)
    effects[:, 0] = 1.2 * X[:, 0]
    effects[:, 1] = -0.9 * X[:, 1]
    effects[:, 2] = 1.0 * np.abs(X[:, 2])
    effects[:, 3] = 0.8 * (X[:, 3] > 0.5)
    effects[:, 4] = 0.7 * np.sin(2 * X[:, 4])
    effects[:, 5] = -0.5 * X[:, 5]
    return effects


def planted_margin(X: np.ndarray) -> np.ndarray:
    """True log-odds but for a constant: what an oracle would score."""
    return planted_effects(X).sum(axis=1)
