"""The leads table -> its clocks, ids, accounts, flags, and what a report shows of a lead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.clock import NEVER, Micros
from data.reading.flag_words import yes_words
from data.reading.read_job import ReadJob
from data.reading.sources import RawTable
from data.reading.values import instants, numbers, objects, texts

_DISPLAY = (
    *("name", "person", "company", "account", "owner", "owner_email", "team"),
    *("channel", "email", "title"),
)


def lead_clocks(job: ReadJob, raw: RawTable, order: NDArray[np.int64]) -> dict[str, Micros]:
    """Read the clocks in the leads table, rows in lead order; NEVER where not declared."""
    leads = job.project.leads
    roles = {
        "created_at": leads.created_at,
        "recorded_at": leads.recorded_at,
        "disqualified_at": leads.disqualified_at,
    }
    never = np.full(len(raw), NEVER)
    clocks = {
        role: never
        if column is None
        else instants(raw, column, job, needed=role == "created_at")[order]
        for role, column in roles.items()
    }
    if leads.recorded_at:
        recorded = clocks["recorded_at"]
        clocks["recorded_at"] = np.where(recorded == NEVER, clocks["created_at"], recorded)
    return clocks


def object_ids(ids: pa.Array) -> NDArray[np.object_]:
    """Turn sorted ids into (n,) str objects."""
    return np.array(ids.to_pylist(), dtype=object)


def accounts_of(job: ReadJob, raw: RawTable, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Code the account column: (n,) in order of the sorted names, -1 for none."""
    column = job.project.leads.account
    if column is None:
        return np.full(len(order), -1, np.int64)
    values = objects(texts(raw.column(column), job.missing))[order]
    return pd.factorize(values, sort=True)[0].astype(np.int64)


def shown_columns(job: ReadJob, raw: RawTable, order: NDArray[np.int64]) -> pd.DataFrame:
    """Collect what a report shows: name, person, owner, channel, email, title, account, value."""
    leads = job.project.leads
    named = {role: getattr(leads, role) or () for role in _DISPLAY}
    declared = {role: (own,) if isinstance(own, str) else own for role, own in named.items()}
    roles = [role for role, columns in declared.items() if columns]
    columns = [shown_texts(raw, declared[role], job)[order] for role in roles]
    cells = np.array(columns, dtype=object).reshape(len(roles), len(order)).T
    frame = pd.DataFrame(cells, columns=roles, dtype=object)
    if job.project.leads.value:
        frame["value"] = numbers(raw, job.project.leads.value, job.project)[order]
    return frame


def shown_texts(raw: RawTable, names: tuple[str, ...], job: ReadJob) -> NDArray[np.object_]:
    """Read what is shown of each row, several columns joined: first name and last name."""
    parts = [objects(texts(raw.column(name), job.missing)) for name in names]
    if len(parts) == 1:
        return parts[0]
    joined = [" ".join(word for word in row if word) or None for row in zip(*parts, strict=True)]
    return np.array(joined, dtype=object)


def converted_flag(job: ReadJob, raw: RawTable, order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Read the conversion flag: (n,), True for converted leads.

    Where leads are given or to be scored, a table without the column has no converted lead; where
    they are to be scored, one whose flag is empty has not converted. Neither has one whose flag is
    empty where all others say yes.
    """
    project = job.project
    column = project.leads.converted or project.leads.converted_at
    given = job.lenient or "leads" in job.frames
    if column is None or (given and column not in raw.table.column_names):
        return np.zeros(len(order), bool)
    if project.leads.converted_at:
        known = texts(raw.column(column), job.missing).is_valid()
        return np.asarray(known.to_numpy()[order], bool)
    words = texts(raw.column(column), job.missing)
    hit = yes_words(raw, column, words, job)
    only_yes = pc.all(hit.filter(words.is_valid())).as_py()  # crosses: the others have nothing
    if words.null_count and not (job.lenient or only_yes):
        row = pc.index(words.is_null(), True).as_py()
        raise raw.mistake(
            f"flag is missing ({words.null_count:,} such rows)",
            row,
            column,
            f'leave out leads whose outcome is not known: where = "\\"{column}\\" is known"',
        )
    return np.asarray(pc.fill_null(hit, False).to_numpy()[order], bool)


def flag_is_known(job: ReadJob, raw: RawTable) -> bool:
    """Tell whether every lead's flag says what became of it, as those of training do."""
    column = job.project.leads.converted
    if column is None or column not in raw.table.column_names:
        return False
    return not texts(raw.column(column), job.missing).null_count
