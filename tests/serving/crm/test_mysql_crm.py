"""Scores through SQLAlchemy into a real MariaDB: people respected, one bad row costs one row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from data.durations import DAY
from data.schema import NetworkSection, Project, ProjectSection
from data.schema_steps import WriteBackSection
from data.schema_tables import ConversionSection, LeadsSection
from serving.crm.interface import Busy, Refused, Update
from serving.crm.mysql.writer import AlchemyCrm
from serving.writeback.write_back import WriteBackResult, write_back
from tests.fakes.faults_run import EPOCH, write_scores

LEADS = [f"L{i:04d}" for i in range(300)]
SCORES = """score int check (score < 99), band varchar(8), probability double, percentile double,
    trend varchar(16), reasons varchar(255), model_version varchar(64), as_of datetime,
    scored_at datetime, run_id varchar(64)"""


@pytest.fixture
def database(mariadb: str) -> Iterator[sa.Engine]:
    """A database with a leads table and a table for scores alone."""
    engine = sa.create_engine(mariadb)
    with engine.begin() as connection:
        for table in ("leads", "scores"):
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))
        connection.execute(
            sa.text(
                "CREATE TABLE leads (lead_id varchar(64) PRIMARY KEY, name text, by_hand text,"
                f" version int NOT NULL DEFAULT 1, {SCORES})"
            )
        )
        connection.execute(
            sa.text(f"CREATE TABLE scores (lead_id varchar(64) PRIMARY KEY, {SCORES})")
        )
        connection.execute(
            sa.text("INSERT INTO leads (lead_id) VALUES (:lead)"), [{"lead": x} for x in LEADS]
        )
    yield engine
    engine.dispose()


def night(
    engine: sa.Engine, state: Path, number: int, scores: list[int], *, entity: str = "leads"
) -> WriteBackResult:
    path = state / f"scores{number}.parquet"
    # a DATETIME holds whole seconds: what comes back is not what was sent
    write_scores(path, LEADS[: len(scores)], scores, EPOCH + number * DAY + 654_321)
    project = Project(
        project=ProjectSection(name="test"),
        leads=LeadsSection(source="leads.csv", id="lead_id", converted="converted"),
        conversion=ConversionSection(),
        network=NetworkSection(allow=("127.0.0.1",)),
        write_back=WriteBackSection(
            crm="mysql",
            url=engine.url.render_as_string(),
            entity=entity,
            override="by_hand" if entity == "leads" else None,
        ),
    )
    now = EPOCH + (number + 1) * DAY
    return write_back(path, project, state, now=now, run_id=f"run-{number}")


def rows(engine: sa.Engine, query: str) -> list[tuple[object, ...]]:
    with engine.begin() as connection:
        found = connection.execute(sa.text(query))
        return [tuple(row) for row in found] if found.returns_rows else []


@pytest.mark.parametrize("entity", ["leads", "scores"])
def test_all_rows_arrive_and_a_second_run_sends_nothing(
    database: sa.Engine, tmp_path: Path, entity: str
) -> None:
    scores = [i % 99 for i in range(300)]
    assert night(database, tmp_path, 0, scores, entity=entity).sent == 300
    again = night(database, tmp_path, 0, scores, entity=entity)
    assert (again.sent, again.unchanged) == (0, 300)
    found = rows(database, f"SELECT score, reasons FROM {entity} ORDER BY lead_id")
    assert found == [(score, f"+4 Visited {score} pages") for score in scores]
    (tmp_path / "ledger.sqlite").unlink()
    lost = night(database, tmp_path, 0, scores, entity=entity)
    assert (lost.sent, lost.already_there) == (0, 300)


def test_people_are_respected_and_one_bad_row_costs_one_row(
    database: sa.Engine, tmp_path: Path
) -> None:
    night(database, tmp_path, 0, [10] * 300)
    rows(database, "UPDATE leads SET by_hand = 'no', version = version + 1 WHERE lead_id = 'L0001'")
    rows(database, "UPDATE leads SET score = 77, version = version + 1 WHERE lead_id = 'L0002'")
    rows(database, "DELETE FROM leads WHERE lead_id = 'L0003'")
    scores = [50] * 300
    scores[250] = 99
    result = night(database, tmp_path, 1, scores)
    assert (result.sent, result.kept_overrides, result.gone, result.rejected) == (296, 2, 1, 1)
    assert rows(database, "SELECT lead_id, score FROM leads WHERE score <> 50 ORDER BY 1") == [
        ("L0001", 10),
        ("L0002", 77),
        ("L0250", 10),
    ]


def test_an_older_run_never_overwrites_a_newer_one(database: sa.Engine, tmp_path: Path) -> None:
    night(database, tmp_path, 3, [10, 20], entity="scores")
    (tmp_path / "ledger.sqlite").unlink()
    assert night(database, tmp_path, 1, [90, 91], entity="scores").stale == 2


def test_a_row_that_moved_answers_conflict(database: sa.Engine) -> None:
    crm = AlchemyCrm(database.url.render_as_string(), ("127.0.0.1",), override="by_hand")
    read = crm.read_scores(["L0000", "L0001", "nobody"])
    rows(database, "UPDATE leads SET version = version + 1 WHERE lead_id = 'L0000'")
    values = {"score": 5, "band": "B", "as_of": EPOCH, "model_version": "1' OR '1'='1"}
    answers = crm.upsert([Update(lead, values, read[lead].version) for lead in read])
    assert {a.lead: a.status for a in answers} == {"L0000": "conflict", "L0001": "written"}
    with pytest.raises(Refused):
        crm.upsert([Update("L0001", {**values, "band": "B" * 99}, "2")])
    crm.close()


def test_a_locked_row_is_busy_not_rejected(database: sa.Engine) -> None:
    crm = AlchemyCrm(database.url.render_as_string(), ("127.0.0.1",), override="by_hand")
    version = crm.read_scores(["L0000"])["L0000"].version
    rows(database, "SET GLOBAL innodb_lock_wait_timeout = 1")
    crm.close()
    with database.begin() as other:
        other.execute(sa.text("UPDATE leads SET name = 'x' WHERE lead_id = 'L0000'"))
        with pytest.raises(Busy):
            crm.upsert([Update("L0000", {"score": 5, "band": "B", "as_of": EPOCH}, version)])
    crm.close()
