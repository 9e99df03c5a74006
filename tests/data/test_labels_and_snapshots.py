"""Snapshots stop where a lead ends, and only what is mature is labelled, to the microsecond."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.clock import DAY, HOUR, NEVER, SECOND, show
from data.labels import calendar, label, make_snapshots, open_snapshots
from data.project import check_project
from data.reading.sort_events import assemble
from data.schema import Project
from data.tables import Outcomes, Tables

NOW = 1_600_000_000_000_000


def project(**conversion: Any) -> Project:
    return check_project(
        {
            "project": {"name": "t"},
            "leads": {"source": "x", "id": "id", "created_at": "c", "converted_at": "w"},
            "conversion": {"horizon": "10d", "snapshots": ["0s"], **conversion},
        }
    )


def tables(created: list[int], recorded: list[int] | None = None) -> Tables:
    n = len(created)
    return Tables(
        lead_ids=np.array([f"L{i}" for i in range(n)], dtype=object),
        created_at=np.array(created),
        recorded_at=None if recorded is None else np.array(recorded),
        account=np.full(n, -1),
        attributes=(),
        events=assemble([], (), np.full(n, NEVER), None),
        display=pd.DataFrame(index=range(n)),
        observed_until=NOW,
    )


def outcomes(converted: list[int], disqualified: list[int] | None = None) -> Outcomes:
    lost = [NEVER] * len(converted) if disqualified is None else disqualified
    return Outcomes(np.array(converted), np.array(lost), NOW)


@pytest.mark.parametrize(
    ("created", "converted", "expected"),
    [
        (NOW - 10 * DAY + SECOND, NEVER, []),  # one second younger than the horizon: absent
        (NOW - 10 * DAY - SECOND, NEVER, [0]),  # one second older: a negative
        (NOW - 10 * DAY, NEVER, [0]),  # closed exactly at the end of observation
        (NOW - 10 * DAY + 1, NEVER, []),
        (NOW - 10 * DAY + SECOND, NOW - DAY, []),  # absent even if already converted
        (NOW - 20 * DAY, NOW - 10 * DAY - 1, [1]),  # converted one microsecond inside
        (NOW - 20 * DAY, NOW - 10 * DAY, [0]),  # the window is half open
        (NOW - 20 * DAY, NOW - 20 * DAY, [1]),  # converted at as_of itself
        (NOW - 20 * DAY, NOW - 20 * DAY - 1, []),  # converted before: no snapshot
    ],
)
def test_maturity_is_exact(created: int, converted: int, expected: list[int]) -> None:
    t, o = tables([created]), outcomes([converted])
    assert label(make_snapshots(t, o, project()), t, o, project()).y.tolist() == expected


@pytest.mark.parametrize(("since", "n"), [("as_of", 0), ("created", 1)])
def test_the_horizon_runs_from_as_of_or_from_creation(since: str, n: int) -> None:
    settings_ = project(horizon_from=since, snapshots=["5d"])
    t, o = tables([NOW - 12 * DAY]), outcomes([NEVER])
    found = label(make_snapshots(t, o, settings_), t, o, settings_)
    assert len(found) == n


def test_an_empty_window_has_no_snapshot() -> None:
    settings_ = project(horizon_from="created", snapshots=["0s", "9d", "10d", "11d"])
    t, o = tables([NOW - 30 * DAY]), outcomes([NEVER])
    ages = (make_snapshots(t, o, settings_).as_of - NOW + 30 * DAY) // DAY
    assert ages.tolist() == [0, 9]


def test_snapshots_stop_at_conversion_and_disqualification() -> None:
    settings_ = project(snapshots=["0s", "1d", "2d", "3d"])
    created = NOW - 20 * DAY
    t = tables([created, created, created])
    o = outcomes([created + DAY, NEVER, NEVER], [NEVER, created + DAY + 1, NEVER])
    found = make_snapshots(t, o, settings_)
    assert found.lead.tolist() == [0, 0, 1, 1, 2, 2, 2, 2]


def test_a_lead_is_known_from_when_it_was_recorded() -> None:
    settings_ = project(snapshots=["0s", "1d", "2d"])
    created = NOW - 20 * DAY
    t = tables([created, created], [created, created + DAY + HOUR])
    found = make_snapshots(t, outcomes([NEVER, NEVER]), settings_)
    assert found.lead.tolist() == [0, 0, 0, 1]


def test_leads_from_before_recording_are_left_out() -> None:
    o = Outcomes(np.array([NEVER, NEVER]), np.array([NEVER, NEVER]), NOW, NOW - 30 * DAY)
    t = tables([NOW - 30 * DAY - 1, NOW - 30 * DAY])
    assert make_snapshots(t, o, project()).lead.tolist() == [1]


@pytest.mark.parametrize(
    ("plan", "zone", "expected"),
    [
        ("weekly", "UTC", ["2020-03-23 00:00:00 UTC", "2020-03-30 00:00:00 UTC"]),
        ("weekly", "Europe/Rome", ["2020-03-22 23:00:00 UTC", "2020-03-29 22:00:00 UTC"]),
        ("monthly", "UTC", ["2020-04-01 00:00:00 UTC"]),
    ],
)
def test_calendar_snapshots_are_local_midnights(plan: str, zone: str, expected: list[str]) -> None:
    start = int(np.datetime64("2020-03-20T12:00", "us").astype(np.int64))
    grid = calendar(start, start + 14 * DAY, plan, zone)
    assert [show(int(at)) for at in grid] == expected


def test_calendar_snapshots_live_as_long_as_the_lead() -> None:
    settings_ = project(snapshots="weekly")
    created = NOW - 60 * DAY
    t, o = tables([created, created]), outcomes([created + 15 * DAY, NEVER])
    found = make_snapshots(t, o, settings_)
    assert np.bincount(found.lead).tolist() == [2, 8]
    assert (found.as_of <= NOW).all()


@pytest.mark.parametrize(("step", "n"), [(-1, 0), (0, 1), (DAY, 1), (DAY + 1, 0)])
def test_open_leads_are_created_and_not_yet_ended(step: int, n: int) -> None:
    t, o = tables([NOW - 5 * DAY]), outcomes([NOW - 4 * DAY])
    assert len(open_snapshots(t, o, NOW - 5 * DAY + step)) == n


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_a_label_agrees_with_a_plain_reading_of_the_rules(seed: int) -> None:
    rng = np.random.default_rng(seed)
    created = NOW - rng.integers(0, 40, 15) * DAY
    won = np.where(rng.random(15) < 0.5, created + rng.integers(0, 20, 15) * DAY, NEVER)
    lost = np.where(rng.random(15) < 0.3, created + rng.integers(0, 20, 15) * DAY, NEVER)
    settings_ = project(snapshots=["0s", "3d", "7d"])
    t, o = tables(created.tolist()), outcomes(won.tolist(), lost.tolist())
    found = label(make_snapshots(t, o, settings_), t, o, settings_)
    plain = []
    for i in range(15):
        for age in (0, 3, 7):
            at = int(created[i]) + age * DAY
            if won[i] >= at and lost[i] >= at and at + 10 * DAY <= NOW:
                plain.append((i, at, int(won[i] < at + 10 * DAY)))
    rows = zip(found.snapshots.lead, found.snapshots.as_of, found.y, strict=True)
    assert [tuple(map(int, row)) for row in rows] == plain


def test_static_mode_has_one_snapshot_per_lead_and_scores_the_unconverted() -> None:
    from dataclasses import replace

    t = replace(tables([0, 0, 0]), created_at=None, order=np.array([2, 0, 1]))
    o = Outcomes(np.array([0, NEVER, NEVER]), np.full(3, NEVER), 0)
    found = label(make_snapshots(t, o, project()), t, o, project())
    assert found.y.tolist() == [1, 0, 0]
    assert found.order.tolist() == [2, 0, 1]
    assert open_snapshots(t, o, NOW).lead.tolist() == [1, 2]
