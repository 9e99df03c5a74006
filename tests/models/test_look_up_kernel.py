"""The look-up kernel against LightGBM's own pred_contrib, on random models of every kind."""

from __future__ import annotations

import logging
from typing import Any

import lightgbm
import numpy as np
import pytest

from models import predictor
from models.predictor import (
    PathTooLongError,
    PredictorError,
    build_tables,
    explain_by_paths,
    lay_paths,
    look_up,
    read_forest,
)

MISSING = (np.nan, 0.0)


def own_targets(columns: int) -> tuple[np.ndarray, np.ndarray]:
    """One target for each column."""
    targets = np.zeros((columns, 2), np.int32)
    targets[:, 0] = np.arange(columns)
    shares = np.zeros((columns, 2))
    shares[:, 0] = 1.0
    return targets, shares


def random_data(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Draw numbers with gaps, zeros and ties, and categories of few or many levels."""
    n, m = int(rng.integers(80, 500)), int(rng.integers(2, 14))
    X = rng.normal(size=(n, m)).round(int(rng.integers(0, 4)))
    categories = [j for j in range(m) if rng.random() < 0.35]
    for j in categories:
        X[:, j] = rng.integers(0, int(rng.choice([2, 5, 40, 300, 700])), n)
    for j in range(m):
        if rng.random() < 0.6:
            X[rng.random(n) < 0.25, j] = np.nan if j in categories else rng.choice(MISSING)
    z = np.nan_to_num(X[:, 0]) + np.sin(np.nan_to_num(X[:, -1]) * 7) + rng.normal(size=n)
    return X, (z > np.median(z)).astype(int), categories


def random_settings(rng: np.random.Generator) -> dict[str, Any]:
    """Draw depth, leaves, missing types, bagging and the boosting mode."""
    settings: dict[str, Any] = {
        "objective": "binary",
        "verbose": -1,
        "num_threads": 1,
        "seed": int(rng.integers(1e6)),
        "num_leaves": int(rng.choice([2, 4, 8, 16, 31])),
        "max_depth": int(rng.choice([-1, 3, 4, 6])),
        "min_data_in_leaf": int(rng.choice([1, 5, 20])),
        "use_missing": bool(rng.random() < 0.8),
        "zero_as_missing": bool(rng.random() < 0.3),
        "cat_smooth": 1.0,
        "min_data_per_group": 1,
        "max_cat_to_onehot": int(rng.choice([1, 4, 50])),
        "extra_trees": bool(rng.random() < 0.3),
        "learning_rate": float(rng.choice([0.03, 0.3])),
        "boost_from_average": bool(rng.random() < 0.8),
    }
    if rng.random() < 0.3:
        settings |= {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
    return settings


def unseen_rows(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows to explain: some of X, with gaps, zeros, unseen and negative categories put in."""
    rows = X[rng.integers(0, len(X), 60)].copy()
    strange = rng.choice(
        [np.nan, 0.0, -1.0, -0.5, 1e-36, -1e-36, 1e9, 3e9, 2.7, np.inf], rows.shape
    )
    return np.where(rng.random(rows.shape) < 0.15, strange, rows)


def check_one(seed: int) -> None:
    """Train a random model and compare contributions, base and margin with LightGBM."""
    rng = np.random.default_rng(seed)
    X, y, categories = random_data(rng)
    weight = rng.exponential(size=len(y)) if rng.random() < 0.4 else None
    settings = random_settings(rng)
    data = lightgbm.Dataset(X, y, weight=weight, categorical_feature=categories)
    booster = lightgbm.train(settings, data, int(rng.integers(1, 12)))
    rows = unseen_rows(X, rng)
    # LightGBM averages a random forest's probability, not its raw score or contributions
    trees = booster.num_trees() if settings.get("boosting") == "rf" else 1
    expected = booster.predict(rows, pred_contrib=True, num_threads=1) / trees
    raw = booster.predict(rows, raw_score=True, num_threads=1) / trees
    forest = read_forest([booster.model_to_string()])
    targets, shares = own_targets(X.shape[1])
    try:
        tables = build_tables(forest, targets, shares, X.shape[1])
    except PathTooLongError:
        margin = predictor.margins(forest, None, rows)
        np.testing.assert_allclose(margin, raw, rtol=0, atol=1e-12)
        return
    values, margin = look_up(forest, tables, rows)
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(values, expected[:, :-1], rtol=0, atol=1e-12 * scale)
    assert tables.base == pytest.approx(expected[0, -1], abs=1e-12 * scale)
    np.testing.assert_allclose(tables.base + values.sum(axis=1), margin, rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(margin, raw, rtol=0, atol=1e-12 * scale)
    paths = lay_paths(forest, targets, shares, X.shape[1])
    path_values, path_margin = explain_by_paths(forest, paths, rows, targets, shares, X.shape[1])
    assert paths.base == tables.base
    assert np.array_equal(path_values, values)
    assert np.array_equal(path_margin, margin)
    few_values, few_margin = look_up(forest, tables, rows[:7])
    assert np.array_equal(few_values, values[:7])
    assert np.array_equal(few_margin, margin[:7])
    assert np.array_equal(predictor.margins(forest, None, rows), margin)
    walked = np.empty(len(rows))
    predictor._walk_rows.as_it_stands(rows.T, 0, len(rows), forest, walked)
    assert np.array_equal(walked, margin)


@pytest.mark.parametrize("start", range(0, 300, 50))
def test_contributions_equal_lightgbms_on_random_models(start: int) -> None:
    for seed in range(start, start + 50):
        check_one(seed)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 3000, 250))
def test_contributions_equal_lightgbms_on_two_thousand_more(start: int) -> None:
    for seed in range(start, start + 250):
        check_one(seed)


def small_model(**settings: Any) -> tuple[lightgbm.Booster, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(3000, 6))
    y = (X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=3000) > 0).astype(int)
    base = {"objective": "binary", "verbose": -1, "num_threads": 1, "num_leaves": 8}
    return lightgbm.train(base | settings, lightgbm.Dataset(X, y), 20), X


def test_tables_are_never_larger_than_the_key_allows() -> None:
    booster, _ = small_model(num_leaves=31)
    forest = read_forest([booster.model_to_string()])
    tables = build_tables(forest, *own_targets(6), 6)
    assert int(np.diff(tables.groups.row_at).max()) <= predictor.PATH_BITS


def test_single_rows_look_into_sets_of_codes_beyond_two_thousand() -> None:
    rng = np.random.default_rng(8)
    X = np.stack([1000.0 * rng.integers(0, 6, 2000), rng.integers(0, 4, 2000)], axis=1)
    y = (np.isin(X[:, 0], [1000, 4000]) ^ (X[:, 1] == 2)).astype(int)
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1, "cat_smooth": 1.0}
    data = lightgbm.Dataset(X, y, categorical_feature=[0, 1])
    booster = lightgbm.train(settings | {"min_data_per_group": 1}, data, 5)
    forest = read_forest([booster.model_to_string()])
    assert forest.set_bits.max() > 32 * predictor.MOST_WORDS
    tables = build_tables(forest, *own_targets(2), 2)
    rows = np.array([[4000, 2], [5000, 1], [1000, 0], [np.nan, 3], [-1, 7], [9e9, 1], [999, 2]])
    values, margin = look_up(forest, tables, rows)
    expected = booster.predict(rows, pred_contrib=True, num_threads=1)
    np.testing.assert_allclose(values, expected[:, :-1], rtol=0, atol=1e-12)
    assert np.array_equal(margin, look_up(forest, tables, np.tile(rows, (20, 1)))[1][:7])


def test_several_texts_are_one_forest_and_weight_scales_it() -> None:
    one, X = small_model(seed=1)
    two, _ = small_model(seed=2, extra_trees=True)
    forest = read_forest([one.model_to_string(), two.model_to_string()], weight=0.5)
    values, margin = look_up(forest, build_tables(forest, *own_targets(6), 6), X)
    both = [b.predict(X, pred_contrib=True, num_threads=1) for b in (one, two)]
    np.testing.assert_allclose(values, (both[0] + both[1])[:, :-1] / 2, rtol=0, atol=1e-12)
    raw = [b.predict(X, raw_score=True, num_threads=1) for b in (one, two)]
    np.testing.assert_allclose(margin, (raw[0] + raw[1]) / 2, rtol=0, atol=1e-12)


def test_grouped_contributions_are_sums_and_halves() -> None:
    booster, X = small_model()
    forest = read_forest([booster.model_to_string()])
    values, margin = look_up(forest, build_tables(forest, *own_targets(6), 6), X)
    targets = np.array([[0, 0], [0, 0], [1, 0], [1, 2], [2, 0], [2, 0]], np.int32)
    shares = np.array([[1, 0], [1, 0], [1, 0], [0.5, 0.5], [1, 0], [1, 0]], np.float64)
    grouped, same = look_up(forest, build_tables(forest, targets, shares, 3), X)
    half = values[:, 3] / 2
    expected = np.stack(
        [values[:, 0] + values[:, 1], values[:, 2] + half, half + values[:, 4] + values[:, 5]], 1
    )
    np.testing.assert_allclose(grouped, expected, rtol=0, atol=1e-12)
    assert np.array_equal(margin, same)
    paths = lay_paths(forest, targets, shares, 3)
    by_paths = explain_by_paths(forest, paths, X[:40], targets, shares, 3)
    assert np.array_equal(by_paths[0], grouped[:40])
    assert np.array_equal(by_paths[1], margin[:40])


def test_threads_and_memory_order_do_not_change_a_bit() -> None:
    booster, _ = small_model()
    X = np.random.default_rng(0).normal(size=(20_000, 6))
    forest = read_forest([booster.model_to_string()])
    tables = build_tables(forest, *own_targets(6), 6)
    one, two = look_up(forest, tables, X, 1), look_up(forest, tables, np.asfortranarray(X), 2)
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])


def test_a_single_row_adds_more_targets_than_a_cache_line_holds_in_the_order_of_the_block() -> None:
    booster, X = small_model(num_leaves=8)
    forest = read_forest([booster.model_to_string()] * 30)  # more groups than are fetched at once
    targets = np.arange(12, dtype=np.int32).reshape(6, 2)  # every column gives to two targets
    tables = build_tables(forest, targets, np.full((6, 2), 0.5), 12)
    assert int(np.diff(tables.groups.slot_at).max()) > predictor.LINE
    assert len(tables.groups.row_at) - 1 > 2 * predictor.NEAR
    values, margin = look_up(forest, tables, X)
    for row in (0, 1, 2999):
        one, same = look_up(forest, tables, X[row : row + 1])
        assert np.array_equal(one[0], values[row])
        assert np.array_equal(same, margin[row : row + 1])


def test_a_single_row_decides_once_what_many_trees_ask() -> None:
    booster, _ = small_model()
    text = booster.model_to_string()
    once, often = read_forest([text]), read_forest([text, text, text])
    asked = [len(build_tables(f, *own_targets(6), 6).by_column.threshold) for f in (once, often)]
    assert asked[0] == asked[1] < len(once.feature)


def test_tables_of_the_margin_alone_give_the_same_bits() -> None:
    booster, X = small_model(num_leaves=31)
    forest = read_forest([booster.model_to_string()])
    targets, shares = own_targets(6)
    whole, alone = (
        build_tables(forest, targets, shares, 6),
        build_tables(forest, targets, 0 * shares, 0),
    )
    for rows in (X, X[:1]):
        assert np.array_equal(look_up(forest, alone, rows)[1], look_up(forest, whole, rows)[1])


def test_a_path_too_long_for_tables_is_named() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 30))
    y = rng.integers(0, 2, 400)
    settings = {
        "objective": "binary",
        "verbose": -1,
        "num_leaves": 300,
        "min_data_in_leaf": 1,
        "num_threads": 1,
        "extra_trees": True,
    }
    booster = lightgbm.train(settings, lightgbm.Dataset(X, y), 10)
    forest = read_forest([booster.model_to_string()])
    with pytest.raises(PathTooLongError, match=r"a path of \d+ columns"):
        build_tables(forest, *own_targets(30), 30)
    margin = predictor.margins(forest, None, X)
    np.testing.assert_allclose(margin, booster.predict(X, raw_score=True), rtol=0, atol=1e-12)


def test_a_model_too_deep_is_answered_by_lightgbm_with_a_warning(
    handmade: Any, leads: Any, monkeypatch: Any, caplog: Any
) -> None:
    frame, _ = leads(300, 4)
    expected = predictor.LeadScorer(*handmade).contributions(frame, by="factor")
    monkeypatch.setattr(predictor, "MOST_CELLS", 10)
    monkeypatch.setattr(predictor, "_TABLES", {})
    with caplog.at_level(logging.WARNING):
        slow = predictor.LeadScorer(*handmade, trusted=False).contributions(frame, by="factor")
    assert "pred_contrib answers" in caplog.text
    np.testing.assert_allclose(slow.values, expected.values, rtol=0, atol=1e-12)
    assert slow.base == pytest.approx(expected.base, abs=1e-12)
    assert np.array_equal(slow.margin, expected.margin)


def test_linear_trees_are_refused_by_name() -> None:
    booster, _ = small_model(linear_tree=True)
    with pytest.raises(PredictorError, match="linear_tree"):
        read_forest([booster.model_to_string()])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("left_child=", "left_child=7 "),
        ("left_child=1", "left_child=0"),
        ("split_feature=", "split_feature=99 "),
        ("num_leaves=8", "num_leaves=9"),
        ("num_leaves=8", "num_leaves=-1"),
        ("leaf_value=", "leaf_value=nan "),
        ("threshold=", "threshold=x "),
        ("num_class=1", "num_class=3"),
        ("end of trees", ""),
        ("tree_sizes=", "tree_sizes=1 "),
    ],
)
def test_an_edited_text_is_refused_without_harm(old: str, new: str) -> None:
    text = small_model()[0].model_to_string()
    assert old in text
    with pytest.raises(PredictorError):
        read_forest([text.replace(old, new, 1)])


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_truncated_text_is_refused_without_harm(share: float) -> None:
    text = small_model()[0].model_to_string()
    whole = text.index("end of trees")
    with pytest.raises(PredictorError):
        read_forest([text[: int(whole * share)]])


def test_lightgbm_sees_a_foreign_text_in_a_subprocess_first() -> None:
    text = small_model()[0].model_to_string()
    predictor.probe(text)
    with pytest.raises(PredictorError, match="cannot read"):
        predictor.probe(text[:2000])
