"""Laws of time: 200 random (lead, as_of) pairs, replayed; the past shows, the future never does."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.asof import known_before
from data.clock import DAY, NEVER
from data.labels import is_open, label, make_snapshots, open_snapshots
from data.project import load_project
from data.reading.read_tables import read_tables
from data.tables import Snapshots
from data.world import make_world
from data.world.kinds import KINDS
from features.build import build
from features.catalogue import make_catalogue
from tests.fakes.leak_structure import frames_of, project_of
from training.audit.replay import (
    alter_future,
    append_events,
    cuts_of,
    differing,
    replay,
    sample_rows,
)


def read_world(kind: str, n_leads: int, seed: int):
    project = project_of(kind)
    world = make_world(kind, n_leads, seed, late_share=0.2)
    tables, outcomes = read_tables(project, frames=frames_of(world))
    return project, tables, outcomes


def random_pairs(tables, outcomes, n: int, seed: int) -> Snapshots:
    """Draw moments of open leads, one per account, at any microsecond of their lives."""
    rng = np.random.default_rng(seed)
    lead = rng.permutation(len(tables))
    end = np.minimum(outcomes.converted_at, outcomes.disqualified_at)
    end = np.minimum(end, outcomes.observed_until)
    as_of = (tables.created_at + rng.random(len(tables)) ** 2 * (end - tables.created_at)).astype(
        np.int64
    )
    keep = np.flatnonzero(is_open(tables, outcomes, np.arange(len(tables)), as_of))
    every = Snapshots(keep, as_of[keep])
    rows = sample_rows(tables, every, n, rng)
    del lead
    return every.take(rows[:n])


def check_future_is_unseen(tables, catalogue, pairs: Snapshots, seed: int) -> None:
    honest = build(tables, pairs, catalogue)
    for name, altered in alter_future(
        tables, cuts_of(tables, pairs), np.random.default_rng(seed)
    ).items():
        assert differing(honest, build(altered, pairs, catalogue)) == {}, name


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_two_hundred_rows_do_not_change_with_the_future(kind):
    project, tables, outcomes = read_world(kind, 1500, seed=7)
    pairs = random_pairs(tables, outcomes, 200, seed=1)
    assert len(pairs) == 200
    check_future_is_unseen(tables, make_catalogue(tables, project), pairs, seed=2)


@given(st.integers(0, 2**31))
@settings(max_examples=8, deadline=None)
def test_random_worlds_do_not_change_with_the_future(seed):
    project, tables, outcomes = read_world(sorted(KINDS)[seed % 3], 60, seed=seed)
    pairs = random_pairs(tables, outcomes, 25, seed)
    check_future_is_unseen(tables, make_catalogue(tables, project), pairs, seed)


@pytest.mark.parametrize(("offset", "seen"), [(-1, True), (0, False), (1, False)])
def test_an_event_counts_one_microsecond_before_as_of_and_not_at_it(offset, seen):
    project, tables, outcomes = read_world("consulting", 800, seed=3)
    pairs = random_pairs(tables, outcomes, 150, seed=4)
    catalogue = make_catalogue(tables, project)
    own = np.full(len(tables), NEVER)
    own[pairs.lead] = pairs.as_of
    events = append_events(tables.events, own, (offset,), np.random.default_rng(0))
    honest = build(tables, pairs, catalogue)
    again = build(replace(tables, events=events), pairs, catalogue)
    changed = (honest.numbers != again.numbers) & ~(
        np.isnan(honest.numbers) & np.isnan(again.numbers)
    )
    assert changed.any(axis=1).all() if seen else not changed.any()


def test_batch_single_and_training_rows_are_equal():
    project, tables, outcomes = read_world("software_trial", 600, seed=5)
    catalogue = make_catalogue(tables, project)
    training = make_snapshots(tables, outcomes, project)
    batch = build(tables, training, catalogue)
    for row in np.linspace(0, len(training) - 1, 40).astype(int):
        single = build(tables, training.take(np.array([row])), catalogue)
        assert np.allclose(single.numbers[0], batch.numbers[row], rtol=0, atol=1e-9, equal_nan=True)
        for mine, theirs in zip(single.categories, batch.categories, strict=True):
            assert str(mine[0]) == str(theirs[row])
    night = int(np.median(training.as_of))
    scored = build(tables, open_snapshots(tables, outcomes, night), catalogue)
    cut = build(known_before(tables, night), scored.snapshots, catalogue)
    assert differing(scored, cut) == {}


@pytest.mark.parametrize(("younger_by", "there"), [(1, False), (0, True), (-1, True)])
def test_a_lead_a_microsecond_younger_than_the_horizon_is_absent_an_older_one_a_negative(
    younger_by, there
):
    project, tables, outcomes = read_world("digital_agency", 50, seed=0)
    horizon = project.conversion.horizon
    snapshots = Snapshots(np.array([0]), tables.created_at[:1])
    until = int(tables.created_at[0]) + horizon - younger_by
    nothing = replace(
        outcomes,
        converted_at=np.full(50, NEVER),
        disqualified_at=np.full(50, NEVER),
        observed_until=until,
    )
    labelled = label(snapshots, tables, nothing, project)
    assert len(labelled) == there
    assert not labelled.y.any()
    converted = replace(nothing, converted_at=np.full(50, int(tables.created_at[0]) + DAY))
    assert len(label(snapshots, tables, converted, project)) == there


@pytest.mark.real_data
@pytest.mark.parametrize("example", ["bpi2012", "bpi2012_approved"])
def test_bpi2012_does_not_change_with_the_future_and_its_past_shows(example):
    if not os.environ.get("LEADSCORE_DATA"):
        pytest.skip("set LEADSCORE_DATA to the folder of the real data sets")
    project = load_project(Path(__file__).parents[2] / "examples" / f"{example}.toml")
    tables, outcomes = read_tables(project)
    pairs = random_pairs(tables, outcomes, 200, seed=1)
    catalogue = make_catalogue(tables, project)
    check_future_is_unseen(tables, catalogue, pairs, seed=2)
    assert replay(tables, make_snapshots(tables, outcomes, project), catalogue, seed=0) == []


@pytest.mark.parametrize(
    "spell",
    [
        lambda at: at.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        lambda at: at.dt.tz_convert("Europe/Rome").map(lambda t: t.isoformat()),
        lambda at: at.dt.tz_convert("Asia/Tehran").map(lambda t: t.isoformat()),
        lambda at: at.dt.tz_convert("America/New_York"),
    ],
    ids=["Z", "Rome, over both changes of clock", "Tehran, half hours", "typed, New York"],
)
def test_one_instant_in_other_spellings_gives_the_same_rows(spell):
    project = project_of("digital_agency")
    frames = frames_of(make_world("digital_agency", 300, seed=6))
    touches = frames["events.0"]
    spelled = touches.assign(
        touch_at=spell(touches["touch_at"]), ingested_at=spell(touches["ingested_at"])
    )
    tables, outcomes = read_tables(project, frames=frames)
    again, _ = read_tables(project, frames=frames | {"events.0": spelled})
    assert np.array_equal(tables.events.at, again.events.at)
    assert np.array_equal(tables.events.recorded_at, again.events.recorded_at)
    catalogue, snapshots = (
        make_catalogue(tables, project),
        make_snapshots(tables, outcomes, project),
    )
    one, other = build(tables, snapshots, catalogue), build(again, snapshots, catalogue)
    assert differing(one, other) == {}
