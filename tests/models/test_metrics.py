"""Metrics against scikit-learn, against what they should say of perfect models, and their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from models.metrics import (
    auc,
    average_precision,
    brier,
    compare,
    debiased_ece,
    evaluate,
    ici,
    intercept,
    lift_at,
    log_loss,
    observed_over_expected,
    precision_at,
    skill,
    slope,
    wilson,
)
from models.reliability import reliability_by, reliability_curve


def perfect(n: int, seed: int = 0, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-rng.normal(-1, spread, n)))
    return (rng.random(n) < p).astype(float), p


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_metrics_agree_with_scikit_learn(seed, tied):
    y, p = perfect(60, seed)
    if tied:
        p = np.round(p, 1).clip(0.05, 0.95)
    y[:2] = [0, 1]
    ones = np.ones(60)
    weights = np.random.default_rng(seed).integers(1, 4, 60).astype(float)
    for w in (ones, weights):
        assert auc(y, p, w) == pytest.approx(roc_auc_score(y, p, sample_weight=w))
        expected = average_precision_score(y, p, sample_weight=w)
        assert average_precision(y, p, w) == pytest.approx(expected)
        assert brier(y, p, w) == pytest.approx(brier_score_loss(y, p, sample_weight=w))
        assert log_loss(y, p, w) == pytest.approx(sklearn_log_loss(y, p, sample_weight=w))


def test_the_prior_has_no_skill_and_a_perfect_model_is_calibrated():
    y, p = perfect(40_000)
    ones = np.ones(len(y))
    assert skill(y, np.full(len(y), y.mean()), ones) == pytest.approx(0, abs=1e-9)
    assert slope(y, p, ones) == pytest.approx(1, abs=0.05)
    assert intercept(y, p, ones) == pytest.approx(0, abs=0.05)
    assert observed_over_expected(y, p, ones) == pytest.approx(1, abs=0.03)
    assert debiased_ece(y, p, ones) < 0.01
    assert ici(y, p, ones) < 0.01


def test_an_overconfident_model_has_a_slope_under_one_and_an_error_of_calibration():
    y, p = perfect(20_000)
    q = 1 / (1 + np.exp(-2 * np.log(p / (1 - p))))
    ones = np.ones(len(y))
    assert slope(y, q, ones) == pytest.approx(0.5, abs=0.05)
    assert debiased_ece(y, q, ones) > 0.04
    assert ici(y, q, ones) > 0.04


def plain_ece(y, p, bins=10):
    cell = np.minimum((p * bins).astype(int), bins - 1)
    return np.abs(np.bincount(cell, weights=y - p, minlength=bins)).sum() / len(y)


def test_the_debiased_error_of_a_perfect_model_is_smaller_than_the_plain_one():
    found = [
        (debiased_ece(y, p, np.ones(800)), plain_ece(y, p))
        for y, p in (perfect(800, seed) for seed in range(20))
    ]
    assert np.mean(found, axis=0)[0] < np.mean(found, axis=0)[1]


def test_an_error_of_calibration_lies_within_its_own_range():
    for seed in range(6):
        y, p = perfect(800, seed)
        for q in (p, np.full(800, y.mean()), np.clip(p * 1.5, 0, 0.99)):
            for name in ("debiased_ece", "ici"):
                found = evaluate(y, q, np.arange(800) // 2)[name]
                assert found.low <= found.value <= found.high


@pytest.mark.parametrize(
    ("y", "p", "share", "expected"),
    [
        ([1, 0, 0, 0], [0.9, 0.1, 0.2, 0.3], 0.25, 1.0),
        ([0, 1, 0, 0], [0.9, 0.1, 0.2, 0.3], 0.25, 0.0),
        ([1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5], 0.25, 0.25),
        ([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.3], 1.0, 0.5),
    ],
)
def test_precision_at_a_share_is_what_one_counts(y, p, share, expected):
    y, p = np.array(y, float), np.array(p)
    assert precision_at(share)(y, p, np.ones(4)) == pytest.approx(expected)
    assert lift_at(share)(y, p, np.ones(4)) == pytest.approx(expected / y.mean())


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (3, 100), (0, 0)])
def test_wilson_holds_the_rate_and_stays_within_zero_and_one(hits, n):
    low, high = wilson(hits, n)
    assert 0 <= low <= (hits / n if n else 0.5) <= high <= 1


def test_intervals_hold_the_figure_and_widen_where_rows_are_clustered():
    y, p = perfect(1500)
    alone = evaluate(y, p, draws=60)["log_loss"]
    twice = evaluate(np.repeat(y, 4), np.repeat(p, 4), np.repeat(np.arange(1500), 4), draws=60)
    assert alone.low <= alone.value <= alone.high
    assert twice["log_loss"].error == pytest.approx(alone.error, rel=0.4)


def test_a_clearly_better_model_is_called_better_and_itself_level():
    y, p = perfect(3000)
    prior = np.full(len(y), y.mean())
    assert compare(y, p, prior, draws=50).verdict == "better"
    assert compare(y, prior, p, draws=50).verdict == "worse"
    assert compare(y, p, p, draws=20).verdict == "level"


def test_bands_of_a_perfect_model_keep_their_promise():
    y, p = perfect(5000)
    cells = np.where(p > 0.4, "A", np.where(p > 0.2, "B", "C"))
    table = reliability_by(cells, y, p)
    assert table["kept"].mean() >= 2 / 3
    assert table["n"].sum() == 5000


def test_the_reliability_curve_rises_and_lies_in_its_band_for_a_perfect_model():
    y, p = perfect(3000)
    curve = reliability_curve(y, p, draws=60)
    assert (np.diff(curve["observed"]) >= 0).all()
    inside = (curve["observed"] >= curve["low"]) & (curve["observed"] <= curve["high"])
    assert inside.mean() > 0.8
