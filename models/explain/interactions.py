"""Turns a forest and rows into exact pairwise interactions: which two factors act together.

The Shapley interaction index of the path-dependent game (Grabisch and Roubens 1999; Lundberg et
al. 2020), leaf by leaf in closed form. shap shows half of it in each of two mirrored cells.
"""

from __future__ import annotations

from itertools import combinations
from typing import Final

import numpy as np
import pandas as pd

from data.compiled import compiled
from models.predictor import Floats, Forest, LeadScorer, PredictorError
from models.predictor import _goes_left as goes_left

BLOCK: Final = 32
"""Rows whose interactions of all pairs are held at once."""


def column_interactions(forest: Forest, X: Floats) -> Floats:
    """Interactions of all pairs of design columns, (n, columns, columns) log-odds, symmetric.

    What a column does by itself is not in them: the diagonal is 0. For hundreds of rows.
    """
    out = np.zeros((len(X), X.shape[1], X.shape[1]))
    _all_pairs(np.ascontiguousarray(X), forest, out)
    return out


def top_interactions(
    scorer: LeadScorer, frame: pd.DataFrame, *, most: int = 10, scale: Floats | float = 1.0
) -> pd.DataFrame:
    """Rank pairs of factors by mean absolute interaction: columns first, second, strength.

    `scale`, (n,) or one number, says what a log-odds of each row is worth. Design columns of one
    factor are added; a column of two features counts half for each.
    """
    if scorer.forest is None:
        raise PredictorError("a model without trees has no interactions")
    X, share = scorer.design(frame), _shares_of_factors(scorer)
    each, total = np.broadcast_to(scale, len(X)), np.zeros((share.shape[1],) * 2)
    for start in range(0, len(X), BLOCK):
        rows = slice(start, start + BLOCK)
        pairs = share.T @ column_interactions(scorer.forest, X[rows]) @ share
        total += np.abs(pairs * each[rows, None, None]).sum(axis=0)
    names, mean = scorer.factors, total / max(len(X), 1)
    ranked = pd.DataFrame(
        [(names[i], names[j], float(mean[i, j])) for i, j in combinations(range(len(names)), 2)],
        columns=["first", "second", "strength"],
    ).sort_values("strength", ascending=False, ignore_index=True, kind="stable")
    return ranked.head(most)


def _shares_of_factors(scorer: LeadScorer) -> Floats:
    """Say how much of each design column belongs to each factor: (columns, factors)."""
    place = {factor: i for i, factor in enumerate(scorer.factors)}
    factor_of = {feature.name: place[feature.factor] for feature in scorer.features}
    shares = np.zeros((len(scorer.encoders), len(place)))
    for column, encoder in enumerate(scorer.encoders):
        for source in encoder.sources:
            shares[column, factor_of[source]] += 1.0 / len(encoder.sources)
    return shares


@compiled(error_model="numpy")
def _all_pairs(X, forest, out):  # type: ignore[no-untyped-def]
    """Add v (o_i - z_i)(o_j - z_j) sum over S of s! (d - s - 2)! / (d - 1)! prod o prod z."""
    most = 1
    for t in range(len(forest.node_at) - 1):
        most = max(most, forest.node_at[t + 1] - forest.node_at[t])
    parent, leaf_parent = np.empty(most, np.int64), np.empty(most + 1, np.int64)
    column, z, holds = np.empty(most, np.int64), np.empty(most), np.empty(most)
    poly = np.empty(most + 2)
    for t in range(len(forest.node_at) - 1):
        a, n = forest.node_at[t], forest.node_at[t + 1] - forest.node_at[t]
        for node in range(n):
            for child in (forest.left[a + node], forest.right[a + node]):
                if child >= 0:
                    parent[child] = node
                else:
                    leaf_parent[-child - 1] = node
        for r in range(len(X)):
            for leaf in range(n + 1):
                d = 0
                child, below = -leaf - 1, forest.leaf_count[forest.leaf_at[t] + leaf]
                node = leaf_parent[leaf] if n > 0 else -1
                while node >= 0:
                    f = forest.feature[a + node]
                    k = 0
                    while k < d and column[k] != f:
                        k += 1
                    if k == d:
                        column[d], z[d], holds[d] = f, 1.0, 1.0
                        d += 1
                    z[k] *= below / forest.node_count[a + node]
                    goes = goes_left(
                        X[r, f],
                        forest.kind[a + node],
                        forest.threshold[a + node],
                        forest.words,
                        forest.set_at[a + node],
                        forest.set_bits[a + node],
                    )
                    if goes != (forest.left[a + node] == child):
                        holds[k] = 0.0
                    child, below = node, forest.node_count[a + node]
                    node = parent[node] if node > 0 else -1
                value = forest.leaf_value[forest.leaf_at[t] + leaf]
                for i in range(d):
                    for j in range(i):
                        apart = value * (holds[i] - z[i]) * (holds[j] - z[j])
                        if apart == 0.0:
                            continue
                        weight = apart * _weight_of_others(z, holds, d, i, j, poly)
                        out[r, column[i], column[j]] += weight
                        out[r, column[j], column[i]] += weight


@compiled(error_model="numpy")
def _weight_of_others(z, holds, d, i, j, poly):  # type: ignore[no-untyped-def]
    """Sum over subsets S of the other columns: s! (d - s - 2)! / (d - 1)! prod o prod z."""
    poly[0] = 1.0
    size = 0
    for k in range(d):
        if k != i and k != j:
            poly[size + 1] = poly[size] * holds[k]
            for s in range(size, 0, -1):
                poly[s] = poly[s] * z[k] + poly[s - 1] * holds[k]
            poly[0] *= z[k]
            size += 1
    share, total = 1.0 / (d - 1), 0.0
    for s in range(size + 1):
        total += poly[s] * share
        if s < size:
            share *= (s + 1.0) / (d - s - 2.0)
    return total
