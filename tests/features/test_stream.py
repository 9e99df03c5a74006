"""The out-of-core store: the same rows as in memory, whatever the order and number of appends."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.clock import DAY, HOUR
from data.errors import InputError
from data.event_store import EventStore
from data.run_files import EventFields
from data.tables import Events, Snapshots, Tables
from features.build import build
from features.frame import Catalogue, Feature
from features.stream import build_blocks

FIELDS = EventFields(
    "who",
    "when",
    "what",
    recorded_at="seen",
    channel="via",
    campaign="of",
    person="by",
    direction="way",
    value="worth",
)


def number(name, template, **params):
    return Feature(name, "number", "engagement", "f", name, template, params)


CATALOGUE = Catalogue(
    (
        number("n_page_2d", "count_window", event="page", days=2),
        number("since_call", "days_since", event="call"),
        number("rest", "count_ever", event="other", pooled=1),
        number("people", "n_people"),
        number("campaigns", "n_campaigns"),
        number("sum", "value_sum", days=3),
        number("in", "inbound_count", days=3),
        Feature("last_event", "category", "engagement", "f", "last_event", "last_event", {}),
        Feature("first_event", "category", "engagement", "f", "first_event", "first_event", {}),
    )
)


def make_events(rng, n):
    at = rng.integers(0, 40, n) * 6 * HOUR + rng.integers(0, 10**6, n)  # no ties
    return pd.DataFrame(
        {
            "who": rng.choice(["a", "b", "c", "d", "nobody"], n),
            "when": at,
            "seen": at + rng.choice([0, 0, DAY], n),
            "what": rng.choice(["page", "call", "fax"], n),
            "via": rng.choice(["web", "mail", None], n),
            "of": rng.choice(["x", None], n),
            "by": rng.choice(["ann", "bob"], n),
            "way": rng.choice(["inbound", "outbound", None], n),
            "worth": rng.choice([1.5, np.nan], n),
        }
    )


def coded(column):
    codes, names = pd.factorize(column, sort=True)
    return codes, tuple(map(str, names))


def in_memory(frame) -> Tables:
    ids = np.array(["a", "b", "c", "d", "e"], object)
    frame = frame[frame["who"].isin(ids)].copy()
    frame["lead"] = frame["who"].map({name: i for i, name in enumerate(ids)})
    frame = frame.sort_values(["lead", "when"], kind="stable")
    names = {}
    for key in ("what", "via", "of", "by"):
        frame[key], names[key] = coded(frame[key])
    way = frame["way"].map({"inbound": 0, "outbound": 1}).fillna(-1)
    events = Events(
        np.searchsorted(frame["lead"], np.arange(6)).astype(np.int64),
        frame["when"].to_numpy(np.int64),
        frame["seen"].to_numpy(np.int64),
        frame["what"].to_numpy(np.int16),
        frame["via"].to_numpy(np.int16),
        frame["of"].to_numpy(np.int32),
        frame["by"].to_numpy(np.int32),
        way.to_numpy(np.int8),
        frame["worth"].to_numpy(np.float32),
        names["what"],
        names["via"],
        names["of"],
        names["by"],
    )
    return Tables(
        ids,
        np.arange(5) * DAY,
        None,
        np.array([0, 0, 1, 1, 0]),
        (),
        events,
        pd.DataFrame(index=range(5)),
        100 * DAY,
    )


def streamed(store, tables, snapshots, **options):
    numbers = np.zeros((len(snapshots), len(CATALOGUE.numbers)), np.float32)
    texts = np.empty((len(snapshots), len(CATALOGUE.categories)), object)
    met = np.zeros(len(snapshots), int)
    for rows, frame in build_blocks(store, tables, snapshots, CATALOGUE, **options):
        numbers[rows] = frame.numbers
        met[rows] += 1
        for c, values in enumerate(frame.categories):
            texts[rows, c] = np.asarray(values.astype(object))
    assert (met == 1).all()
    return numbers, texts


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 40))
def test_a_store_appended_in_parts_gives_the_rows_of_one_build(tmp_path_factory, seed, parts, each):
    rng = np.random.default_rng(seed)
    frame = make_events(rng, int(rng.integers(parts, 60)))
    store = EventStore.open(tmp_path_factory.mktemp("store"))
    for part in np.array_split(np.arange(len(frame)), parts):
        store = store.append(pa.Table.from_pandas(frame.iloc[part], preserve_index=False), FIELDS)
    tables = in_memory(frame)
    snapshots = Snapshots(
        rng.integers(0, 5, 12).astype(np.int64), rng.integers(0, 12, 12).astype(np.int64) * DAY
    )
    expected = build(tables, snapshots, CATALOGUE)
    wanted = np.array([np.asarray(c.astype(object)) for c in expected.categories], object).T
    for compacted in (False, True):
        version = store.compact() if compacted else store
        numbers, texts = streamed(version, tables, snapshots, events_each=each)
        assert numbers.tobytes() == expected.numbers.tobytes()
        assert [[str(t) for t in row] for row in texts] == [[str(t) for t in row] for row in wanted]


def test_csv_parquet_and_arrow_are_one_source(tmp_path):
    frame = make_events(np.random.default_rng(1), 50)
    for name in ("when", "seen"):
        frame[name] = pd.to_datetime(frame[name], unit="us")
    frame.to_csv(tmp_path / "e.csv", index=False)
    frame.to_parquet(tmp_path / "e.parquet")
    sources = (
        tmp_path / "e.csv",
        tmp_path / "e.parquet",
        pa.Table.from_pandas(frame, preserve_index=False).to_reader(),
    )
    read = []
    for i, source in enumerate(sources):
        store = EventStore.open(tmp_path / f"s{i}").append(source, FIELDS)
        events = store.read(0, store.n_leads)
        read.append(
            (
                list(store.lead_ids()),
                events.at.tolist(),
                events.type.tolist(),
                events.person.tolist(),
                events.recorded_at.tolist(),
                events.direction.tolist(),
                store.names,
            )
        )
    assert read[0] == read[1] == read[2]


def test_ids_keep_their_leading_zeros_and_naive_times_their_zone(tmp_path):
    (tmp_path / "e.csv").write_text("who,when,what\n007,2024-07-01 12:00:00,page\n")
    fields = EventFields("who", "when", "what")
    store = EventStore.open(tmp_path / "s").append(
        tmp_path / "e.csv", fields, timezone="Europe/Rome"
    )
    assert list(store.lead_ids()) == ["007"]
    noon_in_rome = pd.Timestamp("2024-07-01 10:00", tz="UTC").value // 1000
    assert store.read(0, 1).at.tolist() == [noon_in_rome]


def test_ties_keep_the_order_of_the_source(tmp_path):
    rows = "".join(f"a,2024-01-01,t{i}\n" for i in (3, 1, 2, 0))
    (tmp_path / "e.csv").write_text("who,when,what\n" + rows)
    fields = EventFields("who", "when", "what")
    store = EventStore.open(tmp_path / "s").append(tmp_path / "e.csv", fields)
    events = store.read(0, 1)
    assert [events.type_names[code] for code in events.type] == ["t3", "t1", "t2", "t0"]


def test_events_without_lead_time_or_type_are_counted_and_refused_where_they_are_most(tmp_path):
    fields = EventFields("who", "when", "what")
    some = "a,2024-01-01,p\nb,soon,p\nc,2024-01-01,p\nd,2024-01-02,\ne,2024-01-02,q\n"
    (tmp_path / "some.csv").write_text("who,when,what\n" + some)
    store = EventStore.open(tmp_path / "s").append(tmp_path / "some.csv", fields)
    assert (len(store), store.runs[0].left_out) == (3, 2)
    (tmp_path / "most.csv").write_text("who,when,what\na,x,p\nb,y,p\nc,2024-01-01,p\n")
    with pytest.raises(InputError, match=r"2 of 3 events lack"):
        store.append(tmp_path / "most.csv", fields)
    with pytest.raises(InputError, match=r"column not found"):
        store.append(tmp_path / "most.csv", EventFields("who", "at", "what"))
    assert len(EventStore.open(tmp_path / "s")) == 3


def test_a_killed_append_leaves_the_store_as_it_was(tmp_path):
    (tmp_path / "e.csv").write_text("who,when,what\na,2024-01-01,p\n")
    fields = EventFields("who", "when", "what")
    EventStore.open(tmp_path / "s").append(tmp_path / "e.csv", fields)
    (tmp_path / "s" / "run-000001").mkdir()  # written, but never named by the manifest
    (tmp_path / "s" / "run-000001.new").mkdir()
    store = EventStore.open(tmp_path / "s")
    assert len(store) == 1
    assert len(store.append(tmp_path / "e.csv", fields)) == 2
