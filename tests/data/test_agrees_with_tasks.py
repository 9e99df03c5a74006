"""The example projects give the rows and labels of the fixed benchmark tasks."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.delay import delay_curve, detect_truncation
from data.labels import label, make_snapshots, open_snapshots
from data.project import load_project
from data.reading.read_tables import CrmData, read_tables, read_with_notes, undeclared_columns
from data.schema import Project
from data.splits import purged_cut

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif("LEADSCORE_DATA" not in os.environ, reason="LEADSCORE_DATA is not set"),
]
EXAMPLES = Path(__file__).parents[2] / "examples"


def read(name: str) -> tuple[Project, CrmData]:
    project = load_project(EXAMPLES / f"{name}.toml")
    return project, read_with_notes(project)


def ours(name: str) -> tuple[pd.Series, pd.Series]:
    """Labels of train and test rows by lead id."""
    project, reading = read(name)
    tables, outcomes = reading.tables, reading.outcomes
    rows = label(make_snapshots(tables, outcomes, project), tables, outcomes, project)
    cut = purged_cut(rows, project.train.test_share)
    ids = tables.lead_ids[rows.snapshots.lead]
    return tuple(pd.Series(rows.y[i], index=ids[i]) for i in (cut.train, cut.test))  # type: ignore[return-value]


def fixed(task: str) -> tuple[pd.Series, pd.Series]:
    folder = Path(os.environ["LEADSCORE_DATA"], "tasks", task)
    train, test = (
        pd.read_csv(folder / f"{part}.csv.gz", dtype={"row_id": object}).set_index("row_id")["y"]
        for part in ("train", "test_labels")
    )
    return train, test


@pytest.mark.parametrize(
    ("example", "task"),
    [("bpi2012", "bpi2012_1h"), ("bpi2012_approved", "bpi2012_7d"), ("x_education", "xeducation")],
)
def test_rows_and_labels_agree(example: str, task: str) -> None:
    for mine, theirs in zip(ours(example), fixed(task), strict=True):
        assert mine.sort_index().to_dict() == theirs.sort_index().to_dict()


def test_bank_agrees_in_row_order() -> None:
    for mine, theirs in zip(ours("bank"), fixed("bank_roworder"), strict=True):
        mine.index = [f"r{int(i) - 1:05d}" for i in mine.index]  # rows are named from 1
        assert mine.sort_index().to_dict() == theirs.sort_index().to_dict()


def test_olist_agrees_but_for_the_thirty_first_day_and_a_deal_before_its_lead() -> None:
    """The task counts whole days, `days <= 30`: a deal on day 30.x is one there and none here.

    It also keeps, as a negative, the one lead whose deal was won before its first contact; a lead
    that is already won has no snapshot here.
    """
    train, test = ours("olist")
    their_train, their_test = fixed("olist")
    assert set(their_train.index) - set(train.index) == {"b91cf8812365f50ff4bda4bcd6206b05"}
    assert set(train.index) <= set(their_train.index)
    assert set(test.index) == set(their_test.index)
    for mine, theirs, n in ((train, their_train, 6), (test, their_test, 1)):
        differ = mine.index[mine != theirs[mine.index]]
        assert len(differ) == n
        assert (theirs[differ] == 1).all()


def test_olist_is_seen_to_be_truncated_in_december_2017() -> None:
    project, reading = read("olist")
    created = reading.tables.created_at
    assert created is not None
    found = detect_truncation(created, reading.outcomes)
    assert found is not None
    assert 'recorded_from = "2017-12-01"' in found.line
    assert found.n_older == int((created < found.recorded_from).sum()) == 1802
    assert found.expected > 100
    curve = delay_curve(reading.tables, reading.outcomes, project)
    assert 0.55 < curve.covered < 0.75
    assert any("horizon covers" in line for line in curve.warnings)


@pytest.mark.parametrize("example", ["bpi2012", "bpi2012_approved"])
def test_bpi2012_is_not_truncated_and_its_horizon_suffices(example: str) -> None:
    project, reading = read(example)
    created = reading.tables.created_at
    assert created is not None
    assert detect_truncation(created, reading.outcomes) is None
    curve = delay_curve(reading.tables, reading.outcomes, project)
    assert curve.covered > 0.9
    assert curve.warnings == ()


def test_no_column_of_closed_deals_becomes_a_feature() -> None:
    _, reading = read("olist")
    assert [a.name for a in reading.tables.attributes] == ["landing_page_id", "origin"]


def test_lifetime_totals_and_rep_columns_of_x_education_are_listed_for_review() -> None:
    listed = {
        r.name: r.guess for r in undeclared_columns(load_project(EXAMPLES / "x_education.toml"))
    }
    totals = ("TotalVisits", "Total Time Spent on Website", "Page Views Per Visit")
    assert all(listed[name] == "lifetime total" for name in totals)
    whole = load_project(EXAMPLES / "x_education.toml", overrides={"leads.exclude": []})
    suspicious = {r.name for r in undeclared_columns(whole)}
    assert {"Lead Quality", "Lead Profile", "Last Activity", "Last Notable Activity"} <= suspicious
    assert {"Tags", "Asymmetrique Activity Index", "Asymmetrique Profile Score"} <= suspicious


def test_no_event_of_bpi2012_lies_at_or_after_its_leads_end() -> None:
    _, reading = read("bpi2012")
    tables, outcomes = reading.tables, reading.outcomes
    ends = np.minimum(outcomes.converted_at, outcomes.disqualified_at)
    lead = np.repeat(np.arange(len(tables)), np.diff(tables.events.offsets))
    assert (tables.events.at < ends[lead]).all()
    assert not any(name.startswith("A_ACCEPTED") for name in tables.events.type_names)


@pytest.mark.parametrize("day", ["2011-11-15 09:00", "2012-01-31 23:30", "2012-03-01 12:00:00.5"])
def test_deleting_the_future_of_bpi2012_changes_nothing_of_the_past(day: str) -> None:
    project, reading = read("bpi2012")
    root = Path(os.environ["LEADSCORE_DATA"], "bpi2012")
    leads = pd.read_csv(root / "applications.csv", dtype={"case": str})
    events = pd.read_csv(root / "events.csv.gz", dtype=str)
    moment = pd.Timestamp(day, tz="UTC")
    t = moment.value // 1000
    past = pd.to_datetime(events["timestamp"], utc=True, format="ISO8601") < moment
    born = pd.to_datetime(leads["reg_date"], utc=True, format="ISO8601") <= moment
    frames = {"leads": leads[born], "events.0": events[past]}
    partial, partial_outcomes = read_tables(project, frames=frames)
    whole, outcomes = reading.tables, reading.outcomes
    first, second = (
        open_snapshots(tables, became, t)
        for tables, became in ((whole, outcomes), (partial, partial_outcomes))
    )
    assert whole.lead_ids[first.lead].tolist() == partial.lead_ids[second.lead].tolist()
    assert len(first) > 50
    cut = whole.events.as_of(t)
    for mine, theirs in zip(first.lead, second.lead, strict=True):
        a = slice(cut.offsets[mine], cut.offsets[mine + 1])
        b = slice(partial.events.offsets[theirs], partial.events.offsets[theirs + 1])
        assert cut.at[a].tolist() == partial.events.at[b].tolist()
        assert [cut.type_names[c] for c in cut.type[a]] == [
            partial.events.type_names[c] for c in partial.events.type[b]
        ]
