"""A chosen blend -> the same with a forest on made columns beside it, at a weight that pays.

The weight is shrunk, not gated: what it gains on unseen rows, less a pull to none. Above `SAFE` it
goes only where the gain exceeds one standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.optimize import minimize_scalar

from models.fit.candidates import CROSSED, Blend, error_of, row_losses
from models.fit.components import (
    Forward,
    Setting,
    folds_of_past,
    in_larger_steps,
    members_folds,
)
from models.fit.crossed import find_crossing
from models.fit.encoders import Design, Ints, TrainingColumns
from models.fit.forest import FittedForest, OwnForest, fit_forests, predict_ahead
from models.fit.row_weights import weighted_mean
from models.fit.setting_trials import SettingTrial
from models.predictor import Floats

SAFE, MOST = 0.25, 0.9
"""Of the model at most without a gain above one standard error, and with it."""
PULL: Final = 3.0
"""Log loss, summed, that a whole forest must gain more than none: nats."""
LEAST: Final = 0.05
"""A smaller weight is none: it would only lengthen the model."""
TURNS: Final = 2
"""So many times as many members as other forests have at first."""
NO_STARTS: Final = np.empty((0, 0))
SEED: Final = 700
"""Members of the other forests have seeds below."""


@dataclass(frozen=True, slots=True)
class CrossedFigures:
    """The weight, the mean gain in log loss that it brings on unseen rows, and its error."""

    weight: float
    gain: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class CrossedTrial:
    """A trial with the crossed forest among its components, the blend with its weight, figures."""

    trial: SettingTrial
    blend: Blend
    figures: CrossedFigures | None


def add_crossed(
    columns: TrainingColumns, setting: Setting, trial: SettingTrial, blend: Blend
) -> CrossedTrial:
    """Make columns, grow a forest on them, and weigh it beside the blend.

    Where forward folds choose, it is grown on all rows only if it weighs anything there.
    """
    line = trial.fitted.margins["linear"]
    made = find_crossing(columns, trial.y, line, worth=setting.worth, apart=setting.apart)
    if made is None:
        return CrossedTrial(trial, blend, None)
    tried = trial
    if trial.forward is not None:
        ahead = _ahead(columns, setting, trial, trial.forward, blend)
        forward = replace(trial.forward, margins=trial.forward.margins | {CROSSED: ahead})
        tried = replace(trial, forward=forward)
        figures = _weigh(tried, blend, setting.worth)
        if not figures.weight:
            return CrossedTrial(trial, blend, figures)
    inner = members_folds(trial.y, trial.groups, setting, 0)
    design = Design.make(columns, trial.y, inner, targets=made.targets, made=made.made)
    grown = _grow(design, trial.groups, setting, 0)
    for turn in range(1, min(TURNS, setting.most // setting.members)):
        if trial.forward is None:
            figures = _weigh(_with(tried, design, grown, made.names), blend, setting.worth)
            if not figures.weight:
                return CrossedTrial(trial, blend, figures)
        grown = _joined(grown, _grow(design, trial.groups, setting, turn), turn)
    tried = _with(tried, design, grown, made.names)
    figures = _weigh(tried, blend, setting.worth)
    kept = tried if figures.weight else trial
    return CrossedTrial(kept, replace(blend, crossed=figures.weight), figures)


def _with(
    trial: SettingTrial, design: Design, forest: FittedForest, names: Sequence[str]
) -> SettingTrial:
    margins = trial.fitted.margins | {CROSSED: forest.out_of_fold}
    own = OwnForest(design, forest, tuple(names))
    return replace(trial, grown=replace(trial.fitted, margins=margins, crossed=own))


def _grow(design: Design, groups: Ints | None, setting: Setting, turn: int) -> FittedForest:
    fold = members_folds(design.y, groups, setting, turn)
    seed = setting.seed * 1000 + SEED + 50 * turn
    recipes = {CROSSED: setting.recipe_of(CROSSED)}
    grown = fit_forests(design, fold, recipes, starts=NO_STARTS, seed=seed, threads=setting.threads)
    return grown[CROSSED]


def _joined(before: FittedForest, more: FittedForest, turns: int) -> FittedForest:
    mean = (turns * before.out_of_fold + more.out_of_fold) / (turns + 1)
    return FittedForest(before.texts + more.texts, mean, before.rounds + more.rounds)


def _ahead(
    columns: TrainingColumns,
    setting: Setting,
    trial: SettingTrial,
    forward: Forward,
    blend: Blend,
) -> Floats:
    """Make and grow on the past of each forward fold; the blend stands where nothing is made."""
    y, groups = trial.y, trial.groups
    margins = blend.margin(forward.margins)
    recipes = {CROSSED: in_larger_steps(setting.recipe_of(CROSSED))}
    for i, line in enumerate(forward.lines):
        past = line.past
        inner, fold = folds_of_past(past, y, groups, setting)
        left = line.starts[fold[past], past]
        made = find_crossing(
            columns.take(past), y[past], left, worth=setting.worth, apart=setting.apart
        )
        if made is None:
            continue
        design = Design.make(columns, y, inner, targets=made.targets, made=made.made)
        ahead = np.flatnonzero(forward.fold == i)
        margins[ahead] = predict_ahead(
            design,
            fold,
            forward.rows[ahead],
            recipes,
            starts=NO_STARTS,
            seed=setting.seed,
            threads=setting.threads,
        )[CROSSED]
    return margins


def _weigh(trial: SettingTrial, blend: Blend, worth: float) -> CrossedFigures:
    """Find the weight that gains most on unseen rows, less the pull to none."""
    y, groups, row_weights, fold = trial.y, trial.groups, trial.row_weights, None
    if trial.forward is None:
        margins = trial.fitted.margins
    else:
        seen, fold, margins = trial.forward.rows, trial.forward.fold, trial.forward.margins
        y, row_weights = y[seen], row_weights[seen]
        groups = None if groups is None else groups[seen]
    plain, crossed = blend.margin(margins), margins[CROSSED]
    before = row_losses(y, plain)

    def gains(weight: float) -> Floats:
        return before - row_losses(y, (1 - weight) * plain + weight * crossed)

    def regret(weight: float) -> float:
        return PULL * weight - worth * float(np.sum(row_weights * gains(weight)))

    best = minimize_scalar(regret, bounds=(0.0, MOST), method="bounded", options={"xatol": 1e-6})
    weight = float(best.x) if best.fun < 0 and best.x > LEAST else 0.0
    gained = gains(weight)
    gain = weighted_mean(gained, row_weights)
    error = error_of(gained, fold, groups, row_weights=row_weights)
    return CrossedFigures(weight if gain > error else min(weight, SAFE), gain, error)
