"""The catalogue: names, rules of choice, and its way through JSON."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.clock import DAY, HOUR
from data.schema import Project
from data.tables import OUTBOUND, Attribute, Events, Snapshots, Tables
from features.build import build
from features.catalogue import MAX_COLUMNS, make_catalogue, slug, who_acts, windows_of, words
from features.frame import FAMILIES, Catalogue
from features.templates import TEMPLATES


def make_project(snapshots=("60d",), **leads) -> Project:
    return Project.model_validate(
        {
            "project": {"name": "x"},
            "leads": {"source": "l", "id": "id", "created_at": "c", **leads},
            "conversion": {"event": "won", "horizon": "30d", "snapshots": snapshots},
            "qualification": {"bant": {"budget": "budget"}},
        }
    )


def make_tables(type_names, n=60, each=4, attributes=()) -> Tables:
    rng = np.random.default_rng(0)
    total = n * each
    at = np.sort(rng.integers(0, 50 * DAY, (n, each)), axis=1).ravel()
    code = np.minimum(rng.geometric(0.3, total) - 1, len(type_names) - 1)
    code[: len(type_names)] = np.arange(len(type_names)) % len(type_names)
    none = np.full(total, -1)
    events = Events(
        np.arange(n + 1) * each,
        at,
        None,
        code.astype(np.int16),
        none.astype(np.int16),
        none.astype(np.int32),
        none.astype(np.int32),
        none.astype(np.int8),
        np.full(total, np.nan, np.float32),
        tuple(type_names),
        (),
        (),
        (),
    )
    return Tables(
        np.array([f"{i:03d}" for i in range(n)], object),
        np.zeros(n, np.int64),
        None,
        np.full(n, -1),
        attributes,
        events,
        pd.DataFrame(index=range(n)),
        100 * DAY,
    )


@pytest.mark.parametrize(
    ("snapshots", "windows"),
    [
        (("60d",), (7.0, 30.0)),
        (("1d", "365d"), (7.0, 30.0, 90.0)),
        ("weekly", (7.0, 30.0, 90.0)),
        (("7d",), (1.0, 3.0)),
        (("1h",), (15 / 1440,)),
        (("0s",), ()),
    ],
)
def test_windows_are_shorter_than_the_oldest_snapshot(snapshots, windows):
    assert windows_of(make_project(snapshots)) == pytest.approx(windows)


def test_rare_types_are_pooled_and_unseen_ones_join_them():
    tables = make_tables(["often", *(f"rare {i}" for i in range(20))])
    found = make_catalogue(tables, make_project())
    names = [feature.name for feature in found.features]
    assert "n_often_7d" in names
    assert "n_other_events_ever" in names
    assert "n_rare_19_ever" not in names
    later = dataclasses.replace(
        tables,
        events=dataclasses.replace(
            tables.events, type_names=("never seen", *tables.events.type_names[1:])
        ),
    )
    rows = Snapshots(np.arange(60), np.full(60, 60 * DAY))
    frame = build(later, rows, found).to_pandas()
    assert (frame["n_often_ever"] == 0).all()
    pooled = [f.params["event"] for f in found.numbers if f.template == "count_ever"]
    own = sum(frame[f"n_{slug(name)}_ever"].sum() for name in pooled)
    assert own == 240


def test_any_number_of_types_stays_within_the_cap():
    tables = make_tables([f"type {i}" for i in range(400)], n=400, each=400)
    found = make_catalogue(tables, make_project())
    columns = [f for f in found.numbers if TEMPLATES[f.template].of_events and "event" in f.params]
    assert len(columns) <= MAX_COLUMNS + 10


def test_every_feature_says_what_it_is():
    attributes = (
        Attribute("Industry", "category", np.array(["a", None] * 30, object)),
        Attribute("email", "category", np.array(["a@gmail.com"] * 60, object)),
        Attribute("role", "category", np.array(["CEO"] * 60, object)),
        Attribute("employees", "number", np.arange(60.0)),
        Attribute("budget", "category", np.array(["known"] * 60, object), np.zeros(60, np.int64)),
        Attribute("source", "category", np.array(["web"] * 60, object)),
    )
    tables = make_tables(["often", "Demo Request!"], attributes=attributes)
    project = make_project(email="email", title="role", channel="source")
    found = make_catalogue(tables, project)
    by_name = {feature.name: feature for feature in found.features}
    assert len(by_name) == len(found.features)
    assert {"seniority", "department", "email_domain_kind", "known_since_budget"} <= set(by_name)
    assert not {"email", "role"} & set(by_name)  # identity-like texts are no columns themselves
    assert by_name["budget"].family == "qualification"
    assert by_name["source"].family == "context"
    assert by_name["n_demo_request_7d"].factor == by_name["days_since_demo_request"].factor
    assert by_name["n_demo_request_7d"].params == {
        "event": "Demo Request!",
        "label": "demo request",
        "days": 7,
    }
    for feature in found.features:
        assert feature.family in FAMILIES
        assert feature.label
        assert feature.params["label"]
    kinds = [feature.kind for feature in found.features]
    assert kinds == sorted(kinds, reverse=True)  # numbers first
    assert Catalogue.from_json(found.to_json()) == found
    assert Catalogue.from_json(found.to_json()).fingerprint == found.fingerprint


def test_json_of_something_else_is_refused():
    for text in ("{", "[1]", '[{"name": "x"}]'):
        with pytest.raises(ValueError, match="is no feature catalogue"):
            Catalogue.from_json(text)


def test_two_types_of_one_spelling_keep_columns_apart():
    found = make_catalogue(make_tables(["Web visit", "web_visit"]), make_project())
    names = [feature.name for feature in found.features]
    assert {"n_web_visit_ever", "n_web_visit_ever_2"} <= set(names)


def test_an_hour_after_creation_fractions_of_days_are_kept():
    tables = make_tables(["often"], n=20)
    rows = Snapshots(np.arange(20), tables.events.at[3::4] + HOUR)
    found = make_catalogue(tables, make_project())
    last = build(tables, rows, found).to_pandas()["days_since_last_event"]
    np.testing.assert_allclose(last, 1 / 24, rtol=1e-6)


def test_static_mode_has_attributes_only():
    project = Project.model_validate(
        {
            "project": {"name": "x"},
            "leads": {"source": "l", "id": "id", "converted": "won"},
            "conversion": {},
        }
    )
    attributes = (
        Attribute("visits", "number", np.array([1.0, np.nan])),
        Attribute("city", "category", np.array(["Rome", None], object)),
    )
    tables = dataclasses.replace(
        make_tables([], n=2, each=0, attributes=attributes), created_at=None
    )
    found = make_catalogue(tables, project)
    assert [f.name for f in found.features] == ["visits", "missing_count", "city"]
    frame = build(tables, Snapshots(np.arange(2), np.zeros(2, np.int64)), found).to_pandas()
    assert frame["visits"].tolist()[0] == 1.0
    assert frame["missing_count"].tolist() == [0.0, 2.0]
    assert frame["city"].isna().tolist() == [False, True]


@given(st.text(max_size=100))
def test_any_text_makes_a_column_name(text):
    name = slug(text)
    assert name
    assert len(name) <= 60
    assert not set(name) & set(" \n\t<>'\",;{}[]()")
    assert words(text)


def test_only_acts_of_certain_direction_have_one_and_the_project_may_name_them():
    tables = make_tables(["demo_request", "sales_email", "unsubscribed", "LC_77"])
    project = make_project()
    named = project.report.model_copy(update={"acts": {"LC_77": "chat", "x": "Signed"}})
    features = make_catalogue(tables, project.model_copy(update={"report": named})).features
    signs = {f.name: f.monotone for f in features}
    assert signs["n_demo_request_ever"] == 1
    assert signs["days_since_demo_request"] == -1
    assert signs["n_unsubscribed_7d"] == -1
    assert signs["n_sales_email_ever"] == signs["n_events_ever"] == 0
    assert signs["n_lc_77_ever"] == 1


def test_who_acts_is_read_from_nine_of_ten_events():
    tables = make_tables(["call", "mixed"])
    codes, events = tables.events.type, tables.events
    way = np.where(codes == 0, OUTBOUND, np.arange(len(codes)) % 2).astype(np.int8)
    directed = dataclasses.replace(events, direction=way)
    assert who_acts(directed) == {"call": "sales"}
    assert who_acts(events) == {}
