"""Nothing to learn: months seen once are set aside, and the promise goes back to the base rate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.fit.base_rate_guard import LEAST, guard, levels
from models.fit.calibration import fit_beta, fit_blend, fit_logistic, shrink
from models.fit.learner import LeadClassifier
from models.fit.periods import names_periods
from models.metrics import log_loss
from models.predictor import IdentityCalibration, InterceptCalibration, calibrated_log_odds


def a_year(seed: int, n: int = 900) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Leads of twelve months; each month has a level of its own, and nothing else matters."""
    rng = np.random.default_rng(seed)
    day = np.sort(rng.uniform(0, 360, n))
    month = (day // 30).astype(int)
    rate = 1 / (1 + np.exp(1.2 - rng.normal(0, 0.5, 12)[month]))
    words = np.array([f"m{i}" for i in range(12)], object)[month]
    frame = pd.DataFrame({"x": rng.normal(size=n), "month": month + 1.0, "called": words})
    return frame, (rng.random(n) < rate).astype(float), day


def test_a_month_that_was_seen_once_is_set_aside_and_two_years_are_kept():
    frame, y, day = a_year(0)
    model = LeadClassifier(fast=True).fit(frame, y, times=day)
    assert model.report_["periods"] == ["month", "called"]
    twice = pd.concat([frame, frame], ignore_index=True)
    when = np.concatenate([day, day + 360])
    again = LeadClassifier(fast=True).fit(twice, np.concatenate([y, y]), times=when)
    assert again.report_["periods"] == []
    assert LeadClassifier(fast=True).fit(frame, y).report_["periods"] == []


@pytest.mark.parametrize(
    ("values", "ordered", "said"),
    [
        (np.repeat([1.0, 2.0, 3.0], 50), True, True),
        (np.repeat([2.0, 3.0, 1.0], 50), True, True),
        (np.repeat([1.0, 3.0, 2.0, 4.0, 0.0], 50), True, False),  # a measure, up and down
        (np.repeat([1.0, 3.0, 2.0, 4.0, 0.0], 50), False, True),  # names of periods
        (np.tile(np.repeat([1.0, 2.0, 3.0], 50), 2), True, False),  # two cycles
        (np.tile([1.0, 2.0, 3.0], 50), True, False),
        (np.arange(500.0), True, False),  # a measure that rises
        (np.r_[np.zeros(300), 1.0, np.zeros(300), 2.0, np.zeros(300)], False, False),  # rare ones
    ],
)
def test_names_of_periods_are_told_from_measures(values, ordered, said):
    assert names_periods(values, ordered=ordered) is said


def test_what_gains_nothing_goes_back_and_what_gains_stays_whole():
    rng = np.random.default_rng(1)
    truth = rng.normal(-1, 1, 3000)
    y = (rng.random(3000) < 1 / (1 + np.exp(-truth))).astype(float)
    base = np.full(3000, np.log(y.mean() / (1 - y.mean())))

    def share(margins: np.ndarray) -> float:
        ones = np.ones(3000)
        return guard(y, margins, fold=None, groups=None, row_weights=ones, worth=1.0).share

    assert share(truth) == 1
    assert share(base + rng.normal(0, 1, 3000)) < 0.1
    assert share(2 * base - truth) == LEAST  # the wrong way round


def test_a_level_that_moves_takes_back_nothing_of_what_tells_leads_apart():
    rng = np.random.default_rng(2)
    truth, fold = rng.normal(-2, 1, 4000), np.arange(4000) // 1000
    y = (rng.random(4000) < 1 / (1 + np.exp(-truth - 0.9 * fold))).astype(float)
    noise = rng.normal(-2, 1, 4000)
    kept, lost = (
        guard(y, margins, fold=fold, groups=None, row_weights=np.ones(4000), worth=1.0)
        for margins in (truth, noise)
    )
    assert kept.share == 1
    assert lost.share < 0.1


def test_the_level_of_a_period_makes_what_was_promised_come_true():
    rng = np.random.default_rng(3)
    margins, period = rng.normal(-1, 1, 3000), rng.integers(0, 3, 3000)
    y = (rng.random(3000) < 1 / (1 + np.exp(-margins - period))).astype(float)
    found = levels(y, margins, period, np.ones(3000))
    np.testing.assert_allclose(found, [0, 1, 2], atol=0.25)
    promised = 1 / (1 + np.exp(-margins - found[period]))
    for each in range(3):
        assert promised[period == each].sum() == pytest.approx(y[period == each].sum(), abs=0.5)


@settings(max_examples=30, deadline=None)
@given(st.floats(LEAST, 1), st.floats(-3, 3), st.integers(0, 50))
def test_shrinking_any_calibration_is_the_mean_with_the_level(share, level, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(-1, 1.5, 400)
    y = (rng.random(400) < 1 / (1 + np.exp(-z))).astype(float)
    grid = np.linspace(-8, 8, 80)
    made = [IdentityCalibration(""), InterceptCalibration(0.3), fit_logistic(z, y), fit_beta(z, y)]
    for calibration in made:
        before, after = (
            calibrated_log_odds(each, grid)
            for each in (calibration, shrink(calibration, share, level))
        )
        np.testing.assert_allclose(after, share * before + (1 - share) * level, atol=1e-9)
        assert (np.diff(after) > 0).all()
    assert (np.diff(calibrated_log_odds(shrink(fit_blend(z, y), share, level), grid)) > 0).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_months_of_nothing_stay_at_the_base_rate(seed):
    frame, y, day = a_year(seed)
    past = day < 270
    model = LeadClassifier(fast=True).fit(frame[past], y[past], times=day[past])
    ahead, ones = y[~past], np.ones(int((~past).sum()))
    p = model.predict_proba(frame[~past])[:, 1]
    rate = np.full(len(p), y[past].mean())
    assert log_loss(ahead, p, ones) <= log_loss(ahead, rate, ones) + 0.004
    assert 0 < model.report_["guard"]["share"] <= 1
