"""LeadClassifier: conformance, the choice among candidates, parts that say what the fit says."""

from __future__ import annotations

import json

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from models.fit.calibration import fit_calibration
from models.fit.candidates import DEFAULT, CandidateFigures, choose, error_of
from models.fit.encoders import describe, read_columns, target_encoders
from models.fit.learner import LeadClassifier
from models.fit.linear import LinearFit, fit_linear
from models.predictor import (
    PAIR,
    CodeEncoder,
    LeadScorer,
    ModelParts,
    NumberEncoder,
    calibrate,
    design_matrix,
)


@parametrize_with_checks([LeadClassifier(fast=True)])
def test_the_estimator_follows_scikit_learn(estimator, check):
    if "array_api" in str(check):
        pytest.skip("scikit-learn leaves this check out unless SCIPY_ARRAY_API is set")
    check(estimator)


def leads(n: int, seed: int = 0, *, curved: bool = True) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "visits": rng.poisson(3, n).astype(np.float32),
            "amount": np.where(rng.random(n) < 0.2, np.nan, rng.lognormal(8, 1, n)),
            "source": rng.choice(["web", "fair", "call", None], n, p=[0.5, 0.2, 0.2, 0.1]),
            "country": rng.choice([f"c{i}" for i in range(30)], n),
        }
    )
    z = -2 + 0.4 * frame["visits"] + 1.2 * (frame["source"] == "call")
    if curved:
        z = z - 0.08 * (frame["visits"] - 3) ** 2 * (frame["source"] == "web")
    y = (rng.random(n) < 1 / (1 + np.exp(-z))).astype(int)
    return frame, y.to_numpy() if hasattr(y, "to_numpy") else y


def test_the_parts_give_the_margins_that_the_members_and_the_line_give():
    frame, y = leads(1500)
    model = LeadClassifier(fast=True).fit(frame, y)
    parts, texts = model.parts()
    parts = ModelParts.from_json(json.loads(json.dumps(parts.to_json())))
    expected = np.zeros(len(frame))
    columns = read_columns(frame, describe(frame))
    if parts.linear:
        expected += LinearFit(parts.linear, {}).margin(columns)
    design = design_matrix(frame, parts.encoders) if texts else None
    for text in texts:
        booster = lgb.Booster(model_str=text)
        expected += parts.forest.weight * booster.predict(design, raw_score=True)
    found = LeadScorer(parts, texts).margin(frame)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    p = model.predict_proba(frame)[:, 1]
    np.testing.assert_allclose(p, calibrate(parts.calibration, found), atol=1e-12)


def test_the_design_matrix_is_the_same_in_fitting_and_in_the_predictor():
    frame, y = leads(400)
    columns = read_columns(frame, describe(frame))
    encoders = [
        NumberEncoder("visits", "visits"),
        CodeEncoder("source", "source", ("call", "web")),
        *target_encoders(columns, y.astype(float), ["source"], 20.0),
        *target_encoders(columns, y.astype(float), ["source", "country"], 20.0),
    ]
    np.testing.assert_array_equal(design_matrix(columns, encoders), design_matrix(frame, encoders))
    assert any(PAIR in key for key in encoders[4].values)


def test_the_same_seed_gives_the_same_bytes_with_one_and_two_threads():
    frame, y = leads(900)
    one = LeadClassifier(fast=True, n_jobs=1).fit(frame, y).parts()
    two = LeadClassifier(fast=True, n_jobs=2).fit(frame, y).parts()
    assert json.dumps(one[0].to_json()) == json.dumps(two[0].to_json())
    assert one[1] == two[1]


def test_row_order_of_columns_and_unseen_levels_do_not_break_scoring():
    frame, y = leads(600)
    model = LeadClassifier(fast=True).fit(frame, y)
    new = frame.head(3).assign(country="never seen", source=None)
    assert np.isfinite(model.decision_function(new)).all()


@pytest.mark.parametrize("rare", [0, 1, 3, 5])
def test_with_hardly_any_outcome_every_lead_gets_the_base_rate_or_a_refusal(rare):
    frame, _ = leads(200)
    y = np.zeros(200, dtype=int)
    y[:rare] = 1
    if rare == 0:
        with pytest.raises(ValueError, match="class"):
            LeadClassifier().fit(frame, y)
        return
    model = LeadClassifier().fit(frame, y)
    p = model.predict_proba(frame)[:, 1]
    assert np.ptp(p) == 0
    assert model.report_["winner"] == "constant"
    assert p[0] == pytest.approx((rare + 0.5) / 201)


def test_a_linear_world_keeps_the_line_alone_or_loses_nothing_by_more():
    frame, y = leads(2500, curved=False)
    model = LeadClassifier(fast=True).fit(frame, y)
    table = {row["candidate"]: row for row in model.report_["random_folds"]}
    won = table.get(model.report_["winner"])
    assert won["log_loss"] <= table["linear"]["log_loss"] + table["linear"]["standard_error"]


@pytest.mark.parametrize(
    ("tables", "winner"),
    [
        # the line is no worse than the default in any table: the simpler wins
        ([{"linear": (0, 0.002), DEFAULT: (0, 0)}, {"linear": (-0.001, 0.002)}], "linear"),
        # a little worse: the default stays
        ([{"linear": (0.001, 0.002), DEFAULT: (0, 0)}] * 2, DEFAULT),
        # better ahead, but worse on random folds: the default stays
        ([{"linear": (-0.001, 0.002), DEFAULT: (0, 0)}, {"linear": (0.01, 0.002)}], DEFAULT),
        # the forest is better by more than one error
        ([{"linear": (0.1, 0.01), "extra": (-0.01, 0.005), DEFAULT: (0, 0)}], "extra"),
        # better, but not by one error
        ([{"linear": (0.1, 0.01), "extra": (-0.001, 0.005), DEFAULT: (0, 0)}], DEFAULT),
    ],
)
def test_the_default_gives_way_to_a_line_no_worse_and_to_what_is_clearly_better(tables, winner):
    rows = [
        [
            CandidateFigures(name, 0.5 + behind, behind, error, error)
            for name, (behind, error) in table.items()
        ]
        for table in tables
    ]
    assert choose(rows).name == winner


def test_it_works_in_a_cross_validation_of_ones_own():
    frame, y = leads(800)
    scores = cross_val_score(clone(LeadClassifier(fast=True)), frame, y, cv=3, scoring="roc_auc")
    assert scores.mean() > 0.6


def test_times_give_forward_folds_and_both_tables_are_reported():
    frame, y = leads(1500)
    model = LeadClassifier(fast=True).fit(frame, y, times=np.arange(1500), groups=np.arange(1500))
    assert model.report_["chosen_on"] == "forward folds"
    assert model.report_["forward_folds"]
    assert model.report_["random_folds"]


def test_a_line_with_bends_follows_a_curve_that_a_straight_one_cannot():
    rng = np.random.default_rng(1)
    x = rng.uniform(-3, 3, 4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(-(2 - x**2)))).astype(float)
    frame = pd.DataFrame({"x": x})
    columns = read_columns(frame, describe(frame))
    fold = np.arange(4000) % 5
    loss = [
        np.mean(np.logaddexp(0, m) - y * m)
        for m in (fit_linear(columns, y, fold, bends=b).margin(columns) for b in (0, 6))
    ]
    assert loss[1] < loss[0] - 0.1


@pytest.mark.parametrize("n", [10, 30, 300, 4000])
def test_every_rung_of_the_calibration_ladder_is_strictly_increasing(n):
    rng = np.random.default_rng(n)
    margins = rng.normal(-1, 1.5, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-0.7 * margins))).astype(float)
    y[:2] = [0, 1]
    calibration = fit_calibration(margins, y)
    grid = calibrate(calibration, np.linspace(-8, 8, 2001))
    assert (np.diff(grid) > 0).all()


def test_a_time_budget_is_spent_on_the_recipe_and_reported():
    frame, y = leads(900)
    model = LeadClassifier(fast=True, budget_s=1.0).fit(frame, y, times=np.arange(900))
    assert model.report_["tuning"]["trials"] >= 1
    assert LeadClassifier(fast=True).fit(frame, y).report_["tuning"] == {}


def test_the_logistic_learner_is_the_line_alone_with_the_whole_artifact():
    frame, y = leads(1500)
    model = LeadClassifier(learner="logistic").fit(frame, y, times=np.arange(1500))
    parts, texts = model.parts()
    assert model.report_["winner"] == "linear"
    assert texts == ()
    assert parts.linear.terms
    assert parts.intervals is not None
    with pytest.raises(ValueError, match="none of auto, logistic"):
        LeadClassifier(learner="oracle").fit(frame, y)


def test_a_forest_boosted_on_the_line_learns_what_the_line_cannot():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(rng.normal(size=(3000, 4)), columns=list("abcd"))
    z = 0.8 * frame["a"] + 1.5 * np.sign(frame["b"] * frame["c"])
    y = (rng.random(3000) < 1 / (1 + np.exp(-z))).astype(int)
    model = LeadClassifier(fast=True).fit(frame, y)
    table = {row["candidate"]: row["log_loss"] for row in model.report_["random_folds"]}
    assert min(model.report_["rounds"]["boosted"]) > 10
    assert table["boosted"] < table["linear"] - 0.05


def test_what_one_period_says_is_no_evidence():
    steady = np.full(300, -0.1) + np.random.default_rng(0).normal(0, 0.1, 300)
    once = np.repeat([0.1, 0.1, -0.5], 100)
    period = np.repeat([0, 1, 2], 100)
    assert -steady.mean() > error_of(steady, period)
    assert -once.mean() > error_of(once)
    assert -once.mean() < error_of(once, period)
