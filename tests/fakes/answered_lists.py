"""The lists of a working team, judged by SQL written by hand over raw tables and answers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

import pandas as pd

from data.clock import HOUR
from tests.fakes.working_team import CALLS, WorkedWeek, WorkingTeam

OUTCOMES = ("contract_sent", "meeting_agreed")
"""Types of events that are no acts of a lead: what the project file ignores."""

OFF = """
with said as (
    select * from feedback a where given_at <= :said and verdict <> 'undo'
        and not exists (select 1 from feedback u where u.undoes = a.number and u.given_at <= :said)
), held as (
    select a.lead_id from said a
    where (a.verdict = 'disqualify'
        or ((a.verdict = 'done' or (a.verdict = 'snooze'
                and a.until > case when a.given_at > :made_at then :said else :made_at end))
            and not exists (
                select 1 from touches t where t.lead_id = a.lead_id
                and t.direction is not 'outbound'
                and max(t.at, t.known_at) > a.given_at and max(t.at, t.known_at) < :at)))
    and a.number = (
        select max(b.number) from said b where b.lead_id = a.lead_id and b.verdict = a.verdict)
    and not exists (
        select 1 from said r where r.lead_id = a.lead_id and r.verdict = 'reopen'
        and r.number > a.number)
)
select lead_id from held
"""
LISTED = f"""
select lead_id from scored where rule is null and lead_id not in ({OFF})
order by probability desc, lead_id
"""
PROMISED = """
select sum(probability) from scored
where lead_id in (select value from json_each(:calls))
"""
ENDED = """
select count(*) from feedback a where a.verdict in ('done', 'snooze') and exists (
    select 1 from touches t where t.lead_id = a.lead_id and t.direction is not 'outbound'
    and t.at > a.given_at)
"""
BECAME = """
with called as (
    select value lead_id from json_each(:calls)
), ends as (
    select lead_id, (select min(at) from opportunities o where o.lead_id = c.lead_id) won_at,
        (select closed_at from leads l where l.lead_id = c.lead_id) lost_at
    from called c
), became as (
    select lead_id, won_at between :then and :at - 1 and won_at <= ifnull(lost_at, won_at) won,
        lost_at between :then and :at - 1 lost,
        min(ifnull(won_at, :at), ifnull(lost_at, :at)) ends_at
    from ends
)
select count(*), sum(ifnull(won, 0)), sum(ifnull(lost, 0) and not ifnull(won, 0)),
    sum(not ifnull(won, 0) and not ifnull(lost, 0)),
    sum(exists (select 1 from touches t where t.lead_id = b.lead_id and t.direction = 'outbound'
        and t.at >= :then and max(t.at, t.known_at) < :at and t.at < ends_at))
from became b
"""


@dataclass(frozen=True, slots=True)
class JudgedLists:
    """How many weeks and answers there were, how many standings an act ended, what was wrong."""

    weeks: int
    answers: int
    ended: int
    wrong: tuple[str, ...]


def judge_lists(team: WorkingTeam, weeks: Iterable[WorkedWeek]) -> JudgedLists:
    """Work the weeks, and compare each list with what SQL says of the answers before it."""
    wrong: list[str] = []
    before: WorkedWeek | None = None
    n = 0
    with closing(sqlite3.connect(":memory:")) as sql:
        _load_data(sql, team)
        for week in weeks:
            n += 1
            pd.read_parquet(week.scores)[["lead_id", "probability", "rule"]].to_sql(
                "scored", sql, if_exists="replace", index=False
            )
            _load_answers(sql, team)
            wrong += [f"week {n}: {each}" for each in _judge(sql, week, before)]
            before = week
        count = sql.execute("select count(*) from feedback").fetchone()[0]
        ended = sql.execute(ENDED).fetchone()[0]
    return JudgedLists(n, count, ended, tuple(wrong))


def _judge(sql: sqlite3.Connection, week: WorkedWeek, before: WorkedWeek | None) -> list[str]:
    made_at = week.as_of + HOUR

    def listed(said: int) -> list[str]:
        given = {"at": week.as_of, "made_at": made_at, "said": said}
        return [row[0] for row in sql.execute(LISTED, given)]

    first = listed(made_at)
    wrong = _different("the list", week.listed, first)
    wrong += _different("the calls", week.calls, first[: len(week.calls)])
    if week.after is not None:
        wrong += _different("the list with its answers", week.after, listed(week.until))
    if len(week.calls) != min(CALLS, len(first)):
        wrong.append(f"{len(week.calls)} calls")
    calls = json.dumps(week.calls)
    promised = sql.execute(PROMISED, {"calls": calls}).fetchone()[0] or 0.0
    if abs(promised - week.expected) > 1e-6 * max(promised, 1.0):
        wrong.append(f"promised {week.expected}, by SQL {promised}")
    return wrong if before is None else [*wrong, *_judge_results(sql, week, before)]


def _judge_results(sql: sqlite3.Connection, week: WorkedWeek, before: WorkedWeek) -> list[str]:
    """Compare what Proof says of last week's list with what raw tables say of its leads."""
    last = week.last
    if last is None:
        return ["Proof does not know last week's list"]
    given = {"calls": json.dumps(before.calls), "then": before.as_of, "at": week.as_of}
    became = sql.execute(BECAME, given).fetchone()
    told = (last.calls, last.converted, last.lost, last.still_open, last.touched)
    wrong = [] if told == became else [f"last week's results are {told}, by SQL {became}"]
    if abs(last.expected - before.expected) > 1e-6 * max(before.expected, 1.0):
        wrong.append(f"last week's promise is {last.expected}, it was {before.expected}")
    return wrong


def _different(what: str, told: Sequence[str], by_sql: Sequence[str]) -> list[str]:
    """Say where two lists differ first."""
    if list(told) == list(by_sql):
        return []
    places = (i for i, pair in enumerate(zip(told, by_sql, strict=False)) if pair[0] != pair[1])
    place = next(places, min(len(told), len(by_sql)))
    more, fewer = sorted({*told} - {*by_sql})[:3], sorted({*by_sql} - {*told})[:3]
    return [f"{what} differs from SQL at {place}: {more} are not to be there, {fewer} are missing"]


def _load_data(sql: sqlite3.Connection, team: WorkingTeam) -> None:
    """Put the raw tables of the company into SQL; moments are microseconds UTC."""
    folder = team.session.state.folder.parent

    def table(name: str, columns: dict[str, str]) -> pd.DataFrame:
        raw = pd.read_parquet(folder / f"{name}.parquet")[list(columns)].rename(columns=columns)
        for column in raw.columns[raw.dtypes.map(lambda kind: kind.kind == "M")]:
            raw[column] = raw[column].dt.as_unit("us").astype("int64").where(raw[column].notna())
        return raw.astype({c: "Int64" for c in raw.columns if c.endswith("at")})

    touches = {"touch_at": "at", "ingested_at": "known_at", "touch_type": "type"}
    touches = {"lead_id": "lead_id", "direction": "direction", **touches}
    opened = {"lead_id": "lead_id", "created_at": "at", "stage": "stage"}
    made = {
        "leads": table("leads", {"lead_id": "lead_id", "closed_at": "closed_at"}),
        "touches": table("touches", touches).query("type not in @OUTCOMES"),
        "opportunities": table("opportunities", opened).query("stage != 'duplicate'"),
    }
    for name, rows in made.items():
        rows.to_sql(name, sql, index=False)
        sql.execute(f"create index {name}_by_lead on {name} (lead_id)")


def _load_answers(sql: sqlite3.Connection, team: WorkingTeam) -> None:
    sql.execute("drop table if exists feedback")
    file = team.session.state.feedback
    with closing(sqlite3.connect(file)) as kept:
        try:
            answers = pd.read_sql("select * from feedback", kept)
        except pd.errors.DatabaseError:  # nobody has answered yet
            answers = pd.DataFrame(columns=["number", "lead_id", "verdict", "given_at", "until"])
    answers.to_sql("feedback", sql, index=False)
