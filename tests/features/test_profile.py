"""Attributes, calendar and siblings as of each row; one lead beside the batch."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.clock import DAY, HOUR, NEVER
from data.tables import Attribute, Changes, Events, Snapshots, Tables
from features.build import build
from features.frame import Catalogue, Feature
from features.persons import department, domain_kind, seniority


def column(name, kind, template, **params):
    return Feature(name, kind, "fit", name, name, template, params)


def no_events(n) -> Events:
    ints = np.empty(0, np.int64)
    return Events(
        np.zeros(n + 1, np.int64),
        ints,
        None,
        ints.astype(np.int16),
        ints.astype(np.int16),
        ints.astype(np.int32),
        ints.astype(np.int32),
        ints.astype(np.int8),
        ints.astype(np.float32),
        (),
        (),
        (),
        (),
    )


def make_tables(*attributes, created, timezone="UTC") -> Tables:
    n = len(created)
    return Tables(
        np.array([str(i) for i in range(n)], object),
        np.array(created, np.int64),
        None,
        np.full(n, -1),
        attributes,
        no_events(n),
        pd.DataFrame(index=range(n)),
        10**17,
        timezone,
    )


def test_a_dated_answer_counts_only_after_it_was_given():
    budget = Attribute(
        "budget", "category", np.array(["known", "maybe"], object), np.array([2 * DAY, NEVER])
    )
    tables = make_tables(budget, created=[0, 0])
    found = Catalogue(
        (
            column("since", "number", "known_since", column="budget"),
            column("budget", "category", "attribute", column="budget"),
        )
    )
    rows = Snapshots(np.array([0, 0, 0, 1]), np.array([DAY, 2 * DAY, 3 * DAY, 9 * DAY]))
    frame = build(tables, rows, found).to_pandas()
    assert frame["budget"].astype(object).where(frame["budget"].notna(), None).tolist() == [
        None,
        None,
        "known",
        None,
    ]
    np.testing.assert_array_equal(frame["since"], [np.nan, np.nan, 1, np.nan])


def test_field_history_is_replayed():
    changes = Changes(
        np.array([0, 2, 2]), np.array([DAY, 3 * DAY]), np.array([1.0, 2.0]), np.array([2.0, 5.0])
    )
    size = Attribute("size", "number", np.array([5.0, 7.0]), None, changes)
    tables = make_tables(size, created=[0, 0])
    found = Catalogue(
        (
            column("size", "number", "attribute", column="size"),
            column("since", "number", "known_since", column="size"),
        )
    )
    rows = Snapshots(np.array([0, 0, 0, 1]), np.array([DAY, 2 * DAY, 4 * DAY, 2 * DAY]))
    frame = build(tables, rows, found).to_pandas()
    assert frame["size"].tolist() == [1.0, 2.0, 5.0, 7.0]
    np.testing.assert_array_equal(frame["since"], [np.nan, 1, 1, np.nan])


@pytest.mark.parametrize(("timezone", "hour", "weekday"), [("UTC", 23, 5), ("Europe/Rome", 1, 6)])
def test_the_calendar_is_the_one_on_the_wall(timezone, hour, weekday):
    born = pd.Timestamp("2024-06-29 23:30", tz="UTC").value // 1000  # a Saturday
    tables = make_tables(created=[born], timezone=timezone)
    found = Catalogue(
        tuple(
            column(f"created_{part}", "number", f"created_{part}")
            for part in ("month", "weekday", "hour")
        )
    )
    row = Snapshots(np.zeros(1, np.int64), np.array([born]))
    assert build(tables, row, found).numbers.tolist() == [[6, weekday, hour]]


def test_age_and_unseen_categories():
    tables = make_tables(
        Attribute("country", "category", np.array(["IT", "FR", None], object)),
        created=[0, 0, 0],
    )
    found = Catalogue(
        (
            column("age", "number", "age_days"),
            column("country", "category", "attribute", column="country"),
        )
    )
    rows = Snapshots(np.arange(3), np.full(3, 6 * HOUR))
    frame = build(tables, rows, found).to_pandas()
    assert frame["age"].tolist() == [0.25] * 3
    assert frame["country"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("title", "rank", "team"),
    [
        ("CEO & Co-Founder", "founder", "other"),
        ("Chief Marketing Officer", "c_level", "marketing"),
        ("Vice President, Sales", "vp", "sales"),
        ("Responsabile acquisti", "director", "operations"),
        ("Senior Software Engineer", "senior", "it"),
        ("Working student HR", "student", "hr"),
        ("???", "other", "other"),
        ("", None, None),
    ],
)
def test_titles_are_read_for_rank_and_department(title, rank, team):
    assert (seniority(title), department(title)) == (rank, team)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("a@GMAIL.com", "free"),
        ("b@yahoo.co.uk", "free"),
        ("c@acme.com", "company"),
        ("d@ox.ac.uk", "education"),
        ("e@defense.gov", "government"),
        ("f@mailinator.com", "disposable"),
        ("nobody", "invalid"),
        ("x@localhost", "invalid"),
        ("", None),
    ],
)
def test_addresses_are_read_for_the_kind_of_their_domain(address, kind):
    assert domain_kind(address) == kind
