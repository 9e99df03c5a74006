"""Feature frame and outcomes -> the parts of an artifact: the estimator `LeadClassifier`."""

from __future__ import annotations

from typing import Any, Self, cast, get_args

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
from models.fit.encoders import describe, read_columns
from models.fit.model_choice import FitOptions, Learner, TrainingRows, fit_model
from models.predictor import Floats, LeadScorer, ModelParts, calibrated_log_odds

LEARNERS = get_args(Learner)


class LeadClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Calibrated probability of conversion from a frame of numbers and categories.

    Parameters: `seed`; `threads` (the result does not depend on it); `budget_s` seconds for
    tuning, 0 takes the recipe as it is; `members` folds of a forest; `repeats`: the model is
    filled up to so many times as many members, at most twice where the rows are many;
    `learner` "auto" chooses among all candidates, "logistic" fits the regularised line alone,
    "rule" and "prior" choose nothing: points for events and title, and the base rate;
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
        options = FitOptions(
            seed=self.seed,
            threads=self.threads,
            budget_s=self.budget_s,
            members=self.members,
            repeats=self.repeats,
            learner=cast("Learner", self.learner),
            fast=self.fast,
            least=self.least,
        )
        fitted = fit_model(TrainingRows(columns, target, codes, when, until), options)
        self.parts_, self.forest_text_ = fitted.parts, fitted.forest_text
        self.margins_, self.report_ = fitted.margins, fitted.report
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


def _plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Give every column a name and a dtype that the predictor reads: numbers, or words."""
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        raise ValueError("column names are not unique")
    plain = frame.set_axis(names, axis=1)
    dated = [n for n in names if pd.api.types.is_datetime64_any_dtype(plain[n].dtype)]
    return plain.assign(**{name: plain[name].astype(str) for name in dated}) if dated else plain
