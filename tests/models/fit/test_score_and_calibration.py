"""Calibration, intervals, score card: what they promise, and what they do on nonsense."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.frame import Catalogue, Feature
from models.fit.baselines import fit_all
from models.fit.calibration import (
    fit_blend,
    fit_calibration,
    kept_ahead,
    level_missed,
    move,
    spread_between,
)
from models.fit.encoders import cross_fit_target, describe, read_columns
from models.fit.folds import assign_folds, forward_splits
from models.fit.intervals import fit_intervals
from models.fit.pairs import screen_targets
from models.predictor import (
    ScoreCard,
    calibrate,
    calibrated_log_odds,
    card_exact,
    interval,
)
from models.scorecard import bands_with_hysteresis, clipped_share, percentile, propose, trend


def outcomes(n: int, seed: int = 0, slope: float = 1.0, level: float = 0.0):
    rng = np.random.default_rng(seed)
    margins = rng.normal(-1.5, 1.2, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-(slope * margins + level)))).astype(float)
    return margins, y


@pytest.mark.parametrize(
    ("n", "slope", "kinds"),
    [
        (60, 1.0, {"identity"}),
        (800, 1.0, {"logistic"}),
        (6000, 1.0, {"identity"}),
        (6000, 0.5, {"logistic", "beta", "blend"}),
    ],
)
def test_the_ladder_climbs_with_the_evidence(n, slope, kinds):
    calibration = fit_calibration(*outcomes(n, slope=slope))
    assert calibration.kind in kinds
    assert calibration.why


def test_an_overconfident_margin_is_put_right():
    margins, y = outcomes(20_000, slope=0.5)
    p = calibrate(fit_calibration(margins, y), margins)
    assert np.mean((p - 1 / (1 + np.exp(-0.5 * margins))) ** 2) < 1e-3


@settings(max_examples=25, deadline=None)
@given(st.integers(30, 3000), st.integers(0, 1000), st.floats(0.2, 3))
def test_every_calibration_is_strictly_increasing(n, seed, slope):
    margins, y = outcomes(n, seed, slope)
    grid = calibrated_log_odds(fit_calibration(margins, y), np.linspace(-12, 12, 500))
    assert (np.diff(grid) > 0).all()


def test_a_calibration_stays_only_where_it_does_not_lose_ahead():
    steep = fit_calibration(*outcomes(6000, slope=1.6))
    ones = np.ones(3000)
    assert kept_ahead(steep, *outcomes(3000, seed=1, slope=1.6), ones) is steep
    faded = kept_ahead(steep, *outcomes(3000, seed=1, slope=0.7), ones)
    assert faded.kind == "identity"
    assert str(steep.why) in str(faded.why)
    assert "ahead of its fit" in str(faded.why)


def test_a_few_outermost_rows_do_not_promise_certainty():
    margins, y = outcomes(6000)
    margins[:3], y[:3] = 3.0, 1.0
    bent = fit_blend(margins, y).second.probabilities
    assert (np.diff(bent) >= 0).all()
    assert bent[0] > 1e-3
    assert bent[-1] < 0.97


@pytest.mark.parametrize("n", [300, 20_000])
def test_moving_any_calibration_raises_its_log_odds(n):
    margins, y = outcomes(n)
    calibration = fit_calibration(margins, y)
    up = calibrated_log_odds(move(calibration, 0.5), margins)
    assert np.mean(up - calibrated_log_odds(calibration, margins)) == pytest.approx(0.5, abs=0.1)


def test_the_level_missed_is_the_level_that_was_added():
    missed = level_missed(*outcomes(20_000, level=0.4))
    assert missed.shift == pytest.approx(0.4, abs=0.07)
    assert spread_between([missed, missed]) == pytest.approx(missed.shift, abs=0.05)
    assert spread_between([]) == 0


def test_intervals_cover_the_truth_and_narrow_with_evidence():
    widths = []
    for n in (300, 6000):
        margins, y = outcomes(n)
        calibration = fit_calibration(margins, y)
        intervals = fit_intervals(margins, y, calibration, draws=60)
        at = np.linspace(-3, 0, 20)
        low, high = interval(intervals, at, calibrated_log_odds(calibration, at))
        truth = 1 / (1 + np.exp(-at))
        assert np.mean((low <= truth) & (truth <= high)) > 0.6
        widths.append(float(np.mean(high - low)))
    assert widths[1] < widths[0]


def test_drift_between_periods_widens_the_interval():
    margins, y = outcomes(3000)
    calibration = fit_calibration(margins, y)
    calm, moved = (
        fit_intervals(margins, y, calibration, drift=d, draws=60).high for d in (0.0, 0.5)
    )
    assert np.mean(moved) > np.mean(calm) + 0.2


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 3000), st.floats(0.1, 4), st.floats(-5, 3), st.integers(0, 99))
def test_a_proposed_card_clips_fewer_than_one_lead_in_a_hundred(n, spread, middle, seed):
    log_odds = np.random.default_rng(seed).normal(middle, spread, n)
    card = propose(log_odds)
    assert clipped_share(card, log_odds) < 0.01
    assert 0 < card.points_to_double <= 10
    assert card_exact(card, np.array([np.median(log_odds)]))[0] == pytest.approx(50)


def test_points_double_the_odds():
    card = propose(np.zeros(10), points_to_double=10.0, anchor_probability=0.03)
    odds = np.log(0.03 / 0.97) + np.log(2) * np.arange(3)
    np.testing.assert_allclose(card_exact(card, odds), [50, 60, 70])


@pytest.mark.parametrize(
    ("score", "before", "after"),
    [
        (71, "B", "B"),
        (72.5, "B", "A"),
        (69, "A", "A"),
        (67, "A", "B"),
        (71, None, "A"),
        (10, "A", "D"),
        (99, "D", "A"),
        (55, "nonsense", "B"),
    ],
)
def test_a_band_changes_only_past_the_cut_by_the_hysteresis(score, before, after):
    card = ScoreCard(10, 50, 0.2, {"A": 70, "B": 55, "C": 40})
    assert bands_with_hysteresis(
        card, np.array([float(score)]), [before], hysteresis=2.0
    ).tolist() == [after]


def test_trend_has_four_states_and_percentiles_share_ties():
    found = trend(np.array([50.0, 50, 50, 50]), np.array([40.0, 49, 60, np.nan]))
    assert found.tolist() == ["rising", "steady", "falling", "new"]
    assert percentile(np.array([1.0, 1.0, 2.0])).tolist() == pytest.approx(
        [100 / 3, 100 / 3, 250 / 3]
    )


def test_groups_stay_together_in_folds_and_forward_folds_are_purged():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 400)
    y = (rng.random(400) < 0.3).astype(float)
    fold = assign_folds(y, groups, 5, 1)
    assert all(len(set(fold[groups == g])) == 1 for g in set(groups.tolist()))
    times = np.sort(rng.integers(0, 1000, 400))
    for past, ahead in forward_splits(times, times + 50, groups, 4):
        assert (times[past] + 50).max() <= times[ahead].min()
        assert not set(groups[past]) & set(groups[ahead])


def test_a_cross_fitted_encoding_of_noise_knows_nothing_of_its_own_row():
    rng = np.random.default_rng(0)
    keys = np.arange(2000) // 2
    y = rng.integers(0, 2, 2000).astype(float)
    fold = rng.integers(0, 5, 2000)
    values, counts = cross_fit_target(keys, y, 1000, 1.0, fold)
    assert abs(np.corrcoef(values, y)[0, 1]) < 0.08
    assert counts.max() <= 3


def test_a_pair_that_decides_is_found_and_pairs_of_noise_are_not():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({c: rng.choice(list("abcdef"), 4000) for c in ("one", "two", "three")})
    code = {letter: i for i, letter in enumerate("abcdef")}
    odd = (frame["one"].map(code) + frame["two"].map(code)) % 2
    y = (rng.random(4000) < np.where(odd == 1, 0.6, 0.2)).astype(float)
    columns = read_columns(frame, describe(frame))
    assert screen_targets(columns, y, np.arange(4000) % 5) == (("one", "two"),)


def test_baselines_use_what_the_catalogue_says_and_fall_back_to_the_base_rate():
    rng = np.random.default_rng(0)
    days = rng.exponential(20, 1500)
    demos = rng.poisson(0.5, 1500)
    z = -1 - 0.05 * days + demos
    y = (rng.random(1500) < 1 / (1 + np.exp(-z))).astype(float)
    frame = pd.DataFrame(
        {"days_since_last_event": days, "n_demo": demos, "noise": rng.random(1500)}
    )
    catalogue = Catalogue(
        (
            _feature("days_since_last_event", "days_since_last_event", {"label": "event"}),
            _feature("n_demo", "count_ever", {"label": "demo", "event": "demo_request"}),
            _feature("noise", "attribute", {"label": "noise"}),
        )
    )
    fitted = fit_all(frame, y, catalogue)
    losses = {
        name: -np.mean(np.log(np.where(y > 0, p, 1 - p)))
        for name, p in ((name, b.predict(frame)) for name, b in fitted.items())
    }
    assert losses["rule"] < losses["prior"]
    assert losses["recency"] < losses["prior"]
    plain = fit_all(frame[["noise"]], y)
    assert not plain["rule"].available
    np.testing.assert_allclose(plain["rule"].predict(frame), (y.sum() + 0.5) / 1501)


def _feature(name: str, template: str, params: dict[str, str | int | float]) -> Feature:
    return Feature(name, "number", "engagement", name, name, template, params)
