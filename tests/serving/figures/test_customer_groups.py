"""What young customers are still to pay: drawn from older ones, and held in little memory."""

from __future__ import annotations

import numpy as np

from models.amount_model import SUMS
from serving.figures.customer_groups import _DrawnShares


def test_shares_are_drawn_customer_by_customer_and_read_some_draws_at_a_time() -> None:
    rng = np.random.default_rng(1)
    old, young = rng.random(300), rng.random(7)
    shares = [old, young, old]
    one_by_one = np.random.default_rng(0)
    drawn = np.column_stack([one_by_one.choice(share, SUMS) for share in shares])
    kept = _DrawnShares(shares)
    assert (kept.of_draws(slice(0, 400)) == drawn[:400]).all()
    assert (kept.of_draws(slice(400, SUMS)) == drawn[400:]).all()
    assert kept._which.nbytes == 2 * SUMS * len(shares)
    assert len(kept._all) == len(old) + len(young), "customers of one age share their donors"
