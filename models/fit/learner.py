"""Feature frame and outcomes -> the parts of an artifact: the estimator `LeadClassifier`."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Final, Self, cast, get_args

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import assert_all_finite, check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    column_or_1d,
)

from data.errors import ArgumentError
from features.frame import Catalogue
from models.fit.encoders import describe, read_columns
from models.fit.estimator_inputs import frame_of_rows, of_fitted_kinds, rows_of, weights_of
from models.fit.model_choice import fit_model
from models.fit.rule_points import RulePoints, require_known_names
from models.fit.training_rows import FitOptions, Learner, TrainingRows
from models.predictor import (
    Floats,
    LeadScorer,
    ModelParts,
    PredictorError,
    calibrated_log_odds,
)

LEARNERS: Final = get_args(Learner)
SEEDS: Final = 1_000_000
"""Seeds from here on begin again at 0: what is made of them must fit into LightGBM's 32 bits."""


class LeadClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Calibrated probability of conversion from a table of numbers and categories.

    A regularised logistic regression, forests of LightGBM trees and their means compete on rows
    that none of them has seen; the winner is fitted on all rows and calibrated out of fold. Missing
    values and text columns are taken as they are; nothing needs to be encoded or scaled.

    Beside the winner a forest may weigh that grows on columns made of several: products,
    differences and ratios of numbers, rates of pairs and triples of categories. It gets the weight
    that pays on unseen rows, mostly none; points of what is made go in even parts to its columns.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=0
        The same number gives the same model, byte for byte. None draws from NumPy's global state.
    n_jobs : int or None, default=None
        Members of a forest that grow side by side; None is 1, -1 all cores. The model does not
        depend on it.
    learner : {"auto", "logistic", "rule", "prior"}, default="auto"
        "auto" chooses among all candidates, "logistic" fits the regularised line alone; "rule" and
        "prior" choose nothing: the points of a rule as the outcomes update them, and the base rate.
    fast : bool, default=False
        A fit of seconds at a little less quality.
    members : int, default=5
        Folds of a forest, a tree ensemble for each.
    repeats : int, default=4
        The chosen forests are filled up to so many times as many members; at most twice where the
        rows are many.
    budget_s : float, default=0.0
        Seconds to search for better settings of the forests (needs optuna); 0 takes them as they
        are. With a budget, the model depends on the speed of the machine.
    least : int, default=6
        Cases of the rarer class, rows counted by their weight, under which only the base rate is
        predicted.
    catalogue : Catalogue or None, default=None
        What each column is; None goes by its dtype: numbers are numbers, all else is a category.
    rule : RulePoints or None, default=None
        Points given by hand that the line begins from; how much they count is learned. Under
        `least` cases of the rarer class the rule alone is the model. None: the line begins from 0.
    uncombined : sequence of str, default=()
        Columns, or factors of the catalogue, of which nothing is made together with another column.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two classes in sorted order; probabilities are of the second.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns seen in `fit`; only where all are texts.
    report_ : dict
        The candidates with their figures on forward and on random folds, and who won.
    margins_ : ndarray of shape (n,)
        Cross-fitted log-odds of the training rows; NaN where the weight is 0.
    rows_seen_ : ndarray of shape (n_seen,)
        Index of the rows that anything was fitted on: those whose weight is not 0.
    parts_ : ModelParts
        Encoders, line, calibration, score card: what an artifact holds.
    forest_text_ : tuple of str
        The trees, as LightGBM writes them.

    See Also
    --------
    leadscore.train : From the tables of a CRM to an evaluated model, audited for leaks.
    leadscore.to_shap : The exact contributions, for the plots of shap.

    Notes
    -----
    `sample_weight` counts rows: 2 is a row seen twice, 0 a row that is not there, in every step
    that estimates something: terms and penalties of the line, trees and their early stopping,
    target encodings, the figures that candidates are chosen by, calibration, ranges. With
    `learner="logistic"` the model is that of the rows laid down so often, their copies in one group
    of `groups`. Four things go by rows whatever they weigh: the folds, since a row is in one
    however often it counts; where levels count as new; the least rows of a leaf; and the draws of
    the bootstrap behind the ranges.

    Weights that sum to 1 or less are shares, not counts: they are scaled to a mean of 1.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from leadscore import LeadClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({
    ...     "visits": rng.poisson(3, 400),
    ...     "source": rng.choice(["fair", "web", None], 400),
    ... })
    >>> y = rng.random(400) < 1 / (1 + np.exp(2 - 0.5 * X["visits"]))
    >>> model = LeadClassifier(fast=True).fit(X, y)
    >>> model
    LeadClassifier(fast=True)
    >>> model.predict_proba(X).shape
    (400, 2)
    >>> busy, idle = model.predict_proba(X.head(2).assign(visits=[9, 0]))[:, 1]
    >>> bool(busy > 0.7 > 0.3 > idle)
    True
    """

    def __init__(
        self,
        *,
        random_state: Any = 0,
        n_jobs: int | None = None,
        learner: str = "auto",
        fast: bool = False,
        members: int = 5,
        repeats: int = 4,
        budget_s: float = 0.0,
        least: int = 6,
        catalogue: Catalogue | None = None,
        rule: RulePoints | None = None,
        uncombined: Sequence[str] = (),
    ) -> None:
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.learner = learner
        self.fast = fast
        self.members = members
        self.repeats = repeats
        self.budget_s = budget_s
        self.least = least
        self.catalogue = catalogue
        self.rule = rule
        self.uncombined = uncombined

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        """Name the parameters that are not the defaults, in one line."""
        return " ".join(super().__repr__(N_CHAR_MAX).split())

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what is accepted: missing values, categories, two classes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.classifier_tags.multi_class = False
        return tags

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        times: Any = None,
        closes: Any = None,
        groups: Any = None,
    ) -> Self:
        """Choose among the candidates, fit the winner on all rows, calibrate it.

        Parameters
        ----------
        X : pandas, polars or Arrow table, or array of shape (n, n_features)
            Numbers and categories; both may be missing.
        y : array of shape (n,)
            Two classes; the second in sorted order is the conversion.
        sample_weight : array of shape (n,), optional
            How often each row counts; see the notes of the class.
        times : array of shape (n,), optional
            Orders the rows: choices are then made on forward folds.
        closes : array of shape (n,), optional
            When each label window closed, in the unit of `times`: rows whose outcome was not known
            yet are purged from the past of a forward fold.
        groups : array of shape (n,), optional
            Leads or accounts whose rows must stay together.

        Returns
        -------
        LeadClassifier
            This estimator.
        """
        options = self._options()
        frame = frame_of_rows(self, X, None)
        n, index = len(frame), X.index if isinstance(X, pd.DataFrame) else np.arange(len(frame))
        counted = weights_of(sample_weight, frame)
        seen = np.ones(n, dtype=bool) if counted is None else counted > 0
        counted = None if counted is None else counted[seen]
        target = self._target(y, n, seen)
        when = rows_of("times", times, n, seen)
        until = rows_of("closes", closes, n, seen)
        together = rows_of("groups", groups, n, seen)
        codes = None if together is None else pd.factorize(together)[0].astype(np.int64)
        kept = frame if seen.all() else frame[seen]
        columns = read_columns(kept, describe(kept, self.catalogue), counted)
        if self.rule is not None and self.catalogue is None:
            require_known_names(self.rule, columns.features)
        rows = TrainingRows.make(columns, target, codes, when, until)
        fitted = fit_model(rows, options)
        self.rows_seen_ = np.asarray(index)[seen]
        self.parts_, self.forest_text_ = fitted.parts, fitted.forest_text
        self.margins_, self.report_ = np.full(n, np.nan), fitted.report
        self.margins_[seen] = fitted.margins
        self._scorer_made = LeadScorer(self.parts_, self.forest_text_)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Give the calibrated probabilities.

        Parameters
        ----------
        X : pandas, polars or Arrow table, or array of shape (n, n_features)
            Rows with the columns that were fitted on.

        Returns
        -------
        numpy.ndarray
            (n, 2), in the order of `classes_`.
        """
        check_is_fitted(self)
        p = self.scorer().score(self._readable(X)).probability
        return np.column_stack([1 - p, p])

    def decision_function(self, X: Any) -> Floats:
        """Give the calibrated log-odds of the second class.

        Parameters
        ----------
        X : pandas, polars or Arrow table, or array of shape (n, n_features)
            Rows with the columns that were fitted on.

        Returns
        -------
        numpy.ndarray
            (n,), 0 where both classes are as likely.
        """
        check_is_fitted(self)
        return calibrated_log_odds(self.parts_.calibration, self.scorer().margin(self._readable(X)))

    def predict(self, X: Any) -> NDArray[Any]:
        """Give the likelier class.

        Parameters
        ----------
        X : pandas, polars or Arrow table, or array of shape (n, n_features)
            Rows with the columns that were fitted on.

        Returns
        -------
        numpy.ndarray
            (n,), of `classes_`.
        """
        check_is_fitted(self)
        likelier: NDArray[Any] = self.classes_[(self.decision_function(X) > 0).astype(np.int64)]
        return likelier

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Name the features that contributions are given for, in their order.

        Parameters
        ----------
        input_features : array of str, optional
            Compared with the names seen in `fit`; names the columns of an array.

        Returns
        -------
        numpy.ndarray
            One name for each column, (n_features,).
        """
        check_is_fitted(self)
        if input_features is None:
            return np.array([feature.name for feature in self.parts_.features], dtype=object)
        names: NDArray[np.object_] = _check_feature_names_in(self, input_features)
        return names

    def parts(self) -> tuple[ModelParts, tuple[str, ...]]:
        """Hand over what an artifact holds.

        Returns
        -------
        parts : ModelParts
            Encoders, line, calibration, score card.
        forest_text : tuple of str
            The trees, as LightGBM writes them.
        """
        check_is_fitted(self)
        return self.parts_, self.forest_text_

    def scorer(self) -> LeadScorer:
        """Give what applies the model; it is made again where this is a copy.

        Returns
        -------
        LeadScorer
            Margins and exact contributions of frames.
        """
        check_is_fitted(self)
        if not hasattr(self, "_scorer_made"):
            self._scorer_made = LeadScorer(self.parts_, self.forest_text_)
        return self._scorer_made

    def frame_of(self, X: Any) -> pd.DataFrame:
        """Lay rows out as the model reads them; columns of words in an object array are categories.

        Parameters
        ----------
        X : pandas, polars or Arrow table, or array of shape (n, n_features)
            Rows.

        Returns
        -------
        pandas.DataFrame
            Numbers and words, a column for each feature.
        """
        check_is_fitted(self)
        return frame_of_rows(self, X, self.parts_.features)

    def _readable(self, X: Any) -> pd.DataFrame:
        """Lay rows out; ArgumentError where a column holds words for numbers, or the reverse."""
        frame = of_fitted_kinds(self.frame_of(X), self.parts_.features)
        try:
            self.scorer().check(frame)
        except PredictorError as error:
            raise ArgumentError(str(error), cure="give it as it was fitted on") from None
        return frame

    def __getstate__(self) -> dict[str, Any]:
        """Leave the compiled scorer out of copies; it is made again when needed."""
        state: dict[str, Any] = {**super().__getstate__()}
        state.pop("_scorer_made", None)
        return state

    def _options(self) -> FitOptions:
        """Take the parameters for a fit; ValueError names the one that is wrong."""
        if self.learner not in LEARNERS:
            raise ArgumentError(f"learner {self.learner!r} is none of {', '.join(LEARNERS)}")
        for name, least in (("members", 2), ("repeats", 1), ("least", 1), ("budget_s", 0)):
            if not getattr(self, name) >= least:
                raise ArgumentError(f"{name} is {getattr(self, name)!r}; it is {least} or more")
        drawn = check_random_state(self.random_state)
        whole = isinstance(self.random_state, Integral)
        return FitOptions(
            seed=int(self.random_state) % SEEDS if whole else int(drawn.randint(SEEDS)),
            threads=joblib.effective_n_jobs(self.n_jobs),
            budget_s=self.budget_s,
            members=self.members,
            repeats=self.repeats,
            learner=cast("Learner", self.learner),
            fast=self.fast,
            least=self.least,
            rule=self.rule,
            apart=frozenset(self.uncombined),
        )

    def _target(self, y: Any, n: int, seen: NDArray[np.bool_]) -> Floats:
        """Code the classes of the rows that count as 0 and 1: (n_seen,)."""
        if y is None:
            raise ArgumentError("requires y to be passed, but the target y is None")
        values = column_or_1d(y, warn=True)
        assert_all_finite(values, input_name="y")
        if len(values) != n:
            raise ArgumentError(f"X has {n} rows, y has {len(values)}")
        check_classification_targets(values)
        self.classes_, codes = np.unique(values[seen], return_inverse=True)
        if len(self.classes_) > 2:
            raise ArgumentError(
                "Only binary classification is supported. The type of the target is "
                f"{type_of_target(values)}."
            )
        if len(self.classes_) < 2:
            raise ArgumentError(
                "only one class is in y, rows of weight 0 left out; both outcomes are needed to "
                "learn"
            )
        return codes.astype(np.float64)
