"""Write-back in rows per second, against SQLAlchemy's executemany in the same run.

What is compared: both upsert the same rows into the same empty table, with the database's own
settings of durability. SQLAlchemy gets dictionaries that were made beforehand, times as the column
wants them. Ours is the whole connector: from the updates of a run, whose times are microseconds,
to the last answer read; bound to "nothing newer is there". Of SQLite the statement alone is shown
too.

Then a night over many leads of which one in a hundred changed: what is sent, and what comparing
costs, against reading the score file and the ledger once, which no way of comparing can avoid.

Usage: python -m benchmarks.writeback [--full]
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from data.durations import DAY
from data.schema import NetworkSection, Project, ProjectSection
from data.schema_steps import WriteBackSection
from data.schema_tables import ConversionSection, LeadsSection
from serving.crm.interface import Crm, Update
from serving.crm.postgresql.writer import PostgresCrm
from serving.crm.sqlite.writer import SqliteCrm
from serving.writeback.write_back import write_back
from tests.fakes import postgres_cluster
from tests.fakes.faults_run import EPOCH

ROUNDS = 3
TABLE = """CREATE TABLE scores (lead_id text PRIMARY KEY, score integer, band text,
    probability double precision, percentile double precision, trend text, reasons text,
    model_version text, as_of {time}, scored_at {time}, run_id text)"""
WHEN = datetime.fromtimestamp(EPOCH / 1e6, UTC)

LEADS_PER_SECOND = 5_000.0
"""A night that finds nothing new in a million leads is over in minutes."""


class Bar(NamedTuple):
    """A claim: its figure, its bar, and whether less is better."""

    name: str
    figure: float
    bar: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        return self.figure <= self.bar if self.at_most else self.figure >= self.bar


class Night(NamedTuple):
    """One run in a process of its own: what it did, and what it took."""

    sent: int
    summary: str
    seconds: float
    cpu: float
    megabytes: float


def updates(count: int) -> list[Update]:
    """Payloads as a run makes them, ten fields each."""
    return [
        Update(
            f"L{i:07d}",
            {
                "score": i % 101,
                "band": "ABCD"[i % 4],
                "probability": i % 997 / 997,
                "percentile": i / count,
                "trend": "steady",
                "reasons": f"+12 Asked for a demo; +{i % 9} Visited pricing; −3 No answer for 20 d",
                "model_version": "7",
                "as_of": EPOCH,
                "scored_at": EPOCH,
                "run_id": "run-1",
            },
        )
        for i in range(count)
    ]


def ours(crm: Crm, rows: list[Update]) -> float:
    """Seconds to write all rows in the connector's own batches, answers read."""
    began = time.perf_counter()
    for start in range(0, len(rows), crm.batch_limit):
        answers = crm.upsert(rows[start : start + crm.batch_limit])
        assert all(answer.status == "written" for answer in answers)
    return time.perf_counter() - began


def theirs(engine: sa.Engine, rows: list[Update]) -> float:
    """Seconds for the same upsert by SQLAlchemy's executemany, the dictionaries made beforehand."""
    table = sa.Table("scores", sa.MetaData(), autoload_with=engine)
    insert = postgres_insert if engine.dialect.name == "postgresql" else sqlite_insert
    statement = insert(table)
    names = [column.name for column in table.columns if column.name != "lead_id"]
    statement = statement.on_conflict_do_update(
        index_elements=["lead_id"], set_={name: statement.excluded[name] for name in names}
    )
    stamp = WHEN if engine.dialect.name == "postgresql" else WHEN.isoformat()
    parameters = [
        {**each.values, "lead_id": each.lead, "as_of": stamp, "scored_at": stamp} for each in rows
    ]
    began = time.perf_counter()
    with engine.begin() as connection:
        connection.execute(statement, parameters)
    return time.perf_counter() - began


def race(
    name: str, rows: list[Update], clear: Callable[[], None], crm: Crm, engine: sa.Engine
) -> Bar:
    """Alternate both on an empty table; the best of some rounds each, so that noise hits both."""
    seconds: dict[str, list[float]] = {"ours": [], "sqlalchemy": []}
    for _ in range(ROUNDS):
        clear()
        seconds["sqlalchemy"].append(theirs(engine, rows))
        clear()
        seconds["ours"].append(ours(crm, rows))
    best = {who: len(rows) / min(times) for who, times in seconds.items()}
    ratio = best["ours"] / best["sqlalchemy"]
    print(
        f"{name:11} leadscore {best['ours']:9,.0f} rows/s   "
        f"SQLAlchemy executemany {best['sqlalchemy']:9,.0f} rows/s   ratio {ratio:.2f}"
    )
    return Bar(f"{name}: times SQLAlchemy executemany", ratio, 4.0)


def postgres(rows: list[Update]) -> Bar | None:
    absent = postgres_cluster.missing()
    if absent:
        print(f"PostgreSQL: skipped, {absent}")
        return None
    with postgres_cluster.cluster() as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE.format(time="timestamptz").encode())
        engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        crm = PostgresCrm(url, ("127.0.0.1",), entity="scores")
        bar = race("PostgreSQL", rows, lambda: _truncate(connection), crm, engine)
        crm.close()
        engine.dispose()
    return bar


def _truncate(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    connection.execute("TRUNCATE scores")
    connection.execute("CHECKPOINT")


def sqlite(rows: list[Update], folder: Path) -> Bar:
    path = folder / "scores.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(TABLE.format(time="text"))
    engine = sa.create_engine(f"sqlite:///{path}")
    crm = SqliteCrm(path, entity="scores")

    def clear() -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM scores")

    bar = race("SQLite", rows, clear, crm, engine)
    alone = min(_statement_alone(crm, rows, path, clear) for _ in range(ROUNDS))
    print(f"{'':11} the statement alone, values made beforehand {len(rows) / alone:9,.0f} rows/s")
    crm.close()
    engine.dispose()
    return bar


def _statement_alone(
    crm: SqliteCrm, rows: list[Update], path: Path, clear: Callable[[], None]
) -> float:
    """Seconds of our INSERT for all rows in one transaction; no update read, no answer made."""
    groups = [*crm._groups(rows, [])]
    clear()
    with closing(sqlite3.connect(path)) as connection:
        began = time.perf_counter()
        with connection:
            connection.executemany(crm._insert_many, groups)
        return time.perf_counter() - began


def changed_only(count: int, folder: Path) -> list[Bar]:
    """A night over many leads of which one in a hundred changed, against the embedded CRM."""
    draw = random.Random(3)
    scores = [draw.randrange(5, 95) for _ in range(count)]
    nights: list[Night] = []
    for number, name in enumerate(("first night, all new", "1 % changed", "again")):
        if number == 1:
            for lead in draw.sample(range(count), count // 100):
                scores[lead] = (scores[lead] + 7) % 101
        _score_file(folder / "scores.parquet", scores, EPOCH + min(number, 1) * DAY)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            nights.append(pool.submit(_night, folder, number).result())
        each = nights[-1]
        print(
            f"{count:,} leads, {name:20} {each.seconds:6.1f} s ({each.cpu:.1f} s of CPU)"
            f" {each.megabytes:6,.0f} MB   {each.summary}"
        )
    reading = min(_read_both(folder) for _ in range(ROUNDS))
    times = nights[1].seconds / reading
    print(f"{count:,} leads, score file and ledger read {reading:.1f} s: {times:.1f} times that")
    wrong = sum(
        abs(each.sent - wanted)
        for each, wanted in zip(nights, (count, count // 100, 0), strict=True)
    )
    return [
        Bar(f"{count:,} leads, 1 % changed: rows sent too many or too few", wrong, 0, at_most=True),
        Bar(
            f"{count:,} leads, 1 % changed: leads per second",
            count / nights[1].seconds,
            LEADS_PER_SECOND,
        ),
    ]


def _night(folder: Path, number: int) -> Night:
    """Run one night's write-back; memory is the most that this process ever held."""
    began, worked = time.perf_counter(), time.process_time()
    result = write_back(
        folder / "scores.parquet",
        _project(),
        folder / "state",
        now=EPOCH + (number + 1) * DAY,
        run_id=f"run-{number}",
    )
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Night(result.sent, result.summary, seconds, cpu, most)


def _read_both(folder: Path) -> float:
    """Seconds to read the columns that are compared, and no more than read them."""
    began = time.perf_counter()
    pq.read_table(folder / "scores.parquet").sort_by("lead_id")
    with closing(sqlite3.connect(folder / "state" / "ledger.sqlite")) as connection:
        connection.execute("SELECT lead, hash, score, band, as_of FROM acknowledged").fetchall()
    return time.perf_counter() - began


def _score_file(path: Path, scores: list[int], as_of: int) -> None:
    count = len(scores)
    stamp = pa.array([as_of] * count, pa.timestamp("us", "UTC"))
    texts = pa.array([f"Asked for a demo {score} days ago" for score in scores for _ in range(3)])
    points = pa.array([4, 2, -3] * count, pa.int32())
    reasons = pa.ListArray.from_arrays(
        pa.array(range(0, 3 * count + 1, 3), pa.int32()),
        pa.StructArray.from_arrays([points, texts], ["points", "text"]),
    )
    columns = {
        "lead_id": [f"L{i:07d}" for i in range(count)],
        "as_of": stamp,
        "score": scores,
        "band": ["A" if score >= 50 else "B" for score in scores],
        "probability": [score / 100 for score in scores],
        "percentile": [score / 101 for score in scores],
        "trend": ["steady"] * count,
        "reasons": reasons,
        "model_version": ["7"] * count,
        "scored_at": stamp,
        "run_id": [f"score-{as_of}"] * count,
    }
    pq.write_table(pa.table(columns), path)


def _project() -> Project:
    return Project(
        project=ProjectSection(name="bench"),
        leads=LeadsSection(source="leads.csv", id="lead_id", converted="converted"),
        conversion=ConversionSection(),
        network=NetworkSection(),
        write_back=WriteBackSection(),
    )


def main() -> int:
    """Run the races; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.writeback")
    parser.add_argument("--full", action="store_true")
    full = parser.parse_args().full
    folder = Path(tempfile.mkdtemp(prefix="leadscore-writeback-"))
    try:
        rows = updates(200_000)
        bars = [bar for bar in (postgres(rows),) if bar]
        bars.append(sqlite(rows, folder))
        del rows
        bars += changed_only(1_000_000 if full else 100_000, folder)
    finally:
        shutil.rmtree(folder)
    for each in bars:
        required = f"{'<=' if each.at_most else '>='} {each.bar:,.0f}"
        print(f"{'met' if each.met else 'missed'}  {each.name}  {each.figure:,.1f}  {required}")
    return int(not all(each.met for each in bars))


if __name__ == "__main__":
    sys.exit(main())
