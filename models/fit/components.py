"""Columns and outcomes -> the components of every candidate, fitted on all rows or ahead of time.

The regularised line (`linear`), a forest of extremely randomised splits (`extra`), the same boosted
on the line (`boosted`), a forest of best splits (`plain`), one of larger trees (`deep`). Members
grow on grouped random folds; `go_forward` fits the same components on the past of each purged
forward fold, for choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.fit.candidates import Blend
from models.fit.encoders import Design, Ints, TrainingColumns
from models.fit.folds import Split, assign_folds, forward_splits
from models.fit.forest import (
    BOOSTED,
    FittedForest,
    OwnForest,
    Recipe,
    fit_forests,
    predict_ahead,
)
from models.fit.forest_text import on_columns
from models.fit.linear import LinearFit, fit_linear, fit_without_each
from models.fit.row_weights import rarer
from models.fit.rule_points import SCALE, RulePoints
from models.predictor import Encoder, Floats, ForestPart, LinearPart

PLAIN, DEEP = "plain", "deep"
"""The forests that are held back least: with cuts at the best place, and of larger trees."""
LEAST_FOR_FOREST = 60
"""Of the rarer outcome; below, a forest has nothing to hold its early stopping by."""
LEAST_AHEAD = 20
"""Of the rarer outcome in all forward folds, a lead counted once; fewer would choose by chance."""
DEEP_LEAVES, DEEP_L2 = 31, 1.0
"""Of the `deep` forest: larger trees, less held back."""
FORWARD_STEP = 2.0
"""Forward folds only choose: their forests take steps so much larger, and are grown sooner."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all candidates share: `kinds` of forests, `most` members to fill a blend up to."""

    recipe: Recipe
    members: int
    most: int
    bends: int
    seed: int
    threads: int
    worth: float = 1.0  # independent outcomes to a row
    kinds: tuple[str, ...] = ("extra", BOOSTED, PLAIN)
    targets: tuple[tuple[str, ...], ...] = ()
    rule: RulePoints | None = None  # what the line begins from
    apart: frozenset[str] = frozenset()  # columns that are combined with none

    def recipe_of(self, kind: str) -> Recipe:
        """Give the recipe of one kind of forest."""
        if kind == DEEP:
            return replace(self.recipe, extra=False, leaves=DEEP_LEAVES, l2=DEEP_L2)
        return replace(self.recipe, extra=self.recipe.extra and kind != PLAIN)

    def with_targets(self, targets: tuple[tuple[str, ...], ...]) -> Setting:
        """Give the forests target encodings of these columns and pairs."""
        return replace(self, targets=targets)


@dataclass(frozen=True, slots=True)
class MarginParts:
    """The parts of a model that make its margin."""

    encoders: tuple[Encoder, ...]
    linear: LinearPart | None
    forest: ForestPart | None
    forest_text: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Components:
    """The components fitted on all rows; margins are out of fold, (n,) each.

    `starts` (folds, n) are the line's margins without each fold: what members are boosted on.
    """

    linear: LinearFit
    forests: dict[str, FittedForest]
    margins: dict[str, Floats]
    starts: Floats
    design: Design | None
    crossed: OwnForest | None = None

    def joined(self, more: Components) -> Components:
        """Add the forests of components that have the same line and design."""
        return replace(
            self, forests=self.forests | more.forests, margins=self.margins | more.margins
        )

    def blended(self, blend: Blend) -> MarginParts:
        """Weigh line and forests as the blend does."""
        texts = [text for name in blend.forests for text in self.forests[name].texts]
        weight = blend.tree_weight / max(1, len(texts))
        encoders = self.design.encoders() if self.design and texts else []
        if self.crossed and blend.crossed:
            own, own_encoders = self.crossed.forest.texts, self.crossed.design.encoders()
            each = blend.crossed / len(own)
            weight = weight if texts else each
            columns = [*encoders, *(one for one in own_encoders if one not in encoders)]
            places = [columns.index(one) for one in own_encoders]
            texts = [on_columns(text, range(len(encoders)), len(columns)) for text in texts]
            texts += [on_columns(text, places, len(columns), each / weight) for text in own]
            encoders = columns
        return MarginParts(
            encoders=tuple(encoders),
            linear=self.linear.part.times(blend.line) if blend.line else None,
            forest=ForestPart(len(texts), weight) if texts else None,
            forest_text=tuple(texts),
        )


def fit_components(
    columns: TrainingColumns,
    y: Floats,
    groups: Ints | None,
    setting: Setting,
    known: Components | None,
) -> Components:
    """Fit every component on all rows; `known` gives the line where only targets changed."""
    fold = members_folds(y, groups, setting, 0)
    if known is None:
        linear = _fit_line(columns, y, fold, setting)
        starts = _lines_without_each(columns, y, fold, linear, setting)
    else:
        linear, starts = known.linear, known.starts
    line = starts[fold, np.arange(len(y))]
    if not setting.kinds:
        return Components(linear, {}, {"linear": line}, starts, None)
    design = Design.make(columns, y, fold, targets=setting.targets)
    forests = _grow(design, fold, starts, setting, setting.kinds, 0)
    margins = {"linear": line}
    for kind in setting.kinds:
        margins[kind] = forests[kind].out_of_fold + (line if kind == BOOSTED else 0.0)
    return Components(linear, forests, margins, starts, design)


def fill_up(
    grown: Components,
    blend: Blend,
    columns: TrainingColumns,
    y: Floats,
    groups: Ints | None,
    setting: Setting,
) -> Components:
    """Give the chosen blend's forests members on fresh folds, up to `most` members in all."""
    design = grown.design
    turns = -(-setting.most // (max(1, len(blend.forests)) * setting.members))
    if design is None or turns < 2 or not blend.forests:
        return grown
    forests, margins = dict(grown.forests), dict(grown.margins)
    for turn in range(1, turns):
        fold = members_folds(y, groups, setting, turn)
        starts = grown.starts
        if BOOSTED in blend.forests:
            starts = _lines_without_each(columns, y, fold, grown.linear, setting)
        again = _grow(design, fold, starts, setting, blend.forests, 100 * turn)
        for kind, more in again.items():
            start = starts[fold, np.arange(len(y))] if kind == BOOSTED else 0.0
            margins[kind] = (turn * margins[kind] + more.out_of_fold + start) / (turn + 1)
            before = forests[kind]
            mean = (turn * before.out_of_fold + more.out_of_fold) / (turn + 1)
            forests[kind] = FittedForest(
                before.texts + more.texts, mean, before.rounds + more.rounds
            )
    return replace(grown, forests=forests, margins=margins)


def _fit_line(columns: TrainingColumns, y: Floats, fold: Ints, setting: Setting) -> LinearFit:
    return fit_linear(columns, y, fold, bends=setting.bends, worth=setting.worth, rule=setting.rule)


def _lines_without_each(
    columns: TrainingColumns, y: Floats, fold: Ints, line: LinearFit, setting: Setting
) -> Floats:
    rule = setting.rule if SCALE in line.ridge else None
    return fit_without_each(columns, y, fold, line.ridge, bends=setting.bends, rule=rule)


def members_folds(y: Floats, groups: Ints | None, setting: Setting, turn: int) -> Ints:
    """Deal rows into as many folds as a forest has members, anew in each turn: (n,)."""
    return assign_folds(y, groups, setting.members, setting.seed * 100 + turn)


def _grow(
    design: Design,
    fold: Ints,
    starts: Floats,
    setting: Setting,
    kinds: Sequence[str],
    offset: int,
) -> dict[str, FittedForest]:
    recipes = {kind: setting.recipe_of(kind) for kind in kinds}
    seed = setting.seed * 1000 + offset
    return fit_forests(design, fold, recipes, starts=starts, seed=seed, threads=setting.threads)


@dataclass(frozen=True, slots=True)
class LineAhead:
    """The line of one forward fold: its margins ahead, (m,), and `starts` as in `Components`.

    `past`, (p,), are the rows that it learned from.
    """

    ahead: Floats
    starts: Floats
    past: Ints


@dataclass(frozen=True, slots=True)
class Forward:
    """Margins of every component on rows ahead of their fit: rows (m,), which fold, margins.

    `pasts` are what each fold learned from.
    """

    rows: Ints
    fold: Ints
    margins: dict[str, Floats]
    lines: tuple[LineAhead, ...]


def go_forward(
    columns: TrainingColumns,
    y: Floats,
    groups: Ints | None,
    times: NDArray[np.generic] | None,
    closes: NDArray[np.generic] | None,
    setting: Setting,
    *,
    folds: int,
    known: Forward | None = None,
) -> Forward | None:
    """Fit on the past of each forward fold; None where there is no time or no evidence.

    `known` gives the lines where only targets changed.
    """
    if times is None:
        return None
    splits = [
        (past, ahead)
        for past, ahead in forward_splits(times, closes, groups, folds)
        if enough(y[past], columns.weights[past]) and enough(y[ahead], columns.weights[ahead], 10)
    ]
    seen = np.concatenate([ahead for _, ahead in splits]) if splits else np.empty(0, np.int64)
    if setting.worth * rarer(y[seen], columns.weights[seen]) < LEAST_AHEAD:
        return None
    if known is None:
        lines = tuple(_line_ahead(columns, y, groups, split, setting) for split in splits)
    else:
        lines = known.lines
    margins = [
        _components_ahead(columns, y, groups, split, setting, line)
        for split, line in zip(splits, lines, strict=True)
    ]
    return Forward(
        seen,
        np.concatenate([np.full(len(ahead), i) for i, (_, ahead) in enumerate(splits)]),
        {name: np.concatenate([part[name] for part in margins]) for name in margins[0]},
        lines,
    )


def folds_of_past(
    past: Ints, y: Floats, groups: Ints | None, setting: Setting
) -> tuple[Ints, Ints]:
    """Deal the past of a forward fold into the folds of encodings and of members: (n,) each.

    Rows that are not past are in the first of the former and in none, -1, of the latter.
    """
    codes = None if groups is None else groups[past]
    inner, fold = np.zeros(len(y), dtype=np.int64), np.full(len(y), -1, dtype=np.int64)
    inner[past] = assign_folds(y[past], codes, setting.members, 1)
    fold[past] = assign_folds(y[past], codes, min(3, setting.members), 2)
    return inner, fold


def _line_ahead(
    columns: TrainingColumns, y: Floats, groups: Ints | None, split: Split, setting: Setting
) -> LineAhead:
    past, ahead = split
    seen, target, fold = columns.take(past), y[past], folds_of_past(past, y, groups, setting)[1]
    linear = _fit_line(seen, target, fold[past], setting)
    starts = np.zeros((int(fold.max()) + 1, columns.n))
    if BOOSTED in setting.kinds:
        starts[:, past] = _lines_without_each(seen, target, fold[past], linear, setting)
    return LineAhead(linear.margin(columns.take(ahead)), starts, past)


def _components_ahead(
    columns: TrainingColumns,
    y: Floats,
    groups: Ints | None,
    split: Split,
    setting: Setting,
    line: LineAhead,
) -> dict[str, Floats]:
    margins = {"linear": line.ahead}
    if not setting.kinds:
        return margins
    past, ahead = split
    inner, fold = folds_of_past(past, y, groups, setting)
    design = Design.make(columns, y, inner, targets=setting.targets)
    faster = {kind: in_larger_steps(setting.recipe_of(kind)) for kind in setting.kinds}
    margins |= predict_ahead(
        design, fold, ahead, faster, starts=line.starts, seed=setting.seed, threads=setting.threads
    )
    if BOOSTED in margins:
        margins[BOOSTED] = margins[BOOSTED] + margins["linear"]
    return margins


def in_larger_steps(recipe: Recipe) -> Recipe:
    """Let a forest that only helps to choose grow sooner."""
    return replace(recipe, rate=min(0.1, recipe.rate * FORWARD_STEP))


def enough(y: Floats, row_weights: Floats, least: int = LEAST_FOR_FOREST) -> bool:
    """Tell whether the rarer outcome occurs at least so often."""
    return rarer(y, row_weights) >= least
