"""The level of the newest rows is followed as far as changes lasted before."""

import numpy as np
import pytest
from scipy.special import expit

from models.fit.calibration import FEW
from models.fit.level_path import PERIODS, follow_level, newest_level
from models.predictor import IdentityCalibration, calibrated_log_odds

AT = np.arange(PERIODS)
WAYS = {
    "still": 0.0 * AT,
    "trend": 1.5 * (AT - AT.mean()) / PERIODS,
    "change": np.where(AT < 7, -0.4, 0.5),
    "to and fro": np.where(AT % 2 == 0, 0.6, -0.6),
}


def company(way, n=9600, seed=0):
    """Rows in time whose level moves, and margins that know nothing of it."""
    rng = np.random.default_rng(seed)
    period = np.arange(n) * PERIODS // n
    margins = rng.normal(-1, 1, n)
    y = (rng.random(n) < expit(margins + WAYS[way][period])).astype(float)
    return margins, y, period


@pytest.mark.parametrize(("way", "lasts"), [("trend", True), ("change", True), ("still", False)])
def test_a_level_is_followed_where_it_lasts(way, lasts):
    margins, y, period = company(way)
    shift, lasting = newest_level(margins, y, period, np.ones(len(y)))
    assert (lasting > 0.5) == lasts
    assert shift == pytest.approx(WAYS[way][-1], abs=0.2)


@pytest.mark.parametrize("seed", range(4))
def test_a_level_that_comes_and_goes_is_not_followed(seed):
    margins, y, period = company("to and fro", seed=seed)
    shift, lasting = newest_level(margins, y, period, np.ones(len(y)))
    assert lasting < 0.2
    assert abs(shift) < 0.1


def test_the_calibration_moves_by_what_was_taken_and_the_newest_fifth_is_told():
    margins, y, _ = company("trend")
    order = np.random.default_rng(1).permutation(len(y))
    start, times = IdentityCalibration(), np.arange(len(y))[order]
    moved, cohort = follow_level(
        start, margins[order], y[order], times, groups=None, row_weights=np.ones(len(y))
    )
    assert calibrated_log_odds(moved, margins) == pytest.approx(margins + cohort.taken)
    assert cohort.taken > 0.4
    assert (cohort.rows, cohort.observed) == (1920, y[-1920:].sum())
    assert cohort.expected == pytest.approx(expit(margins[-1920:]).sum())


def test_too_few_outcomes_to_calibrate_are_too_few_to_move():
    margins, y, _ = company("trend")
    y[np.flatnonzero(y)[FEW - 1 :]] = 0
    start, counted = IdentityCalibration(), np.ones(len(y))
    moved, cohort = follow_level(
        start, margins, y, np.arange(len(y)), groups=None, row_weights=counted
    )
    assert moved == start
    assert (cohort.taken, cohort.lasting) == (0.0, None)


def test_periods_without_rows_say_nothing():
    margins, y, period = company("trend", n=1200)
    some = period % 3 > 0
    shift, _ = newest_level(margins[some], y[some], period[some], np.ones(some.sum()))
    assert 0 < shift < 1
