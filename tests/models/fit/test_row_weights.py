"""Weights of rows: 2 is a row seen twice, 0 is no row, in every part of the learner."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.fit import linear
from models.fit.calibration import (
    fit_beta,
    fit_blend,
    fit_calibration,
    fit_logistic,
    level_missed,
)
from models.fit.candidates import BLENDS, compare_blends, error_of
from models.fit.encoders import (
    Design,
    cross_fit_target,
    describe,
    fit_target,
    plain_encoders,
    read_columns,
)
from models.fit.folds import design_effect
from models.fit.learner import LeadClassifier
from models.fit.level_path import newest_level
from models.fit.linear import fit_linear, fit_without_each
from models.fit.pairs import screen_targets
from models.fit.row_weights import spread_evenly, weighted_quantile
from models.fit.tuning import _bin
from models.predictor import calibrate
from tests.models.fit.test_learner import leads


def some_rows(n: int = 700) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    frame, y = leads(n, seed=5)
    return frame, y.astype(float), np.random.default_rng(1).integers(1, 4, n).astype(float)


def twice(weights: np.ndarray, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """Lay every row down as often as it counts."""
    return tuple(np.repeat(each, weights.astype(int), axis=0) for each in arrays)


def same(model: LeadClassifier, other: LeadClassifier) -> bool:
    one, two = (json.dumps(m.parts_.to_json()) + "".join(m.forest_text_) for m in (model, other))
    return one == two and json.dumps(model.report_, default=float) == json.dumps(
        other.report_, default=float
    )


def test_ones_are_no_weights_to_the_byte():
    frame, y, _ = some_rows(500)
    plain = LeadClassifier(fast=True).fit(frame, y, times=np.arange(500))
    for ones in (np.ones(500), 1.0, np.ones(500, dtype=np.int8)):
        assert same(plain, LeadClassifier(fast=True).fit(frame, y, ones, times=np.arange(500)))


def test_a_row_of_weight_0_is_not_there():
    frame, y, weights = some_rows(600)
    weights[::7] = 0
    kept = weights > 0
    groups, times = np.arange(600) // 2, np.arange(600)
    model = LeadClassifier(fast=True).fit(
        frame, y, weights, times=times, closes=times + 9, groups=groups
    )
    other = LeadClassifier(fast=True).fit(
        frame[kept],
        y[kept],
        weights[kept],
        times=times[kept],
        closes=times[kept] + 9,
        groups=groups[kept],
    )
    assert same(model, other)
    np.testing.assert_array_equal(np.isnan(model.margins_), ~kept)
    np.testing.assert_array_equal(model.rows_seen_, np.flatnonzero(kept))


@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=30),
    st.lists(st.integers(1, 5), min_size=30, max_size=30),
    st.lists(st.floats(0, 1), min_size=1, max_size=4),
)
@settings(max_examples=200, deadline=None)
def test_a_weighted_quantile_is_that_of_the_rows_laid_down(values, weights, q):
    x, w = np.array(values, dtype=float), np.array(weights[: len(values)], dtype=float)
    expected = np.quantile(np.repeat(x, w.astype(int)), q)
    np.testing.assert_allclose(weighted_quantile(x, q, w), expected, atol=1e-9)


def test_quantiles_do_not_depend_on_the_scale_of_small_weights():
    x, w = np.arange(50.0), np.random.default_rng(0).uniform(0.1, 0.9, 50)
    for q in (0.01, 0.5, 0.99):
        a, b = weighted_quantile(x, [q], w), weighted_quantile(x, [q], w / 1000)
        np.testing.assert_allclose(a, b)
    assert np.median(spread_evenly(x, w)) == pytest.approx(weighted_quantile(x, [0.5], w)[0])


@pytest.mark.parametrize("bends", [0, 6])
def test_the_line_is_that_of_the_rows_laid_down(bends):
    frame, y, w = some_rows()
    features = describe(frame)
    columns = read_columns(frame, features, w)
    rows, y_rows, fold_rows = twice(w, np.arange(len(y)), y, np.arange(len(y)) % 4)
    many = read_columns(frame.iloc[rows], features)
    fold = np.arange(len(y)) % 4
    one = fit_linear(columns, y, fold, bends=bends, worth=0.5)
    two = fit_linear(many, y_rows, fold_rows, bends=bends, worth=0.5)
    np.testing.assert_allclose(one.margin(columns), two.margin(columns), atol=1e-6)
    for each, other in zip(one.part.terms, two.part.terms, strict=True):
        assert each.mean == pytest.approx(other.mean, abs=1e-6)
    ahead = fit_without_each(columns, y, fold, one.ridge, bends=bends)
    there = fit_without_each(many, y_rows, fold_rows, one.ridge, bends=bends)
    np.testing.assert_allclose(ahead[:, rows], there, atol=1e-6)


def test_a_line_of_very_many_levels_is_that_of_the_rows_laid_down(monkeypatch):
    monkeypatch.setattr(linear, "DENSE", 5)
    frame, y, w = some_rows()
    columns, fold = read_columns(frame, describe(frame), w), np.arange(len(y)) % 4
    rows, y_rows, fold_rows = twice(w, np.arange(len(y)), y, fold)
    many = read_columns(frame.iloc[rows], describe(frame))
    one, two = fit_linear(columns, y, fold), fit_linear(many, y_rows, fold_rows)
    assert one.ridge == two.ridge
    np.testing.assert_allclose(one.margin(columns), two.margin(columns), atol=1e-2)


def test_encodings_are_those_of_the_rows_laid_down():
    frame, y, w = some_rows()
    columns, fold = read_columns(frame, describe(frame), w), np.arange(len(y)) % 3
    rows, y_rows, fold_rows = twice(w, np.arange(len(y)), y, fold)
    many = read_columns(frame.iloc[rows], describe(frame))
    assert plain_encoders(columns, least=30) == plain_encoders(many, least=30)
    keys, n = columns.codes["country"], len(columns.levels["country"])
    one, two = (
        fit_target(keys, y, n, 20.0, w),
        fit_target(keys[rows], y_rows, n, 20.0, w[rows] * 0 + 1),
    )
    np.testing.assert_allclose(one.values, two.values)
    np.testing.assert_allclose(one.counts, two.counts)
    crossed = cross_fit_target(keys, y, n, 20.0, fold, w)
    expected = cross_fit_target(keys[rows], y_rows, n, 20.0, fold_rows)
    for part, other in zip(crossed, expected, strict=True):
        np.testing.assert_allclose(part[rows], other)
    assert screen_targets(columns, y, fold) == screen_targets(many, y_rows, fold_rows)


def test_figures_of_candidates_and_their_errors_are_those_of_the_rows_laid_down():
    rng = np.random.default_rng(2)
    y, w = (rng.random(300) < 0.4).astype(float), rng.integers(1, 4, 300).astype(float)
    margins = {name: rng.normal(size=300) for name in ("linear", "extra", "boosted")}
    fold, groups = np.arange(300) // 100, np.arange(300) // 2
    usable = [b for b in BLENDS if set(b.needs) <= set(margins)]
    rows, y_rows, fold_rows, group_rows = twice(w, np.arange(300), y, fold, groups)
    laid = {name: m[rows] for name, m in margins.items()}
    for given_groups, many in ((None, None), (groups, group_rows)):
        one = compare_blends(y, margins, fold, given_groups, usable, row_weights=w)
        two = compare_blends(y_rows, laid, fold_rows, many, usable)
        for each, other in zip(one, two, strict=True):
            for name in ("log_loss", "behind", "standard_error", "between"):
                assert getattr(each, name) == pytest.approx(getattr(other, name))
        assert design_effect(y, given_groups, w) == pytest.approx(design_effect(y_rows, many))
    extra = margins["extra"]
    assert error_of(extra, row_weights=w) == pytest.approx(error_of(extra[rows]))


def test_every_calibration_is_that_of_the_rows_laid_down():
    rng = np.random.default_rng(3)
    margins, w = rng.normal(-1, 1.5, 900), rng.integers(1, 3, 900).astype(float)
    y = (rng.random(900) < 1 / (1 + np.exp(-0.7 * margins))).astype(float)
    m_rows, y_rows = twice(w, margins, y)
    grid = np.linspace(-5, 5, 50)
    for fit in (fit_logistic, fit_beta, fit_blend):
        one, two = fit(margins, y, row_weights=w), fit(m_rows, y_rows)
        np.testing.assert_allclose(calibrate(one, grid), calibrate(two, grid), atol=1e-4)
    one, two = level_missed(margins, y, 1.0, w), level_missed(m_rows, y_rows)
    assert (one.rows, one.z) == pytest.approx((two.rows, two.z))
    period = np.minimum(12 * np.cumsum(w) // w.sum(), 11).astype(np.int64)
    one = newest_level(margins, y, period, w)
    two = newest_level(m_rows, y_rows, twice(w, period)[0], np.ones(len(y_rows)))
    assert one == pytest.approx(two)
    assert "evidence worth" in str(fit_calibration(margins, y, row_weights=w / 10).why)


def test_trees_learn_what_the_weights_say():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(rng.normal(size=(1500, 3)), columns=list("abc"))
    y = (rng.random(1500) < np.where(frame["a"] * frame["b"] > 0, 0.8, 0.2)).astype(int)
    first = np.arange(1500) < 750
    other = np.where(first, y, 1 - y)  # the second half says the opposite
    model = LeadClassifier(fast=True).fit(frame, other, np.where(first, 1.0, 0.05))
    p, alike = model.predict_proba(frame)[:, 1], frame["a"] * frame["b"] > 0
    assert model.report_["winner"] != "linear"
    assert p[alike].mean() > 0.65
    assert p[~alike].mean() < 0.35


def test_the_level_of_the_probabilities_follows_the_weights():
    frame, y, _ = some_rows(900)
    for favoured in (0.5, 3.0):
        w = np.where(y > 0, favoured, 1.0)
        p = LeadClassifier(fast=True).fit(frame, y, w).predict_proba(frame)[:, 1]
        assert np.average(p, weights=w) == pytest.approx(np.average(y, weights=w), abs=0.03)


def test_with_copies_in_one_group_the_whole_model_is_that_of_the_rows_laid_down():
    frame, y, w = some_rows(600)
    groups = np.arange(600)
    rows, y_rows = twice(w, groups, y)
    for learner, gap in (("logistic", 1e-4), ("auto", 0.08)):  # leaves count rows, not weights
        one, two = (LeadClassifier(fast=True, learner=learner) for _ in range(2))
        p = one.fit(frame, y, w, groups=groups).predict_proba(frame)[:, 1]
        q = two.fit(frame.iloc[rows], y_rows, groups=rows).predict_proba(frame)[:, 1]
        assert np.abs(p - q).max() < gap


def test_too_little_weight_is_the_base_rate_and_says_so():
    frame, y, _ = some_rows(300)
    model = LeadClassifier(fast=True).fit(frame, y, np.full(300, 1 / 100))
    assert model.report_["winner"] == "constant"
    assert "of the rarer outcome, under 6" in model.report_["chosen_on"]


def test_a_search_for_settings_grows_stops_and_judges_by_the_weights():
    frame, y, w = some_rows(200)
    columns, fold = read_columns(frame, describe(frame), w), np.arange(200) % 5
    split = np.flatnonzero(fold > 0), np.flatnonzero(fold == 0)
    binned = _bin(Design.make(columns, y, fold), y, None, split, 0)
    given_weights = np.concatenate([binned.data.get_weight(), binned.watch.get_weight()])
    assert sorted(given_weights) == sorted(w[split[0]])
    np.testing.assert_array_equal(binned.row_weights, w[split[1]])


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.zeros(300), "weights.*zero"),
        (np.full(300, -1.0), "[Nn]egative"),
        (np.ones(7), "inconsistent numbers of samples|sample_weight.shape"),
        (np.full(300, np.nan), "NaN"),
    ],
)
def test_weights_that_are_none_are_refused(weights, words):
    frame, y, _ = some_rows(300)
    with pytest.raises(ValueError, match=words):
        LeadClassifier(fast=True).fit(frame, y, weights)


def test_a_class_that_weighs_nothing_is_absent():
    frame, y, _ = some_rows(300)
    with pytest.raises(ValueError, match="only one class"):
        LeadClassifier(fast=True).fit(frame, y, 1 - y)
