"""The monitor alarms where something changed, and stays quiet where nothing did."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from data.clock import DAY, HOUR, NEVER
from data.feeds import Feed, feed_of
from data.project import check_project
from data.reading.read_tables import read_tables
from models.explain.observed_rates import make_facts
from models.predictor import FeatureColumn
from training.watch.column_watch import watch_columns
from training.watch.conversion_level import AgeByDay, scan, spread_squared, two_sided
from training.watch.duplicate_watch import watch_duplicates
from training.watch.feature_profile import FeatureProfile, make_feature_profile
from training.watch.feature_watch import drifting_features, stability_index
from training.watch.night_checks import check_columns, check_night
from training.watch.night_profile import ColumnCounts, NightProfile, count_values, hash_of
from training.watch.promise_watch import compare_with_outcomes, expected_auc, slope_of
from training.watch.signal import Signal, in_order
from training.watch.source_checks import gap_chance
from training.watch.source_watch import watch_sources

FEATURES = [
    FeatureColumn("x", "number", "fit", "x", "x", "attribute", {}),
    FeatureColumn("colour", "category", "fit", "colour", "colour", "attribute", {}),
]
START = pd.Timestamp("2026-01-05", tz="UTC").value // 1000


def frame(n: int, seed: int, shift: float = 0.0, red: float = 0.5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": rng.normal(shift, 1, n),
            "colour": pd.Categorical(np.where(rng.random(n) < red, "red", "blue")),
        }
    )


@pytest.fixture(scope="module")
def training():
    then = frame(5000, 0)
    facts = make_facts(then, np.zeros(5000), FEATURES)
    n = np.arange(5000)
    profile = make_feature_profile(then, facts, age_days=np.full(5000, 7.0), order=n, leads=n)
    return facts, profile


def drifting(training, now: pd.DataFrame, age: float = 7.0) -> list[Signal]:
    facts, profile = training
    n = len(now)
    return drifting_features(now, facts, profile, age_days=np.full(n, age), leads=np.arange(n))


def test_two_hundred_quiet_months_raise_at_most_one_alarm(training):
    alarms = sum(
        any(signal.state != "green" for signal in drifting(training, frame(300, seed)))
        for seed in range(1, 201)
    )
    assert alarms <= 1


def test_a_shifted_number_and_a_shifted_category_are_named(training):
    found = drifting(training, frame(500, 1, shift=1.5))
    assert {s.name for s in found if s.state == "red"} == {"feature x"}
    found = drifting(training, frame(500, 1, red=0.95))
    assert {s.name for s in found if s.state != "green"} == {"feature colour"}


def test_leads_of_ages_that_training_never_saw_are_not_compared(training):
    found = drifting(training, frame(500, 1, shift=3.0), age=200.0)
    assert [s.figure for s in found] == ["cannot be judged: 500 recent leads"]


def test_a_feature_that_moved_within_training_may_move_on():
    then = pd.concat([frame(2500, 0), frame(2500, 1, shift=0.8)], ignore_index=True)
    facts = make_facts(then, np.zeros(5000), FEATURES)
    n = np.arange(5000)
    profile = make_feature_profile(then, facts, age_days=np.full(5000, 7.0), order=n, leads=n)
    found = drifting((facts, profile), frame(500, 2, shift=1.2))
    assert all(signal.state == "green" for signal in found)


def test_a_profile_survives_its_file(training):
    _, profile = training
    again = FeatureProfile.from_dict(profile.to_dict())
    assert again.rows_per_lead == profile.rows_per_lead
    assert all((again.counts[k] == v).all() for k, v in profile.counts.items())


def test_equal_histograms_have_index_zero():
    counts = np.array([10.0, 20.0, 30.0])
    assert stability_index(counts, 2 * counts) == pytest.approx(0)


def test_snapshots_of_one_lead_are_no_independent_witnesses():
    states = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        p = np.repeat(rng.uniform(0.05, 0.3, 300), 5)  # each lead is seen at five ages
        y = np.repeat(rng.random(300) < p[::5], 5).astype(np.float64)
        states.append(compare_with_outcomes(y, p, np.repeat(np.arange(300), 5)).state)
    assert states.count("red") <= 1
    assert 200 - states.count("green") <= 4


def test_a_promise_twice_too_high_is_red():
    rng = np.random.default_rng(1)
    p = np.full(3000, 0.3)
    y = np.repeat(rng.random(600) < 0.15, 5).astype(np.float64)
    assert compare_with_outcomes(y, p, np.repeat(np.arange(600), 5)).state == "red"


def test_the_slope_is_one_where_promises_hold_and_nothing_where_they_are_luck():
    rng = np.random.default_rng(2)
    x = rng.normal(-2.5, 1, 20_000)
    p = 1 / (1 + np.exp(-x))
    weeks = np.zeros(20_000, np.int64)
    kept = slope_of((rng.random(20_000) < p).astype(float), p, x, weeks)
    assert kept is not None
    assert abs(kept.value - 1) < 3 * kept.error
    lost = slope_of((rng.random(20_000) < p.mean()).astype(float), p, x, weeks)
    assert lost is not None
    assert lost.value < 0.4


def test_the_expected_area_is_that_of_simulated_outcomes():
    rng = np.random.default_rng(3)
    p = rng.beta(1, 9, 4000)
    y = rng.random(4000) < p
    ranks = stats.rankdata(p)
    n = y.sum()
    area = (ranks[y].sum() - n * (n + 1) / 2) / (n * (4000 - n))
    assert expected_auc(p) == pytest.approx(area, abs=0.03)


def test_counts_far_from_their_expectation_are_unlikely_in_both_directions():
    assert two_sided(40, 100, 120) < 1e-5
    assert two_sided(180, 100, 120) < 1e-5
    assert two_sided(100, 100, 120) > 0.5
    assert two_sided(3, 0, 1) == 1.0


def test_weekly_spread_is_learned_and_where_it_cannot_be_it_is_usual():
    rng = np.random.default_rng(4)
    e = np.full(400, 50.0)
    wild = rng.poisson(e * rng.gamma(4, 0.25, 400)).astype(float)
    assert spread_squared(wild, e) == pytest.approx(0.25, abs=0.06)
    assert spread_squared(np.empty(0), np.empty(0)) == pytest.approx(0.0225)


def test_half_of_all_conversions_missing_for_six_weeks_is_seen_with_its_week():
    rng = np.random.default_rng(5)
    risk = np.full((364, 60), 500.0)
    rate = np.full((364, 60), 500.0 * 0.0002)
    rate[-42:] /= 2
    table = AgeByDay(risk, rng.poisson(rate).astype(float))
    worst = min(scan(table), key=lambda shift: shift.p)
    assert worst.p < 1e-4
    assert worst.ratio < 0.7
    assert 4 <= worst.weeks <= 8


def feed(weeks: int, per_hour: float = 4.0, seed: int = 0, until: int | None = None) -> Feed:
    """Rows in office hours of working days."""
    rng = np.random.default_rng(seed)
    hours = np.arange(weeks * 168)
    at_work = (hours % 24 >= 8) & (hours % 24 < 18) & (hours // 24 % 7 < 5)
    counts = np.where(at_work, rng.poisson(per_hour, len(hours)), 0)
    at = START + np.repeat(hours, counts) * HOUR + 5
    return feed_of("web.csv", at if until is None else at[at < until])


def test_a_weekend_is_no_silence_and_a_week_is():
    friday = START + (20 * 7 + 4) * DAY + 18 * HOUR
    assert gap_chance(feed(30, until=friday), friday + 2 * DAY) == 1.0
    assert gap_chance(feed(30, until=friday), friday + 9 * DAY) < 1e-6


def test_a_quiet_source_says_nothing_and_a_moved_clock_is_named():
    end = START + 30 * 7 * DAY
    assert watch_sources([feed(30)], as_of=end, timezone="UTC") == []
    rows = feed(30)
    hours = np.repeat(np.arange(len(rows.counts)) + rows.first_hour, rows.counts) * HOUR
    moved = np.where(hours >= end - 14 * DAY, hours + 6 * HOUR, hours)
    found = watch_sources([feed_of("web.csv", moved)], as_of=end, timezone="UTC")
    assert [s.name for s in found if s.state == "red"] == ["web.csv: its clock moved by +6 hours"]


def column(n: int, missing: int, **levels: int) -> ColumnCounts:
    texts = {hash_of(level): level for level in levels}
    return ColumnCounts(n, missing, {hash_of(level): k for level, k in levels.items()}, None, texts)


def test_a_number_that_few_leads_have_is_not_taken_for_one_in_another_unit():
    rng, found = np.random.default_rng(0), 0
    for _ in range(200):
        nights = []
        for _ in range(2):
            revenue = np.where(rng.random(300) < 0.1, rng.lognormal(10, 1.5, 300), np.nan)
            nights.append(count_values(revenue, "number"))
        then = replace(night(0, feed(3), column(100, 0)), everyone={"revenue": nights[0]})
        found += bool(check_columns({"revenue": nights[1]}, then, 0, "all leads"))
    assert found == 0
    euros = count_values(rng.lognormal(10, 1.5, 300), "number")
    cents = count_values(100 * rng.lognormal(10, 1.5, 300), "number")
    then = replace(night(0, feed(3), column(100, 0)), everyone={"revenue": euros})
    assert [b.check for b in check_columns({"revenue": cents}, then, 0, "all leads")] == ["unit"]


def night(day: int, rows: Feed, source: ColumnCounts, score: tuple[int, ...] = ()) -> NightProfile:
    as_of = START + day * DAY
    return NightProfile(as_of, as_of, "1", (rows,), {"source": source}, {}, score, 0, 100.0)


def test_a_night_like_the_last_one_is_let_through():
    last = night(140, feed(20), column(400, 20, search=200, mail=180))
    assert check_night(night(147, feed(21), last.everyone["source"]), last, declared_end=True) == []
    again = NightProfile.from_dict(last.to_dict())
    assert check_night(again, last, declared_end=True) == []


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (column(400, 300, search=60, mail=40), "missing for 75%"),
        (column(400, 20, Search=200, mail=180), "'Search'"),
    ],
)
def test_an_emptied_column_and_a_renamed_level_stop_a_night(now, words):
    last = night(140, feed(20), column(400, 20, search=200, mail=180))
    found = check_night(night(147, feed(21), now), last, declared_end=True)
    assert words in found[0].cause


def test_columns_whose_names_begin_alike_are_told_apart():
    then, missing = column(400, 20, search=200), column(400, 300, search=60)
    last, now = night(140, feed(20), then), night(147, feed(21), then)
    names = ("utm:source", "utm:medium")
    last = replace(last, everyone={names[0]: then}, newcomers=dict.fromkeys(names, then))
    now = replace(now, everyone={names[0]: missing}, newcomers=dict.fromkeys(names, missing))
    found = check_night(now, last, declared_end=True)
    assert [breach.subject for breach in found] == list(names)


def test_a_renamed_level_is_named_with_its_column_whatever_they_are_called():
    created = pd.Timestamp("2026-01-05") + pd.to_timedelta(np.arange(840) * 8, "h")
    levels = np.where(np.arange(840) % 2, "O'Neil", "Smith").astype(object)
    levels[-63:] = np.where(levels[-63:] == "O'Neil", "O'Neill", "Smith")
    leads = {"id": [f"L{n}" for n in range(840)], "created": created, "won": None}
    section = {"source": "-", "id": "id", "created_at": "created", "fixed": ["utm:source"]}
    project = check_project(
        {
            "project": {"name": "levels", "observed_until": "2026-10-12"},
            "leads": {**section, "converted_at": "won"},
            "conversion": {"horizon": "30d"},
        }
    )
    frame = pd.DataFrame({**leads, "utm:source": levels})
    tables, outcomes = read_tables(project, frames={"leads": frame})
    (signal,) = watch_columns(tables, as_of=outcomes.observed_until)
    assert signal.subjects == ("utm:source", "O'Neill", "O'Neil")
    assert "subjects" not in signal.to_dict()


def test_fewer_rows_of_the_same_past_and_no_new_ones_stop_a_night():
    source = column(400, 0, search=400)
    last = night(140, feed(20), source)
    cut = feed(20)
    cut.counts[: len(cut.counts) // 2] = 0
    assert "cut" in check_night(night(141, cut, source), last, declared_end=True)[0].cause
    old = check_night(night(142, feed(20), source), last, declared_end=True)
    assert "yesterday's file" in old[0].cause


def test_where_leads_are_cut_the_rows_that_go_with_them_do_not_blame_their_own_file():
    def with_events(leads: Feed, events: Feed, day: int) -> NightProfile:
        one = night(day, leads, column(400, 0, search=400))
        return replace(
            one, feeds=(replace(leads, name="leads.csv"), replace(events, name="log.csv"))
        )

    last, cut = with_events(feed(20), feed(20), 140), feed(20)
    cut.counts[: len(cut.counts) // 2] = 0
    both = [b.cause for b in check_night(with_events(cut, cut, 141), last, declared_end=True)]
    assert both[0].startswith("leads.csv")
    assert both[0].endswith("the extract is cut")
    assert both[1].endswith("leads that are gone take theirs along")
    alone = check_night(with_events(feed(20), cut, 141), last, declared_end=True)
    assert alone[0].cause.startswith("log.csv")
    assert alone[0].cause.endswith("the extract is cut")


def test_scores_that_leave_the_best_band_stop_a_night():
    source = column(400, 0, search=400)
    then = night(140, feed(20), source, (0,) * 10 + (300, 60, 40) + (0,) * 7)
    now = night(141, feed(21), source, (300, 60, 40) + (0,) * 17)
    assert check_night(now, then, declared_end=True)[0].check == "scores"


def test_a_feed_forgets_what_came_later_and_counts_what_was_there():
    rows = feed_of("a", np.array([0, HOUR, 5 * HOUR, NEVER]), np.array([0, 3 * DAY, 0, 0]))
    assert (rows.total, rows.newest) == (3, 5 * HOUR)
    assert rows.before(2 * HOUR).total == 2
    assert int(rows.late.sum()) == 1
    assert Feed.from_dict(rows.to_dict()).total == 3


def test_causes_come_first_and_red_before_yellow():
    signals = [
        Signal("feature", "red", "", "", "feature"),
        Signal("fine", "green", "", "", "cause"),
        Signal("small", "yellow", "", "", "cause", weight=90),
        Signal("grave", "red", "", "", "cause", weight=10),
    ]
    assert [s.name for s in in_order(signals)] == ["grave", "small", "feature", "fine"]


def duplicates(leads: pd.DataFrame, events: pd.DataFrame | None = None) -> list[Signal]:
    """Watch a company of one lead every eight hours over 40 weeks."""
    happened = pd.DataFrame({"id": ["L0"], "at": leads["created"].iloc[:1], "type": ["lost"]})
    known = pd.concat([happened, happened.assign(type="demo"), happened.assign(type="won")])
    project = check_project(
        {
            "project": {"name": "twice", "observed_until": "2026-10-12"},
            "leads": {"source": "-", "id": "id", "created_at": "created", "name": "company"},
            "events": [
                {"source": "-", "lead": "id", "at": "at", "type": ["type"], "outcome": ["lost"]}
            ],
            "conversion": {"event": "won", "horizon": "30d", "reopen": ["demo"]},
        }
    )
    frames = {"leads": leads, "events.0": known if events is None else pd.concat([known, events])}
    tables, outcomes = read_tables(project, frames=frames)
    return list(watch_duplicates(tables, as_of=outcomes.observed_until))


def leads_of(companies: int) -> pd.DataFrame:
    created = pd.Timestamp("2026-01-05") + pd.to_timedelta(np.arange(840) * 8, "h")
    ids = [f"L{n}" for n in range(840)]
    return pd.DataFrame(
        {"id": ids, "created": created, "company": [f"C{n % companies}" for n in range(840)]}
    )


def test_leads_that_an_import_brought_twice_are_named():
    leads = leads_of(companies=840)
    assert duplicates(leads) == []
    leads.loc[leads.index[-20:], "company"] = leads["company"].iloc[-40:-20].to_numpy()
    assert [(found.name, found.state) for found in duplicates(leads)] == [
        ("leads are there twice", "red")
    ]


def test_a_lead_that_comes_back_is_not_there_twice():
    leads = leads_of(companies=840)
    lost = pd.DataFrame({"id": leads["id"].iloc[100:160], "type": "lost"})
    last_day = leads["created"].iloc[-1]
    events = pd.concat([lost.assign(at="2026-08-01"), lost.assign(at=last_day, type="demo")])
    events["at"] = pd.to_datetime(events["at"])
    assert duplicates(leads, events) == []


def test_columns_that_cannot_tell_leads_apart_are_said_and_raise_no_alarm():
    (found,) = duplicates(leads_of(companies=3))
    assert found.state == "green"
    assert found.figure.startswith("cannot be judged: 100% of the leads before")
