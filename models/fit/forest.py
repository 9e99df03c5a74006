"""Design matrix -> a cross-validated LightGBM ensemble, averaged in log-odds.

Each member trains on all folds but one and stops early on that one, so its margins on the fold
are out of fold. Members are single-threaded and run side by side: the same seed gives the same
bytes with any number of threads. No class weights, ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import lightgbm as lgb
import numpy as np

from models.fit.encoders import Ints
from models.predictor import Floats

MatrixOf = Callable[[Ints, Ints], tuple[Floats, Floats]]
"""(training rows, held-out rows) -> their design matrices, encoders fitted on training rows."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How members are grown; the figures come from lead data (probability_and_score.md)."""

    rate: float = 0.03
    leaves: int = 8
    depth: int = 7
    least: int = 40
    l2: float = 10.0
    columns: float = 0.6
    rows: float = 0.8
    extra: bool = True
    smooth: float = 50.0
    rounds: int = 3000
    patience: int = 80

    def params(self, seed: int, monotone: Sequence[int]) -> dict[str, Any]:
        """Write LightGBM's parameters: one thread, deterministic, seeded."""
        params: dict[str, Any] = {
            "objective": "binary",
            "learning_rate": self.rate,
            "num_leaves": self.leaves,
            "max_depth": self.depth,
            "min_data_in_leaf": self.least,
            "lambda_l2": self.l2,
            "feature_fraction": self.columns,
            "bagging_fraction": self.rows,
            "bagging_freq": 1,
            "extra_trees": self.extra,
            "cat_smooth": self.smooth,
            "cat_l2": self.smooth,
            "seed": seed,
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }
        if any(monotone):
            params |= {"monotone_constraints": list(monotone)}
        return params


@dataclass(frozen=True, slots=True)
class FittedForest:
    """Texts of the members, their out-of-fold margins (without any starting margin), and sizes.

    The forest's margin is the mean of the members' raw scores.
    """

    texts: tuple[str, ...]
    out_of_fold: Floats
    rounds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ForestTask:
    """What every member of a forest shares."""

    matrix_of: MatrixOf
    y: Floats
    categorical: tuple[int, ...]
    monotone: tuple[int, ...]
    starts: Floats | None = None
    """Margins to boost on, (folds, n): row k is of a line that did not see fold k at all.

    One out-of-fold margin for all members would not do: on the other folds it has learned from
    the held-out one, its errors there lean against the held-out outcomes, and early stopping ends
    the member at its first tree.
    """
    row_weights: Floats | None = None
    """How often each row counts, (n,); None: once. A leaf's least rows are rows all the same."""


def fit_forest(
    task: ForestTask, fold: Ints, recipe: Recipe, *, seed: int, threads: int = 1
) -> FittedForest:
    """Grow a member for each held-out fold."""
    grown = joblib.Parallel(n_jobs=max(1, threads), prefer="threads")(
        joblib.delayed(_grow)(task, fold, k, recipe, seed + k) for k in np.unique(fold).tolist()
    )
    out_of_fold = np.zeros(len(task.y))
    for _, held, margin, _ in grown:
        out_of_fold[held] = margin
    return FittedForest(
        tuple(booster_text(booster) for booster, *_ in grown),
        out_of_fold,
        tuple(rounds for *_, rounds in grown),
    )


def predict_ahead(
    task: ForestTask, fold: Ints, ahead: Ints, recipe: Recipe, *, seed: int, threads: int = 1
) -> Floats:
    """Fit on the rows of `fold` (-1 elsewhere) and give margins of the rows `ahead`: (m,)."""

    def one(k: int, member_seed: int) -> Floats:
        booster, *_ = _grow(task, fold, k, recipe, member_seed)
        _, matrix = task.matrix_of(np.flatnonzero((fold >= 0) & (fold != k)), ahead)
        return _raw(booster, matrix)

    margins = joblib.Parallel(n_jobs=max(1, threads), prefer="threads")(
        joblib.delayed(one)(k, 1000 * seed + k) for k in np.unique(fold[fold >= 0]).tolist()
    )
    total: Floats = np.mean(np.asarray(margins), axis=0)
    return total


def _grow(
    task: ForestTask, fold: Ints, k: int, recipe: Recipe, seed: int
) -> tuple[lgb.Booster, Ints, Floats, int]:
    """Grow on all folds but k, stop on k: the member, its held-out rows, their margins, rounds."""
    rows, held = np.flatnonzero((fold >= 0) & (fold != k)), np.flatnonzero(fold == k)
    matrix, held_matrix = task.matrix_of(rows, held)
    start = None if task.starts is None else task.starts[k]
    counted = task.row_weights
    data = lgb.Dataset(
        matrix,
        task.y[rows],
        weight=None if counted is None else counted[rows],
        init_score=None if start is None else start[rows],
        categorical_feature=list(task.categorical),
    )
    watch = lgb.Dataset(
        held_matrix,
        task.y[held],
        weight=None if counted is None else counted[held],
        reference=data,
        init_score=None if start is None else start[held],
    )
    booster = lgb.train(
        recipe.params(seed, task.monotone),
        data,
        num_boost_round=recipe.rounds,
        valid_sets=[watch],
        callbacks=[lgb.early_stopping(recipe.patience, verbose=False)],
    )
    return booster, held, _raw(booster, held_matrix), int(booster.best_iteration)


def _raw(booster: lgb.Booster, matrix: Floats) -> Floats:
    margin = booster.predict(matrix, raw_score=True, num_threads=1)
    return np.asarray(margin, dtype=np.float64)


def booster_text(booster: lgb.Booster) -> str:
    """Write a booster up to its best round, without the lines that change with the machine."""
    text: str = booster.model_to_string(num_iteration=booster.best_iteration)
    return re.sub(r"^\[num_threads: .*\]\n", "", text, flags=re.MULTILINE)
