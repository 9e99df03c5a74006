"""What the training outcomes allow is said in sentences: few conversions, segments, the level."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.fit.learner import LeadClassifier
from training.advice import advise, level_notes
from training.against_baselines import level_with_logistic


def leads(n: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    team = rng.choice(["north", "south", "new"], n, p=[0.5, 0.45, 0.05])
    x = rng.normal(size=n)
    z = -1 + x + np.where(team == "south", 1.0, 0.0)
    y = (rng.random(n) < 1 / (1 + np.exp(-z))).astype(float)
    return pd.DataFrame({"x": x}), y, team


def test_few_conversions_come_with_a_curve_and_the_number_still_needed():
    frame, y, _ = leads(90)
    learner = LeadClassifier().fit(frame, y)
    told = advise(learner, frame, y)
    columns = ["conversions", "log_loss", "prior", "gain", "error", "judged"]
    assert list(told.curve.columns) == columns
    assert told.curve["judged"].iloc[-1] == y.sum()
    assert any("strongly regularised logistic regression" in note for note in told.notes)
    assert any(note.startswith("learning curve:") for note in told.notes)
    again = advise(learner, frame, y, curve=told.curve)  # measured by an earlier fit
    assert (again.notes, again.shown, again.need) == (told.notes, told.shown, told.need)


def test_many_conversions_need_no_curve():
    frame, y, _ = leads(3000)
    told = advise(LeadClassifier(fast=True).fit(frame, y), frame, y)
    assert told.curve.empty
    assert told.notes == ()


def test_segments_that_the_columns_do_not_explain_are_named_after_pooling():
    frame, y, team = leads(3000)
    told = advise(LeadClassifier(fast=True).fit(frame, y), frame, y, segments={"team": team})
    assert set(told.segments["segment"]) == {"north", "south", "new"}
    shift = told.segments.set_index("segment")
    assert abs(shift.loc["new", "shift"]) < abs(shift.loc["new", "raw"])
    assert any("team south: converts more often" in note for note in told.notes)
    assert shift.loc["south", "verdict"] == "more"
    assert set(told.shown) <= set(told.notes)


@pytest.mark.parametrize(
    ("cohort", "words"),
    [
        ({}, None),
        ({"taken": 0.0}, "90% likely: the level was left as it is"),
        ({"taken": 0.0, "lasting": None}, "too few to tell whether"),
        ({"taken": 0.7}, "90% likely: all probabilities were moved by +0.70 in log-odds"),
    ],
)
def test_what_was_done_about_the_level_is_said(cohort, words):
    figures = {"rows": 100.0, "observed": 40.0, "expected": 20.0, "lasting": 0.9}
    said = level_notes(figures | cohort if cohort else {})
    assert said == [] if words is None else words in said[0] and "40 converting" in said[0]


@pytest.mark.parametrize(
    ("difference", "verdict", "shipped"),
    [(0.02, "worse", True), (-0.002, "level", True), (-0.02, "better", False)],
)
def test_logistic_regression_is_shipped_unless_another_model_is_clearly_better(
    difference, verdict, shipped
):
    row = {"against": "logistic", "difference": difference, "verdict": verdict, "error": 0.005}
    said = level_with_logistic(pd.DataFrame([row]))
    assert (said is not None) is shipped
    assert said is None or "logistic regression is shipped" in said
