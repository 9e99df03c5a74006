"""Train and test never overlap: not in time, not in leads, not in groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import InputError
from data.splits import purged_cut, random_cut
from data.tables import LabelledSnapshots, Snapshots


def labelled(seed: int, n: int = 200, horizon: int = 20, n_leads: int = 90) -> LabelledSnapshots:
    rng = np.random.default_rng(seed)
    as_of = np.sort(rng.integers(0, 300, n))
    y = (rng.random(n) < 0.3).astype(np.int8)
    return LabelledSnapshots(
        Snapshots(rng.integers(0, n_leads, n), as_of), y, as_of + horizon, as_of
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.2, 0.5]))
def test_the_cut_is_purged(seed: int, share: float) -> None:
    rows = labelled(seed)
    cut = purged_cut(rows, share)
    first = rows.snapshots.as_of[rows.order >= cut.cut_at].min()
    assert (rows.closes_at[cut.train] <= first).all()
    assert (rows.snapshots.as_of[cut.test] >= first).all()
    assert not set(rows.snapshots.lead[cut.train]) & set(rows.snapshots.lead[cut.test])
    assert len(cut.train) + len(cut.test) + sum(cut.dropped.values()) == len(rows)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_a_random_cut_keeps_leads_whole_and_repeats_with_its_seed(seed: int) -> None:
    rows = labelled(seed)
    cut, again = random_cut(rows, 0.2, seed), random_cut(rows, 0.2, seed)
    lead = rows.snapshots.lead
    assert not set(lead[cut.train]) & set(lead[cut.test])
    assert sorted([*cut.train.tolist(), *cut.test.tolist()]) == list(range(len(rows)))
    assert cut.test.tolist() == again.test.tolist()


def test_a_random_cut_is_stratified() -> None:
    n = 1000
    y = (np.arange(n) % 10 == 0).astype(np.int8)
    zeros = np.zeros(n, np.int64)
    rows = LabelledSnapshots(Snapshots(np.arange(n), zeros), y, zeros, zeros)
    cut = random_cut(rows, 0.2, seed=0)
    assert len(cut.test) == 200
    assert y[cut.test].sum() == 20


def test_rows_without_an_order_are_refused_with_the_cure() -> None:
    zeros = np.zeros(10, np.int64)
    rows = LabelledSnapshots(Snapshots(np.arange(10), zeros), zeros.astype(np.int8), zeros, zeros)
    with pytest.raises(InputError, match="order_by"):
        purged_cut(rows, 0.2)
