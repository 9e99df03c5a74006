"""The sparse design of the line: its terms side by side, one at a time beside the whole."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from models.fit.encoders import TrainingColumns, describe, read_columns
from models.fit.terms import plan_terms, term_matrix


@pytest.fixture(scope="module")
def wide() -> TrainingColumns:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({f"number_{i}": rng.normal(size=3000) for i in range(40)})
    frame["word"] = rng.choice(["a", "b", "c"], 3000)
    frame.loc[:200, "number_3"] = np.nan
    return read_columns(frame, describe(frame))


def test_it_is_its_blocks_side_by_side(wide: TrainingColumns) -> None:
    drafts = plan_terms(wide, bends=6)
    made, places = term_matrix(wide, drafts)
    stacked = sp.hstack([draft.block(wide) for draft in drafts], format="csr")
    assert made.shape == stacked.shape == (3000, places[-1].stop)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(made, name), getattr(stacked, name))


def test_it_is_never_held_twice(wide: TrainingColumns) -> None:
    drafts = plan_terms(wide, bends=6)
    tracemalloc.start()
    made = term_matrix(wide, drafts)[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = made.data.nbytes + made.indices.nbytes + made.indptr.nbytes
    assert peak < 1.5 * size, peak / size
