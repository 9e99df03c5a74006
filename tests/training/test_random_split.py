"""Training says what a random split would have promised, beside what later rows show."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.random_split import promise_of_random_split

LEADS, ROWS = 400, 5
LEAD = np.repeat(np.arange(LEADS), ROWS)
TRAIN, TEST = np.arange(1500), np.arange(1500, 2000)


def make_rows(rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Five rows a lead: one column that says something, one that only tells the leads apart."""
    tells = rng.normal(size=LEADS)
    converts = rng.random(LEADS) < 1 / (1 + np.exp(1 - tells))
    X = pd.DataFrame({"tells": tells[LEAD], "own": rng.normal(size=LEADS)[LEAD]})
    return X, converts[LEAD].astype(np.int8)


def test_rows_of_a_lead_on_both_sides_promise_more_than_later_leads_keep():
    X, y = make_rows(np.random.default_rng(3))
    split = promise_of_random_split(X, y, LEAD, TRAIN, TEST, seed=0)
    assert split is not None
    assert split.promised > 0.8 > 0.7 > split.reached
    assert "would have promised 0.8" in split.sentence
    assert split.sentence.endswith("having seen the same leads while learning")


def test_one_row_a_lead_and_no_change_in_time_makes_no_difference():
    X, y = make_rows(np.random.default_rng(4))
    X, y = X.loc[::5].reset_index(drop=True), y[::5]
    split = promise_of_random_split(
        X, y, np.arange(LEADS), np.arange(250), np.arange(250, LEADS), seed=0
    )
    assert split is not None
    assert split.sentence.endswith("no real difference")


def test_nothing_is_said_where_too_few_of_either_outcome_are_held_out():
    X, y = make_rows(np.random.default_rng(5))
    assert promise_of_random_split(X, y * 0, LEAD, TRAIN, TEST, seed=0) is None
