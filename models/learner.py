"""Feature frame and outcomes -> the parts of an artifact: the estimator `LeadClassifier`."""

from __future__ import annotations

from dataclasses import replace
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
from models.calibration import fit_calibration
from models.candidates import (
    Blend,
    Setting,
    choose,
    compare_blends,
    components_ahead,
)
from models.encoders import (
    Columns,
    Design,
    Floats,
    Ints,
    describe,
    feature_dicts,
    read_columns,
)
from models.folds import assign_folds, forward_splits
from models.forest import Forest, ForestTask, Recipe, fit_forest
from models.linear import LinearFit, cross_fit_linear, fit_linear
from models.predictor import LeadScorer, calibrated_log_odds
from models.scorecard import propose

LEAST_FOR_FOREST = 30
"""Of the rarer outcome; below, a forest has nothing to hold its early stopping by."""


class LeadClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Calibrated probability of conversion from a frame of numbers and categories.

    Parameters: `seed`; `threads` (the result does not depend on it); `budget_s` seconds for
    tuning, 0 takes the recipe as it is; `members` folds per forest; `repeats` fold assignments;
    `fast` trades a little quality for a fit of seconds; `least` rows of the rarer outcome under
    which only the base rate is predicted; `catalogue` describes the columns, else their dtypes do.

    After `fit`: `classes_`, `report_` (candidates with their figures on forward and on random
    folds, and who won), `margins_` (n,) cross-fitted log-odds of the training rows.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        threads: int = 1,
        budget_s: float = 0.0,
        members: int = 5,
        repeats: int = 2,
        fast: bool = False,
        least: int = 6,
        catalogue: Catalogue | None = None,
    ) -> None:
        self.seed = seed
        self.threads = threads
        self.budget_s = budget_s
        self.members = members
        self.repeats = repeats
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
        frame = self._frame(X, reset=True)
        target = self._target(y, len(frame))
        codes = None if groups is None else pd.factorize(np.asarray(groups))[0].astype(np.int64)
        features = describe(frame, self.catalogue)
        columns = read_columns(frame, features)
        when = None if times is None else np.asarray(times)
        until = None if closes is None else np.asarray(closes)
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
        return calibrated_log_odds(self.parts_["calibration"], margin)

    def predict(self, X: pd.DataFrame | NDArray[Any]) -> NDArray[Any]:
        """Give the likelier class: (n,)."""
        check_is_fitted(self)
        found: NDArray[Any] = self.classes_[(self.decision_function(X) > 0).astype(np.int64)]
        return found

    def parts(self) -> tuple[dict[str, Any], list[str]]:
        """Hand over what the artifact holds: the JSON parts and the LightGBM texts."""
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
        columns: Columns,
        y: Floats,
        groups: Ints | None,
        times: NDArray[Any] | None,
        closes: NDArray[Any] | None,
    ) -> None:
        rare = int(min(y.sum(), len(y) - y.sum()))
        setting = self._setting(len(y), rare)
        if rare < self.least:
            self._keep_constant(columns, y, rare)
            return
        forward = self._compare_forward(columns, y, groups, times, closes, setting)
        folds = [
            assign_folds(y, groups, setting.members, self.seed * 100 + r)
            for r in range(1 if self.fast else self.repeats)
        ]
        fitted = _fit_components(columns, y, folds, setting)
        random = compare_blends(y, fitted.margins)
        blend = choose([forward, random] if forward else [random])
        margins = blend.margin(fitted.margins)
        calibration = fit_calibration(margins, y, seed=self.seed)
        self.report_ = {
            "winner": blend.name,
            "chosen_on": "forward folds" if forward else "random folds",
            "forward_folds": forward,
            "random_folds": random,
            "rounds": {name: list(f.rounds) for name, f in fitted.forests.items()},
            "penalty": fitted.linear.c,
            "calibration": calibration.get("why", ""),
        }
        self._assemble(columns, fitted, blend, margins, calibration)

    def _setting(self, n: int, rare: int) -> Setting:
        rate, patience = (0.1, 30) if self.fast else (_rate(n), 80)
        extra = Recipe(rate=rate, patience=patience)
        recipes = (extra,) if self.fast else (extra, replace(extra, extra=False))
        members = min(self.members, 3) if self.fast else self.members
        return Setting(
            recipes,
            max(2, min(members, rare)),
            bends=6,
            targets=(),
            seed=self.seed,
            threads=self.threads,
            forests=rare >= LEAST_FOR_FOREST,
        )

    def _compare_forward(
        self,
        columns: Columns,
        y: Floats,
        groups: Ints | None,
        times: NDArray[Any] | None,
        closes: NDArray[Any] | None,
        setting: Setting,
    ) -> list[dict[str, Any]] | None:
        """Compare on purged forward folds; None where there is no time or no evidence."""
        if times is None or not setting.forests:
            return None
        splits = forward_splits(times, closes, groups, 2 if self.fast else 4)
        splits = [s for s in splits if _enough(y[s[0]]) and _enough(y[s[1]], 10)]
        if not splits:
            return None
        found = [components_ahead(columns, y, groups, split, setting) for split in splits]
        rows = np.concatenate([ahead for _, ahead in splits])
        components = {name: np.concatenate([f[name] for f in found]) for name in found[0]}
        return compare_blends(y[rows], components)

    def _keep_constant(self, columns: Columns, y: Floats, rare: int) -> None:
        rate = (y.sum() + 0.5) / (len(y) + 1.0)
        blend = Blend("constant")
        linear = LinearFit(float(np.log(rate / (1 - rate))), (), 0.0)
        why = f"{rare} of the rarer outcome, under {self.least}: the base rate for every lead"
        self.report_ = {"winner": "constant", "chosen_on": why, "forward_folds": None}
        self.report_ |= {"random_folds": [], "calibration": why}
        margins = np.full(len(y), linear.intercept)
        fitted = _Fitted(linear, {}, {"linear": margins}, None)
        calibration = {"kind": "identity", "why": why}
        self._assemble(columns, fitted, Blend("constant", linear=1.0), margins, calibration)
        self.report_["winner"] = blend.name

    def _assemble(
        self,
        columns: Columns,
        fitted: _Fitted,
        blend: Blend,
        margins: Floats,
        calibration: dict[str, Any],
    ) -> None:
        texts: list[str] = []
        weight = 0.0
        for name, share in (("alone", blend.alone), ("boosted", blend.boosted)):
            if share:
                texts += fitted.forests[name].texts
                weight = share / len(fitted.forests[name].texts)
        self.margins_ = margins
        self.forest_text_ = texts
        self.parts_: dict[str, Any] = {
            "features": feature_dicts(columns.features),
            "encoders": fitted.design.encoders() if fitted.design and texts else [],
            "linear": _scaled_linear(fitted.linear, blend.linear + blend.boosted),
            "forest": {"count": len(texts), "weight": weight} if texts else None,
            "offset": 0.0,
            "calibration": calibration,
            "card": propose(calibrated_log_odds(calibration, margins)),
            "intervals": {"kind": "none"},
            "reference": {},
            "meta": {"learner": blend.name, "rows": columns.n},
        }


class _Fitted:
    """The components fitted on all rows, with their out-of-fold margins."""

    def __init__(
        self,
        linear: LinearFit,
        forests: dict[str, Forest],
        margins: dict[str, Floats],
        design: Design | None,
    ) -> None:
        self.linear, self.forests, self.margins, self.design = linear, forests, margins, design


def _fit_components(columns: Columns, y: Floats, folds: list[Ints], setting: Setting) -> _Fitted:
    """Fit every component on all rows, with margins out of fold."""
    linear = fit_linear(columns, y, folds[0], bends=setting.bends)
    crossed = [
        cross_fit_linear(columns, y, fold, bends=setting.bends, c=linear.c) for fold in folds
    ]
    margins: dict[str, Floats] = {"linear": np.mean(crossed, axis=0)}
    forests: dict[str, Forest] = {}
    if not setting.forests:
        return _Fitted(linear, forests, margins, None)
    design = Design.make(columns, y, folds[0], targets=setting.targets)
    for name, start in (("alone", None), ("boosted", margins["linear"])):
        task = ForestTask(design.matrix_of, y, design.categorical, design.monotone, start)
        forest = fit_forest(
            task, folds, setting.recipes, seed=setting.seed, threads=setting.threads
        )
        forests[name] = forest
        margins[name] = forest.out_of_fold + (0.0 if start is None else start)
    return _Fitted(linear, forests, margins, design)


def _scaled_linear(linear: LinearFit, weight: float) -> dict[str, Any] | None:
    """Write the linear part times its weight in the blend; nothing where it has none."""
    if not weight:
        return None
    scaled = []
    for term in linear.terms:
        copy = {**term, "missing": term["missing"] * weight, "mean": term["mean"] * weight}
        if term["kind"] == "number":
            copy["coef"] = term["coef"] * weight
        else:
            copy["coefs"] = {level: c * weight for level, c in term["coefs"].items()}
            copy["other"] = term["other"] * weight
        scaled.append(copy)
    return {"intercept": linear.intercept * weight, "terms": scaled}


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
    return 0.03 if n <= 20_000 else 0.06


def _enough(y: Floats, least: int = LEAST_FOR_FOREST) -> bool:
    return bool(min(y.sum(), len(y) - y.sum()) >= least)
