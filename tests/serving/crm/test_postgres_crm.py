"""Scores into a real PostgreSQL: one statement per batch, people respected, ledgers shared."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pandas as pd
import psycopg
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from data.durations import DAY
from data.errors import InputError
from data.reading.read_tables import read_tables
from data.schema import NetworkSection, Project, ProjectSection
from data.schema_steps import WriteBackSection
from data.schema_tables import ConversionSection, EventsSection, LeadsSection
from data.world import World, make_world
from serving.crm.interface import FIELDS, Crm, Refused, Update
from serving.crm.mysql.writer import AlchemyCrm
from serving.crm.postgresql.writer import PostgresCrm
from serving.forget import forget_lead
from serving.writeback.ledger import LeaseLost, Ledger
from serving.writeback.ledger_store import PostgresStore
from serving.writeback.payload import LeadPayload
from serving.writeback.write_back import WriteBackResult, write_back
from tests.fakes.faults_run import EPOCH, write_scores, write_standings
from tests.fakes.road import score_file, train_model
from training.state import StatePaths

pytestmark = pytest.mark.postgres
LEADS = [f"L{i:04d}" for i in range(500)]
SCORES = """score int check (score < 99), band text, probability float8, percentile float8,
    trend text, reasons text, model_version text, as_of timestamptz, scored_at timestamptz,
    run_id text"""


@pytest.fixture
def database(postgres: str) -> str:
    """A database with a leads table, a table for scores alone, and no ledger."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute(
            "CREATE TABLE leads (lead_id text PRIMARY KEY, name text, by_hand text,"
            f" version int NOT NULL DEFAULT 1, {SCORES})".encode()
        )
        connection.execute(f"CREATE TABLE scores (lead_id text PRIMARY KEY, {SCORES})".encode())
        with connection.cursor() as cursor:
            rows = [(lead,) for lead in LEADS]
            cursor.executemany("INSERT INTO leads (lead_id) VALUES (%s)", rows)
    return postgres


def night(
    url: str,
    state: Path,
    number: int,
    scores: list[int],
    *,
    entity: str = "leads",
    said: list[str | None] | None = None,
    **more: object,
) -> WriteBackResult:
    state.mkdir(exist_ok=True)
    path = state / f"scores{number}.parquet"
    write_scores(path, LEADS[: len(scores)], scores, EPOCH + number * DAY)
    if said is not None:
        write_standings(path, said)
    override = "by_hand" if entity == "leads" else None
    section = {"crm": "postgresql", "url": url, "entity": entity, "override": override, **more}
    project = Project(
        project=ProjectSection(name="test"),
        leads=LeadsSection(source="leads.csv", id="lead_id", converted="converted"),
        conversion=ConversionSection(),
        network=NetworkSection(allow=("127.0.0.1",)),
        write_back=WriteBackSection.model_validate(section),
    )
    now = EPOCH + (number + 1) * DAY
    return write_back(path, project, state, now=now, run_id=f"run-{number}")


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize("entity", ["leads", "scores"])
def test_all_rows_arrive_and_a_second_run_sends_nothing(
    database: str, tmp_path: Path, entity: str
) -> None:
    scores = [i % 99 for i in range(500)]
    assert night(database, tmp_path, 0, scores, entity=entity).sent == 500
    assert night(database, tmp_path, 0, scores, entity=entity).sent == 0
    found = rows(
        database, f"SELECT score, extract(epoch FROM as_of)::bigint FROM {entity} ORDER BY lead_id"
    )
    assert found == [(score, EPOCH // 1_000_000) for score in scores]


def test_people_are_respected_and_one_bad_row_costs_one_row(database: str, tmp_path: Path) -> None:
    night(database, tmp_path, 0, [10] * 500)
    rows(database, "UPDATE leads SET by_hand = 'no', version = version + 1 WHERE lead_id = 'L0001'")
    rows(database, "UPDATE leads SET score = 77, version = version + 1 WHERE lead_id = 'L0002'")
    rows(database, "DELETE FROM leads WHERE lead_id = 'L0003'")
    scores = [50] * 500
    scores[250] = 99
    result = night(database, tmp_path, 1, scores)
    assert (result.sent, result.kept_overrides, result.gone, result.rejected) == (496, 2, 1, 1)
    assert rows(database, "SELECT lead_id, score FROM leads WHERE score <> 50 ORDER BY 1") == [
        ("L0001", 10),
        ("L0002", 77),
        ("L0250", 10),
    ]


def test_a_ledger_in_postgresql_is_shared_by_runs_at_once(database: str, tmp_path: Path) -> None:
    scores = [i % 99 for i in range(500)]

    def go(i: int) -> int:
        return night(database, tmp_path / str(i), 0, scores, ledger=database).sent

    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(go, range(4)))
    assert sorted(sent) == [0, 0, 0, 500]
    assert rows(database, "SELECT DISTINCT version FROM leads") == [(2,)]


def test_a_forgotten_lead_is_in_no_table_of_a_ledger_in_postgresql(
    database: str, tmp_path: Path
) -> None:
    night(database, tmp_path, 0, [10, 20], ledger=database)
    with closing(PostgresStore(database)) as store:
        ledger = Ledger(store, "another CRM")
        payload = LeadPayload("L0001", "hash", {}, 1)
        lease = ledger.acquire(0.0, lambda _: None)
        ledger.queue(lease, [payload], [], "run")
        ledger.mark_sending(lease, [payload])
    erased = forget_lead(StatePaths(tmp_path), "L0001", ledger=database)
    assert (erased["ledger"], erased["audit entries with its id, kept"]) == (3, 1)
    for table in ("acknowledged", "outbox", "inflight"):
        assert rows(database, f"SELECT lead FROM {table} WHERE lead = 'L0001'") == []
    assert rows(database, "SELECT lead FROM acknowledged") == [("L0000",)]


def test_a_lease_in_postgresql_fences(database: str) -> None:
    store = PostgresStore(database)
    ledger = Ledger(store, "postgresql", lease_s=0.0)
    first = ledger.acquire(0.0, lambda _: None)
    ledger.acquire(0.0, lambda _: None)
    with pytest.raises(LeaseLost):
        ledger.queue(first, [], ["L0000"], "late")
    store.close()


@pytest.fixture(params=["copy", "sqlalchemy"])
def table(request: pytest.FixtureRequest, database: str) -> Iterator[Crm]:
    """The same table through both connectors."""
    if request.param == "copy":
        crm: Crm = PostgresCrm(database, ("127.0.0.1",), override="by_hand")
    else:
        url = database.replace("postgresql://", "postgresql+psycopg://")
        crm = AlchemyCrm(url, ("127.0.0.1",), override="by_hand")
    yield crm
    crm.close()


def test_a_row_that_moved_answers_conflict_and_the_others_are_written(
    table: Crm, database: str
) -> None:
    read = table.read_scores(["L0000", "L0001", "nobody"])
    assert set(read) == {"L0000", "L0001"}
    rows(database, "UPDATE leads SET version = version + 1 WHERE lead_id = 'L0000'")
    values = {"score": 5, "band": "B", "as_of": EPOCH, "model_version": "1' OR '1'='1"}
    answers = table.upsert([Update(lead, values, read[lead].version) for lead in read])
    assert {a.lead: a.status for a in answers} == {"L0000": "conflict", "L0001": "written"}
    after = table.read_scores(["L0001"])["L0001"]
    assert (after.values["score"], after.values["as_of"], after.values["model_version"]) == (
        5,
        EPOCH,
        "1' OR '1'='1",
    )


def new_rows(count: int) -> list[Update]:
    values = {"score": 5, "band": "B", "probability": 0.25, "as_of": EPOCH, "scored_at": EPOCH}
    return [Update(lead, values) for lead in LEADS[:count]]


def statuses(url: str, batch: list[Update]) -> list[str]:
    """Write rows into the table of scores alone; the answers in the order of the rows."""
    with closing(PostgresCrm(url, ("127.0.0.1",), entity="scores")) as crm:
        answers = {answer.lead: answer.status for answer in crm.upsert(batch)}
    return [answers[each.lead] for each in batch]


WRITTEN = "SELECT lead_id, score, extract(epoch FROM as_of)::bigint FROM scores ORDER BY lead_id"


def test_a_moment_in_a_column_without_a_zone_is_that_of_utc(database: str) -> None:
    """It had been that of the session, so that another zone of a role made rows newer or older."""
    rows(database, "ALTER TABLE scores ALTER as_of TYPE timestamp")
    rows(database, "ALTER ROLE postgres SET timezone = 'Asia/Tokyo'")
    try:
        assert statuses(database, new_rows(3)) == ["written"] * 3
        kept = rows(database, "SELECT DISTINCT extract(epoch FROM as_of)::bigint FROM scores")
        assert kept == [(EPOCH // 1_000_000,)]
    finally:
        rows(database, "ALTER ROLE postgres RESET timezone")


@pytest.mark.parametrize("at", [0, 7, 299])
def test_a_newer_row_among_rows_that_seem_new_is_kept(database: str, at: int) -> None:
    later = f"to_timestamp({EPOCH // 1_000_000 + 60})"
    insert = "INSERT INTO scores (lead_id, score, as_of) VALUES"
    rows(database, f"{insert} ('{LEADS[at]}', 9, {later})")
    expected = ["written"] * 300
    expected[at] = "conflict"
    assert statuses(database, new_rows(300)) == expected
    there = rows(database, "SELECT lead_id FROM scores WHERE score <> 5")
    assert (len(rows(database, WRITTEN)), there) == (300, [(LEADS[at],)])


@pytest.mark.parametrize(
    "made_odd",
    [
        "ALTER TABLE scores DROP CONSTRAINT scores_pkey",
        "DROP INDEX half; ALTER TABLE scores DROP CONSTRAINT scores_pkey;"
        " CREATE UNIQUE INDEX half ON scores (lead_id) WHERE score > 50",
        "ALTER TABLE scores ALTER score TYPE numeric, ALTER as_of TYPE timestamp",
        "ALTER TABLE scores ALTER band TYPE varchar(3), ALTER probability TYPE real",
        "ALTER TABLE scores RENAME TO kept; CREATE VIEW scores AS SELECT * FROM kept",
        "CREATE TABLE kept (LIKE scores);"
        " CREATE RULE away AS ON INSERT TO scores DO INSTEAD INSERT INTO kept SELECT new.*",
        "ALTER TABLE scores ENABLE ROW LEVEL SECURITY; GRANT ALL ON scores TO clerk;"
        " GRANT ALL ON SCHEMA public TO clerk;"
        " CREATE POLICY all_of_them ON scores USING (true)",
    ],
)
def test_tables_of_every_kind_take_new_rows(database: str, made_odd: str) -> None:
    rows(database, "DROP ROLE IF EXISTS clerk; CREATE ROLE clerk LOGIN")
    rows(database, "CREATE INDEX half ON scores (score)")
    rows(database, made_odd)
    url = database.replace("postgres@", "clerk@") if "clerk" in made_odd else database
    assert statuses(url, new_rows(20)) == ["written"] * 20
    expected = [(lead, 5, EPOCH // 1_000_000) for lead in LEADS[:20]]
    where = "kept" if "kept" in made_odd else "scores"
    assert rows(database, WRITTEN.replace("scores", where)) == expected
    rows(database, "DROP OWNED BY clerk; DROP ROLE clerk")


def test_a_row_that_a_trigger_keeps_out_answers_conflict(database: str) -> None:
    rows(
        database,
        "CREATE FUNCTION keep_out() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF new.lead_id = 'L0003' THEN RETURN NULL; END IF; RETURN new; END $$;"
        " CREATE TRIGGER keep_out BEFORE INSERT ON scores FOR EACH ROW EXECUTE FUNCTION keep_out()",
    )
    assert statuses(database, new_rows(5)) == ["written"] * 3 + ["conflict", "written"]
    assert len(rows(database, WRITTEN)) == 4


def test_a_bad_row_among_new_ones_leaves_nothing_behind(database: str) -> None:
    batch = [*new_rows(20), Update("bad", {"score": 99, "band": "A", "as_of": EPOCH})]
    with pytest.raises(Refused, match="scores_score_check"):
        statuses(database, batch)
    assert rows(database, WRITTEN) == []


def test_a_thousand_leads_travel_the_whole_road(database: str, tmp_path: Path) -> None:
    world = make_world("software_trial", 1000, 3, base_rate=0.3)
    fill(database, world)
    past = world.observed_until - 30 * DAY
    then = project_of(database, past)
    known = read_tables(then)
    touches = world.frames["touches"]
    seen = touches["ingested_at"] < pd.Timestamp(past, unit="us", tz="UTC")
    assert 0 < len(known[0].events.at) <= seen.sum() < len(touches)  # as of a past date

    model = train_model(then, *known, tmp_path / "model")
    first = score_file(then, known, model, tmp_path / "0.parquet", as_of=past)
    scores = shown(first)
    assert len(set(scores.values())) > 10
    assert write_back(first, then, tmp_path, now=past, run_id="0").sent == len(scores)
    assert write_back(first, then, tmp_path, now=past, run_id="0 again").sent == 0
    there = rows(database, "SELECT lead_id, score FROM leads WHERE score IS NOT NULL")
    assert {str(lead): score for lead, score in there} == scores

    today = world.observed_until
    now = project_of(database, today)
    second = score_file(now, read_tables(now), model, tmp_path / "1.parquet", as_of=today)
    moved = [k for k, score in shown(second).items() if abs(score - scores.get(k, score)) >= 2]
    edited, overruled, invalid = moved[0], moved[1], moved[25]
    rows(database, f"UPDATE leads SET score = 3, version = version + 1 WHERE lead_id = '{edited}'")
    rows(database, f"UPDATE leads SET by_hand = '90' WHERE lead_id = '{overruled}'")
    wrong = f"lead_id <> '{invalid}' OR score = {scores[invalid]}"
    rows(database, f"ALTER TABLE leads ADD CHECK ({wrong})")
    result = write_back(second, now, tmp_path, now=today, run_id="1")
    assert (result.kept_overrides, result.rejected) == (2, 1)
    assert result.sent >= len(moved) - 3
    assert invalid in (tmp_path / "dead_letter.jsonl").read_text()
    kept = rows(database, f"SELECT score FROM leads WHERE lead_id IN ('{edited}', '{overruled}')")
    assert sorted(kept) == sorted([(3,), (scores[overruled],)])
    assert write_back(second, now, tmp_path, now=today, run_id="1 again").sent == 0


def fill(database: str, world: World) -> None:
    """Put a simulated CRM into PostgreSQL; its leads have room for scores."""
    engine = sa.create_engine(database.replace("postgresql://", "postgresql+psycopg://"))
    for name in ("touches", "opportunities"):
        world.frames[name].to_sql(name, engine, index=False)
    leads = world.frames["leads"][["lead_id", "created_at", "source", "country", "job_title"]]
    leads.to_sql("known_leads", engine, index=False)
    engine.dispose()
    rows(database, "DELETE FROM leads")
    rows(database, "ALTER TABLE leads DROP CONSTRAINT leads_score_check")
    for column in ("created_at timestamptz", "source text", "country text", "job_title text"):
        rows(database, f"ALTER TABLE leads ADD COLUMN {column}")
    names = "lead_id, created_at, source, country, job_title"
    rows(database, f"INSERT INTO leads ({names}) SELECT {names} FROM known_leads")


def project_of(database: str, until: int) -> Project:
    """Describe the CRM in PostgreSQL as it was known at `until`."""
    when = str(pd.Timestamp(until, unit="us"))
    return Project(
        project=ProjectSection(name="postgres", observed_until=when),
        leads=LeadsSection(
            source=database,
            query=f"SELECT lead_id, created_at, source, country, job_title FROM leads"
            f" WHERE created_at < '{when}+00'",
            id="lead_id",
            created_at="created_at",
            fixed=("source", "country", "job_title"),
        ),
        events=(
            EventsSection(
                source=database,
                query=f"SELECT * FROM touches WHERE ingested_at < '{when}+00'",
                lead="lead_id",
                at="touch_at",
                recorded_at="ingested_at",
                type=("touch_type",),
                channel="channel",
                ignore=("contract_sent", "meeting_agreed"),
            ),
        ),
        conversion=ConversionSection.model_validate(
            {
                "source": database,
                "query": "SELECT lead_id, created_at FROM opportunities"
                f" WHERE stage <> 'duplicate' AND created_at < '{when}+00'",
                "lead": "lead_id",
                "at": "created_at",
                "horizon": "60d",
                "snapshots": ["1d", "14d", "30d"],
            }
        ),
        network=NetworkSection(allow=("127.0.0.1",)),
        write_back=WriteBackSection(crm="postgresql", url=database, override="by_hand"),
    )


def shown(path: Path) -> dict[str, int]:
    table = pq.read_table(path, columns=["lead_id", "score"])
    return dict(zip(table["lead_id"].to_pylist(), table["score"].to_pylist(), strict=True))


@pytest.mark.parametrize("name", ["leads; delete", 'leads" --', "", "a.b.c", "x\x00"])
def test_names_that_are_none_are_refused(postgres: str, name: str) -> None:
    with pytest.raises(InputError):
        PostgresCrm(postgres, ("127.0.0.1",), entity=name)


def test_a_server_that_is_not_named_is_refused(postgres: str) -> None:
    with pytest.raises(InputError, match=r"host '127\.0\.0\.1' is not allowed"):
        PostgresCrm(postgres, ())


def test_what_reps_answered_reaches_a_mapped_column_once(database: str, tmp_path: Path) -> None:
    rows(database, "ALTER TABLE leads ADD COLUMN rep_says varchar(20)")
    names = {name: name for name in FIELDS}
    mapped = {"fields": {**names, "disposition": "rep_says"}}
    assert night(database, tmp_path, 0, [50] * 3, fields=names).sent == 3
    said = ["done", None, "disqualified"]
    assert night(database, tmp_path, 1, [50] * 3, said=said, **mapped).sent == 2
    query = "SELECT band, rep_says FROM leads ORDER BY lead_id LIMIT 3"
    assert rows(database, query) == [("A", "done"), ("A", None), (None, "disqualified")]
    again = night(database, tmp_path, 2, [50] * 3, said=said, **mapped)
    assert (again.sent, again.unchanged, again.kept_overrides) == (0, 3, 0)
    nobody: list[str | None] = [None] * 3
    assert night(database, tmp_path, 3, [50] * 3, said=nobody, **mapped).sent == 2
    assert rows(database, query) == [("A", None)] * 3
