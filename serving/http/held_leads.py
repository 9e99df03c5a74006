"""The leads of a project in memory: one is found and cut out without going over the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data.part import part_of
from data.reading.read_tables import CrmData
from data.tables import Tables


@dataclass(frozen=True, slots=True)
class HeldLeads:
    """What was read of a project, with the row of each lead."""

    tables: Tables
    rows: Mapping[str, int]

    @classmethod
    def of(cls, reading: CrmData) -> HeldLeads:
        """Index the leads of a reading."""
        tables = reading.tables
        return cls(tables, {str(lead): row for row, lead in enumerate(tables.lead_ids)})

    def cut(self, lead_id: str) -> Tables | None:
        """Cut a lead out, as the only one of its tables; None where it is not held."""
        row = self.rows.get(lead_id)
        return None if row is None else part_of(self.tables, np.array([row]))
