"""Drift alarms where there is drift, and stays quiet where there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.explain.observed_rates import make_facts
from models.predictor import FeatureColumn
from training.monitor import compare_with_outcomes, drifting_features, stability_index

FEATURES = [
    FeatureColumn("x", "number", "fit", "x", "x", "attribute", {}),
    FeatureColumn("colour", "category", "fit", "colour", "colour", "attribute", {}),
]


def frame(n: int, seed: int, shift: float = 0.0, red: float = 0.5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": rng.normal(shift, 1, n),
            "colour": pd.Categorical(np.where(rng.random(n) < red, "red", "blue")),
        }
    )


@pytest.fixture(scope="module")
def facts():
    then = frame(5000, 0)
    return make_facts(then, np.zeros(5000), FEATURES)


def test_two_hundred_quiet_months_raise_at_most_one_alarm(facts):
    alarms = sum(
        any(signal.state != "green" for signal in drifting_features(frame(300, seed), facts))
        for seed in range(1, 201)
    )
    assert alarms <= 1


def test_a_shifted_number_and_a_shifted_category_are_named(facts):
    names = {s.name for s in drifting_features(frame(500, 1, shift=1.5), facts) if s.state == "red"}
    assert names == {"feature x"}
    names = {
        s.name for s in drifting_features(frame(500, 1, red=0.95), facts) if s.state != "green"
    }
    assert names == {"feature colour"}


def test_equal_histograms_have_index_zero():
    counts = np.array([10.0, 20.0, 30.0])
    assert stability_index(counts, 2 * counts) == pytest.approx(0)


def test_snapshots_of_one_lead_are_no_independent_witnesses():
    states = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        p = np.repeat(rng.uniform(0.05, 0.3, 300), 5)  # each lead is seen at five ages
        y = np.repeat(rng.random(300) < p[::5], 5).astype(np.float64)
        states.append(compare_with_outcomes(y, p, np.repeat(np.arange(300), 5)).state)
    assert states.count("red") <= 1
    assert 200 - states.count("green") <= 4


def test_a_promise_twice_too_high_is_red():
    rng = np.random.default_rng(1)
    p = np.full(3000, 0.3)
    y = np.repeat(rng.random(600) < 0.15, 5).astype(np.float64)
    assert compare_with_outcomes(y, p, np.repeat(np.arange(600), 5)).state == "red"
