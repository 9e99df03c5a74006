"""Seeds -> the laboratory's data sets: shapes that lead data takes, none of them a benchmark task.

Everything is drawn or comes with scikit-learn, so a set is the same on every machine and needs no
network. Where the truth is known the test rows carry it: figures are then losses expected under
the truth, free of the noise of the outcomes. Sets of leads in time are in quality_lab_leads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit
from sklearn import datasets

from models.predictor import Floats

AHEAD = 4000
"""Test rows of a simulated set."""


@dataclass(frozen=True, slots=True)
class LabSet:
    """Training and test rows; `target` is the truth of the test rows, else their outcomes."""

    name: str
    shape: str
    X: pd.DataFrame
    y: Floats
    test: pd.DataFrame
    target: Floats
    times: Any = None
    closes: Any = None
    groups: Any = None
    test_groups: Any = None
    catalogue: Any = None


def drawn(
    name: str, shape: str, X: pd.DataFrame, margin: Floats, rate: float, n: int, rng: Any
) -> LabSet:
    """Draw outcomes at a rate from a margin; the first n rows train, the others test."""
    truth = expit(margin + level_of(margin, rate))
    y = (rng.random(len(X)) < truth).astype(np.float64)
    X = X.reset_index(drop=True)
    return LabSet(name, shape, X[:n], y[:n], X[n:].reset_index(drop=True), truth[n:])


def level_of(margin: Floats, rate: float) -> float:
    """Find the intercept that gives a margin this base rate."""
    return float(brentq(lambda b: float(expit(margin + b).mean()) - rate, -60, 60))


def numbers(rng: Any, n: int, k: int) -> pd.DataFrame:
    """Draw k correlated numbers, every third heavy-tailed, one in twenty values missing."""
    mixed = rng.normal(size=(n, k)) @ (np.eye(k) + rng.normal(0, 0.3, (k, k)) / np.sqrt(k))
    mixed[:, ::3] = np.exp(mixed[:, ::3])
    mixed[:, k // 2][rng.random(n) < 0.05] = np.nan
    return pd.DataFrame(mixed, columns=[f"number_{i}" for i in range(k)])


def categories(rng: Any, n: int, sizes: tuple[int, ...]) -> pd.DataFrame:
    """Draw categories of so many levels each, a few of them frequent."""
    columns = {}
    for i, size in enumerate(sizes):
        share = rng.dirichlet(np.full(size, 0.8))
        columns[f"category_{i}"] = np.array([f"v{j}" for j in range(size)], object)[
            rng.choice(size, n, p=share)
        ]
    return pd.DataFrame(columns)


def effect(rng: Any, words: pd.Series, spread: float) -> Floats:
    """Give every level of a category an effect of its own."""
    codes, levels = pd.factorize(words)
    return np.asarray(rng.normal(0, spread, len(levels))[codes], dtype=np.float64)


def filled(X: pd.DataFrame) -> Floats:
    """Scale numbers, missing ones to their mean: (n, k)."""
    values = np.sign(X) * np.log1p(np.abs(X))
    return np.array(((values - values.mean()) / values.std()).fillna(0.0), dtype=np.float64)


def _forest(rng: Any, Z: Floats, trees: int, depth: int, spread: float) -> Floats:
    """Sum random trees over numbers: jumps and interactions, no smooth part."""
    total = np.zeros(len(Z))
    for _ in range(trees):
        leaf = np.zeros(len(Z), dtype=np.int64)
        for _ in range(depth):
            column = rng.integers(Z.shape[1])
            leaf = 2 * leaf + (Z[:, column] > rng.normal(0, 0.7))
        total += rng.normal(0, spread, 2**depth)[leaf]
    return total


def flat_hastie(_: Any) -> LabSet:
    X, y = datasets.make_hastie_10_2(3000 + AHEAD, random_state=1)
    return _labelled("flat_hastie", X, (y > 0).astype(float), 3000)


def flat_friedman(rng: Any) -> LabSet:
    X, z = datasets.make_friedman1(3000 + AHEAD, n_features=12, random_state=2)
    frame = pd.DataFrame(X).add_prefix("number_")
    return drawn("flat_friedman", "flat", frame, (z - z.mean()) / z.std() * 1.5, 0.3, 3000, rng)


def flat_clusters(_: Any) -> LabSet:
    X, y = datasets.make_classification(
        4600 + 2 * AHEAD, 20, n_informative=8, n_clusters_per_class=3, flip_y=0.2, random_state=3
    )
    return _labelled("flat_clusters", X, y.astype(float), 4600)


def flat_shells(rng: Any) -> LabSet:
    X, y = datasets.make_gaussian_quantiles(
        n_samples=5000 + AHEAD, n_features=8, n_classes=2, random_state=4
    )
    y = np.where(rng.random(len(y)) < 0.1, 1 - y, y)
    return _labelled("flat_shells", X, y.astype(float), 5000)


def _labelled(name: str, X: Any, y: Floats, n: int, shape: str = "flat") -> LabSet:
    frame = pd.DataFrame(X).add_prefix("number_")
    return LabSet(name, shape, frame[:n], y[:n], frame[n:].reset_index(drop=True), y[n:])


def flat_mixed(rng: Any) -> LabSet:
    n = 4600 + AHEAD
    X = pd.concat([numbers(rng, n, 8), categories(rng, n, (4, 6, 9, 12))], axis=1)
    Z = filled(X.iloc[:, :8])
    margin = 0.6 * Z[:, 0] - 0.5 * np.abs(Z[:, 1]) + 0.7 * Z[:, 2] * (X["category_0"] == "v1")
    margin += sum(effect(rng, X[f"category_{i}"], 0.5) for i in range(3))
    margin += 0.8 * ((Z[:, 3] > 0.5) & (Z[:, 4] < 0))
    return drawn("flat_mixed", "flat", X, np.asarray(margin), 0.25, 4600, rng)


def flat_bends(rng: Any) -> LabSet:
    X = numbers(rng, 2500 + AHEAD, 10)
    Z = filled(X)
    margin = np.sin(2 * Z[:, 0]) + np.abs(Z[:, 1]) + np.maximum(Z[:, 2], 0) - Z[:, 3] ** 2 / 2
    return drawn("flat_bends", "flat", X, margin, 0.3, 2500, rng)


def flat_trees(rng: Any) -> LabSet:
    X = numbers(rng, 6000 + AHEAD, 12)
    return drawn("flat_trees", "flat", X, _forest(rng, filled(X), 25, 3, 0.45), 0.2, 6000, rng)


def flat_deep_trees(rng: Any) -> LabSet:
    X = numbers(rng, 5000 + AHEAD, 8)
    margin = _forest(rng, filled(X), 10, 5, 0.7)
    return drawn("flat_deep_trees", "flat", X, margin, 0.35, 5000, rng)


def flat_line(rng: Any) -> LabSet:
    X = pd.concat([numbers(rng, 2000 + AHEAD, 40), categories(rng, 2000 + AHEAD, (5, 8))], axis=1)
    Z = filled(X.iloc[:, :40])
    margin = Z[:, :12] @ rng.normal(0, 0.4, 12) + effect(rng, X["category_0"], 0.4)
    return drawn("flat_line", "flat", X, margin, 0.3, 2000, rng)


def flat_large(rng: Any) -> LabSet:
    n = 16_000 + AHEAD
    X = pd.concat([numbers(rng, n, 8), categories(rng, n, (6, 10))], axis=1)
    Z = filled(X.iloc[:, :8])
    margin = _forest(rng, Z[:, :5], 15, 3, 0.4) + 0.5 * Z[:, 5] + effect(rng, X["category_1"], 0.5)
    return drawn("flat_large", "flat", X, margin, 0.15, 16_000, rng)


def flat_crossed(rng: Any) -> LabSet:
    n = 4000 + AHEAD
    X = pd.concat([numbers(rng, n, 6), categories(rng, n, (3, 4, 5))], axis=1)
    Z = filled(X.iloc[:, :6])
    margin = Z[:, 0] * Z[:, 1] - Z[:, 2] * Z[:, 3] + 0.5 * Z[:, 4]
    for level in ("v0", "v1", "v2"):
        margin += (X["category_0"] == level) * Z[:, rng.integers(6)] * rng.normal(0, 0.8)
    return drawn("flat_crossed", "flat", X, np.asarray(margin), 0.4, 4000, rng)


def many_companies(rng: Any) -> LabSet:
    n = 5000 + AHEAD
    X = pd.concat([numbers(rng, n, 6), categories(rng, n, (900, 12))], axis=1)
    Z = filled(X.iloc[:, :6])
    margin = Z @ rng.normal(0, 0.4, 6) + effect(rng, X["category_0"], 0.9)
    return drawn("many_companies", "categories", X, margin, 0.2, 5000, rng)


def many_pairs(rng: Any) -> LabSet:
    n = 5000 + AHEAD
    X = pd.concat([numbers(rng, n, 4), categories(rng, n, (14, 14, 10))], axis=1)
    pair = X["category_0"] + X["category_1"]
    margin = effect(rng, pair, 1.0) + 0.4 * filled(X.iloc[:, :4])[:, 0]
    return drawn("many_pairs", "categories", X, margin, 0.25, 5000, rng)


def many_triples(rng: Any) -> LabSet:
    n = 5000 + AHEAD
    X = categories(rng, n, (6, 6, 6, 8))
    margin = effect(rng, X["category_0"] + X["category_1"] + X["category_2"], 1.0)
    margin += effect(rng, X["category_3"], 0.4)
    return drawn("many_triples", "categories", X, margin, 0.3, 5000, rng)


def many_noise(rng: Any) -> LabSet:
    n = 3000 + AHEAD
    X = pd.concat([numbers(rng, n, 5), categories(rng, n, (400, 300, 200))], axis=1)
    margin = filled(X.iloc[:, :5]) @ rng.normal(0, 0.4, 5)
    return drawn("many_noise", "categories", X, margin, 0.2, 3000, rng)


def many_nested(rng: Any) -> LabSet:
    n = 4000 + AHEAD
    X = pd.concat([numbers(rng, n, 4), categories(rng, n, (250,))], axis=1)
    number = X["category_0"].str[1:].astype(int)
    X["industry"] = "i" + (number % 17).astype(str)
    X["region"] = "r" + (number % 5).astype(str)
    margin = effect(rng, X["industry"], 0.6) + effect(rng, X["category_0"], 0.5)
    return drawn(
        "many_nested", "categories", X, margin + 0.3 * filled(X.iloc[:, :4])[:, 1], 0.3, 4000, rng
    )


def few_60(rng: Any) -> LabSet:
    return _few("few_60", 2000, 0.03, rng)


def few_150(rng: Any) -> LabSet:
    return _few("few_150", 6000, 0.025, rng)


def few_80_rows(rng: Any) -> LabSet:
    return _few("few_80_rows", 80, 0.5, rng)


def _few(name: str, n: int, rate: float, rng: Any) -> LabSet:
    total = n + 2 * AHEAD
    X = pd.concat([numbers(rng, total, 7), categories(rng, total, (5, 20))], axis=1)
    margin = filled(X.iloc[:, :7]) @ rng.normal(0, 0.5, 7) + effect(rng, X["category_0"], 0.5)
    return drawn(name, "few", X, margin, rate, n, rng)


def _bundled(name: str, X: pd.DataFrame, y: Floats, rng: Any) -> LabSet:
    order = rng.permutation(len(y))
    cut = int(0.6 * len(y))
    train, test = order[:cut], order[cut:]
    first, second = X.iloc[train].reset_index(drop=True), X.iloc[test].reset_index(drop=True)
    return LabSet(name, "bundled", first, y[train], second, y[test])


def large_mixed(rng: Any) -> LabSet:
    """Draw more rows than the recipe's larger steps begin at, with numbers, words and pairs."""
    n = 32_000
    X = pd.concat(
        [numbers(rng, n + AHEAD, 8), categories(rng, n + AHEAD, (4, 6, 9, 12, 12, 30))], axis=1
    )
    Z = filled(X.iloc[:, :8])
    margin = 0.6 * Z[:, 0] - 0.5 * np.abs(Z[:, 1]) + 0.7 * Z[:, 2] * (X["category_0"] == "v1")
    margin += sum(effect(rng, X[f"category_{i}"], 0.5) for i in range(5))
    margin += effect(rng, X["category_3"] + X["category_4"], 0.5)
    margin += 0.8 * ((Z[:, 3] > 0.5) & (Z[:, 4] < 0))
    return drawn("large_mixed", "large", X, np.asarray(margin), 0.11, n, rng)


def large_trees(rng: Any) -> LabSet:
    n = 32_000
    X = pd.concat([numbers(rng, n + AHEAD, 10), categories(rng, n + AHEAD, (6, 10))], axis=1)
    margin = _forest(rng, filled(X.iloc[:, :10]), 20, 4, 0.35) + effect(rng, X["category_1"], 0.4)
    return drawn("large_trees", "large", X, margin, 0.15, n, rng)


def large_line(rng: Any) -> LabSet:
    n = 26_000
    X = pd.concat([numbers(rng, n + AHEAD, 12), categories(rng, n + AHEAD, (5, 8, 40))], axis=1)
    Z = filled(X.iloc[:, :12])
    margin = Z @ rng.normal(0, 0.35, 12) + effect(rng, X["category_2"], 0.4)
    return drawn("large_line", "large", X, margin + 0.5 * np.sin(2 * Z[:, 0]), 0.1, n, rng)


def bundled_cancer(rng: Any) -> LabSet:
    X, y = datasets.load_breast_cancer(return_X_y=True, as_frame=True)
    return _bundled("bundled_cancer", X, y.to_numpy(np.float64), rng)


def bundled_diabetes(rng: Any) -> LabSet:
    X, y = datasets.load_diabetes(return_X_y=True, as_frame=True)
    return _bundled("bundled_diabetes", X, (y > 140).to_numpy(np.float64), rng)


def bundled_digits(rng: Any) -> LabSet:
    X, y = datasets.load_digits(return_X_y=True, as_frame=True)
    return _bundled("bundled_digits", X, (y >= 5).to_numpy(np.float64), rng)


PLAIN: tuple[Callable[[Any], LabSet], ...] = (
    flat_hastie,
    flat_friedman,
    flat_clusters,
    flat_shells,
    flat_mixed,
    flat_bends,
    flat_trees,
    flat_deep_trees,
    flat_line,
    flat_crossed,
    flat_large,
    many_companies,
    many_pairs,
    many_triples,
    many_noise,
    many_nested,
    few_60,
    few_150,
    few_80_rows,
    bundled_cancer,
    bundled_diabetes,
    bundled_digits,
)
"""Sets whose rows are independent of each other."""
LARGE: tuple[Callable[[Any], LabSet], ...] = (large_mixed, large_trees, large_line)
"""Sets of more rows than the recipe's larger steps begin at."""
