"""A company written by hand, and a drawn one: episodes, labels and features as SQL finds them.

The queries below know nothing of the product: they read the same CSV files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pytest

from data.clock import NEVER
from data.labels import label, make_snapshots, open_snapshots
from data.project import load_project
from data.reading.read_tables import read_with_notes
from features.build import build
from features.catalogue import make_catalogue

Line = tuple[str, str, str, str]
"""A lead, when it happened, when it was recorded, what."""

CREATED = {
    "plain": "2026-01-01",  # never closed
    "lost": "2026-01-02",  # closed for good
    "back": "2026-01-03",  # closed, back, converted
    "twice": "2026-01-04",  # closed and back twice, by two reasons
    "soon": "2026-01-05",  # asked again within the quiet days: not back; later: back
    "late": "2026-01-06",  # its close was recorded after it asked again
    "between": "2026-01-07",  # converted after its close, unasked
    "buyer": "2026-01-08",  # converted, asks again: a customer
    "same": "2026-01-09",  # asks at the moment of the conversion
    "called": "2026-01-10",  # only sales called
    "new": "2026-06-20",  # too young to have a label
    "early": "2025-11-01",  # from before closes are recorded
}
WRITTEN: tuple[Line, ...] = (
    ("plain", "2026-01-05 10:00", "2026-01-05 10:00", "visit"),
    ("lost", "2026-01-20 09:00", "2026-01-20 09:00", "not_now"),
    ("lost", "2026-02-20 09:00", "2026-02-20 09:00", "visit"),
    ("back", "2026-01-10 08:30", "2026-01-10 08:30", "no_budget"),
    ("back", "2026-03-01 08:30", "2026-03-01 08:30", "demo"),
    ("back", "2026-03-05 12:00", "2026-03-05 12:00", "visit"),
    ("back", "2026-03-20 12:00", "2026-03-20 12:00", "won"),
    ("twice", "2026-01-15 08:00", "2026-01-15 08:00", "not_now"),
    ("twice", "2026-02-15 08:00", "2026-02-16 08:00", "demo"),
    ("twice", "2026-03-25 08:00", "2026-03-25 08:00", "no_budget"),
    ("twice", "2026-05-01 08:00", "2026-05-01 08:00", "demo"),
    ("soon", "2026-01-20 08:00", "2026-01-20 08:00", "not_now"),
    ("soon", "2026-01-25 08:00", "2026-01-25 08:00", "demo"),
    ("soon", "2026-01-30 08:00", "2026-01-30 08:00", "demo"),
    ("late", "2026-01-10 08:00", "2026-02-10 08:00", "not_now"),
    ("late", "2026-02-01 08:00", "2026-02-01 08:00", "demo"),
    ("late", "2026-02-12 08:00", "2026-02-25 08:00", "demo"),
    ("between", "2026-01-20 08:00", "2026-01-20 08:00", "not_now"),
    ("between", "2026-02-20 08:00", "2026-02-20 08:00", "won"),
    ("between", "2026-03-20 08:00", "2026-03-20 08:00", "demo"),
    ("buyer", "2026-01-28 08:00", "2026-01-28 08:00", "won"),
    ("buyer", "2026-03-28 08:00", "2026-03-28 08:00", "demo"),
    ("buyer", "2026-04-08 08:00", "2026-04-08 08:00", "won"),
    ("same", "2026-01-19 08:00", "2026-01-19 08:00", "no_budget"),
    ("same", "2026-02-19 08:00", "2026-02-19 08:00", "demo"),
    ("same", "2026-02-19 08:00", "2026-02-19 08:00", "won"),
    ("called", "2026-01-19 08:00", "2026-01-19 08:00", "no_budget"),
    ("called", "2026-02-19 08:00", "2026-02-19 08:00", "call"),
    ("early", "2026-01-12 08:00", "2026-01-12 08:00", "not_now"),
    ("early", "2026-02-12 08:00", "2026-02-12 08:00", "demo"),
)
PROJECT = """
[project]
name = "by-hand"
observed_until = "2026-07-01"
[leads]
source = "leads.csv"
id = "id"
created_at = "created"
[[events]]
source = "events.csv"
lead = "id"
at = "happened"
recorded_at = "recorded"
type = ["what"]
outbound = ["call"]
outcome = ["not_now", "no_budget"]
[conversion]
event = "won"
horizon = "30d"
snapshots = ["0d", "7d", "20d"]
reopen = ["demo"]
quiet = "7d"
repeat = {repeat}
closes_from = "2026-01-01"
"""

FIRST_ENDS = """
update episodes set
  won = (select min(happened) from wins w where w.id = episodes.id and w.happened >= since),
  lost = (select min(known) from closes c where c.id = episodes.id and c.known >= since)
where number = $round;
update episodes set lost = null where number = $round and won <= lost;
update episodes set won = null where number = $round and lost < won;
"""
NEXT = """
insert into episodes
select e.id, e.number + 1, o.known, o.known, null, null
from episodes e, lateral (
  select min(known) as known from openers o
  where o.id = e.id
    and o.known >= coalesce(e.won, e.lost) + interval 7 days
    and not exists (select 1 from wins w where w.id = o.id and w.happened = o.known)
) o
where e.number = $round and o.known is not null
  and ($repeat or not exists (select 1 from wins w where w.id = e.id and w.happened <= o.known))
"""
ROWS = """
with numbered as (
  select *, coalesce(won, lost) as ended,
    lag(coalesce(won, lost)) over w as closed, lag(won) over w as bought
  from episodes window w as (partition by id order by number)
), snapshots as (
  select n.*, age, opened + age * interval 1 day as as_of
  from numbered n, (values (0), (7), (20)) ages(age)
)
select s.id, number, opened, won, lost, age,
  (won is not null and won >= as_of and won < as_of + interval 30 days)::int as y,
  case when l.created >= timestamp '2026-01-01' then number - 1 end as times_closed,
  date_diff('second', closed, as_of) / 86400.0 as days_since_closed,
  case when bought is not null then 'converted' else (
    select min(what) from closes c where c.id = s.id and c.known = s.closed) end as because,
  (select count(*) from events v where v.id = s.id and v.what in ('demo', 'visit', 'call')
    and v.happened < as_of and v.recorded < as_of) as known
from snapshots s join leads l on l.id = s.id
where (ended is null or ended >= as_of) and as_of + interval 30 days <= timestamp '2026-07-01'
order by s.id, number, age
"""
OPEN = """
select id, max(number) from episodes
where opened <= $asked::timestamp
  and coalesce(won, lost, timestamp '2100-01-01') >= $asked::timestamp
group by id order by id
"""


def drawn(seed: int) -> tuple[dict[str, str], list[Line]]:
    """Draw a hundred leads with up to nine events each, on whole days, so that many coincide."""
    rng = np.random.default_rng(seed)
    start = np.datetime64("2025-12-20")
    created, lines = {}, []
    for i in range(100):
        lead, begins = f"d{i:02}", int(rng.integers(0, 60))
        created[lead] = str(start + begins)
        for day in begins + 1 + np.sort(rng.choice(100, int(rng.integers(0, 10)), replace=False)):
            what = str(rng.choice(["not_now", "no_budget", "won", "demo", "demo", "visit", "call"]))
            late = 0 if what == "won" else int(rng.integers(0, 3))
            at, recorded = start + int(day), start + int(day) + late
            lines.append((lead, f"{at} 00:00", f"{recorded} 00:00", what))
    return created, lines


def sql(folder: Path, *, repeat: bool) -> duckdb.DuckDBPyConnection:
    """Find the episodes, one round of returns after the other."""
    db = duckdb.connect()
    db.execute(f"create table leads as from read_csv('{folder}/leads.csv')")
    db.execute(f"create table events as from read_csv('{folder}/events.csv')")
    db.execute("create table wins as select id, happened from events where what = 'won'")
    known = "select id, greatest(happened, recorded) as known, what from events where what"
    db.execute(f"create table closes as {known} in ('not_now', 'no_budget')")
    db.execute(f"create table openers as {known} = 'demo'")
    db.execute(
        "create table episodes as select id, 1 as number, created::timestamp as opened,"
        " created::timestamp as since, null::timestamp as won, null::timestamp as lost from leads"
    )
    for number in range(1, 20):
        for statement in FIRST_ENDS.strip().split(";\n"):
            if statement.strip(";\n "):
                db.execute(statement, {"round": number})
        db.execute(NEXT, {"round": number, "repeat": repeat})
    return db


def write(folder: Path, created: dict[str, str], lines: Sequence[Line], *, repeat: bool) -> Path:
    leads = "".join(f"{lead},{day} 00:00:00\n" for lead, day in created.items())
    (folder / "leads.csv").write_text(f"id,created\n{leads}")
    rows = "".join(f"{lead},{at}:00,{seen}:00,{what}\n" for lead, at, seen, what in lines)
    (folder / "events.csv").write_text(f"id,happened,recorded,what\n{rows}")
    (folder / "by_hand.toml").write_text(PROJECT.format(repeat=str(repeat).lower()))
    return folder / "by_hand.toml"


@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_episodes_labels_and_features_are_those_of_sql(
    tmp_path: Path, seed: int | None, repeat: bool
) -> None:
    created, lines = (CREATED, WRITTEN) if seed is None else drawn(seed)
    project = load_project(write(tmp_path, created, lines, repeat=repeat))
    db = sql(tmp_path, repeat=repeat)
    crm = read_with_notes(project)
    tables, outcomes = crm.tables, crm.outcomes

    def moment(at: int) -> object:
        return None if at == NEVER else np.datetime64(at, "us").item()

    labelled = label(make_snapshots(tables, outcomes, project), tables, outcomes, project)
    rows = labelled.snapshots
    frame = build(tables, rows, make_catalogue(tables, project)).to_pandas()
    mine = []
    for i, (row, as_of) in enumerate(zip(rows.lead.tolist(), rows.as_of.tolist(), strict=True)):
        opened = int(tables.created_at[row])  # type: ignore[index]
        times, days = frame["times_closed"].iloc[i], frame["days_since_closed"].iloc[i]
        because, events = frame["closed_because"].iloc[i], frame["n_events_ever"].iloc[i]
        mine.append(
            (
                str(tables.lead_ids[row]),
                int(tables.episode[row]),
                moment(opened),
                moment(int(outcomes.converted_at[row])),
                moment(int(outcomes.disqualified_at[row])),
                (as_of - opened) // 86_400_000_000,
                int(labelled.y[i]),
                None if np.isnan(times) else int(times),
                None if np.isnan(days) else round(float(days), 3),
                because if isinstance(because, str) else None,
                int(events),
            )
        )
    theirs = [
        (*row[:8], None if row[8] is None else round(row[8], 3), *row[9:])
        for row in db.execute(ROWS).fetchall()
    ]
    assert mine == theirs
    assert len(mine) > (30 if seed is None else 200)
    assert tables.episode.max() >= 3
    for at in ("2026-02-20 08:00:00", "2026-03-01 08:30:00", "2026-05-20 00:00:00"):
        asked = np.datetime64(at, "us").astype(np.int64)
        now = open_snapshots(tables, outcomes, int(asked)).lead
        found = zip(tables.lead_ids[now].tolist(), tables.episode[now].tolist(), strict=True)
        assert list(found) == db.execute(OPEN, {"asked": at}).fetchall(), at


def test_the_company_written_by_hand_is_what_was_meant(tmp_path: Path) -> None:
    project = load_project(write(tmp_path, CREATED, WRITTEN, repeat=False))
    tables = read_with_notes(project).tables
    number = dict(zip(tables.lead_ids.tolist(), tables.episode.tolist(), strict=True))
    assert number == {
        **dict.fromkeys(["plain", "lost", "between", "buyer", "same", "called", "new"], 1),
        **dict.fromkeys(["back", "soon", "late", "early"], 2),
        "twice": 3,
    }
