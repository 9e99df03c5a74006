"""Statistical detectors: obvious cases, tables of literals, laws, nonsense."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from training.audit import drift
from training.audit.cells import auc, auc_error, cells_of, lower_rate
from training.audit.quick import cliff, dominance, fit_quick
from training.audit.screens import screen


def outcome(n: int = 4000, positives: int = 320, seed: int = 0) -> np.ndarray:
    y = np.zeros(n, np.int8)
    y[np.random.default_rng(seed).permutation(n)[:positives]] = 1
    return y


def verdicts_of(values, y) -> dict[str, str]:
    found = screen(pd.DataFrame({"x": values}), y, seed=0).verdicts
    return {v.detector: v.severity for v in found}


def test_a_copy_of_the_label_is_quarantined_and_noise_is_not():
    y = outcome()
    assert verdicts_of(y.astype(float), y) == {"S1": "quarantine", "S2": "quarantine"}
    assert verdicts_of(np.random.default_rng(1).normal(size=len(y)), y) == {}


@pytest.mark.parametrize(
    ("share", "caught"), [(1.0, True), (0.5, True), (0.1, True), (0.02, False)]
)
def test_a_column_filled_only_after_the_win_is_seen_by_its_null_side(share, caught):
    y = outcome(8000, 640)
    rng = np.random.default_rng(2)
    filled = (y == 1) & (rng.random(len(y)) < share)
    values = np.where(filled, rng.lognormal(9, 1, len(y)), np.nan)
    assert ("S2" in verdicts_of(values, y)) is caught


def test_an_honest_strong_signal_of_auc_85_passes_as_number_and_as_flag():
    y = outcome(6000, 480)
    rng = np.random.default_rng(3)
    assert verdicts_of(rng.normal(size=len(y)) + np.sqrt(2) * norm.ppf(0.85) * y, y) == {}
    assert verdicts_of((rng.random(len(y)) < np.where(y, 0.75, 0.05)).astype(float), y) == {}


def test_a_word_in_a_note_that_only_winners_have_is_found():
    y = outcome()
    notes = np.array([f"called on day {i % 211}" for i in range(len(y))], object)
    notes[y == 1] = [f"{text}, won!" for text in notes[y == 1]]
    found = screen(pd.DataFrame({"note": notes}), y, seed=0).verdicts
    assert any(v.detector == "S2" and "won" in v.reason for v in found)


def test_a_shuffled_label_raises_no_alarm_in_two_hundred_columns():
    rng = np.random.default_rng(5)
    y = outcome(3000, 240)
    numbers = pd.DataFrame(rng.normal(size=(3000, 180))).add_prefix("n")
    for k in range(20):
        numbers[f"c{k}"] = rng.integers(0, 2 + 40 * k, 3000).astype(str)
    assert len(screen(numbers, rng.permutation(y), seed=0).verdicts) == 0


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_auc_agrees_with_scikit_learn_ties_included(seed):
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, rng.integers(0, 2, 50)]
    scores = rng.integers(0, 9, 52).astype(float)
    assert auc(scores, y) == pytest.approx(roc_auc_score(y, scores), abs=1e-12)


def test_errors_and_bounds_are_the_textbooks():
    assert auc_error(0.75, 50, 50) == pytest.approx(0.0486, abs=5e-4)  # Hanley and McNeil 1982
    assert lower_rate(40, 40) == pytest.approx(0.01 ** (1 / 40))
    assert lower_rate(0, 10) == 0


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([1.0, 2.0, np.nan], ("1", "2", "missing")),
        (["a", None, "b"], ("a", "b", "missing")),
        ([np.nan, np.nan], ("missing",)),
    ],
)
def test_cells_name_every_value_and_the_missing_ones(values, names):
    cells = cells_of(pd.Series(values))
    assert cells.names == names
    assert cells.codes.max() < len(names)


def test_a_column_filled_in_months_later_differs_between_fresh_and_mature_leads():
    rng = np.random.default_rng(0)
    mature = pd.DataFrame({"size": np.where(rng.random(500) < 0.1, np.nan, 1.0), "ok": 1.0})
    fresh = pd.DataFrame({"size": np.where(rng.random(400) < 0.6, np.nan, 1.0), "ok": 1.0})
    assert [(v.column, v.detector) for v in drift.backfilled(mature, fresh)] == [("size", "S5")]
    assert list(drift.backfilled(mature, mature)) == []


def test_row_numbers_that_rank_the_outcome_are_leaks_unless_they_follow_time():
    y = outcome(2000, 400)
    ids = np.array([f"L{i:05d}" for i in np.random.default_rng(0).permutation(2000)], object)
    sorted_by_outcome = np.argsort(np.argsort(-y + 1e-6 * np.arange(2000))).astype(float)
    assert [v.severity for v in drift.identities(ids, y, None, sorted_by_outcome)] == ["quarantine"]
    time = np.argsort(np.argsort(-y + np.random.default_rng(1).random(2000))).astype(float)
    assert [v.severity for v in drift.identities(ids, y, time, time)] == ["note"]


def test_a_number_that_steps_with_the_rows_is_a_hidden_clock():
    order = np.arange(2000.0)
    X = pd.DataFrame({"rate": np.floor(order / 100), "size": order % 7})
    assert [v.column for v in drift.hidden_clocks(X, order)] == ["rate"]


def test_one_column_that_carries_the_model_is_quarantined_by_s4():
    y = outcome(3000, 600)
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(3000, 4)), columns=list("abcd"))
    X["d"] += 2.5 * y
    X["a"] += 0.3 * y
    groups = np.arange(3000)
    quick = fit_quick(X, y, groups, seed=0, shares=True)
    assert [v.column for v in dominance(X, y, groups, quick, seed=0)] == ["d"]


def test_a_cliff_in_the_last_day_is_seen_and_a_slope_is_not():
    rng = np.random.default_rng(0)
    y = np.r_[np.ones(200, np.int8), np.zeros(2000, np.int8)]
    ahead = np.r_[rng.uniform(0, 4, 200), np.full(2000, np.inf)]
    noise = rng.normal(size=2200)
    assert len(cliff(noise + 5.0 * (ahead <= 1), y, ahead)) == 1
    slope = np.where(np.isfinite(ahead), 1.2 - 0.1 * np.minimum(ahead, 9), 0)
    assert cliff(noise + slope, y, ahead) == []
