"""Labelled snapshots -> train and test: purged in time, or at random where no time is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import InputError
from data.tables import LabelledSnapshots

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cut:
    """Positions of train and test, where the test begins (in `order`), and what was dropped.

    `cut_at` is None where the test rows were drawn at random.
    """

    train: Rows
    test: Rows
    cut_at: int | None
    dropped: dict[str, int]

    @property
    def in_time(self) -> bool:
        """Whether the test rows are the newest ones."""
        return self.cut_at is not None


def purged_cut(labelled: LabelledSnapshots, test_share: float, lead: Rows | None = None) -> Cut:
    """Cut off the newest share of snapshots as a test, free of any overlap with train.

    Train keeps the snapshots whose label window closed at or before the first test as_of; later
    snapshots of leads that are in train are dropped from the test. `lead` says which lead each
    snapshot belongs to, (n,), where a lead has several rows in the tables.
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
    lead = labelled.snapshots.lead if lead is None else lead
    train, test, dropped = _purge(labelled, lead, ~late, late)
    return Cut(train, test, cut_at, dropped)


def _purge(
    labelled: LabelledSnapshots, lead: Rows, early: NDArray[np.bool_], late: NDArray[np.bool_]
) -> tuple[Rows, Rows, dict[str, int]]:
    """Drop from train what closes inside the test, and from test the leads of train."""
    begins = labelled.snapshots.as_of[late].min()
    closed = early & (labelled.closes_at <= begins)
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
    parts = _parts_of_leads(labelled.snapshots.lead, labelled.y, blocks, seed)
    late = parts < max(1, round(blocks * test_share))
    return Cut(np.flatnonzero(~late), np.flatnonzero(late), None, {})


def _parts_of_leads(lead: NDArray[np.int64], y: NDArray[np.generic], n: int, seed: int) -> Rows:
    """Assign whole leads to n parts in turn, those with most positives first: (rows,) parts."""
    _, code = np.unique(lead, return_inverse=True)
    positives = np.bincount(code, weights=np.asarray(y, float))
    sizes = np.bincount(code)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    ranked = np.lexsort((shuffled, -sizes, -positives))
    part = np.empty(len(sizes), np.int64)
    part[ranked] = np.arange(len(sizes)) % n
    return part[code]
