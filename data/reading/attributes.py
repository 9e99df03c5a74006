"""Declared columns of leads and joined tables -> attributes, each with the time it became known."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from data.clock import NEVER
from data.errors import InputError
from data.reading.field_histories import all_missing, read_histories
from data.reading.match_ids import match_keys, unique_ids
from data.reading.object_files import in_database
from data.reading.read_job import ReadJob
from data.reading.rep_answers import ANSWER_COLUMNS
from data.reading.sources import RawTable
from data.reading.values import attribute_values, instants, texts
from data.schema import Project
from data.schema_tables import Attributes, Join
from data.tables import Attribute, Changes, Family


def read_attributes(
    raw: RawTable, lead_ids: pa.Array, order: NDArray[np.int64], job: ReadJob
) -> list[Attribute]:
    """Read the attributes of leads and joined tables; `order` sorts the rows by lead id.

    Those known from training (`job.kinds`) and absent now are added, missing in every row.
    """
    attributes = lead_attributes(raw, lead_ids, order, job) + joined_attributes(raw, order, job)
    if not job.kinds:
        attributes = _informative(raw, attributes, job)
    names = {attribute.name for attribute in attributes}
    _require_trained(raw, names, job)
    for name, kind in job.kinds.items():
        if name not in names and name not in ANSWER_COLUMNS:
            read = attribute_values(raw, name, job.project, kind) if job.lenient else None
            values = all_missing(len(order), kind) if read is None else read[1][order]
            attributes.append(Attribute(name, kind, values))
    return [
        replace(a, family=family_of(a.name, job.project, dated=a.known_at is not None))
        for a in attributes
    ]


def _require_trained(raw: RawTable, names: set[str], job: ReadJob) -> None:
    """Refuse a project that lacks a column which the model was trained on.

    A few leads, given one by one, may lack columns: those are then missing.
    """
    lost = [name for name in job.kinds if name not in names and name not in ANSWER_COLUMNS]
    if not lost or "leads" in job.frames:
        return
    lacking = "it is not in the file" if job.lenient else "the project has it no more"
    near = difflib.get_close_matches(lost[0], sorted(names | {*raw.table.column_names}), 1)
    more = f" ({len(lost) - 1} more: {', '.join(lost[1:4])})" if len(lost) > 1 else ""
    hint = f"did you mean {near[0]!r}? " if near else ""
    if near == lost[:1]:
        hint = "the table has it: declare it again, as fixed, known_at or history; "
    raise InputError(
        f"the model was trained on this column, and {lacking}{more}",
        file=raw.name,
        column=lost[0],
        cure=f"{hint}{'or' if near == lost[:1] else 'bring it back, or'} train again without it",
    )


def _informative(raw: RawTable, attributes: list[Attribute], job: ReadJob) -> list[Attribute]:
    """Leave out undated columns that are empty, or the same or different in every row; say so."""
    kept = []
    for attribute in attributes:
        missing = pd.isna(attribute.values)
        dated = attribute.known_at is not None or attribute.changes is not None
        alike = not missing.any() and len(set(attribute.values[:1_000])) == 1
        if not dated and _all_different(attribute, missing, job.project):
            job.notes.leave_out(raw.name, attribute.name, "is different in every row, left out")
        elif len(missing) < 2 or dated or not (missing.all() or alike):
            kept.append(attribute)
        elif missing.all():
            job.notes.leave_out(raw.name, attribute.name, "is empty and left out")
        elif bool((attribute.values == attribute.values[0]).all()):
            job.notes.leave_out(raw.name, attribute.name, "is the same in every row, left out")
        else:
            kept.append(attribute)
    return kept


def _all_different(attribute: Attribute, missing: NDArray[np.bool_], project: Project) -> bool:
    """Tell whether a column of words names each row, as ids and free texts do."""
    if attribute.kind != "category" or attribute.name in (project.leads.email, project.leads.title):
        return False
    words = attribute.values[~missing]
    return len(words) >= 100 and len(set(words)) == len(words)


def lead_attributes(
    raw: RawTable,
    lead_ids: pa.Array,
    order: NDArray[np.int64],
    job: ReadJob,
) -> list[Attribute]:
    """Read the attributes of the leads' own table; `order` sorts its rows by lead id."""
    section, project = job.project.leads, job.project
    _check_excluded(raw, section, job)
    if project.static:
        kept = _all_undated(raw, static_columns(raw, job), job)
    else:
        kept = _declared(raw, section, job)
        kept += read_histories(raw, section, "history", lead_ids, order, job)
    return [a if a.changes is not None else take(a, order) for a in kept]


def _check_excluded(raw: RawTable, section: Attributes, job: ReadJob) -> None:
    """Refuse an excluded column that does not exist where one is spelt alike; note the others."""
    names = raw.table.column_names
    for name in () if job.lenient or section.history else section.exclude:
        if name in names:
            continue
        near = difflib.get_close_matches(name, set(names) - set(section.exclude), 1, cutoff=0.75)
        if near:
            cure = f"did you mean {near[0]!r}? As it stands nothing is left out"
            raise InputError("column not found", file=raw.name, column=name, cure=cure)
        job.notes.add(f"{raw.name}: exclude names the column {name}, which is not there")


def no_static_features(project: Project) -> frozenset[str | None]:
    """Name the columns of the leads that are no feature in static mode: roles and `exclude`.

    Who owns a lead and how it came are features too.
    """
    leads = project.leads
    return frozenset(
        {
            leads.id,
            leads.converted,
            leads.converted_at,
            leads.disqualified_at,
            *leads.name,
            *leads.person,
            leads.company,
            leads.owner_email,
            leads.email,
            leads.account,
            project.project.order_by,
            *leads.exclude,
            *(join.on for join in leads.join),
        }
    )


def static_columns(raw: RawTable, job: ReadJob) -> list[str]:
    """List the columns that are features in static mode, without those that are empty."""
    names = []
    for name in _readable_columns(raw, no_static_features(job.project), job):
        column = texts(raw.column(name), job.missing)
        if column.null_count == len(column) and name not in job.kinds:
            job.notes.leave_out(raw.name, name, "is empty and left out")
        else:
            names.append(name)
    return names


def _readable_columns(
    raw: RawTable, out: Collection[str | None], job: ReadJob, prefix: str = ""
) -> list[str]:
    """List the columns but those that are `out`; InputError where the model needs an unread one."""
    for name, cause in raw.unread.items():
        if name not in out:
            if prefix + name in job.kinds:
                raw.column(name)
            job.notes.leave_out(raw.name, prefix + name, f"{cause}, left out")
    return [name for name in raw.table.column_names if name not in out]


def joined_attributes(leads: RawTable, order: NDArray[np.int64], job: ReadJob) -> list[Attribute]:
    """Read the attributes of every joined table, one row per lead, joined by key."""
    attributes: list[Attribute] = []
    for i, join in enumerate(job.project.leads.join):
        raw = job.source(join, f"join.{i}")
        _check_excluded(raw, join, job)
        keys, key_order = unique_ids(raw, join.key or join.on, job)
        row = match_keys(leads, join.on, keys, job)[order]
        _note_unmatched(raw, join, row, job)
        declared = _declared_or_static(raw, join, job)
        joined = [take(attribute, key_order) for attribute in declared]
        joined += read_histories(
            raw, join, f"join.{i}.history", keys, key_order, job, prefix_of(join)
        )
        attributes.extend(_of_leads(attribute, row, join) for attribute in joined)
    return attributes


def _declared_or_static(raw: RawTable, join: Join, job: ReadJob) -> list[Attribute]:
    """Take the declared columns; in static mode all but the key and the excluded ones."""
    if not job.project.static:
        return _declared(raw, join, job)
    out = {join.key or join.on, *join.exclude}
    prefix = prefix_of(join)
    return _all_undated(raw, _readable_columns(raw, out, job, prefix), job, prefix)


def _all_undated(
    raw: RawTable, columns: list[str], job: ReadJob, prefix: str = ""
) -> list[Attribute]:
    """Read columns of static mode by themselves; those that hold dates are noted and left out."""
    read = {name: _undated(raw, name, job, prefix) for name in columns}
    for name in (name for name, attribute in read.items() if attribute is None):
        reason = "holds dates, which are no feature in static mode"
        job.notes.leave_out(raw.name, prefix + name, reason)
    return [attribute for attribute in read.values() if attribute is not None]


def _note_unmatched(raw: RawTable, join: Join, row: NDArray[np.int64], job: ReadJob) -> None:
    """Note leads whose key has no row; refuse a join that never matches."""
    lost = int((row < 0).sum())
    if lost == len(row) and not job.lenient:
        raise InputError(
            f"no lead's {join.on} is found here",
            file=raw.name,
            column=join.key or join.on,
            cure="check that keys are written alike (leading zeros, case)",
        )
    job.notes.count(
        f"{raw.name}: unmatched",
        lambda n, of: f"{raw.name}: {n:,} of {of:,} leads have no row here",
        lost,
        len(row),
    )


def _undated(raw: RawTable, name: str, job: ReadJob, prefix: str = "") -> Attribute | None:
    """Read a column by itself, undated; None where it holds dates."""
    read = attribute_values(raw, name, job.project, job.kinds.get(prefix + name))
    return None if read is None else Attribute(name, read[0], read[1])


def _declared(raw: RawTable, section: Attributes, job: ReadJob) -> list[Attribute]:
    """Read `fixed` and `known_at` columns."""
    prefix = prefix_of(section) if isinstance(section, Join) else ""
    attributes = []
    clocks = {**dict.fromkeys(section.fixed), **section.known_at}
    for name, clock in clocks.items():
        if name in section.exclude or _may_be_absent(raw, name, job):
            continue
        raw.column(name)
        attribute = _undated(raw, name, job, prefix)
        if attribute is None:
            raise InputError(
                "holds timestamps, which are no feature",
                file=raw.name,
                column=name,
                cure="take it out of fixed and known_at",
            )
        if clock is not None:
            attribute = replace(attribute, known_at=instants(raw, clock, job))
        attributes.append(attribute)
    return attributes


def _may_be_absent(raw: RawTable, name: str, job: ReadJob) -> bool:
    """Tell whether another file of leads lacks a column: refused where the model needs it."""
    known = name in raw.table.column_names or name in raw.unread
    return raw.lenient and not job.of_few and not known


def _of_leads(attribute: Attribute, row: NDArray[np.int64], join: Join) -> Attribute:
    """Carry an attribute of a joined table to the leads; row -1 is missing."""
    none = None if attribute.kind == "category" else np.nan
    values = np.append(attribute.values, np.array([none], dtype=attribute.values.dtype))[row]
    known = None
    if attribute.known_at is not None:
        known = np.append(attribute.known_at, NEVER)[row]
    changes = None
    if attribute.changes is not None:
        changes = _changes_of_leads(attribute.changes, row)
    return Attribute(prefix_of(join) + attribute.name, attribute.kind, values, known, changes)


def _changes_of_leads(changes: Changes, row: NDArray[np.int64]) -> Changes:
    """Give every lead its own copy of the changes of the row it joins."""
    empty = len(changes.offsets) - 1  # one more row, without changes
    widened = replace(changes, offsets=np.append(changes.offsets, len(changes)))
    return widened.take(np.where(row < 0, empty, row))


def prefix_of(join: Join) -> str:
    """Choose the prefix of a joined table's columns: declared, or the file's name."""
    if join.prefix is not None:
        return join.prefix
    name = "joined" if in_database(join.source) else PurePosixPath(join.source).name.split(".")[0]
    return f"{name}_"


def take(attribute: Attribute, order: NDArray[np.int64]) -> Attribute:
    """Put the rows of an attribute in order (those with changes are built in order)."""
    known = None if attribute.known_at is None else attribute.known_at[order]
    return replace(attribute, values=attribute.values[order], known_at=known)


def family_of(name: str, project: Project, *, dated: bool) -> Family:
    """Tell to which family of reasons a column belongs."""
    bant = project.qualification.bant
    if name in (bant.need, bant.budget, bant.authority, bant.timing) or dated:
        return "qualification"
    return "context" if name in (project.leads.channel, project.leads.owner) else "fit"
