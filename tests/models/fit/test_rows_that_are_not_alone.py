"""Levels that arrive with time, and snapshots that share an outcome: what a row is evidence for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.fit.arrivals import mark_arrivals
from models.fit.calibration import level_missed
from models.fit.candidates import error_of
from models.fit.encoders import TrainingColumns, describe, read_columns, target_encoders
from models.fit.folds import assign_folds, design_effect
from models.fit.learner import LeadClassifier
from models.fit.level_path import newest_level
from models.fit.linear import fit_linear, fit_without_each
from models.metrics import slope
from models.predictor import (
    MISSING,
    NEW,
    category_keys,
    design_matrix,
    sigmoid,
)


def read(frame: pd.DataFrame) -> TrainingColumns:
    return read_columns(frame, describe(frame))


def arriving_pages(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """A twelfth of the leads comes by a page that nobody came by before, and converts more."""
    rng = np.random.default_rng(seed)
    new = rng.random(n) < 1 / 12
    page = np.where(new, np.char.add("p", np.arange(n).astype(str)), rng.choice(list("abc"), n))
    frame = pd.DataFrame({"page": page.astype(object)})
    return frame, (rng.random(n) < np.where(new, 0.6, 0.2)).astype(float)


def test_only_the_first_lead_of_a_level_is_new_and_all_its_rows_are():
    later = [f"page {i}" for i in range(20)]
    frame = pd.DataFrame({"page": ["a", "b", "a", "a", "b", *later, None]})
    lead = np.array([0, 1, 0, 2, 3, *range(4, 25)])
    marked = mark_arrivals(read(frame), np.arange(26), lead).codes["page"]
    assert np.flatnonzero(marked[:5] == NEW).tolist() == [0, 1, 2]
    assert (marked[5:25] == NEW).all()
    assert marked[25] == MISSING


def test_columns_whose_levels_are_all_known_early_stay_as_they_are():
    frame = pd.DataFrame({"page": ["a", "b", *np.tile(["a", "b"], 500)]})
    columns = read(frame)
    marked = mark_arrivals(columns, np.arange(len(frame)), None)
    np.testing.assert_array_equal(marked.codes["page"], columns.codes["page"])


def test_an_unseen_level_gets_what_the_first_of_their_kind_got():
    frame, y = arriving_pages(6000, 0)
    model = LeadClassifier(fast=True).fit(frame, y, times=np.arange(6000))
    p = model.predict_proba(pd.DataFrame({"page": ["never seen", "a"]}, dtype=object))[:, 1]
    assert p[0] == pytest.approx(0.6, abs=0.07)
    assert p[1] == pytest.approx(0.2, abs=0.04)


def test_what_is_new_has_no_history_in_target_encodings_alone_or_in_pairs():
    frame = pd.DataFrame({"page": list("aabbcc"), "rep": list("xyxyxy")})
    columns = read(frame)
    columns.codes["page"][4:] = NEW
    y = np.array([1.0, 1, 0, 0, 1, 1])
    for sources in (["page"], ["page", "rep"]):
        rate, count = target_encoders(columns, y, sources, 1.0)
        assert all(not key.startswith("c") for key in rate.values)
        values = design_matrix(columns, [rate, count])
        np.testing.assert_array_equal(values[4:, 0], rate.default)
        np.testing.assert_array_equal(values[4:, 1], 0.0)
    codes, keys = category_keys(columns, ["page", "rep"])
    assert len(keys) == 4
    assert (codes[4:] == NEW).all()


def test_the_design_effect_counts_leads_where_their_rows_share_an_outcome():
    lead = np.repeat(np.arange(400), 5)
    y = (np.random.default_rng(0).random(400) < 0.3).astype(float)[lead]
    assert design_effect(y, lead) == pytest.approx(5.0)
    assert design_effect(y, None) == 1.0
    alone = np.random.default_rng(1).permutation(y)
    assert design_effect(alone, lead) == pytest.approx(1.0, abs=0.3)


def test_errors_and_levels_count_leads_not_their_rows():
    lead = np.repeat(np.arange(300), 4)
    gap = np.random.default_rng(0).normal(0, 1, 300)[lead]
    assert error_of(gap, groups=lead) == pytest.approx(2 * error_of(gap), rel=1e-9)
    margins, y = np.full(1200, -1.0), np.repeat([1.0, 0.0], [400, 800])
    rows, leads = level_missed(margins, y), level_missed(margins, y, worth=0.25)
    assert leads.error == pytest.approx(2 * rows.error)
    period = np.repeat(np.arange(12), 100)
    y = (np.arange(1200) % 10 < np.where(period < 6, 2, 5)).astype(float)
    many, few = (newest_level(margins, y, period, np.full(1200, worth))[0] for worth in (1.0, 0.1))
    assert 0 < few < many


def test_a_line_on_repeated_outcomes_is_not_too_sure_of_itself():
    rng = np.random.default_rng(5)
    lead = np.repeat(np.arange(500), 6)
    own = rng.normal(size=(500, 25))[lead] + 0.5 * rng.normal(size=(3000, 25))
    y = (rng.random(500) < sigmoid(0.5 * own[::6, 0] - 1)).astype(float)[lead]
    columns = read(pd.DataFrame(own, columns=[f"x{i}" for i in range(25)]))
    fold = assign_folds(y, lead, 5, 0)

    def held_out(worth: float) -> np.ndarray:
        line = fit_linear(columns, y, fold, worth=worth)
        return fit_without_each(columns, y, fold, line.ridge)[fold, np.arange(3000)]

    ones = np.ones(3000)
    trusting, wise = held_out(1.0), held_out(1 / design_effect(y, lead))
    assert slope(y, sigmoid(trusting), ones) < slope(y, sigmoid(wise), ones)
    assert np.mean(np.logaddexp(0, wise) - y * wise) < np.mean(
        np.logaddexp(0, trusting) - y * trusting
    )
