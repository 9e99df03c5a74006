"""Where the ledger lives: a SQLite file, or PostgreSQL where jobs share it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from data.errors import OutsideError
from data.files import replacing
from data.network import libpq_address

Row = tuple[Any, ...]
_DAMAGE = (
    "malformed",
    "not a database",
    "no such table",
    "no such column",
    "decode to UTF-8",
    "codec can't decode",
)
# Where the name of a table is damaged, the driver raises a UnicodeDecodeError.
_ERRORS = (sqlite3.DatabaseError, UnicodeDecodeError)


class Store(Protocol):
    """A transactional database that takes `?` placeholders and ON CONFLICT."""

    def execute(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Run one statement and fetch what it returns."""
        ...

    def many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run one statement for many rows."""
        ...

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the write lock; all or nothing."""
        ...

    def seconds(self) -> float:
        """Return a time that all jobs sharing this store agree on and that cannot be set back."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class SqliteStore:
    """A ledger in one file; `seconds` is the machine's monotonic clock, which cannot be set."""

    def __init__(self, path: Path | None, *, timeout_s: float = 30.0) -> None:
        self.path = path
        if path is not None:
            _be_writable(path)
        with _named_failures(path):
            self._connection = sqlite3.connect(
                ":memory:" if path is None else path, timeout=timeout_s, isolation_level=None
            )
        try:
            with _named_failures(path):
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._connection.execute("PRAGMA synchronous=FULL")
                broken = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if broken != "ok":
                raise damaged(path, broken)
        except BaseException:
            self.close()
            raise

    def execute(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Run one statement and fetch what it returns."""
        with _named_failures(self.path):
            return self._connection.execute(sql, values).fetchall()

    def many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run one statement for many rows."""
        with _named_failures(self.path):
            self._connection.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Take the write lock at once, so that what is read inside stays true until the end."""
        with _named_failures(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def keep_copy(self, version: str) -> None:
        """Copy the file beside itself, whole or not at all, before its tables are changed."""
        if self.path is None or (kept := self.path.with_suffix(f".{version}.sqlite")).exists():
            return
        with replacing(kept) as part, _named_failures(self.path):
            part.unlink(missing_ok=True)
            self._connection.execute("VACUUM INTO ?", (str(part),))

    def seconds(self) -> float:
        """Seconds since the machine started: the same for all processes on it."""
        return time.monotonic()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class PostgresStore:
    """A ledger that jobs on several machines share; the server's clock decides."""

    def __init__(self, url: str) -> None:
        import psycopg
        from psycopg.conninfo import make_conninfo

        self._errors = psycopg.Error
        try:
            judged = make_conninfo(url, **libpq_address(url))
            self._connection = psycopg.connect(judged, autocommit=True, connect_timeout=10)
        except (psycopg.Error, OSError) as error:
            raise OutsideError(f"the ledger's database cannot be reached: {error}") from None

    def execute(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Run one statement and fetch what it returns."""
        with self._named_failures():
            cursor = self._connection.execute(sql.replace("?", "%s").encode(), values)
            return cursor.fetchall() if cursor.description else []

    def many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run one statement for many rows, pipelined by the driver."""
        with self._named_failures(), self._connection.cursor() as cursor:
            cursor.executemany(sql.replace("?", "%s").encode(), rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Serialise writers on one advisory lock, as SQLite's BEGIN IMMEDIATE does."""
        with self._named_failures(), self._connection.transaction():
            self._connection.execute("SELECT pg_advisory_xact_lock(5322847)")
            yield

    def seconds(self) -> float:
        """The server's clock, one for all."""
        return float(self.execute("SELECT extract(epoch FROM clock_timestamp())::float8")[0][0])

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def _named_failures(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise OutsideError(f"the ledger's database failed: {error}") from None


def open_store(where: str | Path | None) -> Store:
    """Open a ledger's database by path or postgresql:// address; None is memory (dry runs)."""
    if isinstance(where, str) and where.startswith(("postgresql://", "postgres://")):
        return PostgresStore(where)
    return SqliteStore(None if where is None else Path(where))


def _be_writable(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutsideError(f"the folder of the ledger cannot be made: {error}") from None
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise OutsideError(f"the ledger {path.name} cannot be written: its folder is read-only")


def damaged(path: Path | None, why: object) -> OutsideError:
    """Say that a ledger cannot be trusted, and what to do."""
    return OutsideError(
        f"the ledger {path.name if path else 'database'} is damaged: {why}",
        cure="move it away and run again: what the CRM holds is read back before anything is sent",
    )


@contextmanager
def _named_failures(path: Path | None) -> Iterator[None]:
    """Turn the driver's errors into one line; a full disk can be resumed after making room."""
    try:
        yield
    except _ERRORS as error:
        raise _failed(path, error) from None


def _failed(path: Path | None, error: Exception) -> OutsideError:
    if any(word in str(error) for word in _DAMAGE):
        return damaged(path, error)
    cure = "run again" if "locked" in str(error) else "make room and run again"
    return OutsideError(f"the ledger cannot be written: {error}", cure=cure)
