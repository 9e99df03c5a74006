"""What a database says is told apart: what passes by itself, and what asking again won't mend."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import psycopg
import pymysql
import pytest
from psycopg import errors

from data.database_errors import passes
from data.errors import InputError, OutsideError
from data.project import check_project
from data.reading.read_tables import read_tables
from data.schema import Project


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("said")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (sqlite_error(5), True),  # locked by another process
        (sqlite_error(5 | 2 << 8), True),  # SQLITE_BUSY_SNAPSHOT
        (sqlite_error(6), True),
        (sqlite_error(1), False),  # no such column
        (sqlite_error(8), False),  # read-only
        (psycopg.OperationalError("connection refused"), True),
        (errors.QueryCanceled("canceling statement due to statement timeout"), True),
        (errors.LockNotAvailable(""), True),
        (errors.DeadlockDetected(""), True),
        (errors.SerializationFailure(""), True),
        (errors.TooManyConnections(""), True),
        (errors.AdminShutdown(""), True),
        (errors.CannotConnectNow(""), True),
        (errors.UndefinedColumn(""), False),
        (errors.ReadOnlySqlTransaction(""), False),
        (errors.InsufficientPrivilege(""), False),
        (errors.DivisionByZero(""), False),
        (pymysql.err.OperationalError(1205, "Lock wait timeout exceeded"), True),
        (pymysql.err.OperationalError(2003, "Can't connect"), True),
        (pymysql.err.OperationalError(3024, "maximum statement execution time exceeded"), True),
        (pymysql.err.OperationalError(1969, "max_statement_time exceeded"), True),
        (pymysql.err.OperationalError(1054, "Unknown column 'n'"), False),
        (pymysql.err.OperationalError(1045, "Access denied"), False),
        (pymysql.err.ProgrammingError(1146, "Table doesn't exist"), False),
        (duckdb.IOException("Could not set lock on file"), True),
        (duckdb.CatalogException("Table does not exist"), False),
    ],
)
def test_what_passes_by_itself_is_told_from_what_does_not(error, expected):
    assert passes(error) is expected


def project(folder: Path, **queries: str) -> Project:
    """Give a project of four queries on one SQLite database."""
    asked = {
        "leads": "select id, born, won, n from lead",
        "events": "select lead, at, kind from touch",
        "history": "select lead, field, old, new, at from change",
        **queries,
    }
    source = "sqlite:///crm.db"
    return check_project(
        {
            "project": {"name": "t", "root": str(folder)},
            "leads": {
                "source": source,
                "query": asked["leads"],
                "id": "id",
                "created_at": "born",
                "converted_at": "won",
                "fixed": ["n"],
                "history": [
                    {
                        "source": source,
                        "query": asked["history"],
                        "lead": "lead",
                        "field": "field",
                        "old": "old",
                        "new": "new",
                        "at": "at",
                    }
                ],
            },
            "events": [
                {
                    "source": source,
                    "query": asked["events"],
                    "lead": "lead",
                    "at": "at",
                    "type": ["kind"],
                }
            ],
            "conversion": {"horizon": "30d"},
        }
    ).model_copy(update={"folder": folder})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "crm.db")) as crm:
        crm.executescript(
            "create table lead (id text, born text, won text, n int);"
            "create table touch (lead text, at text, kind text);"
            "create table change (lead text, field text, old text, new text, at text);"
            "insert into lead values ('BP-1', '2026-01-01', null, 1), ('BP-2', '2026-01-02',"
            " null, 2);"
            "insert into touch values ('BP-1', '2026-01-03', 'call');"
            "insert into change values ('BP-1', 'n', '0', '1', '2026-01-04');"
        )
    return tmp_path


def test_a_database_that_another_program_holds_is_the_outsides_fault(folder):
    with closing(sqlite3.connect(folder / "crm.db", isolation_level=None)) as other:
        other.execute("begin exclusive")
        with pytest.raises(OutsideError, match=r"crm\.db \(leads\): database is locked; run it"):
            read_tables(project(folder))
    read_tables(project(folder))


@pytest.mark.parametrize(
    ("section", "query", "label"),
    [
        ("leads", "select id, born, won, m as n from lead", "leads"),
        ("events", "select lead, at, minutes as kind from touch", "events.0"),
        ("history", "select lead, field, old, new, day as at from change", "history.0"),
    ],
)
def test_a_query_that_fails_is_named_by_its_section_with_a_cure(folder, section, query, label):
    with pytest.raises(InputError, match="no such column") as caught:
        read_tables(project(folder, **{section: query}))
    assert str(caught.value).startswith(f"sqlite:///crm.db ({label}): query failed: ")
    assert str(caught.value).endswith(
        "correct `query` in the project file, or the tables and rights that it needs"
    )


def test_a_row_of_a_query_is_named_by_its_lead(folder):
    broken = "select lead, case lead when 'BP-1' then '17.13.2026' end as at, kind from touch"
    with pytest.raises(InputError, match="is no timestamp") as caught:
        read_tables(project(folder, events=broken))
    assert str(caught.value).startswith(
        "sqlite:///crm.db (events.0), lead 'BP-1', row 1, column at"
    )
    with pytest.raises(InputError, match=r"crm\.db \(events\.0\): has a header but no rows"):
        read_tables(project(folder, events="select lead, at, kind from touch where 1 = 0"))
