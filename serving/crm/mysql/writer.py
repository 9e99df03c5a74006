"""Scores into any database that SQLAlchemy supports: MySQL, MariaDB and others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc

from data.database_errors import MYSQL_LOST, passes
from data.errors import InputError
from data.network import require_allowed
from serving.crm.interface import (
    Busy,
    CrmError,
    Denied,
    Refused,
    Remote,
    Unsure,
    Update,
    WriteAnswer,
)
from serving.crm.score_columns import ScoreColumns

_MYSQL_DENIED: Final = (1044, 1045, 1142, 1143, 1227)


class AlchemyCrm:
    """A table behind SQLAlchemy; a batch is one transaction, each row bound to what was read."""

    conditional = True
    metered = False
    batch_limit = 1_000

    def __init__(
        self,
        url: str,
        allow: Sequence[str],
        *,
        entity: str = "leads",
        key: str = "lead_id",
        fields: Mapping[str, str] | None = None,
        override: str | None = None,
    ) -> None:
        address = sa.make_url(url)
        if address.host or address.get_backend_name() != "sqlite":
            require_allowed(url, allow)
        self.name = address.get_backend_name()
        # times are sent in UTC, and TIMESTAMP columns read them in the zone of the session
        utc = (
            {"init_command": "SET time_zone = '+00:00'"}
            if self.name in ("mysql", "mariadb")
            else {}
        )
        self._engine = sa.create_engine(
            address, pool_pre_ping=True, hide_parameters=True, connect_args=utc
        )
        try:
            self._table = self._reflected(entity)
            table_columns = [str(column.name) for column in self._table.columns]
            self.columns = ScoreColumns.match(table_columns, entity, key, fields, override)
        except BaseException:
            self.close()
            raise
        self.inserts = self.columns.inserts

    def _reflected(self, entity: str) -> sa.Table:
        """Ask the database for the columns of a table."""
        schema, _, table = entity.rpartition(".")
        try:
            with self._translated_errors():
                return sa.Table(
                    table, sa.MetaData(), schema=schema or None, autoload_with=self._engine
                )
        except exc.NoSuchTableError:
            raise InputError(
                f"the CRM has no table {entity!r}", column="write_back.entity"
            ) from None

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read our fields of these leads."""
        columns = self.columns
        extra = [name for name in (columns.override, columns.version) if name]
        names = [columns.key, *columns.column_of.values(), *extra, *columns.closed]
        key = self._table.c[columns.key]
        query = sa.select(*(self._table.c[name] for name in names)).where(key.in_(list(leads)))
        with self._translated_errors(), self._engine.connect() as connection:
            return {str(row[0]): columns.remote(row) for row in connection.execute(query)}

    def upsert(self, batch: Sequence[Update]) -> list[WriteAnswer]:
        """Write in one transaction; a row that changed meanwhile answers `conflict`."""
        with self._translated_errors(), self._engine.begin() as connection:
            return [self._write(connection, update) for update in batch]

    def _write(self, connection: sa.Connection, update: Update) -> WriteAnswer:
        columns, table = self.columns, self._table
        values: dict[str, Any] = dict(
            zip(columns.column_of.values(), columns.values(update, text_times=False), strict=True)
        )
        echo = {field: update.values.get(field) for field in columns.column_of}
        key = table.c[columns.key] == update.lead
        guards: list[sa.ColumnElement[bool]] = [key]
        as_of = table.c[columns.column_of["as_of"]]
        if columns.version:
            version = sa.func.coalesce(table.c[columns.version], 0)
            guards.append(version == _number(update.version))
            values[columns.version] = version + 1
        else:
            guards.append(sa.or_(as_of.is_(None), as_of <= values[columns.column_of["as_of"]]))
            if columns.override:
                column = table.c[columns.override]
                unset = sa.literal("" if isinstance(column.type, sa.String) else 0)
                override = sa.type_coerce(column, unset.type)
                guards.append(sa.or_(override.is_(None), override == unset))
        changed = connection.execute(sa.update(table).where(*guards).values(values)).rowcount
        if changed:
            return WriteAnswer(update.lead, "written", echo=echo)
        absent = connection.execute(sa.select(table.c[columns.key]).where(key)).first() is None
        if absent and self.inserts and update.version is None:
            connection.execute(sa.insert(table).values({**values, columns.key: update.lead}))
            return WriteAnswer(update.lead, "written", echo=echo)
        return WriteAnswer(update.lead, "gone" if absent else "conflict")

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except (exc.IntegrityError, exc.DataError) as error:
            raise Refused(_line(error)) from None
        except exc.ProgrammingError as error:
            raise Denied(_line(error)) from None
        except exc.OperationalError as error:
            raise _operational(error) from None
        except exc.DBAPIError as error:
            raise Unsure(_line(error)) from None


def _operational(error: exc.OperationalError) -> CrmError:
    """Tell what MySQL's error number means; its driver calls all others operational too.

    A CHECK or a trigger that refuses a row is among them, and must not be taken for a busy server.
    """
    arguments = getattr(error.orig, "args", ())
    number = arguments[0] if arguments else None
    if number in MYSQL_LOST:
        return Unsure(_line(error))
    if passes(error.orig or error):
        return Busy(_line(error))
    return Denied(_line(error)) if number in _MYSQL_DENIED else Refused(_line(error))


def _number(version: str | None) -> Any:
    return int(version) if version and version.isascii() and version.isdigit() else version


def _line(error: exc.DBAPIError) -> str:
    return str(error.orig).partition("\n")[0][:200]
