"""The ids of one table found among those of another, and the rows that belong to none."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.errors import InputError
from data.reading.cures import quoted, where_line
from data.reading.read_job import ReadJob
from data.reading.sources import RawTable
from data.reading.values import texts


def lead_rows(ids: pa.ChunkedArray, lead_ids: pa.Array) -> NDArray[np.int64]:
    """Find the row of each id: (n,) int64, -1 for an unknown one."""
    rows = pc.index_in(ids.combine_chunks(), value_set=lead_ids)
    return np.asarray(rows.fill_null(-1).to_numpy(zero_copy_only=False)).astype(np.int64)


def match_leads(raw: RawTable, column: str, lead_ids: pa.Array, job: ReadJob) -> NDArray[np.int64]:
    """Find the lead of each row: (n,) int64, -1 for an unknown one, which is noted.

    An id that another program wrote as a number ("7" or "7.0" for "007") is taken for the lead
    that it can only mean; where two leads are meant, it is refused.
    """
    row = match_keys(raw, column, lead_ids, job)
    count_orphans(raw, row, column, job)
    return row


def match_keys(raw: RawTable, column: str, keys: pa.Array, job: ReadJob) -> NDArray[np.int64]:
    """Find the place of each row's key among `keys`, as `match_leads` does; (n,), -1 for none."""
    ids = texts(raw.column(column), job.missing).combine_chunks()
    row = lead_rows(pa.chunked_array([ids]), keys)
    lost = (row < 0) & ids.is_valid().to_numpy(zero_copy_only=False)
    job.notes.count(_spelling(raw, column), str, 0)
    if lost.any():
        row[lost] = _spelt_otherwise(raw, column, ids, np.flatnonzero(lost), keys, job)
    return row


def _spelt_otherwise(
    raw: RawTable,
    column: str,
    ids: pa.Array,
    lost: NDArray[np.int64],
    keys: pa.Array,
    job: ReadJob,
) -> NDArray[np.int64]:
    """Look for the places of unknown ids by what is left without blanks, leading zeros and ".0"."""
    bare = bare_ids(ids.take(pa.array(lost)))
    bare_keys = bare_ids(keys)
    found = pc.index_in(bare, value_set=bare_keys).fill_null(-1).to_numpy(zero_copy_only=False)
    hit = found >= 0
    if not hit.any():
        return np.full(len(lost), -1)
    counts = pc.value_counts(bare_keys)
    twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    doubtful = pc.is_in(bare, value_set=twice).to_numpy(zero_copy_only=False)
    if doubtful.any() and not job.lenient:
        first = int(lost[doubtful.argmax()])
        raise raw.mistake(
            f"id {ids[first].as_py()!r:.60} may mean several that differ in leading zeros "
            f"({int(doubtful.sum()):,} such rows)",
            first,
            column,
            "export ids as text in both tables",
        )
    example = int(lost[hit.argmax()])
    meant = keys[int(found[hit.argmax()])].as_py()
    spelt = f"({ids[example].as_py()!r:.40} for {meant!r:.40})"
    job.notes.count(
        _spelling(raw, column),
        lambda n: (
            f"{raw.name}, column {column}: {n:,} rows spell the id otherwise {spelt} "
            "and are taken for it"
        ),
        int(hit.sum()),
    )
    return np.where(doubtful, -1, found).astype(np.int64)


def _spelling(raw: RawTable, column: str) -> str:
    """Name the count of ids that are spelt otherwise."""
    return f"{raw.name}, column {column}: spelling"


def bare_ids(ids: pa.Array) -> pa.Array:
    """Take blanks around an id off, and leading zeros and ".0" where it is a number."""
    neat = pc.utf8_trim_whitespace(ids)
    return pc.replace_substring_regex(neat, r"^0*(\d+?)(\.0+)?$", r"\1")


def count_orphans(raw: RawTable, lead: NDArray[np.int64], column: str, job: ReadJob) -> None:
    """Note rows whose lead is not in the leads; refuse a table where none is."""
    orphans = int((lead < 0).sum())
    whole = job.notes.sums is None  # of one block, none may be
    if whole and orphans == len(lead) and orphans and not job.lenient:
        raise InputError(
            f"none of {orphans:,} rows belongs to a lead",
            file=raw.name,
            column=column,
            cure="check that ids are written alike (leading zeros, case)",
        )
    job.notes.count(
        f"{raw.name}, column {column}: orphans",
        lambda n, of: f"{raw.name}: {n:,} of {of:,} rows belong to no lead and are left out",
        orphans,
        len(lead),
    )


def unique_ids(
    raw: RawTable, column: str, job: ReadJob, *, cure: str = "keep one row per id"
) -> tuple[pa.Array, NDArray[np.int64]]:
    """Read an id column: (sorted ids, their rows); InputError with `cure` where one repeats."""
    if column == "#row":
        width = len(str(len(raw)))
        ids = pa.array([f"{row:0{width}d}" for row in range(1, len(raw) + 1)])
        return ids, np.arange(len(raw))
    ids = texts(raw.column(column), job.missing).combine_chunks()
    if ids.null_count:
        row = pc.index(ids.is_null(), True).as_py()
        out = ids.is_null().to_numpy(zero_copy_only=False)
        known = [f"{quoted(column)} is known"]
        rule = where_line(raw, out, known, id_column=column, missing=job.missing)
        cure = f"leave such rows out: {rule}" if rule else "give every row one"
        raise raw.mistake(f"id is missing ({ids.null_count:,} such rows)", row, column, cure)
    order = np.asarray(pc.sort_indices(ids).to_numpy()).astype(np.int64)
    ranked = ids.take(pa.array(order))
    same = pc.equal(ranked[1:], ranked[:-1]).to_numpy(zero_copy_only=False).astype(bool)
    if same.any():
        pair = order[int(same.argmax()) : int(same.argmax()) + 2]
        first, second = sorted(int(row) for row in pair)
        _, line = raw.place(first)
        twice = pc.is_in(ids, value_set=ranked[1:].filter(pa.array(same)))
        out = twice.to_numpy(zero_copy_only=False).astype(bool)
        rule = where_line(raw, out, (), id_column=column, missing=job.missing)
        raise raw.mistake(
            f"id {ids[second].as_py()!r:.60} already stands in row {line} "
            f"({int(same.sum()):,} duplicates)",
            second,
            column,
            cure + (f", or leave these leads out: {rule}" if rule else ""),
        )
    return ranked, order
