"""What is quarantined, excluded or undeclared changes nothing; time and facts are claimed truly."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.clock import DAY
from data.errors import InputError
from data.project import check_project
from data.reading.date_texts import holds_dates
from data.reading.read_tables import read_tables, read_with_notes
from data.reading.review import undeclared_columns
from models.explain.observed_rates import LEAST_ROWS, make_facts
from models.predictor import FeatureColumn
from tests.fakes.leak_truth import TRUTH, audited
from tests.fakes.noise_judgement import judge_noise
from tests.fakes.noise_sets import DATE_FORMATS, LEAKS, NoiseSet, make_noise
from training.audit.screens import screen
from training.dataset import make_dataset


@pytest.mark.parametrize("plant", sorted(TRUTH))
def test_every_plant_in_the_corners_is_kept_out(plant):
    assert TRUTH[plant](5), plant


@pytest.mark.parametrize("seed", range(4, 9))
def test_a_set_without_any_signal_gets_no_learned_champion(seed):
    result = judge_noise(make_noise(seed), seed)
    assert not result.champion
    assert result.used == ()


def excluding(noise: NoiseSet, name: str) -> NoiseSet:
    """The same project, where a person has excluded the column."""
    leads = noise.project.leads
    fixed = tuple(column for column in leads.fixed if column != name)
    section = leads.model_copy(update={"exclude": (*leads.exclude, name), "fixed": fixed})
    return replace(noise, project=noise.project.model_copy(update={"leads": section}))


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    shape=st.sampled_from(["static", "ordered", "timed", "flagged"]),
    leak=st.sampled_from([1, 3, 4]),
)
def test_a_column_in_quarantine_leaves_what_its_exclusion_leaves(seed, shape, leak):
    noise = make_noise(seed, shape=shape, leak=leak)
    tables, _, dataset, report = audited(noise, seed)
    assert noise.leaks[0] in report.quarantined
    held = dataset.without(report.quarantined, tables)
    _, _, other, without = audited(excluding(noise, noise.leaks[0]), seed)
    assert without.quarantined <= report.quarantined
    excluded = other.without(without.quarantined, tables)
    pd.testing.assert_frame_equal(held.frame.to_pandas(), excluded.frame.to_pandas())
    assert held.frame.catalogue == excluded.frame.catalogue


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), values=st.integers(0, 2**32 - 1))
def test_the_values_of_an_excluded_or_undeclared_column_change_no_feature(seed, values):
    rng = np.random.default_rng(values)
    for shape in ("static", "timed"):
        noise = make_noise(seed, shape=shape, leak=None)
        if shape == "static":
            noise = excluding(noise, "diary")
        frames = []
        for blank in (0.0, rng.random()):
            leads = noise.frames["leads"]
            diary = pd.Series(rng.normal(size=len(leads))).mask(rng.random(len(leads)) < blank)
            given_frames = {**noise.frames, "leads": leads.assign(diary=diary)}
            tables, outcomes = read_tables(noise.project, frames=given_frames)
            frames.append(make_dataset(noise.project, tables, outcomes, threads=1).frame)
        pd.testing.assert_frame_equal(frames[0].to_pandas(), frames[1].to_pandas())


@settings(max_examples=30, deadline=None)
@given(values=st.integers(0, 2**32 - 1), kind=st.sampled_from(["number", "words", "many words"]))
def test_blanks_are_a_suspect_whatever_is_filled_in(values, kind):
    rng = np.random.default_rng(values)
    y = (np.arange(1000) % 5 == 0).astype(np.int8)
    blank = rng.random(1000) < np.where(y == 1, 0.02, 0.6)
    filled = {
        "number": pd.Series(rng.normal(size=1000)),
        "words": pd.Series(rng.choice(np.array(["a", "b"], object), 1000)),
        "many words": pd.Series([f"word {i % 700}" for i in rng.permutation(1000)]),
    }[kind]
    found = screen(pd.DataFrame({"x": filled.mask(blank)}), y, seed=1).verdicts
    assert {v.severity for v in found} == {"quarantine"}
    dealt = filled.mask(rng.permutation(blank))
    assert screen(pd.DataFrame({"x": dealt}), y, seed=1).verdicts == ()


@settings(max_examples=60, deadline=None)
@given(
    days=st.lists(st.dates(date(1990, 1, 1), date(2090, 1, 1)), min_size=3, max_size=20),
    written=st.sampled_from(
        [*DATE_FORMATS, "%Y-%m-%dT%H:%M:%SZ", "%B %d, %Y", "%m/%d/%Y %I:%M %p", "%A, %d %B %Y"]
    ),
)
def test_dates_are_dates_however_they_are_written(days, written):
    words = pa.chunked_array([[day.strftime(written) for day in days]])
    assert holds_dates(words)


@pytest.mark.parametrize(
    "words",
    [
        ["10-49", "50-99", "100-249"],
        ["1.2.3", "1.10.4"],
        ["Marketing 2024", "Sales 2023"],
        ["May", "Mark", "Jan"],
        ["2019-20", "2020-21"],
        ["192.168.1.1"],
        ["12", "7"],
        ["5 stars", "4 stars"],
    ],
)
def test_what_only_resembles_a_date_is_none(words):
    assert not holds_dates(pa.chunked_array([words]))


def test_a_date_in_static_mode_is_no_feature_is_said_and_not_reviewed():
    noise = make_noise(0, shape="static", leak=None)
    reading = read_with_notes(noise.project, frames=noise.frames)
    assert "founded_on" not in {attribute.name for attribute in reading.tables.attributes}
    assert any("founded_on: holds dates, which are no feature" in n for n in reading.notes)
    reviewed = {review.name for review in undeclared_columns(noise.project, noise.frames)}
    assert "founded_on" not in reviewed


def ordered_by(values: list[str | None], **more: object) -> dict[str, int]:
    """Read rows ordered by a column of these values: value -> rank."""
    frame = pd.DataFrame({"id": [f"i{i}" for i in range(len(values))], "o": values})
    frame["won"] = ["yes", "no"] * (len(values) // 2)
    project = check_project(
        {
            "project": {"name": "t", "order_by": "o", **more},
            "leads": {"source": "a.csv", "id": "id", "converted": "won"},
            "conversion": {},
        }
    )
    tables, _ = read_tables(project, frames={"leads": frame})
    assert tables.order is not None
    at = {lead: int(rank) for lead, rank in zip(tables.lead_ids, tables.order, strict=True)}
    return {str(value): at[f"i{i}"] for i, value in enumerate(values)}


def test_order_by_takes_dates_and_numbers_and_no_words():
    assert ordered_by(["10", "9", "100", "2"]) == {"2": 0, "9": 1, "10": 2, "100": 3}
    days = ["02/15/2024", "01/20/2024", "12/01/2023", "03/01/2024"]
    ranks = ordered_by(days, date_format="%m/%d/%Y")
    assert sorted(ranks, key=ranks.__getitem__) == [days[2], days[1], days[0], days[3]]
    with pytest.raises(InputError, match="neither numbers nor dates"):
        ordered_by(["low", "high", "mid", "high"])
    with pytest.raises(InputError, match=r"row 3, column o: is missing .* is known"):
        ordered_by(["1", "2", None, "4"])


def test_a_flag_beside_a_date_of_creation_is_cut_in_time():
    noise = make_noise(3, shape="flagged", leak=None)
    reading = read_with_notes(noise.project, frames=noise.frames)
    dataset = make_dataset(noise.project, reading.tables, reading.outcomes, threads=1)
    labelled, cut = dataset.labelled, dataset.cut
    assert labelled.snapshots.as_of[cut.train].max() + 30 * DAY <= cut.cut_at
    assert labelled.snapshots.as_of[cut.test].min() >= cut.cut_at
    assert not reading.outcomes.timed
    assert any("that a lead converted, not when" in note for note in reading.notes)
    flags = noise.frames["leads"].set_index("lead_id")["won"]
    ids = reading.tables.lead_ids[labelled.snapshots.lead]
    assert labelled.y.tolist() == flags.loc[ids].tolist()


def test_a_flag_allows_no_snapshot_after_creation():
    noise = make_noise(3, shape="flagged", leak=None)
    raw = noise.project.model_dump(exclude_unset=True)
    raw["conversion"] |= {"horizon": "30d", "snapshots": ["7d"]}
    with pytest.raises(InputError, match="only be seen as they were created"):
        check_project(raw)


@settings(max_examples=60, deadline=None)
@given(
    start=st.integers(1, 12),
    months=st.integers(1, 6),
    asked=st.integers(1, 12),
)
def test_a_fact_of_a_month_is_of_leads_created_in_that_month(start, months, asked):
    first = date(2025, start, 1)
    days = [first + timedelta(days=int(d)) for d in np.linspace(0, 30 * months, 400)]
    seen = np.array([float(day.month) for day in days])
    y = (np.arange(400) % 4 == 0).astype(float)
    feature = FeatureColumn("m", "number", "context", "m", "m", "created_month", {})
    facts = make_facts(pd.DataFrame({"m": seen}), y, [feature])
    again = type(facts).from_json(facts.to_json())
    fact, n = again.find("m", float(asked)), int((seen == asked).sum())
    assert (fact.n if fact else 0) == (n if n >= LEAST_ROWS else 0)
    if n == 0:
        assert facts.directions("m", np.array([float(asked)])).tolist() == [0]


@given(st.lists(st.floats(-1e6, 1e6), min_size=40, max_size=200), st.floats(-1e7, 1e7))
def test_no_fact_is_told_of_a_number_beyond_what_training_saw(values, asked):
    seen = np.array(values)
    feature = FeatureColumn("x", "number", "fit", "x", "x", "attribute", {})
    facts = make_facts(pd.DataFrame({"x": seen}), np.arange(len(seen)) % 2, [feature])
    if not seen.min() <= asked <= seen.max():
        assert facts.find("x", asked) is None


def test_every_kind_of_leak_is_planted():
    assert {make_noise(0, leak=i).leaks[0] for i in range(len(LEAKS))} == {n for n, _ in LEAKS}
