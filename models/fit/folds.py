"""Rows -> folds: grouped and stratified at random for members, forward and purged for choices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.fit.encoders import Ints
from models.fit.row_weights import weighted_mean, weights_or_ones
from models.predictor import Floats

Split = tuple[Ints, Ints]


def assign_folds(y: Floats, groups: Ints | None, k: int, seed: int) -> Ints:
    """Deal rows, or whole groups, into k folds with about the same share of positives: (n,)."""
    rng = np.random.default_rng(seed)
    ids = np.arange(len(y)) if groups is None else groups
    distinct, member = np.unique(ids, return_inverse=True)
    hits = np.bincount(member, weights=y, minlength=len(distinct)) > 0
    shuffled = rng.permutation(len(distinct))
    order = shuffled[np.argsort(hits[shuffled], kind="stable")]
    dealt = np.empty(len(distinct), dtype=np.int64)
    dealt[order] = np.arange(len(distinct)) % k
    return dealt[member]


def forward_splits(
    times: NDArray[np.generic],
    closes: NDArray[np.generic] | None,
    groups: Ints | None,
    n: int,
    *,
    first: float = 0.4,
) -> list[Split]:
    """Cut n purged forward folds after the `first` share of rows: [(past rows, next rows)].

    A row is past only if its label window closed before the first moment of the next rows
    (`closes`, where given); next rows of a group that is in the past are left out. Equal times
    stay together.
    """
    order = np.argsort(times, kind="stable")
    cuts = np.linspace(first, 1.0, n + 1)
    starts = [times[order[min(int(c * len(order)), len(order) - 1)]] for c in cuts[:-1]]
    splits = []
    for i, start in enumerate(starts):
        ahead = times >= start
        if i + 1 < len(starts):
            ahead &= times < starts[i + 1]
        past = (times < start) if closes is None else (times < start) & (closes <= start)
        if groups is not None:
            ahead &= ~np.isin(groups, groups[past])
        if past.any() and ahead.any():
            splits.append((np.flatnonzero(past), np.flatnonzero(ahead)))
    return splits


def design_effect(y: Floats, groups: Ints | None, row_weights: Floats | None = None) -> float:
    """Say how many times fewer independent outcomes there are than rows (Kish 1965), at least 1.

    Snapshots of one lead share its outcome: five of them say little more than one.
    """
    if groups is None:
        return 1.0
    counted = weights_or_ones(row_weights, len(y))
    gaps = y - weighted_mean(y, counted)
    together = np.bincount(np.unique(groups, return_inverse=True)[1], weights=counted * gaps)
    return max(1.0, float(np.sum(together**2) / max(float(np.sum(counted * gaps**2)), 1e-12)))


def random_splits(fold: Ints) -> list[Split]:
    """Turn a fold assignment into (rest, held-out) pairs."""
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in np.unique(fold)]
