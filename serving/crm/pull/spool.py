"""Rows as they come from a CRM -> Parquet parts on disk -> one Parquet file per kind, by id.

Memory is bounded by one part and by DuckDB's limit, whatever the size of the files.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from data.errors import InputError, OutsideError
from data.files import whole_file
from serving.crm.crm_rows import COLUMNS, KEYS, KINDS, NUMBERS, TIMES, Kind, Row, text
from serving.crm.interface import Value

LOCK: Final = ".pull.lock"
"""A file in every folder that was ever pulled into."""
SPOOLED: Final = ".pull"
"""The folder of a pull's own rows, below the one it pulls into."""
PART_ROWS: Final = 50_000
_MEMORY: Final = "512MB"
_ORDER: Final = "_order"  # when a row was read, among all rows of a pull


class Count(NamedTuple):
    """How many rows have an id that was not there before, and how many rows there are in all."""

    new: int
    total: int


class Spool:
    """Rows of one pull, in a folder of their own; a later pull removes what is left of it."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)  # what a killed pull left behind
        folder.mkdir(parents=True)
        self._folder = folder
        self._rows: dict[Kind, list[Row]] = {kind: [] for kind in KINDS}
        self._parts: dict[Kind, list[Path]] = {kind: [] for kind in KINDS}
        self._read = 0
        self._base: duckdb.DuckDBPyConnection | None = None

    def add(self, kind: Kind, rows: Iterable[Row]) -> None:
        """Add rows; those read later count as newer."""
        waiting = self._rows[kind]
        for row in rows:
            self._read += 1
            waiting.append({**row, _ORDER: self._read})
        if len(waiting) >= PART_ROWS:
            self._write(kind)

    def merge(self, kind: Kind, path: Path) -> Count:
        """Merge the rows into `path`, whole or not at all; of each id the newest row stays.

        Newest is the greater `changed_at`; of equal ones, what was read last. Columns are the union
        of both. A file that would not change is not written.
        """
        self._write(kind)
        if not self._parts[kind]:
            return Count(0, pq.read_metadata(path).num_rows if path.exists() else 0)
        base = self._connected()
        try:
            return _merge(base, kind, self._parts[kind], path)
        finally:
            base.execute("DROP TABLE IF EXISTS fresh")

    def erase(self, path: Path, lead: str) -> int:
        """Take every row of a lead out of a file, whole or not at all; count them."""
        base = self._connected()
        base.execute("SET preserve_insertion_order = true")
        _open(base, path, ["lead_id"])
        of_lead = f"lead_id = {_literal(lead)}"
        (count,) = _one(base, f"SELECT count(*) FROM file WHERE {of_lead}")  # noqa: S608
        if count:
            _replace(base, f"SELECT * FROM file WHERE {of_lead} IS NOT TRUE", path)  # noqa: S608
        return count

    def close(self) -> None:
        """Remove the folder."""
        if self._base is not None:
            self._base.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _connected(self) -> duckdb.DuckDBPyConnection:
        """Return the one database of this pull, which may spill onto the disk."""
        if self._base is None:
            self._base = duckdb.connect()
            self._base.execute(f"SET memory_limit = '{_MEMORY}'")
            self._base.execute("SET temp_directory = ?", [str(self._folder / "duckdb")])
            self._base.execute("SET preserve_insertion_order = false")
        return self._base

    def _write(self, kind: Kind) -> None:
        rows = self._rows[kind]
        if not rows:
            return
        self._rows[kind] = []
        path = self._folder / f"{kind}-{len(self._parts[kind]):05d}.parquet"
        names = dict.fromkeys((*COLUMNS[kind], *(name for row in rows for name in row)))
        columns = {name: _column(name, [row.get(name) for row in rows]) for name in names}
        pq.write_table(pa.table(columns), path)
        self._parts[kind].append(path)


def _merge(base: duckdb.DuckDBPyConnection, kind: Kind, parts: list[Path], path: Path) -> Count:
    key = KEYS[kind]
    base.execute(
        f"CREATE OR REPLACE TABLE fresh AS SELECT * EXCLUDE ({_ORDER}) FROM"  # noqa: S608  # our own names
        " read_parquet($parts, union_by_name = true)"
        f" QUALIFY row_number() OVER (PARTITION BY {key}"
        f" ORDER BY changed_at DESC NULLS LAST, {_ORDER} DESC) = 1",
        {"parts": [str(part) for part in parts]},
    )
    fresh = _names(base, "fresh")
    before = _open(base, path, fresh)
    names = _ordered(kind, {*fresh, *before})
    listed = {
        table: ", ".join(
            _quoted(name) if name in columns else f"NULL AS {_quoted(name)}" for name in names
        )
        for table, columns in (("fresh", fresh), ("on_disk", before))
    }
    # A row on disk stays where the CRM's stamp says that it is newer than what was read now.
    base.execute(
        f"DELETE FROM fresh USING on_disk WHERE on_disk.{key} = fresh.{key}"  # noqa: S608
        " AND on_disk.changed_at > fresh.changed_at"
    )
    (total,) = _one(base, "SELECT count(*) FROM on_disk")
    (new,) = _one(base, f"SELECT count(*) FROM fresh ANTI JOIN on_disk USING ({key})")  # noqa: S608
    differ = f"SELECT {listed['fresh']} FROM fresh EXCEPT SELECT {listed['on_disk']} FROM on_disk"  # noqa: S608
    if path.exists() and not _one(base, f"SELECT count(*) FROM ({differ})")[0]:  # noqa: S608
        return Count(0, total)
    merged = (
        f"SELECT {listed['fresh']} FROM fresh UNION ALL SELECT {listed['on_disk']}"  # noqa: S608
        f" FROM on_disk ANTI JOIN fresh USING ({key}) ORDER BY {key}"
    )
    _replace(base, merged, path)
    return Count(new, total + new)


def _open(base: duckdb.DuckDBPyConnection, path: Path, fresh: list[str]) -> list[str]:
    """Make the file on disk a view `on_disk` of our types; list its columns."""
    if not path.exists():
        nothing = ", ".join(f"NULL::{_type(name)} AS {_quoted(name)}" for name in fresh)
        base.execute(f"CREATE OR REPLACE VIEW on_disk AS SELECT {nothing} WHERE false")
        return fresh
    try:
        base.execute(f"CREATE OR REPLACE VIEW file AS SELECT * FROM read_parquet({_literal(path)})")  # noqa: S608
    except duckdb.Error:
        raise InputError(
            "is no readable Parquet file", file=path.name, cure="move it away: all is read again"
        ) from None
    names = _names(base, "file")
    for name in fresh:
        if name in ("changed_at", fresh[0]) and name not in names:
            raise InputError(
                "was not made by `leadscore pull`",
                file=path.name,
                column=name,
                cure="give another folder with --out",
            )
    listed = ", ".join(f"{_quoted(name)}::{_type(name)} AS {_quoted(name)}" for name in names)
    base.execute(f"CREATE OR REPLACE VIEW on_disk AS SELECT {listed} FROM file")  # noqa: S608
    return names


def _replace(base: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write what a query gives into a file, whole or not at all."""
    with whole_file(path) as part:
        base.execute(f"COPY ({query}) TO {_literal(part)} (FORMAT parquet, COMPRESSION zstd)")


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Let one writer into a folder, and remove what a killed one left half-written.

    Two pulls must not share a folder: the later watermark would count for the rows of both.
    """
    with ExitStack() as held:
        try:
            held.enter_context(FileLock(folder / LOCK, blocking=False))
        except Timeout:
            raise OutsideError(
                f"another pull is writing into {folder}", cure="run again when it is done"
            ) from None
        for name in (*KINDS, "watermark", "forgotten"):
            for left in folder.glob(f".{name}.*.part"):
                left.unlink(missing_ok=True)
        yield


def _names(base: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [str(row[0]) for row in base.execute(f"DESCRIBE {table}").fetchall()]


def _one(base: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    row = base.execute(query).fetchone()
    assert row is not None  # a count always has a row
    return tuple(int(value) for value in row)


def _ordered(kind: Kind, names: set[str]) -> list[str]:
    """Order columns: those of every file first, the others by name."""
    return [*COLUMNS[kind], *sorted(names - set(COLUMNS[kind]))]


def _type(name: str) -> str:
    return "TIMESTAMPTZ" if name in TIMES else "DOUBLE" if name in NUMBERS else "VARCHAR"


def _column(name: str, values: list[Value]) -> pa.Array:
    if name == _ORDER:
        return pa.array(values, pa.int64())
    if name in TIMES:
        return pa.array(values, pa.timestamp("us", tz="UTC"))
    if name in NUMBERS:
        return pa.array([_number(value) for value in values], pa.float64())
    return pa.array([text(value) for value in values], pa.string())


def _number(value: Value) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def _quoted(name: str) -> str:
    """Quote a column's name: a CRM may call its fields anything."""
    return '"' + name.replace('"', '""') + '"'


def _literal(text: Path | str) -> str:
    return "'" + str(text).replace("'", "''") + "'"
