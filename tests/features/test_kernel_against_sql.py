"""The kernel against DuckDB SQL on random worlds."""

from __future__ import annotations

import dataclasses

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.asof import known_before
from data.clock import DAY, HOUR
from data.tables import Events, Snapshots, Tables
from features import walk
from features.build import build
from features.frame import Catalogue, Feature
from features.kernel import BLOCK
from features.plan import compile_plan

TYPES = ("page", "call", "Demo request", "rare", "unseen")
N_LEADS = 4


def number(name, template, **params):
    return Feature(name, "number", "engagement", "f", name, template, {"label": name, **params})


def everything() -> Catalogue:
    features = []
    for event in (*TYPES[:3], "*"):
        params = {"event": event} if event != "*" else {"event": "other", "pooled": 1}
        features += [
            number(f"n_{event}_2d", "count_window", days=2, **params),
            number(f"n_{event}_6h", "count_window", days=0.25, **params),
            number(f"n_{event}", "count_ever", **params),
            number(f"since_{event}", "days_since", **params),
        ]
    features += [
        number("all_2d", "count_all_window", days=2),
        number("all", "count_all_ever"),
        number("active_2d", "active_days", days=2),
        number("active_5d", "active_days", days=5),
        number("active", "active_days"),
        number("trend", "trend", short=2, long=5),
        number("sum_5d", "value_sum", days=5),
        number("sum", "value_sum"),
        number("max", "value_max"),
        number("gap", "mean_gap_days"),
        number("decay", "decayed_count", event="", half_life=3),
        number("in_2d", "inbound_count", days=2),
        number("out", "outbound_count"),
        number("campaigns", "n_campaigns"),
        number("people", "n_people"),
        number("first", "days_since_first_event"),
        number("last", "days_since_last_event"),
        number("week", "first_week_count"),
        number("streak", "streak_days"),
    ]
    features += [
        Feature(name, "category", "context", "f", name, name, {})
        for name in ("first_event", "last_event")
    ]
    return Catalogue(tuple(features))


CATALOGUE = everything()
SPAN = "ts >= as_of - {} * 86400000000"


def expression(feature: Feature) -> str:
    p = feature.params
    known = "('page', 'call', 'Demo request')"
    typed = f"type not in {known}" if p.get("pooled") else f"type = '{p.get('event')}'"
    recent = SPAN.format(p["days"]) if "days" in p else "true"
    match feature.template:
        case "count_window" | "count_ever":
            return f"count(*) filter ({typed} and {recent})"
        case "count_all_window" | "count_all_ever":
            return f"count(*) filter ({recent})"
        case "days_since":
            return f"(as_of - max(ts) filter ({typed})) / 86400e6"
        case "decayed_count":
            return f"coalesce(sum(pow(2, (ts - as_of) / ({p['half_life']} * 86400e6))), 0)"
        case "active_days":
            return f"count(distinct floor(ts / 86400e6)) filter ({recent})"
        case "trend":
            short = f"count(*) filter ({SPAN.format(p['short'])}) / {p['short']}::double"
            long = f"count(*) filter ({SPAN.format(p['long'])}) / {p['long']}::double"
            return f"{short} / nullif({long}, 0)"
        case "value_sum":
            return f"coalesce(sum(value) filter ({recent}), 0)"
        case "value_max":
            return "max(value)"
        case "mean_gap_days":
            return "(max(ts) - min(ts)) / 86400e6 / nullif(count(*) - 1, 0)"
        case "inbound_count":
            return f"count(*) filter (direction = 0 and {recent})"
        case "outbound_count":
            return f"count(*) filter (direction = 1 and {recent})"
        case "n_campaigns":
            return "count(distinct campaign) filter (campaign >= 0)"
        case "n_people":
            return "count(distinct person) filter (person >= 0)"
        case "days_since_first_event":
            return "(as_of - min(ts)) / 86400e6"
        case "days_since_last_event":
            return "(as_of - max(ts)) / 86400e6"
        case "first_week_count":
            return "count(*) filter (ts < created + 7 * 86400000000)"
    return "null"


CODES = {
    "first_event": "arg_min(type, (ts, i))",
    "last_event": "arg_max(type, (ts, i))",
}

STREAK = """
with days as (select distinct row, floor(ts / 86400e6) as d from v),
runs as (select row, d, d + row_number() over (partition by row order by d desc) as g,
         max(d) over (partition by row) as newest from days)
select row, count(*) as streak from runs where g = newest + 1 group by row
"""


def by_sql(tables: Tables, snapshots: Snapshots) -> pd.DataFrame:
    ev = tables.events
    lead = np.repeat(np.arange(len(tables)), np.diff(ev.offsets))
    e = pd.DataFrame(
        {
            "lead": lead,
            "i": np.arange(len(ev)),
            "ts": ev.at,
            "rec": ev.at if ev.recorded_at is None else ev.recorded_at,
            "type": np.array(TYPES)[ev.type],
            "channel": ev.channel,
            "campaign": ev.campaign,
            "person": ev.person,
            "direction": ev.direction,
            "value": ev.value.astype(float),
        }
    )
    s = pd.DataFrame(
        {
            "row": np.arange(len(snapshots)),
            "lead": snapshots.lead,
            "as_of": snapshots.as_of,
            "created": tables.created_at[snapshots.lead],
        }
    )
    con = duckdb.connect()
    con.register("e_frame", e)
    con.register("s", s)
    con.execute(
        "create table e as select * replace (nullif(value, 'nan'::double) as value) from e_frame"
    )
    con.execute(
        "create table v as select s.row, s.as_of, s.created, e.* "
        "from s join e on e.lead = s.lead and e.ts < s.as_of and e.rec < s.as_of"
    )
    plain = [f for f in CATALOGUE.numbers if f.template != "streak_days"]
    columns = ", ".join(f'{expression(f)} as "{f.name}"' for f in plain)
    codes = ", ".join(f'{text} as "{name}"' for name, text in CODES.items())
    main = con.execute(f"select row, {columns}, {codes} from v group by row, as_of, created").df()
    found = s[["row"]].merge(main, on="row", how="left")
    found = found.merge(con.execute(STREAK).df(), on="row", how="left")
    zero = [f.name for f in plain if "count(" in expression(f) or "coalesce" in expression(f)]
    zero = [name for name in zero if name not in ("trend", "gap")] + ["streak"]
    found[zero] = found[zero].fillna(0)
    con.close()
    return found.sort_values("row")


def sort_events(rows, n_leads: int, *, two_clocks: bool) -> Events:
    rows = sorted(rows, key=lambda row: (row[0], row[1]))  # stable: ties stay in source order
    table = np.array([[*row[:8]] for row in rows], np.int64).reshape(-1, 8)
    offsets = np.searchsorted(table[:, 0], np.arange(n_leads + 1)).astype(np.int64)
    at = table[:, 1].copy()
    return Events(
        offsets,
        at,
        at + table[:, 2] if two_clocks else None,
        table[:, 3].astype(np.int16),
        table[:, 4].astype(np.int16),
        table[:, 5].astype(np.int32),
        table[:, 6].astype(np.int32),
        table[:, 7].astype(np.int8),
        np.array([row[8] for row in rows], np.float32),
        TYPES,
        ("web", "mail", "phone"),
        ("spring", "fair"),
        ("ann", "bob"),
    )


instant = st.integers(-8, 40).map(lambda step: step * 6 * HOUR)  # a coarse grid makes ties
nearly = st.tuples(instant, st.sampled_from([-1, 0, 0, 1])).map(sum)
event = st.tuples(
    st.integers(0, N_LEADS - 1),
    nearly,
    st.sampled_from([0, 0, 0, 1, 6 * HOUR, 2 * DAY, -DAY]),
    st.integers(0, 4),
    st.integers(-1, 2),
    st.integers(-1, 1),
    st.integers(-1, 1),
    st.integers(-1, 1),
    st.sampled_from([np.nan, 0.0, 2.5, -1.0, 10.0]),
)
row = st.tuples(st.integers(0, N_LEADS - 1), nearly)


@st.composite
def worlds(draw):
    events = sort_events(
        draw(st.lists(event, max_size=30)), N_LEADS, two_clocks=draw(st.booleans())
    )
    created = np.array(draw(st.lists(instant, min_size=N_LEADS, max_size=N_LEADS)), np.int64)
    account = np.array(
        draw(st.lists(st.integers(-1, 1), min_size=N_LEADS, max_size=N_LEADS)), np.int64
    )
    rows = draw(st.lists(row, max_size=12))  # unsorted on purpose
    table = np.array(rows, np.int64).reshape(-1, 2)
    tables = Tables(
        np.array([f"L{i}" for i in range(N_LEADS)], object),
        created,
        None,
        account,
        (),
        events,
        pd.DataFrame(index=range(N_LEADS)),
        100 * DAY,
    )
    return tables, Snapshots(table[:, 0].copy(), table[:, 1].copy())


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_every_aggregation_agrees_with_sql(world):
    assert_agrees(*world)


def test_leads_and_late_rows_beyond_a_block_agree_with_sql():
    rng = np.random.default_rng(2)
    n, total = 3 * BLOCK, 18 * BLOCK
    # blocks of on-time leads with many rows form across blocks of leads; lead 0 has more late
    # events than fit beside its others
    on_time = (np.arange(n) + BLOCK // 2) // BLOCK % 2 == 1
    lead = np.concatenate([np.zeros(200, int), rng.integers(0, n, total - 200)])
    delay = np.where(on_time[lead], 0, rng.choice([0, 2 * DAY, -DAY], total))
    columns = (
        lead,
        _nearly(rng, total),
        delay,
        rng.integers(0, 5, total),
        rng.integers(-1, 3, total),
        rng.integers(-1, 2, total),
        rng.integers(-1, 2, total),
        rng.integers(-1, 2, total),
        rng.choice([np.nan, 2.5, -1.0], total),
    )
    tables = Tables(
        np.arange(n).astype(str).astype(object),
        rng.integers(-8, 40, n) * 6 * HOUR,
        None,
        rng.integers(-1, n // 2, n),
        (),
        sort_events(list(zip(*columns, strict=True)), n, two_clocks=True),
        pd.DataFrame(index=range(n)),
        100 * DAY,
    )
    rows = np.repeat(np.arange(n), np.where(on_time, 5, 1) + 40 * (np.arange(n) == 0))
    assert_agrees(tables, Snapshots(rows, _nearly(rng, len(rows))))


def test_busy_leads_on_time_between_many_late_ones_agree_with_sql():
    """The few that are on time make blocks with more events than any run of leads has."""
    n, every, busy = 4 * BLOCK, 8, 100
    on_time = np.arange(n) % every == 0
    lead = np.repeat(np.arange(n), np.where(on_time, busy, 1))
    at = np.where(on_time[lead], np.arange(len(lead)) % 48 * HOUR, 0)
    delay = np.where(on_time[lead], 0, 20 * DAY)
    none = np.full(len(lead), -1)
    columns = (lead, at, delay, none + 1, none, none, none, none, np.ones(len(lead)))
    tables = Tables(
        np.arange(n).astype(str).astype(object),
        np.zeros(n, np.int64),
        None,
        np.full(n, -1),
        (),
        sort_events(list(zip(*columns, strict=True)), n, two_clocks=True),
        pd.DataFrame(index=range(n)),
        100 * DAY,
    )
    assert_agrees(tables, Snapshots(np.arange(n), np.full(n, 5 * DAY)))


def _nearly(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw moments on a coarse grid or a microsecond beside it, so that edges are met."""
    return rng.integers(-8, 40, n) * 6 * HOUR + rng.choice([-1, 0, 0, 1], n)


def assert_agrees(tables: Tables, snapshots: Snapshots) -> None:
    frame = build(tables, snapshots, CATALOGUE).to_pandas()
    expected = by_sql(tables, snapshots)
    for feature in CATALOGUE.numbers:
        np.testing.assert_allclose(
            frame[feature.name].to_numpy(),
            expected[feature.name].to_numpy(dtype=float, na_value=np.nan),
            rtol=1e-6,
            atol=1e-6,
            err_msg=feature.name,
        )
    for name in CODES:
        wanted, got = expected[name], frame[name].astype(object)
        pd.testing.assert_series_equal(
            got.where(got.notna(), None),
            wanted.astype(object).where(wanted.notna(), None),
            check_names=False,
            check_index=False,
        )


@settings(max_examples=25, deadline=None)
@given(worlds(), st.integers(1, 5))
def test_threads_and_row_order_change_no_bit(world, threads):
    tables, snapshots = world
    one = build(tables, snapshots, CATALOGUE).numbers
    many = build(tables, snapshots, CATALOGUE, threads=threads).numbers
    assert one.tobytes() == many.tobytes()
    for i in range(len(snapshots)):  # a row alone is the row in the batch
        alone = build(tables, snapshots.take(np.array([i])), CATALOGUE).numbers
        assert alone.tobytes() == one[i].tobytes()


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_uncompiled_the_kernel_gives_the_same_bits(world):
    tables, snapshots = world
    rows = snapshots.take(np.lexsort((snapshots.as_of, snapshots.lead)))
    plan, events = compile_plan(CATALOGUE), tables.events
    given = plan.program(events), plan.columns(events), events.offsets, rows.lead, rows.as_of
    written = []
    for fill in (walk.fill.machine_code, walk.fill.as_it_stands):
        out = np.empty((len(rows), len(CATALOGUE.numbers)), np.float32)
        codes = np.empty((len(rows), 2), np.int32)
        fill(*given, 0, len(rows), tables.created_at, out, codes)
        written.append((out.tobytes(), codes.tobytes()))
    assert written[0] == written[1]


@settings(max_examples=40, deadline=None)
@given(worlds(), nearly)
def test_what_happens_or_is_recorded_from_as_of_on_changes_no_bit(world, t):
    tables, snapshots = world
    now = Snapshots(snapshots.lead, np.full(len(snapshots), t, np.int64))
    cut = dataclasses.replace(tables, events=known_before(tables, t).events)
    assert (
        build(tables, now, CATALOGUE).numbers.tobytes()
        == build(cut, now, CATALOGUE).numbers.tobytes()
    )


@pytest.mark.parametrize(("shift", "counted"), [(-1, 1.0), (0, 0.0), (1, 0.0)])
def test_an_event_counts_strictly_before_as_of(shift, counted):
    events = sort_events([(0, 5 * DAY + shift, 0, 0, 0, 0, 0, 0, np.nan)], 1, two_clocks=False)
    tables = Tables(
        np.array(["L"], object),
        np.array([0]),
        None,
        np.array([-1]),
        (),
        events,
        pd.DataFrame(index=range(1)),
        100 * DAY,
    )
    frame = build(tables, Snapshots(np.array([0]), np.array([5 * DAY])), CATALOGUE).to_pandas()
    assert frame["n_page"].tolist() == [counted]
