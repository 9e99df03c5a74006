"""The delay curve is Aalen-Johansen's, and missing years of conversions are noticed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.clock import DAY, NEVER
from data.delay import delay_curve, detect_truncation
from data.project import check_project
from data.reading.sort_events import assemble
from data.schema import Project
from data.tables import Outcomes, Tables

NOW = 1_600_000_000_000_000


def project(horizon: str, since: str = "created") -> Project:
    return check_project(
        {
            "project": {"name": "t"},
            "leads": {"source": "x", "id": "id", "created_at": "c", "converted_at": "w"},
            "conversion": {"horizon": horizon, "horizon_from": since},
        }
    )


def tables(created: np.ndarray) -> Tables:
    n = len(created)
    ids = np.array([f"L{i}" for i in range(n)], dtype=object)
    none = assemble([], (), np.full(n, NEVER), None)
    frame = pd.DataFrame(index=range(n))
    return Tables(ids, created, None, np.full(n, -1), (), none, frame, NOW)


def test_an_example_by_hand() -> None:
    created = np.full(4, NOW - 10 * DAY)
    won = np.array([NOW - 9 * DAY, NEVER, NOW - 7 * DAY, NEVER])
    lost = np.array([NEVER, NOW - 8 * DAY, NEVER, NEVER])
    found = delay_curve(tables(created), Outcomes(won, lost, NOW), project("2d"))
    curve = found.incidence
    assert curve.days.tolist() == [1, 2, 3]
    assert curve.incidence.tolist() == pytest.approx([0.25, 0.25, 0.5])
    assert curve.still_open.tolist() == pytest.approx([0.75, 0.5, 0.25])
    assert found.covered == pytest.approx(0.5)
    assert found.advice_days == 3
    assert "covers 50%" in found.warnings[0]
    assert float(curve.share_by(0.5)) == 0


def test_censoring_is_not_loss() -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    created = NOW - rng.integers(0, 100 * DAY, n)
    delay = (rng.exponential(20, n) * DAY).astype(np.int64)
    happens = rng.random(n) < 0.3
    won = np.where(happens & (created + delay < NOW), created + delay, NEVER)
    curve = delay_curve(tables(created), Outcomes(won, np.full(n, NEVER), NOW), project("30d"))
    truth = 0.3 * (1 - np.exp(-np.array([7, 30, 60]) / 20))
    assert np.abs(curve.incidence.share_by(np.array([7.0, 30, 60])) - truth).max() < 0.015


def test_conversions_that_start_late_are_noticed() -> None:
    rng = np.random.default_rng(1)
    n = 4_000
    created = NOW - rng.integers(0, 400 * DAY, n)
    delay = (rng.exponential(20, n) * DAY).astype(np.int64)
    won = np.where((rng.random(n) < 0.2) & (created + delay < NOW), created + delay, NEVER)
    begun = NOW - 200 * DAY
    whole = Outcomes(won, np.full(n, NEVER), NOW)
    assert detect_truncation(created, whole) is None
    late = Outcomes(np.where(won < begun, NEVER, won), np.full(n, NEVER), NOW)
    found = detect_truncation(created, late)
    assert found is not None
    assert begun - 31 * DAY <= found.recorded_from <= begun + 2 * DAY
    assert found.n_older > 1_000


def test_a_young_company_is_not_mistaken_for_a_truncated_one() -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        n = 500
        created = NOW - rng.integers(0, 300 * DAY, n)
        delay = (rng.gamma(4, 10, n) * DAY).astype(np.int64)
        won = np.where((rng.random(n) < 0.2) & (created + delay < NOW), created + delay, NEVER)
        assert detect_truncation(created, Outcomes(won, np.full(n, NEVER), NOW)) is None
