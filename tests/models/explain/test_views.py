"""Global views, shap's plots from our contributions, and exact interactions."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import factorial
from typing import Any

import lightgbm
import numpy as np
import pytest

from models.explain.interactions import column_interactions, top_interactions
from models.explain.shap_values import dependence, global_view
from models.predictor import Forest, LeadScorer, PredictorError, read_forest


def small_forest(columns: int = 4) -> tuple[Forest, np.ndarray]:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(800, columns))
    X[rng.random(X.shape) < 0.1] = np.nan
    y = (np.nan_to_num(X[:, 0] * X[:, 1]) + rng.normal(size=800) > 0).astype(int)
    settings = {"objective": "binary", "verbose": -1, "num_leaves": 8, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(X, y), 5)
    return read_forest([booster.model_to_string()]), X


def expectation(forest: Forest, tree: int, x: np.ndarray, known: frozenset[int]) -> float:
    """Path-dependent expectation of one tree when only `known` columns are known."""
    a, leaves = forest.node_at[tree], forest.leaf_at[tree]

    def walk(node: int) -> float:
        if node < 0:
            return float(forest.leaf_value[leaves - node - 1])
        i = a + node
        f = int(forest.feature[i])
        if f in known:
            v = x[f]
            goes = v <= forest.threshold[i] or (forest.kind[i] == 1 and np.isnan(v))
            return walk(int(forest.left[i] if goes else forest.right[i]))
        total = 0.0
        for child in (int(forest.left[i]), int(forest.right[i])):
            count = (
                forest.node_count[a + child]
                if child >= 0
                else forest.leaf_count[leaves - child - 1]
            )
            total += count / forest.node_count[i] * walk(child)
        return total

    return walk(0)


def test_interactions_equal_the_definition_over_all_subsets() -> None:
    forest, X = small_forest()
    rows, m = X[:6], 4
    for i, j in combinations(range(m), 2):
        found = column_interactions(forest, rows)[:, i, j]
        rest = [k for k in range(m) if k not in (i, j)]
        for r, x in enumerate(rows):
            expected = 0.0
            for s in range(len(rest) + 1):
                weight = factorial(s) * factorial(m - s - 2) / factorial(m - 1)
                for chosen in combinations(rest, s):
                    for t in range(forest.n_trees):
                        v = [
                            expectation(forest, t, x, frozenset(chosen) | extra)
                            for extra in ({i, j}, {i}, {j}, set())
                        ]
                        expected += weight * (v[0] - v[1] - v[2] + v[3])
            assert found[r] == pytest.approx(expected, abs=1e-12)


def test_interactions_are_symmetric_and_stumps_have_none() -> None:
    forest, X = small_forest()
    pairs = column_interactions(forest, X[:50])
    assert np.array_equal(pairs, pairs.transpose(0, 2, 1))
    assert not pairs.diagonal(axis1=1, axis2=2).any()
    y = (np.nan_to_num(X[:, 0]) > 0).astype(int)
    settings = {"objective": "binary", "verbose": -1, "num_leaves": 2, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(X, y), 5)
    assert not column_interactions(read_forest([booster.model_to_string()]), X).any()


def test_top_pairs_are_named_and_ranked(scorer: LeadScorer, handmade: Any, leads: Any) -> None:
    frame, _ = leads(200, 1)
    found = top_interactions(scorer, frame, most=4)
    assert len(found) == 4
    assert found["strength"].is_monotonic_decreasing
    assert found["strength"].iloc[0] > 0
    assert set(found["first"]) | set(found["second"]) <= set(scorer.factors)
    twice = top_interactions(scorer, frame, most=4, scale=np.full(200, 2.0))
    assert twice["strength"].to_numpy() == pytest.approx(2 * found["strength"].to_numpy())
    with pytest.raises(PredictorError, match="without trees"):
        top_interactions(LeadScorer(replace(handmade[0], forest=None)), frame)


def test_the_global_view_is_a_mean_of_contributions(scorer: LeadScorer, leads: Any) -> None:
    frame, y = leads(500, 1)
    view = global_view(scorer, frame)
    assert set(view["name"]) == set(scorer.factors)
    assert view["mean_abs"].is_monotonic_decreasing
    table = dependence(scorer, frame, "employees", y)
    assert table["n"].sum() == 500
    assert "missing" in set(table["group"])
    assert dependence(scorer, frame, "industry", y)["n"].sum() == 500


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_shap_takes_our_contributions(scorer: LeadScorer, leads: Any) -> None:
    from models.explain.shap_values import to_shap

    frame, _ = leads(50, 1)
    explanation = to_shap(scorer, frame)
    margin = explanation.base_values + explanation.values.sum(axis=1)
    np.testing.assert_allclose(margin, scorer.margin(frame), rtol=0, atol=1e-12)
    assert to_shap(scorer, frame, by="factor").feature_names == list(scorer.factors)
