"""Scores into a table of a SQLite database: the embedded CRM, or any other file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Final

from data.errors import InputError
from serving.crm.columns import Columns
from serving.crm.identifiers import quote
from serving.crm.seam import Answer, Busy, Refused, Remote, Update

_MARK: Final = '"'
_PER_QUERY: Final = 500
_PER_INSERT: Final = 25  # rows of one statement: beyond that binding costs more than it saves


class SqliteCrm:
    """A leads table in SQLite; one transaction per batch, each row bound to what was read."""

    name = "sqlite"
    batch_limit = 10_000
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
                f"the CRM's database {path.name} is not there", column="write_back.url"
            )
        self._connection = sqlite3.connect(path, timeout=10.0, isolation_level=None)
        try:
            with _told():
                query = "SELECT name FROM pragma_table_info(?)"
                there = [row[0] for row in self._connection.execute(query, (entity,))]
            self.columns = Columns.match(there, entity, key, fields, override)
            self.inserts = self.columns.inserts
            self._as_of = list(self.columns.theirs).index("as_of")
            self._update, self._insert, self._insert_many = self._statements()
        except BaseException:
            self.close()
            raise

    def _statements(self) -> tuple[str, str, str]:
        """Write the UPDATE, bound to the version read (or to nothing newer), and the INSERTs."""
        columns = self.columns
        theirs = [quote(name) for name in columns.theirs.values()]
        table, key = quote(columns.entity), quote(columns.key)
        places = ", ".join(f"{name} = ?" for name in theirs)
        as_of = quote(columns.theirs["as_of"])
        guard = f"({as_of} IS NULL OR {as_of} <= ?)"
        if columns.version:
            version = quote(columns.version)
            places, guard = f"{places}, {version} = {version} + 1", f"CAST({version} AS TEXT) = ?"
        elif columns.override:
            guard += f" AND {quote(columns.override)} IS NULL"
        marks = ", ".join("?" * (len(theirs) + 1))
        taken = ", ".join(f"{name} = excluded.{name}" for name in theirs)
        newer = f"t.{as_of} IS NULL OR t.{as_of} <= excluded.{as_of}"
        # With a version column, a row that is there after all was made by somebody else just now.
        otherwise = "NOTHING" if columns.version else f"UPDATE SET {taken} WHERE {newer}"
        update = f"UPDATE {table} SET {places} WHERE {key} = ? AND {guard}"  # noqa: S608  # quoted
        into = f"INSERT INTO {table} AS t ({', '.join(theirs)}, {key}) VALUES "  # noqa: S608
        many = ", ".join([f"({marks})"] * _PER_INSERT)
        clash = f" ON CONFLICT ({key}) DO {otherwise}"
        return update, f"{into}({marks}){clash}", f"{into}{many}{clash}"

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read our fields of these leads, 500 per query."""
        columns, found = self.columns, {}
        listed, table, key = columns.listed(_MARK), quote(columns.entity), quote(columns.key)
        with _told():
            for start in range(0, len(leads), _PER_QUERY):
                some = leads[start : start + _PER_QUERY]
                marks = ", ".join("?" * len(some))
                query = f"SELECT {listed} FROM {table} WHERE {key} IN ({marks})"  # noqa: S608
                for row in self._connection.execute(query, some):
                    found[str(row[0])] = columns.remote(row)
        return found

    def upsert(self, batch: Sequence[Update]) -> list[Answer]:
        """Write a batch in one transaction; a row that moved meanwhile answers `conflict`."""
        with _told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                answers = self._write_all(batch) or [self._write(update) for update in batch]
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        return answers

    def _write_all(self, batch: Sequence[Update]) -> list[Answer] | None:
        """Write all rows with one statement each way; None, and nothing done, where one moved."""
        self._connection.execute("SAVEPOINT attempt")
        fresh = [each for each in batch if self.inserts and each.version is None]
        known = [each for each in batch if not self.inserts or each.version is not None]
        made = self._insert_all([(*self._values(each), each.lead) for each in fresh])
        changed = self._connection.executemany(self._update, map(self._bound, known)).rowcount
        if made + max(changed, 0) == len(batch):
            return [Answer(each.lead, "written", echo=self.columns.echo(each)) for each in batch]
        self._connection.execute("ROLLBACK TO attempt")
        return None

    def _insert_all(self, rows: Sequence[tuple[object, ...]]) -> int:
        """Insert rows, many to a statement; count those that went in."""
        whole = len(rows) - len(rows) % _PER_INSERT
        groups = (
            [*chain.from_iterable(rows[at : at + _PER_INSERT])]
            for at in range(0, whole, _PER_INSERT)
        )
        made = max(self._connection.executemany(self._insert_many, groups).rowcount, 0)
        return made + max(self._connection.executemany(self._insert, rows[whole:]).rowcount, 0)

    def _write(self, update: Update) -> Answer:
        if self.inserts and update.version is None:
            values = [*self._values(update), update.lead]
            if self._connection.execute(self._insert, values).rowcount:
                return Answer(update.lead, "written", echo=self.columns.echo(update))
        if self._connection.execute(self._update, self._bound(update)).rowcount:
            return Answer(update.lead, "written", echo=self.columns.echo(update))
        return Answer(update.lead, "conflict")

    def _values(self, update: Update) -> list[Any]:
        return self.columns.values(update, text_times=True)

    def _bound(self, update: Update) -> tuple[object, ...]:
        """Give an UPDATE's values: ours, the lead, and what binds it to what was read."""
        values = self._values(update)
        bound = update.version if self.columns.version else values[self._as_of]
        return (*values, update.lead, bound)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise Refused(str(error)) from None
    except sqlite3.OperationalError as error:
        raise Busy(str(error)) from None
