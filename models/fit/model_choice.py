"""Columns and outcomes -> the winning candidate, fitted on all rows, calibrated, and its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.fit.arrivals import mark_arrivals
from models.fit.base_rate_guard import GuardFigures
from models.fit.calibration import (
    CERTAIN,
    TRUSTED,
    CohortLevel,
    fit_calibration,
    refit_intercept,
    shrink,
    spread_between,
)
from models.fit.candidates import CROSSED, Blend
from models.fit.components import (
    LEAST_FOR_FOREST,
    Components,
    MarginParts,
    Setting,
    fill_up,
    fit_components,
    go_forward,
)
from models.fit.crossed_forest import CrossedFigures, add_crossed
from models.fit.encoders import Design, Ints, TrainingColumns, feature_columns
from models.fit.folds import assign_folds, design_effect, forward_splits, random_splits
from models.fit.forest import Recipe
from models.fit.intervals import fit_intervals
from models.fit.linear import LinearFit, base_log_odds
from models.fit.pairs import screen_targets
from models.fit.periods import set_periods_aside
from models.fit.row_weights import rarer, spread_evenly
from models.fit.rule_points import RulePoints, make_rule
from models.fit.rule_update import update_rule
from models.fit.setting_trials import SettingTrial, better
from models.fit.tuning import TuningFigures, tune
from models.note import Note
from models.predictor import (
    NEW,
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
from models.winners import CONSTANT, RULE

LARGE = 20_000
"""Rows from which on steps are larger and forward folds fewer."""
Learner = Literal["auto", "logistic", "rule", "prior"]
"""What is fitted: the winner of all candidates, the regularised line alone, or no choice at all."""
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
    periods: tuple[str, ...] = ()
    """Columns set aside: they only name the period in which a row came."""

    @classmethod
    def make(
        cls,
        columns: TrainingColumns,
        y: Floats,
        groups: Ints | None,
        times: NDArray[Any] | None,
        closes: NDArray[Any] | None,
    ) -> TrainingRows:
        """Take rows; in time order, set names of periods aside and mark levels that were new."""
        if times is None:
            return cls(columns, y, groups)
        kept, periods = set_periods_aside(columns, times)
        marked = mark_arrivals(kept, times, groups)
        return cls(marked, y, groups, times, closes, periods)

    @property
    def row_weights(self) -> Floats:
        """Say how often each row counts: (n,)."""
        return self.columns.weights

    @property
    def rare(self) -> float:
        """Count the rarer outcome."""
        return rarer(self.y, self.row_weights)

    @property
    def rare_rows(self) -> int:
        """Count the rows of the rarer outcome, whatever they weigh: what folds are dealt from."""
        return int(rarer(self.y, np.ones(len(self.y))))


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
    rule: RulePoints | None = None
    apart: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A model's parts and LightGBM texts, cross-fitted margins (n,) in log-odds, its report."""

    parts: ModelParts
    forest_text: tuple[str, ...]
    margins: Floats
    report: dict[str, Any]


def fit_model(rows: TrainingRows, options: FitOptions) -> FittedModel:
    """Choose among the candidates, fit the winner on all rows, calibrate it.

    With fewer than `options.least` of the rarer outcome the model is the rule as these update it,
    where there is one, else the base rate. Linear algebra is on one thread: on such small problems
    others only wait for each other, and sums would depend on how many there are.
    """
    with threadpool_limits(1):
        return _fit(rows, options)


def _fit(rows: TrainingRows, options: FitOptions) -> FittedModel:
    if options.learner == "prior":
        return _base_rate(rows, Note("the base rate for every lead"))
    few_rows = rows.rare < options.least or rows.rare_rows < 2
    if options.learner == "rule" or (few_rows and options.rule is not None):
        return fit_rule(rows, options.rule or RulePoints())
    if few_rows:
        few = Note(
            "{rare:g} of the rarer outcome, under {least}: the base rate for every lead",
            rare=rows.rare,
            least=options.least,
        )
        return _base_rate(rows, few)
    return finish(rows, options, explore(rows, options))


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
    blend, figures = trial.blend(), None
    chosen = setting.with_targets(trial.targets)
    if setting.kinds and not options.fast:
        crossed = add_crossed(columns, setting, trial, blend)
        trial, blend, figures = crossed.trial, crossed.blend, crossed.figures
    fitted = fill_up(trial.fitted, blend, columns, y, groups, chosen)
    return Explored(setting, trial, blend, fitted, targets, tuning, figures)


def finish(rows: TrainingRows, options: FitOptions, explored: Explored) -> FittedModel:
    """Calibrate what was chosen, give it ranges, and write its report."""
    columns, y, groups, row_weights = rows.columns, rows.y, rows.groups, rows.row_weights
    setting, trial, blend, fitted = (
        explored.setting,
        explored.trial,
        explored.blend,
        explored.fitted,
    )
    margins, tuning, crossed = explored.margins, explored.tuning, fitted.crossed
    forests = fitted.forests | ({CROSSED: crossed.forest} if crossed else {})
    spreads = TRUSTED if setting.kinds else CERTAIN
    held = trial.guard(blend, setting.worth)
    calibration, cohort = _calibrate(rows, margins, options.seed, spreads, held)
    drift, ahead = trial.level_by_fold(blend, setting.worth), trial.ahead()
    report: dict[str, Any] = {
        "winner": blend.name,
        "chosen_on": "forward folds" if ahead else "random folds",
        "forward_folds": _figures(ahead) if ahead else None,
        "random_folds": _figures(trial.across()),
        "rounds": {name: list(f.rounds) for name, f in forests.items()},
        "penalty": {name: round(v, 3) for name, v in fitted.linear.ridge.items()},
        "targets_tried": [list(target) for target in explored.tried],
        "targets": [list(target) for target in trial.targets],
        "made_columns": [*crossed.made] if crossed else [],
        "weight_of_made_columns": {} if explored.crossed is None else asdict(explored.crossed),
        "tuning": {} if tuning is None else asdict(tuning),
        "calibration": calibration.why or "",
        "newest_cohort": {} if cohort is None else asdict(cohort),
        "drift": _figures(drift),
        "periods": list(rows.periods),
        "guard": asdict(held),
    }
    intervals = fit_intervals(
        margins,
        y,
        calibration,
        groups=groups,
        row_weights=row_weights,
        drift=spread_between(drift),
        draws=30 if options.fast else 100,
        seed=options.seed,
    )
    return _model(columns, fitted.blended(blend), margins, calibration, intervals, report)


def _setting(rows: TrainingRows, options: FitOptions) -> Setting:
    """Choose the setting of the candidates by the number of rows and of the rarer outcome."""
    n, rare, fast = len(rows.y), rows.rare, options.fast
    members = max(2, min(3 if fast else options.members, rows.rare_rows))
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
    folds = 2 if options.fast else 4 if len(y) <= LARGE else 3
    ahead = known.forward if known else None
    forward = go_forward(
        columns, y, groups, rows.times, rows.closes, setting, folds=folds, known=ahead
    )

    def grow() -> Components:
        return fit_components(columns, y, groups, setting, known.grown if known else None)

    return SettingTrial(y, groups, rows.row_weights, setting.targets, forward, grow)


def _calibrate(
    rows: TrainingRows,
    margins: Floats,
    seed: int,
    spreads: tuple[float, float],
    held: GuardFigures,
) -> tuple[Calibration, CohortLevel | None]:
    """Fit the calibration, hold it to the base rate, move its level to the newest fifth.

    The last two only where the model gains nothing ahead, and where the level is clearly off.
    """
    y, groups, row_weights = rows.y, rows.groups, rows.row_weights
    calibration = fit_calibration(
        margins, y, seed=seed, spreads=spreads, groups=groups, row_weights=row_weights
    )
    if held.share < 1:
        calibration = shrink(calibration, held.share, base_log_odds(y, row_weights))
        calibration = replace(calibration, why=held.words(calibration.why or ""))
    if rows.times is None:
        return calibration, None
    order = np.argsort(rows.times, kind="stable")
    newest = order[np.cumsum(row_weights[order]) > 0.8 * row_weights.sum()]
    worth = 1 / design_effect(y, groups, row_weights)
    return refit_intercept(
        calibration, margins[newest], y[newest], worth=worth, row_weights=row_weights[newest]
    )


def fit_rule(rows: TrainingRows, points: RulePoints, *, known: bool = True) -> FittedModel:
    """Take the rule as the outcomes update it; `known` is False where none is known yet."""
    worth = 1 / design_effect(rows.y, rows.groups, rows.row_weights)
    rule = make_rule(points, rows.columns)
    updated = update_rule(
        rule, rows.columns, rows.y, worth=worth, expected_rate=points.expected_rate, known=known
    )
    report = _nothing_chosen(RULE, updated.words)
    report["left_out"] = [*rule.left_out]
    report["rate"] = updated.rate_words or ""
    margins = LinearFit(updated.line, {}).margin(rows.columns)
    calibration = IdentityCalibration(updated.words)
    parts = MarginParts((), updated.line, None, ())
    intervals = updated.intervals(margins)
    return _model(rows.columns, parts, margins, calibration, intervals, report)


def _base_rate(rows: TrainingRows, why: str) -> FittedModel:
    """Take the base rate for every lead: nothing is chosen."""
    y, row_weights = rows.y, rows.row_weights
    line = LinearPart(base_log_odds(y, row_weights), ())
    margins = LinearFit(line, {}).margin(rows.columns)
    calibration = IdentityCalibration(why)
    intervals = fit_intervals(margins, y, calibration, groups=rows.groups, row_weights=row_weights)
    parts, report = MarginParts((), line, None, ()), _nothing_chosen(CONSTANT, why)
    return _model(rows.columns, parts, margins, calibration, intervals, report)


def _nothing_chosen(winner: str, why: str) -> dict[str, Any]:
    """Write the report where there was only one candidate."""
    report: dict[str, Any] = {"winner": winner, "chosen_on": why, "forward_folds": None}
    return report | {"random_folds": [], "calibration": why}


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
        card=propose(spread_evenly(calibrated_log_odds(calibration, margins), columns.weights)),
        intervals=intervals,
        meta=ModelFacts(learner=str(report["winner"]), rows=columns.n),
    )
    return FittedModel(whole, parts.forest_text, margins, report)


def _figures(rows: Sequence[Any]) -> list[dict[str, float | str]]:
    """Write figures as the report holds them."""
    return [asdict(each) for each in rows]
