"""Columns and outcomes -> the winning candidate, fitted on all rows, calibrated, and its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.fit.base_rate_guard import GuardFigures
from models.fit.calibration import (
    CERTAIN,
    TRUSTED,
    fit_calibration,
    shrink,
    spread_between,
)
from models.fit.candidates import CROSSED
from models.fit.components import MarginParts
from models.fit.empirical_bayes import base_log_odds
from models.fit.encoders import TrainingColumns, feature_columns
from models.fit.folds import design_effect
from models.fit.intervals import fit_intervals
from models.fit.level_path import CohortLevel, follow_level
from models.fit.linear import LinearFit
from models.fit.row_weights import spread_evenly
from models.fit.rule_points import RulePoints, make_rule
from models.fit.rule_update import update_rule
from models.fit.training_rows import FitOptions, TrainingRows
from models.fit.try_candidates import Explored, explore
from models.note import Note
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
from models.winners import CONSTANT, RULE


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
    held = trial.guard(blend, setting.worth)
    calibration, cohort = _calibrate(rows, explored, options.seed, held)
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


def _calibrate(
    rows: TrainingRows, explored: Explored, seed: int, held: GuardFigures
) -> tuple[Calibration, CohortLevel | None]:
    """Fit the calibration, hold it to the base rate, move its level to the newest.

    The first stays only if it does not lose ahead, the second is done only where the model gains
    nothing there, the third as far as changes lasted before.
    """
    y, groups, row_weights = rows.y, rows.groups, rows.row_weights
    margins, spreads = explored.margins, TRUSTED if explored.setting.kinds else CERTAIN
    calibration = fit_calibration(
        margins, y, seed=seed, spreads=spreads, groups=groups, row_weights=row_weights
    )
    calibration = explored.trial.kept_ahead(calibration, explored.blend)
    if held.share < 1:
        calibration = shrink(calibration, held.share, base_log_odds(y, row_weights))
        calibration = replace(calibration, why=held.words(calibration.why or ""))
    if rows.times is None:
        return calibration, None
    return follow_level(calibration, margins, y, rows.times, groups=groups, row_weights=row_weights)


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
