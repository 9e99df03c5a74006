"""One run of the event store: sorted columns as raw little-endian arrays, and the index into it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.errors import InputError

COLUMNS: Final = {
    "at": "<i8",
    "recorded_at": "<i8",
    "type": "<i2",
    "channel": "<i2",
    "campaign": "<i4",
    "person": "<i4",
    "direction": "<i1",
    "value": "<f4",
}
_MOMENT: Final = {"at": "happened", "recorded_at": "recorded"}  # `at` is a word of SQL
MAX_TYPES: Final = 5_000
Texts = Mapping[str, pa.Table]  # one column, `text`, in the order of the codes


@dataclass(frozen=True, slots=True)
class EventFields:
    """Which columns of a source hold what; None where a source has no such column."""

    lead: str
    at: str
    type: str
    recorded_at: str | None = None
    channel: str | None = None
    campaign: str | None = None
    person: str | None = None
    direction: str | None = None  # inbound, outbound, or 0, 1
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One sorted run: its folder's name, its size, and which columns it has."""

    name: str
    events: int
    new_leads: int
    columns: tuple[str, ...]
    left_out: int = 0  # events without lead, time or type


class RunWriter:
    """Writes a run batch by batch into a draft folder that takes its name when it is whole."""

    def __init__(self, folder: Path, columns: tuple[str, ...]) -> None:
        self.folder, self.columns = folder, columns
        self.draft = folder.with_name(folder.name + ".new")
        shutil.rmtree(self.draft, ignore_errors=True)
        self.draft.mkdir(parents=True)
        self.files = {name: open(self.draft / f"{name}.bin", "wb") for name in columns}  # noqa: SIM115
        self.events = 0
        self.leads: list[NDArray[np.int64]] = []
        self.starts: list[NDArray[np.int64]] = []
        self.last = -1

    def write(self, lead: NDArray[np.int64], batch: Mapping[str, NDArray[np.generic]]) -> None:
        """Add sorted events: lead numbers and the columns beside them."""
        if not len(lead):
            return
        for name, file in self.files.items():
            np.ascontiguousarray(batch[name], dtype=COLUMNS[name]).tofile(file)
        begins = np.flatnonzero(np.diff(lead, prepend=self.last))
        self.leads.append(lead[begins].astype(np.int64))
        self.starts.append(begins + self.events)
        self.events += len(lead)
        self.last = int(lead[-1])

    def close(self, texts: Texts, *, left_out: int = 0) -> Run:
        """Write the index and the new texts of each dictionary, and give the run its name."""
        for file in self.files.values():
            file.close()
        lead = np.concatenate([np.empty(0, np.int64), *self.leads])
        start = np.concatenate([np.empty(0, np.int64), *self.starts, [self.events]])
        lead.astype("<i8").tofile(self.draft / "lead.idx")
        start.astype("<i8").tofile(self.draft / "start.idx")
        for name, table in texts.items():
            pq.write_table(table, self.draft / f"{name}.parquet")
        shutil.rmtree(self.folder, ignore_errors=True)
        os.replace(self.draft, self.folder)
        return Run(self.folder.name, self.events, texts["lead"].num_rows, self.columns, left_out)


def read_index(folder: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read which leads a run has, ascending, and where each one's events start (one entry more)."""
    lead, start = folder / "lead.idx", folder / "start.idx"
    if lead.stat().st_size == 0:
        return np.empty(0, np.int64), np.zeros(1, np.int64)
    return np.memmap(lead, "<i8", mode="r"), np.memmap(start, "<i8", mode="r")


def read_slice(folder: Path, name: str, begin: int, end: int) -> NDArray[np.generic]:
    """Map events begin..end-1 of one column."""
    kind = np.dtype(COLUMNS[name])
    if end == begin:
        return np.empty(0, kind)
    # copy-on-write: nothing is copied, and the array is writable, as some readers require
    return np.asarray(
        np.memmap(
            folder / f"{name}.bin", kind, mode="c", offset=begin * kind.itemsize, shape=end - begin
        )
    )


def ingest(
    source: str | Path | pa.Table | pa.RecordBatchReader,
    fields: EventFields,
    folder: Path,
    known: Texts,
    *,
    timezone: str,
    memory: str,
    threads: int,
) -> Run:
    """Read, code and sort one source into the run `folder`, within `memory` of DuckDB."""
    place = str(source) if isinstance(source, str | Path) else "events"
    work = folder.with_name(folder.name + ".work")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        with duckdb.connect() as con:
            con.execute("set memory_limit = ?", [memory])
            con.execute("set threads = ?", [threads])
            con.execute("set temp_directory = ?", [str(work)])
            con.execute("set TimeZone = ?", [timezone])
            columns = _load(con, source, fields)
            left_out = _check(con, place)
            fresh = {name: _code(con, name, texts) for name, texts in known.items()}
            if known["type"].num_rows + fresh["type"].num_rows > MAX_TYPES:
                raise InputError(
                    f"more than {MAX_TYPES:,} event types",
                    column=fields.type,
                    cure="name a column of types, not of ids or texts",
                )
            writer = RunWriter(folder, columns)
            for batch in _sorted(con, columns):
                lead = batch.column("lead").to_numpy()
                writer.write(
                    lead, {c: batch.column(c).to_numpy(zero_copy_only=False) for c in columns}
                )
            return writer.close(fresh, left_out=left_out)
    except duckdb.Error as error:
        raise InputError(f"cannot be ingested: {error}", file=place) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _load(
    con: duckdb.DuckDBPyConnection,
    source: str | Path | pa.Table | pa.RecordBatchReader,
    fields: EventFields,
) -> tuple[str, ...]:
    """Read the source once into a table of typed columns; return the roles that it has."""
    place = "events"
    if isinstance(source, str | Path):
        place = path = str(source)
        parquet = path.endswith((".parquet", ".pq"))
        relation = con.read_parquet(path) if parquet else con.read_csv(path, all_varchar=True)
    else:
        relation = con.from_arrow(source)
    kinds = dict(zip(relation.columns, map(str, relation.types), strict=True))
    named = {
        role: name
        for role in (*COLUMNS, "lead")
        if (name := fields.at if role == "at" else getattr(fields, role)) is not None
    }
    for name in named.values():
        if name not in kinds:
            raise InputError(
                "column not found",
                file=place,
                column=name,
                cure=f"columns: {', '.join(list(kinds)[:12])}",
            )
    relation.select(
        *(duckdb.ColumnExpression(name).alias(f"c_{role}") for role, name in named.items())
    ).create_view("source")
    picked = ", ".join(_select_role(role, kinds[name]) for role, name in named.items())
    con.execute(f"create table raw as select {picked}, row_number() over () as seq from source")  # noqa: S608
    return tuple(role for role in COLUMNS if role in named)


def _select_role(role: str, kind: str) -> str:
    """Write the SQL that reads a role from a column of a type, out of constants only."""
    if role in ("at", "recorded_at"):
        return (
            f"c_{role} as {_MOMENT[role]}"
            if kind == "BIGINT"
            else f"epoch_us(try_cast(c_{role} as timestamptz)) as {_MOMENT[role]}"
        )
    if role == "value":
        return "try_cast(c_value as float) as value"
    if role == "direction":
        return (
            "case lower(c_direction::varchar) when 'inbound' then 0 when 'in' then 0 "
            "when '0' then 0 when 'outbound' then 1 when 'out' then 1 when '1' then 1 "
            "else -1 end::tinyint as direction"
        )
    return f"nullif(trim(c_{role}::varchar), '') as {role}"


def _check(con: duckdb.DuckDBPyConnection, source: str) -> int:
    """Drop the events without lead, time or type; count them; InputError where they are most."""
    counts = con.execute(
        "select count(*) filter (bad), min(seq) filter (bad), count(*) from (select seq, "
        "lead is null or happened is null or type is null as bad from raw)"
    ).fetchall()
    left_out, first, total = counts[0]
    if total == 0:
        raise InputError("has no events", file=source)
    if left_out * 2 > total:
        raise InputError(
            f"{left_out:,} of {total:,} events lack a lead, a readable time or a type",
            file=source,
            row=int(first),
            cure="check the columns and the time format",
        )
    if left_out:
        con.execute("delete from raw where lead is null or happened is null or type is null")
    return int(left_out)


def _code(con: duckdb.DuckDBPyConnection, name: str, known: pa.Table) -> pa.Table:
    """Number the texts of one column: known ones keep their code, new ones follow in order."""
    con.register("known", known)
    con.execute(
        f"create table code_{name} as select text, row_number() over () - 1 as code from known"  # noqa: S608
    )
    con.unregister("known")
    if name not in con.table("raw").columns:
        return known.slice(0, 0)
    fresh = con.sql(
        f"select distinct raw.{name} as text from raw anti join code_{name} c "  # noqa: S608
        f"on raw.{name} = c.text where raw.{name} is not null order by 1"
    ).to_arrow_table()
    assert fresh is not None
    con.register("fresh", fresh)
    con.execute(
        f"insert into code_{name} select text, ? + row_number() over () - 1 from fresh",  # noqa: S608
        [known.num_rows],
    )
    con.unregister("fresh")
    return fresh.cast(known.schema)


def _sorted(con: duckdb.DuckDBPyConnection, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """Stream the coded events by (lead, at), ties in source order."""
    picked, joins = ["code_lead.code as lead"], ["join code_lead on raw.lead = code_lead.text"]
    for name in columns:
        if name in ("type", "channel", "campaign", "person"):
            picked.append(f"coalesce(code_{name}.code, -1) as {name}")
            joins.append(f"left join code_{name} on raw.{name} = code_{name}.text")
        elif name == "recorded_at":
            picked.append("coalesce(recorded, happened) as recorded_at")
        elif name == "at":
            picked.append('happened as "at"')
        elif name == "value":
            picked.append("coalesce(value, 'nan'::float) as value")
        else:
            picked.append(name)
    query = (
        f"select {', '.join(picked)} from raw {' '.join(joins)} "  # noqa: S608
        "order by code_lead.code, happened, seq"
    )
    reader: pa.RecordBatchReader = con.sql(query).to_arrow_reader(500_000)
    yield from reader
