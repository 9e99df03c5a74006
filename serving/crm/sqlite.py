"""Scores into a table of a SQLite database: the embedded CRM, or any other file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from data.errors import InputError
from serving.crm.columns import Columns
from serving.crm.identifiers import quote
from serving.crm.seam import Answer, Busy, Refused, Remote, Update

_MARK: Final = '"'
_PER_QUERY: Final = 500


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
            self._update, self._insert = self._statements()
        except BaseException:
            self.close()
            raise

    def _statements(self) -> tuple[str, str]:
        """Write the UPDATE, bound to the version read (or to nothing newer), and the INSERT."""
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
        return (
            f"UPDATE {table} SET {places} WHERE {key} = ? AND {guard}",  # noqa: S608  # quoted names
            f"INSERT OR IGNORE INTO {table} ({', '.join(theirs)}, {key}) VALUES ({marks})",  # noqa: S608
        )

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
                answers = [self._write(update) for update in batch]
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        return answers

    def _write(self, update: Update) -> Answer:
        values = self.columns.values(update, text_times=True)
        if self.inserts and update.version is None:
            made = self._connection.execute(self._insert, [*values, update.lead]).rowcount
            if made or self.columns.version:
                return self._answer(update, "written" if made else "conflict")
        bound = update.version if self.columns.version else values[self._as_of()]
        changed = self._connection.execute(self._update, [*values, update.lead, bound]).rowcount
        return self._answer(update, "written" if changed else "conflict")

    def _as_of(self) -> int:
        return list(self.columns.theirs).index("as_of")

    def _answer(self, update: Update, status: Literal["written", "conflict"]) -> Answer:
        echo = {mine: update.values.get(mine) for mine in self.columns.theirs}
        return Answer(update.lead, status, echo=echo if status == "written" else None)

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
