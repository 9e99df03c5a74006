"""Feature frame -> the three baselines without a model that every model must beat.

Prior, recency and rule are fitted on a frame and outcomes and give probabilities. Recency and the
rule score are what a sales team does without a model; a one-column logistic regression only puts
them on the scale of probabilities. The fourth baseline is a model, the logistic regression that
would be shipped: `LeadClassifier(learner="logistic")`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.frame import Catalogue, Feature
from models.fit.empirical_bayes import base_log_odds, newton
from models.fit.encoders import TrainingColumns, describe, read_columns
from models.fit.folds import assign_folds
from models.fit.linear import LinearFit, fit_linear
from models.fit.row_weights import weighted_mean
from models.fit.rule_points import (
    LONGEST_SILENCE,
    MIDDLE,
    MOST_TIMES,
    SENIOR,
    SILENCE_DAYS,
    STRONG,
    longest_counts,
)
from models.predictor import (
    ColumnReader,
    Floats,
    LevelsTerm,
    LinearPart,
    NumberTerm,
    Term,
    columns_of,
)

SENIOR_POINTS = 2.0
SILENCE_POINTS = -2.0
RULE_RIDGE = 1.0


@dataclass(frozen=True, slots=True)
class Baseline:
    """A fitted baseline: what it looks at, and its line."""

    name: str
    available: bool
    columns_of: Callable[[pd.DataFrame], ColumnReader]
    line: LinearFit

    def predict(self, frame: pd.DataFrame) -> Floats:
        """Give probabilities: (n,)."""
        p: Floats = 1 / (1 + np.exp(-self.line.margin(self.columns_of(frame))))
        return p


def fit_prior(
    frame: pd.DataFrame,
    y: Floats,
    catalogue: Catalogue | None = None,
    row_weights: Floats | None = None,
) -> Baseline:
    """Take the base rate for every lead."""
    del catalogue
    return _fit("prior", frame, y, _nothing, row_weights, available=True)


def fit_recency(
    frame: pd.DataFrame,
    y: Floats,
    catalogue: Catalogue | None = None,
    row_weights: Floats | None = None,
) -> Baseline:
    """Look only at the time since the lead's last event; the base rate where no column says."""
    features = describe(frame, catalogue)
    latest = latest_activity(features)
    if latest is None:
        since = [f.name for f in features if f.template == "days_since"]
        take = _nothing if not since else lambda x: _one_column(_least(x, since))
        return _fit("recency", frame, y, take, row_weights, available=bool(since))
    name = latest.name
    return _fit(
        "recency", frame, y, lambda x: _one_column(_numbers(x, name)), row_weights, available=True
    )


def fit_rule(
    frame: pd.DataFrame,
    y: Floats,
    catalogue: Catalogue | None = None,
    row_weights: Floats | None = None,
) -> Baseline:
    """Add points for what the lead did and who it is, as a marketing team does by hand."""
    features = describe(frame, catalogue)
    columns = read_columns(frame, features, row_weights)
    line = LinearFit(fit_rule_line(columns, np.asarray(y, dtype=np.float64)), {})
    return Baseline("rule", bool(longest_counts(features)), columns_of, line)


def fit_rule_line(columns: TrainingColumns, y: Floats) -> LinearPart:
    """Put the points of the rule on the scale of log-odds; the base rate where they do not help.

    The points themselves are not learned, only what one of them is worth.
    """
    terms = _rule_terms(columns)
    counted = columns.weights
    points = np.sum([term.values(columns) for term in terms], axis=0) if terms else np.zeros(len(y))
    middle, won = weighted_mean(points, counted), float(np.sum(counted * y))
    design = np.column_stack([points - middle, np.ones(len(y))])
    level = base_log_odds(y, counted)
    if points.std() > 0 and 2 <= won <= float(counted.sum()) - 2:
        ridge, start = np.array([RULE_RIDGE, 0.0]), np.array([0.0, level])
        worth, level = newton(design, y, counted, ridge, start)
        if worth > 0:
            part = LinearPart(float(level - worth * middle), ())
            return replace(part, terms=tuple(term.times(float(worth)) for term in terms))
    return LinearPart(base_log_odds(y, counted), ())


def _rule_terms(columns: TrainingColumns) -> list[Term]:
    """List the terms of the rule, in points; none where no event is counted.

    3, 2 or 1 points for each kind of event seen (three times at most), 2 points less for every 30
    days of silence, 2 points for a senior title.
    """
    features = columns.features
    terms: list[Term] = [
        NumberTerm(
            feature.name,
            center=0.0,
            scale=1.0,
            coef=_weight(str(feature.params.get("event", feature.name))),
            missing=0.0,
            mean=0.0,
            low=0.0,
            high=MOST_TIMES,
        )
        for feature in longest_counts(features)
    ]
    recent, senior = _first(features, ("days_since_last_event",)), _first(features, ("seniority",))
    if terms and recent is not None:
        never = SILENCE_POINTS * LONGEST_SILENCE / SILENCE_DAYS
        silence = NumberTerm(recent.name, 0.0, SILENCE_DAYS, SILENCE_POINTS, never, 0.0)
        terms.append(replace(silence, low=0.0, high=LONGEST_SILENCE))
    if terms and senior is not None and senior.kind == "category":
        points = dict.fromkeys(SENIOR, SENIOR_POINTS)
        terms.append(LevelsTerm(senior.name, points, other=0.0, missing=0.0, mean=0.0))
    counted = columns.weights
    return [replace(term, mean=weighted_mean(term.values(columns), counted)) for term in terms]


FitBaseline = Callable[[pd.DataFrame, Floats, Catalogue | None, Floats | None], Baseline]
"""(training frame, outcomes, catalogue, how often each row counts) -> a fitted baseline."""

BASELINES: Mapping[str, FitBaseline] = {
    "prior": fit_prior,
    "recency": fit_recency,
    "rule": fit_rule,
}


def fit_all(
    frame: pd.DataFrame,
    y: Floats,
    catalogue: Catalogue | None = None,
    row_weights: Floats | None = None,
) -> dict[str, Baseline]:
    """Fit all three; `row_weights` (n,) say how often each row counts."""
    return {name: fit(frame, y, catalogue, row_weights) for name, fit in BASELINES.items()}


def _fit(
    name: str,
    frame: pd.DataFrame,
    y: Floats,
    read: Callable[[pd.DataFrame], TrainingColumns],
    row_weights: Floats | None,
    *,
    available: bool,
) -> Baseline:
    columns = replace(read(frame), row_weights=row_weights)
    target = np.asarray(y, dtype=np.float64)
    rare = int(min(target.sum(), len(target) - target.sum()))
    if rare < 2 or not (columns.numbers or columns.codes):
        constant = LinearFit(LinearPart(base_log_odds(target, columns.weights), ()), {})
        return Baseline(name, available, read, constant)
    fold = assign_folds(target, None, min(5, rare), 0)
    return Baseline(name, available, read, fit_linear(columns, target, fold))


def _nothing(frame: pd.DataFrame) -> TrainingColumns:
    return TrainingColumns((), {}, {}, {}, len(frame))


def _one_column(values: Floats) -> TrainingColumns:
    return TrainingColumns((), {"points": values}, {}, {}, len(values))


def _numbers(frame: pd.DataFrame, name: str) -> Floats:
    return frame[name].to_numpy(dtype=np.float64, na_value=np.nan)


def _least(frame: pd.DataFrame, names: Sequence[str]) -> Floats:
    values = np.column_stack([_numbers(frame, name) for name in names])
    lost = np.isnan(values).all(axis=1)
    least: Floats = np.where(lost, np.nan, np.min(np.where(np.isnan(values), np.inf, values), 1))
    return least


def latest_activity(features: Sequence[Feature]) -> Feature | None:
    """Find the column that says how long ago the lead's last event was."""
    return _first(features, ("days_since_last_event", "hours_since_last_event"))


def _first(features: Sequence[Feature], templates: Sequence[str]) -> Feature | None:
    for feature in features:
        if feature.template in templates or feature.name in templates:
            return feature
    return None


def _weight(event: str) -> float:
    words = event.lower()
    if any(word in words for word in STRONG):
        return 3.0
    return 2.0 if any(word in words for word in MIDDLE) else 1.0
