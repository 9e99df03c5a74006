"""Scores into a table of PostgreSQL by binary COPY: new rows directly, others in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import errors
from psycopg.conninfo import make_conninfo

from data.database_errors import passes
from data.errors import InputError
from data.network import libpq_address, require_allowed
from serving.crm.identifiers import quote
from serving.crm.interface import Busy, Denied, Refused, Remote, Unsure, Update, WriteAnswer
from serving.crm.score_columns import ScoreColumns

_TYPES: Final = {
    "score": "integer",
    "probability": "double precision",
    "percentile": "double precision",
    "as_of": "timestamp with time zone",
    "scored_at": "timestamp with time zone",
}
"""The types in which our fields are sent; the others are text."""
_TEXTS: Final = ("text", "character varying")
_WIRE_EPOCH: Final = 946_684_800_000_000  # us from 1970 to 2000, where PostgreSQL's times begin
_ASKED: Final = 100  # leads of a batch that are looked for before all of it is taken for new


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
        self._url, self._entity = require_allowed(url, allow), quote(entity)
        self._connection = self._connect()
        try:
            self._casts = self._types()
            self.columns = ScoreColumns.match(list(self._casts), entity, key, fields, override)
            self.inserts = self.columns.inserts
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            judged = make_conninfo(self._url, **libpq_address(self._url))
            connection = psycopg.connect(judged, autocommit=True, connect_timeout=10)
            connection.execute("SET TIME ZONE 'UTC'")  # what a column without a zone then holds
            return connection
        except (psycopg.OperationalError, OSError) as error:
            raise Busy(f"no connection: {_first_line(error)}") from None
        except psycopg.Error as error:
            raise InputError(_first_line(error), column="write_back.url") from None

    def _types(self) -> dict[str, str]:
        """Ask for the table's columns and their types; the types are used in casts."""
        with self._translated_errors():
            rows = self._connection.execute(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
                " ORDER BY attnum",
                (self._entity,),
            ).fetchall()
        return {str(name): str(kind) for name, kind in rows}

    def _prepare(self) -> None:
        """Make the temporary table of this session and the statements that write."""
        columns = self.columns
        types = ["text", *(_TYPES.get(field, "text") for field in columns.names), "text"]
        names = [f"c{i}" for i in range(len(types))]
        with self._translated_errors():
            made = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
            self._connection.execute(
                f"CREATE TEMP TABLE IF NOT EXISTS leadscore_incoming ({made})"
                " ON COMMIT DELETE ROWS".encode()
            )
            self._straight = columns.inserts and self._alike() and self._plain()
        self._wire_types = ["int8" if kind == _TYPES["as_of"] else kind for kind in types]
        fields = ", ".join(quote(name) for name in (columns.key, *columns.column_of.values()))
        self._copy_straight = f"COPY {quote(columns.entity)} ({fields}) FROM STDIN (FORMAT BINARY)"
        self._update, self._insert = self._statements(names)

    def _alike(self) -> bool:
        """Tell whether the table's columns have exactly the types in which our fields are sent."""
        wanted = {
            column: _TYPES.get(field, "text") for field, column in self.columns.column_of.items()
        }
        wanted[self.columns.key] = "text"
        return all(
            self._casts[name] == kind or (kind == "text" and self._casts[name] in _TEXTS)
            for name, kind in wanted.items()
        )

    def _plain(self) -> bool:
        """Tell whether COPY does to the table what INSERT would, and no lead can have two rows."""
        row = self._connection.execute(
            "SELECT relkind IN ('r', 'p') AND NOT relhasrules AND NOT row_security_active(c.oid)"
            " FROM pg_class c JOIN pg_index i ON indrelid = c.oid"
            " JOIN pg_attribute a ON attrelid = c.oid AND attnum = indkey[0]"
            " WHERE c.oid = to_regclass(%s) AND attname = %s AND indnkeyatts = 1"
            " AND indisunique AND indimmediate AND indisvalid AND indpred IS NULL",
            (self._entity, self.columns.key),
        ).fetchone()
        return bool(row and row[0])

    def _statements(self, names: list[str]) -> tuple[str, str]:
        columns = self.columns
        key = quote(columns.key)
        values = {
            column: f"i.{name}::{self._casts[column]}"
            for column, name in zip(columns.column_of.values(), names[1:], strict=False)
        }
        places = ", ".join(f"{quote(column)} = {value}" for column, value in values.items())
        if columns.version:
            version = quote(columns.version)
            places += f", {version} = COALESCE(t.{version}, 0) + 1"
        matched = f"i.c0::{self._casts[columns.key]}"
        guard = self._guard(names[-1], values[columns.column_of["as_of"]])
        table = quote(columns.entity)
        update = (
            f"UPDATE {table} t SET {places} FROM leadscore_incoming i"  # noqa: S608  # quoted names
            f" WHERE t.{key} = {matched} AND {guard}"
        )
        fields = ", ".join(quote(column) for column in values)
        insert = (
            f"INSERT INTO {table} AS t ({key}, {fields})"  # noqa: S608
            f" SELECT {matched}, {', '.join(values.values())} FROM leadscore_incoming i"
            f" WHERE NOT EXISTS (SELECT FROM {table} o WHERE o.{key} = {matched})"
        )
        return update, insert

    def _guard(self, bound: str, as_of: str) -> str:
        """Bind a write to the version that was read, or to no newer score being there."""
        columns = self.columns
        if columns.version:
            return f"COALESCE(t.{quote(columns.version)}, 0)::text = i.{bound}"
        stored = f"t.{quote(columns.column_of['as_of'])}"
        guard = f"({stored} IS NULL OR {stored} <= {as_of})"
        if not columns.override:
            return guard
        override = f"COALESCE(to_jsonb(t.{quote(columns.override)}), 'null')"  # of any type
        return f"{guard} AND {override} IN ('null', '\"\"', 'false', '0')"

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read our fields of these leads in one query."""
        columns = self.columns
        query = (
            f"SELECT {columns.listed()} FROM {quote(columns.entity)}"  # noqa: S608
            f" WHERE {self._among()}"
        )
        with self._translated_errors():
            rows = self._ask(query, list(leads)).fetchall()
        return {str(row[0]): columns.remote(row) for row in rows}

    def upsert(self, batch: Sequence[Update]) -> Iterable[WriteAnswer]:
        """Write a batch in one transaction; a row that changed meanwhile answers `conflict`."""
        with self._translated_errors():
            if self._straight and self._seem_new(batch) and self._put(batch):
                return self.columns.written(batch)
            with self._connection.transaction(), self._connection.cursor() as cursor:
                if self._merge(cursor, batch) == len(batch):
                    return self.columns.written(batch)
                done = self._written(cursor)
        return [self._answer(each, done) for each in batch]

    def _seem_new(self, batch: Sequence[Update]) -> bool:
        """Tell whether the table holds none of some leads of a batch: all of it may be new."""
        some = [each.lead for each in batch[:: 1 + len(batch) // _ASKED]]
        query = f"SELECT FROM {self._entity} WHERE {self._among()} LIMIT 1"
        return self._ask(query, some).fetchone() is None

    def _put(self, batch: Sequence[Update]) -> bool:
        """Copy rows into the table itself; False, and nothing done, where one exists already."""
        try:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                if self._copy_in(cursor, self._copy_straight, batch, bound=False) == len(batch):
                    return True
                raise psycopg.Rollback  # a trigger kept rows out: the merge tells which
        except errors.UniqueViolation:
            pass
        return False

    def _merge(self, cursor: psycopg.Cursor[Any], batch: Sequence[Update]) -> int:
        """Copy a batch beside the table, update rows that exist, insert the others; count both."""
        self._copy_in(cursor, "COPY leadscore_incoming FROM STDIN (FORMAT BINARY)", batch)
        cursor.execute(self._update.encode())
        written = cursor.rowcount
        if self.inserts and written < len(batch):
            cursor.execute(self._insert.encode())
            written += cursor.rowcount
        return written

    def _written(self, cursor: psycopg.Cursor[Any]) -> set[str]:
        """Ask which rows this transaction wrote: they carry its number."""
        columns = self.columns
        matched = f"t.{quote(columns.key)} = i.c0::{self._casts[columns.key]}"
        cursor.execute(
            f"SELECT i.c0 FROM leadscore_incoming i JOIN {self._entity} t ON {matched}"  # noqa: S608
            " WHERE t.xmin = pg_current_xact_id()::xid".encode()
        )
        return {str(row[0]) for row in cursor.fetchall()}

    def _among(self) -> str:
        """Write the condition that a row's key is in a list; sent in binary, which is faster."""
        key = self.columns.key
        return f"{quote(key)} = ANY(%b::text[]::{self._casts[key]}[])"

    def _ask(self, query: str, leads: list[str]) -> psycopg.Cursor[Any]:
        """Ask about a list of leads, planned for that list each time.

        A plan kept from when the table was small compares each row with each lead of the list.
        """
        return self._connection.execute(query.encode(), (leads,), prepare=False)

    def _copy_in(
        self,
        cursor: psycopg.Cursor[Any],
        command: str,
        batch: Sequence[Update],
        *,
        bound: bool = True,
    ) -> int:
        """Send lead, our fields and, where rows are `bound` to it, the version read; count rows."""
        names, times = self.columns.names, [1 + at for at in self.columns.times]
        with cursor.copy(command.encode()) as copy:
            copy.set_types(self._wire_types if bound else self._wire_types[:-1])
            for each in batch:
                row = [each.lead, *map(each.values.get, names)]
                for at in times:
                    value = row[at]
                    if isinstance(value, int):
                        row[at] = value - _WIRE_EPOCH
                if bound:
                    row.append(each.version)
                copy.write_row(row)
        return cursor.rowcount

    def _answer(self, update: Update, done: set[str]) -> WriteAnswer:
        if update.lead in done:
            return WriteAnswer(update.lead, "written", echo=self.columns.echo(update))
        return WriteAnswer(update.lead, "conflict")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Turn the driver's errors into what they mean; reconnect where the connection broke."""
        try:
            if self._connection.closed:
                self._connection = self._connect()
                self._prepare()
            yield
        except errors.UniqueViolation as error:  # another program inserted the row just now
            raise Busy(_first_line(error)) from None
        except errors.InsufficientPrivilege as error:
            raise Denied(_first_line(error)) from None
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as error:
            raise Refused(_first_line(error)) from None
        except psycopg.Error as error:
            undone = passes(error) and not self._connection.closed  # the server took it back
            raise (Busy if undone else Unsure)(_first_line(error)) from None


def _first_line(error: BaseException) -> str:
    """Cut an error to its first line: the lines below may hold the row's values."""
    return str(error).partition("\n")[0]
