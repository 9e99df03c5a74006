"""What training says of rows that count twice is what it says of the rows laid down twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.explain.observed_rates import make_facts
from models.fit.baselines import fit_all
from models.fit.encoders import describe, feature_columns
from models.metrics import compare
from models.scorecard import clipped_share, propose
from training.against_baselines import unproven_in_training
from training.evaluate import base_rates
from training.small_data import assess, learning_curve, pool_segments
from training.watch.feature_profile import make_feature_profile

N = 400
RNG = np.random.default_rng(8)
WEIGHTS = RNG.integers(1, 4, N).astype(float)
FRAME = pd.DataFrame(
    {
        "visits": RNG.poisson(3, N).astype(float),
        "size": np.where(RNG.random(N) < 0.1, np.nan, RNG.lognormal(3, 1, N)),
        "source": RNG.choice(np.array(["fair", "web", None], dtype=object), N),
    }
)
Y = (RNG.random(N) < 1 / (1 + np.exp(2 - 0.5 * FRAME["visits"]))).astype(float)
GROUPS = np.arange(N) // 2
LAID = np.repeat(np.arange(N), WEIGHTS.astype(int))
MARGINS = RNG.normal(-1, 1, N)


def test_facts():
    features = feature_columns(describe(FRAME))
    one = make_facts(FRAME, Y, features, WEIGHTS)
    two = make_facts(FRAME.iloc[LAID], Y[LAID], features)
    assert one.to_json() == two.to_json()


def test_the_profile_of_features_that_the_monitor_compares_with():
    facts = make_facts(FRAME, Y, feature_columns(describe(FRAME)))
    age, order = np.arange(N) % 40.0, np.arange(N)
    one = make_feature_profile(
        FRAME, facts, age_days=age, order=order, leads=GROUPS, row_weights=WEIGHTS
    )
    two = make_feature_profile(
        FRAME.iloc[LAID], facts, age_days=age[LAID], order=order[LAID], leads=GROUPS[LAID]
    )
    for name, table in one.counts.items():
        np.testing.assert_array_equal(table, two.counts[name])


def test_baselines():
    one = fit_all(FRAME, Y, None, WEIGHTS)
    two = fit_all(FRAME.iloc[LAID], Y[LAID])
    assert set(one) == {"prior", "recency", "rule"}
    for name, baseline in one.items():
        np.testing.assert_allclose(baseline.predict(FRAME), two[name].predict(FRAME), atol=1e-6)


def test_the_score_card():
    card = propose(MARGINS[LAID])
    assert clipped_share(card, MARGINS, WEIGHTS) == pytest.approx(
        clipped_share(card, MARGINS[LAID])
    )


def test_what_few_outcomes_allow():
    one, two = assess(Y, GROUPS, WEIGHTS), assess(Y[LAID], GROUPS[LAID])
    assert one == two


def test_the_shift_of_each_segment():
    segment = FRAME["source"].astype(str).to_numpy()
    one = pool_segments(MARGINS, Y, segment, groups=GROUPS, row_weights=WEIGHTS).table
    two = pool_segments(MARGINS[LAID], Y[LAID], segment[LAID], groups=GROUPS[LAID]).table
    pd.testing.assert_frame_equal(one, two)


def test_how_the_base_rate_moved():
    one = base_rates(Y, GROUPS, Y, GROUPS, WEIGHTS)
    assert one == base_rates(Y[LAID], GROUPS[LAID], Y, GROUPS)


def test_what_the_training_rows_prove():
    p = 1 / (1 + np.exp(-MARGINS))
    one = unproven_in_training(Y, p, GROUPS, row_weights=WEIGHTS)
    assert one == unproven_in_training(Y[LAID], p[LAID], GROUPS[LAID])
    gap = compare(Y, p, p * 0.9, GROUPS, row_weights=WEIGHTS)
    same = compare(Y[LAID], p[LAID], p[LAID] * 0.9, GROUPS[LAID])
    assert (gap.difference, gap.error) == pytest.approx((same.difference, same.error))


def test_the_learning_curve_counts_what_rows_stand_for():
    plain = learning_curve(FRAME, Y, groups=GROUPS, repeats=1)
    heavy = learning_curve(FRAME, Y, groups=GROUPS, repeats=1, row_weights=np.where(Y > 0, 1.0, 9))
    assert heavy["prior"].iloc[-1] < 0.5 * plain["prior"].iloc[-1]  # conversions are rarer
    assert heavy["conversions"].tolist() == plain["conversions"].tolist()
