"""Dated rows of many leads: the cut, keeping and taking agree with a loop over leads."""

from __future__ import annotations

import numpy as np
import pytest

from data.ragged import is_known
from data.tables import Changes

OFFSETS = np.array([0, 2, 2, 5])
AT = np.array([1, 4, 2, 4, 4])
CHANGES = Changes(OFFSETS, AT, np.arange(5.0), np.arange(5.0) + 1)


def test_known_is_strictly_before_by_both_clocks() -> None:
    at, recorded = np.array([3, 4, 3, 3]), np.array([3, 3, 4, 5])
    assert is_known(at, None, 4).tolist() == [True, False, True, True]
    assert is_known(at, recorded, 4).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("as_of", "kept"), [(4, [0, 2]), (5, [0, 1, 2, 3, 4]), (np.array([5, 9, 4]), [0, 1, 2])]
)
def test_the_cut_takes_one_moment_or_each_leads_own(as_of: int, kept: list[float]) -> None:
    cut = CHANGES.as_of(as_of)
    assert cut.old.tolist() == kept
    assert len(cut.offsets) == len(OFFSETS)
    assert cut.lead.tolist() == CHANGES.lead[kept].tolist()


def test_leads_are_taken_in_any_order_and_more_than_once() -> None:
    taken = CHANGES.take(np.array([2, 1, 0, 0]))
    assert taken.offsets.tolist() == [0, 3, 3, 5, 7]
    assert taken.new.tolist() == [3, 4, 5, 1, 2, 1, 2]


@pytest.mark.parametrize("times", [1, 20])
def test_few_and_many_searches_count_the_same(times: int) -> None:
    lead = np.tile(np.array([0, 0, 1, 2]), times)
    as_of = np.tile(np.array([1, 2, 9, 4]), times)
    assert CHANGES.count_before(lead, as_of).tolist() == [0, 1, 0, 1] * times
