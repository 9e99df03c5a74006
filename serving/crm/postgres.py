"""Scores into a table of PostgreSQL: binary COPY into a temporary table, then one statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import errors

from data.errors import InputError
from serving.crm.columns import TIMES, Columns
from serving.crm.identifiers import quote
from serving.crm.network import allowed
from serving.crm.seam import Answer, Busy, Denied, Refused, Remote, Unsure, Update

_MARK: Final = '"'
_MICROS: Final = "(timestamptz 'epoch' + {} * interval '1 microsecond')"
_TYPES: Final = {
    "score": "int4",
    "probability": "float8",
    "percentile": "float8",
    "as_of": "int8",
    "scored_at": "int8",
}
_LOCKED: Final = (
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.UniqueViolation,
)


class PostgresCrm:
    """A table in PostgreSQL; a batch is one transaction, each row bound to what was read."""

    name = "postgresql"
    batch_limit = 50_000
    conditional = True
    metered = False

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
        self._url, self._entity = allowed(url, allow), quote(entity)
        self._connection = self._connect()
        try:
            self._casts = self._types()
            self.columns = Columns.match(list(self._casts), entity, key, fields, override)
            self.inserts = self.columns.inserts
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            return psycopg.connect(self._url, autocommit=True, connect_timeout=10)
        except psycopg.OperationalError as error:
            raise Busy(f"no connection: {_first_line(error)}") from None
        except psycopg.Error as error:
            raise InputError(_first_line(error), column="write_back.url") from None

    def _types(self) -> dict[str, str]:
        """Ask for the table's columns and their types; the types are used in casts."""
        with self._told():
            rows = self._connection.execute(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
                " ORDER BY attnum",
                (self._entity,),
            ).fetchall()
        return {str(name): str(kind) for name, kind in rows}

    def _prepare(self) -> None:
        """Make the temporary table of this session and the statements that read from it."""
        types = ["text", *(_TYPES.get(mine, "text") for mine in self.columns.theirs), "text"]
        names = [f"c{i}" for i in range(len(types))]
        with self._told():
            columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
            self._connection.execute(
                f"CREATE TEMP TABLE IF NOT EXISTS leadscore_incoming ({columns})"
                " ON COMMIT DELETE ROWS".encode()
            )
        self._wire_types = types
        self._copy = "COPY leadscore_incoming FROM STDIN (FORMAT BINARY)"
        self._update, self._insert = self._statements(names)

    def _statements(self, names: list[str]) -> tuple[str, str]:
        columns = self.columns
        key = quote(columns.key)
        values = {
            theirs: f"{self._value(mine, f'i.{name}')}::{self._casts[theirs]}"
            for (mine, theirs), name in zip(columns.theirs.items(), names[1:], strict=False)
        }
        places = ", ".join(f"{quote(theirs)} = {value}" for theirs, value in values.items())
        if columns.version:
            places += f", {quote(columns.version)} = t.{quote(columns.version)} + 1"
        matched = f"i.c0::{self._casts[columns.key]}"
        guard = self._guard(names[-1], values[columns.theirs["as_of"]])
        table = quote(columns.entity)
        update = (
            f"UPDATE {table} t SET {places} FROM leadscore_incoming i"  # noqa: S608  # quoted names
            f" WHERE t.{key} = {matched} AND {guard}"
        )
        fields = ", ".join(quote(theirs) for theirs in values)
        insert = (
            f"INSERT INTO {table} AS t ({key}, {fields})"  # noqa: S608
            f" SELECT {matched}, {', '.join(values.values())} FROM leadscore_incoming i"
            f" WHERE NOT EXISTS (SELECT FROM {table} o WHERE o.{key} = {matched})"
        )
        return update, insert

    def _guard(self, bound: str, as_of: str) -> str:
        """Bind a write to the version that was read, or to nothing newer being there."""
        columns = self.columns
        if columns.version:
            return f"t.{quote(columns.version)}::text = i.{bound}"
        there = f"t.{quote(columns.theirs['as_of'])}"
        guard = f"({there} IS NULL OR {there} <= {as_of})"
        return f"{guard} AND t.{quote(columns.override)} IS NULL" if columns.override else guard

    def _value(self, mine: str, name: str) -> str:
        return _MICROS.format(name) if mine in TIMES else name

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read our fields of these leads in one query."""
        columns = self.columns
        kind = self._casts[columns.key]
        query = (
            f"SELECT {columns.listed(_MARK)} FROM {quote(columns.entity)}"  # noqa: S608
            f" WHERE {quote(columns.key)} = ANY(%s::text[]::{kind}[])"
        )
        with self._told():
            rows = self._connection.execute(query.encode(), (list(leads),)).fetchall()
        return {str(row[0]): columns.remote(row) for row in rows}

    def upsert(self, batch: Sequence[Update]) -> Iterable[Answer]:
        """Copy a batch in and apply it in one transaction; a row that moved answers `conflict`."""
        with self._told(), self._connection.transaction(), self._connection.cursor() as cursor:
            self._copy_in(cursor, batch)
            cursor.execute(self._update.encode())
            written = cursor.rowcount
            if self.inserts and written < len(batch):
                cursor.execute(self._insert.encode())
                written += cursor.rowcount
            if written == len(batch):
                return self.columns.written(batch)
            done = self._written(cursor)
        return [self._answer(each, done) for each in batch]

    def _written(self, cursor: psycopg.Cursor[Any]) -> set[str]:
        """Ask which rows this transaction wrote: they bear its number."""
        columns = self.columns
        matched = f"t.{quote(columns.key)} = i.c0::{self._casts[columns.key]}"
        cursor.execute(
            f"SELECT i.c0 FROM leadscore_incoming i JOIN {self._entity} t ON {matched}"  # noqa: S608
            " WHERE t.xmin = pg_current_xact_id()::xid".encode()
        )
        return {str(row[0]) for row in cursor.fetchall()}

    def _copy_in(self, cursor: psycopg.Cursor[Any], batch: Sequence[Update]) -> None:
        names = tuple(self.columns.theirs)
        with cursor.copy(self._copy.encode()) as copy:
            copy.set_types(self._wire_types)
            for each in batch:
                values = each.values
                copy.write_row((each.lead, *[values.get(name) for name in names], each.version))

    def _answer(self, update: Update, done: set[str]) -> Answer:
        if update.lead in done:
            return Answer(update.lead, "written", echo=self.columns.echo(update))
        return Answer(update.lead, "conflict")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn the driver's errors into what they mean; connect again where the line broke."""
        try:
            if self._connection.closed:
                self._connection = self._connect()
                self._prepare()
            yield
        except _LOCKED as error:
            raise Busy(_first_line(error)) from None
        except errors.InsufficientPrivilege as error:
            raise Denied(_first_line(error)) from None
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as error:
            raise Refused(_first_line(error)) from None
        except psycopg.Error as error:
            raise Unsure(_first_line(error)) from None


def _first_line(error: BaseException) -> str:
    """Cut an error to its first line: the lines below may hold the row's values."""
    return str(error).partition("\n")[0]
