"""A rule in points: what it gives points for, how outcomes update it, and where it fades."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest

import leadscore as ls
from features.frame import Catalogue, Feature
from features.persons import seniority
from models.fit.encoders import read_columns
from models.fit.learner import LeadClassifier
from models.fit.linear import fit_linear
from models.fit.model_choice import fit_rule
from models.fit.rule_points import POINT, SCALE, SENIOR, RulePoints, make_rule
from models.fit.training_rows import TrainingRows


def feature(name: str, kind: str, template: str, **params: str) -> Feature:
    return Feature(name, kind, "fit", name, name, template, params)


FEATURES = (
    feature("n_trial_ever", "number", "count_ever", event="trial"),
    feature("seniority", "category", "seniority"),
    feature("employees", "number", "attribute", column="employees"),
    feature("budget", "category", "attribute", column="budget"),
)
LEAD = {"n_trial_ever": 0.0, "seniority": "other", "employees": 10.0, "budget": None}
POINTS = RulePoints({"trial": 9, "icp": 7}, ("budget",), (("employees >= 50", 1.0),), 0.1)


def leads(*changes: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame([LEAD | change for change in changes])


def many(n: int, sign: float, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Leads whose trials make a conversion likelier (sign 1) or less likely (-1)."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "n_trial_ever": rng.poisson(0.7, n).astype(float),
            "seniority": rng.choice(["director", "other"], n),
            "employees": rng.integers(1, 200, n).astype(float),
            "budget": rng.choice(np.array(["yes", None], object), n),
        }
    )
    chance = 1 / (1 + np.exp(2 - sign * frame["n_trial_ever"].to_numpy()))
    return frame, (rng.random(n) < chance).astype(float)


@pytest.mark.parametrize(
    ("change", "points"),
    [
        ({}, 0),
        ({"n_trial_ever": 1.0}, 9),
        ({"n_trial_ever": 8.0}, 27),
        ({"seniority": "director"}, 6),
        ({"employees": 49.0}, 0),
        ({"employees": 50.0}, 7),
        ({"employees": np.nan}, 0),
        ({"budget": "yes"}, 4),
        ({"n_trial_ever": 1.0, "seniority": "founder", "employees": 80.0}, 22),
    ],
)
def test_every_point_is_given_for_one_column(change, points):
    columns = read_columns(leads(change), FEATURES)
    assert make_rule(POINTS, columns).values(columns) / POINT == pytest.approx(points)


@pytest.mark.parametrize("title", ["Head of Sales", "Sales Director", "Founder", "CEO", "VP Sales"])
def test_directors_and_founders_count(title):
    assert seniority(title) in SENIOR


def test_what_no_column_says_alone_is_left_out_and_named():
    points = RulePoints(profile=(("employees >= 5 or budget is known", 1.0),))
    rule = make_rule(points, read_columns(leads({}), FEATURES))
    assert rule.left_out == ("employees >= 5 or budget is known",)


def test_before_outcomes_the_mean_probability_is_the_expected_rate():
    frame, y = many(400, 1)
    columns = read_columns(frame, FEATURES)
    fitted = fit_rule(TrainingRows(columns, 0 * y), POINTS, known=False)
    p = 1 / (1 + np.exp(-fitted.margins))
    assert p.mean() == pytest.approx(0.1, abs=1e-6)
    assert np.corrcoef(p, frame["n_trial_ever"])[0, 1] > 0.5


@pytest.mark.parametrize(("sign", "kept"), [(1, True), (-1, False)])
def test_a_line_keeps_a_rule_that_outcomes_bear_out_and_drops_one_that_they_turn_round(sign, kept):
    frame, y = many(3000, sign)
    columns = read_columns(frame, FEATURES)
    bare = RulePoints({"trial": 10, "senior": 0, "answer": 0})
    line = fit_linear(columns, y, np.zeros(len(y), np.int64), rule=bare)
    assert (SCALE in line.ridge) is kept
    slope = np.polyfit(frame["n_trial_ever"], line.margin(columns), 1)[0]
    assert slope == pytest.approx(sign, abs=0.25)


def test_under_the_least_outcomes_the_estimator_is_its_rule_and_explains_itself_exactly():
    frame, y = many(300, 1)
    y[np.flatnonzero(y)[4:]] = 0
    model = LeadClassifier(rule=POINTS, catalogue=Catalogue(FEATURES)).fit(frame, y)
    assert model.report_["winner"] == "rule"
    told = model.scorer().contributions(frame)
    assert told.base + told.values.sum(axis=1) == pytest.approx(told.margin, abs=1e-9)
    assert told.margin == pytest.approx(model.margins_, abs=1e-9)


def test_a_public_rule_scores_plain_columns_until_outcomes_have_come():
    frame = pd.DataFrame({"employees": [10.0, 80.0, np.nan] * 40, "budget": [None, "yes"] * 60})
    rule = ls.RulePoints({"icp": 12}, ("budget",), (("employees >= 50", 1.0),), expected_rate=0.1)
    y = (np.arange(120) < 3).astype(int)
    p = ls.LeadClassifier(rule=rule).fit(frame, y).predict_proba(frame)[:, 1]
    assert p[1] > p[0]
    assert p[1] == p[3 + 4] > p[2 + 2]  # 80 employees with a known budget; neither


def test_a_rule_takes_no_more_memory_than_the_regression_it_stands_in_for():
    rng = np.random.default_rng(4)
    numbers = {f"a{i}": rng.normal(size=60_000).astype(np.float32) for i in range(20)}
    frame, y = many(60_000, 1.0)
    columns = read_columns(frame.assign(**numbers), (*FEATURES, *map(plain, numbers)))
    fold = np.arange(60_000) % 3

    def peak(fit):
        tracemalloc.start()
        fit()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    line = peak(lambda: fit_linear(columns, y, fold, rule=POINTS))
    assert peak(lambda: fit_rule(TrainingRows(columns, y), POINTS)) < 1.3 * line


def plain(name: str) -> Feature:
    return feature(name, "number", "attribute", column=name)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (RulePoints({"icpp": 12}), "rule.points: there is no 'icpp'; did you mean 'icp'"),
        (
            RulePoints(answers=("budgt",)),
            "rule.answers: there is no 'budgt'; did you mean 'budget'",
        ),
        (
            RulePoints(profile=(("nonexist >= 50", 1.0),)),
            "rule.profile: there is no 'nonexist'; there are: budget, employees, n_trial_ever",
        ),
    ],
)
def test_an_estimator_refuses_points_for_what_is_not_there(
    points: RulePoints, message: str
) -> None:
    frame, y = many(40, 1)
    with pytest.raises(ls.InputError, match=message):
        LeadClassifier(rule=points, learner="rule").fit(frame, y)
