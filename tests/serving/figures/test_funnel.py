"""Funnel figures against counts that can be made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.clock import DAY, NEVER
from data.incidence import estimate_incidence
from data.schema import Project
from data.tables import Events, Outcomes, Payments, Snapshots, Tables
from serving.figures.follow_up import find_missed, measure_speed, share_contacts
from serving.figures.funnel import count_stages, measure_funnel, rate_of

NOW = 100 * DAY


def _tables(
    created: list[float], source: list[str | None], touches: list[tuple[int, float, int]]
) -> Tables:
    """Make leads from days of creation and events (lead, day, direction), value 100 each."""
    n = len(touches)
    lead = np.array([row[0] for row in touches], dtype=np.int64)
    events = Events(
        offsets=np.searchsorted(lead, np.arange(len(created) + 1)).astype(np.int64),
        at=np.array([int(row[1] * DAY) for row in touches], dtype=np.int64),
        recorded_at=None,
        type=np.zeros(n, np.int16),
        channel=np.full(n, -1, np.int16),
        campaign=np.full(n, -1, np.int32),
        person=np.full(n, -1, np.int32),
        direction=np.array([row[2] for row in touches], dtype=np.int8),
        value=np.full(n, 100.0, np.float32),
        type_names=("call",),
        channel_names=(),
        campaign_names=(),
        person_names=(),
    )
    return Tables(
        lead_ids=np.array([f"L{i}" for i in range(len(created))], dtype=object),
        created_at=(np.array(created) * DAY).astype(np.int64),
        recorded_at=None,
        account=np.full(len(created), -1, dtype=np.int64),
        attributes=(),
        events=events,
        display=pd.DataFrame({"channel": source, "owner": ["Ann"] * len(created)}),
        observed_until=NOW,
    )


def _outcomes(converted: list[float | None], lost: list[float | None]) -> Outcomes:
    def moments(days: list[float | None]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.array([NEVER if day is None else int(day * DAY) for day in days], dtype=np.int64)

    return Outcomes(moments(converted), moments(lost), NOW)


def _project(**report: object) -> Project:
    return Project.model_validate(
        {
            "project": {"name": "x"},
            "leads": {"source": "l.csv", "id": "i", "created_at": "c", "converted_at": "o"},
            "conversion": {"horizon": "30d"},
            "report": report,
        }
    )


def test_sources_are_counted_timed_and_valued() -> None:
    tables = _tables(
        [0, 10, 20, 80, 30], ["web", "web", "web", "web", "fair"], [(0, 50, 0), (0, 60, 0)]
    )
    outcomes = _outcomes([20, 90, None, None, 35], [None, None, 25, None, None])
    project = _project(cost_per_lead={"web": 5.0, "fair": 40.0}, value=1000.0)
    funnel = measure_funnel(
        tables,
        outcomes,
        project,
        stage=np.array([0, 1, -1, 1, 0]),
        stage_names=("lead", "prospect"),
    )
    web, fair = funnel.sources
    assert (web.source, web.leads, web.prospects, web.opportunities) == ("web", 4, 2, 2)
    assert funnel.skipped == 2  # one of each source converted at the first stage
    # three of the four are 30 days old; one converted within 30 days of creation
    assert (web.rate.hits, web.rate.n) == (1, 3)
    assert (web.value, web.cost, web.customer_value) == (2000.0, 20.0, 1000.0)
    assert (web.profit, web.return_on_cost) == (1980.0, 100.0)
    assert (fair.median_days, fair.cost, fair.value) == (5.0, 40.0, 1000.0)
    assert (funnel.total.leads, funnel.total.cost) == (5, 60.0)
    assert [(s.name, s.leads) for s in funnel.stages] == [
        ("lead", 4),
        ("prospect", 2),
        ("opportunity", 3),
    ]


def test_what_customers_paid_comes_before_what_an_opportunity_is_said_to_be_worth() -> None:
    tables = _tables([0, 10, 20, 80, 30], ["web", "web", "web", "web", "fair"], [])
    paid = Payments(
        offsets=np.array([0, 2, 2, 2, 2, 2]),
        at=np.array([50 * DAY, NOW + 1]),
        recorded_at=None,
        amount=np.array([2_001_000, 5_000_000]),
    )
    outcomes = replace(_outcomes([20, 90, None, None, 35], [None] * 5), payments=paid)
    web, fair = measure_funnel(tables, outcomes, _project(value=1000.0)).sources
    assert (web.value, web.customer_value) == (200.1, 100.05)
    assert fair.value == 0.0


def test_wilson_is_the_textbook_interval() -> None:
    rate = rate_of(0, 20)
    assert (rate.value, rate.low) == (0.0, 0.0)
    assert rate.high == pytest.approx(0.1611, abs=1e-4)
    assert rate_of(5, 5).high == 1.0
    assert np.isnan(rate_of(0, 0).value)


def test_incidence_without_competition_is_one_minus_kaplan_meier() -> None:
    curve = estimate_incidence(np.array([1.0, 2, 2, 3, 4]), np.array([1, 1, 0, 0, 1]))
    assert curve.share_by(np.array([0.5, 1, 2, 3, 4])) == pytest.approx([0, 0.2, 0.4, 0.4, 1.0])
    assert curve.quantile(0.5) == 4.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=60))
def test_shares_converted_lost_and_open_never_exceed_one(rows: list[tuple[int, int]]) -> None:
    days = np.array([float(row[0]) for row in rows])
    curve = estimate_incidence(days, np.array([row[1] for row in rows]))
    assert (np.diff(curve.incidence) >= -1e-12).all()
    assert (curve.incidence + curve.still_open <= 1 + 1e-9).all()


def test_speed_to_first_touch_counts_the_untouched() -> None:
    created = [50.0, 60, 70, 80, 99]
    touches = [(0, 50 + 0.5 / 24, 1), (1, 62, 1), (2, 71, 0)]
    speed = measure_speed(
        _tables(created, ["web"] * 5, touches), _outcomes([None] * 5, [None] * 5), NOW
    )
    assert speed is not None
    assert (speed.leads, speed.untouched, speed.within_day.hits) == (4, 2, 1)
    assert speed.median_hours == pytest.approx(48.0)
    assert speed.quartile_hours[1] is None
    assert [(limit, rate.n) for limit, rate in speed.by_speed] == [
        (1.0, 1),
        (24.0, 0),
        (72.0, 1),
        (168.0, 0),
        (None, 2),
    ]


def test_a_high_score_left_alone_is_found() -> None:
    tables = _tables([10, 10, 10, 97], ["web"] * 4, [(0, 80, 1), (1, 99, 1), (2, 99, 0)])
    snapshots = Snapshots(np.arange(4), np.full(4, NOW))
    missed = find_missed(tables, snapshots, np.array([70, 90, 80, 95]), threshold=60, days=7)
    assert [(each.lead_id, each.days, each.touched) for each in missed] == [
        ("L2", 90.0, False),
        ("L0", 20.0, True),
    ]
    skip = np.array([False, False, True, False])
    assert len(find_missed(tables, snapshots, np.full(4, 70), threshold=60, days=7, skip=skip)) == 1


def test_nothing_is_missed_where_no_event_says_that_sales_acted() -> None:
    tables = _tables([10, 10], ["web"] * 2, [(0, 80, 0), (1, 99, -1)])
    snapshots = Snapshots(np.arange(2), np.full(2, NOW))
    assert find_missed(tables, snapshots, np.array([70, 90]), threshold=60, days=7) == ()


def test_touches_are_shared_out_by_band() -> None:
    tables = _tables([10, 10, 10], ["web"] * 3, [(0, 80, 1), (0, 90, 1), (1, 95, 1), (2, 99, 0)])
    snapshots = Snapshots(np.arange(3), np.full(3, NOW))
    shares = share_contacts(tables, snapshots, np.array(["D", "A", "A"], object), NOW)
    assert [(s.group, s.contacted.hits, s.touches) for s in shares] == [("A", 1, 1), ("D", 1, 2)]
    assert shares[1].share_of_touches == pytest.approx(2 / 3)


def test_stages_count_who_was_seen_at_them_and_no_conversion_that_skipped_them() -> None:
    stages = count_stages(
        np.array([-1, 0, 1, 1]),
        ("lead", "prospect"),
        np.array([True, False, False, False]),
        np.arange(4),
    )
    assert [(s.name, s.leads) for s in stages] == [("lead", 3), ("prospect", 2), ("opportunity", 1)]


def test_a_lead_that_came_back_counts_once_and_its_episodes_apart() -> None:
    stages = count_stages(
        np.array([0, 1, -1, 1]),
        ("lead", "prospect"),
        np.array([False, False, True, False]),
        np.array([0, 0, 0, 1]),
    )
    assert [(s.leads, s.episodes) for s in stages] == [(2, 3), (2, 2), (1, 1)]
    assert [None if s.rate is None else (s.rate.hits, s.rate.n) for s in stages] == [
        None,
        (2, 2),
        (0, 2),
    ]
