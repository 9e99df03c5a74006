"""A row is read as it was fitted on, whatever stands beside it and however it is handed over."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import ArgumentError
from models.fit.learner import LeadClassifier

N = 300
RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, N)


def fitted(rows: object) -> LeadClassifier:
    return LeadClassifier(learner="logistic").fit(rows, Y)


def test_an_array_is_read_by_position_though_its_columns_are_named_like_others() -> None:
    rows = pd.DataFrame({"x1": RNG.normal(size=N) + Y, "x0": 5 * RNG.normal(size=N)})
    model = fitted(rows)
    with pytest.warns(UserWarning, match="feature names"):
        by_place = model.predict_proba(rows.to_numpy())
    np.testing.assert_array_equal(model.predict_proba(rows), by_place)


def test_a_category_without_a_word_in_this_batch_is_still_one() -> None:
    rows = np.empty((N, 2), object)
    rows[:, 0], rows[:, 1] = RNG.choice(["web", "fair", None], N), RNG.normal(size=N)
    rows[:3, 0] = None
    model = fitted(rows)
    np.testing.assert_array_equal(model.predict_proba(rows)[:3], model.predict_proba(rows[:3]))


def test_what_is_missing_throughout_a_batch_has_no_kind() -> None:
    rows = pd.DataFrame({"a": RNG.normal(size=N), "c": RNG.choice(["u", "v", None], N)})
    model = fitted(rows)
    for record in ({"a": None, "c": "u"}, {"a": 1.0, "c": np.nan}):
        assert np.isfinite(model.predict_proba(pd.DataFrame([record]))).all()
    with pytest.raises(ArgumentError, match="column a: is infinite"):
        model.predict_proba(pd.DataFrame([{"a": np.inf, "c": "u"}]))


def test_a_moment_is_the_same_category_beside_any_others() -> None:
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.integers(0, 3, N), "D")
    rows = pd.DataFrame({"t": days.to_series(index=range(N)), "a": RNG.normal(size=N)})
    rows.loc[0, "t"] += pd.Timedelta(hours=12)
    model = fitted(rows)
    few = model.predict_proba(rows.iloc[5:8])
    np.testing.assert_array_equal(model.predict_proba(rows)[5:8], few)
