"""Where rows are many they are held in float32, and gathered: the answers stay what they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.fit import design_rows, terms
from models.fit.design_rows import gathered, gram, times
from models.fit.encoders import describe, read_columns
from models.fit.linear import fit_linear
from models.metrics import METRICS, NearRows


def test_products_by_blocks_are_those_of_the_whole_matrix(monkeypatch):
    monkeypatch.setattr(design_rows, "BLOCK", 7)
    rng = np.random.default_rng(0)
    narrow = rng.normal(size=(50, 4)).astype(np.float32)
    whole, of_rows = narrow.astype(np.float64), rng.random(50)
    np.testing.assert_allclose(times(narrow, np.arange(4.0)), times(whole, np.arange(4.0)))
    np.testing.assert_allclose(gathered(narrow, of_rows), gathered(whole, of_rows))
    np.testing.assert_allclose(gram(narrow, of_rows), gram(whole, of_rows))


def test_the_line_of_many_rows_is_that_of_few(monkeypatch):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({f"a{i}": rng.normal(size=800).astype(np.float32) for i in range(3)})
    frame.loc[::7, "a1"] = np.nan
    frame["source"] = rng.choice(np.array(["web", "fair", None], dtype=object), 800)
    y = (rng.random(800) < 1 / (1 + np.exp(-frame["a0"]))).astype(float)
    columns, fold = read_columns(frame, describe(frame)), np.arange(800) % 3
    assert columns.numbers["a0"].dtype == np.float32
    few = fit_linear(columns, y, fold, bends=3).margin(columns)
    monkeypatch.setattr(terms, "MANY_ROWS", 1)
    many = fit_linear(columns, y, fold, bends=3).margin(columns)
    np.testing.assert_allclose(many, few, atol=1e-4)


def test_figures_on_gathered_rows_are_those_of_all_rows():
    rng = np.random.default_rng(2)
    margin = rng.normal(-2, 1, 30_000)
    p = 1 / (1 + np.exp(-margin))
    y = (rng.random(30_000) < p).astype(float)
    drawn = rng.poisson(1.0, 30_000).astype(float)
    near = NearRows.of(y, p, bins=2000)
    counted = near.counted(drawn)
    assert counted.sum() == drawn.sum()
    kept, seen = counted > 0, drawn > 0
    for name, metric in METRICS.items():
        exact = metric(y[seen], p[seen], drawn[seen])
        gathered_figure = metric(near.y[kept], near.p[kept], counted[kept])
        assert gathered_figure == pytest.approx(exact, abs=0.004, rel=0.01), name
