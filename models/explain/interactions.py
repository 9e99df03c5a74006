"""Turns a forest and rows into exact pairwise interactions: which two columns act together.

The Shapley interaction index of the path-dependent game (Grabisch and Roubens 1999; Lundberg et
al. 2020), leaf by leaf in closed form. shap shows half of it in each of two mirrored cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from data.compiled import compiled
from models.predictor import Floats, Forest, LeadScorer, PredictorError
from models.predictor import _goes_left as goes_left


def column_interaction(forest: Forest, X: Floats, first: int, second: int) -> Floats:
    """Interaction of two design columns, (n,) log-odds; for thousands of rows, not millions."""
    out = np.zeros(len(X))
    _pair_rows(np.ascontiguousarray(X), first, second, forest, out)
    return out


def top_interactions(
    scorer: LeadScorer, frame: pd.DataFrame, *, most: int = 10, among: int = 8
) -> pd.DataFrame:
    """Rank pairs of features by mean absolute interaction: columns first, second, strength.

    Looks at pairs of the `among` strongest features; design columns of one feature are added.
    """
    if scorer.forest is None:
        raise PredictorError("a model without trees has no interactions")
    strength = np.abs(scorer.contributions(frame).values).mean(axis=0)
    chosen = [scorer.names[i] for i in np.argsort(-strength, kind="stable")[:among]]
    X, owners = scorer.design(frame), [encoder.sources for encoder in scorer.encoders]
    rows = []
    for a, first in enumerate(chosen):
        for second in chosen[a + 1 :]:
            total = _feature_pair(scorer.forest, X, owners, first, second)
            rows.append((first, second, float(np.abs(total).mean())))
    ranked = pd.DataFrame(rows, columns=["first", "second", "strength"])
    return ranked.sort_values("strength", ascending=False, ignore_index=True).head(most)


def _feature_pair(
    forest: Forest, X: Floats, owners: Sequence[tuple[str, ...]], first: str, second: str
) -> Floats:
    """Add the interactions of all design columns of two features; a pair column gives its share."""
    total = np.zeros(len(X))
    for i, own in enumerate(owners):
        for j, other in enumerate(owners):
            if i != j and first in own and second in other:
                share = 1.0 / (len(own) * len(other))
                total += share * column_interaction(forest, X, i, j)
    return total


@compiled(error_model="numpy")
def _pair_rows(X, first, second, forest, out):  # type: ignore[no-untyped-def]
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
                d, i, j = 0, -1, -1
                child, below = -leaf - 1, forest.leaf_count[forest.leaf_at[t] + leaf]
                node = leaf_parent[leaf] if n > 0 else -1
                while node >= 0:
                    f = forest.feature[a + node]
                    k = 0
                    while k < d and column[k] != f:
                        k += 1
                    if k == d:
                        column[d], z[d], holds[d] = f, 1.0, 1.0
                        i = d if f == first else i
                        j = d if f == second else j
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
                if i < 0 or j < 0:
                    continue
                poly[0] = 1.0
                size = 0
                for k in range(d):
                    if k != i and k != j:
                        poly[size + 1] = poly[size] * holds[k]
                        for s in range(size, 0, -1):
                            poly[s] = poly[s] * z[k] + poly[s - 1] * holds[k]
                        poly[0] *= z[k]
                        size += 1
                share, total = 1.0 / (d - 1), 0.0  # s! (d - s - 2)! / (d - 1)!
                for s in range(size + 1):
                    total += poly[s] * share
                    if s < size:
                        share *= (s + 1.0) / (d - s - 2.0)
                value = forest.leaf_value[forest.leaf_at[t] + leaf]
                out[r] += value * (holds[i] - z[i]) * (holds[j] - z[j]) * total
