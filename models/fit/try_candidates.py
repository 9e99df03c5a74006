"""Rows and options -> the candidates tried on rows that none has seen, the one that is chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace

from models.fit.candidates import Blend
from models.fit.components import (
    DEEP,
    LEAST_FOR_FOREST,
    PLAIN,
    Components,
    Setting,
    fill_up,
    fit_components,
    go_forward,
)
from models.fit.crossed_forest import CrossedFigures, add_crossed
from models.fit.encoders import Design, TrainingColumns
from models.fit.folds import assign_folds, design_effect, forward_splits, random_splits
from models.fit.forest import BOOSTED, Recipe
from models.fit.pairs import screen_targets
from models.fit.setting_trials import SettingTrial, better
from models.fit.training_rows import FitOptions, TrainingRows
from models.fit.tuning import TuningFigures, tune
from models.predictor import NEW, Floats

LARGE = 20_000
"""Rows from which on steps are larger and forward folds fewer."""
BENDS, LEAST_FOR_BENDS = 6, 150
"""Pieces of a number's line, and the rarer outcomes from which on it may bend."""


@dataclass(frozen=True, slots=True)
class Explored:
    """The candidates as they were tried, the chosen blend, and its components filled up."""

    setting: Setting
    trial: SettingTrial
    blend: Blend
    fitted: Components
    tried: tuple[tuple[str, ...], ...]
    tuning: TuningFigures | None
    crossed: CrossedFigures | None

    @property
    def margins(self) -> Floats:
        """The chosen blend's cross-fitted margins: (n,)."""
        return self.blend.margin(self.fitted.margins)


def explore(rows: TrainingRows, options: FitOptions) -> Explored:
    """Try the candidates on unseen rows, with target encodings and without; fit the winner."""
    columns, y, groups = rows.columns, rows.y, rows.groups
    setting, tuning = _tune(rows, options, _setting(rows, options))
    trial = _try(rows, options, setting, None)
    targets = (
        ()
        if options.fast or not setting.kinds
        else screen_targets(columns, y, assign_folds(y, groups, 5, 3))
    )
    if targets:
        other = _try(rows, options, setting.with_targets(targets), trial)
        trial = better(trial, other)
    chosen, blend, figures = setting.with_targets(trial.targets), trial.blend(), None
    if PLAIN in blend.forests and not options.fast:
        trial, blend = _try_larger_trees(rows, chosen, trial, blend)
    if setting.kinds and not options.fast:
        crossed = add_crossed(columns, setting, trial, blend)
        trial, blend, figures = crossed.trial, crossed.blend, crossed.figures
    fitted = fill_up(trial.fitted, blend, columns, y, groups, chosen)
    return Explored(setting, trial, blend, fitted, targets, tuning, figures)


def _setting(rows: TrainingRows, options: FitOptions) -> Setting:
    """Choose the setting of the candidates by the number of rows and of the rarer outcome."""
    n, rare, fast = len(rows.y), rows.rare, options.fast
    members = max(2, min(3 if fast else options.members, rows.rare_rows))
    kinds: tuple[str, ...] = ("extra", BOOSTED) if fast else ("extra", BOOSTED, PLAIN)
    repeats = 1 if fast else options.repeats if n <= LARGE else min(2, options.repeats)
    return Setting(
        recipe=Recipe(rate=0.1, patience=30) if fast else Recipe(rate=_rate(n)),
        members=members,
        most=members * repeats,
        bends=BENDS if (options.learner == "auto") and rare >= LEAST_FOR_BENDS else 0,
        seed=options.seed,
        threads=options.threads,
        worth=1 / design_effect(rows.y, rows.groups, rows.row_weights),
        rule=options.rule,
        apart=_apart(rows.columns, options.apart),
        kinds=kinds if (options.learner == "auto") and rare >= LEAST_FOR_FOREST else (),
    )


def _apart(columns: TrainingColumns, names: frozenset[str]) -> frozenset[str]:
    """Name the columns that are combined with none: those asked for, and where levels arrive."""
    asked = {
        f.name
        for f in columns.features
        if not names.isdisjoint((f.name, f.factor, f.params.get("column", "")))
    }
    return frozenset(asked | {n for n, codes in columns.codes.items() if (codes == NEW).any()})


def _rate(n: int) -> float:
    """Take larger steps on more rows: the time of a fit grows slower than the rows."""
    return 0.03 if n <= LARGE else 0.06


def _tune(
    rows: TrainingRows, options: FitOptions, setting: Setting
) -> tuple[Setting, TuningFigures | None]:
    """Spend the time budget, if there is one, on the recipe of the forests."""
    if options.budget_s <= 0 or not setting.kinds:
        return setting, None
    y, groups, times = rows.y, rows.groups, rows.times
    splits = [] if times is None else forward_splits(times, rows.closes, groups, 3)
    fold = assign_folds(y, groups, 3, options.seed)
    recipe, figures = tune(
        Design.make(rows.columns, y, fold),
        y,
        groups,
        splits or random_splits(fold),
        setting.recipe,
        budget_s=options.budget_s,
        seed=options.seed,
        threads=options.threads,
    )
    return replace(setting, recipe=recipe), figures


def _try(
    rows: TrainingRows, options: FitOptions, setting: Setting, known: SettingTrial | None
) -> SettingTrial:
    """Fit all components ahead, those on all rows when they are asked for."""
    columns, y, groups = rows.columns, rows.y, rows.groups
    ahead, folds = known.forward if known else None, _forward_folds(len(y), fast=options.fast)
    forward = go_forward(
        columns, y, groups, rows.times, rows.closes, setting, folds=folds, known=ahead
    )

    def grow() -> Components:
        return fit_components(columns, y, groups, setting, known.grown if known else None)

    return SettingTrial(y, groups, rows.row_weights, setting.targets, forward, grow)


def _forward_folds(n: int, *, fast: bool) -> int:
    return 2 if fast else 4 if n <= LARGE else 3


def _try_larger_trees(
    rows: TrainingRows, setting: Setting, trial: SettingTrial, blend: Blend
) -> tuple[SettingTrial, Blend]:
    """Add a forest of larger trees, for where the least held back of the others is chosen.

    The trial stays as it was unless a blend with them is chosen.
    """
    columns, y, groups = rows.columns, rows.y, rows.groups
    larger, forward = replace(setting, kinds=(DEEP,)), trial.forward
    if forward is not None:
        folds = _forward_folds(len(y), fast=False)
        more = go_forward(
            columns, y, groups, rows.times, rows.closes, larger, folds=folds, known=forward
        )
        assert more is not None  # the folds are those of before
        forward = replace(forward, margins=forward.margins | more.margins)

    def grow() -> Components:
        return trial.fitted.joined(fit_components(columns, y, groups, larger, trial.fitted))

    tried = replace(trial, forward=forward, grow=grow, grown=None)
    found = tried.blend()
    return (tried, found) if DEEP in found.forests else (trial, blend)
