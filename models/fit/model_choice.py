"""Columns and outcomes -> the winning candidate, fitted on all rows, calibrated, and its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from models.fit.baselines import fit_rule_line
from models.fit.calibration import (
    CERTAIN,
    TRUSTED,
    CohortLevel,
    fit_calibration,
    refit_intercept,
    spread_between,
)
from models.fit.candidates import choose, compare_blends
from models.fit.components import (
    LEAST_FOR_FOREST,
    MarginParts,
    Setting,
    fill_up,
    fit_components,
    go_forward,
)
from models.fit.encoders import Design, Ints, TrainingColumns, feature_columns
from models.fit.folds import assign_folds, design_effect, forward_splits, random_splits
from models.fit.forest import Recipe
from models.fit.intervals import fit_intervals
from models.fit.linear import LinearFit, base_log_odds
from models.fit.pairs import screen_targets
from models.fit.setting_trials import SettingTrial, better
from models.fit.tuning import TuningFigures, tune
from models.predictor import (
    Calibration,
    Floats,
    IdentityCalibration,
    IntervalOffsets,
    LinearPart,
    ModelFacts,
    ModelParts,
    calibrated_log_odds,
)
from models.scorecard import propose

LARGE = 20_000
"""Rows from which on steps are larger and forward folds fewer."""
Learner = Literal["auto", "logistic", "rule", "prior"]
"""What is fitted: the winner of all candidates, the regularised line alone, or no choice at all."""
CONSTANT: Final = "constant"
"""The winner's name where every lead gets the base rate."""
BENDS, LEAST_FOR_BENDS = 6, 150
"""Pieces of a number's line, and the rarer outcomes from which on it may bend."""


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Columns and outcomes of n rows.

    Where known, (n,): `groups` that stay together, `times` that order the rows, and `closes`, when
    the label windows closed.
    """

    columns: TrainingColumns
    y: Floats
    groups: Ints | None = None
    times: NDArray[Any] | None = None
    closes: NDArray[Any] | None = None

    @property
    def rare(self) -> int:
        """Count the rarer outcome."""
        return int(min(self.y.sum(), len(self.y) - self.y.sum()))


@dataclass(frozen=True, slots=True)
class FitOptions:
    """The parameters of `LeadClassifier`."""

    seed: int
    threads: int
    budget_s: float
    members: int
    repeats: int
    learner: Learner
    fast: bool
    least: int


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A model's parts and LightGBM texts, cross-fitted margins (n,) in log-odds, its report."""

    parts: ModelParts
    forest_text: tuple[str, ...]
    margins: Floats
    report: dict[str, Any]


def fit_model(rows: TrainingRows, options: FitOptions) -> FittedModel:
    """Choose among the candidates, fit the winner on all rows, calibrate it.

    With fewer than `options.least` of the rarer outcome the model is the base rate.
    """
    if options.learner == "prior":
        return _plain_line(rows, CONSTANT, "the base rate for every lead")
    if options.learner == "rule":
        return _plain_line(rows, "rule", "points by rule, on the scale of log-odds")
    if rows.rare < options.least:
        few = f"{rows.rare} of the rarer outcome, under {options.least}"
        return _plain_line(rows, CONSTANT, f"{few}: the base rate for every lead")
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
        trial = better(trial, other, y, groups)
    blend = choose(trial.tables)
    chosen = setting.with_targets(trial.targets)
    fitted = fill_up(trial.fitted, blend, columns, y, groups, chosen)
    margins = blend.margin(fitted.margins)
    spreads = TRUSTED if setting.kinds else CERTAIN
    calibration, cohort = _calibrate(rows, margins, options.seed, spreads)
    drift = trial.level_by_fold(y, blend, setting.worth)
    report: dict[str, Any] = {
        "winner": blend.name,
        "chosen_on": "forward folds" if trial.forward else "random folds",
        "forward_folds": _figures(trial.tables[0]) if trial.forward else None,
        "random_folds": _figures(trial.tables[-1]),
        "rounds": {name: list(f.rounds) for name, f in fitted.forests.items()},
        "penalty": {name: round(v, 3) for name, v in fitted.linear.ridge.items()},
        "targets_tried": [list(target) for target in targets],
        "targets": [list(target) for target in trial.targets],
        "tuning": {} if tuning is None else asdict(tuning),
        "calibration": calibration.why or "",
        "newest_cohort": {} if cohort is None else asdict(cohort),
        "drift": _figures(drift),
    }
    intervals = fit_intervals(
        margins,
        y,
        calibration,
        groups=groups,
        drift=spread_between(drift),
        draws=30 if options.fast else 100,
        seed=options.seed,
    )
    return _model(columns, fitted.blended(blend), margins, calibration, intervals, report)


def _setting(rows: TrainingRows, options: FitOptions) -> Setting:
    """Choose the setting of the candidates by the number of rows and of the rarer outcome."""
    n, rare, fast = len(rows.y), rows.rare, options.fast
    members = max(2, min(3 if fast else options.members, rare))
    kinds: tuple[str, ...] = ("extra", "boosted")
    kinds += () if fast else ("plain",) if n <= LARGE else ("plain", "deep")
    repeats = 1 if fast else options.repeats if n <= LARGE else min(2, options.repeats)
    return Setting(
        recipe=Recipe(rate=0.1, patience=30) if fast else Recipe(rate=_rate(n)),
        members=members,
        most=members * repeats,
        bends=BENDS if (options.learner == "auto") and rare >= LEAST_FOR_BENDS else 0,
        seed=options.seed,
        threads=options.threads,
        worth=1 / design_effect(rows.y, rows.groups),
        kinds=kinds if (options.learner == "auto") and rare >= LEAST_FOR_FOREST else (),
    )


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
    """Fit all components ahead and on all rows, and tabulate the candidates on both."""
    columns, y, groups = rows.columns, rows.y, rows.groups
    folds = 2 if options.fast else 4 if len(y) <= LARGE else 3
    forward = go_forward(columns, y, groups, rows.times, rows.closes, setting, folds=folds)
    fitted = fit_components(columns, y, groups, setting, known.fitted if known else None)
    tables = [compare_blends(y, fitted.margins, groups=groups)]
    if forward is not None:
        ahead = forward.rows
        codes = None if groups is None else groups[ahead]
        tables.insert(0, compare_blends(y[ahead], forward.margins, forward.fold, codes))
    return SettingTrial(forward, fitted, tables, setting.targets)


def _calibrate(
    rows: TrainingRows, margins: Floats, seed: int, spreads: tuple[float, float]
) -> tuple[Calibration, CohortLevel | None]:
    """Fit the calibration, then move its level to the newest fifth where it is clearly off."""
    y, groups = rows.y, rows.groups
    calibration = fit_calibration(margins, y, seed=seed, spreads=spreads, groups=groups)
    if rows.times is None:
        return calibration, None
    newest = np.argsort(rows.times, kind="stable")[int(0.8 * len(y)) :]
    worth = 1 / design_effect(y, groups)
    return refit_intercept(calibration, margins[newest], y[newest], worth=worth)


def _plain_line(rows: TrainingRows, name: str, why: str) -> FittedModel:
    """Take the base rate, or the points of the rule, as they are: nothing is chosen."""
    y = rows.y
    rate = LinearPart(base_log_odds(y), ())
    line = fit_rule_line(rows.columns, y) if name == "rule" else rate
    report: dict[str, Any] = {"winner": name, "chosen_on": why, "forward_folds": None}
    report |= {"random_folds": [], "calibration": why}
    margins = LinearFit(line, {}).margin(rows.columns)
    calibration = IdentityCalibration(why)
    intervals = fit_intervals(margins, y, calibration, groups=rows.groups)
    parts = MarginParts((), line, None, ())
    return _model(rows.columns, parts, margins, calibration, intervals, report)


def _model(
    columns: TrainingColumns,
    parts: MarginParts,
    margins: Floats,
    calibration: Calibration,
    intervals: IntervalOffsets,
    report: dict[str, Any],
) -> FittedModel:
    whole = ModelParts(
        features=feature_columns(columns.features),
        encoders=parts.encoders,
        linear=parts.linear,
        forest=parts.forest,
        calibration=calibration,
        card=propose(calibrated_log_odds(calibration, margins)),
        intervals=intervals,
        meta=ModelFacts(learner=str(report["winner"]), rows=columns.n),
    )
    return FittedModel(whole, parts.forest_text, margins, report)


def _figures(rows: Sequence[Any]) -> list[dict[str, float | str]]:
    """Write figures as the report holds them."""
    return [asdict(each) for each in rows]
