"""Candidate models and the choice among them: what wins on rows that no candidate has seen.

Every candidate is a weighted sum, in log-odds, of three components: the regularised logistic
regression (`linear`), a forest on its own (`alone`), and a forest boosted on the linear margin
(`boosted`). Choices are made on purged forward folds where times are known, else on the random
folds; both are reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.encoders import Columns, Design, Floats, Ints
from models.folds import Split, assign_folds
from models.forest import ForestTask, Recipe, fit_forest, predict_ahead
from models.linear import cross_fit_linear, fit_linear


@dataclass(frozen=True, slots=True)
class Blend:
    """Weights of the components; `boosted` counts with the linear margin that it starts from."""

    name: str
    linear: float = 0.0
    alone: float = 0.0
    boosted: float = 0.0

    def margin(self, components: Mapping[str, Floats]) -> Floats:
        """Weigh component margins together: (n,) log-odds."""
        parts = ((self.linear, "linear"), (self.alone, "alone"), (self.boosted, "boosted"))
        total: Floats = np.sum([w * components[name] for w, name in parts if w], axis=0)
        return total


BLENDS: tuple[Blend, ...] = (
    Blend("linear", linear=1.0),
    Blend("forest", alone=1.0),
    Blend("boosted", boosted=1.0),
    Blend("linear + forest", linear=0.5, alone=0.5),
    Blend("forest + boosted", alone=0.5, boosted=0.5),
)
"""Simplest first: the one-standard-error rule goes to the earliest."""


def row_losses(y: Floats, margin: Floats) -> Floats:
    """Log loss of each row, (n,), from log-odds."""
    losses: Floats = np.logaddexp(0.0, margin) - y * margin
    return losses


@dataclass(frozen=True, slots=True)
class Setting:
    """What the components of all candidates share."""

    recipe: Recipe
    members: int
    bends: int
    targets: tuple[tuple[str, ...], ...]
    seed: int
    threads: int
    forests: bool = True


def components_ahead(
    columns: Columns, y: Floats, groups: Ints | None, split: Split, setting: Setting
) -> dict[str, Floats]:
    """Fit every component on the past rows of a split and give margins of the rows ahead."""
    past, ahead = split
    seen, target = columns.take(past), y[past]
    fold = assign_folds(target, None if groups is None else groups[past], setting.members, 1)
    linear = fit_linear(seen, target, fold, bends=setting.bends)
    found = {"linear": linear.margin(columns.take(ahead))}
    if not setting.forests:
        return found
    start = np.zeros(columns.n)
    start[past] = cross_fit_linear(seen, target, fold, bends=setting.bends, c=linear.c)
    spread = np.full(columns.n, -1, dtype=np.int64)
    spread[past] = fold
    design = Design.make(columns, y, np.maximum(spread, 0), targets=setting.targets)
    for name, margin in (("alone", None), ("boosted", start)):
        task = ForestTask(design.matrix_of, y, design.categorical, design.monotone, margin)
        found[name] = predict_ahead(
            task, [spread], ahead, setting.recipe, seed=setting.seed, threads=setting.threads
        )
    found["boosted"] = found["boosted"] + found["linear"]
    return found


@dataclass(frozen=True, slots=True)
class Choice:
    """The winner, and a row of figures for each candidate."""

    blend: Blend
    table: list[dict[str, Any]]


def choose(
    y: Floats,
    components: Mapping[str, Floats],
    blends: Sequence[Blend] = BLENDS,
) -> Choice:
    """Pick the candidate with the least log loss; the linear part alone if within one SE of it.

    The standard error is that of the paired difference, row by row. Among candidates with a
    forest the least loss wins: to a reader they are equally simple.
    """
    usable = [b for b in blends if all(name in components for name in _needs(b))]
    losses = {blend.name: row_losses(y, blend.margin(components)) for blend in usable}
    best = min(usable, key=lambda blend: float(losses[blend.name].mean()))
    table: list[dict[str, Any]] = []
    for blend in usable:
        extra = losses[blend.name] - losses[best.name]
        table.append(
            {
                "candidate": blend.name,
                "log_loss": float(losses[blend.name].mean()),
                "behind_best": float(extra.mean()),
                "standard_error": float(extra.std() / np.sqrt(len(y))),
            }
        )
    simplest = table[0]
    tied = simplest["behind_best"] <= simplest["standard_error"]
    return Choice(usable[0] if tied else best, table)


def _needs(blend: Blend) -> list[str]:
    weights = (("linear", blend.linear), ("alone", blend.alone), ("boosted", blend.boosted))
    return [name for name, weight in weights if weight]


__all__ = [
    "BLENDS",
    "Blend",
    "Choice",
    "Setting",
    "choose",
    "components_ahead",
    "fit_forest",
    "row_losses",
]
