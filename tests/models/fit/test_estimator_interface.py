"""LeadClassifier as scikit-learn's tools use it: tables, names, pipelines, copies, metadata."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data.errors import InputError
from leadscore import to_shap
from models.fit.learner import LeadClassifier
from tests.models.fit.test_learner import leads

ROWS = 400
FRAME, Y = leads(ROWS)
FAST = LeadClassifier(fast=True, learner="logistic")


def probabilities(model: LeadClassifier, X: object) -> np.ndarray:
    return model.predict_proba(X)[:, 1]


@pytest.fixture(scope="module")
def fitted() -> LeadClassifier:
    return LeadClassifier(fast=True).fit(FRAME, Y)


@pytest.mark.parametrize(
    "convert",
    [pl.from_pandas, pa.Table.from_pandas, lambda frame: frame.convert_dtypes()],
    ids=["polars", "Arrow", "pandas with missing values of its own"],
)
def test_a_table_of_any_library_gives_the_same_bytes(fitted, convert):
    table = convert(FRAME)
    model = LeadClassifier(fast=True).fit(table, Y)
    assert probabilities(model, table).tobytes() == probabilities(fitted, FRAME).tobytes()
    assert probabilities(model, FRAME).tobytes() == probabilities(fitted, table).tobytes()
    np.testing.assert_array_equal(model.feature_names_in_, fitted.feature_names_in_)


def test_outcomes_and_weights_of_any_library_are_taken():
    w = np.random.default_rng(0).integers(1, 3, ROWS)
    expected = probabilities(clone(FAST).fit(FRAME, Y, w), FRAME)
    for convert in (pd.Series, pl.Series, pa.array, list):
        model = clone(FAST).fit(FRAME, convert(Y.tolist()), convert(w.tolist()))
        assert probabilities(model, FRAME).tobytes() == expected.tobytes()


def test_names_of_columns_are_kept_and_compared(fitted):
    assert fitted.n_features_in_ == 4
    names = ["visits", "amount", "source", "country"]
    assert fitted.feature_names_in_.tolist() == names == fitted.get_feature_names_out().tolist()
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(FRAME.rename(columns={"visits": "visit"}))
    with pytest.raises(ValueError, match="input_features is not equal"):
        fitted.get_feature_names_out(["a", "b", "c", "d"])
    array = clone(FAST).fit(FRAME[["visits", "amount"]].to_numpy(), Y)
    assert not hasattr(array, "feature_names_in_")
    assert array.get_feature_names_out().tolist() == ["x0", "x1"]
    assert array.get_feature_names_out(["a", "b"]).tolist() == ["a", "b"]


def test_where_one_side_has_no_names_columns_go_by_position():
    numbers = FRAME[["visits", "amount"]]
    named, bare = clone(FAST).fit(numbers, Y), clone(FAST).fit(numbers.to_numpy(), Y)
    counted = clone(FAST).fit(numbers.set_axis([0, 1], axis=1), Y)
    assert counted.get_feature_names_out().tolist() == ["0", "1"]
    expected = probabilities(named, numbers)
    with pytest.warns(UserWarning, match="feature names"):
        np.testing.assert_array_equal(probabilities(named, numbers.to_numpy()), expected)
    with pytest.warns(UserWarning, match="feature names"):
        np.testing.assert_array_equal(probabilities(bare, numbers), expected)
    np.testing.assert_array_equal(probabilities(counted, numbers.to_numpy()), expected)


def test_the_repr_is_one_line_of_what_is_not_the_default():
    assert repr(LeadClassifier()) == "LeadClassifier()"
    busy = LeadClassifier(
        random_state=123456, n_jobs=-1, learner="logistic", fast=True, members=9, repeats=8, least=7
    )
    assert "\n" not in repr(busy)
    assert "random_state=123456" in repr(busy)


def test_copies_and_pickles_give_the_same(fitted):
    again = pickle.loads(pickle.dumps(fitted))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(probabilities(again, FRAME), probabilities(fitted, FRAME))
    copy = clone(fitted).set_params(least=9)
    assert copy.get_params() == {**fitted.get_params(), "least": 9}
    assert not hasattr(copy, "classes_")


def test_a_random_state_is_a_number_or_a_generator():
    def fit(state: object) -> bytes:
        return probabilities(
            LeadClassifier(fast=True, random_state=state).fit(FRAME, Y), FRAME
        ).tobytes()

    assert fit(np.random.RandomState(4)) == fit(np.random.RandomState(4)) != fit(4)
    assert fit(np.int64(7)) == fit(7)
    assert fit(2**32 - 1) == fit((2**32 - 1) % 1_000_000)  # too large for LightGBM as it is
    with pytest.raises(ValueError, match=r"seed|random_state|RandomState"):
        fit("seven")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"learner": "oracle"}, "learner 'oracle' is none of auto, logistic, rule, prior"),
        ({"members": 1}, "members is 1; it is 2 or more"),
        ({"repeats": 0}, "repeats is 0"),
        ({"budget_s": -1.0}, "budget_s is -1.0"),
        ({"budget_s": float("nan")}, "budget_s is nan"),
        ({"n_jobs": 0}, "n_jobs == 0"),
    ],
)
def test_a_wrong_parameter_is_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        LeadClassifier(**wrong).fit(FRAME, Y)


def test_what_goes_along_with_the_rows_is_as_long_as_they_are():
    for name in ("times", "closes", "groups"):
        with pytest.raises(ValueError, match=f"X has {ROWS} rows, {name} has 3"):
            clone(FAST).fit(FRAME, Y, **{name: np.arange(3)})


def test_it_works_in_pipelines_searches_and_calibration():
    scaled = make_column_transformer(
        (StandardScaler(), ["visits", "amount"]), remainder="passthrough"
    ).set_output(transform="pandas")
    pipe = make_pipeline(scaled, clone(FAST)).fit(FRAME, Y)
    assert pipe.predict_proba(FRAME).shape == (ROWS, 2)
    search = GridSearchCV(clone(FAST), {"least": [6, 10_000]}, cv=2, scoring="neg_log_loss")
    assert search.fit(FRAME, Y).best_params_ == {"least": 6}
    again = CalibratedClassifierCV(clone(FAST), cv=2).fit(FRAME, Y)
    assert again.predict_proba(FRAME).shape == (ROWS, 2)


def test_an_array_of_objects_holds_numbers_and_words():
    columns = make_column_transformer(("passthrough", ["visits", "source", "amount"]))
    pipe = make_pipeline(columns, clone(FAST)).fit(FRAME, Y)
    array = columns.transform(FRAME)
    assert array.dtype == object
    kinds = {feature.name: feature.kind for feature in pipe[-1].parts_.features}
    assert kinds == {"x0": "number", "x1": "category", "x2": "number"}
    frame = FRAME[["visits", "source", "amount"]]
    same = clone(FAST).fit(frame, Y).predict_proba(frame)
    np.testing.assert_allclose(pipe.predict_proba(FRAME), same, atol=1e-12)


def test_errors_of_the_estimator_are_of_our_tree_and_scikit_learns(fitted):
    wrong = FRAME.assign(visits="many")
    for call in (
        lambda: fitted.predict_proba(wrong),
        lambda: clone(FAST).fit(FRAME, Y, times=[None] * ROWS),
        lambda: clone(FAST).set_params(members=1).fit(FRAME, Y),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert isinstance(caught.value, ValueError)
    with pytest.raises(InputError, match="features: "):
        to_shap(fitted, FRAME.drop(columns="visits"))


def test_weights_that_are_shares_are_as_good_as_counts():
    w = np.random.default_rng(0).integers(1, 4, ROWS).astype(float)
    shares = clone(FAST).fit(FRAME, Y, w / w.sum())
    scaled = clone(FAST).fit(FRAME, Y, w / w.mean())
    np.testing.assert_allclose(shares.predict_proba(FRAME), scaled.predict_proba(FRAME), atol=1e-6)
    assert np.ptp(shares.predict_proba(FRAME)[:, 1]) > 0.1


def test_weights_and_groups_are_routed_through_tools():
    w, groups = np.random.default_rng(0).integers(1, 4, ROWS), np.arange(ROWS) // 4
    with config_context(enable_metadata_routing=True):
        asks = clone(FAST).set_fit_request(sample_weight=True, groups=True, times=True)
        asks = asks.set_score_request(sample_weight=True)
        found = cross_validate(
            make_pipeline(asks),
            FRAME,
            Y,
            cv=GroupKFold(2),
            params={"sample_weight": w, "groups": groups, "times": np.arange(ROWS)},
            return_estimator=True,
            return_indices=True,
        )
        train = found["indices"]["train"][0]
        expected = clone(FAST).fit(
            FRAME.iloc[train], Y[train], w[train], groups=groups[train], times=train
        )
        routed = found["estimator"][0]
        assert probabilities(routed, FRAME).tobytes() == probabilities(expected, FRAME).tobytes()
        with pytest.raises(ValueError, match=r"sample_weight.*not explicitly set as requested"):
            cross_validate(clone(FAST), FRAME, Y, params={"sample_weight": w}, error_score="raise")
