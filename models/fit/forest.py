"""Design matrix -> cross-validated LightGBM ensembles, averaged in log-odds.

Each member trains on all folds but one and stops early on that one, so its margins on the fold
are out of fold. All forests of a fold share its binned data. No class weights, ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from models.fit.encoders import Design, Ints
from models.fit.row_weights import unless_ones
from models.fit.run_fits import FittedMember, MemberSpec, SharedRows, run_fits, tasks_of
from models.predictor import Floats

BOOSTED = "boosted"
"""The kind of forest whose members begin from the margins of the line."""
_EVERY = 10
"""Trees of one step each: a booster takes a new step by resetting its parameters."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How members are grown; the figures come from lead data (probability_and_score.md).

    `rate` is the step of the first `steady` trees: the share that is taken of what a tree says.
    With every `gain` trees after them the step grows by `rate`, up to `most`: what still learns
    after so many trees would take thousands of small steps, and small ones at the beginning are
    what keeps a forest from learning chance. `rounds` are steps of `rate` in all, `patience` trees.
    """

    rate: float = 0.03
    steady: int = 100
    gain: int = 25
    most: float = 0.2
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

    def rate_at(self, tree: int) -> float:
        """Give the step of a tree, the first is 1."""
        grown = (tree - 1) // _EVERY * _EVERY - self.steady
        return max(self.rate, min(self.most, self.rate * (1 + max(0, grown) / self.gain)))

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
            "force_col_wise": True,
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
class OwnForest:
    """A forest that reads columns of its own, and what was made for it, by name."""

    design: Design
    forest: FittedForest
    made: tuple[str, ...]


def fit_forests(
    design: Design,
    fold: Ints,
    recipes: Mapping[str, Recipe],
    *,
    starts: Floats,
    seed: int,
    threads: int = 1,
) -> dict[str, FittedForest]:
    """Grow a member of each kind of forest for each held-out fold; `starts` as in `SharedRows`."""
    shared = _shared(design, fold, recipes, starts)
    folds = np.unique(fold).tolist()
    specs = [partial(_member, design, kind, recipe, seed) for kind, recipe in recipes.items()]
    grown = run_fits(shared, tasks_of(folds, specs, threads=threads), threads=threads)
    forests = {}
    for kind, members in _by_kind(recipes, grown).items():
        out_of_fold = np.zeros(len(design.y))
        for k, member in zip(folds, members, strict=True):
            out_of_fold[fold == k] = member.margins
        texts, rounds = (m.text for m in members), (m.rounds for m in members)
        forests[kind] = FittedForest(tuple(texts), out_of_fold, tuple(rounds))
    return forests


def predict_ahead(
    design: Design,
    fold: Ints,
    ahead: Ints,
    recipes: Mapping[str, Recipe],
    *,
    starts: Floats,
    seed: int,
    threads: int = 1,
) -> dict[str, Floats]:
    """Fit on the rows of `fold` (-1 elsewhere); each forest's margins of the rows `ahead`, (m,)."""
    shared = _shared(design, fold, recipes, starts, ahead)
    folds = np.unique(fold[fold >= 0]).tolist()
    specs = [
        partial(_member, design, kind, recipe, 1000 * seed) for kind, recipe in recipes.items()
    ]
    grown = run_fits(shared, tasks_of(folds, specs, threads=threads), threads=threads)
    return {
        kind: np.mean(np.asarray([member.margins for member in members]), axis=0)
        for kind, members in _by_kind(recipes, grown).items()
    }


def _shared(
    design: Design,
    fold: Ints,
    recipes: Mapping[str, Recipe],
    starts: Floats,
    ahead: Ints | None = None,
) -> SharedRows:
    return SharedRows(
        design.matrix,
        design.y,
        unless_ones(design.columns.weights),
        design.inner,
        design.target_codes,
        design.categorical,
        fold,
        starts if BOOSTED in recipes else None,
        ahead,
    )


def _member(design: Design, kind: str, recipe: Recipe, seed: int, k: int) -> MemberSpec:
    """Say how the member is grown that leaves fold k out."""
    params = recipe.params(seed + k, design.monotone)
    return MemberSpec(kind, params, recipe.rate_at, recipe.rounds, recipe.patience, kind == BOOSTED)


def _by_kind(
    recipes: Mapping[str, Recipe], grown: Sequence[tuple[FittedMember, ...]]
) -> dict[str, list[FittedMember]]:
    """Sort members by their forest; in each, by fold."""
    every = [member for members in grown for member in members]
    return {kind: [member for member in every if member.kind == kind] for kind in recipes}
