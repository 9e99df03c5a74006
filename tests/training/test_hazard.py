"""The chain of windows: who is at risk when, and probabilities that rise with the horizon."""

import numpy as np
import pandas as pd
import pytest

from data.clock import DAY, NEVER
from data.errors import InputError
from data.tables import Outcomes, Snapshots
from models.learner import LeadClassifier
from training import hazard
from training.hazard import edges_of, fit_chain, windows_of


@pytest.mark.parametrize(
    ("horizon", "days"), [(90, [7, 30, 90]), (30, [7, 30]), (5, [5]), (120, [7, 30, 90, 120])]
)
def test_the_last_edge_is_the_horizon(horizon, days):
    assert [edge // DAY for edge in edges_of(horizon * DAY)] == days


def test_a_row_joins_every_window_that_has_passed_and_leaves_at_its_conversion(monkeypatch):
    monkeypatch.setattr(hazard, "LEAST", 0)
    snapshots = Snapshots(np.arange(4), np.array([0, 0, 95, 0]) * DAY)
    converted = np.array([3 * DAY, 20 * DAY, 97 * DAY, NEVER])
    outcomes = Outcomes(converted, np.array([NEVER, NEVER, NEVER, 10 * DAY]), 100 * DAY)
    first, second = windows_of(snapshots, outcomes, (7 * DAY, 30 * DAY), 100 * DAY)
    assert first.rows.tolist() == [0, 1, 3]  # lead 2 is five days old: absent, though converted
    assert first.y.tolist() == [1, 0, 0]
    assert second.rows.tolist() == [1, 3]  # the disqualified lead stays at risk, as in the label
    assert second.y.tolist() == [1, 0]


def test_a_poor_window_is_joined_with_the_next():
    snapshots = Snapshots(np.arange(20), np.zeros(20, np.int64))
    converted = np.where(np.arange(20) < 10, 20 * DAY, NEVER)
    outcomes = Outcomes(converted, np.full(20, NEVER), 100 * DAY)
    windows = windows_of(snapshots, outcomes, (7 * DAY, 30 * DAY), 100 * DAY)
    assert [(w.start, w.stop // DAY, int(w.y.sum())) for w in windows] == [(0, 30, 10)]


def world(n: int = 1500):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"heat": rng.normal(size=n), "noise": rng.normal(size=n)})
    delay = rng.exponential(40 * np.exp(-X["heat"].to_numpy())) * DAY
    as_of = np.sort(rng.integers(0, 200, n)) * DAY
    converted = np.where(rng.random(n) < 0.5, as_of + delay.astype(np.int64), NEVER)
    return X, Snapshots(np.arange(n), as_of), Outcomes(converted, np.full(n, NEVER), 250 * DAY)


def test_probabilities_rise_with_the_horizon_and_come_true():
    X, snapshots, outcomes = world()
    chain = fit_chain(
        X, snapshots, outcomes, horizon=60 * DAY, until=200 * DAY, groups=snapshots.lead,
        make=lambda: LeadClassifier(seed=0, fast=True),
    )  # fmt: skip
    p = chain.predict(X)
    assert p.shape == (len(X), 3)
    assert (np.diff(p, axis=1) >= 0).all()
    late = snapshots.as_of >= 150 * DAY
    for column, edge in enumerate(chain.edges):
        closed = late & (snapshots.as_of + edge <= 250 * DAY)
        share = (outcomes.converted_at[closed] < snapshots.as_of[closed] + edge).mean()
        assert p[closed, column].mean() == pytest.approx(share, abs=0.08)


def test_too_little_history_is_refused_in_one_line():
    X, snapshots, outcomes = world(30)
    nobody = Outcomes(np.full(30, NEVER), outcomes.disqualified_at, 250 * DAY)
    with pytest.raises(InputError, match="only 0 of"):
        fit_chain(
            X, snapshots, nobody, horizon=60 * DAY, until=250 * DAY, groups=snapshots.lead,
            make=lambda: LeadClassifier(seed=0, fast=True),
        )  # fmt: skip
