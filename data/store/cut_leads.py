"""A reading -> that of a part of its leads, or of those around one lead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.buckets import Part
from data.errors import InputError
from data.part import buckets_of_rows, outcomes_of, part_of
from data.reading.read_tables import CrmData
from data.schema import Project


def cut_to(crm: CrmData, project: Project, *, part: Part | None, lead: str | None) -> CrmData:
    """Keep the leads of a part, or those of the bucket of one lead; all where neither is asked.

    The rest is as the whole has it. InputError where there is no such lead.
    """
    if part is None and lead is None:
        return crm
    buckets = buckets_of_rows(crm.tables)
    if lead is not None:
        rows = np.flatnonzero(crm.tables.lead_ids == lead)
        if not len(rows):
            raise no_such_lead(lead, project, str(crm.tables.lead_ids[0]))
        rows = np.flatnonzero(buckets == buckets[rows[0]])
    if part is not None:
        rows = np.flatnonzero(part.holds(buckets))
    return take_rows(crm, rows)


def take_rows(crm: CrmData, rows: NDArray[np.int64]) -> CrmData:
    """Keep these rows, in this order; what all leads decide stays."""
    return replace(crm, tables=part_of(crm.tables, rows), outcomes=outcomes_of(crm.outcomes, rows))


def no_such_lead(lead: str, project: Project, example: str) -> InputError:
    """Say that no lead has this id."""
    return InputError(
        f"no such lead: {lead!r}",
        column=project.leads.id,
        cure=f"ids are written as {example!r}",
    )
