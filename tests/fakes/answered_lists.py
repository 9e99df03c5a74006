"""The lists of a working team, judged by SQL written by hand over raw tables and answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass

import pandas as pd

from data.clock import HOUR
from tests.fakes.working_team import WorkedWeek, WorkingTeam

OFF = """
with said as (
    select * from feedback where given_at < :at
), held as (
    select a.lead_id from said a
    where (a.verdict = 'disqualify'
        or ((a.verdict = 'done' or (a.verdict = 'snooze' and a.until > :made_at))
            and not exists (
                select 1 from touches t where t.lead_id = a.lead_id
                and t.direction is not 'outbound'
                and t.type not in ('contract_sent', 'meeting_agreed')
                and max(t.at, t.known_at) > a.given_at and max(t.at, t.known_at) < :at)))
    and a.number = (
        select max(b.number) from said b where b.lead_id = a.lead_id and b.verdict = a.verdict)
)
select distinct lead_id from held join scored using (lead_id) where rule is null
"""
PROMISED = """
select sum(probability) from scored
where lead_id in (select value from json_each(:calls))
"""
ENDED = """
select count(*) from feedback a where a.verdict in ('done', 'snooze') and exists (
    select 1 from touches t where t.lead_id = a.lead_id and t.direction is not 'outbound'
                and t.type not in ('contract_sent', 'meeting_agreed')
    and t.at > a.given_at)
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
    n = 0
    with closing(sqlite3.connect(":memory:")) as sql:
        _load_touches(sql, team)
        for week in weeks:
            n += 1
            pd.read_parquet(week.scores)[["lead_id", "probability", "rule"]].to_sql(
                "scored", sql, if_exists="replace", index=False
            )
            _load_answers(sql, team)
            wrong += _judge(sql, week)
        _load_answers(sql, team)
        count = sql.execute("select count(*) from feedback").fetchone()[0]
        ended = sql.execute(ENDED).fetchone()[0]
    return JudgedLists(n, count, ended, tuple(wrong))


def _judge(sql: sqlite3.Connection, week: WorkedWeek) -> list[str]:
    off = {
        row[0]
        for row in sql.execute(OFF, {"at": week.as_of, "made_at": week.as_of + HOUR}).fetchall()
    }
    calls = pd.Series(week.calls).to_json(orient="values")
    promised = sql.execute(PROMISED, {"calls": calls}).fetchone()[0] or 0.0
    wrong = [f"{week.as_of}: {lead} is off the list, and called" for lead in off & {*week.calls}]
    wrong += [f"{week.as_of}: {lead} differs from SQL" for lead in off ^ week.off_list]
    if abs(promised - week.expected) > 1e-6 * max(promised, 1.0):
        wrong.append(f"{week.as_of}: promised {week.expected}, by SQL {promised}")
    return wrong


def _load_touches(sql: sqlite3.Connection, team: WorkingTeam) -> None:
    folder = team.session.state.folder.parent
    touches = pd.read_parquet(folder / "touches.parquet")
    at = touches["touch_at"].dt.as_unit("us").astype("int64")
    known = touches["ingested_at"].dt.as_unit("us").astype("int64")
    table = pd.DataFrame(
        {
            "lead_id": touches["lead_id"],
            "direction": touches["direction"],
            "type": touches["touch_type"],
            "at": at,
            "known_at": known,
        }
    )
    table.to_sql("touches", sql, index=False)
    sql.execute("create index touches_by_lead on touches (lead_id)")


def _load_answers(sql: sqlite3.Connection, team: WorkingTeam) -> None:
    sql.execute("drop table if exists feedback")
    file = team.session.state.feedback
    with closing(sqlite3.connect(file)) as kept:
        try:
            answers = pd.read_sql("select * from feedback", kept)
        except pd.errors.DatabaseError:  # nobody has answered yet
            answers = pd.DataFrame(columns=["number", "lead_id", "verdict", "given_at", "until"])
    answers.to_sql("feedback", sql, index=False)
