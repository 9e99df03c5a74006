"""Feature frame and outcomes -> the parts of an artifact: the estimator `LeadClassifier`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from features.frame import Catalogue
from models.fit.arrivals import mark_arrivals
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
from models.fit.encoders import (
    Design,
    Ints,
    TrainingColumns,
    describe,
    feature_columns,
    read_columns,
)
from models.fit.folds import assign_folds, design_effect, forward_splits, random_splits
from models.fit.forest import Recipe
from models.fit.intervals import fit_intervals
from models.fit.pairs import screen_targets
from models.fit.setting_trials import SettingTrial, better
from models.fit.tuning import TuningFigures, tune
from models.predictor import (
    Calibration,
    Floats,
    IdentityCalibration,
    IntervalOffsets,
    LeadScorer,
    LinearPart,
    ModelFacts,
    ModelParts,
    calibrated_log_odds,
)
from models.scorecard import propose

LEARNERS = ("auto", "logistic")
LARGE = 20_000
"""Rows from which on steps are larger and forward folds fewer."""
BENDS, LEAST_FOR_BENDS = 6, 150
"""Pieces of a number's line, and the rarer outcomes from which on it may bend."""


class LeadClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Calibrated probability of conversion from a frame of numbers and categories.

    Parameters: `seed`; `threads` (the result does not depend on it); `budget_s` seconds for
    tuning, 0 takes the recipe as it is; `members` folds of a forest; `repeats`: the model is
    filled up to so many times as many members, at most twice where the rows are many;
    `learner` "logistic" fits the regularised line alone, "auto" chooses among all candidates;
    `fast` trades a little quality for a fit of seconds; `least` rows of the rarer outcome under
    which only the base rate is predicted; `catalogue` describes the columns, else their dtypes do.

    After `fit`: `classes_`, `report_` (candidates with their figures on forward and on random
    folds, and who won), `margins_` (n,) cross-fitted log-odds of the training rows,
    `rows_seen_` (n,) the index of the rows that anything was fitted on.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        threads: int = 1,
        budget_s: float = 0.0,
        members: int = 5,
        repeats: int = 4,
        learner: str = "auto",
        fast: bool = False,
        least: int = 6,
        catalogue: Catalogue | None = None,
    ) -> None:
        self.seed = seed
        self.threads = threads
        self.budget_s = budget_s
        self.members = members
        self.repeats = repeats
        self.learner = learner
        self.fast = fast
        self.least = least
        self.catalogue = catalogue

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what is accepted: missing values, categories, two classes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.classifier_tags.multi_class = False
        return tags

    def fit(
        self,
        X: pd.DataFrame | NDArray[Any],
        y: Any,
        *,
        times: NDArray[Any] | pd.Series[Any] | None = None,
        closes: NDArray[Any] | pd.Series[Any] | None = None,
        groups: NDArray[Any] | pd.Series[Any] | None = None,
    ) -> Self:
        """Choose among the candidates, fit the winner on all rows, calibrate it.

        `times` (n,) orders the rows for forward folds, `closes` (n,) is when each label window
        closed (purges them), `groups` (n,) holds leads or accounts that must stay together.
        """
        if self.learner not in LEARNERS:
            raise ValueError(f"learner {self.learner!r} is none of {', '.join(LEARNERS)}")
        frame = self._frame(X, reset=True)
        self.rows_seen_ = (
            X.index.to_numpy() if isinstance(X, pd.DataFrame) else np.arange(len(frame))
        )
        target = self._target(y, len(frame))
        codes = None if groups is None else pd.factorize(np.asarray(groups))[0].astype(np.int64)
        features = describe(frame, self.catalogue)
        columns = read_columns(frame, features)
        when = None if times is None else np.asarray(times)
        until = None if closes is None else np.asarray(closes)
        if when is not None:
            columns = mark_arrivals(columns, when, codes)
        self._fit_columns(columns, target, codes, when, until)
        self._scorer_made = LeadScorer(self.parts_, self.forest_text_)
        return self

    def predict_proba(self, X: pd.DataFrame | NDArray[Any]) -> Floats:
        """Give the calibrated probabilities: (n, 2), the second column is conversion."""
        check_is_fitted(self)
        p = self._scorer().score(self._frame(X, reset=False)).probability
        return np.column_stack([1 - p, p])

    def decision_function(self, X: pd.DataFrame | NDArray[Any]) -> Floats:
        """Give calibrated log-odds: (n,)."""
        check_is_fitted(self)
        margin = self._scorer().margin(self._frame(X, reset=False))
        return calibrated_log_odds(self.parts_.calibration, margin)

    def predict(self, X: pd.DataFrame | NDArray[Any]) -> NDArray[Any]:
        """Give the likelier class: (n,)."""
        check_is_fitted(self)
        likelier: NDArray[Any] = self.classes_[(self.decision_function(X) > 0).astype(np.int64)]
        return likelier

    def parts(self) -> tuple[ModelParts, tuple[str, ...]]:
        """Hand over what the artifact holds: the parts and the LightGBM texts."""
        check_is_fitted(self)
        return self.parts_, self.forest_text_

    def __getstate__(self) -> dict[str, Any]:
        """Leave the compiled scorer out of copies; it is made again when needed."""
        state: dict[str, Any] = {**super().__getstate__()}
        state.pop("_scorer_made", None)
        return state

    def _scorer(self) -> LeadScorer:
        """Make the scorer again where this is a copy; `fit` made it otherwise."""
        if not hasattr(self, "_scorer_made"):
            self._scorer_made = LeadScorer(self.parts_, self.forest_text_)
        return self._scorer_made

    def _frame(self, X: Any, *, reset: bool) -> pd.DataFrame:
        if isinstance(X, pd.DataFrame) and len(X) and X.shape[1]:
            _check_n_features(self, X, reset=reset)
            _check_feature_names(self, X, reset=reset)
            return _plain_frame(X)
        array = validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan")
        names = [f"x{i}" for i in range(array.shape[1])]
        return pd.DataFrame(array, columns=pd.Index(names))

    def _target(self, y: Any, n: int) -> Floats:
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        values = column_or_1d(y, warn=True)
        assert_all_finite(values, input_name="y")
        if len(values) != n:
            raise ValueError(f"X has {n} rows, y has {len(values)}")
        check_classification_targets(values)
        self.classes_, codes = np.unique(values, return_inverse=True)
        if len(self.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is "
                f"{type_of_target(values)}."
            )
        if len(self.classes_) < 2:
            raise ValueError("only one class is in y; both outcomes are needed to learn")
        return codes.astype(np.float64)

    def _fit_columns(
        self,
        columns: TrainingColumns,
        y: Floats,
        groups: Ints | None,
        times: NDArray[Any] | None,
        closes: NDArray[Any] | None,
    ) -> None:
        rare = int(min(y.sum(), len(y) - y.sum()))
        if rare < self.least:
            self._keep_constant(columns, y, rare)
            return
        setting = self._setting(len(y), rare, 1 / design_effect(y, groups))
        setting, tuning = self._tune(columns, y, groups, times, closes, setting)
        trial = self._try(columns, y, groups, times, closes, setting, None)
        targets = (
            ()
            if self.fast or not setting.kinds
            else screen_targets(columns, y, assign_folds(y, groups, 5, 3))
        )
        if targets:
            rich = setting.with_targets(targets)
            other = self._try(columns, y, groups, times, closes, rich, trial)
            trial = better(trial, other, y, groups)
        blend = choose(trial.tables)
        chosen = setting.with_targets(trial.targets)
        fitted = fill_up(trial.fitted, blend, columns, y, groups, chosen)
        margins = blend.margin(fitted.margins)
        spreads = TRUSTED if setting.kinds else CERTAIN
        calibration, cohort = self._calibrate(y, margins, times, groups, spreads)
        drift = trial.level_by_fold(y, blend, setting.worth)
        self.report_: dict[str, Any] = {
            "winner": blend.name,
            "chosen_on": "forward folds" if trial.forward else "random folds",
            "forward_folds": _rows(trial.tables[0]) if trial.forward else None,
            "random_folds": _rows(trial.tables[-1]),
            "rounds": {name: list(f.rounds) for name, f in fitted.forests.items()},
            "penalty": {name: round(v, 3) for name, v in fitted.linear.ridge.items()},
            "targets_tried": [list(target) for target in targets],
            "targets": [list(target) for target in trial.targets],
            "tuning": {} if tuning is None else asdict(tuning),
            "calibration": calibration.why or "",
            "newest_cohort": {} if cohort is None else asdict(cohort),
            "drift": _rows(drift),
        }
        intervals = fit_intervals(
            margins,
            y,
            calibration,
            groups=groups,
            drift=spread_between(drift),
            draws=30 if self.fast else 100,
            seed=self.seed,
        )
        self._keep(columns, fitted.blended(blend), margins, calibration, intervals)

    def _setting(self, n: int, rare: int, worth: float) -> Setting:
        members = max(2, min(3 if self.fast else self.members, rare))
        trees = self.learner == "auto" and rare >= LEAST_FOR_FOREST
        kinds: tuple[str, ...] = ("extra", "boosted")
        kinds += () if self.fast else ("plain",) if n <= LARGE else ("plain", "deep")
        repeats = 1 if self.fast else self.repeats if n <= LARGE else min(2, self.repeats)
        return Setting(
            recipe=Recipe(rate=0.1, patience=30) if self.fast else Recipe(rate=_rate(n)),
            members=members,
            most=members * repeats,
            bends=BENDS if self.learner == "auto" and rare >= LEAST_FOR_BENDS else 0,
            seed=self.seed,
            threads=self.threads,
            worth=worth,
            kinds=kinds if trees else (),
        )

    def _tune(
        self,
        columns: TrainingColumns,
        y: Floats,
        groups: Ints | None,
        times: NDArray[Any] | None,
        closes: NDArray[Any] | None,
        setting: Setting,
    ) -> tuple[Setting, TuningFigures | None]:
        """Spend the time budget, if there is one, on the recipe of the forests."""
        if self.budget_s <= 0 or not setting.kinds:
            return setting, None
        splits = [] if times is None else forward_splits(times, closes, groups, 3)
        fold = assign_folds(y, groups, 3, self.seed)
        design = Design.make(columns, y, fold)
        recipe, figures = tune(
            design,
            y,
            groups,
            splits or random_splits(fold),
            setting.recipe,
            budget_s=self.budget_s,
            seed=self.seed,
            threads=self.threads,
        )
        return replace(setting, recipe=recipe), figures

    def _try(
        self,
        columns: TrainingColumns,
        y: Floats,
        groups: Ints | None,
        times: NDArray[Any] | None,
        closes: NDArray[Any] | None,
        setting: Setting,
        known: SettingTrial | None,
    ) -> SettingTrial:
        """Fit all components ahead and on all rows, and tabulate the candidates on both."""
        folds = 2 if self.fast else 4 if len(y) <= LARGE else 3
        forward = go_forward(columns, y, groups, times, closes, setting, folds=folds)
        fitted = fit_components(columns, y, groups, setting, known.fitted if known else None)
        tables = [compare_blends(y, fitted.margins, groups=groups)]
        if forward is not None:
            rows = forward.rows
            codes = None if groups is None else groups[rows]
            tables.insert(0, compare_blends(y[rows], forward.margins, forward.fold, codes))
        return SettingTrial(forward, fitted, tables, setting.targets)

    def _calibrate(
        self,
        y: Floats,
        margins: Floats,
        times: NDArray[Any] | None,
        groups: Ints | None,
        spreads: tuple[float, float],
    ) -> tuple[Calibration, CohortLevel | None]:
        """Fit the calibration, then move its level to the newest fifth where it is clearly off."""
        calibration = fit_calibration(margins, y, seed=self.seed, spreads=spreads, groups=groups)
        if times is None:
            return calibration, None
        newest = np.argsort(times, kind="stable")[int(0.8 * len(y)) :]
        worth = 1 / design_effect(y, groups)
        return refit_intercept(calibration, margins[newest], y[newest], worth=worth)

    def _keep_constant(self, columns: TrainingColumns, y: Floats, rare: int) -> None:
        rate = (y.sum() + 0.5) / (len(y) + 1.0)
        level = float(np.log(rate / (1 - rate)))
        why = f"{rare} of the rarer outcome, under {self.least}: the base rate for every lead"
        self.report_ = {"winner": "constant", "chosen_on": why, "forward_folds": None}
        self.report_ |= {"random_folds": [], "calibration": why}
        margins = np.full(len(y), level)
        calibration = IdentityCalibration(why)
        parts = MarginParts((), LinearPart(level, ()), None, ())
        self._keep(columns, parts, margins, calibration, fit_intervals(margins, y, calibration))

    def _keep(
        self,
        columns: TrainingColumns,
        parts: MarginParts,
        margins: Floats,
        calibration: Calibration,
        intervals: IntervalOffsets,
    ) -> None:
        self.margins_ = margins
        self.forest_text_ = parts.forest_text
        self.parts_ = ModelParts(
            features=feature_columns(columns.features),
            encoders=parts.encoders,
            linear=parts.linear,
            forest=parts.forest,
            calibration=calibration,
            card=propose(calibrated_log_odds(calibration, margins)),
            intervals=intervals,
            meta=ModelFacts(learner=str(self.report_["winner"]), rows=columns.n),
        )


def _rows(figures: Sequence[Any]) -> list[dict[str, float | str]]:
    """Write figures as the report holds them."""
    return [asdict(each) for each in figures]


def _plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Give every column a name and a dtype that the predictor reads: numbers, or words."""
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        raise ValueError("column names are not unique")
    plain = frame.set_axis(names, axis=1)
    dated = [n for n in names if pd.api.types.is_datetime64_any_dtype(plain[n].dtype)]
    return plain.assign(**{name: plain[name].astype(str) for name in dated}) if dated else plain


def _rate(n: int) -> float:
    """Take larger steps on more rows: the time of a fit grows slower than the rows."""
    return 0.03 if n <= LARGE else 0.06
