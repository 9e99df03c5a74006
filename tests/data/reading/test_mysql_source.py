"""Leads are read from a real MariaDB, and nothing is written there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy

from data.errors import InputError, OutsideError
from data.reading.sources import read_source
from data.schema_types import Source
from tests.data.reading.test_postgres_source import project
from tests.fakes import mariadb_server


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    absent = mariadb_server.missing()
    if absent:
        pytest.skip(absent)
    with mariadb_server.running() as address:
        engine = sqlalchemy.create_engine(address)
        with engine.begin() as crm:
            crm.exec_driver_sql("create table lead_ (id text)")
            crm.exec_driver_sql("insert into lead_ values ('a'), ('b')")
        engine.dispose()
        yield address


def ids(url: str, query: str) -> list[str]:
    declared = project(url, query)
    table = read_source(Source(source=url, query=query), declared).table
    return [str(each) for each in table["id"].to_pylist()]


@pytest.mark.parametrize(
    "query",
    [
        "delete from lead_",
        "insert into lead_ values ('c') returning id",
        "drop table lead_",
        "create table other (id text) select id from lead_",
    ],
)
def test_a_query_cannot_write(url: str, query: str) -> None:
    with pytest.raises((InputError, OutsideError), match="READ ONLY"):
        ids(url, query)
    assert ids(url, "select id from lead_ order by id") == ["a", "b"]
    with pytest.raises((InputError, OutsideError), match="other"):
        ids(url, "select id from other")
