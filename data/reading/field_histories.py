"""Logs of changed fields -> attributes, each value with the time from which it held."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from data.clock import Micros
from data.reading.match_ids import match_leads
from data.reading.read_job import ReadJob
from data.reading.sources import RawTable
from data.reading.values import attribute_values, categories, instants, objects, texts
from data.schema import Project
from data.schema_tables import Attributes, History
from data.tables import Attribute, Changes, Kind


def read_histories(
    raw: RawTable,
    section: Attributes,
    label: str,
    ids: pa.Array,
    order: NDArray[np.int64],
    job: ReadJob,
    prefix: str = "",
) -> list[Attribute]:
    """Read the field histories: one attribute per field that is not declared otherwise.

    `order` sorts the rows of `raw` by their ids, `ids` are sorted.
    """
    attributes: list[Attribute] = []
    taken = {*section.fixed, *section.known_at, *section.exclude}
    for i, history in enumerate(section.history):
        columns = [history.lead, history.field, history.old, history.new, history.at]
        log = job.source(history, f"{label}.{i}", columns=columns)
        row = match_leads(log, history.lead, ids, job)
        at = instants(log, history.at, job, needed=True)
        fields = objects(texts(log.column(history.field), job.missing))
        for name in sorted({f for f in fields if f is not None} - taken):
            if name in _outcome_columns(job.project):
                continue
            taken.add(name)
            hit = (row >= 0) & (fields == name)
            replayed = _history_of(log, history, name, hit, row, at, raw, order, job, prefix)
            if replayed is None:
                job.notes.leave_out(log.name, prefix + name, "holds dates, which are no feature")
            else:
                attributes.append(replayed)
    return attributes


def _outcome_columns(project: Project) -> set[str]:
    """List the columns of leads that say what became of a lead."""
    leads = project.leads
    names = (
        *(leads.id, leads.created_at),
        *(leads.converted, leads.converted_at, leads.disqualified_at),
    )
    return {name for name in names if name}


def _history_of(
    log: RawTable,
    history: History,
    name: str,
    hit: NDArray[np.bool_],
    row: NDArray[np.int64],
    at: Micros,
    raw: RawTable,
    order: NDArray[np.int64],
    job: ReadJob,
    prefix: str,
) -> Attribute | None:
    """Build one attribute from its changes, sorted by (row, at), ties in the log's order.

    None where the field holds dates.
    """
    rows = np.flatnonzero(hit)
    rows = rows[np.lexsort((at[rows], row[rows]))]
    taken = pa.array(rows)
    places = taken if log.rows is None else log.rows.take(taken)
    part = replace(log, table=log.table.take(taken), rows=places)
    n = len(order)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row[rows], minlength=n))])
    project, known = job.project, job.kinds.get(prefix + name)
    sides = [attribute_values(part, side, project, known) for side in (history.old, history.new)]
    present = name in raw.table.column_names or name in raw.unread
    current = attribute_values(raw, name, project, known) if present else None
    if any(side is None for side in (*sides, current if present else sides[0])):
        return None
    kinds = {s[0] for s in (*sides, current) if s is not None and _has_values(s[1])}
    kind: Kind = "number" if kinds == {"number"} else "category"
    old, new = (
        _of_kind(part, side, kind, read, project)
        for side, read in zip((history.old, history.new), sides, strict=True)
    )
    if current is not None:
        values = _of_kind(raw, name, kind, current, project)[order]
    else:  # only the log has the field: its value now is that of the last change
        values = all_missing(n, kind)
        changed = offsets[1:] > offsets[:-1]
        values[changed] = new[offsets[1:][changed] - 1]
    return Attribute(name, kind, values, changes=Changes(offsets, at[rows], old, new))


def _has_values(values: NDArray[np.generic]) -> bool:
    """Tell whether any value is known (an empty text column says nothing of its kind)."""
    return not bool(pd.isna(values).all())


def _of_kind(
    raw: RawTable,
    column: str,
    kind: Kind,
    read: tuple[Kind, NDArray[np.generic]] | None,
    project: Project,
) -> NDArray[np.generic]:
    """Bring a column to the kind that all columns of the field share."""
    if read is not None and read[0] == kind:
        return read[1]
    if kind == "number":
        return np.full(len(raw), np.nan)
    return categories(raw, column, project)


def all_missing(n: int, kind: Kind) -> NDArray[np.generic]:
    """Make a column without values."""
    return np.full(n, np.nan) if kind == "number" else np.full(n, None, dtype=object)
