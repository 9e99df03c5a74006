"""What a person set in the override field is one rule: to read by, and in every guarded write."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from data.clock import DAY
from serving.crm.interface import FIELDS, Crm, Update
from serving.crm.mysql.writer import AlchemyCrm
from serving.crm.postgresql.writer import PostgresCrm
from serving.crm.sqlite.writer import SqliteCrm

KINDS = {"score": "integer", "as_of": "timestamp NULL", "scored_at": "timestamp NULL"}
COLUMNS = ", ".join(f"{name} {KINDS.get(name, 'varchar(64)')}" for name in FIELDS)
TEXT = {"''": False, "'0'": True, "'false'": True, "'no'": True}
SWITCH = {"false": False, "true": True}
NUMBER = {"0": False, "73": True, "-1": True}
CASES = [("text", TEXT), ("boolean", SWITCH), ("integer", NUMBER), ("numeric(5, 2)", NUMBER)]
DAYS = ("date", {"'2026-01-01'": True})


def follows_the_rule(crm: Crm, cases: dict[str, bool]) -> None:
    """Leads L0, L1, ... hold these overrides, and `new` has no row: see what is read and written.

    A table of scores alone is written with its override blindly, as if set after it was read.
    """
    leads = [f"L{i}" for i in range(len(cases))]
    remotes = crm.read_scores(leads)
    assert [remotes[lead].override for lead in leads] == [*cases.values()]
    values = {**dict.fromkeys(FIELDS), "score": 7, "band": "A", "as_of": DAY}
    answers = {each.lead: each.status for each in crm.upsert([Update(x, values) for x in leads])}
    assert answers == {
        lead: "conflict" if is_set else "written"
        for lead, is_set in zip(leads, cases.values(), strict=True)
    }


def statements(kind: str, cases: dict[str, bool], extra: str) -> list[str]:
    cases = {"NULL": False, **cases}
    rows = ", ".join(f"('L{i}', {value})" for i, value in enumerate(cases))
    return [
        f"CREATE TABLE leads (lead_id varchar(64) PRIMARY KEY, by_hand {kind}{extra}, {COLUMNS})",
        f"INSERT INTO leads (lead_id, by_hand) VALUES {rows}",
    ]


@pytest.mark.parametrize("extra", ["", ", name varchar(8)"])
@pytest.mark.parametrize(("kind", "cases"), [*CASES, DAYS])
def test_sqlite(tmp_path: Path, kind: str, cases: dict[str, bool], extra: str) -> None:
    with closing(sqlite3.connect(tmp_path / "crm.sqlite")) as connection, connection:
        for statement in statements(kind, cases, extra):
            connection.execute(statement)
    with closing(SqliteCrm(tmp_path / "crm.sqlite", override="by_hand")) as crm:
        follows_the_rule(crm, {"NULL": False, **cases})


@pytest.mark.postgres
@pytest.mark.parametrize("extra", ["", ", name varchar(8)"])
@pytest.mark.parametrize(("kind", "cases"), [*CASES, DAYS])
def test_postgresql(postgres: str, kind: str, cases: dict[str, bool], extra: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS leads")
        for statement in statements(kind, cases, extra):
            connection.execute(statement.encode())
    with closing(PostgresCrm(postgres, ("127.0.0.1",), override="by_hand")) as crm:
        follows_the_rule(crm, {"NULL": False, **cases})


@pytest.mark.parametrize("extra", ["", ", name varchar(8)"])
@pytest.mark.parametrize(("kind", "cases"), [*CASES, DAYS, ("bit", {"b'0'": False, "b'1'": True})])
def test_mariadb(mariadb: str, kind: str, cases: dict[str, bool], extra: str) -> None:
    engine = sa.create_engine(mariadb)
    with engine.begin() as connection:
        for statement in ("DROP TABLE IF EXISTS leads", *statements(kind, cases, extra)):
            connection.exec_driver_sql(statement)
    engine.dispose()
    with closing(AlchemyCrm(mariadb, ("127.0.0.1",), override="by_hand")) as crm:
        follows_the_rule(crm, {"NULL": False, **cases})
