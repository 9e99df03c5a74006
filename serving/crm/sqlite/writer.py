"""Scores into a table of a SQLite database: the embedded CRM, or any other file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Final

from data.database_errors import passes
from data.errors import InputError
from serving.crm.identifiers import quote
from serving.crm.interface import Busy, Denied, Refused, Remote, Update, Value, WriteAnswer
from serving.crm.score_columns import TIMES, ScoreColumns, to_iso

_PER_QUERY: Final = 500
_PER_INSERT: Final = 250  # rows of one statement: 1,754 bound values; SQLite 3.32 takes 32,766
_ALIKE: Final = ("model_version", "as_of", "scored_at", "run_id")
"""What is the same in all rows of a run: bound once per statement, not once per row."""
_CACHE: Final = "PRAGMA cache_size = -65536"  # KiB: a batch's pages stay in memory until it ends


class SqliteCrm:
    """A leads table in SQLite; one transaction per batch, each row bound to what was read."""

    name = "sqlite"
    batch_limit = 200_000
    conditional = True
    metered = False

    def __init__(
        self,
        path: Path,
        *,
        entity: str = "leads",
        key: str = "lead_id",
        fields: Mapping[str, str] | None = None,
        override: str | None = None,
    ) -> None:
        if not path.exists():
            raise InputError(
                "the CRM's database is not there", file=str(path), column="write_back.url"
            )
        self._connection = sqlite3.connect(path, timeout=10.0, isolation_level=None)
        try:
            with _translated_errors():
                self._connection.execute(_CACHE)
                query = "SELECT name FROM pragma_table_info(?)"
                table_columns = [row[0] for row in self._connection.execute(query, (entity,))]
            self.columns = ScoreColumns.match(table_columns, entity, key, fields, override)
            self.inserts = self.columns.inserts
            self._as_of = self.columns.names.index("as_of")
            self._alike = [name for name in self.columns.names if name in _ALIKE]
            self._own = [name for name in self.columns.names if name not in _ALIKE]
            self._own_then_alike = itemgetter(*self._own, *self._alike)
            self._update, self._insert, self._insert_many = self._statements(table_columns)
        except BaseException:
            self.close()
            raise

    def _statements(self, table_columns: Sequence[str]) -> tuple[str, str, str]:
        """Write the UPDATE, bound to the version read (or to nothing newer), and the INSERTs."""
        columns = self.columns
        names = [quote(name) for name in columns.column_of.values()]
        table, key = quote(columns.entity), quote(columns.key)
        places = ", ".join(f"{name} = ?" for name in names)
        as_of = quote(columns.column_of["as_of"])
        older, override = f"(t.{as_of} IS NULL OR t.{as_of} <= ", columns.override
        unset = f") AND COALESCE(t.{quote(override)}, '') IN ('', 0)" if override else ")"
        guard = f"{older}?{unset}"
        if columns.version:
            version = quote(columns.version)
            places = f"{places}, {version} = COALESCE({version}, 0) + 1"
            guard = f"CAST(COALESCE({version}, 0) AS TEXT) = ?"
        taken = ", ".join(f"{name} = excluded.{name}" for name in names)
        newer = f"{older}excluded.{as_of}{unset}"
        # With a version column, a row that now exists was inserted by another program just now.
        otherwise = "NOTHING" if columns.version else f"UPDATE SET {taken} WHERE {newer}"
        update = f"UPDATE {table} AS t SET {places} WHERE {key} = ? AND {guard}"  # noqa: S608
        one, many = (self._inserting(rows, table_columns, otherwise) for rows in (1, _PER_INSERT))
        return update, one, many

    def _inserting(self, rows: int, table_columns: Sequence[str], otherwise: str) -> str:
        """Write an INSERT of so many rows; each row's values are bound, then those they share.

        Columns stand in the table's order, which saves SQLite a copy of every value.
        """
        columns = self.columns
        alike = [columns.column_of[name] for name in self._alike]
        own = [*(columns.column_of[name] for name in self._own), columns.key]
        taken = {name: f"shared.c{at}" for at, name in enumerate(alike)}
        taken |= {name: f"each.column{at}" for at, name in enumerate(own, 1)}
        names = sorted((*alike, *own), key=table_columns.index)
        shared = ", ".join(f"? AS c{at}" for at in range(len(alike))) or "1"
        marks = ", ".join([f"({', '.join('?' * len(own))})"] * rows)
        return (
            f"INSERT INTO {quote(columns.entity)} AS t ({', '.join(map(quote, names))})"  # noqa: S608  # quoted names
            f" SELECT {', '.join(taken[name] for name in names)}"
            f" FROM (VALUES {marks}) AS each CROSS JOIN (SELECT {shared}) AS shared"
            f" WHERE true ON CONFLICT ({quote(columns.key)}) DO {otherwise}"
        )

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read our fields of these leads, 500 per query."""
        columns, remotes = self.columns, {}
        listed, table, key = columns.listed(), quote(columns.entity), quote(columns.key)
        with _translated_errors():
            for start in range(0, len(leads), _PER_QUERY):
                some = leads[start : start + _PER_QUERY]
                marks = ", ".join("?" * len(some))
                query = f"SELECT {listed} FROM {table} WHERE {key} IN ({marks})"  # noqa: S608
                for row in self._connection.execute(query, some):
                    remotes[str(row[0])] = columns.remote(row)
        return remotes

    def upsert(self, batch: Sequence[Update]) -> Iterable[WriteAnswer]:
        """Write a batch in one transaction; a row that changed meanwhile answers `conflict`."""
        with _translated_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                answers = self._write_all(batch) or [self._write(update) for update in batch]
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        return answers

    def _write_all(self, batch: Sequence[Update]) -> Iterable[WriteAnswer] | None:
        """Write all rows with few statements; None, and nothing done, where one changed."""
        self._connection.execute("SAVEPOINT attempt")
        fresh, known = self._split(batch)
        changed = self._many(self._update, map(self._bound, known))
        if self._insert_all(fresh) + changed == len(batch):
            return self.columns.written(batch)
        self._connection.execute("ROLLBACK TO attempt")
        return None

    def _split(self, batch: Sequence[Update]) -> tuple[Sequence[Update], Sequence[Update]]:
        """Split rows that may have to be inserted from rows that exist."""
        if not self.inserts:
            return (), batch
        if not self.columns.version:
            return batch, ()
        fresh = [each for each in batch if each.version is None]
        return fresh, [each for each in batch if each.version is not None]

    def _insert_all(self, rows: Sequence[Update]) -> int:
        """Insert rows, many to a statement where they are of one run; count those inserted."""
        rest: list[Update] = []
        inserted = self._many(self._insert_many, self._groups(rows, rest))
        return inserted + self._many(self._insert, map(self._row, rest))

    def _many(self, statement: str, bound: Iterable[Sequence[object]]) -> int:
        """Run a statement for all that is bound; count the rows that it wrote."""
        return max(self._connection.executemany(statement, bound).rowcount, 0)

    def _groups(self, rows: Sequence[Update], rest: list[Update]) -> Iterator[list[Value]]:
        """Yield the values bound per statement of many rows; rows that fit none go into `rest`."""
        for at in range(0, len(rows), _PER_INSERT):
            some = rows[at : at + _PER_INSERT]
            bound = self._group(some) if len(some) == _PER_INSERT else None
            if bound is None:
                rest += some
            else:
                yield bound

    def _group(self, rows: Sequence[Update]) -> list[Value] | None:
        """Return each row's own values and its lead, then what rows share; None where they differ.

        Goes over the rows once, as they lie apart in memory; the rest works on one list.
        """
        bound: list[Value] = []
        try:
            for each in rows:
                bound += self._own_then_alike(each.values)
                bound.append(each.lead)
        except KeyError:  # a caller may write fewer fields
            return None
        head: list[Value] = []
        first, width = len(self._own), len(self.columns.names) + 1
        for name in self._alike:
            column = bound[first::width]
            if column.count(column[0]) < len(rows):
                return None
            head.append(_text_time(name, column[0]))
            del bound[first::width]
            width -= 1
        return bound + head

    def _row(self, update: Update) -> list[Value]:
        """Return the values bound for one row by itself."""
        own, alike = (
            [_text_time(name, update.values.get(name)) for name in names]
            for names in (self._own, self._alike)
        )
        return [*own, update.lead, *alike]

    def _write(self, update: Update) -> WriteAnswer:
        if self.inserts and update.version is None and self._insert_all([update]):
            return self._done(update)
        if self._connection.execute(self._update, self._bound(update)).rowcount:
            return self._done(update)
        return WriteAnswer(update.lead, "conflict")

    def _done(self, update: Update) -> WriteAnswer:
        return WriteAnswer(update.lead, "written", echo=self.columns.echo(update))

    def _bound(self, update: Update) -> tuple[object, ...]:
        """Return an UPDATE's values: our fields, the lead, and the version or date to compare."""
        values = self.columns.values(update, text_times=True)
        bound = update.version if self.columns.version else values[self._as_of]
        return (*values, update.lead, bound)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _text_time(name: str, value: Value) -> Value:
    return to_iso(value) if name in TIMES and isinstance(value, int) else value


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise Refused(str(error)) from None
    except sqlite3.DatabaseError as error:
        raise (Busy if passes(error) else Denied)(str(error)) from None
