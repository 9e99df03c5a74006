"""A query of SQLite, DuckDB, PostgreSQL or MySQL -> an Arrow table; nothing is changed there."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from data.database_errors import passes
from data.errors import InputError, OutsideError
from data.network import libpq_address, require_allowed, scheme_of
from data.private import mask, without_password
from data.reading.plain_columns import column_of_values, plain_column
from data.reading.project_root import refuse_outside
from data.schema import Project


def name_of_query(uri: str, label: str) -> str:
    """Name a query as messages do: its database, and its section of the project file.

    >>> name_of_query("mysql://ann:secret@db/crm", "events.0")
    'mysql://ann:***@db/crm (events.0)'
    """
    return f"{mask(uri)} ({label})"


def query_database(uri: str, query: str | None, project: Project, label: str) -> pa.Table:
    """Ask a database that the project may ask; InputError or OutsideError where it fails.

    Errors name the query by its `label`: "leads", "events.0", "history.0", "conversion".
    """
    scheme = scheme_of(uri).partition("+")[0]
    name = name_of_query(uri, label)
    if not query:
        raise InputError("a database needs a query", file=name, cure='query = "select …"')
    if scheme in ("postgresql", "mysql"):
        require_allowed(uri, project.network.allow)
    elif scheme not in ("sqlite", "duckdb"):
        raise InputError(
            f"{scheme}: is no source",
            file=name,
            cure="path, s3, sqlite, duckdb, postgresql or mysql",
        )
    try:
        run_query = _query_duckdb if scheme == "duckdb" else _query_sql
        table = run_query(uri, query, project, name)
    except ImportError as error:
        raise InputError(f"has no driver here: {error}", file=name) from None
    for column in table.column_names:
        if table.column_names.count(column) > 1:
            raise InputError(
                "column name stands twice",
                file=name,
                column=column,
                cure="name one of them otherwise with `as` in the query",
            )
    return table


def _query_duckdb(uri: str, query: str, project: Project, name: str) -> pa.Table:
    """Query a DuckDB file, read only."""
    import duckdb

    path = Path(project.folder, uri.partition(":")[2].removeprefix("///").removeprefix("//"))
    if not path.is_file():
        raise InputError("file not found", file=str(path.name))
    refuse_outside(path, project, uri)
    offline: dict[str, str | bool | int | float | list[str]] = {"enable_external_access": "false"}
    try:
        with duckdb.connect(str(path), read_only=True, config=offline) as connection:
            answer = connection.sql(query)
            if answer is None:
                raise InputError("query returns no table", file=name)
            table = answer.to_arrow_table()
    except duckdb.Error as error:
        raise _failed(error, uri, name) from None
    return pa.table([plain_column(c) for c in table.columns], names=table.column_names)


def _query_sql(uri: str, query: str, project: Project, name: str) -> pa.Table:
    """Query through SQLAlchemy, reading only; SQLite paths start at the project folder."""
    import sqlalchemy
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    url = sqlalchemy.make_url(uri)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    elif url.drivername == "mysql":
        url = url.set(drivername="mysql+pymysql")
    if url.get_backend_name() == "sqlite" and url.database:
        path = Path(project.folder, url.database)
        if not path.is_file():
            raise InputError("file not found", file=path.name)
        refuse_outside(path, project, uri)
        url = url.set(database=str(path))
    try:
        judged = libpq_address(uri) if url.get_backend_name() == "postgresql" else {}
    except OSError as error:
        raise OutsideError(
            f"{name}: {error.strerror or error}", cure="run it again when it answers"
        ) from None
    engine = sqlalchemy.create_engine(url, connect_args=judged)
    try:
        with engine.connect() as connection:
            if url.get_backend_name() == "sqlite":
                connection.exec_driver_sql("pragma query_only = on")
            elif url.get_backend_name() == "mysql":
                connection.exec_driver_sql("set session transaction read only")
            elif url.get_backend_name() == "postgresql":
                connection = connection.execution_options(postgresql_readonly=True)
            literal = query.replace(":", r"\:")  # a query has no bound parameters: 10:30 is a time
            answer = connection.execute(sqlalchemy.text(literal))
            names, rows = list(answer.keys()), answer.fetchall()
    except DBAPIError as error:
        raise _failed(error.orig or error, uri, name, lost=error.connection_invalidated) from None
    except SQLAlchemyError as error:
        raise _failed(error, uri, name) from None
    finally:
        engine.dispose()
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return pa.table([column_of_values(list(values)) for values in columns], names=names)


def _failed(
    error: BaseException, uri: str, name: str, *, lost: bool = False
) -> InputError | OutsideError:
    """Say what became of a query: OutsideError where it may go through the next time."""
    text = _safe(error, uri)
    if lost or passes(error):
        return OutsideError(f"{name}: {text}", cure="run it again when it answers")
    cure = "correct `query` in the project file, or the tables and rights that it needs"
    return InputError(f"query failed: {text}", file=name, cure=cure)


def _safe(error: BaseException, uri: str) -> str:
    """Write an error without the URI's password."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return without_password(text, uri)
