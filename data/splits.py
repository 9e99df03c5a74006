"""Labelled snapshots -> the purged test cut and the two kinds of folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import InputError
from data.tables import LabelledSnapshots

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cut:
    """Positions of train and test, where the test begins (in `order`), and what was dropped."""

    train: Rows
    test: Rows
    cut_at: int
    dropped: dict[str, int]


def purged_cut(labelled: LabelledSnapshots, test_share: float) -> Cut:
    """Cut off the newest share of snapshots as a test, free of any overlap with train.

    Train keeps the snapshots whose label window closed at or before the first test as_of; later
    snapshots of leads that are in train are dropped from the test.
    """
    order, n = labelled.order, len(labelled)
    if n < 2:
        raise InputError(f"{n} labelled snapshots cannot be split")
    at = min(n - 1, int(np.floor(n * (1 - test_share) + 1e-9)))
    cut_at = int(np.sort(order)[at])
    late = order >= cut_at
    if late.all():
        raise InputError(
            "the rows have no order in time to cut by",
            column="project.order_by",
            cure='declare order_by, or split = "random" in [train]',
        )
    train, test, dropped = _purge(labelled, ~late, late)
    return Cut(train, test, cut_at, dropped)


def _purge(
    labelled: LabelledSnapshots, early: NDArray[np.bool_], late: NDArray[np.bool_]
) -> tuple[Rows, Rows, dict[str, int]]:
    """Drop from train what closes inside the test, and from test the leads of train."""
    begins = labelled.snapshots.as_of[late].min()
    closed = early & (labelled.closes_at <= begins)
    lead = labelled.snapshots.lead
    known = np.isin(lead, lead[closed])
    fresh = late & ~known
    dropped = {
        "train: label window not closed before the test": int((early & ~closed).sum()),
        "test: lead is in train": int((late & known).sum()),
    }
    return np.flatnonzero(closed), np.flatnonzero(fresh), dropped


def random_cut(labelled: LabelledSnapshots, test_share: float, seed: int) -> Cut:
    """Cut off a random share of leads, stratified by label: static mode only."""
    n = max(2, round(1 / test_share))
    blocks = max(20, n)
    parts = _dealt(labelled.snapshots.lead, labelled.y, blocks, seed)
    late = parts < max(1, round(blocks * test_share))
    return Cut(np.flatnonzero(~late), np.flatnonzero(late), 0, {})


def forward_folds(labelled: LabelledSnapshots, n: int) -> list[tuple[Rows, Rows]]:
    """Make n purged folds forward in time: train on what closed before, validate on the next block.

    The rows are cut into n + 1 blocks of equal size by `order`. Folds without both classes in
    train are left out.
    """
    ranked = np.sort(labelled.order)
    edges = [int(ranked[len(ranked) * k // (n + 1)]) for k in range(1, n + 1)]
    folds = []
    for k, edge in enumerate(edges):
        late = labelled.order >= edge
        if k + 1 < n:
            late &= labelled.order < edges[k + 1]
        early = labelled.order < edge
        if not late.any() or not early.any():
            continue
        train, valid, _ = _purge(labelled, early, late)
        if len(valid) and len(np.unique(labelled.y[train])) == 2:
            folds.append((train, valid))
    return folds


def grouped_folds(
    groups: NDArray[np.int64], y: NDArray[np.generic], n: int, seed: int
) -> list[tuple[Rows, Rows]]:
    """Make n random folds that keep each group (lead, account) whole, stratified by positives.

    `groups` is (rows,); a negative group is a group of its own.
    """
    parts = _dealt(groups, y, n, seed)
    return [(np.flatnonzero(parts != k), np.flatnonzero(parts == k)) for k in range(n)]


def _dealt(groups: NDArray[np.int64], y: NDArray[np.generic], n: int, seed: int) -> Rows:
    """Deal groups out like cards, those with most positives first: (rows,) fold numbers."""
    alone = groups < 0
    keys = np.where(alone, np.arange(len(groups)) + groups.max(initial=0) + 1, groups)
    _, code = np.unique(keys, return_inverse=True)
    positives = np.bincount(code, weights=np.asarray(y, float))
    sizes = np.bincount(code)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    ranked = np.lexsort((shuffled, -sizes, -positives))
    fold = np.empty(len(sizes), np.int64)
    fold[ranked] = np.arange(len(sizes)) % n
    return fold[code]
