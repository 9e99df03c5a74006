"""Leads and events are read from a real PostgreSQL, with its types, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy

from data.errors import InputError, OutsideError
from data.project import check_project
from data.reading.read_tables import read_tables
from data.reading.sources import read_source
from data.schema import Project
from data.schema_types import Source
from tests.fakes import postgres_cluster

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    absent = postgres_cluster.missing()
    if absent:
        pytest.skip(absent)
    with postgres_cluster.cluster() as address:
        engine = sqlalchemy.create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
        with engine.begin() as crm:
            crm.exec_driver_sql("set timezone to 'Europe/Rome'")
            crm.exec_driver_sql(
                "create table lead"
                " (id text, born timestamptz, won timestamptz, n numeric(9, 2), x jsonb)"
            )
            crm.exec_driver_sql(
                "insert into lead values ('007', '2024-03-31 03:30', null, 12.50, '{\"a\": 1}'),"
                "('1'' or 1=1', '2024-03-31 01:30', '2024-05-01', null, null)"
            )
        engine.dispose()
        yield address


def project(url: str, query: str, allow: tuple[str, ...] = ("127.0.0.1",)) -> Project:
    return check_project(
        {
            "project": {"name": "t"},
            "network": {"allow": list(allow)},
            "leads": {
                "source": url,
                "query": query,
                "id": "id",
                "created_at": "born",
                "converted_at": "won",
                "fixed": ["n"],
            },
            "conversion": {"horizon": "30d"},
        }
    )


def test_types_and_instants_survive(url: str) -> None:
    given = project(url, "select * from lead where id like '%7' or id like '1%'")
    tables, outcomes = read_tables(given)
    assert tables.lead_ids.tolist() == ["007", "1' or 1=1"]
    assert tables.created_at is not None
    assert (
        tables.created_at[0] - tables.created_at[1] == 3_600_000_000
    )  # the hour that is not there
    assert tables.attribute("n").values[0] == 12.5
    assert (outcomes.converted_at < outcomes.observed_until).tolist() == [False, True]


def test_a_query_cannot_write(url: str) -> None:
    given = project(url, "delete from lead returning *")
    with pytest.raises(InputError, match="read-only"):
        read_tables(given)


def test_an_error_names_the_query_and_hides_the_password(url: str) -> None:
    secret = url.replace("postgres@", "postgres:s3cret@")
    given = project(url, "select 1")
    with pytest.raises(InputError, match="does not exist") as caught:
        read_source(Source(source=secret, query="select * from nowhere"), given)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("limit", "query"),
    [
        ("statement_timeout", "select pg_sleep(3)"),
        ("lock_timeout", "select * from lead"),
    ],
)
def test_a_query_out_of_time_is_the_outsides_fault(url: str, limit: str, query: str) -> None:
    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as other:
        other.exec_driver_sql(f"alter role postgres set {limit} = '200ms'")
        other.commit()
        other.exec_driver_sql("lock table lead in access exclusive mode")
        try:
            with pytest.raises(OutsideError, match=r"\(leads\): canceling statement due to"):
                read_source(Source(source=url, query=query), project(url, query), label="leads")
        finally:
            other.rollback()
            other.exec_driver_sql(f"alter role postgres reset {limit}")
            other.commit()
    engine.dispose()


def test_a_database_that_does_not_answer_is_the_outsides_fault(url: str) -> None:
    given = project(url, "select 1")
    closed = f"postgresql://postgres:s3cret@127.0.0.1:{postgres_cluster.free_port()}/postgres"
    with pytest.raises(OutsideError) as caught:
        read_source(Source(source=closed, query="select 1"), given)
    assert "s3cret" not in str(caught.value)


def test_a_host_that_is_not_named_is_never_reached(url: str) -> None:
    with pytest.raises(InputError, match="is not allowed"):
        project(url, "select 1", allow=())
