"""What is known at a moment does not depend on what comes after it: replay, by either clock."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.asof import known_before, values_at
from data.clock import DAY, NEVER, read_times
from data.project import check_project
from data.reading.read_tables import read_tables
from data.schema import Project
from data.tables import Outcomes, Snapshots, Tables

BASE = 1_600_000_000_000_000


def project(**more: Any) -> Project:
    raw: dict[str, Any] = {
        "project": {"name": "t", "timezone": "UTC", "observed_until": "2020-12-01"},
        "leads": {
            "source": "x",
            "id": "id",
            "created_at": "created",
            "fixed": ["size"],
            "known_at": {"budget": "budget_at"},
            "history": [{"source": "x", "lead": "id", "at": "at"}],
        },
        "events": [{"source": "x", "lead": "id", "at": "at", "recorded_at": "rec", "type": "type"}],
        "conversion": {"event": "won", "horizon": "10d"},
        **more,
    }
    return check_project(raw)


def stamps(values: np.ndarray) -> pd.Series:
    return pd.Series(pd.to_datetime(values, unit="us", utc=True))


def frames(seed: int, n_leads: int = 12, n_events: int = 90) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    ids = np.array([f"L{i:03d}" for i in rng.permutation(n_leads)], dtype=object)
    created = BASE + rng.integers(0, 30, n_leads) * DAY
    leads = pd.DataFrame(
        {
            "id": ids,
            "created": stamps(created),
            "size": rng.choice(np.array(["small", "large", None], dtype=object), n_leads),
            "budget": rng.choice(np.array(["yes", "no"], dtype=object), n_leads),
            "budget_at": stamps(created + rng.integers(0, 20, n_leads) * DAY),
            "owner": rng.choice(np.array(["Ann", "Bob"], dtype=object), n_leads),
        }
    )
    at = BASE + rng.integers(0, 60, n_events) * DAY
    events = pd.DataFrame(
        {
            "id": rng.choice(ids, n_events),
            "at": stamps(at),
            "rec": stamps(at + rng.choice([0, 0, DAY, 9 * DAY], n_events)),
            "type": rng.choice(
                ["visit", "call", "mail", "won"], n_events, p=[0.5, 0.3, 0.17, 0.03]
            ),
        }
    )
    events.loc[0, "type"] = "won"
    changed = rng.integers(0, n_leads, 20)
    history = pd.DataFrame(
        {
            "id": ids[changed],
            "field": "owner",
            "old": rng.choice(["Ann", "Bob", "Cid"], 20),
            "new": rng.choice(["Ann", "Bob", "Cid"], 20),
            "at": stamps(created[changed] + rng.integers(0, 20, 20) * DAY),
        }
    )
    return {"leads": leads, "events.0": events, "history.0": history}


def known(tables: Tables, lead: int, t: int) -> list[object]:
    """List everything a feature could read of a lead at t."""
    at = Snapshots(np.array([lead]), np.array([t]))
    events = tables.events.as_of(t)
    mine = slice(events.offsets[lead], events.offsets[lead + 1])
    assert events.recorded_at is not None
    return [
        *sorted(f"{a.name} {values_at(a, at, tables)[0]}" for a in tables.attributes),
        *zip(
            events.at[mine].tolist(),
            events.recorded_at[mine].tolist(),
            [events.type_names[code] for code in events.type[mine]],
            strict=True,
        ),
    ]


def truncated(given: dict[str, pd.DataFrame], t: int) -> dict[str, pd.DataFrame]:
    """Export at t: no record at or after it by either clock, columns as they stood then."""
    moment = pd.Timestamp(t, unit="us", tz="UTC")
    events, history = given["events.0"], given["history.0"]
    leads = given["leads"].copy()
    late = leads["budget_at"] >= moment
    leads.loc[late, "budget"] = "scrambled"
    for row, lead in leads["id"].items():
        mine = history[history["id"] == lead].sort_values("at", kind="stable")
        past, future = mine[mine["at"] < moment], mine[mine["at"] >= moment]
        if len(past):
            leads.loc[row, "owner"] = past["new"].iloc[-1]
        elif len(future):
            leads.loc[row, "owner"] = future["old"].iloc[0]
    return {
        "leads": leads,
        "events.0": events[(events["at"] < moment) & (events["rec"] < moment)],
        "history.0": history[history["at"] < moment],
    }


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 70), st.sampled_from([-1, 0, 1]))
def test_deleting_the_future_changes_nothing_of_the_past(seed: int, day: int, step: int) -> None:
    t = BASE + day * DAY + step
    given_frames = frames(seed)
    whole, outcomes = read_tables(project(), frames=given_frames, lenient=True)
    cut = truncated(given_frames, t)
    if cut["events.0"].empty:
        return
    kinds = {attribute.name: attribute.kind for attribute in whole.attributes}
    partial, _ = read_tables(project(), frames=cut, kinds=kinds, lenient=True)
    still_open = np.minimum(outcomes.converted_at, outcomes.disqualified_at) >= t
    for lead in np.flatnonzero(still_open):
        assert known(whole, int(lead), t) == known(partial, int(lead), t)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 70), st.integers(0, 70))
def test_cutting_then_reading_equals_reading_the_whole(seed: int, later: int, earlier: int) -> None:
    t, u = BASE + later * DAY, BASE + min(earlier, later) * DAY
    tables, _ = read_tables(project(), frames=frames(seed), lenient=True)
    cut = known_before(tables, t)
    for lead in range(len(tables)):
        assert known(cut, lead, u) == known(tables, lead, u)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_changing_the_past_changes_what_is_known(seed: int) -> None:
    given_frames = frames(seed)
    tables, _ = read_tables(project(), frames=given_frames, lenient=True)
    if not len(tables.events):
        return
    position = int(tables.events.at.argmin())
    assert tables.events.recorded_at is not None
    t = int(tables.events.recorded_at[position]) + 1
    lead = int(np.searchsorted(tables.events.offsets, position, side="right")) - 1
    rows = given_frames["events.0"]
    moment = pd.Timestamp(int(tables.events.at[position]), unit="us", tz="UTC")
    hit = (rows["id"] == tables.lead_ids[lead]) & (rows["at"] == moment)
    changed = {**given_frames, "events.0": rows[~hit]}
    other, _ = read_tables(project(), frames=changed, lenient=True)
    assert known(tables, lead, t) != known(other, lead, t)


@pytest.mark.parametrize(("step", "count"), [(-1, 0), (0, 0), (1, 1)])
def test_an_event_is_known_one_microsecond_after_it(step: int, count: int) -> None:
    given_frames = frames(0)
    given_frames["events.0"] = pd.DataFrame(
        {
            "id": ["L001"],
            "at": stamps(np.array([BASE])),
            "rec": stamps(np.array([BASE])),
            "type": "a",
        }
    )
    tables, _ = read_tables(project(), frames=given_frames, lenient=True)
    assert len(tables.events.as_of(BASE + step)) == count


def test_a_late_record_is_known_after_it_was_recorded() -> None:
    given_frames = frames(0)
    given_frames["events.0"] = pd.DataFrame(
        {
            "id": ["L001"],
            "at": stamps(np.array([BASE])),
            "rec": stamps(np.array([BASE + 5 * DAY])),
            "type": "a",
        }
    )
    tables, _ = read_tables(project(), frames=given_frames, lenient=True)
    assert len(tables.events.as_of(BASE + 5 * DAY)) == 0
    assert len(tables.events.as_of(BASE + 5 * DAY + 1)) == 1


def test_spellings_of_one_instant_give_one_table() -> None:
    given_frames = frames(3)
    other = {name: frame.copy() for name, frame in given_frames.items()}
    for name, columns in (("leads", ["created"]), ("events.0", ["at", "rec"])):
        for column in columns:
            zoned = other[name][column].dt.tz_convert("Europe/Rome")
            other[name][column] = [moment.isoformat() for moment in zoned]
    first, second = (
        read_tables(project(), frames=f, lenient=True)[0] for f in (given_frames, other)
    )
    for t in (BASE + 10 * DAY, BASE + 40 * DAY):
        assert [known(first, i, t) for i in range(12)] == [known(second, i, t) for i in range(12)]


def history_of(values: list[tuple[int, str, str]], current: str) -> Tables:
    one = frames(0)["leads"].iloc[:1].copy()
    one["owner"], one["created"] = current, stamps(np.array([BASE]))
    history = pd.DataFrame(
        [
            {"id": one["id"].iloc[0], "field": "owner", "old": o, "new": n, "at": at}
            for at, o, n in values
        ],
        columns=["id", "field", "old", "new", "at"],
    )
    history["at"] = stamps(history["at"].to_numpy(np.int64))
    given_frames = {"leads": one, "history.0": history, "events.0": frames(0)["events.0"]}
    return read_tables(project(), frames=given_frames, lenient=True)[0]


@pytest.mark.parametrize(
    ("day", "owner"), [(0, "Ann"), (1, "Ann"), (2, "Bob"), (3, "Bob"), (4, "Cid"), (9, "Cid")]
)
def test_field_history_is_replayed(day: int, owner: str) -> None:
    tables = history_of([(BASE + DAY, "Ann", "Bob"), (BASE + 3 * DAY, "Bob", "Cid")], "Cid")
    at = Snapshots(np.array([0]), np.array([BASE + day * DAY]))
    attribute = tables.attribute("owner")
    assert values_at(attribute, at, tables).tolist() == [owner]
    cut = known_before(tables, BASE + day * DAY).attribute("owner")
    assert values_at(cut, at, tables).tolist() == [owner]


def test_nothing_is_known_of_a_lead_before_it_exists_and_all_that_is_fixed_at_once() -> None:
    tables, _ = read_tables(project(), frames=frames(1), lenient=True)
    assert tables.created_at is not None
    size = tables.attribute("size")
    lead = np.arange(len(tables))
    before = Snapshots(lead, tables.created_at - 1)
    assert set(values_at(size, before, tables).tolist()) == {None}
    assert values_at(size, Snapshots(lead, tables.created_at), tables).tolist() == list(size.values)


def test_a_dated_answer_is_known_strictly_after_its_date() -> None:
    tables, _ = read_tables(project(), frames=frames(1), lenient=True)
    budget = tables.attribute("budget")
    assert budget.known_at is not None
    lead = np.arange(len(tables))
    at_date = values_at(budget, Snapshots(lead, budget.known_at), tables)
    after = values_at(budget, Snapshots(lead, budget.known_at + 1), tables)
    assert set(at_date.tolist()) == {None}
    assert set(after.tolist()) <= {"yes", "no"}


def test_outcome_events_and_all_after_them_are_no_features() -> None:
    tables, outcomes = read_tables(project(), frames=frames(5), lenient=True)
    ends = np.minimum(outcomes.converted_at, outcomes.disqualified_at)
    lead = np.repeat(np.arange(len(tables)), np.diff(tables.events.offsets))
    assert "won" not in tables.events.type_names
    assert (tables.events.at < ends[lead]).all()
    assert isinstance(outcomes, Outcomes)
    assert (outcomes.converted_at != NEVER).any()


def test_events_are_sorted_by_lead_and_time_with_ties_in_source_order() -> None:
    given_frames = frames(2)
    tied = pd.DataFrame(
        {
            "id": ["L002", "L001", "L001", "L001"],
            "at": ["2020-10-02", "2020-10-03", "2020-10-01", "2020-10-01"],
            "rec": [None, None, None, None],
            "type": ["a", "b", "d", "c"],
        }
    )
    tables, _ = read_tables(project(), frames={**given_frames, "events.0": tied}, lenient=True)
    events = tables.events
    assert [events.type_names[code] for code in events.type] == ["d", "c", "b", "a"]
    assert events.recorded_at is not None
    assert (events.recorded_at == events.at).all()  # a missing second clock is the first
    assert np.diff(events.offsets)[[1, 2]].tolist() == [3, 1]


def test_the_clock_change_does_not_reorder_events() -> None:
    zone = {"name": "t", "timezone": "Europe/Amsterdam", "observed_until": "2020-12-01"}
    given_frames = frames(2)
    local = ["2020-10-25 01:59", "2020-10-25 03:00", "2020-10-24 23:00"]
    given_frames["events.0"] = pd.DataFrame(
        {"id": "L001", "at": local, "rec": None, "type": ["b", "c", "a"]}
    )
    tables, _ = read_tables(project(project=zone), frames=given_frames, lenient=True)
    assert [tables.events.type_names[code] for code in tables.events.type] == ["a", "b", "c"]
    assert np.diff(tables.events.at).tolist() == [179 * 60 * 10**6, 121 * 60 * 10**6]


def test_read_times_of_frames_and_texts_agree() -> None:
    import pyarrow as pa

    texts = ["2020-03-29 01:30:00+01:00", "2020-03-29 03:30:00+02:00"]
    read = read_times(pa.chunked_array([texts])).at
    assert np.diff(read).tolist() == [3_600_000_000]
