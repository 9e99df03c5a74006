"""Columns and outcomes -> the three components of every candidate, fitted on all rows or ahead.

The regularised line (`linear`), a forest on its own (`alone`), a forest boosted on the line's
out-of-fold margin (`boosted`). Members grow on grouped random folds; `go_forward` fits the same
components on the past of each purged forward fold, for choices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.candidates import Blend
from models.encoders import Columns, Design, Floats, Ints
from models.folds import Split, assign_folds, forward_splits
from models.forest import Forest, ForestTask, Recipe, fit_forest, predict_ahead
from models.linear import LinearFit, cross_fit_linear, fit_linear

LEAST_FOR_FOREST = 60
"""Of the rarer outcome; below, a forest has nothing to hold its early stopping by."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What the components of all candidates share; `recipes` take turns over the repeats."""

    recipes: tuple[Recipe, ...]
    members: int
    repeats: int
    bends: int
    seed: int
    threads: int
    forests: bool = True
    targets: tuple[tuple[str, ...], ...] = ()

    def with_targets(self, targets: tuple[tuple[str, ...], ...]) -> Setting:
        """Give the forests target encodings of these columns and pairs."""
        return replace(self, targets=targets)


@dataclass(frozen=True, slots=True)
class Components:
    """The components fitted on all rows; margins are out of fold, (n,) each."""

    linear: LinearFit
    forests: dict[str, Forest]
    margins: dict[str, Floats]
    design: Design | None

    def to_parts(self, blend: Blend) -> tuple[dict[str, Any], list[str]]:
        """Write encoders, linear part and forest of a blend, and the LightGBM texts."""
        texts: list[str] = []
        weight = 0.0
        for name, share in (("alone", blend.alone), ("boosted", blend.boosted)):
            if share:
                texts += self.forests[name].texts
                weight = share / len(self.forests[name].texts)
        parts = {
            "encoders": self.design.encoders() if self.design and texts else [],
            "linear": _scaled_linear(self.linear, blend.linear + blend.boosted),
            "forest": {"count": len(texts), "weight": weight} if texts else None,
            "offset": 0.0,
        }
        return parts, texts


def fit_components(
    columns: Columns, y: Floats, groups: Ints | None, setting: Setting, known: Components | None
) -> Components:
    """Fit every component on all rows; `known` gives the line where only targets changed."""
    folds = [
        assign_folds(y, groups, setting.members, setting.seed * 100 + turn)
        for turn in range(setting.repeats)
    ]
    if known is None:
        linear = fit_linear(columns, y, folds[0], bends=setting.bends)
        crossed = [
            cross_fit_linear(columns, y, fold, linear.ridge, bends=setting.bends) for fold in folds
        ]
        line: Floats = np.mean(np.asarray(crossed), axis=0)
    else:
        linear, line = known.linear, known.margins["linear"]
    forests: dict[str, Forest] = {}
    margins = {"linear": line}
    if not setting.forests:
        return Components(linear, forests, margins, None)
    design = Design.make(columns, y, folds[0], targets=setting.targets)
    for name, start in (("alone", None), ("boosted", line)):
        task = ForestTask(design.matrix_of, y, design.categorical, design.monotone, start)
        forest = fit_forest(
            task, folds, setting.recipes, seed=setting.seed, threads=setting.threads
        )
        forests[name] = forest
        margins[name] = forest.out_of_fold + (0.0 if start is None else start)
    return Components(linear, forests, margins, design)


@dataclass(frozen=True, slots=True)
class Forward:
    """Margins of every component on rows ahead of their fit: rows (m,), which fold, margins."""

    rows: Ints
    fold: Ints
    margins: dict[str, Floats]


def go_forward(
    columns: Columns,
    y: Floats,
    groups: Ints | None,
    times: NDArray[np.generic] | None,
    closes: NDArray[np.generic] | None,
    setting: Setting,
    *,
    folds: int,
) -> Forward | None:
    """Fit on the past of each forward fold; None where there is no time or no evidence."""
    if times is None or not setting.forests:
        return None
    splits = [
        (past, ahead)
        for past, ahead in forward_splits(times, closes, groups, folds)
        if enough(y[past]) and enough(y[ahead], 10)
    ]
    if not splits:
        return None
    found = [_components_ahead(columns, y, groups, split, setting) for split in splits]
    return Forward(
        np.concatenate([ahead for _, ahead in splits]),
        np.concatenate([np.full(len(ahead), i) for i, (_, ahead) in enumerate(splits)]),
        {name: np.concatenate([part[name] for part in found]) for name in found[0]},
    )


def _components_ahead(
    columns: Columns,
    y: Floats,
    groups: Ints | None,
    split: Split,
    setting: Setting,
) -> dict[str, Floats]:
    past, ahead = split
    codes = None if groups is None else groups[past]
    seen, target = columns.take(past), y[past]
    fold = assign_folds(target, codes, setting.members, 1)
    linear = fit_linear(seen, target, fold, bends=setting.bends)
    found = {"linear": linear.margin(columns.take(ahead))}
    start = np.zeros(columns.n)
    start[past] = cross_fit_linear(seen, target, fold, linear.ridge, bends=setting.bends)
    spreads = []
    for turn in range(len(setting.recipes)):
        spread = np.full(columns.n, -1, dtype=np.int64)
        spread[past] = assign_folds(target, codes, min(3, setting.members), 2 + turn)
        spreads.append(spread)
    inner = np.zeros(columns.n, dtype=np.int64)
    inner[past] = fold
    design = Design.make(columns, y, inner, targets=setting.targets)
    for name, margin in (("alone", None), ("boosted", start)):
        task = ForestTask(design.matrix_of, y, design.categorical, design.monotone, margin)
        found[name] = predict_ahead(
            task, spreads, ahead, setting.recipes, seed=setting.seed, threads=setting.threads
        )
    found["boosted"] = found["boosted"] + found["linear"]
    return found


def enough(y: Floats, least: int = LEAST_FOR_FOREST) -> bool:
    """Tell whether the rarer outcome occurs at least so often."""
    return bool(min(y.sum(), len(y) - y.sum()) >= least)


def _scaled_linear(linear: LinearFit, weight: float) -> dict[str, Any] | None:
    """Write the linear part times its weight in the blend; nothing where it has none."""
    if not weight:
        return None
    return {
        "intercept": linear.intercept * weight,
        "terms": [_scaled_term(term, weight) for term in linear.terms],
    }


def _scaled_term(term: dict[str, Any], weight: float) -> dict[str, Any]:
    scaled = {**term, "missing": term["missing"] * weight, "mean": term["mean"] * weight}
    if term["kind"] == "number":
        return scaled | {"coef": term["coef"] * weight}
    coefs = {level: c * weight for level, c in term["coefs"].items()}
    return scaled | {"coefs": coefs, "other": term["other"] * weight}
