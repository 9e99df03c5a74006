"""Columns and a time budget -> a recipe for the forests, kept only if it is clearly better.

Trials (Optuna, tree-structured Parzen estimator) grow a member on purged forward folds, or
on random ones where no time is known; the binned data are built once for all trials. The default
recipe is the first trial, and stays unless the best beats it by more than one standard
error. With a time budget the number of trials depends on the machine: the report says how many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import lightgbm as lgb
import numpy as np

from data.errors import InputError
from models.fit.candidates import error_of, row_losses
from models.fit.design_rows import Matrix
from models.fit.encoders import Design, Ints
from models.fit.folds import Split, assign_folds
from models.fit.forest import Recipe
from models.fit.row_weights import unless_ones, weighted_mean
from models.fit.run_fits import MemberSpec, boost
from models.predictor import Floats

MOST_TRIALS = 50


@dataclass(frozen=True, slots=True)
class _Fold:
    """One fold, binned once: data to grow on, data to stop on, and the rows ahead."""

    data: lgb.Dataset
    watch: lgb.Dataset
    ahead: Matrix
    y: Floats
    row_weights: Floats
    groups: Ints | None


@dataclass(frozen=True, slots=True)
class TuningFigures:
    """How many recipes were tried, the best one's gain in log loss, and whether it was kept."""

    trials: int
    gain: float
    standard_error: float
    kept: bool


def tune(
    design: Design,
    y: Floats,
    groups: Ints | None,
    splits: Sequence[Split],
    recipe: Recipe,
    *,
    budget_s: float,
    seed: int,
    threads: int,
) -> tuple[Recipe, TuningFigures]:
    """Search for at most `budget_s` seconds: the recipe to use, and the best one's gain."""
    optuna = _optuna()
    folds = [_bin(design, y, groups, split, seed) for split in splits]
    counted = np.concatenate([fold.row_weights for fold in folds])
    tried: dict[int, tuple[Recipe, Floats]] = {}

    def objective(trial: Any) -> float:
        proposed = recipe if trial.number == 0 else _suggest(trial, recipe)
        parts = [_losses(fold, design, proposed, seed, threads) for fold in folds]
        tried[trial.number] = proposed, np.concatenate(parts)
        return weighted_mean(tried[trial.number][1], counted)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, n_trials=MOST_TRIALS, timeout=budget_s)
    best = min(tried, key=lambda number: (weighted_mean(tried[number][1], counted), number))
    gain = tried[0][1] - tried[best][1]
    period = np.repeat(np.arange(len(folds)), [len(fold.y) for fold in folds])
    together = [fold.groups for fold in folds if fold.groups is not None]
    codes = np.concatenate(together) if together else None
    mean, error = weighted_mean(gain, counted), error_of(gain, period, codes, row_weights=counted)
    kept = mean > error
    figures = TuningFigures(len(tried), mean, error, kept)
    return (tried[best][0] if kept else recipe), figures


def _suggest(trial: Any, recipe: Recipe) -> Recipe:
    return replace(
        recipe,
        leaves=trial.suggest_int("leaves", 3, 8),
        least=trial.suggest_int("least", 10, 300, log=True),
        l2=trial.suggest_float("l2", 0.1, 100.0, log=True),
        columns=trial.suggest_float("columns", 0.2, 1.0),
        rows=trial.suggest_float("rows", 0.5, 1.0),
        smooth=trial.suggest_float("smooth", 5.0, 200.0, log=True),
    )


def _bin(design: Design, y: Floats, groups: Ints | None, split: Split, seed: int) -> _Fold:
    past, ahead = split
    inner = assign_folds(y[past], None if groups is None else groups[past], 5, seed)
    rows, held = past[inner > 0], past[inner == 0]
    matrix, watched = design.matrix_of(rows, held)
    params = {"feature_pre_filter": False, "verbose": -1}
    every = design.columns.weights
    counted = unless_ones(every)
    data = lgb.Dataset(
        matrix,
        y[rows],
        weight=None if counted is None else counted[rows],
        categorical_feature=list(design.categorical),
        free_raw_data=False,
        params=params,
    ).construct()
    watch = lgb.Dataset(
        watched,
        y[held],
        weight=None if counted is None else counted[held],
        reference=data,
        categorical_feature=list(design.categorical),
        free_raw_data=False,
        params=params,
    ).construct()
    together = None if groups is None else groups[ahead]
    matrix = design.matrix_of(rows, ahead)[1]
    return _Fold(data, watch, matrix, y[ahead], every[ahead], together)


def _losses(fold: _Fold, design: Design, recipe: Recipe, seed: int, threads: int) -> Floats:
    params = recipe.params(seed, design.monotone)
    params |= {"feature_pre_filter": False, "num_threads": threads}
    member = MemberSpec("tried", params, recipe.rate_at, recipe.rounds, recipe.patience, False)
    booster = boost(fold.data, fold.watch, member)
    margin = np.asarray(booster.predict(fold.ahead, raw_score=True), dtype=np.float64)
    return row_losses(fold.y, margin)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            "tuning needs the package optuna", cure="pip install 'leadscore[tune]', or budget = 0"
        ) from error
    return optuna
