"""Declared columns of leads and joined tables -> attributes, each with the clock that dates it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.clock import NEVER, Micros
from data.errors import InputError
from data.event_columns import count_orphans, lead_rows
from data.network import scheme_of
from data.schema import Attributes, History, Join, Project
from data.sources import RawTable, read_source
from data.tables import Attribute, Changes, Kind
from data.values import Notes, attribute_values, instants, objects, texts

Frames = Mapping[str, pd.DataFrame]
Family = Literal["fit", "engagement", "qualification", "context"]


def lead_attributes(
    raw: RawTable,
    lead_ids: pa.Array,
    order: NDArray[np.int64],
    project: Project,
    notes: Notes,
    frames: Frames,
) -> list[Attribute]:
    """Read the attributes of the leads' own table; `order` sorts its rows by lead id."""
    section = project.leads
    if project.static:
        columns = static_columns(raw, project, notes)
        made = [_undated(raw, name, project) for name in columns]
        kept = [a for a in made if a is not None]
        for name in {*columns} - {a.name for a in kept}:
            notes.add(
                f"{raw.name}, column {name}: holds dates, which are no feature in static mode"
            )
    else:
        kept = _declared(raw, section, project, notes)
        kept += _replayed(raw, section, "history", lead_ids, order, project, notes, frames)
    in_order = [a if a.changes is not None else take(a, order) for a in kept]
    return [
        replace(a, family=family_of(a.name, project, dated=a.known_at is not None))
        for a in in_order
    ]


def static_columns(raw: RawTable, project: Project, notes: Notes) -> list[str]:
    """List the columns that are features in static mode: all but the declared roles and exclude."""
    leads = project.leads
    out = {
        leads.id,
        leads.converted,
        leads.converted_at,
        leads.disqualified_at,
        leads.name,
        leads.email,
        leads.account,
        project.project.order_by,
        *leads.exclude,
        *(join.on for join in leads.join),
    }
    names = []
    for name in raw.table.column_names:
        column = texts(raw.column(name), project.project.missing) if name not in out else None
        if column is None:
            continue
        if column.null_count == len(column):
            notes.add(f"{raw.name}, {name}: is empty and left out")
        else:
            names.append(name)
    return names


def joined_attributes(
    leads: RawTable, order: NDArray[np.int64], project: Project, notes: Notes, frames: Frames
) -> list[Attribute]:
    """Read the attributes of every joined table, one row per lead, found by key."""
    found: list[Attribute] = []
    for i, join in enumerate(project.leads.join):
        raw = read_source(join, project, frame=frames.get(f"join.{i}"), label=f"join.{i}")
        keys, key_order = unique_ids(raw, join.key or join.on, project)
        on = texts(leads.column(join.on), project.project.missing)
        row = lead_rows(on, keys)[order]
        _note_unmatched(raw, join, row, notes)
        own = _declared_or_static(raw, join, project, notes)
        made = [take(attribute, key_order) for attribute in own]
        made += _replayed(raw, join, f"join.{i}.history", keys, key_order, project, notes, frames)
        found.extend(_spread(attribute, row, join) for attribute in made)
    return [
        replace(a, family=family_of(a.name, project, dated=a.known_at is not None)) for a in found
    ]


def _declared_or_static(
    raw: RawTable, join: Join, project: Project, notes: Notes
) -> list[Attribute]:
    """Take the declared columns; in static mode all but the key and the excluded ones."""
    if not project.static:
        return _declared(raw, join, project, notes)
    out = {join.key or join.on, *join.exclude}
    made = [_undated(raw, n, project) for n in raw.table.column_names if n not in out]
    return [a for a in made if a is not None]


def _note_unmatched(raw: RawTable, join: Join, row: NDArray[np.int64], notes: Notes) -> None:
    """Note leads whose key finds nothing; refuse a join that never matches."""
    lost = int((row < 0).sum())
    if lost == len(row):
        raise InputError(
            f"no lead's {join.on} is found here",
            file=raw.name,
            column=join.key or join.on,
            cure="check that keys are written alike (leading zeros, case)",
        )
    if lost:
        notes.add(f"{raw.name}: {lost:,} of {len(row):,} leads have no row here")


def unique_ids(raw: RawTable, column: str, project: Project) -> tuple[pa.Array, NDArray[np.int64]]:
    """Read an id column: (sorted ids, their rows); InputError where one stands twice."""
    if column == "#row":
        width = len(str(len(raw)))
        ids = pa.array([f"{row:0{width}d}" for row in range(1, len(raw) + 1)])
        return ids, np.arange(len(raw))
    ids = texts(raw.column(column), project.project.missing).combine_chunks()
    if ids.null_count:
        row = pc.index(ids.is_null(), True).as_py()
        raise raw.mistake(f"id is missing ({ids.null_count:,} such rows)", row, column)
    order = np.asarray(pc.sort_indices(ids).to_numpy()).astype(np.int64)
    ranked = ids.take(pa.array(order))
    same = pc.equal(ranked[1:], ranked[:-1]).to_numpy(zero_copy_only=False).astype(bool)
    if same.any():
        pair = order[int(same.argmax()) : int(same.argmax()) + 2]
        first, second = sorted(int(row) for row in pair)
        _, line = raw.place(first)
        raise raw.mistake(
            f"id {ids[second].as_py()!r:.60} already stands in row {line} "
            f"({int(same.sum()):,} duplicates)",
            second,
            column,
            "keep one row per id",
        )
    return ranked, order


def _undated(raw: RawTable, name: str, project: Project) -> Attribute | None:
    """Read a column without a clock of its own; None for dates."""
    read = attribute_values(raw, name, project)
    return None if read is None else Attribute(name, read[0], read[1])


def _declared(
    raw: RawTable, section: Attributes, project: Project, notes: Notes
) -> list[Attribute]:
    """Read `fixed` and `known_at` columns."""
    found = []
    clocks = {**dict.fromkeys(section.fixed), **section.known_at}
    for name, clock in clocks.items():
        if name in section.exclude:
            continue
        raw.column(name)
        attribute = _undated(raw, name, project)
        if attribute is None:
            raise InputError(
                "holds timestamps, which are no feature",
                file=raw.name,
                column=name,
                cure="take it out of fixed and known_at",
            )
        if clock is not None:
            attribute = replace(attribute, known_at=instants(raw, clock, project, notes))
        found.append(attribute)
    return found


def _replayed(
    raw: RawTable,
    section: Attributes,
    label: str,
    ids: pa.Array,
    order: NDArray[np.int64],
    project: Project,
    notes: Notes,
    frames: Frames,
) -> list[Attribute]:
    """Read the field histories: one attribute per field that is not declared otherwise."""
    found: list[Attribute] = []
    taken = {*section.fixed, *section.known_at, *section.exclude}
    for i, history in enumerate(section.history):
        if project.static:
            raise InputError("a history needs leads.created_at", column=f"leads.{label}.{i}")
        log = read_source(history, project, frame=frames.get(f"{label}.{i}"), label=f"{label}.{i}")
        row = lead_rows(texts(log.column(history.lead), project.project.missing), ids)
        count_orphans(log, row, history.lead, notes)
        at = instants(log, history.at, project, notes, needed=True)
        fields = objects(texts(log.column(history.field), project.project.missing))
        for name in sorted({f for f in fields if f is not None} - taken):
            if name in _outcome_columns(project):
                continue
            taken.add(name)
            hit = (row >= 0) & (fields == name)
            found.append(_history_of(log, history, name, hit, row, at, raw, order, project))
    return found


def _outcome_columns(project: Project) -> set[str]:
    """List the columns of leads that say what became of a lead."""
    leads = project.leads
    names = (leads.id, leads.created_at, leads.converted_at, leads.disqualified_at)
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
    project: Project,
) -> Attribute:
    """Build one attribute from its changes, sorted by (row, at), ties in the log's order."""
    rows = np.flatnonzero(hit)
    rows = rows[np.lexsort((at[rows], row[rows]))]
    part = RawTable(
        log.name,
        log.table.take(pa.array(rows)),
        log.parts,
        log.date_format,
        log.decimal,
        pa.array(rows) if log.rows is None else log.rows.take(pa.array(rows)),
    )
    n = len(order)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row[rows], minlength=n))])
    sides = [attribute_values(part, side, project) for side in (history.old, history.new)]
    present = name in raw.table.column_names
    current = attribute_values(raw, name, project) if present else None
    kinds = {s[0] for s in (*sides, current) if s is not None and _has_values(s[1])}
    kind: Kind = "number" if kinds == {"number"} else "category"
    old, new = (
        _of_kind(part, side, kind, read, project)
        for side, read in zip((history.old, history.new), sides, strict=True)
    )
    if current is not None:
        values = _of_kind(raw, name, kind, current, project)[order]
    else:  # the log alone knows the field: the last change says how it stands now
        values = np.full(n, np.nan) if kind == "number" else np.full(n, None, dtype=object)
        changed = offsets[1:] > offsets[:-1]
        values[changed] = new[offsets[1:][changed] - 1]
    return Attribute(name, kind, values, changes=Changes(offsets, at[rows], old, new))


def _has_values(values: NDArray[np.generic]) -> bool:
    """Tell whether anything is there at all (an empty text column says nothing of its kind)."""
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
    return objects(texts(raw.column(column), project.project.missing))


def _spread(attribute: Attribute, row: NDArray[np.int64], join: Join) -> Attribute:
    """Carry an attribute of a joined table to the leads; -1 finds nothing."""
    prefix = join.prefix if join.prefix is not None else _stem(join.source) + "_"
    none = None if attribute.kind == "category" else np.nan
    values = np.append(attribute.values, np.array([none], dtype=attribute.values.dtype))[row]
    known = None
    if attribute.known_at is not None:
        known = np.append(attribute.known_at, NEVER)[row]
    changes = None
    if attribute.changes is not None:
        changes = _spread_changes(attribute.changes, row)
    return Attribute(prefix + attribute.name, attribute.kind, values, known, changes)


def _spread_changes(changes: Changes, row: NDArray[np.int64]) -> Changes:
    """Give every lead its own copy of the changes of the row it joins."""
    counts = np.append(np.diff(changes.offsets), 0)[row]
    starts = np.append(changes.offsets[:-1], 0)[row]
    offsets = np.concatenate([[0], np.cumsum(counts)])
    picks = np.repeat(starts - offsets[:-1], counts) + np.arange(offsets[-1])
    return Changes(offsets, changes.at[picks], changes.old[picks], changes.new[picks])


def _stem(source: str) -> str:
    """Name a joined table after its file."""
    return "joined" if scheme_of(source) else Path(source).name.split(".")[0]


def take(attribute: Attribute, order: NDArray[np.int64]) -> Attribute:
    """Put the rows of an attribute in order (those with changes are born in order)."""
    known = None if attribute.known_at is None else attribute.known_at[order]
    return replace(attribute, values=attribute.values[order], known_at=known)


def family_of(name: str, project: Project, *, dated: bool) -> Family:
    """Tell to which family of reasons a column belongs."""
    bant = project.qualification.bant
    if name in (bant.need, bant.budget, bant.authority, bant.timing) or dated:
        return "qualification"
    return "context" if name in (project.leads.channel, project.leads.owner) else "fit"
